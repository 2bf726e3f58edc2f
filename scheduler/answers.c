/* What workers say about tasks and data. */
#include "scheduler/core.h"

#include "common/plant.h"

/* Times that the last copy of scattered data may be reported missing before it is
 * believed: there is no other way to get them back. */
#define MISSES_ALLOWED 3

/* The task, when this answers its current attempt.  Any other answer is counted; if
 * it is for an attempt that was stopped, the worker's place is free now. */
static struct task *answered_task(struct scheduler *scheduler, struct worker *worker,
                                  struct task_key key, uint64_t attempt)
{
    struct task *task = task_find(scheduler, key);
    if (task && task->state == TASK_PROCESSING &&
        ((task->worker == worker && task->attempt == attempt) || PLANTED(stale_result)))
        return task;
    struct demand *stopped = map_remove(&worker->stopping, attempt);
    if (stopped) {
        worker->outstanding--;
        demand_give(stopped, worker);
        stopped->users--;
        placement_refill(scheduler, worker);
    } else {
        scheduler->counts.stale++;
    }
    return NULL;
}

/* Data that came too late are freed, unless they are a valid copy, or answer for one
 * that the worker was asked to get since.  If the worker is about to make them anew, it
 * is not told until that has failed: what it makes must not be freed by mistake. */
static void free_stale(struct scheduler *scheduler, struct worker *worker,
                       struct task_key key)
{
    struct task *task = task_find(scheduler, key);
    if (task && task->state == TASK_PROCESSING && task->worker == worker)
        task->flags |= TASK_STALE_DATA;
    else if (!task ||
             (!bond_find(task, &worker->held) && !task_is_asked(task, worker))) {
        recovery_drop(scheduler, worker, key, 0);
        worker_free_data(scheduler, worker, key);
    }
}

static void measure(struct worker *worker, struct function *function,
                    const struct msg_done *done)
{
    if (done->stop_ns < done->start_ns ||
        done->stop_ns - done->start_ns > INT64_MAX / 2)
        return;
    uint64_t duration_ns = done->stop_ns - done->start_ns;
    function_ran(function, duration_ns);
    double ratio = (double)duration_ns / (double)function->mean_ns;
    worker->pace += 0.1 * ((ratio < 100 ? ratio : 100) - worker->pace);
    if (worker->pace < 0.01)
        worker->pace = 0.01;
}

void worker_done(struct scheduler *scheduler, struct worker *worker,
                 const struct msg_done *done)
{
    struct task *task = answered_task(scheduler, worker, done->key, done->attempt);
    if (!task) {
        if (!recovery_drop(scheduler, worker, done->key, done->attempt) ||
            !recovery_keep(scheduler, worker, done->key, 0, done->nbytes))
            free_stale(scheduler, worker, done->key);
        return;
    }
    measure(worker, task->function, done);
    task->flags &= (uint8_t)~TASK_STALE_DATA;
    task_answered(scheduler, task);
    scheduler->arrival = (struct task_arrival){.result = done->result,
                                               .made_by = worker->number,
                                               .thread = (uint16_t)done->thread,
                                               .start_ns = done->start_ns,
                                               .stop_ns = done->stop_ns};
    task_located(scheduler, task, worker, done->nbytes);
    bond_set_flags(bond_find(task, &worker->held), HOLDER_LASTING);
    retire_made(scheduler, task, worker);
    scheduler->arrival = (struct task_arrival){0};
}

/* The worker tells how it was called; without that its function must do. */
static void fail(struct scheduler *scheduler, struct task *task, int code,
                 const struct msg_erred *erred)
{
    if (erred->call.size)
        task_fail(scheduler, task, code,
                  "task " KEY_FORMAT " " STR_FORMAT ": " STR_FORMAT,
                  KEY_ARGS(task->key), STR_ARGS(erred->call), STR_ARGS(erred->reason));
    else
        task_fail(scheduler, task, code, "task " KEY_FORMAT " (%s): " STR_FORMAT,
                  KEY_ARGS(task->key), task->function->name, STR_ARGS(erred->reason));
}

static void retry(struct scheduler *scheduler, struct task *task,
                  const struct msg_erred *erred)
{
    task->retries--;
    task_rest(scheduler, task);
    struct note *note = note_add(&scheduler->notes, NOTE_WARNING, "task runs again");
    note_field(note, "task", KEY_FORMAT, KEY_ARGS(task->key));
    note_field(note, "function", "%s", task->function->name);
    note_field(note, "retries_left", "%u", task->retries);
    note_field(note, "because", STR_FORMAT, STR_ARGS(erred->reason));
}

void worker_erred(struct scheduler *scheduler, struct worker *worker,
                  const struct msg_erred *erred)
{
    struct task *task = answered_task(scheduler, worker, erred->key, erred->attempt);
    if (!task) {
        recovery_drop(scheduler, worker, erred->key, erred->attempt);
        return;
    }
    int code = failure_code(erred->code, DUSK_E_TASK);
    /* By a worker that retires, or that a scheduler before this one told to stop it. */
    bool given_back = code == DUSK_E_CANCELLED;
    if (!given_back && task->retries == 0)
        fail(scheduler, task, code, erred);
    else if (!given_back)
        retry(scheduler, task, erred);
    task_attempt_over(scheduler, task);
}

/* The copy at `holder` could not be fetched.  One that is only silent may come back;
 * one that is heard does not have it, or cannot be reached from elsewhere. */
static void copy_missing(struct scheduler *scheduler, struct task *input,
                         struct bond *holder)
{
    struct worker *worker = holder_worker(holder);
    if (worker->silent)
        return;
    bool last = bond_first(input, BOND_HOLDER) == holder &&
                bond_next(input, BOND_HOLDER, holder) == NULL;
    if (last && !input->function &&
        (!task_extra(input) || ++input->extra->misses < MISSES_ALLOWED))
        return;
    task_not_located(scheduler, input, holder);
    worker_free_data(scheduler, worker, input->key);
}

void worker_missing(struct scheduler *scheduler, struct worker *worker,
                    const struct msg_missing *missing)
{
    struct task *input = task_find(scheduler, missing->input);
    struct worker *source = worker_by_address(scheduler, missing->address);
    struct bond *holder = input && source ? bond_find(input, &source->held) : NULL;
    if (holder)
        copy_missing(scheduler, input, holder);
    if (missing->attempt == 0) {
        retire_refused(scheduler, worker, missing->input);
        replicas_refused(scheduler, worker, missing->input);
        return;
    }
    struct task *task =
        answered_task(scheduler, worker, missing->key, missing->attempt);
    if (task)
        task_attempt_over(scheduler, task);
    else
        recovery_drop(scheduler, worker, missing->key, missing->attempt);
}

/* Takes note of a copy, or has it freed.  `flags` is for a first one. */
static void copy_said(struct scheduler *scheduler, struct worker *worker,
                      const struct holding *holding, unsigned flags)
{
    struct task *task = task_find(scheduler, holding->key);
    bool useful = task && (task->state == TASK_MEMORY || task_is_active(task) ||
                           task->flags & TASK_ON_AGENDA);
    bool first = useful && task->state != TASK_MEMORY;
    if (useful && task->state != TASK_ERRED && task->state != TASK_FORGOTTEN &&
        task_located(scheduler, task, worker, holding->nbytes) == 0) {
        if (first)
            bond_set_flags(bond_find(task, &worker->held), flags);
        retire_arrived(scheduler, task, worker);
        replicas_arrived(scheduler, task, worker);
    } else if (!recovery_keep(scheduler, worker, holding->key, 0, holding->nbytes)) {
        worker_free_data(scheduler, worker, holding->key);
    }
}

/* What a client has brought, or what was copied from another worker. */
void worker_have(struct scheduler *scheduler, struct worker *worker,
                 const struct msg_have *have)
{
    for (size_t i = 0; i < have->holdings.count; i++)
        copy_said(scheduler, worker, &have->holdings.items[i], HOLDER_LASTING);
}

/* Which of them it may drop is not said. */
void worker_inventory(struct scheduler *scheduler, struct worker *worker,
                      field_holdings holdings)
{
    for (size_t i = 0; i < holdings.count; i++)
        copy_said(scheduler, worker, &holdings.items[i], 0);
}

void worker_dropped(struct scheduler *scheduler, struct worker *worker,
                    const struct msg_dropped *dropped)
{
    for (size_t i = 0; i < dropped->keys.count; i++) {
        struct task *task = task_find(scheduler, dropped->keys.items[i]);
        struct bond *holder = task ? bond_find(task, &worker->held) : NULL;
        if (holder)
            task_not_located(scheduler, task, holder);
    }
}
