/* After a restart: what workers hold and run, and nobody has asked for yet, is kept
 * for a while, and nothing is started meanwhile.  Clients that come back ask for their
 * tasks again, which then are taken over as they are. */
#ifndef SCHEDULER_RECOVERY_H
#define SCHEDULER_RECOVERY_H

#include "common/map.h"
#include "proto/messages.h"
#include "scheduler/timers.h"

struct scheduler;
struct task;
struct worker;

struct recovery {
    bool running, over;   /* there is one at most in a life */
    struct timer timer;   /* its end, set when the first worker is there */
    struct map unclaimed; /* key -> chain of struct unclaimed, owned */
};

/* Begins one, unless there was one or this life of the scheduler is old. */
void recovery_begin(struct scheduler *scheduler);

/* Looks whether a hello tells of another life of the scheduler. */
void recovery_hello(struct scheduler *scheduler, const struct msg_hello *hello);

/* Keeps data (attempt 0) or an attempt of a worker.  False: there is no recovery, or
 * no memory for it. */
bool recovery_keep(struct scheduler *scheduler, struct worker *worker,
                   struct task_key key, uint64_t attempt, uint64_t nbytes);

/* The worker ended an attempt.  Whether it was kept; it is no longer. */
bool recovery_drop(struct scheduler *scheduler, const struct worker *worker,
                   struct task_key key, uint64_t attempt);

/* The worker is gone, or will say anew what it has. */
void recovery_forget(struct scheduler *scheduler, const struct worker *worker);

/* Takes over what was kept of a task, if that is needed now. */
void recovery_claim(struct scheduler *scheduler, struct task *task);

void recovery_fini(struct scheduler *scheduler);

#endif
