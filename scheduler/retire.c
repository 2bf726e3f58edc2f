/* Retirement: a worker leaves, and first what only it has is copied to others. */
#include "scheduler/core.h"

#include <stdlib.h>

/* Who shall have a lasting copy: one that has a copy already, which it may otherwise
 * drop, or the emptiest. */
static struct worker *heir_of(struct scheduler *scheduler, struct task *task)
{
    BONDS_FOREACH (holder, task, BOND_HOLDER) {
        struct worker *worker = holder_worker(holder);
        if (!worker->retiring && !worker->silent)
            return worker;
    }
    return placement_emptiest(scheduler, task);
}

/* Asks another worker to have a lasting copy; `have` answers. */
static void move_one(struct scheduler *scheduler, struct worker *worker,
                     struct task *task)
{
    struct retirement *retirement = worker->retirement;
    struct worker *heir = heir_of(scheduler, task);
    if (!heir || map_put(&retirement->moving, task->key.bits, heir) < 0 ||
        worker_acquire(scheduler, heir, task) < 0)
        map_remove(&retirement->moving, task->key.bits);
}

/* Retired is said once: when everything has moved and nothing runs, or at the
 * deadline. */
static void retire_review(struct scheduler *scheduler, struct worker *worker)
{
    struct retirement *retirement = worker->retirement;
    bool late = scheduler->now_ns >= retirement->deadline_ns;
    if (retirement->told ||
        (!late && (retirement->moving.count || worker->outstanding)))
        return;
    retirement->told = true;
    timer_clear(scheduler, &retirement->timer);
    worker_send(scheduler, worker, MESSAGE(retired, .moved = retirement->moved));
    struct note *note =
        note_add(&scheduler->notes, late ? NOTE_WARNING : NOTE_INFO, "worker retired");
    note_field(note, "worker", "%s", worker->name);
    note_field(note, "moved", "%" PRIu64, retirement->moved);
    note_field(note, "left", "%zu", retirement->moving.count);
}

static void retire_timer(struct scheduler *scheduler, struct timer *timer)
{
    struct retirement *retirement = CONTAINER_OF(timer, struct retirement, timer);
    retire_review(scheduler, retirement->worker);
}

static struct retirement *retirement_create(struct scheduler *scheduler,
                                            struct worker *worker, uint64_t limit_ns)
{
    struct retirement *retirement = calloc(1, sizeof *retirement);
    if (!retirement)
        return NULL;
    retirement->worker = worker;
    retirement->deadline_ns = scheduler->now_ns + limit_ns;
    retirement->timer.fire = retire_timer;
    map_init(&retirement->moving);
    if (timer_set(scheduler, &retirement->timer, retirement->deadline_ns) == 0)
        return retirement;
    free(retirement);
    return NULL;
}

void retire_end(struct scheduler *scheduler, struct worker *worker)
{
    if (!worker->retirement)
        return;
    timer_clear(scheduler, &worker->retirement->timer);
    map_fini(&worker->retirement->moving);
    free(worker->retirement);
    worker->retirement = NULL;
}

void retire_begin(struct scheduler *scheduler, struct worker *worker,
                  uint64_t deadline_ms)
{
    uint64_t limit_ns = scheduler->config.retire_ns;
    if (deadline_ms < limit_ns / 1000000)
        limit_ns = deadline_ms * 1000000;
    if (worker->retirement) {
        worker->retirement->told = false;
        retire_review(scheduler, worker);
        return;
    }
    /* Without memory to keep track, the worker may go at once. */
    if (!(worker->retirement = retirement_create(scheduler, worker, limit_ns))) {
        worker_send(scheduler, worker, MESSAGE(retired, .moved = 0));
        return;
    }
    struct note *note = note_add(&scheduler->notes, NOTE_INFO, "worker retires");
    note_field(note, "worker", "%s", worker->name);
    note_field(note, "held", "%zu", worker->held.count);
    worker->retiring = true;
    worker_conditions_changed(scheduler, worker);
    LIST_FOREACH (link, &worker->held.bonds) {
        struct task *task = bond_task(CONTAINER_OF(link, struct bond, link));
        if (task_is_needed(task))
            move_one(scheduler, worker, task);
    }
    retire_review(scheduler, worker);
}

void retire_made(struct scheduler *scheduler, struct task *task, struct worker *worker)
{
    if (worker->retirement)
        move_one(scheduler, worker, task);
}

void retire_arrived(struct scheduler *scheduler, struct task *task,
                    const struct worker *heir)
{
    BONDS_FOREACH (holder, task, BOND_HOLDER) {
        struct worker *worker = holder_worker(holder);
        if (!worker->retirement ||
            map_get(&worker->retirement->moving, task->key.bits) != heir)
            continue;
        bond_set_flags(bond_find(task, &heir->held), HOLDER_LASTING);
        map_remove(&worker->retirement->moving, task->key.bits);
        worker->retirement->moved++;
        retire_review(scheduler, worker);
    }
}

void retire_left(struct scheduler *scheduler, struct worker *worker,
                 const struct task *task)
{
    if (!worker->retirement)
        return;
    map_remove(&worker->retirement->moving, task->key.bits);
    retire_review(scheduler, worker);
}

/* Looks for other heirs for what `heir` was asked to have: one key, or all. */
static void ask_others(struct scheduler *scheduler, struct worker *worker,
                       const struct worker *heir)
{
    LIST_FOREACH (link, &worker->held.bonds) {
        struct task *task = bond_task(CONTAINER_OF(link, struct bond, link));
        if (map_get(&worker->retirement->moving, task->key.bits) == heir)
            move_one(scheduler, worker, task);
    }
    retire_review(scheduler, worker);
}

void retire_refused(struct scheduler *scheduler, struct worker *heir,
                    struct task_key key)
{
    struct task *task = task_find(scheduler, key);
    if (!task)
        return;
    BONDS_FOREACH (holder, task, BOND_HOLDER) {
        struct worker *worker = holder_worker(holder);
        if (worker->retirement &&
            map_get(&worker->retirement->moving, key.bits) == heir)
            move_one(scheduler, worker, task);
        if (worker->retirement)
            retire_review(scheduler, worker);
    }
}

void retire_heir_gone(struct scheduler *scheduler, const struct worker *heir)
{
    LIST_FOREACH (link, &scheduler->workers) {
        struct worker *worker = CONTAINER_OF(link, struct worker, link);
        if (worker->retirement && worker != heir)
            ask_others(scheduler, worker, heir);
    }
}
