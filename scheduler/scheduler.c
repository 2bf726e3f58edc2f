/* Events: each is dispatched, then its consequences are worked off. */
#include "scheduler/core.h"

#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)

const struct scheduler_config scheduler_defaults = {
    .epoch = 1,
    .heartbeat_ns = 1000 * MS,
    .silent_ns = 3000 * MS,
    .lost_ns = 15000 * MS,
    .closed_ns = 1000 * MS,
    .client_closed_ns = 5000 * MS,
    .wants_at_once = 4096,
    .wants_rest_ns = 1 * MS,
    .recovery_ns = 3000 * MS,
    .stalled_ns = 5000 * MS,
    .retire_ns = 30000 * MS,
    .pipeline_ns = 2 * MS,
    .bunch_ns = MS / 10,
    .latency_ns = 1 * MS,
    .bandwidth = 500e6,
    .clock_skew_ns = 60000 * MS,
    .deaths_allowed = 3,
    .rest_first_ns = 100 * MS,
    .rest_most_ns = 10000 * MS,
    .argument_bytes = LIMIT_ARGUMENT_BYTES,
    .tasks_allowed = LIMIT_TASKS,
    .peers_allowed = LIMIT_PEERS,
};

/* ---- messages ---- */

/* Whoever is behind a connection already may say hello again, and nobody else. */
static bool may_greet(const struct peer *bound, const struct msg_hello *hello)
{
    if (!bound)
        return true;
    if (bound->worker)
        return hello->role == ROLE_WORKER && hello->epoch == bound->worker->epoch &&
               text_is(hello->address, bound->worker->address);
    return hello->role == ROLE_CLIENT && hello->epoch == bound->client->epoch &&
           hello->client == bound->client->number;
}

static void hello(struct scheduler *scheduler, struct peer_id peer,
                  const struct msg_hello *message)
{
    if (message->magic != PROTOCOL_MAGIC)
        peer_refuse(scheduler, peer, DUSK_E_PROTOCOL, "this is not dusk's protocol");
    else if (message->major != PROTOCOL_MAJOR)
        peer_refuse(scheduler, peer, DUSK_E_REFUSED,
                    "the scheduler (dusk " DUSK_VERSION ") speaks protocol %d.%d, the "
                    "peer %" PRIu64 ".%" PRIu64,
                    PROTOCOL_MAJOR, PROTOCOL_MINOR, message->major, message->minor);
    else if (message->epoch == 0)
        peer_refuse(scheduler, peer, DUSK_E_INVALID, "an epoch must not be 0");
    else if (!may_greet(map_get(&scheduler->peers, peer.number), message))
        peer_violated(scheduler, peer, "two processes on one connection");
    else if (!clock_agrees(scheduler, peer, message->unix_ns))
        return;
    else if (message->role == ROLE_WORKER)
        worker_hello(scheduler, peer, message);
    else if (message->role == ROLE_CLIENT)
        client_hello(scheduler, peer, message);
    else
        peer_refuse(scheduler, peer, DUSK_E_INVALID,
                    "a peer's role must be 1 (worker) or 2 (client), not %" PRIu64,
                    message->role);
}

static bool from_worker(struct scheduler *scheduler, struct worker *worker,
                        const struct message *message)
{
    switch (message->type) {
    case MSG_heartbeat:
        worker_heartbeat(scheduler, worker, &message->heartbeat);
        return true;
    case MSG_done:
        worker_done(scheduler, worker, &message->done);
        return true;
    case MSG_erred:
        worker_erred(scheduler, worker, &message->erred);
        return true;
    case MSG_missing:
        worker_missing(scheduler, worker, &message->missing);
        return true;
    case MSG_have:
        worker_have(scheduler, worker, &message->have);
        return true;
    case MSG_dropped:
        worker_dropped(scheduler, worker, &message->dropped);
        return true;
    case MSG_plugin_loaded:
        plugin_loaded(scheduler, worker, &message->plugin_loaded);
        return true;
    case MSG_retire:
        retire_begin(scheduler, worker, message->retire.deadline_ms);
        return true;
    case MSG_alive:
        return true;
    case MSG_bye:
        worker_remove(scheduler, worker, false, "it said goodbye");
        return true;
    default:
        return false;
    }
}

static bool from_client(struct scheduler *scheduler, struct client *client,
                        const struct message *message)
{
    switch (message->type) {
    case MSG_submit:
        client_submit(scheduler, client, &message->submit);
        return true;
    case MSG_scatter:
        client_scatter(scheduler, client, &message->scatter);
        return true;
    case MSG_release:
        client_release(scheduler, client, &message->release);
        return true;
    case MSG_cancel:
        client_cancel(scheduler, &message->cancel);
        return true;
    case MSG_locate:
        client_locate(scheduler, client, &message->locate);
        return true;
    case MSG_want:
        client_want(scheduler, client, &message->want);
        return true;
    case MSG_replicate:
        if (client_replicate(scheduler, &message->replicate) < 0)
            peer_doom(scheduler, client->peer);
        return true;
    case MSG_publish:
        client_publish(scheduler, client, &message->publish);
        return true;
    case MSG_unpublish:
        client_unpublish(scheduler, client, &message->unpublish);
        return true;
    case MSG_get_published:
        client_get_published(scheduler, client, &message->get_published);
        return true;
    case MSG_status_request:
        status_answer(scheduler, client, message->status_request.request);
        return true;
    case MSG_why:
        why_answer(scheduler, client, &message->why);
        return true;
    case MSG_why_all:
        why_answer_all(scheduler, client, message->why_all.request);
        return true;
    case MSG_upload:
        plugin_upload(scheduler, client, &message->upload);
        return true;
    case MSG_shutdown:
        shutdown_begin(scheduler, client, message->shutdown.request);
        return true;
    case MSG_alive:
        client_send(scheduler, client,
                    MESSAGE(alive, .epoch = scheduler->config.epoch,
                            .number = message->alive.number));
        return true;
    case MSG_bye:
        client_remove(scheduler, client, "it said goodbye");
        return true;
    default:
        return false;
    }
}

/* ---- events ---- */

void scheduler_settle(struct scheduler *scheduler)
{
    do {
        agenda_run(scheduler);
        placement_run(scheduler);
        if (scheduler->doomed_count) {
            struct peer_id peer = {scheduler->doomed[--scheduler->doomed_count]};
            peer_violated(scheduler, peer,
                          "it does not take what it is sent: too much waits for it");
        }
    } while (scheduler->agenda_first || scheduler->doomed_count ||
             !list_is_empty(&scheduler->refill));
    shutdown_advance(scheduler);
}

void scheduler_message(struct scheduler *scheduler, struct peer_id peer,
                       const struct message *message, uint64_t now_ns)
{
    scheduler->now_ns = now_ns;
    struct peer *bound = map_get(&scheduler->peers, peer.number);
    bool fine = true;
    if (bound && bound->worker)
        worker_heard(scheduler, bound->worker);
    else if (bound)
        bound->client->heard_ns = now_ns;
    if (message->type == MSG_hello)
        hello(scheduler, peer, &message->hello);
    else if (!bound && message->type != MSG_bye)
        peer_send(scheduler, peer,
                  MESSAGE(register_again, .epoch = scheduler->config.epoch));
    else if (bound && bound->worker)
        fine = from_worker(scheduler, bound->worker, message);
    else if (bound)
        fine = from_client(scheduler, bound->client, message);
    if (!fine)
        peer_violated(scheduler, peer, "it must not send %s",
                      message_name(message->type));
    scheduler_settle(scheduler);
}

bool scheduler_knows(const struct scheduler *scheduler, struct peer_id peer)
{
    return map_get(&scheduler->peers, peer.number) != NULL;
}

void scheduler_peer_gone(struct scheduler *scheduler, struct peer_id peer,
                         uint64_t now_ns)
{
    scheduler->now_ns = now_ns;
    peer_part(scheduler, peer);
    guest_forget(scheduler, peer);
    scheduler_settle(scheduler);
}

void scheduler_peer_broken(struct scheduler *scheduler, struct peer_id peer,
                           const char *line, uint64_t now_ns)
{
    scheduler->now_ns = now_ns;
    peer_violated(scheduler, peer, "%s", line);
    scheduler_settle(scheduler);
}

void scheduler_tick(struct scheduler *scheduler, uint64_t now_ns)
{
    scheduler->now_ns = now_ns;
    while (timers_run_one(scheduler))
        scheduler_settle(scheduler);
}

uint64_t scheduler_next_deadline(const struct scheduler *scheduler)
{
    const struct heap_link *first = heap_first(&scheduler->timers);
    return first ? (uint64_t)first->priority : UINT64_MAX;
}

void scheduler_stop(struct scheduler *scheduler, const char *reason)
{
    LIST_FOREACH (w, &scheduler->workers)
        worker_send(scheduler, CONTAINER_OF(w, struct worker, link),
                    MESSAGE(bye, .reason = str_of(reason)));
    LIST_FOREACH (c, &scheduler->clients)
        client_send(scheduler, CONTAINER_OF(c, struct client, link),
                    MESSAGE(bye, .reason = str_of(reason)));
}

struct outbox *scheduler_outbox(struct scheduler *scheduler)
{
    LIST_FOREACH (link, &scheduler->freeing)
        worker_flush_frees(scheduler, CONTAINER_OF(link, struct worker, freeing));
    return &scheduler->outbox;
}

bool scheduler_next_closed(struct scheduler *scheduler, struct peer_id *ret_peer)
{
    if (scheduler->closing_count == 0)
        return false;
    ret_peer->number = scheduler->closing[--scheduler->closing_count];
    return true;
}

bool scheduler_next_note(struct scheduler *scheduler, struct note *ret_note)
{
    return notes_take(&scheduler->notes, ret_note);
}

void scheduler_count(const struct scheduler *scheduler,
                     struct scheduler_counts *ret_counts)
{
    *ret_counts = scheduler->counts;
    ret_counts->tasks = scheduler->tasks.count;
    ret_counts->workers = scheduler->worker_count;
    ret_counts->clients = scheduler->client_count;
}

/* ---- life ---- */

static int prepare(struct scheduler *scheduler)
{
    static const char sentence[] = "the scheduler is out of memory";
    struct failure *failure = calloc(1, sizeof *failure + sizeof sentence);
    if (!failure)
        return DUSK_E_NOMEM;
    failure->references = 1;
    failure->code = DUSK_E_NOMEM;
    memcpy(failure->line, sentence, sizeof sentence);
    scheduler->no_memory = failure;
    return stalls_start(scheduler);
}

int scheduler_create(const struct scheduler_config *config, uint64_t now_ns,
                     struct scheduler **ret_scheduler)
{
    struct scheduler *scheduler = calloc(1, sizeof *scheduler);
    if (!scheduler)
        return DUSK_E_NOMEM;
    scheduler->config = *config;
    scheduler->now_ns = scheduler->started_ns = scheduler->progress_ns = now_ns;
    /* Workers may still run attempts of an earlier life: no number is theirs. */
    scheduler->attempts = (config->epoch - 1) << ATTEMPT_COUNT_BITS;
    outbox_init(&scheduler->outbox);
    outbox_init(&scheduler->journal);
    scheduler->outbox.chained = scheduler->journal.chained = true;
    functions_init(&scheduler->functions);
    task_table_init(&scheduler->tasks);
    list_init(&scheduler->scarce);
    list_init(&scheduler->no_worker);
    list_init(&scheduler->demands);
    scheduler->alone_ns = now_ns;
    scheduler->least_memory = UINT64_MAX;
    list_init(&scheduler->unplaced);
    list_init(&scheduler->workers);
    list_init(&scheduler->refill);
    list_init(&scheduler->freeing);
    list_init(&scheduler->clients);
    list_init(&scheduler->leaving);
    list_init(&scheduler->plugins);
    list_init(&scheduler->publications);
    map_init(&scheduler->recovery.unclaimed);
    int rc = prepare(scheduler);
    if (rc < 0) {
        scheduler_destroy(scheduler);
        return rc;
    }
    *ret_scheduler = scheduler;
    return 0;
}

static void tasks_free(struct scheduler *scheduler)
{
    size_t position = 0;
    struct task *task;
    while ((task = task_table_next(&scheduler->tasks, &position)))
        task_destroy(task);
    task_table_fini(&scheduler->tasks);
}

void scheduler_destroy(struct scheduler *scheduler)
{
    if (!scheduler)
        return;
    tasks_free(scheduler);
    publications_fini(scheduler);
    recovery_fini(scheduler);
    LIST_FOREACH (w, &scheduler->workers)
        worker_destroy(CONTAINER_OF(w, struct worker, link));
    LIST_FOREACH (c, &scheduler->clients)
        client_destroy(CONTAINER_OF(c, struct client, link));
    LIST_FOREACH (c, &scheduler->leaving)
        client_destroy(CONTAINER_OF(c, struct client, link));
    LIST_FOREACH (d, &scheduler->demands)
        demand_destroy(CONTAINER_OF(d, struct demand, link));
    plugins_free(scheduler);
    size_t position = 0;
    struct peer *peer;
    while ((peer = map_next(&scheduler->peers, &position)))
        free(peer);
    map_fini(&scheduler->peers);
    guests_free(scheduler);
    members_fini(&scheduler->members);
    free(scheduler->member_rows);
    map_fini(&scheduler->worker_names);
    map_fini(&scheduler->worker_addresses);
    map_fini(&scheduler->client_numbers);
    heap_fini(&scheduler->timers);
    heap_fini(&scheduler->queue);
    heap_fini(&scheduler->open);
    heap_fini(&scheduler->backlog);
    graves_fini(&scheduler->graves);
    functions_fini(&scheduler->functions);
    outbox_fini(&scheduler->outbox);
    outbox_fini(&scheduler->journal);
    free(scheduler->sources);
    free(scheduler->doomed);
    free(scheduler->closing);
    free(scheduler->no_memory);
    free(scheduler);
}
