/* Sockets of the client: what the core wants sent goes out, what comes goes in. */
#include "client/client.h"
#include "common/clock.h"
#include "proto/curve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define DELIVERIES_AT_ONCE 64

/* A connection to the scheduler or to a worker. */
struct wire {
    struct list link;
    struct peer_id peer;
    void *socket;
    void *monitor;
    bool to_scheduler;
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
    list_remove(&wire->link);
    if (wire->monitor) {
        zmq_socket_monitor(wire->socket, NULL, 0);
        zmq_close(wire->monitor);
    }
    if (wire->socket)
        zmq_close(wire->socket);
    free(wire);
}

static struct wire *wire_find(struct dusk_client *client, struct peer_id peer)
{
    LIST_FOREACH (link, &client->wires) {
        struct wire *wire = CONTAINER_OF(link, struct wire, link);
        if (wire->peer.number == peer.number)
            return wire;
    }
    return NULL;
}

static int wire_open(struct dusk_client *client, const struct client_action *action,
                     struct err_text *text)
{
    struct wire *wire = calloc(1, sizeof *wire);
    if (!wire)
        return err_set(text, DUSK_E_NOMEM, "no memory for a connection");
    list_append(&client->wires, &wire->link);
    wire->peer = action->peer;
    wire->to_scheduler = client_core_is_scheduler(client->core, action->peer);
    int rc = link_socket(client->zmq, ZMQ_DEALER, &wire->socket, text);
    if (rc == 0)
        rc = link_monitor(client->zmq, wire->socket, &wire->monitor, text);
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

void client_disconnect(struct dusk_client *client)
{
    actions_run(client);
    LIST_FOREACH (link, &client->wires)
        wire_destroy(CONTAINER_OF(link, struct wire, link));
}

/* ---- out ---- */

static void retry_blocked(struct dusk_client *client)
{
    struct outbox *outbox = &client->core->outbox;
    LIST_FOREACH (link, &client->wires) {
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
        if (rc > 0)
            wire->blocked = true;
        else if (rc < 0)
            client_core_peer_gone(core, wire->peer, clock_monotonic_ns());
        else if (core->blocked)
            client_core_fill(core, clock_monotonic_ns());
        actions_run(client);
    }
    atomic_store(&client->armed, false);
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

static void wire_receive(struct dusk_client *client, struct wire *wire)
{
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
    unsigned closed = 0;
    int rc = curve_explain(event, client->keyed ? &client->join : NULL,
                           wire->to_scheduler ? &client->closed : &closed, &text);
    const char *sentence = link_event_sentence(event);
    if (rc < 0) {
        char line[sizeof text.line + sizeof event->address + 32];
        snprintf(line, sizeof line, "the %s at %s %s",
                 wire->to_scheduler ? "scheduler" : "worker", event->address,
                 text.line);
        if (wire->to_scheduler)
            client_core_refuse(client->core, rc, line);
        else
            say(client, DUSK_LOG_WARNING, line);
    } else if (sentence) {
        say(client, DUSK_LOG_WARNING, sentence);
    }
}

static void wire_event(struct dusk_client *client, const struct wire *wire,
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
        client_core_connected(client->core, wire->peer, now_ns);
        break;
    case ZMQ_EVENT_DISCONNECTED:
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

/* ---- turns ---- */

int client_poll_ms(uint64_t timeout_ns)
{
    uint64_t ms = timeout_ns / NS_PER_MS + (timeout_ns % NS_PER_MS != 0);
    return ms > 60000 ? 60000 : (int)ms;
}

/* Two places for each wire, in the order of the wires: its socket and its monitor. */
static int items_fill(struct dusk_client *client)
{
    size_t count = 0;
    LIST_FOREACH (link, &client->wires) {
        const struct wire *wire = CONTAINER_OF(link, struct wire, link);
        if (count + 2 > client->item_capacity) {
            size_t capacity = client->item_capacity ? 2 * client->item_capacity : 16;
            void *items = realloc(client->items, capacity * sizeof *client->items);
            if (!items)
                return (int)count;
            client->items = items;
            client->item_capacity = capacity;
        }
        short events = (short)(ZMQ_POLLIN | (wire->blocked ? ZMQ_POLLOUT : 0));
        client->items[count++] = (zmq_pollitem_t){wire->socket, -1, events, 0};
        client->items[count++] = (zmq_pollitem_t){wire->monitor, -1, ZMQ_POLLIN, 0};
    }
    return (int)count;
}

static void items_handle(struct dusk_client *client, int count)
{
    int at = 0;
    LIST_FOREACH (link, &client->wires) {
        struct wire *wire = CONTAINER_OF(link, struct wire, link);
        if (at >= count)
            return;
        bool readable = client->items[at].revents & ZMQ_POLLIN;
        bool eventful = client->items[at + 1].revents;
        at += 2;
        /* Answers first: a scheduler says why before it closes the connection. */
        if (readable)
            wire_receive(client, wire);
        struct link_event event;
        while (eventful && link_next_event(wire->monitor, &event))
            wire_event(client, wire, &event);
    }
}

void client_turn(struct dusk_client *client, uint64_t timeout_ns)
{
    struct client_core *core = client->core;
    uint64_t now_ns = clock_monotonic_ns();
    client_core_set_clock(core, clock_unix_ns(), now_ns);
    client_flush(client);
    now_ns = clock_monotonic_ns();
    uint64_t due_ns = client_core_next_deadline(core);
    uint64_t left_ns = due_ns > now_ns ? due_ns - now_ns : 0;
    int count = items_fill(client);
    int ready = zmq_poll(client->items, count,
                         client_poll_ms(left_ns < timeout_ns ? left_ns : timeout_ns));
    if (ready > 0)
        items_handle(client, count);
    now_ns = clock_monotonic_ns();
    if (now_ns >= due_ns)
        client_core_tick(core, now_ns);
    client_flush(client);
}
