#include "scheduler/core.h"

#define PATIENCE_NS (5 * UINT64_C(1000000000))

static void shutdown_end(struct scheduler *scheduler, int code, const char *line)
{
    struct shutdown *shutdown = &scheduler->shutdown;
    shutdown->ended = true;
    timer_clear(scheduler, &shutdown->timer);
    client_outcome(scheduler, shutdown->client, shutdown->request, code, line);
}

static void shutdown_timer(struct scheduler *scheduler, struct timer *timer)
{
    const struct worker *left =
        CONTAINER_OF(scheduler->workers.next, struct worker, link);
    struct err_text text;
    int rc = err_set(&text, DUSK_E_TIMEOUT,
                     "the scheduler has ended, and %zu workers have not left within "
                     "5 s, such as %s",
                     scheduler->worker_count, left->name);
    shutdown_end(scheduler, rc, text.line);
}

void shutdown_advance(struct scheduler *scheduler)
{
    if (scheduler->shutdown.begun && scheduler->worker_count == 0)
        shutdown_end(scheduler, 0, "");
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
    shutdown->client = client->number;
    shutdown->request = request;
    if (shutdown->begun)
        return;
    shutdown->timer.fire = shutdown_timer;
    if (timer_set(scheduler, &shutdown->timer, scheduler->now_ns + PATIENCE_NS) < 0) {
        client_outcome(scheduler, client->number, request, DUSK_E_NOMEM,
                       "the scheduler is out of memory");
        return;
    }
    shutdown->begun = true;
    struct note *note = note_add(&scheduler->notes, NOTE_INFO, "shutting down");
    note_field(note, "client", "%06" PRIx64, client->number);
    note_field(note, "name", "%s", client->name);
    note_field(note, "workers", "%zu", scheduler->worker_count);
    LIST_FOREACH (link, &scheduler->workers)
        shutdown_tell(scheduler, CONTAINER_OF(link, struct worker, link));
    shutdown_advance(scheduler);
}

bool scheduler_has_ended(const struct scheduler *scheduler)
{
    return scheduler->shutdown.ended;
}
