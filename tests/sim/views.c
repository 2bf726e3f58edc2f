#include "tests/sim/views.h"

#include "client/core_parts.h"
#include "scheduler/core.h"
#include "tests/sim/network.h"
#include "worker/core_state.h"

#include <stdio.h>

static struct worker *seen_by(struct process *scheduler, const struct end *end)
{
    struct peer *peer = map_get(&scheduler_of(scheduler)->peers, end->peer.number);
    return peer ? peer->worker : NULL;
}

/* The scheduler's end of the worker's registered connection, or NULL. */
static struct end *end_between(struct process *scheduler, struct process *worker)
{
    if (!scheduler->alive || !worker->alive)
        return NULL;
    const struct session *session = &worker_of(worker)->session;
    struct end *end = network_end(worker, session->peer);
    if (!session->registered || !session->greeted || !end || end->conn->cut ||
        end->dead)
        return NULL;
    struct end *other = network_other(end);
    return other->open && other->process == scheduler ? other : NULL;
}

bool view_is_settled(struct process *scheduler, struct process *worker)
{
    struct end *end = end_between(scheduler, worker);
    /* Who could not be sent something is parted with at the next event. */
    if (scheduler->alive && scheduler_of(scheduler)->doomed_count > 0)
        return false;
    if (!end || !network_is_idle(end) || !seen_by(scheduler, end))
        return false;
    return outbox_waiting(scheduler_outbox(scheduler_of(scheduler)), end->peer) == 0 &&
           outbox_waiting(worker_core_outbox(worker_of(worker)),
                          network_other(end)->peer) == 0;
}

static struct worker *settled(struct process *scheduler, struct process *worker)
{
    return seen_by(scheduler, end_between(scheduler, worker));
}

int view_who_has(struct process *scheduler, struct process *process,
                 struct err_text *text)
{
    struct worker *worker = settled(scheduler, process);
    const struct store *store = &worker_of(process)->store;
    LIST_FOREACH (link, &worker->held.bonds) {
        struct task_key key = bond_task(CONTAINER_OF(link, struct bond, link))->key;
        if (!store_get(store, key))
            return err_set(text, DUSK_E_INTERNAL,
                           "the scheduler believes that %s has " KEY_FORMAT,
                           worker->name, KEY_ARGS(key));
    }
    if (scheduler_of(scheduler)->recovery.running)
        return 0; /* what nobody has asked for yet is kept */
    size_t position = 0;
    const struct store_entry *entry;
    while ((entry = map_next(&store->entries, &position))) {
        struct task *task = task_find(scheduler_of(scheduler), entry->key);
        bool remade = task && task->state == TASK_PROCESSING && task->worker == worker;
        if (!remade && !(task && bond_find(task, &worker->held)))
            return err_set(text, DUSK_E_INTERNAL,
                           "%s has " KEY_FORMAT ", which the scheduler does not know",
                           worker->name, KEY_ARGS(entry->key));
    }
    return 0;
}

static bool has_attempt(const struct worker_core *core, struct task_key key,
                        uint64_t number)
{
    const struct attempt *attempt = map_get(&core->attempts, key.bits);
    while (attempt && attempt->number != number)
        attempt = attempt->next;
    return attempt != NULL;
}

int view_processing(struct process *scheduler, struct process *process,
                    struct err_text *text)
{
    struct worker *worker = settled(scheduler, process);
    const struct worker_core *core = worker_of(process);
    LIST_FOREACH (link, &worker->processing) {
        const struct task *task = CONTAINER_OF(link, struct task, link);
        if (!has_attempt(core, task->key, task->attempt))
            return err_set(text, DUSK_E_INTERNAL,
                           KEY_FORMAT " is in processing on %s, which has it not",
                           KEY_ARGS(task->key), worker->name);
    }
    /* A hello that came twice makes the scheduler assign twice: no connection of
     * ZeroMQ does that, and the second result will be counted as stale. */
    if (process->world->figures.faults[FAULT_DUPLICATE] ||
        scheduler_of(scheduler)->recovery.running)
        return 0;
    size_t position = 0;
    const struct attempt *attempt;
    while ((attempt = map_next(&core->attempts, &position)))
        for (; attempt; attempt = attempt->next) {
            const struct task *task = task_find(scheduler_of(scheduler), attempt->key);
            bool processing = task && task->state == TASK_PROCESSING &&
                              task->worker == worker &&
                              task->attempt == attempt->number;
            if (!processing && !map_get(&worker->stopping, attempt->number))
                return err_set(text, DUSK_E_INTERNAL,
                               "%s has attempt %" PRIu64 " of " KEY_FORMAT
                               ", which the scheduler does not know",
                               worker->name, attempt->number, KEY_ARGS(attempt->key));
        }
    return 0;
}

/* ---- the scheduler and a client ---- */

/* What the scheduler thinks of a client that it shares an idle connection with. */
static struct client *client_settled(struct process *scheduler, struct process *process)
{
    const struct client_core *core = process->alive ? client_core_of(process) : NULL;
    struct end *end = core && core->link == LINK_UP
                          ? network_end(process, core->scheduler->peer)
                          : NULL;
    if (!scheduler->alive || !end || !network_is_idle(end) ||
        network_other(end)->process != scheduler || core->queue_count > 0 ||
        core->blocked || scheduler_of(scheduler)->doomed_count > 0 ||
        outbox_waiting(&core->outbox, end->peer) > 0 ||
        outbox_waiting(scheduler_outbox(scheduler_of(scheduler)),
                       network_other(end)->peer) > 0)
        return NULL;
    const struct peer *peer =
        map_get(&scheduler_of(scheduler)->peers, network_other(end)->peer.number);
    return peer ? peer->client : NULL;
}

int view_wants(struct process *scheduler, struct process *process,
               struct err_text *text)
{
    const struct client *client = client_settled(scheduler, process);
    if (!client)
        return 0;
    LIST_FOREACH (link, &client->wants.bonds) {
        struct task_key key = bond_task(CONTAINER_OF(link, struct bond, link))->key;
        const struct dusk_future *future =
            map_get(&client_core_of(process)->by_key, key.bits);
        if (!future || (future->wanted == 0 && !future->transfer))
            return err_set(text, DUSK_E_INTERNAL,
                           "the scheduler keeps " KEY_FORMAT " for %s, which does not "
                           "want it",
                           KEY_ARGS(key), process->name);
    }
    return 0;
}

/* ---- one result a task ---- */

static bool done_counts;
static uint64_t completed_before;

void view_message_before(struct process *process, struct peer_id peer,
                         const struct message *message)
{
    const struct scheduler *scheduler = scheduler_of(process);
    const struct peer *known = map_get(&scheduler->peers, peer.number);
    const struct task *task = task_find(scheduler, message->done.key);
    completed_before = scheduler->counts.completed;
    done_counts =
        message->type != MSG_done ||
        (known && known->worker && task && task->state == TASK_PROCESSING &&
         task->worker == known->worker && task->attempt == message->done.attempt);
}

void view_message_after(struct process *process, const struct message *message)
{
    if (!done_counts && scheduler_of(process)->counts.completed != completed_before)
        world_wrong(process->world,
                    "the scheduler accepts a result of " KEY_FORMAT
                    " from attempt %" PRIu64 ", which is not the current one",
                    KEY_ARGS(message->done.key), message->done.attempt);
}

/* ---- for people ---- */

size_t view_task_count(const struct process *scheduler)
{
    return scheduler_of(scheduler)->tasks.count;
}

void view_why(const struct process *process, struct task_key key, char *line,
              size_t size)
{
    const struct scheduler *scheduler = process->alive ? scheduler_of(process) : NULL;
    const struct task *task = scheduler ? task_find(scheduler, key) : NULL;
    if (task)
        why_line(scheduler, task, line, size);
    else
        snprintf(line, size, "the scheduler %s",
                 scheduler ? "does not know it" : "is not running");
}

static void tell_worker(struct process *process)
{
    struct world *world = process->world;
    if (!process->alive) {
        world_wrong(world, "%s was not started again", process->name);
        return;
    }
    const struct worker_core *core = worker_of(process);
    size_t position = 0;
    const struct store_entry *entry;
    while ((entry = map_next(&core->store.entries, &position)))
        world_wrong(world, "%s still has " KEY_FORMAT, process->name,
                    KEY_ARGS(entry->key));
    if (!worker_process_is_idle(process))
        world_wrong(world, "%s still has %u attempts, %zu bytes, or files",
                    process->name, core->attempt_count, core->store.used);
}

void view_tell_left(struct world *world)
{
    struct process *process = world_scheduler(world);
    size_t position = 0;
    const struct task *task;
    while (process->alive &&
           (task = task_table_next(&scheduler_of(process)->tasks, &position))) {
        char why[160];
        view_why(process, task->key, why, sizeof why);
        world_wrong(world, "the scheduler still has %zu tasks, wanted by nobody: %s",
                    scheduler_of(process)->tasks.count, why);
    }
    for (unsigned i = 0; i < world->worker_count; i++)
        tell_worker(world_worker(world, i));
    world_wrong(world, "the scheduler is not running");
}
