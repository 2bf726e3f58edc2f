/* Never a silent wait: what waits for long is noted, with the reason. */
#include "scheduler/core.h"

#include "proto/limits.h"

static void note_stall(struct scheduler *scheduler, const struct task *task,
                       size_t count)
{
    char line[LIMIT_TEXT_BYTES];
    why_line(scheduler, task, line, sizeof line);
    struct note *note = note_add(&scheduler->notes, NOTE_WARNING, "tasks wait");
    note_field(note, "tasks", "%zu", count);
    note_field(note, "first", KEY_FORMAT, KEY_ARGS(task->key));
    note_field(note, "because", "%s", line);
}

/* Tasks that no worker may run. */
static void look_at_no_worker(struct scheduler *scheduler)
{
    if (!list_is_empty(&scheduler->no_worker) &&
        scheduler->now_ns - scheduler->no_worker_ns >= scheduler->config.stalled_ns)
        note_stall(scheduler,
                   CONTAINER_OF(scheduler->no_worker.next, struct task, link),
                   scheduler->state_counts[TASK_NO_WORKER]);
}

/* Tasks that queue while nothing starts and nothing ends. */
static void look_at_queues(struct scheduler *scheduler)
{
    if (scheduler->now_ns - scheduler->progress_ns < scheduler->config.stalled_ns)
        return;
    const struct heap_link *first = heap_first(&scheduler->queue);
    LIST_FOREACH (link, &scheduler->workers)
        if (!first)
            first = heap_first(&CONTAINER_OF(link, struct worker, link)->queue);
    LIST_FOREACH (at, &scheduler->demands)
        if (!first)
            first = heap_first(&CONTAINER_OF(at, struct demand, link)->queue);
    if (first)
        note_stall(scheduler, CONTAINER_OF(first, struct task, queue),
                   scheduler->state_counts[TASK_QUEUED]);
}

/* Scattered data that do not arrive. */
static void look_at_awaited(struct scheduler *scheduler)
{
    LIST_FOREACH (link, &scheduler->workers) {
        const struct worker *worker = CONTAINER_OF(link, struct worker, link);
        if (list_is_empty(&worker->awaited))
            continue;
        const struct task *task = CONTAINER_OF(worker->awaited.next, struct task, link);
        if (scheduler->now_ns - task->placed_ns >= scheduler->config.stalled_ns)
            note_stall(scheduler, task, 1);
    }
}

static void stall_timer(struct scheduler *scheduler, struct timer *timer)
{
    look_at_no_worker(scheduler);
    look_at_queues(scheduler);
    look_at_awaited(scheduler);
    replicas_retry(scheduler);
    timer_set(scheduler, timer, scheduler->now_ns + scheduler->config.stalled_ns);
}

int stalls_start(struct scheduler *scheduler)
{
    scheduler->stall_timer.fire = stall_timer;
    return timer_set(scheduler, &scheduler->stall_timer,
                     scheduler->now_ns + scheduler->config.stalled_ns);
}
