#include "scheduler/core.h"

#define WORKERS_NS (5 * UINT64_C(1000000000))
#define CLIENT_NS (1 * UINT64_C(1000000000))

static void shutdown_answer(struct scheduler *scheduler, int code, const char *line)
{
    struct shutdown *shutdown = &scheduler->shutdown;
    shutdown->answered = true;
    timer_set(scheduler, &shutdown->timer, scheduler->now_ns + CLIENT_NS);
    client_outcome(scheduler, shutdown->client, shutdown->request, code, line);
}

static void shutdown_timer(struct scheduler *scheduler, struct timer *timer)
{
    scheduler->shutdown.ended = scheduler->shutdown.answered;
    if (scheduler->shutdown.ended || scheduler->worker_count == 0)
        return;
    const struct worker *left =
        CONTAINER_OF(scheduler->workers.next, struct worker, link);
    struct err_text text;
    int rc = err_set(&text, DUSK_E_TIMEOUT,
                     "the scheduler ends, and %zu workers have not left within 5 s, "
                     "such as %s",
                     scheduler->worker_count, left->name);
    shutdown_answer(scheduler, rc, text.line);
}

/* The client is waited for, since ZeroMQ drops what a peer has received and not read
 * when the connection is closed. */
void shutdown_advance(struct scheduler *scheduler)
{
    struct shutdown *shutdown = &scheduler->shutdown;
    if (!shutdown->begun)
        return;
    if (!shutdown->answered && scheduler->worker_count == 0)
        shutdown_answer(scheduler, 0, "");
    const struct client *client = map_get(&scheduler->client_numbers, shutdown->client);
    if (shutdown->answered && !(client && client->peer.number))
        shutdown->ended = true;
}

void shutdown_tell(struct scheduler *scheduler, struct worker *worker)
{
    if (scheduler->shutdown.begun)
        worker_send(scheduler, worker, MESSAGE(shutdown, .request = 0));
}

void shutdown_begin(struct scheduler *scheduler, const struct client *client,
                    uint64_t request)
{
    struct shutdown *shutdown = &scheduler->shutdown;
    if (!(peer_rights(scheduler, client->peer) & RIGHT_SHUTDOWN)) {
        client_outcome(scheduler, client->number, request, DUSK_E_FORBIDDEN,
                       "the key of this client does not allow to end the cluster");
        return;
    }
    shutdown->timer.fire = shutdown_timer;
    if (!shutdown->begun &&
        timer_set(scheduler, &shutdown->timer, scheduler->now_ns + WORKERS_NS) < 0) {
        client_outcome(scheduler, client->number, request, DUSK_E_NOMEM,
                       "the scheduler is out of memory");
        return;
    }
    shutdown->client = client->number;
    shutdown->request = request;
    shutdown->answered = false;
    if (shutdown->begun)
        return;
    shutdown->begun = true;
    struct note *note = note_add(&scheduler->notes, NOTE_INFO, "shutting down");
    note_field(note, "client", "%06" PRIx64, client->number);
    note_field(note, "name", "%s", client->name);
    note_field(note, "workers", "%zu", scheduler->worker_count);
    LIST_FOREACH (link, &scheduler->workers)
        shutdown_tell(scheduler, CONTAINER_OF(link, struct worker, link));
}

bool scheduler_has_ended(const struct scheduler *scheduler)
{
    return scheduler->shutdown.ended;
}
