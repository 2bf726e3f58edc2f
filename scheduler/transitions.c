#include "scheduler/core.h"

#include "proto/limits.h"

#include <assert.h>
#include <stdio.h>

/* ---- the agenda ---- */

void agenda_add(struct scheduler *scheduler, struct task *task)
{
    if (task->flags & TASK_ON_AGENDA)
        return;
    task->flags |= TASK_ON_AGENDA;
    task->agenda_next = NULL;
    if (scheduler->agenda_last)
        scheduler->agenda_last->agenda_next = task;
    else
        scheduler->agenda_first = task;
    scheduler->agenda_last = task;
}

static struct task *agenda_take(struct scheduler *scheduler)
{
    struct task *task = scheduler->agenda_first;
    if (!task)
        return NULL;
    scheduler->agenda_first = task->agenda_next;
    if (!scheduler->agenda_first)
        scheduler->agenda_last = NULL;
    task->flags &= (uint8_t)~TASK_ON_AGENDA;
    return task;
}

/* ---- what entering and leaving a state means ---- */

static void enter_released(struct scheduler *scheduler, struct task *task)
{
    list_init(&task->link);
    task->worker = NULL;
}

/* Chooses a worker for scattered data and tells those who can bring them. */
static void await_data(struct scheduler *scheduler, struct task *task)
{
    bool told = false;
    if (scheduler->recovery.running)
        return;
    if (task->flags & TASK_HAD_DATA) {
        replicas_lost(scheduler, task);
        return;
    }
    task->worker = placement_emptiest(scheduler, task);
    if (!task->worker)
        return;
    task->placed_ns = scheduler->now_ns;
    worker_flush_frees(scheduler, task->worker);
    task->attempt = ++scheduler->attempts;
    list_append(&task->worker->awaited, &task->link);
    task->worker->memory += task->nbytes;
    BONDS_FOREACH (want, task, BOND_WANT) {
        if (!(bond_flags(want) & WANT_BRINGS))
            continue;
        told = true;
        task_tell_place(scheduler, task, want_client(want));
    }
    if (!told)
        task_fail(scheduler, task, DUSK_E_DATA_LOST,
                  "scattered data " KEY_FORMAT " (%" PRIu64
                  " bytes) never arrived: whoever has them no longer wants them",
                  KEY_ARGS(task->key), task->nbytes);
}

/* An input that failed fails the task here. */
static void enter_waiting(struct scheduler *scheduler, struct task *task)
{
    list_init(&task->link);
    for (uint32_t i = 0; i < task->edge_count; i++)
        if (task->edges[i].dependency->state == TASK_ERRED)
            task_fail_like(scheduler, task, task->edges[i].dependency->failure);
    if (!task->function)
        await_data(scheduler, task);
}

static void leave_waiting(struct scheduler *scheduler, struct task *task)
{
    list_remove(&task->link);
    task->worker = NULL;
}

static void enter_no_worker(struct scheduler *scheduler, struct task *task)
{
    list_init(&task->link);
    if (list_is_empty(&scheduler->no_worker))
        scheduler->no_worker_ns = scheduler->now_ns;
    list_append(&scheduler->no_worker, &task->link);
}

static void leave_no_worker(struct scheduler *scheduler, struct task *task)
{
    list_remove(&task->link);
}

static void enter_queued(struct scheduler *scheduler, struct task *task)
{
    list_init(&task->link);
    placement_add(scheduler, task);
}

static void leave_queued(struct scheduler *scheduler, struct task *task)
{
    placement_remove(scheduler, task);
}

static void enter_processing(struct scheduler *scheduler, struct task *task)
{
    list_init(&task->link);
    list_append(&task->worker->processing, &task->link);
    placement_bunch(scheduler, task->worker, task->function);
    task->worker->outstanding++;
    demand_take(task_demand(task), task->worker);
    task->flags |= TASK_RAN;
    scheduler->counts.assigned++;
}

static void free_stale_data(struct scheduler *scheduler, struct task *task,
                            struct worker *worker)
{
    if (task->flags & TASK_STALE_DATA && scheduler->arrival.at != worker)
        worker_free_data(scheduler, worker, task->key);
    task->flags &= (uint8_t)~TASK_STALE_DATA;
}

/* An attempt that was not answered is stopped; its answer will free the place. */
static void leave_processing(struct scheduler *scheduler, struct task *task)
{
    struct worker *worker = task->worker;
    list_remove(&task->link);
    task->worker = NULL;
    if (!worker)
        return;
    free_stale_data(scheduler, task, worker);
    worker->outstanding--;
    demand_give(task_demand(task), worker);
    worker_stop_attempt(scheduler, worker, task->key, task->attempt);
}

static void tell_dependents(struct scheduler *scheduler, struct task *task, int missing)
{
    LIST_FOREACH (link, &task->dependents) {
        struct task *dependent = CONTAINER_OF(link, struct edge, link)->dependent;
        dependent->missing += (uint32_t)missing;
        if (task_is_active(dependent))
            agenda_add(scheduler, dependent);
    }
}

static void enter_memory(struct scheduler *scheduler, struct task *task)
{
    const struct task_arrival *arrival = &scheduler->arrival;
    task->start_ns = arrival->start_ns;
    task->stop_ns = arrival->stop_ns;
    task->made_by = arrival->made_by;
    task->thread = (uint16_t)arrival->thread;
    task->holder.party_bits = 0;
    bond_add(task, &arrival->at->held, NULL);
    arrival->at->held_bytes += task->nbytes;
    task->flags |= task->function ? 0 : TASK_HAD_DATA;
    scheduler->counts.completed++;
    scheduler->progress_ns = scheduler->now_ns;
    task_deadline_met(scheduler, task);
    tell_dependents(scheduler, task, -1);
    task_tell_all(scheduler, task);
}

static void leave_memory(struct scheduler *scheduler, struct task *task)
{
    tell_dependents(scheduler, task, +1);
    replicas_end(scheduler, task);
    BONDS_FOREACH (holder, task, BOND_HOLDER) {
        struct worker *worker = holder_worker(holder);
        task_not_located(scheduler, task, holder);
        worker_free_data(scheduler, worker, task->key);
    }
}

static void enter_erred(struct scheduler *scheduler, struct task *task)
{
    scheduler->counts.failed++;
    LIST_FOREACH (link, &task->dependents) {
        struct task *dependent = CONTAINER_OF(link, struct edge, link)->dependent;
        if (task_is_active(dependent))
            task_fail_like(scheduler, dependent, task->failure);
    }
    task_tell_all(scheduler, task);
}

static void enter_forgotten(struct scheduler *scheduler, struct task *task)
{
    task_uncount(scheduler, task);
    for (uint32_t i = 0; i < task->edge_count; i++) {
        list_remove(&task->edges[i].link);
        agenda_add(scheduler, task->edges[i].dependency);
    }
    task_table_remove(&scheduler->tasks, task->key);
}

static void nothing(struct scheduler *scheduler, struct task *task)
{
}

/* ---- the table ---- */

#define TO(state) (1u << TASK_##state)

static const struct transition_row {
    unsigned next; /* states that may follow */
    void (*enter)(struct scheduler *, struct task *);
    void (*leave)(struct scheduler *, struct task *);
} rows[TASK_STATE_COUNT] = {
    [TASK_RELEASED] = {TO(WAITING) | TO(MEMORY) | TO(ERRED) | TO(FORGOTTEN),
                       enter_released, nothing},
    [TASK_WAITING] = {TO(RELEASED) | TO(NO_WORKER) | TO(QUEUED) | TO(MEMORY) |
                          TO(ERRED),
                      enter_waiting, leave_waiting},
    [TASK_NO_WORKER] = {TO(RELEASED) | TO(WAITING) | TO(QUEUED) | TO(MEMORY) |
                            TO(ERRED),
                        enter_no_worker, leave_no_worker},
    [TASK_QUEUED] = {TO(RELEASED) | TO(WAITING) | TO(NO_WORKER) | TO(PROCESSING) |
                         TO(MEMORY) | TO(ERRED),
                     enter_queued, leave_queued},
    [TASK_PROCESSING] = {TO(RELEASED) | TO(MEMORY) | TO(ERRED), enter_processing,
                         leave_processing},
    [TASK_MEMORY] = {TO(RELEASED), enter_memory, leave_memory},
    [TASK_ERRED] = {TO(FORGOTTEN), enter_erred, nothing},
    [TASK_FORGOTTEN] = {0, enter_forgotten, nothing},
};

/* A task's inputs are needed for as long as it is active. */
static void need_inputs(struct scheduler *scheduler, struct task *task, int change)
{
    for (uint32_t i = 0; i < task->edge_count; i++) {
        struct task *input = task->edges[i].dependency;
        input->needed_by += (uint32_t)change;
        if (change < 0 ? input->needed_by == 0 : input->needed_by == 1)
            agenda_add(scheduler, input);
    }
}

static void task_move(struct scheduler *scheduler, struct task *task,
                      enum task_state next)
{
    assert(rows[task->state].next & 1u << next);
    bool was_active = task_is_active(task);
    rows[task->state].leave(scheduler, task);
    scheduler->state_counts[task->state]--;
    scheduler->state_counts[next]++;
    task->state = (uint8_t)next;
    if (was_active != task_is_active(task))
        need_inputs(scheduler, task, was_active ? -1 : +1);
    rows[next].enter(scheduler, task);
}

static void assign(struct scheduler *scheduler, struct task *task,
                   struct worker *worker, uint64_t attempt)
{
    placement_remove(scheduler, task);
    scheduler->counts.repeated += (task->flags & TASK_RAN) != 0;
    task->worker = worker;
    task->attempt = attempt;
    task_move(scheduler, task, TASK_PROCESSING);
}

void task_start(struct scheduler *scheduler, struct task *task, struct worker *worker)
{
    assign(scheduler, task, worker, ++scheduler->attempts);
}

void task_resume(struct scheduler *scheduler, struct task *task, struct worker *worker,
                 uint64_t attempt)
{
    if (task->state == TASK_NO_WORKER)
        task_move(scheduler, task, TASK_QUEUED);
    assign(scheduler, task, worker, attempt);
    placement_refill(scheduler, worker);
}

/* ---- where a task belongs ---- */

static enum task_state next_of_released(struct scheduler *scheduler, struct task *task,
                                        bool needed)
{
    if (!needed)
        return list_is_empty(&task->dependents) ? TASK_FORGOTTEN : TASK_RELEASED;
    if (!task->function && task->flags & TASK_HAD_DATA && !task->failure &&
        !scheduler->recovery.running)
        replicas_lost(scheduler, task);
    return task->failure ? TASK_ERRED : TASK_WAITING;
}

static enum task_state next_of_active(const struct scheduler *scheduler,
                                      const struct task *task)
{
    if (!task->function)
        return placement_possible(scheduler, task) ? TASK_WAITING : TASK_NO_WORKER;
    if (task->missing || task_rests(task))
        return TASK_WAITING;
    return placement_possible(scheduler, task) ? TASK_QUEUED : TASK_NO_WORKER;
}

static enum task_state task_next(struct scheduler *scheduler, struct task *task)
{
    bool needed = task_is_needed(task);
    switch ((enum task_state)task->state) {
    case TASK_RELEASED:
        return next_of_released(scheduler, task, needed);
    case TASK_WAITING:
    case TASK_NO_WORKER:
    case TASK_QUEUED:
        if (!needed)
            return TASK_RELEASED;
        return task->failure ? TASK_ERRED : next_of_active(scheduler, task);
    case TASK_PROCESSING:
        if (!needed)
            return TASK_RELEASED;
        return task->failure ? TASK_ERRED : TASK_PROCESSING;
    case TASK_MEMORY:
        return needed && bond_first(task, BOND_HOLDER) ? TASK_MEMORY : TASK_RELEASED;
    case TASK_ERRED:
        return needed || !list_is_empty(&task->dependents) ? TASK_ERRED
                                                           : TASK_FORGOTTEN;
    default:
        return TASK_FORGOTTEN;
    }
}

/* Tells everybody who wants the task; what depends on it has its turn on the agenda.
 * `cause` is what the task depends on and was cancelled, or the task itself. */
static void cancel_wants(struct scheduler *scheduler, struct task *task,
                         const struct task *cause)
{
    char line[LIMIT_TEXT_BYTES];
    int length = snprintf(line, sizeof line, "task " KEY_FORMAT " (%s) ",
                          KEY_ARGS(task->key), task_what(task));
    if (cause != task)
        length += snprintf(line + length, sizeof line - (size_t)length,
                           "depends on " KEY_FORMAT " (%s), which ",
                           KEY_ARGS(cause->key), task_what(cause));
    snprintf(line + length, sizeof line - (size_t)length, "was cancelled");
    record_cancel(scheduler, task);
    BONDS_FOREACH (want, task, BOND_WANT) {
        client_send(scheduler, want_client(want),
                    MESSAGE(failed, .key = task->key, .code = DUSK_E_CANCELLED,
                            .reason = str_of(line)));
        bond_remove(want);
    }
    task->flags |= TASK_CANCELLED;
    agenda_add(scheduler, task);
}

void task_cancel(struct scheduler *scheduler, struct task *task)
{
    cancel_wants(scheduler, task, task);
}

static void cancel_dependents(struct scheduler *scheduler, struct task *task)
{
    task->flags &= (uint8_t)~TASK_CANCELLED;
    LIST_FOREACH (link, &task->dependents)
        cancel_wants(scheduler, CONTAINER_OF(link, struct edge, link)->dependent, task);
}

void agenda_run(struct scheduler *scheduler)
{
    struct task *task;
    while ((task = agenda_take(scheduler))) {
        if (task->flags & TASK_CANCELLED)
            cancel_dependents(scheduler, task);
        enum task_state next;
        while ((next = task_next(scheduler, task)) != (enum task_state)task->state)
            task_move(scheduler, task, next);
        recovery_claim(scheduler, task);
        if (task->state == TASK_MEMORY && (task->extra || !task->function))
            replicas_review(scheduler, task);
        if (task->state == TASK_FORGOTTEN && !(task->flags & TASK_ON_AGENDA)) {
            scheduler->state_counts[TASK_FORGOTTEN]--;
            task_destroy(task);
        }
    }
}

/* ---- facts ---- */

int task_located(struct scheduler *scheduler, struct task *task, struct worker *worker,
                 uint64_t nbytes)
{
    if (task->state != TASK_MEMORY) {
        task->nbytes = nbytes;
        scheduler->arrival.at = worker;
        task_move(scheduler, task, TASK_MEMORY);
        scheduler->arrival.at = NULL;
        agenda_add(scheduler, task);
        return 0;
    }
    if (bond_find(task, &worker->held))
        return 0;
    int rc = bond_add(task, &worker->held, NULL);
    if (rc == 0)
        worker->held_bytes += task->nbytes;
    return rc;
}

void task_not_located(struct scheduler *scheduler, struct task *task,
                      struct bond *holder)
{
    struct worker *worker = holder_worker(holder);
    worker->held_bytes -= task->nbytes;
    bond_remove(holder);
    if (task_is_needed(task))
        replicas_left(scheduler, task, worker);
    retire_left(scheduler, worker, task);
    agenda_add(scheduler, task);
}

void task_displaced(struct scheduler *scheduler, struct task *task)
{
    task_move(scheduler, task, TASK_NO_WORKER);
    agenda_add(scheduler, task);
}

void task_answered(struct scheduler *scheduler, struct task *task)
{
    struct worker *worker = task->worker;
    worker->outstanding--;
    demand_give(task_demand(task), worker);
    placement_refill(scheduler, worker);
    task->worker = NULL;
}

void task_attempt_over(struct scheduler *scheduler, struct task *task)
{
    /* Before its inputs, which it may need again. */
    agenda_add(scheduler, task);
    free_stale_data(scheduler, task, task->worker);
    task_answered(scheduler, task);
    task_move(scheduler, task, TASK_RELEASED);
}
