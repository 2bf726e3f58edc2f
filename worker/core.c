#include "common/log.h"
#include "proto/address.h"
#include "worker/core_state.h"

#include <stdlib.h>
#include <string.h>

void worker_config_init(struct worker_config *config)
{
    *config = (struct worker_config){
        .nthreads = 1,
        .credits = 1024,
        .memory_limit = (size_t)1 << 30,
        .target = 0.60,
        .spill = 0.70,
        .pause = 0.80,
        .connect_timeout_ns = 30 * NS_PER_S,
        .reconnect_timeout_ns = 600 * NS_PER_S,
        .retire_timeout_ns = 10 * NS_PER_S,
    };
}

/* ---- actions ---- */

/* The action that stands for those that no memory could be found for. */
static struct worker_action *action_lost(struct worker_core *core)
{
    payload_unref(core->lost.payload);
    members_fini(&core->lost.members);
    free(core->lost.text);
    core->lost = (struct worker_action){0};
    core->out_of_memory = true;
    return &core->lost;
}

struct worker_action *action_add(struct worker_core *core, enum worker_action_kind kind)
{
    struct worker_action *action = calloc(1, sizeof *action);
    if (!action)
        return action_lost(core);
    action->kind = kind;
    list_append(&core->actions, &action->link);
    return action;
}

struct worker_action *worker_core_action(struct worker_core *core)
{
    if (core->out_of_memory && core->last_action) {
        struct worker_action *end = core->last_action;
        core->last_action = NULL;
        *end = (struct worker_action){.kind = WORKER_END, .code = 1};
        list_init(&end->link);
        return end;
    }
    if (list_is_empty(&core->actions))
        return NULL;
    struct list *link = core->actions.next;
    list_remove(link);
    return CONTAINER_OF(link, struct worker_action, link);
}

bool worker_core_has_actions(const struct worker_core *core)
{
    return !list_is_empty(&core->actions) || (core->out_of_memory && core->last_action);
}

void worker_action_destroy(struct worker_action *action)
{
    if (!action)
        return;
    payload_unref(action->payload);
    members_fini(&action->members);
    free(action->text);
    free(action);
}

struct worker_action *action_say(struct worker_core *core, enum worker_action_kind kind,
                                 const char *format, va_list args)
{
    char line[512];
    vsnprintf(line, sizeof line, format, args);
    struct worker_action *action = action_add(core, kind);
    action->text = strdup(line);
    return action;
}

void note(struct worker_core *core, int level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    action_say(core, WORKER_NOTE, format, args)->level = level;
    va_end(args);
}

/* ---- peers ---- */

struct peer_id core_dial(struct worker_core *core, const char *address)
{
    struct worker_action *action = action_add(core, WORKER_DIAL);
    action->peer = (struct peer_id){PEER_DIALED | ++core->last_dialed};
    action->text = strdup(address);
    return action->peer;
}

void core_hangup(struct worker_core *core, struct peer_id peer)
{
    outbox_forget(&core->outbox, peer);
    action_add(core, WORKER_HANGUP)->peer = peer;
}

static void core_lose(struct worker_core *core, struct peer_id peer)
{
    core_hangup(core, peer);
    serve_peer_gone(core, peer);
    gather_peer_gone(core, peer);
}

/* Data wait in serve.c while much is on its way to a peer, and this holds what is
 * short; who reads so slowly that it fails all the same is given up. */
void core_send(struct worker_core *core, struct peer_id peer,
               const struct message *message)
{
    int rc = outbox_add(&core->outbox, peer, message);
    if (rc == 0)
        return;
    note(core, LOG_WARNING, "a peer is given up: it cannot be sent %s: %s",
         message_name(message->type), err_sentence(rc));
    core_lose(core, peer);
}

/* ---- life ---- */

static int core_configure(struct worker_core *core, const struct worker_config *config)
{
    struct worker_config *own = &core->config;
    *own = *config;
    const char *address = config->address;
    own->name = config->name && *config->name
                    ? strdup(config->name)
                    : str_copy(address_shown(str_of(address)));
    own->address = strdup(address);
    own->scheduler = strdup(config->scheduler);
    own->directory = strdup(config->directory ? config->directory : "");
    own->resources = strdup(config->resources ? config->resources : "");
    size_t count = config->previous_running_count;
    struct task_key *keys = calloc(count ? count : 1, sizeof *keys);
    if (keys && count)
        memcpy(keys, config->previous_running, count * sizeof *keys);
    own->previous_running = keys;
    return own->name && own->address && own->scheduler && own->directory &&
                   own->resources && keys
               ? 0
               : DUSK_E_NOMEM;
}

/* What data may take: the user's limit, less what the process takes without data and
 * a margin for buffers and scratch memory; but a limit near that size leaves a quarter
 * for data all the same. */
static size_t core_data_limit(const struct worker_config *config)
{
    size_t limit = config->memory_limit - config->memory_limit / 10;
    size_t least = config->memory_limit / 4;
    return limit > config->overhead + least ? limit - config->overhead : least;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

struct worker_core *worker_core_create(const struct worker_config *config,
                                       uint64_t now_ns)
{
    struct worker_core *core = calloc(1, sizeof *core);
    if (!core)
        return NULL;
    core->now_ns = now_ns;
    outbox_init(&core->outbox);
    list_init(&core->actions);
    store_init(&core->store, core_data_limit(config));
    list_init(&core->loads);
    list_init(&core->asking);
    map_init(&core->attempts);
    heap_init(&core->ready);
    list_init(&core->loading);
    list_init(&core->executing);
    map_init(&core->wants);
    map_init(&core->hosts);
    map_init(&core->dialed);
    list_init(&core->hosts_able);
    list_init(&core->wants_lost);
    list_init(&core->arrivals);
    list_init(&core->held_back);
    core->last_action = calloc(1, sizeof *core->last_action);
    if (core_configure(core, config) < 0 || !core->last_action) {
        worker_core_destroy(core);
        return NULL;
    }
    double limit = (double)config->memory_limit;
    size_t data = core->store.limit;
    core->target_bytes = smaller((size_t)(config->target * limit), data / 4 * 3);
    core->spill_bytes = (size_t)(config->spill * limit);
    core->pause_bytes = smaller((size_t)(config->pause * limit), data / 10 * 9);
    core->quota_bytes = smaller((size_t)1 << 20, data / 64);
    core->mean_ns = 10 * NS_PER_MS;
    if (config->unix_ns)
        worker_core_set_clock(core, config->unix_ns, now_ns);
    session_start(core);
    return core;
}

void worker_core_destroy(struct worker_core *core)
{
    if (!core)
        return;
    attempt_destroy_all(core);
    gather_destroy_all(core);
    serve_destroy_all(core);
    struct worker_action *action;
    core->out_of_memory = false;
    while ((action = worker_core_action(core)))
        worker_action_destroy(action);
    worker_action_destroy(core->last_action);
    payload_unref(core->lost.payload);
    members_fini(&core->lost.members);
    free(core->lost.text);
    store_fini(&core->store);
    outbox_fini(&core->outbox);
    free((char *)core->config.name);
    free((char *)core->config.address);
    free((char *)core->config.scheduler);
    free((char *)core->config.directory);
    free((char *)core->config.resources);
    free((struct task_key *)core->config.previous_running);
    free(core);
}

struct outbox *worker_core_outbox(struct worker_core *core)
{
    return &core->outbox;
}

bool worker_core_is_registered(const struct worker_core *core)
{
    return core->session.registered;
}

bool worker_core_is_shut_down(const struct worker_core *core)
{
    return core->session.shut_down;
}

/* ---- events ---- */

/* Each event may have made something possible.  Jobs that wait for memory come
 * first, since they hold some. */
void core_advance(struct worker_core *core)
{
    if (core->session.ended)
        return;
    memory_advance(core);
    attempt_advance(core);
    gather_advance(core);
    serve_advance(core);
    memory_spill_to_target(core);
}

bool core_is_moving(const struct worker_core *core)
{
    return core->executing_count || core->loading_count || core->flight_count ||
           core->store.leaving;
}

static void data_message(struct worker_core *core, struct peer_id peer,
                         const struct message *message)
{
    switch (message->type) {
    case MSG_get_data:
        serve_get(core, peer, &message->get_data);
        break;
    case MSG_put_data:
        serve_put(core, peer, &message->put_data);
        break;
    case MSG_data:
        gather_data(core, peer, &message->data);
        break;
    case MSG_no_data:
        gather_no_data(core, peer, &message->no_data);
        break;
    case MSG_bye:
        break;
    default:
        note(core, LOG_WARNING, "a peer sent %s, which is not for the data socket",
             message_name(message->type));
    }
}

void worker_core_message(struct worker_core *core, struct peer_id peer,
                         const struct message *message, uint64_t now_ns)
{
    core->now_ns = now_ns;
    if (core->session.ended)
        return;
    if (peer.number == core->session.peer.number)
        session_message(core, message);
    else
        data_message(core, peer, message);
    core_advance(core);
}

void worker_core_sent(struct worker_core *core, struct peer_id peer, uint64_t now_ns)
{
    core->now_ns = now_ns;
    if (!core->session.ended)
        serve_sent(core, peer);
}

void worker_core_connected(struct worker_core *core, struct peer_id peer,
                           uint64_t now_ns)
{
    core->now_ns = now_ns;
    if (!core->session.ended && peer.number == core->session.peer.number)
        session_connected(core);
}

void worker_core_peer_gone(struct worker_core *core, struct peer_id peer,
                           uint64_t now_ns)
{
    core->now_ns = now_ns;
    if (core->session.ended)
        return;
    if (peer.number == core->session.peer.number)
        session_gone(core);
    else
        core_lose(core, peer);
    core_advance(core);
}

void worker_core_set_clock(struct worker_core *core, uint64_t unix_ns, uint64_t now_ns)
{
    core->unix_offset_ns = unix_ns - now_ns;
}

void worker_core_fail(struct worker_core *core, const char *line, uint64_t now_ns)
{
    core->now_ns = now_ns;
    session_end(core, 1, "%s", line);
}

void worker_core_tick(struct worker_core *core, uint64_t now_ns)
{
    core->now_ns = now_ns;
    session_tick(core);
    memory_tick(core);
    gather_tick(core);
    core_advance(core);
}

uint64_t worker_core_deadline(const struct worker_core *core)
{
    return session_deadline(core);
}

void worker_core_retire(struct worker_core *core, uint64_t now_ns)
{
    core->now_ns = now_ns;
    session_retire(core);
}

void worker_core_leave(struct worker_core *core, const char *reason, uint64_t now_ns)
{
    core->now_ns = now_ns;
    if (core->session.ended)
        return;
    session_send(core, MESSAGE(bye, .reason = str_of(reason)));
    session_end(core, 0, "%s", reason);
}

/* ---- looking ---- */

int worker_core_check(const struct worker_core *core, struct err_text *text)
{
    int rc = store_check(&core->store, text);
    if (rc == 0)
        rc = attempt_check(core, text);
    if (rc == 0)
        rc = gather_check(core, text);
    return rc;
}
