#include "scheduler/core.h"

int timer_set(struct scheduler *scheduler, struct timer *timer, uint64_t deadline_ns)
{
    if (heap_holds(&timer->link))
        heap_remove(&scheduler->timers, &timer->link);
    timer->link.priority = deadline_ns < INT64_MAX ? (int64_t)deadline_ns : INT64_MAX;
    return heap_push(&scheduler->timers, &timer->link);
}

void timer_clear(struct scheduler *scheduler, struct timer *timer)
{
    if (heap_holds(&timer->link))
        heap_remove(&scheduler->timers, &timer->link);
}

bool timers_run_one(struct scheduler *scheduler)
{
    struct heap_link *first = heap_first(&scheduler->timers);
    if (!first || first->priority > (int64_t)scheduler->now_ns)
        return false;
    struct timer *timer = CONTAINER_OF(first, struct timer, link);
    heap_remove(&scheduler->timers, first);
    timer->fire(scheduler, timer);
    return true;
}
