/* Moves tasks between states.  See task.h. */
#ifndef SCHEDULER_TRANSITIONS_H
#define SCHEDULER_TRANSITIONS_H

#include "scheduler/task.h"

/* Something about the task has changed: it is looked at before the event ends. */
void agenda_add(struct scheduler *scheduler, struct task *task);

/* Works the agenda off.  Allocates nothing, cannot fail. */
void agenda_run(struct scheduler *scheduler);

/* The result is at `worker`.  DUSK_E_NOMEM: not recorded (never for a first copy). */
int task_located(struct scheduler *scheduler, struct task *task, struct worker *worker,
                 uint64_t nbytes);

/* It is there no longer. */
void task_not_located(struct scheduler *scheduler, struct task *task,
                      struct bond *holder);

/* Gives a queued task to a worker as a new attempt; run_task is yet to be sent. */
void task_start(struct scheduler *scheduler, struct task *task, struct worker *worker);

/* Takes over an attempt that the worker runs already. */
void task_resume(struct scheduler *scheduler, struct task *task, struct worker *worker,
                 uint64_t attempt);

/* The worker has answered the current attempt, or never will; the caller moves the
 * task on. */
void task_answered(struct scheduler *scheduler, struct task *task);

/* The same, when there is no result: the task is looked at again. */
void task_attempt_over(struct scheduler *scheduler, struct task *task);

/* Scattered data will not reach the worker that was chosen for them. */
void task_displaced(struct scheduler *scheduler, struct task *task);

/* Nobody shall get the task, nor what depends on it. */
void task_cancel(struct scheduler *scheduler, struct task *task);

/* Tells one client what there is to tell now: the result, the failure, or nothing
 * yet. */
void task_tell(struct scheduler *scheduler, struct task *task, struct bond *want);
void task_tell_all(struct scheduler *scheduler, struct task *task);

/* Tells a client which worker its scattered data go to. */
void task_tell_place(struct scheduler *scheduler, const struct task *task,
                     struct client *client);

#endif
