/* The connection to the scheduler: begun, kept alive, missed and begun anew. */
#include "client/core_parts.h"
#include "common/clock.h"

#include <stdio.h>

#define HEARTBEAT_NS NS_PER_S     /* until the scheduler says otherwise */
#define HELLO_NS (5 * NS_PER_S)   /* from connected to welcome */
#define SILENCE_NS (5 * NS_PER_S) /* and at least SILENCE_BEATS heartbeats */
#define SILENCE_BEATS 4
#define REOPEN_NS (200 * NS_PER_MS) /* between two connections, at least */

static const uint64_t note_after_ns[] = {3 * NS_PER_S, 10 * NS_PER_S, 30 * NS_PER_S};

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

void client_link_init(struct client_core *core)
{
    core->heartbeat_ns = HEARTBEAT_NS;
    number_propose(core);
}

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

void client_link_close(struct client_core *core, uint64_t now_ns)
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

int client_link_refused(struct client_core *core, const struct msg_refuse *refuse,
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

int client_link_welcome(struct client_core *core, const struct msg_welcome *welcome,
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

int client_link_register_again(struct client_core *core, uint64_t now_ns)
{
    if (core->link != LINK_UP)
        return 0;
    outbox_forget(&core->outbox, core->scheduler->peer);
    core->scheduler->opened_ns = now_ns;
    gone_begin(core, now_ns);
    return hello_send(core, now_ns);
}

void client_link_connected(struct client_core *core, uint64_t now_ns)
{
    struct peer_id peer = core->scheduler->peer;
    core->heard_ns = now_ns;
    /* A hello that has waited for its connection is made anew: it tells the time. */
    if (core->link == LINK_HELLO && outbox_waiting(&core->outbox, peer)) {
        outbox_forget(&core->outbox, peer);
        hello_send(core, now_ns);
    }
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

void client_link_tick(struct client_core *core, uint64_t now_ns)
{
    if (scheduler_is_mute(core, now_ns)) {
        client_note(core, DUSK_LOG_WARNING, "scheduler %s is silent, connecting anew",
                    core->scheduler->address);
        client_link_close(core, now_ns);
    }
    if (core->link == LINK_DOWN && now_ns >= core->reopen_ns)
        scheduler_open(core, now_ns);
    gone_tick(core, now_ns);
    heartbeat_tick(core, now_ns);
}
