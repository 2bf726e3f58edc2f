#include "client/chunks.h"

#include <stdlib.h>

#define SUM_FAN_IN 8 /* terms of one task */

struct dusk_future **chunks_futures(int64_t count)
{
    return calloc((size_t)count, sizeof(struct dusk_future *));
}

void chunks_release(struct dusk_future **futures, int64_t count)
{
    if (futures)
        dusk_release(futures, (int)count);
    free(futures);
}

int chunks_await(struct model *model, const char *stage,
                 struct dusk_future *const *futures, int64_t count,
                 struct err_text *text)
{
    return watch_await(&model->watch, model->data->client, stage, futures, (int)count,
                       text);
}

int chunks_fetch(struct model *model, const char *stage,
                 struct dusk_future *const *futures, int64_t count,
                 struct err_text *text)
{
    int rc = chunks_await(model, stage, futures, count, text);
    return rc < 0 ? rc : watch_fetch(&model->watch, futures, (int)count, text);
}

void chunks_note(struct model *model, const char *kind,
                 struct dusk_future *const *futures)
{
    for (int64_t i = 0; i < model->data->chunks; i++)
        stream_add(model->stream, kind, i, futures[i]);
}

int chunks_map(struct model *model, const char *stage, const char *kind,
               chunks_submit_fn *submit, const void *submit_arg, chunks_take_fn *take,
               void *take_arg, struct err_text *text)
{
    int64_t chunks = model->data->chunks;
    struct dusk_future **futures = chunks_futures(chunks);
    int rc = futures ? 0 : err_set(text, DUSK_E_NOMEM, "no memory for futures");
    for (int64_t i = 0; rc == 0 && i < chunks; i++)
        if ((rc = submit(model, i, submit_arg, &futures[i])) < 0)
            watch_failed(rc, text);
    if (rc == 0)
        rc = chunks_fetch(model, stage, futures, chunks, text);
    if (rc == 0)
        chunks_note(model, kind, futures);
    for (int64_t i = 0; rc == 0 && i < chunks; i++)
        if ((rc = take(model, i, futures[i], take_arg)) < 0)
            watch_failed(rc, text);
    chunks_release(futures, chunks);
    return rc;
}

/* Replaces the `n` futures at `group` by one of their sum; a lone one is its own. */
static int sum_group(struct model *model, struct dusk_future **group, int n,
                     struct dusk_future **ret_sum)
{
    struct dusk_argument arguments[SUM_FAN_IN] = {0};
    struct dusk_submit_options keep = {.priority = -1, .keep_on_worker = 1};
    struct dusk_future *sum = NULL;
    int rc = 0;
    if (n == 1) {
        sum = dusk_future_ref(group[0]);
    } else {
        for (int i = 0; i < n; i++)
            arguments[i].future = group[i];
        rc = dusk_submit_arguments(model->data->client, &keep, &sum, "sum", n,
                                   arguments);
    }
    dusk_release(group, n);
    *ret_sum = sum;
    return rc;
}

/* SUM_FAN_IN at a time, until one is left. */
int chunks_sum(struct model *model, struct dusk_future *const *leaves, int64_t count,
               struct dusk_future **ret_sum, struct err_text *text)
{
    struct dusk_future **level = chunks_futures(count);
    if (!level)
        return err_set(text, DUSK_E_NOMEM, "no memory for futures");
    for (int64_t i = 0; i < count; i++)
        level[i] = dusk_future_ref(leaves[i]);
    int rc = 0;
    for (int64_t width = count, parents; rc == 0 && width > 1; width = parents) {
        parents = (width + SUM_FAN_IN - 1) / SUM_FAN_IN;
        for (int64_t i = 0; rc == 0 && i < parents; i++) {
            int64_t first = i * SUM_FAN_IN, left = width - first;
            rc = sum_group(model, &level[first],
                           left < SUM_FAN_IN ? (int)left : SUM_FAN_IN, &level[i]);
        }
    }
    if (rc == 0) {
        *ret_sum = level[0];
        level[0] = NULL;
    } else {
        watch_failed(rc, text);
    }
    chunks_release(level, count);
    return rc;
}
