#include "common/log.h"
#include "common/plant.h"
#include "common/units.h"
#include "proto/address.h"
#include "worker/core_state.h"

#include <stdlib.h>
#include <string.h>

/* Who hears nothing for this many heartbeats opens a new connection. */
#define SILENT_HEARTBEATS 5
#define HEARTBEAT_NS NS_PER_S /* until the scheduler says otherwise */
#define TELL_NS (2 * NS_PER_S)
#define REDIAL_NS (200 * NS_PER_MS)

/* ---- hello ---- */

static size_t hello_inventory(const struct worker_core *core, struct holding *rows)
{
    size_t position = 0, count = 0;
    const struct store_entry *entry;
    while ((entry = map_next(&core->store.entries, &position)))
        rows[count++] = (struct holding){entry->key, entry->bytes};
    return count;
}

static struct run row_of(const struct worker_core *core, const struct attempt *attempt)
{
    const struct job *job = attempt->job;
    return (struct run){
        .key = attempt->key,
        .attempt = attempt->number,
        .running = job != NULL,
        .elapsed_ns = job ? core->now_ns - attempt->start_ns : 0,
        .progress = job ? atomic_load(&job->progress) : 0,
    };
}

static size_t hello_runs(const struct worker_core *core, struct run *rows)
{
    size_t position = 0, count = 0;
    const struct attempt *attempt;
    while ((attempt = map_next(&core->attempts, &position)))
        for (; attempt; attempt = attempt->next)
            rows[count++] = row_of(core, attempt);
    return count;
}

static void session_hello(struct worker_core *core)
{
    const struct worker_config *config = &core->config;
    struct session *session = &core->session;
    struct holding *holdings = calloc(core->store.entries.count + 1, sizeof *holdings);
    struct run *runs = calloc(core->attempt_count + 1, sizeof *runs);
    int rc = DUSK_E_NOMEM;
    if (holdings && runs) {
        const struct message *hello = MESSAGE(
            hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
            .minor = PROTOCOL_MINOR, .build = str_of(DUSK_VERSION), .role = ROLE_WORKER,
            .name = str_of(config->name), .epoch = config->epoch,
            .address = str_of(config->address), .pid = config->pid,
            .nthreads = config->nthreads, .memory_limit = config->memory_limit,
            .credits = config->credits, .previous_epoch = config->previous_epoch,
            .previous_status = config->previous_status,
            .previous_running = {config->previous_running,
                                 config->previous_running_count},
            .inventory = {holdings, hello_inventory(core, holdings)},
            .running = {runs, hello_runs(core, runs)},
            .unix_ns = core->now_ns + core->unix_offset_ns,
            .scheduler_epoch = session->scheduler_epoch,
            .resources = str_of(config->resources));
        rc = PLANTED(lost_registration) && session->ever_registered
                 ? 0
                 : outbox_send(&core->outbox, session->peer, hello);
    }
    session->greeted = rc == 0;
    session->dial_at_ns = rc < 0 ? core->now_ns + REDIAL_NS : 0;
    if (rc < 0)
        note(core, LOG_ERROR,
             "cannot register at %s: a hello that names %zu results and %u tasks: %s",
             config->scheduler, core->store.entries.count, core->attempt_count,
             err_sentence(rc));
    session->hello_ns = core->now_ns;
    free(holdings);
    free(runs);
}

/* A hello that has waited for its connection is made anew: it tells the time. */
void session_connected(struct worker_core *core)
{
    struct session *session = &core->session;
    if (session->registered || !outbox_waiting(&core->outbox, session->peer))
        return;
    outbox_forget(&core->outbox, session->peer);
    session_hello(core);
}

static void session_dial(struct worker_core *core)
{
    struct session *session = &core->session;
    if (session->peer.number)
        core_hangup(core, session->peer);
    session->peer = core_dial(core, core->config.scheduler);
    session->dialed_ns = session->heard_ns = core->now_ns;
    if (session->registered)
        session->lost_ns = core->now_ns;
    session->registered = false;
    session_hello(core);
}

void session_start(struct worker_core *core)
{
    core->session.heartbeat_ns = HEARTBEAT_NS;
    core->session.lost_ns = core->session.ticked_ns = core->now_ns;
    session_dial(core);
}

/* ---- the end ---- */

void session_end(struct worker_core *core, int code, const char *format, ...)
{
    if (core->session.ended)
        return;
    core->session.ended = true;
    va_list args;
    va_start(args, format);
    action_say(core, WORKER_END, format, args)->code = code;
    va_end(args);
}

static void session_leave(struct worker_core *core, const char *reason)
{
    session_send(core, MESSAGE(bye, .reason = str_of(reason)));
    session_end(core, 0, "%s", reason);
}

static void tell_retire(struct worker_core *core)
{
    uint64_t left_ns = core->session.retire_at_ns - core->now_ns;
    session_send(core, MESSAGE(retire, .deadline_ms = left_ns / NS_PER_MS));
}

void session_retire(struct worker_core *core)
{
    struct session *session = &core->session;
    if (session->ended || session->retire_at_ns)
        return;
    if (!session->registered) {
        session_leave(core, "asked to retire without a scheduler");
        return;
    }
    session->retire_at_ns = core->now_ns + core->config.retire_timeout_ns;
    note(core, LOG_INFO, "retiring: %zu results here, %u tasks accepted",
         core->store.entries.count, core->attempt_count);
    tell_retire(core);
    attempt_give_back(core);
}

/* ---- losing the scheduler ---- */

static void session_lost(struct worker_core *core, const char *why)
{
    struct session *session = &core->session;
    if (session->registered) {
        uint64_t limit = core->config.reconnect_timeout_ns;
        note(core, LOG_WARNING, "the scheduler at %s %s; trying to reach it %s%s",
             core->config.scheduler, why, limit == UINT64_MAX ? "for ever" : "for ",
             limit == UINT64_MAX ? "" : units_duration((int64_t)limit).text);
        session->lost_ns = core->now_ns;
        session->told = true;
    }
    session->registered = false;
    if (session->retire_at_ns)
        session_end(core, 0, "nobody is left to retire from");
}

static void session_redial(struct worker_core *core, const char *why)
{
    struct session *session = &core->session;
    session_lost(core, why);
    if (session->ended)
        return;
    /* ZeroMQ would connect the socket anew, and send what it was given before. */
    core_hangup(core, session->peer);
    session->peer.number = 0;
    session->greeted = false;
    uint64_t soon = session->dialed_ns + REDIAL_NS;
    session->dial_at_ns = soon > core->now_ns ? soon : core->now_ns;
    if (session->dial_at_ns == core->now_ns)
        session_dial(core);
}

void session_gone(struct worker_core *core)
{
    session_redial(core, "closed the connection");
}

void session_send(struct worker_core *core, const struct message *message)
{
    struct session *session = &core->session;
    if (!session->greeted)
        return;
    int rc = outbox_send(&core->outbox, session->peer, message);
    if (rc == 0)
        return;
    note(core, LOG_WARNING, "the scheduler cannot be sent %s: %s; starting anew",
         message_name(message->type), err_sentence(rc));
    session->greeted = false;
    session->dial_at_ns = core->now_ns + REDIAL_NS;
}

/* ---- messages ---- */

static void session_welcome(struct worker_core *core, const struct msg_welcome *welcome)
{
    struct session *session = &core->session;
    bool other = session->ever_registered && session->scheduler_epoch != welcome->epoch;
    note(core, LOG_INFO,
         "registered with %s as worker %llu, with its data at " ADDRESS_FORMAT "%s",
         core->config.scheduler, (unsigned long long)welcome->number,
         ADDRESS_ARGS(core->config.address), other ? " (the scheduler is new)" : "");
    session->scheduler_epoch = welcome->epoch;
    if (welcome->heartbeat_ms)
        session->heartbeat_ns = welcome->heartbeat_ms * NS_PER_MS;
    session->next_heartbeat_ns = core->now_ns + session->heartbeat_ns;
    session->registered = session->ever_registered = true;
    session->told = false;
    session->lost_ns = 0;
    /* The death of the life before this one is told once. */
    core->config.previous_epoch = 0;
    core->config.previous_status = 0;
    core->config.previous_running_count = 0;
    if (session->retire_at_ns > core->now_ns)
        tell_retire(core);
}

/* For good, unless memory is what is missing to take one back that was there before. */
static void session_refused(struct worker_core *core, const struct msg_refuse *refuse)
{
    if (refuse->code == DUSK_E_NOMEM && core->session.ever_registered)
        session_redial(core, "has no memory for this worker");
    else
        session_end(core, 1, "the scheduler at %s refused this worker: " STR_FORMAT,
                    core->config.scheduler, STR_ARGS(refuse->reason));
}

/* Several may come, one for each message that the scheduler could not place. */
static void session_again(struct worker_core *core)
{
    struct session *session = &core->session;
    if (!session->registered && core->now_ns < session->hello_ns + NS_PER_S)
        return;
    session_lost(core, "does not know this worker");
    if (!session->ended)
        session_hello(core);
}

/* Without memory the former list holds until the next one comes. */
static void session_members(struct worker_core *core, const struct msg_members *message)
{
    struct members members;
    if (members_of_rows(message->members, &members) < 0)
        note(core, LOG_ERROR, "no memory for the list of %zu members",
             message->members.count);
    else
        action_add(core, WORKER_ADMIT)->members = members;
}

void session_message(struct worker_core *core, const struct message *message)
{
    struct session *session = &core->session;
    session->heard_ns = core->now_ns;
    switch (message->type) {
    case MSG_welcome:
        session_welcome(core, &message->welcome);
        break;
    case MSG_refuse:
        session_refused(core, &message->refuse);
        break;
    case MSG_register_again:
        session_again(core);
        break;
    case MSG_alive:
        break;
    case MSG_bye:
        session_lost(core, "said good-bye");
        break;
    case MSG_run_task:
        attempt_accept(core, &message->run_task);
        break;
    case MSG_stop_task:
        attempt_stop(core, message->stop_task.key, message->stop_task.attempt);
        break;
    case MSG_free_data:
        for (size_t i = 0; i < message->free_data.keys.count; i++)
            gather_free(core, message->free_data.keys.items[i],
                        message->free_data.attempt);
        break;
    case MSG_acquire:
        gather_acquire(core, &message->acquire);
        break;
    case MSG_members:
        session_members(core, &message->members);
        break;
    case MSG_retired:
        session_leave(core, "retired");
        break;
    case MSG_load_plugin:
        plugin_accept(core, &message->load_plugin);
        break;
    case MSG_shutdown:
        session->shut_down = true;
        session_leave(core, "the cluster is shut down");
        break;
    default:
        note(core, LOG_WARNING, "the scheduler sent %s, which is not for workers",
             message_name(message->type));
    }
}

/* ---- time ---- */

static void session_heartbeat(struct worker_core *core)
{
    struct session *session = &core->session;
    session->next_heartbeat_ns = core->now_ns + session->heartbeat_ns;
    struct run *rows = calloc(core->executing_count + 1, sizeof *rows);
    if (!rows)
        return;
    size_t count = 0;
    LIST_FOREACH (link, &core->executing)
        rows[count++] = row_of(core, CONTAINER_OF(link, struct attempt, link));
    session_send(core, MESSAGE(heartbeat, .memory = core->store.used,
                               .rss = core->resident, .spilled = core->store.spilled,
                               .paused = core->paused, .running = {rows, count}));
    free(rows);
}

static uint64_t silent_at(const struct session *session)
{
    return session->heard_ns + SILENT_HEARTBEATS * session->heartbeat_ns;
}

static uint64_t give_up_at(const struct worker_core *core)
{
    const struct session *session = &core->session;
    uint64_t limit = session->ever_registered ? core->config.reconnect_timeout_ns
                                              : core->config.connect_timeout_ns;
    return limit < UINT64_MAX - session->lost_ns ? session->lost_ns + limit
                                                 : UINT64_MAX;
}

static void session_give_up(struct worker_core *core)
{
    uint64_t waited = core->now_ns - core->session.lost_ns;
    session_end(core, 1, "no scheduler answers at %s (waited %s)",
                core->config.scheduler, units_duration((int64_t)waited).text);
}

void session_tick(struct worker_core *core)
{
    struct session *session = &core->session;
    uint64_t now = core->now_ns;
    if (session->ended)
        return;
    /* A process that was stopped for a while has heard nothing because of that. */
    if (now > session->ticked_ns + SILENT_HEARTBEATS * session->heartbeat_ns)
        session->heard_ns = now;
    session->ticked_ns = now;
    if (session->retire_at_ns && now >= session->retire_at_ns) {
        note(core, LOG_WARNING, "retiring took too long; %zu results stay behind",
             core->store.entries.count);
        session_leave(core, "retired after the deadline");
    } else if (!session->registered && now >= give_up_at(core)) {
        session_give_up(core);
    } else if (session->dial_at_ns && now >= session->dial_at_ns) {
        session_dial(core);
    } else if (now >= silent_at(session)) {
        session_lost(core, "is silent");
        if (!session->ended)
            session_dial(core);
    } else if (session->registered && now >= session->next_heartbeat_ns) {
        session_heartbeat(core);
    }
    if (!session->registered && !session->told && !session->ended &&
        now >= session->lost_ns + TELL_NS) {
        note(core, LOG_WARNING, "waiting for a scheduler at %s",
             core->config.scheduler);
        session->told = true;
    }
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t session_deadline(const struct worker_core *core)
{
    const struct session *session = &core->session;
    if (session->ended)
        return UINT64_MAX;
    uint64_t at = silent_at(session);
    if (session->registered) {
        at = earlier(at, session->next_heartbeat_ns);
    } else {
        at = earlier(at, give_up_at(core));
        if (!session->told)
            at = earlier(at, session->lost_ns + TELL_NS);
    }
    if (session->dial_at_ns)
        at = earlier(at, session->dial_at_ns);
    if (session->retire_at_ns)
        at = earlier(at, session->retire_at_ns);
    return at;
}
