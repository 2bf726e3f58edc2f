#include "scheduler/core.h"

#include <stdlib.h>

/* Something that a worker has and that no task has asked for. */
struct unclaimed {
    struct unclaimed *next; /* of the same key */
    struct worker *worker;  /* NULL: claimed, or gone */
    struct task_key key;
    uint64_t attempt; /* that it runs; 0: data */
    uint64_t nbytes;
};

#define UNCLAIMED_FOREACH(entry, scheduler)                                            \
    size_t entry##_at = 0;                                                             \
    for (struct unclaimed * entry##_chain, *entry;                                     \
         (entry##_chain = map_next(&(scheduler)->recovery.unclaimed, &entry##_at));)   \
        for (entry = entry##_chain; entry; entry = entry->next)

/* ---- what is kept ---- */

bool recovery_keep(struct scheduler *scheduler, struct worker *worker,
                   struct task_key key, uint64_t attempt, uint64_t nbytes)
{
    struct recovery *recovery = &scheduler->recovery;
    struct unclaimed *entry = recovery->running ? malloc(sizeof *entry) : NULL;
    if (!entry)
        return false;
    *entry = (struct unclaimed){.next = map_get(&recovery->unclaimed, key.bits),
                                .worker = worker,
                                .key = key,
                                .attempt = attempt,
                                .nbytes = nbytes};
    if (map_put(&recovery->unclaimed, key.bits, entry) < 0) {
        free(entry);
        return false;
    }
    struct task *task = task_find(scheduler, key);
    if (task)
        agenda_add(scheduler, task);
    return true;
}

bool recovery_drop(struct scheduler *scheduler, const struct worker *worker,
                   struct task_key key, uint64_t attempt)
{
    struct unclaimed *entry = map_get(&scheduler->recovery.unclaimed, key.bits);
    while (entry && (entry->worker != worker || entry->attempt != attempt))
        entry = entry->next;
    if (entry)
        entry->worker = NULL;
    return entry != NULL;
}

void recovery_forget(struct scheduler *scheduler, const struct worker *worker)
{
    UNCLAIMED_FOREACH(entry, scheduler)
    if (entry->worker == worker)
        entry->worker = NULL;
}

/* ---- taking over ---- */

static void claim_data(struct scheduler *scheduler, struct task *task,
                       struct unclaimed *entry)
{
    if (task_located(scheduler, task, entry->worker, entry->nbytes) == 0)
        entry->worker = NULL;
}

static void claim_run(struct scheduler *scheduler, struct task *task,
                      struct unclaimed *entry)
{
    task_resume(scheduler, task, entry->worker, entry->attempt);
    entry->worker = NULL;
}

/* A running task is taken over when it could be started now, and if the worker may have
 * been sent it: it may say anything. */
static bool may_resume(const struct task *task, const struct worker *worker)
{
    return task->function && task->missing == 0 &&
           (task->state == TASK_NO_WORKER || task->state == TASK_QUEUED) &&
           worker->outstanding < worker->nthreads + worker->credits;
}

void recovery_claim(struct scheduler *scheduler, struct task *task)
{
    struct unclaimed *first = map_get(&scheduler->recovery.unclaimed, task->key.bits);
    for (struct unclaimed *entry = first; entry; entry = entry->next)
        if (entry->worker && entry->attempt == 0 &&
            (task_is_active(task) || task->state == TASK_MEMORY))
            claim_data(scheduler, task, entry);
    for (struct unclaimed *entry = first; entry; entry = entry->next)
        if (entry->worker && entry->attempt && may_resume(task, entry->worker))
            claim_run(scheduler, task, entry);
}

/* ---- beginning and end ---- */

void recovery_fini(struct scheduler *scheduler)
{
    struct map *unclaimed = &scheduler->recovery.unclaimed;
    size_t position = 0;
    struct unclaimed *entry;
    while ((entry = map_next(unclaimed, &position)))
        while (entry) {
            struct unclaimed *next = entry->next;
            free(entry);
            entry = next;
        }
    map_fini(unclaimed);
}

static void recovery_end(struct scheduler *scheduler, struct timer *timer)
{
    size_t count = 0;
    scheduler->recovery.running = false;
    scheduler->recovery.over = true;
    UNCLAIMED_FOREACH(entry, scheduler)
    {
        if (!entry->worker)
            continue;
        count++;
        if (entry->attempt)
            worker_stop_attempt(scheduler, entry->worker, entry->key, entry->attempt);
        else
            worker_free_data(scheduler, entry->worker, entry->key);
    }
    recovery_fini(scheduler);
    LIST_FOREACH (link, &scheduler->no_worker)
        agenda_add(scheduler, CONTAINER_OF(link, struct task, link));
    note_field(note_add(&scheduler->notes, NOTE_INFO, "recovery over"), "unclaimed",
               "%zu", count);
}

void recovery_begin(struct scheduler *scheduler)
{
    struct recovery *recovery = &scheduler->recovery;
    if (recovery->running || recovery->over ||
        scheduler->now_ns - scheduler->started_ns > scheduler->config.lost_ns)
        return;
    recovery->running = true;
    recovery->timer.fire = recovery_end;
    note_add(&scheduler->notes, NOTE_INFO, "recovering from a restart");
}

void recovery_hello(struct scheduler *scheduler, const struct msg_hello *hello)
{
    struct recovery *recovery = &scheduler->recovery;
    uint64_t epoch = hello->scheduler_epoch;
    if (epoch != 0 && epoch != scheduler->config.epoch)
        recovery_begin(scheduler);
    bool worker = hello->role == ROLE_WORKER || scheduler->worker_count > 0;
    if (recovery->running && worker && !heap_holds(&recovery->timer.link) &&
        timer_set(scheduler, &recovery->timer,
                  scheduler->now_ns + scheduler->config.recovery_ns) < 0)
        recovery_end(scheduler, &recovery->timer);
}
