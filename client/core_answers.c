/* What the scheduler says of futures. */
#include "client/core_parts.h"
#include "proto/limits.h"

static void timing_set(struct dusk_future *future, const struct msg_finished *finished)
{
    future->nbytes = finished->nbytes;
    future->worker = finished->worker;
    future->thread = finished->thread;
    future->start_ns = finished->start_ns;
    future->stop_ns = finished->stop_ns;
}

/* Scattered data that are small stay here too, so that a new scheduler can be given
 * them; large ones are not held twice. */
static struct payload *result_at_hand(const struct dusk_future *future,
                                      const struct msg_finished *finished)
{
    if (finished->result || future->spec->function)
        return finished->result;
    struct payload *data = future->spec->payload;
    return data && payload_bytes(data) <= LIMIT_INLINE_BYTES ? data : NULL;
}

static void result_set(struct dusk_future *future, struct payload *result)
{
    if (!future_apply(future, FUTURE_ARRIVED))
        return;
    future->result = payload_ref(result);
    future->code = 0; /* it may have been out of reach */
    client_transfer_end(future);
}

int client_answer_finished(struct client_core *core,
                           const struct msg_finished *finished, uint64_t now_ns)
{
    struct dusk_future *future = map_get(&core->by_key, finished->key.bits);
    bool brought = future && future->transfer && future->transfer->brings;
    /* Somebody may have waited for it to come here when its worker was lost sight of.
     */
    bool returned = brought && future->wanted > 0 && !future->spec->payload;
    bool needed = future && future_is_needed(future);
    if (brought)
        future_brought(future);
    if (!needed || future->state > FUTURE_AWAY) {
        core->late++;
        return 0;
    }
    struct payload *result = result_at_hand(future, finished);
    struct client_site *site = NULL;
    int rc = result ? 0 : client_site_get(core, finished->address, &site);
    if (rc < 0)
        return rc;
    timing_set(future, finished);
    if (result) {
        result_set(future, result);
        return 0;
    }
    future->site = site;
    if (!future->spec->function) {
        payload_unref(future->spec->payload);
        future->spec->payload = NULL;
    }
    future_apply(future, FUTURE_FINISHED);
    if (future->transfer)
        client_transfer_turn(future->transfer, site, now_ns);
    return returned ? client_core_fetch(core, future, now_ns) : 0;
}

int client_answer_failed(struct client_core *core, const struct msg_failed *failed)
{
    struct dusk_future *future = map_get(&core->by_key, failed->key.bits);
    int code = failure_code(failed->code, DUSK_E_TASK);
    /* The scheduler forgets what failed.  A task that was submitted before that was
     * told here needs what it does not know any more; if the task is released already,
     * others that need it ask it for the cause. */
    if (future && code == DUSK_E_NOT_FOUND && client_fail_like_dependency(future))
        return 0;
    /* One that only others need keeps the cause for them; that it is unknown is none.
     */
    bool kept = future && future->references > 0 && code != DUSK_E_NOT_FOUND;
    if (!kept && !(future && future_is_needed(future)))
        core->late++;
    else if (!future_fail(future, code, failed->reason) && future->state == FUTURE_HERE)
        future_reason_set(future, code, failed->reason);
    return 0;
}
