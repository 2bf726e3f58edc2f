/* Why a task is where it is: one line, from the table of all reasons below. */
#include "scheduler/core.h"

#include "common/units.h"
#include "proto/limits.h"

#include <stdio.h>
#include <string.h>

typedef bool holds_fn(const struct scheduler *scheduler, const struct task *task);
typedef void tell_fn(const struct scheduler *scheduler, const struct task *task,
                     char *line, size_t size);

static struct units_text since(const struct scheduler *scheduler, uint64_t ns)
{
    return units_duration((int64_t)(scheduler->now_ns - ns));
}

static bool always(const struct scheduler *scheduler, const struct task *task)
{
    return true;
}

/* ---- released, waiting ---- */

static void tell_released(const struct scheduler *scheduler, const struct task *task,
                          char *line, size_t size)
{
    snprintf(line, size,
             "released or cancelled: nobody wants it now; it is a recipe for others");
}

static bool rests(const struct scheduler *scheduler, const struct task *task)
{
    return task_rests(task) && task->missing == 0;
}

static void tell_rests(const struct scheduler *scheduler, const struct task *task,
                       char *line, size_t size)
{
    int64_t left_ns = task->extra->rest.link.priority - (int64_t)scheduler->now_ns;
    snprintf(line, size,
             "retry back-off: it failed %u times and runs again in %s; %u retries are "
             "left after that",
             task->extra->rests, units_duration(left_ns).text, task->retries);
}

static bool is_scattered(const struct scheduler *scheduler, const struct task *task)
{
    return task->function == NULL;
}

static void tell_scattered(const struct scheduler *scheduler, const struct task *task,
                           char *line, size_t size)
{
    snprintf(line, size, "waits for its data to arrive at worker %s, for %s",
             task->worker->name, since(scheduler, task->placed_ns).text);
}

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

static void tell_inputs(const struct scheduler *scheduler, const struct task *task,
                        char *line, size_t size)
{
    const struct task *root = root_of(task);
    char reason[1024];
    why_line(scheduler, root, reason, sizeof reason);
    snprintf(line, size,
             "waits for %" PRIu32 " of its %" PRIu32 " inputs%s " KEY_FORMAT
             " (%s), which is %s: %s",
             task->missing, task->edge_count,
             root == first_missing(task) ? "; the first is" : ", in the end for",
             KEY_ARGS(root->key), task_what(root), task_state_name(root->state),
             reason);
}

/* ---- no worker ---- */

static bool recovers(const struct scheduler *scheduler, const struct task *task)
{
    return scheduler->recovery.running;
}

static void tell_recovers(const struct scheduler *scheduler, const struct task *task,
                          char *line, size_t size)
{
    snprintf(
        line, size,
        "the scheduler was started again and waits for workers and clients to come "
        "back");
}

static bool nobody_ever(const struct scheduler *scheduler, const struct task *task)
{
    return scheduler->worker_numbers == 0;
}

static void tell_nobody_ever(const struct scheduler *scheduler, const struct task *task,
                             char *line, size_t size)
{
    snprintf(line, size, "no worker has come since the scheduler started %s ago",
             since(scheduler, scheduler->started_ns).text);
}

static bool nobody_left(const struct scheduler *scheduler, const struct task *task)
{
    return scheduler->worker_count == 0;
}

static void tell_nobody_left(const struct scheduler *scheduler, const struct task *task,
                             char *line, size_t size)
{
    snprintf(line, size, "all workers are lost: the last of %u went %s ago",
             scheduler->worker_numbers, since(scheduler, scheduler->alone_ns).text);
}

static bool name_is_absent(const struct scheduler *scheduler, const struct task *task)
{
    const char *name = task_restriction(task);
    return name && !worker_by_name(scheduler, str_of(name));
}

static void tell_name_is_absent(const struct scheduler *scheduler,
                                const struct task *task, char *line, size_t size)
{
    snprintf(line, size, "may run on worker %s only, and no such worker is registered",
             task_restriction(task));
}

static bool resources_lack(const struct scheduler *scheduler, const struct task *task)
{
    LIST_FOREACH (link, &scheduler->workers)
        if (demand_suits(task_demand(task), CONTAINER_OF(link, struct worker, link)))
            return false;
    return true;
}

static void tell_resources_lack(const struct scheduler *scheduler,
                                const struct task *task, char *line, size_t size)
{
    const struct demand *demand = task_demand(task);
    if (demand->worker[0])
        snprintf(line, size, "needs %s on worker %s, which does not have that",
                 demand->text, demand->worker);
    else
        snprintf(line, size, "needs %s, and none of the %zu workers has that",
                 demand->text, scheduler->worker_count);
}

static bool memory_lacks(const struct scheduler *scheduler, const struct task *task)
{
    uint64_t bytes = placement_bytes(task);
    LIST_FOREACH (link, &scheduler->workers)
        if (placement_suits(task, bytes, CONTAINER_OF(link, struct worker, link)))
            return false;
    return true;
}

static void tell_memory_lacks(const struct scheduler *scheduler,
                              const struct task *task, char *line, size_t size)
{
    uint64_t most = 0;
    LIST_FOREACH (link, &scheduler->workers) {
        const struct worker *worker = CONTAINER_OF(link, struct worker, link);
        if (placement_suits(task, 0, worker) && worker->memory_limit > most)
            most = worker->memory_limit;
    }
    snprintf(line, size,
             "needs room for %s%s, and the largest worker that could take it has a "
             "memory limit of %s",
             units_bytes((int64_t)placement_bytes(task)).text,
             task->function ? " of inputs" : "", units_bytes((int64_t)most).text);
}

/* The first worker that could run it if it took work. */
static const struct worker *first_suiting(const struct scheduler *scheduler,
                                          const struct task *task, size_t *ret_count)
{
    const struct worker *first = NULL;
    uint64_t bytes = placement_bytes(task);
    *ret_count = 0;
    LIST_FOREACH (link, &scheduler->workers) {
        const struct worker *worker = CONTAINER_OF(link, struct worker, link);
        if (!placement_suits(task, bytes, worker))
            continue;
        first = first ? first : worker;
        ++*ret_count;
    }
    return first;
}

static bool nobody_works(const struct scheduler *scheduler, const struct task *task)
{
    return task->state == TASK_NO_WORKER ||
           (!task->worker && scheduler->working_count == 0);
}

static void tell_nobody_works(const struct scheduler *scheduler,
                              const struct task *task, char *line, size_t size)
{
    size_t count;
    const struct worker *first = first_suiting(scheduler, task, &count);
    if (first)
        snprintf(line, size,
                 "of %zu workers %zu could take it, and none takes new work: worker %s "
                 "is %s",
                 scheduler->worker_count, count, first->name, worker_state_name(first));
}

/* ---- queued ---- */

/* How many of a heap come before the task. */
static size_t before(const struct heap *heap, const struct task *task)
{
    size_t count = 0;
    for (size_t i = 0; i < heap->count; i++) {
        const struct heap_link *other = heap->links[i];
        count += other->priority < task->queue.priority ||
                 (other->priority == task->queue.priority &&
                  other->order < task->queue.order);
    }
    return count;
}

static bool home_is_silent(const struct scheduler *scheduler, const struct task *task)
{
    const struct worker *home = task->worker;
    const char *name = task_restriction(task);
    return home && home->silent && !(name && strcmp(name, home->name) == 0);
}

static void tell_home_is_silent(const struct scheduler *scheduler,
                                const struct task *task, char *line, size_t size)
{
    snprintf(line, size,
             "queued: one of its inputs is on worker %s only, which is silent",
             task->worker->name);
}

static bool has_home(const struct scheduler *scheduler, const struct task *task)
{
    return task->worker != NULL;
}

static void tell_home(const struct scheduler *scheduler, const struct task *task,
                      char *line, size_t size)
{
    const struct worker *home = task->worker;
    const char *name = task_restriction(task);
    snprintf(line, size, "queued behind %zu tasks at worker %s (%s), %s",
             home->outstanding + before(&home->queue, task), home->name,
             worker_state_name(home),
             name && strcmp(name, home->name) == 0 ? "the only one that may run it"
                                                   : "which has most of its inputs");
}

static bool has_demand(const struct scheduler *scheduler, const struct task *task)
{
    return task_demand(task) != NULL;
}

static void tell_demand(const struct scheduler *scheduler, const struct task *task,
                        char *line, size_t size)
{
    const struct demand *demand = task_demand(task);
    snprintf(line, size,
             "queued behind %zu others that need %s: those who have it use it, or have "
             "no free thread",
             before(&demand->queue, task), demand->text);
}

static void tell_queued(const struct scheduler *scheduler, const struct task *task,
                        char *line, size_t size)
{
    snprintf(line, size,
             "queued behind %zu others: all workers that take work are busy (%zu)",
             before(&scheduler->queue, task), scheduler->working_count);
}

/* ---- processing ---- */

static const struct run *run_of(const struct task *task)
{
    const struct worker *worker = task->worker;
    for (size_t i = 0; i < worker->running_count; i++)
        if (worker->running[i].attempt == task->attempt && worker->running[i].running)
            return &worker->running[i];
    return NULL;
}

static bool runs(const struct scheduler *scheduler, const struct task *task)
{
    return run_of(task) != NULL;
}

static void tell_runs(const struct scheduler *scheduler, const struct task *task,
                      char *line, size_t size)
{
    const struct worker *worker = task->worker;
    const struct run *run = run_of(task);
    char progress[40] = "";
    if (run->progress)
        snprintf(progress, sizeof progress, ", progress %" PRId64, run->progress);
    snprintf(line, size, "runs on worker %s (%s) for %.1f s, attempt %" PRIu64 "%s",
             worker->name, worker_state_name(worker),
             (double)run->elapsed_ns * 1e-9 +
                 (double)(scheduler->now_ns - worker->heard_ns) * 1e-9,
             ATTEMPT_SHOWN(task->attempt), progress);
}

/* The first input that its worker does not have yet. */
static struct task *first_absent(const struct task *task)
{
    for (uint32_t i = 0; i < task->edge_count; i++) {
        struct task *input = task->edges[i].dependency;
        if (input->state == TASK_MEMORY && !bond_find(input, &task->worker->held))
            return input;
    }
    return NULL;
}

static bool fetches(const struct scheduler *scheduler, const struct task *task)
{
    return first_absent(task) != NULL;
}

static void tell_fetches(const struct scheduler *scheduler, const struct task *task,
                         char *line, size_t size)
{
    struct task *input = first_absent(task);
    const struct worker *source = placement_source(input);
    bool others = bond_next(input, BOND_HOLDER, bond_first(input, BOND_HOLDER)) != NULL;
    snprintf(line, size,
             "transferring: worker %s (%s) fetches its input " KEY_FORMAT
             " (%s, %s) from worker %s (%s)%s",
             task->worker->name, worker_state_name(task->worker), KEY_ARGS(input->key),
             task_what(input), units_bytes((int64_t)input->nbytes).text, source->name,
             worker_state_name(source), others ? " or another that has it" : "");
}

static void tell_sent(const struct scheduler *scheduler, const struct task *task,
                      char *line, size_t size)
{
    const struct worker *worker = task->worker;
    snprintf(line, size,
             "was sent to worker %s (%s) as attempt %" PRIu64
             "; tasks there: %u, threads: %u",
             worker->name, worker_state_name(worker), ATTEMPT_SHOWN(task->attempt),
             worker->outstanding, worker->nthreads);
}

/* ---- done ---- */

static void tell_memory(const struct scheduler *scheduler, const struct task *task,
                        char *line, size_t size)
{
    size_t copies = 0;
    BONDS_FOREACH (holder, task, BOND_HOLDER)
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

static void tell_erred(const struct scheduler *scheduler, const struct task *task,
                       char *line, size_t size)
{
    snprintf(line, size, "erred (%s): %s", err_name(task->failure->code),
             task->failure->line);
}

/* ---- the table ---- */

#define IN(state) (1u << TASK_##state)

/* The first row counts whose states have the task's and that holds. */
static const struct reason {
    unsigned states;
    bool waits; /* for something that may never come: listed by `dusk why --all` */
    holds_fn *holds;
    tell_fn *tell;
} reasons[] = {
    {IN(RELEASED) | IN(FORGOTTEN), false, always, tell_released},
    {IN(WAITING), true, is_scattered, tell_scattered},
    {IN(WAITING), true, rests, tell_rests},
    {IN(WAITING), true, always, tell_inputs},
    {IN(NO_WORKER), true, recovers, tell_recovers},
    {IN(NO_WORKER) | IN(QUEUED), true, nobody_ever, tell_nobody_ever},
    {IN(NO_WORKER) | IN(QUEUED), true, nobody_left, tell_nobody_left},
    {IN(NO_WORKER), true, name_is_absent, tell_name_is_absent},
    {IN(NO_WORKER), true, resources_lack, tell_resources_lack},
    {IN(NO_WORKER), true, memory_lacks, tell_memory_lacks},
    {IN(NO_WORKER) | IN(QUEUED), true, nobody_works, tell_nobody_works},
    {IN(QUEUED), true, home_is_silent, tell_home_is_silent},
    {IN(QUEUED), true, has_home, tell_home},
    {IN(QUEUED), true, has_demand, tell_demand},
    {IN(QUEUED), true, always, tell_queued},
    {IN(PROCESSING), false, runs, tell_runs},
    {IN(PROCESSING), true, fetches, tell_fetches},
    {IN(PROCESSING), true, always, tell_sent},
    {IN(MEMORY), false, always, tell_memory},
    {IN(ERRED), false, always, tell_erred},
};

unsigned why_reason(const struct scheduler *scheduler, const struct task *task,
                    bool *ret_waits)
{
    unsigned at = 0;
    while (!(reasons[at].states & 1u << task->state) ||
           !reasons[at].holds(scheduler, task))
        at++;
    *ret_waits = reasons[at].waits;
    return at;
}

void why_line(const struct scheduler *scheduler, const struct task *task, char *line,
              size_t size)
{
    bool waits;
    reasons[why_reason(scheduler, task, &waits)].tell(scheduler, task, line, size);
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
                 KEY_FORMAT ": not known: it was never submitted, or was released or "
                            "cancelled",
                 KEY_ARGS(why->key));
    }
    client_send(scheduler, client,
                MESSAGE(because, .request = why->request, .reason = str_of(line)));
}
