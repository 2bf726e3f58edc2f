/* Tasks that rest after an error, and tasks that must be done by some time. */
#include "scheduler/core.h"

#include "common/clock.h"
#include "common/units.h"
#include "proto/limits.h"

static struct task_extra *extra_of_rest(struct timer *timer)
{
    return CONTAINER_OF(timer, struct task_extra, rest);
}

static void rest_over(struct scheduler *scheduler, struct timer *timer)
{
    agenda_add(scheduler, extra_of_rest(timer)->task);
}

bool task_rests(const struct task *task)
{
    return task->extra && heap_holds(&task->extra->rest.link);
}

/* What went wrong may be over soon, or not for long: the rest doubles each time. */
void task_rest(struct scheduler *scheduler, struct task *task)
{
    struct task_extra *extra = task_extra(task);
    if (!extra)
        return;
    uint64_t ns = scheduler->config.rest_first_ns;
    for (unsigned i = 0; i < extra->rests && ns < scheduler->config.rest_most_ns; i++)
        ns *= 2;
    if (ns > scheduler->config.rest_most_ns)
        ns = scheduler->config.rest_most_ns;
    extra->rests++;
    extra->rest.fire = rest_over;
    timer_set(scheduler, &extra->rest, scheduler->now_ns + ns);
}

static void deadline_passed(struct scheduler *scheduler, struct timer *timer)
{
    struct task_extra *extra = CONTAINER_OF(timer, struct task_extra, deadline);
    struct task *task = extra->task;
    char state[LIMIT_TEXT_BYTES / 2];
    why_line(scheduler, task, state, sizeof state);
    task_fail(scheduler, task, DUSK_E_DEADLINE,
              "task " KEY_FORMAT " (%s) was not done within %s: %s",
              KEY_ARGS(task->key), task_what(task),
              units_duration((int64_t)extra->limit_ns).text, state);
}

int task_limit_time(struct scheduler *scheduler, struct task *task, uint64_t ms)
{
    const uint64_t most_ms = UINT64_MAX / 4 / NS_PER_MS;
    if (ms == 0 || (task->extra && task->extra->limit_ns))
        return 0;
    struct task_extra *extra = task_extra(task);
    if (!extra)
        return DUSK_E_NOMEM;
    extra->limit_ns = (ms < most_ms ? ms : most_ms) * NS_PER_MS;
    extra->deadline.fire = deadline_passed;
    return timer_set(scheduler, &extra->deadline, scheduler->now_ns + extra->limit_ns);
}

/* A result that is lost later is made again without a limit: it was there in time. */
void task_deadline_met(struct scheduler *scheduler, struct task *task)
{
    if (task->extra)
        timer_clear(scheduler, &task->extra->deadline);
}

void task_timers_clear(struct scheduler *scheduler, struct task *task)
{
    if (!task->extra)
        return;
    timer_clear(scheduler, &task->extra->rest);
    timer_clear(scheduler, &task->extra->deadline);
}
