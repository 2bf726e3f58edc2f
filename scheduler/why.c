/* One line for each reason that a task may have to wait. */
#include "scheduler/core.h"

#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

static const struct task *first_missing(const struct task *task)
{
    for (uint32_t i = 0; i < task->edge_count; i++)
        if (task->edges[i].dependency->state != TASK_MEMORY)
            return task->edges[i].dependency;
    return NULL;
}

/* What a chain of waiting inputs comes down to: a task that is not waiting for
 * others. */
static const struct task *root_of(const struct task *task)
{
    const struct task *input;
    while (task->state == TASK_WAITING && (input = first_missing(task)))
        task = input;
    return task;
}

static void why_waiting(const struct scheduler *scheduler, const struct task *task,
                        char *line, size_t size)
{
    const struct task *root = root_of(task);
    if (root == task) {
        snprintf(line, size, "waits for its data to arrive at worker %s",
                 task->worker ? task->worker->name : "?");
        return;
    }
    char reason[1024];
    why_line(scheduler, root, reason, sizeof reason);
    snprintf(line, size,
             "waits for %" PRIu32 " of its %" PRIu32 " inputs%s " KEY_FORMAT
             " (%s): %s",
             task->missing, task->edge_count,
             root == first_missing(task) ? "; the first is" : ", in the end for",
             KEY_ARGS(root->key), task_what(root), reason);
}

static void why_no_worker(const struct scheduler *scheduler, const struct task *task,
                          char *line, size_t size)
{
    const char *name = task_restriction(task);
    if (scheduler->recovery.running)
        snprintf(line, size,
                 "the scheduler was started again and waits for workers "
                 "and clients to come back");
    else if (name)
        snprintf(line, size,
                 "may run on worker %s only, and no such worker is registered", name);
    else if (scheduler->worker_count == 0)
        snprintf(line, size, "no worker is registered");
    else
        snprintf(line, size,
                 "all %zu workers are paused, silent or retiring: none takes new data",
                 scheduler->worker_count);
}

static void why_queued_at_home(const struct task *task, char *line, size_t size)
{
    const struct worker *home = task->worker;
    const char *name = task_restriction(task);
    if (name && strcmp(name, home->name) == 0)
        snprintf(line, size,
                 "queued: may run on worker %s only, which is %s, with %u tasks sent "
                 "and %zu queued",
                 home->name, worker_state_name(home), home->outstanding,
                 home->queue.count);
    else if (home->silent)
        snprintf(line, size,
                 "queued: one of its inputs is on worker %s only, which is silent",
                 home->name);
    else
        snprintf(line, size,
                 "queued at worker %s, which has most of its inputs, %u tasks sent and "
                 "%zu queued",
                 home->name, home->outstanding, home->queue.count);
}

static void why_queued(const struct scheduler *scheduler, const struct task *task,
                       char *line, size_t size)
{
    if (task->worker)
        why_queued_at_home(task, line, size);
    else if (scheduler->worker_count == 0)
        snprintf(line, size, "queued: no worker is registered");
    else if (scheduler->working_count == 0)
        snprintf(line, size, "queued: all %zu workers are paused, silent or retiring",
                 scheduler->worker_count);
    else
        snprintf(line, size,
                 "queued with %zu others: all %zu workers that take work are busy",
                 scheduler->queue.count ? scheduler->queue.count - 1 : 0,
                 scheduler->working_count);
}

static void why_processing(const struct scheduler *scheduler, const struct task *task,
                           char *line, size_t size)
{
    const struct worker *worker = task->worker;
    for (size_t i = 0; i < worker->running_count; i++) {
        const struct run *run = &worker->running[i];
        if (run->attempt == task->attempt && run->running) {
            snprintf(line, size, "runs on worker %s (%s) for %.1f s, attempt %" PRIu64,
                     worker->name, worker_state_name(worker),
                     (double)run->elapsed_ns * 1e-9 +
                         (double)(scheduler->now_ns - worker->heard_ns) * 1e-9,
                     ATTEMPT_SHOWN(task->attempt));
            return;
        }
    }
    snprintf(line, size,
             "was sent to worker %s (%s) as attempt %" PRIu64
             "; %u tasks are there for %u threads",
             worker->name, worker_state_name(worker), ATTEMPT_SHOWN(task->attempt),
             worker->outstanding, worker->nthreads);
}

static void why_memory(const struct task *task, char *line, size_t size)
{
    size_t copies = 0;
    struct bond *chain = (struct bond *)&task->holder;
    BONDS_FOREACH (holder, chain)
        copies++;
    const struct worker *worker = placement_source(task);
    int length =
        snprintf(line, size, "in memory: %" PRIu64 " bytes on worker %s (%s)%s%.0zu%s",
                 task->nbytes, worker->name, worker_state_name(worker),
                 copies > 1 ? " and " : "", copies - 1, copies > 1 ? " more" : "");
    if (copies < task_copies(task) && length > 0 && (size_t)length < size)
        snprintf(line + length, size - (size_t)length, ": %zu of %u copies, %s", copies,
                 task_copies(task),
                 list_is_empty(&task->extra->scarce)
                     ? "more are on their way"
                     : "no other worker can take one now");
}

void why_line(const struct scheduler *scheduler, const struct task *task, char *line,
              size_t size)
{
    switch ((enum task_state)task->state) {
    case TASK_WAITING:
        why_waiting(scheduler, task, line, size);
        return;
    case TASK_NO_WORKER:
        why_no_worker(scheduler, task, line, size);
        return;
    case TASK_QUEUED:
        why_queued(scheduler, task, line, size);
        return;
    case TASK_PROCESSING:
        why_processing(scheduler, task, line, size);
        return;
    case TASK_MEMORY:
        why_memory(task, line, size);
        return;
    case TASK_ERRED:
        snprintf(line, size, "failed (%s): %s", err_name(task->failure->code),
                 task->failure->line);
        return;
    default:
        snprintf(line, size,
                 "released: nobody wants it now; it is a recipe for others");
    }
}

void why_answer(struct scheduler *scheduler, struct client *client,
                const struct msg_why *why)
{
    char reason[LIMIT_TEXT_BYTES / 2];
    char line[LIMIT_TEXT_BYTES];
    const struct task *task = task_find(scheduler, why->key);
    if (task) {
        why_line(scheduler, task, reason, sizeof reason);
        snprintf(line, sizeof line, KEY_FORMAT " (%s): %s", KEY_ARGS(why->key),
                 task_what(task), reason);
    } else {
        snprintf(line, sizeof line,
                 KEY_FORMAT ": not known; it was never submitted, or was released",
                 KEY_ARGS(why->key));
    }
    client_send(scheduler, client,
                MESSAGE(because, .request = why->request, .reason = str_of(line)));
}
