/* Which worker gets which task, and when.
 *
 * A ready task whose inputs are in memory queues at its home, the worker that holds
 * most of their bytes, or the one of several that will be done first; others queue in
 * one heap for all.  A worker that can be sent more takes the better of the first tasks
 * of its own heap and of the common one.  One with an idle thread and neither steals
 * from the longest queue what will be done sooner when the inputs are brought over.
 * Tasks that need resources queue at their demand; whoever is sent one has them
 * free. */
#ifndef SCHEDULER_PLACEMENT_H
#define SCHEDULER_PLACEMENT_H

#include "scheduler/task.h"
#include "scheduler/workers.h"

/* Whether there is, or may soon be, a worker for the task (suits.c). */
bool placement_possible(const struct scheduler *scheduler, const struct task *task);

/* Whether the worker's memory could hold so many bytes; without a limit it could. */
bool placement_fits(const struct worker *worker, uint64_t bytes);

/* Bytes that a worker must have room for: of the inputs, or of scattered data; and
 * whether this worker may run the task, or take the data, at all. */
uint64_t placement_bytes(const struct task *task);
bool placement_suits(const struct task *task, uint64_t bytes,
                     const struct worker *worker);

/* A worker has come or gone. */
void placement_measure(struct scheduler *scheduler);

/* The heap that a queued task is in. */
struct heap *placement_heap(struct scheduler *scheduler, const struct task *task);

/* Puts a task that became ready into a heap; takes it out of whichever it is in. */
void placement_add(struct scheduler *scheduler, struct task *task);
void placement_remove(struct scheduler *scheduler, struct task *task);

/* Hands out tasks until nobody can be given more. */
void placement_run(struct scheduler *scheduler);

/* The worker has a free place, or may have one; it is looked at by placement_run. */
void placement_refill(struct scheduler *scheduler, struct worker *worker);

/* The worker is about to be sent a task of this function: sets how many it gets before
 * others do.  A message to one more worker costs more than a few very short tasks. */
void placement_bunch(const struct scheduler *scheduler, struct worker *worker,
                     const struct function *function);

/* Its load has changed, or whether it takes work. */
void placement_update(struct scheduler *scheduler, struct worker *worker);

/* The first task of a demand, if the worker has its resources free and room for its
 * inputs (suits.c); or NULL. */
struct heap_link *placement_first_of(const struct demand *demand,
                                     const struct worker *worker);

/* Looks again at what is queued for resources of the worker. */
void placement_reconsider(struct scheduler *scheduler, const struct worker *worker);

/* Finds new homes for what is queued at a worker. */
void placement_evict(struct scheduler *scheduler, struct worker *worker);

/* The worker that scattered data, and copies of a result, go to: the emptiest of those
 * that have no copy and could hold one, or NULL. */
struct worker *placement_emptiest(struct scheduler *scheduler, struct task *task);

/* A worker that holds the task's result and can be asked for it now; or one that
 * holds it but is silent; NULL when nobody does. */
struct worker *placement_source(const struct task *task);

#endif
