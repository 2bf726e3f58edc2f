/* What must hold after every event.  Each check names the task or worker and what
 * is wrong with it; the first that fails ends the walk. */
#include "scheduler/core.h"

#include <string.h>

#define TASK_WRONG(task, format, ...)                                                  \
    err_set(text, DUSK_E_INTERNAL, "task " KEY_FORMAT " (%s) " format,                 \
            KEY_ARGS((task)->key), task_state_name((task)->state), ##__VA_ARGS__)
#define WORKER_WRONG(worker, format, ...)                                              \
    err_set(text, DUSK_E_INTERNAL, "worker %s " format, (worker)->name, ##__VA_ARGS__)
#define CLIENT_WRONG(client, format, ...)                                              \
    err_set(text, DUSK_E_INTERNAL, "client %06" PRIx64 " " format, (client)->number,   \
            ##__VA_ARGS__)

static size_t list_count(const struct list *head)
{
    size_t count = 0;
    for (const struct list *link = head->next; link != head; link = link->next)
        count++;
    return count;
}

static bool list_has(const struct list *head, const struct list *sought)
{
    for (const struct list *link = head->next; link != head; link = link->next)
        if (link == sought)
            return true;
    return false;
}

static bool heap_has(const struct heap *heap, const struct heap_link *link)
{
    return heap_holds(link) && link->place <= heap->count &&
           heap->links[link->place - 1] == link;
}

static int check_counters(const struct task *task, struct err_text *text)
{
    uint32_t missing = 0, needed_by = 0;
    for (uint32_t i = 0; i < task->edge_count; i++)
        missing += task->edges[i].dependency->state != TASK_MEMORY;
    LIST_FOREACH (link, &task->dependents)
        needed_by += task_is_active(CONTAINER_OF(link, struct edge, link)->dependent);
    if (missing != task->missing)
        return TASK_WRONG(task, "misses %u inputs and counts %u", missing,
                          task->missing);
    if (needed_by != task->needed_by)
        return TASK_WRONG(task, "is needed by %u and counts %u", needed_by,
                          task->needed_by);
    return 0;
}

/* A task is where the facts say it belongs. */
static int check_state(const struct scheduler *scheduler, struct task *task,
                       struct err_text *text)
{
    bool needed = task_is_needed(task);
    bool held = bond_first(task, BOND_HOLDER) != NULL;
    if (held != (task->state == TASK_MEMORY))
        return TASK_WRONG(task, "is held by %s", held ? "a worker" : "nobody");
    if (needed && task->state == TASK_RELEASED)
        return TASK_WRONG(task, "is needed");
    if (!needed && task_is_active(task))
        return TASK_WRONG(task, "is not needed");
    if (!needed && task->state != TASK_MEMORY && list_is_empty(&task->dependents))
        return TASK_WRONG(task, "should be forgotten");
    if (!needed && task->state == TASK_MEMORY)
        return TASK_WRONG(task, "should be freed");
    if (task->state == TASK_ERRED && !task->failure)
        return TASK_WRONG(task, "has no failure");
    if (task->state >= TASK_FORGOTTEN ||
        task->flags & (TASK_ON_AGENDA | TASK_CANCELLED))
        return TASK_WRONG(task, "was left on the agenda");
    if (bond_first(task, BOND_ASKED) && task->state != TASK_MEMORY)
        return TASK_WRONG(task, "has copies on their way and is not in memory");
    if (task->extra && !replicas_suffice(task) && list_is_empty(&task->extra->scarce))
        return TASK_WRONG(task, "has too few copies and is not listed");
    return 0;
}

static int check_ready(const struct scheduler *scheduler, const struct task *task,
                       struct err_text *text)
{
    const struct worker *worker = task->worker;
    /* An input may be lost while the task runs: its worker may have it already. */
    if (task->state == TASK_PROCESSING)
        return worker && list_has(&worker->processing, &task->link)
                   ? 0
                   : TASK_WRONG(task, "is not listed at its worker");
    if (task->missing)
        return TASK_WRONG(task, "is not ready");
    if (task->state == TASK_NO_WORKER || task->flags & TASK_UNPLACED)
        return 0;
    if (!heap_has(placement_heap((struct scheduler *)scheduler, task), &task->queue))
        return TASK_WRONG(task, "is in no heap");
    if (task_demand(task) && !worker && !scheduler->recovery.running &&
        !placement_possible(scheduler, task))
        return TASK_WRONG(task, "queues for nobody");
    if (worker && !worker->silent && !worker_takes_work(worker) &&
        !task_restriction(task))
        return TASK_WRONG(task, "queues at %s, which is %s", worker->name,
                          worker_state_name(worker));
    return 0;
}

static int check_place(const struct scheduler *scheduler, const struct task *task,
                       struct err_text *text)
{
    if (task->state != TASK_QUEUED && heap_holds(&task->queue))
        return TASK_WRONG(task, "is in a heap");
    if (task->state == TASK_NO_WORKER && !list_has(&scheduler->no_worker, &task->link))
        return TASK_WRONG(task, "is not listed");
    if (task->state == TASK_NO_WORKER && placement_possible(scheduler, task))
        return TASK_WRONG(task, "has a worker that could take it");
    if (task->state == TASK_WAITING && !task->function &&
        !(task->worker && list_has(&task->worker->awaited, &task->link)))
        return TASK_WRONG(task, "is awaited by no worker");
    if (task->state == TASK_WAITING && task->function && !task->missing &&
        !task_rests(task))
        return TASK_WRONG(task, "waits for nothing");
    if (task->state == TASK_QUEUED || task->state == TASK_PROCESSING ||
        (task->state == TASK_NO_WORKER && task->function))
        return check_ready(scheduler, task, text);
    return 0;
}

static int check_tasks(const struct scheduler *scheduler, struct err_text *text)
{
    size_t counts[TASK_STATE_COUNT] = {0};
    size_t position = 0;
    struct task *task;
    int rc = 0;
    while (rc == 0 && (task = task_table_next(&scheduler->tasks, &position))) {
        counts[task->state]++;
        rc = check_counters(task, text);
        rc = rc ? rc : check_state(scheduler, task, text);
        rc = rc ? rc : check_place(scheduler, task, text);
    }
    if (rc == 0 && memcmp(counts, scheduler->state_counts, sizeof counts) != 0)
        rc = err_set(text, DUSK_E_INTERNAL, "the numbers of tasks by state are wrong");
    return rc;
}

static int check_bonds(const struct worker *worker, struct err_text *text)
{
    uint64_t bytes = 0;
    LIST_FOREACH (link, &worker->held.bonds) {
        struct bond *bond = CONTAINER_OF(link, struct bond, link);
        const struct task *task = bond_task(bond);
        bytes += task->nbytes;
        if (bond_find(task, &worker->held) != bond)
            return WORKER_WRONG(worker,
                                "has a bond with " KEY_FORMAT " that is not mutual",
                                KEY_ARGS(task->key));
    }
    if (list_count(&worker->held.bonds) != worker->held.count ||
        bytes != worker->held_bytes)
        return WORKER_WRONG(worker, "holds %" PRIu64 " bytes and counts %" PRIu64,
                            bytes, worker->held_bytes);
    return 0;
}

/* No thread idles while there is something that it could do. */
static int check_idleness(const struct scheduler *scheduler,
                          const struct worker *worker, struct err_text *text)
{
    const struct heap_link *own = heap_first(&worker->queue);
    const struct heap_link *first = own ? own : heap_first(&scheduler->queue);
    LIST_FOREACH (link, &scheduler->demands) {
        if (!first)
            first = placement_first_of(CONTAINER_OF(link, struct demand, link), worker);
    }
    if (first && worker_takes_work(worker) && worker->outstanding < worker->nthreads)
        return WORKER_WRONG(worker, "has a free thread and could take " KEY_FORMAT,
                            KEY_ARGS(CONTAINER_OF(first, struct task, queue)->key));
    return 0;
}

/* What its tasks use, those that are being stopped included. */
static int check_resources(const struct worker *worker, struct err_text *text)
{
    struct worker sum = {.resources = worker->resources};
    size_t position = 0;
    const struct demand *stopped;
    LIST_FOREACH (link, &worker->processing)
        demand_take(task_demand(CONTAINER_OF(link, struct task, link)), &sum);
    while ((stopped = map_next(&worker->stopping, &position)))
        demand_take(stopped, &sum);
    for (unsigned i = 0; i < worker->resources.count; i++)
        if (sum.resources_used[i] != worker->resources_used[i])
            return WORKER_WRONG(worker, "uses %" PRId64 " and counts %" PRId64 " of %s",
                                sum.resources_used[i], worker->resources_used[i],
                                worker->resources.items[i].name);
    return 0;
}

static int check_worker(const struct scheduler *scheduler, const struct worker *worker,
                        struct err_text *text)
{
    if (list_count(&worker->processing) + worker->stopping.count != worker->outstanding)
        return WORKER_WRONG(worker, "processes %zu, stops %zu and counts %u",
                            list_count(&worker->processing), worker->stopping.count,
                            worker->outstanding);
    if (worker->outstanding > worker->nthreads + worker->credits &&
        worker->stopping.count == 0)
        return WORKER_WRONG(worker, "was sent %u tasks for %u threads and %u credits",
                            worker->outstanding, worker->nthreads, worker->credits);
    if (worker_takes_work(worker) != worker->counted)
        return WORKER_WRONG(worker, "is counted wrong");
    if (heap_has(&scheduler->open, &worker->open) !=
        (worker->counted && worker->outstanding < worker->nthreads + worker->credits))
        return WORKER_WRONG(worker, "is wrongly open or not");
    if (heap_has(&scheduler->backlog, &worker->backlog) !=
        (!worker->silent && worker->queue.count > 0))
        return WORKER_WRONG(worker, "is wrongly in the backlog or not");
    if (!heap_has(&scheduler->timers, &worker->timer.link))
        return WORKER_WRONG(worker, "has no timer");
    if (!worker->peer.number && !worker->silent)
        return WORKER_WRONG(worker, "has no connection and is not silent");
    const struct peer *peer = map_get(&scheduler->peers, worker->peer.number);
    if (worker->peer.number && !(peer && peer->worker == worker))
        return WORKER_WRONG(worker, "is not known by its peer");
    int rc = check_bonds(worker, text);
    rc = rc ? rc : check_resources(worker, text);
    return rc ? rc : check_idleness(scheduler, worker, text);
}

static int check_plugin(const struct scheduler *scheduler, const struct plugin *plugin,
                        struct err_text *text)
{
    size_t position = 0;
    struct worker *worker;
    if (plugin->code < 0 && plugin->awaited.count == 0)
        return err_set(text, DUSK_E_INTERNAL, "plugin %s should be forgotten",
                       plugin->name);
    while ((worker = map_next(&plugin->awaited, &position)))
        if (!list_has(&scheduler->workers, &worker->link))
            return err_set(text, DUSK_E_INTERNAL,
                           "plugin %s waits for a worker that is gone", plugin->name);
    return 0;
}

static int check_client(const struct scheduler *scheduler, const struct client *client,
                        struct err_text *text)
{
    const struct peer *peer = map_get(&scheduler->peers, client->peer.number);
    if (list_count(&client->wants.bonds) != client->wants.count)
        return CLIENT_WRONG(client, "counts %zu wants wrongly", client->wants.count);
    if (map_get(&scheduler->client_numbers, client->number) != client)
        return CLIENT_WRONG(client, "is not known by its number");
    if (!heap_has(&scheduler->timers, &client->timer.link))
        return CLIENT_WRONG(client, "has no timer");
    if (client->peer.number && !(peer && peer->client == client))
        return CLIENT_WRONG(client, "is not known by its peer");
    if (client->leaving && (client->peer.number || !client->wants.count))
        return CLIENT_WRONG(client, "should have left");
    return 0;
}

int scheduler_check(const struct scheduler *scheduler, struct err_text *text)
{
    int rc = check_tasks(scheduler, text);
    size_t working = 0;
    if (rc == 0 && (scheduler->open.capacity < scheduler->worker_count ||
                    scheduler->backlog.capacity < scheduler->worker_count))
        rc = err_set(text, DUSK_E_INTERNAL, "the heaps lack room for %zu workers",
                     scheduler->worker_count);
    LIST_FOREACH (w, &scheduler->workers) {
        const struct worker *worker = CONTAINER_OF(w, struct worker, link);
        working += worker_takes_work(worker);
        rc = rc ? rc : check_worker(scheduler, worker, text);
    }
    LIST_FOREACH (c, &scheduler->clients)
        rc = rc ? rc
                : check_client(scheduler, CONTAINER_OF(c, struct client, link), text);
    LIST_FOREACH (l, &scheduler->leaving)
        rc = rc ? rc
                : check_client(scheduler, CONTAINER_OF(l, struct client, link), text);
    LIST_FOREACH (p, &scheduler->plugins)
        rc = rc ? rc
                : check_plugin(scheduler, CONTAINER_OF(p, struct plugin, link), text);
    if (rc == 0 && (working != scheduler->working_count ||
                    list_count(&scheduler->workers) != scheduler->worker_count))
        rc = err_set(text, DUSK_E_INTERNAL, "workers are counted wrong");
    if (rc == 0 && list_count(&scheduler->clients) != scheduler->client_count)
        rc = err_set(text, DUSK_E_INTERNAL, "clients are counted wrong");
    return rc;
}
