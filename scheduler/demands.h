/* What tasks need beside a thread.  Tasks that need the same resources, on the same
 * worker if they are bound to one, share a demand and queue there: whoever has the
 * resources free takes the first.  Demands are few; those that nothing uses stay until
 * their room is needed. */
#ifndef SCHEDULER_DEMANDS_H
#define SCHEDULER_DEMANDS_H

#include "common/heap.h"
#include "common/list.h"
#include "proto/resources.h"

struct scheduler;
struct worker;

#define DEMANDS_MAX 256

struct demand {
    struct list link; /* in scheduler->demands */
    struct resources needs;
    struct heap queue; /* ready tasks */
    char *text;        /* owned, as the client wrote it */
    char *worker;      /* owned: the only one that may run them, or "" */
    size_t users;      /* tasks, and attempts that workers are to stop */
};

/* Found or made; the caller counts its task in `users`.  DUSK_E_INVALID for a text that
 * names no resources, DUSK_E_LIMIT, DUSK_E_NOMEM, with a line. */
int demand_get(struct scheduler *scheduler, struct str text, struct str worker,
               struct err_text *error, struct demand **ret_demand);
void demand_destroy(struct demand *demand);

/* Whether the worker has what is needed at all; and whether so much is free now.
 * Everybody has what NULL needs. */
bool demand_suits(const struct demand *demand, const struct worker *worker);
bool demand_fits(const struct demand *demand, const struct worker *worker);

/* One more, or one less, of the worker's tasks uses what `demand` needs. */
void demand_take(const struct demand *demand, struct worker *worker);
void demand_give(const struct demand *demand, struct worker *worker);

#endif
