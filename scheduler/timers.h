/* Deadlines of the core, earliest first. */
#ifndef SCHEDULER_TIMERS_H
#define SCHEDULER_TIMERS_H

#include "common/heap.h"

struct scheduler;
struct timer;

typedef void timer_fn(struct scheduler *scheduler, struct timer *timer);

struct timer {
    struct heap_link link; /* priority: the deadline in ns */
    timer_fn *fire;
};

/* Sets, or moves, a timer.  DUSK_E_NOMEM only when it is set for the first time. */
int timer_set(struct scheduler *scheduler, struct timer *timer, uint64_t deadline_ns);
void timer_clear(struct scheduler *scheduler, struct timer *timer);

/* Fires the first that is due; false: none is. */
bool timers_run_one(struct scheduler *scheduler);

#endif
