/* Tasks of a model's chunks, one each, and what is made of their results. */
#ifndef CLIENT_CHUNKS_H
#define CLIENT_CHUNKS_H

#include "client/model.h"

/* Room for `count` futures, NULL at first; or NULL. */
struct dusk_future **chunks_futures(int64_t count);

/* Releases the futures that are there, and the room; NULL is fine. */
void chunks_release(struct dusk_future **futures, int64_t count);

/* Waits until all are finished, and with fetch until their results are here.  Errors
 * as of watch_await. */
int chunks_await(struct model *model, const char *stage,
                 struct dusk_future *const *futures, int64_t count,
                 struct err_text *text);
int chunks_fetch(struct model *model, const char *stage,
                 struct dusk_future *const *futures, int64_t count,
                 struct err_text *text);

/* Notes one finished task of each chunk in the model's stream. */
void chunks_note(struct model *model, const char *kind,
                 struct dusk_future *const *futures);

/* Submits one task a chunk, waits for all, and hands each result to `take`.  Both
 * return what libdusk's calls return. */
typedef int chunks_submit_fn(struct model *model, int64_t chunk, const void *arg,
                             struct dusk_future **ret_future);
typedef int chunks_take_fn(struct model *model, int64_t chunk,
                           struct dusk_future *future, void *arg);
int chunks_map(struct model *model, const char *stage, const char *kind,
               chunks_submit_fn *submit, const void *submit_arg, chunks_take_fn *take,
               void *take_arg, struct err_text *text);

/* The sum of `count` > 0 results, added up on the workers; the caller's to release. */
int chunks_sum(struct model *model, struct dusk_future *const *leaves, int64_t count,
               struct dusk_future **ret_sum, struct err_text *text);

#endif
