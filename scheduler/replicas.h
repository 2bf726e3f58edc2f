/* Lasting copies: as many of a result as a client asked for, and at least one of
 * scattered data.  A copy lasts at the worker that made it or was brought it, and
 * where `acquire` was sent; others are dropped when memory is short. */
#ifndef SCHEDULER_REPLICAS_H
#define SCHEDULER_REPLICAS_H

#include "proto/messages.h"

struct bond;
struct scheduler;
struct task;
struct worker;

/* The copies that were asked for; 0 by default. */
unsigned task_copies(const struct task *task);

/* Whether the worker was asked for a copy and has not answered. */
bool task_is_asked(const struct task *task, const struct worker *worker);

/* Sets the number for tasks that are known.  DUSK_E_NOMEM: not for all of them. */
int client_replicate(struct scheduler *scheduler,
                     const struct msg_replicate *replicate);

/* Has a worker get a lasting copy.  DUSK_E_NOMEM. */
int worker_acquire(struct scheduler *scheduler, struct worker *worker,
                   struct task *task);

/* Looks whether there are enough and asks for what is missing: by the agenda, for a
 * task in memory. */
void replicas_review(struct scheduler *scheduler, struct task *task);

/* Whether there are enough copies, those included that are on their way. */
bool replicas_suffice(struct task *task);

/* The worker says that it has a copy, or cannot get it; it was lost with all that it
 * was asked for; it has lost the copy that the bond stands for. */
void replicas_arrived(struct scheduler *scheduler, struct task *task,
                      struct worker *worker);
void replicas_refused(struct scheduler *scheduler, struct worker *worker,
                      struct task_key key);
void replicas_worker_gone(struct scheduler *scheduler, struct worker *worker);
void replicas_left(struct scheduler *scheduler, struct task *task,
                   const struct worker *worker);

/* The task leaves memory: copies that were asked for are not wanted any more. */
void replicas_end(struct scheduler *scheduler, struct task *task);

/* Tasks with too few copies are looked at again. */
void replicas_retry(struct scheduler *scheduler);

/* Fails scattered data whose last copy is gone. */
void replicas_lost(struct scheduler *scheduler, struct task *task);

#endif
