/* The ways of data between this program and the workers: results that are fetched,
 * and scattered values that are brought.
 *
 *     fetch:  waiting -get_data-> asked -data-> here
 *     bring:  looking -place-> waiting -put_data-> asked -stored-> stored -finished->
 *     again:  place -> stored -finished-> waiting (to be fetched)
 *
 * Whatever goes wrong on the way leads to resting, and from there to looking: the
 * scheduler is asked where the result is now, or where the data shall go. */
#include "client/core_parts.h"
#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define ASKED_AT_ONCE 256
/* With rests that double, for longer than schedulers take to give a worker up. */
#define FAILURES_MAX 10
#define REST_FIRST_NS (20 * NS_PER_MS)
#define LOOK_AGAIN_NS (5 * NS_PER_S) /* an answer is overdue: look whether it moved */
#define CONFIRM_NS (3 * NS_PER_S)
#define RETURN_LOOKS 4 /* so often, CONFIRM_NS apart, for a worker that comes back */
/* How long an answer may take: some minutes, and the time on a slow network. */
#define ANSWER_NS (120 * NS_PER_S)
#define SLOW_BYTES_PER_S (UINT64_C(1) << 20)
#define REPEATS_MAX 6 /* each waits twice as long as the one before, up to here */

static struct list *list_of(struct client_core *core, struct client_transfer *transfer)
{
    switch (transfer->state) {
    case TRANSFER_WAITING:
        return &core->waiting;
    case TRANSFER_ASKED:
        return &transfer->site->asked;
    case TRANSFER_LOOKING:
        return &core->looking;
    case TRANSFER_RESTING:
        return &core->resting;
    case TRANSFER_STORED:
        break;
    }
    return &core->stored;
}

static void move(struct client_transfer *transfer, enum transfer_state state,
                 uint64_t now_ns)
{
    struct client_core *core = transfer->future->core;
    if (transfer->state == TRANSFER_ASKED && state != TRANSFER_ASKED) {
        map_remove(&core->requests, transfer->request);
        transfer->request = 0;
    }
    transfer->state = state;
    transfer->since_ns = now_ns;
    transfer->told = false;
    list_remove(&transfer->link);
    list_append(list_of(core, transfer), &transfer->link);
}

int client_transfer_begin(struct dusk_future *future, bool brings,
                          struct client_site *site, uint64_t now_ns)
{
    struct client_transfer *transfer = calloc(1, sizeof *transfer);
    if (!transfer)
        return DUSK_E_NOMEM;
    list_init(&transfer->link);
    transfer->future = future;
    transfer->brings = brings;
    transfer->site = site;
    future->transfer = transfer;
    move(transfer, site ? TRANSFER_WAITING : TRANSFER_LOOKING, now_ns);
    return 0;
}

void client_transfer_end(struct dusk_future *future)
{
    struct client_transfer *transfer = future->transfer;
    if (!transfer)
        return;
    if (transfer->state == TRANSFER_ASKED)
        map_remove(&future->core->requests, transfer->request);
    list_remove(&transfer->link);
    free(transfer);
    future->transfer = NULL;
}

int client_core_fetch(struct client_core *core, struct dusk_future *future,
                      uint64_t now_ns)
{
    if (future->state != FUTURE_AWAY || future->transfer)
        return 0;
    future->code = 0;
    return client_transfer_begin(future, false, future->site, now_ns);
}

const char *client_core_place(const struct dusk_future *future)
{
    return future->site ? future->site->address : "";
}

/* What is asked of a worker comes in turn, so that all of it counts. */
static uint64_t answer_deadline(const struct client_transfer *transfer, uint64_t now_ns)
{
    uint64_t bytes = transfer->future->nbytes;
    LIST_FOREACH (link, &transfer->site->asked)
        bytes += CONTAINER_OF(link, struct client_transfer, link)->future->nbytes;
    uint64_t wait_ns = ANSWER_NS + bytes / SLOW_BYTES_PER_S * NS_PER_S;
    return now_ns + (wait_ns << transfer->repeats);
}

/* The worker is there, and has the result or is the place for the data, but the answer
 * does not come: all that it was asked for is asked again over a new connection. */
static void ask_again_when_lost(struct client_transfer *transfer, uint64_t now_ns)
{
    struct client_site *site = transfer->site;
    if (transfer->state != TRANSFER_ASKED || now_ns < transfer->deadline_ns)
        return;
    client_note(transfer->future->core, DUSK_LOG_WARNING,
                "%s does not answer, asking again", site->address);
    client_site_close(transfer->future->core, site);
    LIST_FOREACH (link, &site->asked) {
        struct client_transfer *other =
            CONTAINER_OF(link, struct client_transfer, link);
        other->repeats += other->repeats < REPEATS_MAX;
        move(other, TRANSFER_WAITING, now_ns);
    }
}

void client_transfer_turn(struct client_transfer *transfer, struct client_site *site,
                          uint64_t now_ns)
{
    bool under_way =
        transfer->state == TRANSFER_WAITING || transfer->state == TRANSFER_ASKED;
    if (under_way && transfer->site == site) {
        ask_again_when_lost(transfer, now_ns);
        return;
    }
    move(transfer, TRANSFER_WAITING, now_ns);
    transfer->site = site;
}

/* ---- failures ---- */

/* Scattered data that will not come: released, so that the scheduler fails what depends
 * on them. */
static void bring_fail(struct dusk_future *future, int code, struct str reason)
{
    future_fail(future, code, reason);
    client_transfer_end(future); /* of data that are here all the same, too */
    client_queue(future, QUEUE_RELEASE);
}

/* A result that cannot be fetched may still be used by tasks: the future stays as it
 * is, and says why. */
static void give_up(struct client_transfer *transfer)
{
    struct dusk_future *future = transfer->future;
    char line[400];
    snprintf(line, sizeof line, "the data of %s cannot be %s %s",
             future_name(future).text, transfer->brings ? "brought to" : "fetched from",
             transfer->site ? transfer->site->address : "any worker");
    if (transfer->brings) {
        bring_fail(future, DUSK_E_UNREACHABLE, str_of(line));
        return;
    }
    future_reason_set(future, DUSK_E_UNREACHABLE, str_of(line));
    client_transfer_end(future);
}

static void fail_once(struct client_transfer *transfer, uint64_t now_ns)
{
    if (++transfer->failures == FAILURES_MAX)
        give_up(transfer);
    else
        move(transfer, TRANSFER_RESTING, now_ns);
}

void client_transfer_site_gone(struct client_core *core, struct client_site *site,
                               uint64_t now_ns)
{
    client_site_close(core, site);
    LIST_FOREACH (link, &site->asked)
        fail_once(CONTAINER_OF(link, struct client_transfer, link), now_ns);
}

/* One that waits for its turn keeps it: what depends on it comes later. */
static void scatter_again(struct dusk_future *future)
{
    if (future->queued != QUEUE_SUBMIT)
        client_queue(future, QUEUE_SUBMIT);
}

static void look(struct client_transfer *transfer, uint64_t now_ns)
{
    move(transfer, TRANSFER_LOOKING, now_ns);
    if (transfer->brings)
        scatter_again(transfer->future);
}

static uint64_t rest_ns(const struct client_transfer *transfer)
{
    return REST_FIRST_NS << transfer->failures;
}

/* A scheduler that does not know the task yet would say that there is none. */
static bool locate(struct dusk_future *future)
{
    struct client_core *core = future->core;
    return future->session == core->session &&
           client_tell(core, MESSAGE(locate, .key = future->key));
}

/* An answer that is overdue may never come, from a worker that was stopped or whose
 * host is cut off: the scheduler, who hears of that, is asked. */
static void asked_tick(struct client_transfer *transfer, uint64_t now_ns)
{
    struct dusk_future *future = transfer->future;
    if (now_ns < transfer->since_ns + LOOK_AGAIN_NS)
        return;
    transfer->since_ns = now_ns;
    if (transfer->brings)
        scatter_again(future);
    else
        locate(future);
}

void client_transfer_tick(struct client_core *core, uint64_t now_ns)
{
    LIST_FOREACH (link, &core->resting) {
        struct client_transfer *transfer =
            CONTAINER_OF(link, struct client_transfer, link);
        if (now_ns >= transfer->since_ns + rest_ns(transfer))
            look(transfer, now_ns);
    }
    LIST_FOREACH (link, &core->stored) {
        struct client_transfer *transfer =
            CONTAINER_OF(link, struct client_transfer, link);
        if (now_ns >= transfer->since_ns + CONFIRM_NS)
            look(transfer, now_ns);
    }
    size_t position = 0;
    struct client_transfer *transfer;
    while ((transfer = map_next(&core->requests, &position)))
        asked_tick(transfer, now_ns);
}

/* ---- what is sent ---- */

static bool ask(struct client_core *core, struct client_transfer *transfer,
                uint64_t now_ns)
{
    struct client_site *site = transfer->site;
    struct dusk_future *future = transfer->future;
    struct payload *data = transfer->brings ? future->spec->payload : NULL;
    uint64_t request = core->next_request + 1;
    if (client_site_open(core, site, now_ns) < 0 ||
        map_put(&core->requests, request, transfer) < 0)
        return false;
    const struct message *get =
        MESSAGE(get_data, .request = request, .key = future->key);
    const struct message *put =
        MESSAGE(put_data, .request = request, .key = future->key,
                .checksum = data ? payload_checksum(data) : 0, .data = data,
                .attempt = transfer->attempt);
    if (outbox_send(&core->outbox, site->peer, data ? put : get) < 0) {
        map_remove(&core->requests, request);
        return false;
    }
    core->next_request = request;
    transfer->request = request;
    site->used_ns = now_ns;
    transfer->deadline_ns = answer_deadline(transfer, now_ns);
    move(transfer, TRANSFER_ASKED, now_ns);
    return true;
}

void client_transfer_fill(struct client_core *core, uint64_t now_ns)
{
    while (!list_is_empty(&core->waiting) && core->requests.count < ASKED_AT_ONCE) {
        struct list *link = core->waiting.next;
        if (!ask(core, CONTAINER_OF(link, struct client_transfer, link), now_ns)) {
            core->blocked = true;
            return;
        }
    }
    if (core->link != LINK_UP)
        return;
    LIST_FOREACH (link, &core->looking) {
        struct client_transfer *transfer =
            CONTAINER_OF(link, struct client_transfer, link);
        if (!transfer->brings && !transfer->told)
            transfer->told = locate(transfer->future);
    }
}

void client_transfer_again(struct client_core *core)
{
    LIST_FOREACH (link, &core->looking)
        CONTAINER_OF(link, struct client_transfer, link)->told = false;
}

/* ---- what comes ---- */

static int on_located(struct client_core *core, const struct msg_located *located,
                      uint64_t now_ns)
{
    struct dusk_future *future = map_get(&core->by_key, located->key.bits);
    if (!future || !future->transfer || future->transfer->brings) {
        core->late++;
        return 0;
    }
    struct client_transfer *transfer = future->transfer;
    struct client_site *site = NULL;
    for (size_t i = 0; i < located->sources.count; i++) {
        struct client_site *other;
        int rc = client_site_get(core, located->sources.items[i].address, &other);
        if (rc < 0)
            return rc;
        /* Where it is coming from already; otherwise rather where it did not fail. */
        if (other == transfer->site && transfer->state == TRANSFER_ASKED) {
            site = other;
            break;
        }
        if (!site || site == transfer->site)
            site = other;
    }
    if (site) {
        future->site = site;
        client_transfer_turn(transfer, site, now_ns);
    } else if (transfer->state == TRANSFER_LOOKING)
        fail_once(transfer, now_ns);
    return 0;
}

/* The data were brought once and are not here any more.  A scheduler that is new may
 * hear of the worker that has them a little later. */
static int await_return(struct dusk_future *future, struct client_site *site,
                        uint64_t now_ns)
{
    if (future->transfer && !future->transfer->brings)
        client_transfer_end(future);
    if (!future->transfer && client_transfer_begin(future, true, site, now_ns) < 0)
        return DUSK_E_NOMEM;
    if (++future->transfer->failures < RETURN_LOOKS) {
        move(future->transfer, TRANSFER_STORED, now_ns);
        return 0;
    }
    char line[300];
    snprintf(line, sizeof line, "%s was lost with the worker that had the only copy",
             future_name(future).text);
    bring_fail(future, DUSK_E_DATA_LOST, str_of(line));
    return 0;
}

static int on_place(struct client_core *core, const struct msg_place *place,
                    uint64_t now_ns)
{
    struct dusk_future *future = map_get(&core->by_key, place->key.bits);
    if (!future || future->spec->function || future_has_failed(future) ||
        !future_is_needed(future)) {
        core->late++;
        return 0;
    }
    struct client_site *site;
    int rc = client_site_get(core, place->address, &site);
    if (!future->spec->payload)
        future->spec->payload = payload_ref(future->result);
    if (rc == 0 && !future->spec->payload)
        return await_return(future, site, now_ns);
    if (rc == 0 && !future->transfer)
        rc = client_transfer_begin(future, true, site, now_ns);
    if (rc < 0)
        return rc;
    /* What is on its way for an earlier attempt may be freed when it is there. */
    if (future->transfer->attempt != place->attempt)
        move(future->transfer, TRANSFER_RESTING, now_ns);
    future->transfer->attempt = place->attempt;
    client_transfer_turn(future->transfer, site, now_ns);
    return 0;
}

/* The transfer that an answer belongs to, or NULL for one that nobody waits for. */
static struct client_transfer *answered(struct client_core *core, uint64_t request,
                                        struct task_key key, bool brings)
{
    struct client_transfer *transfer = map_get(&core->requests, request);
    if (transfer && key_equal(transfer->future->key, key) && transfer->brings == brings)
        return transfer;
    core->late++;
    return NULL;
}

static int on_data(struct client_core *core, const struct msg_data *data,
                   uint64_t now_ns, struct err_text *text)
{
    struct client_transfer *transfer = answered(core, data->request, data->key, false);
    if (!transfer)
        return 0;
    struct dusk_future *future = transfer->future;
    if (!data->data || payload_checksum(data->data) != data->checksum) {
        client_note(core, DUSK_LOG_WARNING, "the data of %s from %s are damaged",
                    future_name(future).text, transfer->site->address);
        fail_once(transfer, now_ns);
        return 0;
    }
    if (future_apply(future, FUTURE_ARRIVED))
        future->result = payload_ref(data->data);
    client_transfer_end(future);
    client_transfer_fill(core, now_ns);
    return 0;
}

/* A worker that does not have a result sends us looking; one that does not take data
 * says why, and that is the end. */
static int on_no_data(struct client_core *core, const struct msg_no_data *no_data,
                      uint64_t now_ns)
{
    struct client_transfer *transfer = map_get(&core->requests, no_data->request);
    if (!transfer || !key_equal(transfer->future->key, no_data->key))
        core->late++;
    else if (transfer->brings && no_data->code < 0)
        bring_fail(transfer->future, (int)no_data->code, no_data->reason);
    else
        fail_once(transfer, now_ns);
    return 0;
}

static int on_stored(struct client_core *core, const struct msg_stored *stored,
                     uint64_t now_ns)
{
    struct client_transfer *transfer =
        answered(core, stored->request, stored->key, true);
    if (transfer)
        move(transfer, TRANSFER_STORED, now_ns);
    return 0;
}

int client_transfer_message(struct client_core *core, const struct message *message,
                            uint64_t now_ns, struct err_text *text)
{
    switch (message->type) {
    case MSG_located:
        return on_located(core, &message->located, now_ns);
    case MSG_place:
        return on_place(core, &message->place, now_ns);
    case MSG_data:
        return on_data(core, &message->data, now_ns, text);
    case MSG_no_data:
        return on_no_data(core, &message->no_data, now_ns);
    case MSG_stored:
        return on_stored(core, &message->stored, now_ns);
    default:
        return DUSK_E_INTERNAL;
    }
}
