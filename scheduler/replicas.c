#include "scheduler/core.h"

#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>

unsigned task_copies(const struct task *task)
{
    return task->extra ? task->extra->copies : 0;
}

bool task_is_asked(const struct task *task, const struct worker *worker)
{
    return bond_find(task, &worker->asked);
}

int client_replicate(struct scheduler *scheduler, const struct msg_replicate *replicate)
{
    unsigned copies =
        (unsigned)(replicate->copies < LIMIT_PEERS ? replicate->copies : LIMIT_PEERS);
    for (size_t i = 0; i < replicate->keys.count; i++) {
        struct task *task = task_find(scheduler, replicate->keys.items[i]);
        if (!task || task_copies(task) == copies)
            continue;
        if (!task_extra(task))
            return DUSK_E_NOMEM;
        task->extra->copies = copies;
        agenda_add(scheduler, task);
        record_copies(scheduler, task);
    }
    return 0;
}

/* ---- asking ---- */

int worker_acquire(struct scheduler *scheduler, struct worker *worker,
                   struct task *task)
{
    field_sources sources;
    if (sources_of(scheduler, task, worker, &sources) < 0)
        return DUSK_E_NOMEM;
    struct bond *holder = bond_find(task, &worker->held);
    if (holder)
        bond_set_flags(holder, HOLDER_LASTING);
    worker_flush_frees(scheduler, worker);
    worker_send(scheduler, worker, MESSAGE(acquire, .sources = sources));
    return 0;
}

static unsigned copies_needed(struct task *task)
{
    unsigned copies = task_is_wanted(task) ? task_copies(task) : 0;
    return copies == 0 && !task->function ? 1 : copies;
}

/* Those that last, and those that are on their way. */
static unsigned copies_there(struct task *task)
{
    unsigned count = 0;
    BONDS_FOREACH (holder, task, BOND_HOLDER)
        count += (bond_flags(holder) & HOLDER_LASTING) != 0;
    BONDS_FOREACH (asked, task, BOND_ASKED)
        count++;
    return count;
}

/* A copy that is there already, and may be dropped. */
static struct bond *passing_copy(struct task *task)
{
    BONDS_FOREACH (holder, task, BOND_HOLDER) {
        const struct worker *worker = holder_worker(holder);
        if (!(bond_flags(holder) & HOLDER_LASTING) && !worker->silent &&
            !worker->retiring)
            return holder;
    }
    return NULL;
}

static bool ask_one(struct scheduler *scheduler, struct task *task)
{
    struct bond *holder = passing_copy(task);
    if (holder)
        return worker_acquire(scheduler, holder_worker(holder), task) == 0;
    struct worker *worker = placement_emptiest(scheduler, task);
    struct bond *asked;
    if (!worker || bond_add(task, &worker->asked, &asked) < 0)
        return false;
    if (worker_acquire(scheduler, worker, task) == 0)
        return true;
    bond_remove(asked);
    return false;
}

bool replicas_suffice(struct task *task)
{
    return task->state != TASK_MEMORY || copies_there(task) >= copies_needed(task);
}

void replicas_review(struct scheduler *scheduler, struct task *task)
{
    unsigned needed = copies_needed(task);
    unsigned there = needed ? copies_there(task) : 0;
    while (there < needed && ask_one(scheduler, task))
        there++;
    if (there >= needed) {
        if (task->extra)
            list_remove(&task->extra->scarce);
    } else if (task_extra(task) && list_is_empty(&task->extra->scarce)) {
        list_append(&scheduler->scarce, &task->extra->scarce);
    }
}

/* ---- what happens to copies ---- */

void replicas_arrived(struct scheduler *scheduler, struct task *task,
                      struct worker *worker)
{
    struct bond *asked = bond_find(task, &worker->asked);
    if (!asked)
        return;
    bond_remove(asked);
    bond_set_flags(bond_find(task, &worker->held), HOLDER_LASTING);
}

/* Who cannot is not asked again at once. */
void replicas_refused(struct scheduler *scheduler, struct worker *worker,
                      struct task_key key)
{
    struct task *task = task_find(scheduler, key);
    struct bond *asked = task ? bond_find(task, &worker->asked) : NULL;
    if (!asked)
        return;
    bond_remove(asked);
    if (list_is_empty(&task->extra->scarce))
        list_append(&scheduler->scarce, &task->extra->scarce);
}

void replicas_worker_gone(struct scheduler *scheduler, struct worker *worker)
{
    LIST_FOREACH (link, &worker->asked.bonds) {
        struct bond *asked = CONTAINER_OF(link, struct bond, link);
        struct task *task = bond_task(asked);
        bond_remove(asked);
        agenda_add(scheduler, task);
    }
}

void replicas_end(struct scheduler *scheduler, struct task *task)
{
    if (!task->extra)
        return;
    list_remove(&task->extra->scarce);
    /* What is on its way is not freed: word of it may come first, when it is the only
     * copy.  If it is of no use, it goes then. */
    BONDS_FOREACH (asked, task, BOND_ASKED)
        bond_remove(asked);
}

void replicas_retry(struct scheduler *scheduler)
{
    LIST_FOREACH (link, &scheduler->scarce)
        agenda_add(scheduler, CONTAINER_OF(link, struct task_extra, scarce)->task);
}

/* ---- losses ---- */

/* Remembers who had the data, the last one first. */
void replicas_left(struct scheduler *scheduler, struct task *task,
                   const struct worker *worker)
{
    if (task->function || !task_extra(task))
        return;
    char *before = task->extra->last_holders, *names;
    if (asprintf(&names, "%.100s%s%.80s", worker->name, before ? ", " : "",
                 before ? before : "") < 0)
        return;
    free(before);
    task->extra->last_holders = names;
}

void replicas_lost(struct scheduler *scheduler, struct task *task)
{
    const char *names = task->extra ? task->extra->last_holders : NULL;
    task_fail(scheduler, task, DUSK_E_DATA_LOST,
              "scattered data " KEY_FORMAT " (%" PRIu64
              " bytes) are lost: no worker that held a copy is left%s%s",
              KEY_ARGS(task->key), task->nbytes, names ? "; the last were on " : "",
              names ? names : "");
}
