/* The client's core between a program, a scheduler and workers that do anything: the
 * input is a session, a list of calls and events. */
#include "client/core.h"
#include "tests/fuzz/feed_message.h"

#include <stdlib.h>

#define FUTURES 8 /* that the program holds */
#define PEERS 8   /* connections that are remembered, the latest ones */
#define FLIGHTS 8
#define STEPS 400
#define S UINT64_C(1000000000)

struct session {
    struct feed *feed;
    struct client_core *core;
    uint64_t now_ns;
    struct peer_id peer; /* that the event comes from */
    struct peer_id peers[PEERS];
    unsigned peer_count;
    struct peer_id scheduler;
    uint32_t stalled;
    struct dusk_future *futures[FUTURES];
    struct client_question question;
    bool asking;
    struct {
        struct peer_id peer;
        bool brings;
        uint64_t request;
        struct task_key key;
    } flights[FLIGHTS]; /* to and from workers, the latest ones */
    unsigned flight_count;
};

/* ---- what the core does ---- */

static void fly(struct session *session, struct peer_id peer, bool brings,
                uint64_t request, struct task_key key)
{
    unsigned at = session->flight_count++ % FLIGHTS;
    session->flights[at].peer = peer;
    session->flights[at].brings = brings;
    session->flights[at].request = request;
    session->flights[at].key = key;
}

static void heard(void *context, struct peer_id peer, const struct message *message)
{
    struct session *session = context;
    if (message->type == MSG_get_data)
        fly(session, peer, false, message->get_data.request, message->get_data.key);
    else if (message->type == MSG_put_data)
        fly(session, peer, true, message->put_data.request, message->put_data.key);
}

static void settle(struct session *session)
{
    struct client_action *action;
    client_core_fill(session->core, session->now_ns);
    feed_drain(&session->core->outbox, session->stalled, heard, session);
    while ((action = client_core_next_action(session->core))) {
        if (action->type == CLIENT_CONNECT) {
            session->peers[session->peer_count++ % PEERS] = action->peer;
            if (client_core_is_scheduler(session->core, action->peer))
                session->scheduler = action->peer;
        }
        free(action);
    }
    FUZZ_HOLDS(client_core_check, session->core);
}

/* ---- events ---- */

/* As the shell does: who breaks the protocol is gone. */
static void deliver(void *context, const struct message *message)
{
    struct session *session = context;
    struct err_text text;
    if (client_core_message(session->core, session->peer, message, session->now_ns,
                            &text) < 0)
        client_core_peer_gone(session->core, session->peer, session->now_ns);
}

static void broken(void *context, const char *line)
{
    struct session *session = context;
    client_core_peer_gone(session->core, session->peer, session->now_ns);
}

static void tell(struct session *session, const struct message *message, bool damaged)
{
    feed_send(session->feed, message, damaged,
              &(struct feed_wire){deliver, broken, session});
}

static void say(struct session *session, bool damaged)
{
    static const enum message_type types[] = {MSG_finished, MSG_finished,
                                              MSG_finished, MSG_failed,
                                              MSG_place,    MSG_located,
                                              MSG_welcome,  MSG_status,
                                              MSG_because,  MSG_register_again,
                                              MSG_alive,    MSG_data,
                                              MSG_stored,   0};
    enum message_type type =
        types[feed_below(session->feed, sizeof types / sizeof *types)];
    struct message message;
    struct payload *payload = feed_message(session->feed, type, &message);
    if (type == MSG_status && feed_below(session->feed, 2))
        message.status.request = session->question.request;
    if (type == MSG_because && feed_below(session->feed, 2))
        message.because.request = session->question.request;
    tell(session, &message, damaged);
    payload_unref(payload);
}

/* A worker answers. */
static void land(struct session *session)
{
    unsigned at = feed_below(session->feed, FLIGHTS);
    uint64_t request = session->flights[at].request;
    struct task_key key = session->flights[at].key;
    struct payload *payload = feed_payload(session->feed);
    session->peer = session->flights[at].peer;
    if (!key.bits)
        ;
    else if (session->flights[at].brings && payload)
        tell(session, MESSAGE(stored, .request = request, .key = key), false);
    else if (payload)
        tell(session,
             MESSAGE(data, .request = request, .key = key,
                     .checksum =
                         payload_checksum(payload) + feed_rarely(session->feed, 8),
                     .data = payload),
             false);
    else
        tell(session,
             MESSAGE(no_data, .request = request, .key = key, .code = DUSK_E_NOT_FOUND,
                     .reason = str_of("not here")),
             false);
    payload_unref(payload);
}

static void network(struct session *session)
{
    switch (feed_below(session->feed, 4)) {
    case 0:
        client_core_peer_gone(session->core, session->peer, session->now_ns);
        break;
    case 1:
        session->stalled ^= 1u << feed_below(session->feed, 32);
        break;
    default:
        client_core_connected(session->core, session->peer, session->now_ns);
    }
}

static void let_time_pass(struct session *session)
{
    session->now_ns += feed_pause_ns(session->feed);
    client_core_tick(session->core, session->now_ns);
}

/* ---- calls ---- */

static void submit(struct session *session)
{
    struct dusk_future **place = &session->futures[feed_below(session->feed, FUTURES)];
    struct dusk_future *needs[2];
    unsigned count = 0;
    bool data = feed_below(session->feed, 4) == 0;
    for (unsigned i = feed_below(session->feed, 3); !data && i > 0; i--) {
        struct dusk_future *some = session->futures[feed_below(session->feed, FUTURES)];
        if (some && !(count && needs[0] == some))
            needs[count++] = some;
    }
    struct payload *payload = feed_payload(session->feed);
    if (*place || (data && !payload)) {
        payload_unref(payload);
        return;
    }
    struct future_spec *spec =
        future_spec_create(data ? NULL : "f", NULL, payload, needs, count);
    FUZZ_CHECK(spec);
    if (client_core_submit(session->core, spec, place) < 0)
        future_spec_destroy(spec);
}

static void use(struct session *session)
{
    struct dusk_future **place = &session->futures[feed_below(session->feed, FUTURES)];
    unsigned choice = feed_below(session->feed, 4);
    if (!*place)
        return;
    switch (choice) {
    case 0:
        client_core_cancel(session->core, *place);
        break;
    case 1:
        future_unwant(*place);
        *place = NULL;
        break;
    default:
        client_core_fetch(session->core, *place, session->now_ns);
        client_core_place(*place);
    }
}

static void forget_question(struct session *session)
{
    if (session->asking)
        client_core_take_back(session->core, &session->question);
    free(session->question.cluster);
    free(session->question.reason);
    session->question = (struct client_question){0};
    session->asking = false;
}

static void ask(struct session *session)
{
    forget_question(session);
    if (feed_below(session->feed, 2))
        session->question.key = feed_key(session->feed);
    client_core_ask(session->core, &session->question);
    session->asking = true;
}

/* ---- */

static void step(struct session *session)
{
    unsigned choice = feed_below(session->feed, 16);
    unsigned from = feed_below(session->feed, 2 * PEERS);
    session->peer = from < PEERS ? session->peers[from] : session->scheduler;
    switch (choice) {
    case 0:
        let_time_pass(session);
        break;
    case 1:
        network(session);
        break;
    case 2:
    case 3:
        submit(session);
        break;
    case 4:
    case 5:
    case 6:
        use(session);
        break;
    case 7:
        ask(session);
        break;
    case 8:
    case 9:
        land(session);
        break;
    case 10:
        say(session, true);
        break;
    default:
        say(session, false);
    }
}

static void start(struct session *session)
{
    static const struct client_config config = {
        .epoch = 7, .seed = 1, .name = "c", .address = "tcp://scheduler:1"};
    FUZZ_CHECK(client_core_create(&config, session->now_ns, &session->core) == 0);
    session->core->number = 1; /* so that the messages name its keys */
    client_core_tick(session->core, session->now_ns);
    settle(session);
    client_core_connected(session->core, session->scheduler, session->now_ns);
    session->peer = session->scheduler;
    tell(session, MESSAGE(welcome, .epoch = 1, .number = 1, .heartbeat_ms = 1000),
         false);
}

static void stop(struct session *session)
{
    forget_question(session);
    client_core_close(session->core);
    settle(session);
    for (unsigned i = 0; i < FUTURES; i++)
        if (session->futures[i])
            future_unwant(session->futures[i]);
    client_core_destroy(session->core);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed feed = {data, size, 0};
    struct session session = {.feed = &feed, .now_ns = S};
    start(&session);
    for (unsigned i = 0; i < STEPS && !feed_is_empty(&feed); i++) {
        step(&session);
        settle(&session);
    }
    stop(&session);
    return 0;
}

void fuzz_seeds(fuzz_take_fn *take, void *context)
{
    fuzz_random_seeds(take, context);
}
