/* The connection to the scheduler, and the way of each message to the part of the
 * core that knows what to do with it. */
#include "client/core_parts.h"
#include "common/clock.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEARTBEAT_NS NS_PER_S     /* until the scheduler says otherwise */
#define HELLO_NS (5 * NS_PER_S)   /* from connected to welcome */
#define SILENCE_NS (5 * NS_PER_S) /* and at least SILENCE_BEATS heartbeats */
#define SILENCE_BEATS 4
#define REOPEN_NS (200 * NS_PER_MS) /* between two connections, at least */
#define IDLE_NS (30 * NS_PER_S)     /* a worker's connection is kept unused */
#define RELEASED_BYTES (LIMIT_HEADER_BYTES / 4) /* keys of a heartbeat or two */
#define REST_NS (20 * NS_PER_MS)

static const uint64_t note_after_ns[] = {3 * NS_PER_S, 10 * NS_PER_S, 30 * NS_PER_S};

/* ---- life ---- */

static void core_init(struct client_core *core, const struct client_config *config,
                      uint64_t now_ns)
{
    core->epoch = config->epoch;
    core->seed = config->seed;
    core->pid = config->pid;
    core->heartbeat_ns = HEARTBEAT_NS;
    core->tick_ns = now_ns;
    outbox_init(&core->outbox);
    map_init(&core->by_key);
    map_init(&core->sites);
    map_init(&core->peers);
    map_init(&core->requests);
    struct list *lists[] = {&core->actions, &core->futures, &core->questions,
                            &core->uploads, &core->garbage, &core->waiting,
                            &core->looking, &core->resting, &core->stored};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        list_init(lists[i]);
    for (int i = 0; i < FUTURE_QUEUES; i++)
        list_init(&core->queues[i]);
    for (int i = 0; i < 2; i++)
        buf_init(&core->released[i], RELEASED_BYTES);
}

/* SplitMix64 (Steele, Lea, Flood 2014): one number after the other from a seed. */
static void number_propose(struct client_core *core)
{
    do {
        uint64_t z = core->seed += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        core->number = (z ^ z >> 31) & KEY_CLIENT_MAX;
    } while (core->number == 0);
}

int client_core_create(const struct client_config *config, uint64_t now_ns,
                       struct client_core **ret_core)
{
    struct client_core *core = calloc(1, sizeof *core);
    if (!core)
        return DUSK_E_NOMEM;
    core_init(core, config, now_ns);
    number_propose(core);
    core->name = strdup(config->name);
    int rc = core->name
                 ? client_site_get(core, str_of(config->address), &core->scheduler)
                 : DUSK_E_NOMEM;
    if (rc < 0) {
        client_core_destroy(core);
        return rc;
    }
    *ret_core = core;
    return 0;
}

static struct dusk_future *next_older(struct client_core *core,
                                      const struct dusk_future *future)
{
    struct list *link = future ? future->all.prev : core->futures.prev;
    return link == &core->futures ? NULL : CONTAINER_OF(link, struct dusk_future, all);
}

static void future_close(struct dusk_future *future)
{
    client_transfer_end(future);
    if (future->state <= FUTURE_AWAY)
        future_fail(future, DUSK_E_CANCELLED,
                    str_of("the connection to the scheduler was closed"));
    client_queue(future, QUEUE_NONE);
}

/* Futures that only waited to be released go at once.  A future may be all that
 * keeps an older one, which is held while the newer one goes. */
void client_core_close(struct client_core *core)
{
    if (core->link == LINK_UP) {
        client_core_fill(core, core->tick_ns);
        client_tell(core, MESSAGE(bye, .reason = str_of("the program is done")));
    }
    core->link = LINK_CLOSED;
    struct dusk_future *future = next_older(core, NULL);
    while (future) {
        struct dusk_future *older = next_older(core, future);
        if (older)
            older->references++;
        future_close(future);
        future_collect(future);
        if (older)
            older->references--;
        future = older;
    }
}

void client_core_destroy(struct client_core *core)
{
    if (!core)
        return;
    struct client_action *action;
    while ((action = client_core_next_action(core)))
        free(action);
    LIST_FOREACH (link, &core->uploads)
        client_core_upload_end(CONTAINER_OF(link, struct client_upload, link));
    client_sites_fini(core);
    outbox_fini(&core->outbox);
    map_fini(&core->by_key);
    map_fini(&core->peers);
    map_fini(&core->requests);
    for (int i = 0; i < 2; i++)
        buf_fini(&core->released[i]);
    free(core->name);
    free(core);
}

struct client_action *client_core_next_action(struct client_core *core)
{
    if (list_is_empty(&core->actions))
        return NULL;
    struct list *link = core->actions.next;
    list_remove(link);
    return CONTAINER_OF(link, struct client_action, link);
}

bool client_core_is_scheduler(const struct client_core *core, struct peer_id peer)
{
    return map_get(&core->peers, peer.number) == core->scheduler;
}

/* ---- the connection to the scheduler ---- */

bool client_tell(struct client_core *core, const struct message *message)
{
    if (core->link != LINK_UP ||
        outbox_send(&core->outbox, core->scheduler->peer, message) < 0) {
        core->blocked = true;
        return false;
    }
    return true;
}

static int hello_send(struct client_core *core, uint64_t now_ns)
{
    core->link = LINK_HELLO;
    return outbox_send(&core->outbox, core->scheduler->peer,
                       MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                               .minor = PROTOCOL_MINOR, .build = str_of(DUSK_VERSION),
                               .role = ROLE_CLIENT, .name = str_of(core->name),
                               .epoch = core->epoch, .client = core->number,
                               .address = str_of(""), .pid = core->pid,
                               .unix_ns = now_ns + core->unix_offset_ns,
                               .scheduler_epoch = core->scheduler_epoch));
}

static void scheduler_open(struct client_core *core, uint64_t now_ns)
{
    core->reopen_ns = now_ns + REOPEN_NS;
    if (client_site_open(core, core->scheduler, now_ns) == 0 &&
        hello_send(core, now_ns) < 0) {
        client_site_close(core, core->scheduler);
        core->link = LINK_DOWN;
    }
}

static void gone_begin(struct client_core *core, uint64_t now_ns)
{
    if (core->gone_ns || core->session == 0)
        return;
    core->gone_ns = now_ns;
    core->gone_note_ns = now_ns + note_after_ns[0];
}

static void scheduler_close(struct client_core *core, uint64_t now_ns)
{
    client_site_close(core, core->scheduler);
    core->link = LINK_DOWN;
    gone_begin(core, now_ns);
}

static void gone_tick(struct client_core *core, uint64_t now_ns)
{
    if (!core->gone_ns || now_ns < core->gone_note_ns)
        return;
    uint64_t age_ns = now_ns - core->gone_ns;
    client_note(core, DUSK_LOG_WARNING, "scheduler %s gone for %" PRIu64 " s, waiting",
                core->scheduler->address, age_ns / NS_PER_S);
    core->gone_note_ns = now_ns + 30 * NS_PER_S;
    for (size_t i = 0; i < sizeof note_after_ns / sizeof note_after_ns[0]; i++)
        if (age_ns < note_after_ns[i]) {
            core->gone_note_ns = core->gone_ns + note_after_ns[i];
            return;
        }
}

static void gone_end(struct client_core *core, uint64_t now_ns)
{
    if (core->gone_ns)
        client_note(core, DUSK_LOG_INFO, "scheduler %s is back after %.1f s",
                    core->scheduler->address,
                    (double)(now_ns - core->gone_ns) / (double)NS_PER_S);
    core->gone_ns = 0;
}

static int on_refuse(struct client_core *core, const struct msg_refuse *refuse,
                     struct err_text *text)
{
    /* Who was let in before comes again when there may be memory. */
    if (refuse->code == DUSK_E_NOMEM && core->session > 0)
        return err_set(text, DUSK_E_CLOSED, STR_FORMAT, STR_ARGS(refuse->reason));
    client_site_close(core, core->scheduler);
    core->link = LINK_DOWN;
    /* A number may only change while no key has been made with it. */
    if (refuse->code == DUSK_E_BUSY && core->key_count == 0 && core->session == 0) {
        number_propose(core);
        return 0;
    }
    char line[400];
    snprintf(line, sizeof line, "scheduler %s refuses this client: " STR_FORMAT,
             core->scheduler->address, STR_ARGS(refuse->reason));
    client_core_refuse(core, failure_code(refuse->code, DUSK_E_REFUSED), line);
    return 0;
}

static int on_welcome(struct client_core *core, const struct msg_welcome *welcome,
                      uint64_t now_ns)
{
    if (core->link != LINK_HELLO)
        return 0;
    bool same = core->session > 0 && welcome->epoch == core->scheduler_epoch;
    core->link = LINK_UP;
    core->session++;
    core->scheduler_epoch = welcome->epoch;
    if (core->session == 1 && core->key_count == 0 && welcome->number &&
        welcome->number <= KEY_CLIENT_MAX)
        core->number = welcome->number;
    if (welcome->heartbeat_ms > 0 && welcome->heartbeat_ms <= 60000)
        core->heartbeat_ns = welcome->heartbeat_ms * NS_PER_MS;
    core->alive_due_ns = now_ns + core->heartbeat_ns;
    gone_end(core, now_ns);
    if (!client_submit_again(core, same))
        return DUSK_E_NOMEM;
    client_transfer_again(core);
    client_core_fill(core, now_ns);
    return 0;
}

static int on_register_again(struct client_core *core, uint64_t now_ns)
{
    if (core->link != LINK_UP)
        return 0;
    outbox_forget(&core->outbox, core->scheduler->peer);
    core->scheduler->opened_ns = now_ns;
    gone_begin(core, now_ns);
    return hello_send(core, now_ns);
}

/* ---- messages about futures ---- */

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

static int on_finished(struct client_core *core, const struct msg_finished *finished,
                       uint64_t now_ns)
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

static int on_failed(struct client_core *core, const struct msg_failed *failed)
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

static int scheduler_message(struct client_core *core, const struct message *message,
                             uint64_t now_ns, struct err_text *text)
{
    switch (message->type) {
    case MSG_welcome:
        return on_welcome(core, &message->welcome, now_ns);
    case MSG_refuse:
        return on_refuse(core, &message->refuse, text);
    case MSG_register_again:
        return on_register_again(core, now_ns);
    case MSG_alive:
        core->heartbeat_answered |= message->alive.number == core->heartbeats;
        return 0;
    case MSG_bye:
        return err_set(text, DUSK_E_CLOSED, "the scheduler says bye");
    case MSG_finished:
        return on_finished(core, &message->finished, now_ns);
    case MSG_failed:
        return on_failed(core, &message->failed);
    case MSG_place:
    case MSG_located:
        return client_transfer_message(core, message, now_ns, text);
    case MSG_status:
    case MSG_because:
    case MSG_published:
    case MSG_outcome:
        return client_question_message(core, message, text);
    default:
        return err_set(text, DUSK_E_PROTOCOL, "a scheduler does not send %s",
                       message_name(message->type));
    }
}

static int worker_message(struct client_core *core, const struct message *message,
                          uint64_t now_ns, struct err_text *text)
{
    switch (message->type) {
    case MSG_data:
    case MSG_no_data:
    case MSG_stored:
        return client_transfer_message(core, message, now_ns, text);
    case MSG_alive:
    case MSG_bye:
        return 0;
    default:
        return err_set(text, DUSK_E_PROTOCOL, "a worker does not send %s",
                       message_name(message->type));
    }
}

/* ---- events ---- */

int client_core_message(struct client_core *core, struct peer_id peer,
                        const struct message *message, uint64_t now_ns,
                        struct err_text *text)
{
    struct client_site *site = map_get(&core->peers, peer.number);
    if (!site || core->link == LINK_CLOSED) {
        core->late++;
        return 0;
    }
    site->used_ns = now_ns;
    if (site != core->scheduler)
        return worker_message(core, message, now_ns, text);
    core->heard_ns = now_ns;
    return scheduler_message(core, message, now_ns, text);
}

void client_core_connected(struct client_core *core, struct peer_id peer,
                           uint64_t now_ns)
{
    struct client_site *site = map_get(&core->peers, peer.number);
    if (!site)
        return;
    site->connected = true;
    site->opened_ns = now_ns;
    if (site != core->scheduler)
        return;
    core->heard_ns = now_ns;
    /* A hello that has waited for its connection is made anew: it tells the time. */
    if (core->link == LINK_HELLO && outbox_waiting(&core->outbox, peer)) {
        outbox_forget(&core->outbox, peer);
        hello_send(core, now_ns);
    }
}

void client_core_set_clock(struct client_core *core, uint64_t unix_ns, uint64_t now_ns)
{
    core->unix_offset_ns = unix_ns - now_ns;
}

void client_core_refuse(struct client_core *core, int code, const char *line)
{
    client_site_close(core, core->scheduler);
    core->link = LINK_REFUSED;
    core->refusal = err_set(&core->refusal_text, code, "%s", line);
    LIST_FOREACH (link, &core->futures) {
        struct dusk_future *future = CONTAINER_OF(link, struct dusk_future, all);
        if (future->state <= FUTURE_AWAY)
            future_fail(future, code, str_of(core->refusal_text.line));
    }
}

void client_core_peer_gone(struct client_core *core, struct peer_id peer,
                           uint64_t now_ns)
{
    struct client_site *site = map_get(&core->peers, peer.number);
    if (!site)
        return;
    if (site != core->scheduler) {
        client_transfer_site_gone(core, site, now_ns);
        return;
    }
    if (core->link == LINK_HELLO || core->link == LINK_UP)
        scheduler_close(core, now_ns);
}

static uint64_t silence_ns(const struct client_core *core)
{
    uint64_t beats = SILENCE_BEATS * core->heartbeat_ns;
    return beats > SILENCE_NS ? beats : SILENCE_NS;
}

/* The scheduler took the connection and says nothing: another one may be heard. */
static bool scheduler_is_mute(const struct client_core *core, uint64_t now_ns)
{
    if (core->link == LINK_UP)
        return now_ns > core->heard_ns + silence_ns(core);
    return core->link == LINK_HELLO && core->scheduler->connected &&
           now_ns > core->scheduler->opened_ns + HELLO_NS;
}

static void heartbeat_tick(struct client_core *core, uint64_t now_ns)
{
    if (core->link != LINK_UP || now_ns < core->alive_due_ns ||
        !client_tell(
            core, MESSAGE(alive, .epoch = core->epoch, .number = core->heartbeats + 1)))
        return;
    core->heartbeats++;
    core->alive_due_ns = now_ns + core->heartbeat_ns;
    client_released_turn(core);
}

static void sites_tick(struct client_core *core, uint64_t now_ns)
{
    size_t position = 0;
    struct client_site *site;
    while ((site = map_next(&core->sites, &position))) {
        if (site == core->scheduler || !site->peer.number)
            continue;
        if (!site->connected && now_ns > site->opened_ns + CONNECT_NS)
            client_transfer_site_gone(core, site, now_ns);
        else if (list_is_empty(&site->asked) && now_ns > site->used_ns + IDLE_NS)
            client_site_close(core, site);
    }
}

void client_core_tick(struct client_core *core, uint64_t now_ns)
{
    core->tick_ns = now_ns;
    if (core->link == LINK_CLOSED)
        return;
    if (scheduler_is_mute(core, now_ns)) {
        client_note(core, DUSK_LOG_WARNING, "scheduler %s is silent, connecting anew",
                    core->scheduler->address);
        scheduler_close(core, now_ns);
    }
    if (core->link == LINK_DOWN && now_ns >= core->reopen_ns)
        scheduler_open(core, now_ns);
    gone_tick(core, now_ns);
    heartbeat_tick(core, now_ns);
    client_transfer_tick(core, now_ns);
    sites_tick(core, now_ns);
    client_core_fill(core, now_ns);
}

uint64_t client_core_next_deadline(const struct client_core *core)
{
    if (core->link == LINK_CLOSED || core->link == LINK_REFUSED)
        return UINT64_MAX;
    uint64_t due_ns = core->tick_ns + NS_PER_S;
    if (core->link == LINK_DOWN && core->reopen_ns < due_ns)
        due_ns = core->reopen_ns;
    if (core->link == LINK_UP && core->alive_due_ns < due_ns)
        due_ns = core->alive_due_ns;
    bool resting = core->blocked || !list_is_empty(&core->resting);
    if (resting && core->tick_ns + REST_NS < due_ns)
        due_ns = core->tick_ns + REST_NS;
    return due_ns;
}

/* The scheduler hears of tasks before it is asked where their results are. */
void client_core_fill(struct client_core *core, uint64_t now_ns)
{
    core->blocked = false;
    if (core->link == LINK_UP && client_upload_fill(core)) {
        client_submit_fill(core, now_ns);
        client_question_fill(core);
    }
    client_transfer_fill(core, now_ns);
}
