/* Sockets of the client: what the core wants sent goes out, what comes goes in; and
 * the keeper, the thread that sees to that while the program computes. */
#include "client/client.h"
#include "common/clock.h"
#include "common/loop.h"
#include "proto/curve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define DELIVERIES_AT_ONCE 64
#define KEEPER_DELAY_NS 200000 /* how long submits wait for others */
#define KEEPER_SLEEP_MS 250    /* between two looks at the connection */
#define SOCKETS_MAX 16384
/* How soon a full connection is tried again without a sign that there is room. */
#define RETRY_NS (5 * NS_PER_MS)

struct pump {
    void *zmq;
    struct loop loop;
    struct list wires;
    struct curve_record record; /* of connections to the scheduler */
    bool full;                  /* one that is there took no more */

    pthread_t keeper;
    int timer_fd;      /* wakes it; -1: there is none */
    atomic_bool armed; /* there is something to send: the timer runs */
    atomic_bool stopping;
};

/* A connection to the scheduler or to a worker. */
struct wire {
    struct list link;
    struct dusk_client *client;
    struct peer_id peer;
    void *socket;
    void *monitor;
    bool to_scheduler;
    bool connected;
    bool blocked; /* the socket took no more, or is not connected yet */
};

static void say(struct dusk_client *client, enum dusk_log_level level, const char *line)
{
    if (client->log)
        client->log(client->log_arg, level, line);
}

/* ---- wires ---- */

static void wire_destroy(struct wire *wire)
{
    if (!wire)
        return;
    struct loop *loop = &wire->client->pump->loop;
    list_remove(&wire->link);
    if (wire->monitor) {
        loop_remove(loop, wire->monitor, -1);
        zmq_socket_monitor(wire->socket, NULL, 0);
        zmq_close(wire->monitor);
    }
    if (wire->socket) {
        loop_remove(loop, wire->socket, -1);
        zmq_close(wire->socket);
    }
    free(wire);
}

static struct wire *wire_find(struct dusk_client *client, struct peer_id peer)
{
    LIST_FOREACH (link, &client->pump->wires) {
        struct wire *wire = CONTAINER_OF(link, struct wire, link);
        if (wire->peer.number == peer.number)
            return wire;
    }
    return NULL;
}

static void wire_receive(void *context);
static void wire_events(void *context);

static int wire_open(struct dusk_client *client, const struct client_action *action,
                     struct err_text *text)
{
    struct pump *pump = client->pump;
    struct wire *wire = calloc(1, sizeof *wire);
    if (!wire)
        return err_set(text, DUSK_E_NOMEM, "no memory for a connection");
    list_append(&pump->wires, &wire->link);
    wire->client = client;
    wire->peer = action->peer;
    wire->to_scheduler = client_core_is_scheduler(client->core, action->peer);
    int rc = link_socket(pump->zmq, ZMQ_DEALER, &wire->socket, text);
    if (rc == 0)
        rc = link_monitor(pump->zmq, wire->socket, &wire->monitor, text);
    /* Answers first: a scheduler says why before it closes the connection. */
    if (rc == 0 &&
        (loop_add(&pump->loop, wire->socket, -1, wire_receive, wire) < 0 ||
         loop_add_monitor(&pump->loop, wire->monitor, wire_events, wire) < 0))
        rc = err_set(text, DUSK_E_NOMEM, "no memory for a connection");
    if (rc == 0 && client->keyed)
        rc = curve_connect(wire->socket, &client->join, action->address, text);
    if (rc == 0)
        rc = link_connect(wire->socket, action->address, text);
    if (rc < 0)
        wire_destroy(wire);
    return rc;
}

static void connect_or_tell(struct dusk_client *client,
                            const struct client_action *action)
{
    struct err_text text;
    if (wire_open(client, action, &text) == 0)
        return;
    say(client, DUSK_LOG_WARNING, text.line);
    client_core_peer_gone(client->core, action->peer, clock_monotonic_ns());
}

static void actions_run(struct dusk_client *client)
{
    struct client_action *action;
    while ((action = client_core_next_action(client->core))) {
        switch (action->type) {
        case CLIENT_CONNECT:
            connect_or_tell(client, action);
            break;
        case CLIENT_CLOSE:
            wire_destroy(wire_find(client, action->peer));
            break;
        case CLIENT_NOTE:
            say(client, action->level, action->line);
            break;
        }
        free(action);
    }
}

/* ---- out ---- */

static void timer_set(const struct pump *pump, long after_ns)
{
    struct itimerspec time = {.it_value.tv_nsec = after_ns};
    timerfd_settime(pump->timer_fd, 0, &time, NULL);
}

static void retry_blocked(struct dusk_client *client)
{
    struct outbox *outbox = &client->core->outbox;
    client->pump->full = false;
    LIST_FOREACH (link, &client->pump->wires) {
        struct wire *wire = CONTAINER_OF(link, struct wire, link);
        struct outbox_lane *lane =
            wire->blocked ? map_get(&outbox->lanes, wire->peer.number) : NULL;
        wire->blocked = false;
        if (lane && !batch_is_empty(&lane->batch))
            outbox_retry(outbox, lane);
    }
}

void client_flush(struct dusk_client *client)
{
    struct client_core *core = client->core;
    actions_run(client);
    retry_blocked(client);
    client_core_fill(core, clock_monotonic_ns());
    actions_run(client);
    struct outbox_lane *lane;
    while ((lane = outbox_next(&core->outbox))) {
        struct wire *wire = wire_find(client, lane->peer);
        if (!wire)
            continue;
        int rc = link_send(wire->socket, NULL, &lane->batch);
        wire->blocked = rc > 0;
        client->pump->full |= rc > 0 && wire->connected;
        if (rc > 0)
            continue;
        if (rc < 0)
            client_core_peer_gone(core, wire->peer, clock_monotonic_ns());
        else if (core->blocked)
            client_core_fill(core, clock_monotonic_ns());
        actions_run(client);
    }
    if (atomic_exchange(&client->pump->armed, false))
        timer_set(client->pump, 0);
}

/* ---- in ---- */

/* A peer that breaks the protocol loses its connection; the core opens another. */
static void batch_read(struct dusk_client *client, const struct wire *wire,
                       struct batch_reader *reader)
{
    struct message message;
    struct err_text text;
    int rc;
    uint64_t now_ns = clock_monotonic_ns();
    while ((rc = batch_reader_next(reader, &message, &text)) == 0) {
        text.line[0] = '\0';
        rc = client_core_message(client->core, wire->peer, &message, now_ns, &text);
        if (rc < 0)
            break;
    }
    if (rc < 0) {
        say(client, DUSK_LOG_WARNING, text.line[0] ? text.line : err_sentence(rc));
        client_core_peer_gone(client->core, wire->peer, now_ns);
    }
}

static void wire_receive(void *context)
{
    const struct wire *wire = context;
    struct dusk_client *client = wire->client;
    struct delivery delivery;
    int rc = 0;
    for (int i = 0; i < DELIVERIES_AT_ONCE && rc == 0; i++) {
        rc = link_receive(wire->socket, &delivery);
        if (rc == 0) {
            batch_read(client, wire, &delivery.reader);
            delivery_fini(&delivery);
        }
    }
    if (rc < 0)
        client_core_peer_gone(client->core, wire->peer, clock_monotonic_ns());
}

static void reach_raise(struct dusk_client *client, const struct wire *wire,
                        enum client_reach reach)
{
    if (wire->to_scheduler && reach > client->reach)
        client->reach = reach;
}

/* Says what is wrong with a connection.  Keys that do not fit at the scheduler will
 * not fit later either. */
static void wire_explain(struct dusk_client *client, const struct wire *wire,
                         const struct link_event *event)
{
    struct err_text text;
    struct curve_record other = {0};
    int rc = curve_explain(event, client->keyed ? &client->join : NULL,
                           wire->to_scheduler ? &client->pump->record : &other,
                           wire->to_scheduler ? "scheduler" : "worker", &text);
    const char *sentence = link_event_sentence(event);
    if (rc < 0) {
        if (wire->to_scheduler)
            client_core_refuse(client->core, rc, text.line);
        else
            say(client, DUSK_LOG_WARNING, text.line);
    } else if (sentence) {
        say(client, DUSK_LOG_WARNING, sentence);
    }
}

static void wire_event(struct dusk_client *client, struct wire *wire,
                       const struct link_event *event)
{
    uint64_t now_ns = clock_monotonic_ns();
    wire_explain(client, wire, event);
    switch (event->event) {
    case ZMQ_EVENT_CONNECTED:
        reach_raise(client, wire, REACH_TCP);
        break;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        reach_raise(client, wire, REACH_ZMQ);
        wire->connected = true;
        client_core_connected(client->core, wire->peer, now_ns);
        break;
    case ZMQ_EVENT_DISCONNECTED:
        wire->connected = false;
        client_core_peer_gone(client->core, wire->peer, now_ns);
        break;
    case ZMQ_EVENT_CONNECT_RETRIED:
        /* A worker listens before anybody hears of it: refused means gone.  A
         * scheduler may be about to start. */
        if (!wire->to_scheduler)
            client_core_peer_gone(client->core, wire->peer, now_ns);
        break;
    default:
        break;
    }
}

static void wire_events(void *context)
{
    struct wire *wire = context;
    struct link_event event;
    while (link_next_event(wire->monitor, &event))
        wire_event(wire->client, wire, &event);
}

/* ---- turns ---- */

void client_turn(struct dusk_client *client, uint64_t timeout_ns)
{
    struct client_core *core = client->core;
    uint64_t now_ns = clock_monotonic_ns();
    client_core_set_clock(core, clock_unix_ns(), now_ns);
    client_flush(client);
    now_ns = clock_monotonic_ns();
    uint64_t due_ns = client_core_next_deadline(core);
    uint64_t left_ns = due_ns > now_ns ? due_ns - now_ns : 0;
    if (client->pump->full && left_ns > RETRY_NS)
        left_ns = RETRY_NS;
    loop_turn(&client->pump->loop, left_ns < timeout_ns ? left_ns : timeout_ns);
    now_ns = clock_monotonic_ns();
    if (now_ns >= due_ns)
        client_core_tick(core, now_ns);
    client_flush(client);
}

/* ---- the keeper ---- */

/* Who is inside sends by itself when it waits; else it is looked at again.  Nobody else
 * may look at the connection for hours: heartbeats are ours. */
static void *keeper_run(void *arg)
{
    struct dusk_client *client = arg;
    struct pump *pump = client->pump;
    while (!atomic_load(&pump->stopping)) {
        struct pollfd item = {pump->timer_fd, POLLIN, 0};
        uint64_t count;
        bool timer = poll(&item, 1, KEEPER_SLEEP_MS) > 0 &&
                     read(pump->timer_fd, &count, sizeof count) > 0;
        if (timer && !atomic_load(&pump->armed))
            continue;
        if (pthread_mutex_trylock(&client->lock) == 0) {
            client_turn(client, 0);
            pthread_mutex_unlock(&client->lock);
        } else if (timer) {
            timer_set(pump, KEEPER_DELAY_NS);
        }
    }
    return NULL;
}

void client_pump_wake(struct dusk_client *client)
{
    if (!atomic_exchange(&client->pump->armed, true))
        timer_set(client->pump, KEEPER_DELAY_NS);
}

/* Signals are for the program's own threads. */
int client_pump_start(struct dusk_client *client)
{
    struct pump *pump = client->pump;
    pump->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (pump->timer_fd < 0)
        return client_fail(DUSK_E_IO, "cannot make a timer: %s", strerror(errno));
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&pump->keeper, NULL, keeper_run, client);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!error)
        return 0;
    close(pump->timer_fd);
    pump->timer_fd = -1;
    return client_fail(DUSK_E_NOMEM, "cannot start a thread: %s", strerror(error));
}

void client_pump_stop(struct dusk_client *client)
{
    struct pump *pump = client->pump;
    if (pump->timer_fd < 0)
        return;
    atomic_store(&pump->stopping, true);
    timer_set(pump, 1);
    pthread_join(pump->keeper, NULL);
    close(pump->timer_fd);
    pump->timer_fd = -1;
}

/* ---- life ---- */

int client_identify(struct dusk_client *client, struct client_identity *ret_identity)
{
    ret_identity->pid = (uint64_t)client->pid;
    snprintf(ret_identity->name, sizeof ret_identity->name, "%.60s-%ld",
             program_invocation_short_name, (long)client->pid);
    uint64_t numbers[2];
    if (getrandom(numbers, sizeof numbers, 0) < 0)
        return client_fail(DUSK_E_IO, "no random numbers: %s", strerror(errno));
    ret_identity->epoch = numbers[0];
    ret_identity->seed = numbers[1];
    return 0;
}

int client_pump_open(struct dusk_client *client)
{
    struct pump *pump = calloc(1, sizeof *pump);
    if (!pump || !(pump->zmq = zmq_ctx_new())) {
        free(pump);
        return client_fail(DUSK_E_NOMEM, "no memory for a client");
    }
    zmq_ctx_set(pump->zmq, ZMQ_MAX_SOCKETS, SOCKETS_MAX);
    loop_init(&pump->loop);
    list_init(&pump->wires);
    pump->timer_fd = -1;
    client->pump = pump;
    return 0;
}

void client_pump_close(struct dusk_client *client)
{
    struct pump *pump = client->pump;
    actions_run(client);
    LIST_FOREACH (link, &pump->wires)
        wire_destroy(CONTAINER_OF(link, struct wire, link));
    link_context_end(pump->zmq);
    client->pump = NULL;
    loop_fini(&pump->loop);
    free(pump);
}
