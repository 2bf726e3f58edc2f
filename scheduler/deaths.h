/* Deaths of workers, held against the tasks that ran.
 *
 * A nanny reports which tasks a dead worker was running; each of them is charged
 * with one death.  Workers without a nanny just vanish: when no report has come in
 * time, the tasks that had been there longest, one for each thread, are charged. */
#ifndef SCHEDULER_DEATHS_H
#define SCHEDULER_DEATHS_H

#include "proto/messages.h"
#include "scheduler/timers.h"

struct worker;

#define GRAVES_MAX 64
#define GRAVE_WAIT_NS (10 * UINT64_C(1000000000))
#define GRAVE_TASKS 64

/* A worker that vanished and was not reported yet. */
struct grave {
    uint64_t epoch; /* 0: free */
    struct timer timer;
    char name[64];
    unsigned count;
    struct task_key suspects[GRAVE_TASKS];
};

struct graves {
    struct grave *items[GRAVES_MAX]; /* owned, or NULL */
};

void graves_fini(struct graves *graves);

/* The worker vanished after its connection was closed. */
void death_suspected(struct scheduler *scheduler, const struct worker *worker);

/* A nanny's report, as part of hello. */
void death_reported(struct scheduler *scheduler, const struct msg_hello *hello);

#endif
