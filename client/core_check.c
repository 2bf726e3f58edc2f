/* What must hold between the parts of the client's core after every step. */
#include "client/core_parts.h"

static int wrong(struct err_text *text, const struct dusk_future *future,
                 const char *what)
{
    return err_set(text, DUSK_E_INTERNAL, "%s: %s", future_name(future).text, what);
}

static int future_check(const struct dusk_future *future, struct err_text *text)
{
    const struct client_core *core = future->core;
    bool queued = !list_is_empty(&future->queue);
    if (map_get(&core->by_key, future->key.bits) != future)
        return wrong(text, future, "is not found under its key");
    if (future->wanted > future->references)
        return wrong(text, future, "is wanted more often than referred to");
    if (queued != (future->queued != QUEUE_NONE))
        return wrong(text, future, "is in another queue than it says");
    if (future->references == 0 && !queued)
        return wrong(text, future, "is garbage");
    if (future_is_done(future) && !list_is_empty(&future->watches))
        return wrong(text, future, "is done, and somebody still waits for it");
    if (future->result
            ? future->state != FUTURE_HERE && future->state != FUTURE_CANCELLED
            : future->state == FUTURE_HERE)
        return wrong(text, future, "has a result and is not here, or the reverse");
    if (future_has_failed(future) && !(future->code < 0))
        return wrong(text, future, "failed without a code");
    if (future->transfer && (future_has_failed(future) || !future_is_needed(future)))
        return wrong(text, future, "has data on their way to nobody");
    for (unsigned i = 0; i < future->spec->dependency_count; i++)
        if (!future->spec->dependencies[i]->adopted &&
            future->spec->dependencies[i]->key.bits >= future->key.bits)
            return wrong(text, future, "depends on a newer task");
    return 0;
}

static int transfer_check(const struct client_core *core,
                          const struct dusk_future *future, struct err_text *text)
{
    const struct client_transfer *transfer = future->transfer;
    if (transfer->future != future || list_is_empty(&transfer->link))
        return wrong(text, future, "has a transfer that is not its own");
    bool asked = transfer->state == TRANSFER_ASKED;
    if (asked != (map_get(&core->requests, transfer->request) == transfer))
        return wrong(text, future, "has asked, and no answer would find it");
    if (asked && !transfer->site->peer.number)
        return wrong(text, future, "has asked over a connection that is closed");
    return 0;
}

int client_core_check(const struct client_core *core, struct err_text *text)
{
    size_t queued = 0, futures = 0;
    LIST_FOREACH (link, &core->futures) {
        const struct dusk_future *future = CONTAINER_OF(link, struct dusk_future, all);
        int rc = future_check(future, text);
        if (rc == 0 && future->transfer)
            rc = transfer_check(core, future, text);
        if (rc < 0)
            return rc;
        queued += future->queued != QUEUE_NONE;
        futures++;
    }
    if (queued != core->queue_count)
        return err_set(text, DUSK_E_INTERNAL, "%zu futures queued, %zu counted", queued,
                       core->queue_count);
    if (futures != core->by_key.count)
        return err_set(text, DUSK_E_INTERNAL, "%zu futures listed, %zu under keys",
                       futures, core->by_key.count);
    bool open = core->scheduler->peer.number != 0;
    if (open != (core->link == LINK_HELLO || core->link == LINK_UP) &&
        core->link != LINK_CLOSED)
        return err_set(text, DUSK_E_INTERNAL,
                       "the connection is not as its state says");
    return 0;
}
