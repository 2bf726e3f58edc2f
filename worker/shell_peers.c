#include "common/clock.h"
#include "proto/limits.h"
#include "worker/shell_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RECEIVE_MAX 256 /* messages of one socket in one turn */
#define DATA_QUEUE 8    /* messages that ZeroMQ receives ahead from one visitor */
#define RETRY_NS (5 * NS_PER_MS) /* without a sign that a full queue has room */
#define PEER_IDLE_NS (300 * NS_PER_S)

/* ---- receiving ---- */

/* Hands all messages of a delivery to the core; false when the peer breaks the rules.
 */
static bool deliver(struct shell *shell, struct peer_id peer, struct delivery *delivery)
{
    struct message message;
    struct err_text text;
    int rc;
    uint64_t now = clock_monotonic_ns();
    while ((rc = batch_reader_next(&delivery->reader, &message, &text)) == 0)
        worker_core_message(shell->core, peer, &message, now);
    if (rc < 0)
        log_warning(shell->log, "a peer breaks the protocol",
                    log_integer("peer", peer.number), log_text("error", text.line));
    return rc >= 0;
}

static void dialed_ready(void *context)
{
    struct dialed *dialed = context;
    struct shell *shell = dialed->shell;
    struct delivery delivery;
    int rc = 0;
    for (int i = 0; rc == 0 && i < RECEIVE_MAX; i++) {
        rc = link_receive(dialed->socket, &delivery);
        if (rc != 0)
            break;
        if (!deliver(shell, dialed->peer, &delivery))
            rc = DUSK_E_PROTOCOL;
        delivery_fini(&delivery);
    }
    if (rc < 0)
        worker_core_peer_gone(shell->core, dialed->peer, clock_monotonic_ns());
}

/* Whether the sender may visit; the key that it has shown is copied.  The handshake
 * asked already, but the list may have changed since. */
static bool may_visit(struct shell *shell, struct delivery *delivery,
                      char ret_key[KEY_TEXT_BYTES])
{
    ret_key[0] = '\0';
    if (!shell->config->join)
        return true;
    const char *key = curve_sender(delivery);
    if (!key || !members_find(&shell->members, key))
        return false;
    strcpy(ret_key, key);
    return true;
}

static struct visitor *visitor_of(struct shell *shell, struct delivery *delivery)
{
    const struct identity *identity = &delivery->from;
    uint64_t hash = identity_hash(identity);
    struct visitor *visitor = map_get(&shell->by_ident, hash);
    if (!visitor) {
        if (shell->visitors.count >= LIMIT_PEERS ||
            !(visitor = malloc(sizeof *visitor)))
            return NULL;
        *visitor =
            (struct visitor){.peer = {++shell->last_visitor}, .identity = *identity};
        if (!may_visit(shell, delivery, visitor->key) ||
            map_put(&shell->by_ident, hash, visitor) < 0 ||
            map_put(&shell->visitors, visitor->peer.number, visitor) < 0) {
            map_remove(&shell->by_ident, hash);
            free(visitor);
            return NULL;
        }
    }
    visitor->fd = delivery->fd;
    visitor->seen_ns = clock_monotonic_ns();
    return visitor;
}

static void visitor_destroy(struct shell *shell, struct visitor *visitor)
{
    map_remove(&shell->by_ident, identity_hash(&visitor->identity));
    map_remove(&shell->visitors, visitor->peer.number);
    free(visitor);
}

static void visitor_forget(struct shell *shell, struct visitor *visitor)
{
    struct peer_id peer = visitor->peer;
    visitor_destroy(shell, visitor);
    worker_core_peer_gone(shell->core, peer, clock_monotonic_ns());
}

static void data_ready(void *context)
{
    struct shell *shell = context;
    struct delivery delivery;
    for (int i = 0; i < RECEIVE_MAX && !worker_core_is_full(shell->core); i++) {
        int rc = link_receive(shell->data, &delivery);
        if (rc > 0 || rc == DUSK_E_IO)
            return;
        struct visitor *visitor = NULL;
        bool fine = false;
        if (rc == 0 && (visitor = visitor_of(shell, &delivery)))
            fine = deliver(shell, visitor->peer, &delivery);
        if (rc == 0)
            delivery_fini(&delivery);
        if (!visitor)
            log_warning(shell->log, "a visitor's message cannot be taken",
                        log_text("error", rc < 0 ? err_sentence(rc)
                                                 : "no right to visit, or no room"));
        /* Who gets no answer must not wait for it. */
        if (!fine)
            link_hangup(shell->data, &delivery.from, delivery.fd);
        if (visitor && !fine)
            visitor_forget(shell, visitor);
    }
}

void peers_admit(struct shell *shell, struct members *members)
{
    members_fini(&shell->members);
    shell->members = *members;
    *members = (struct members){0};
    size_t position = 0;
    struct visitor *visitor;
    while ((visitor = map_next(&shell->visitors, &position))) {
        if (!shell->config->join || members_find(&shell->members, visitor->key))
            continue;
        log_warning(shell->log, "a visitor's key was revoked",
                    log_integer("peer", visitor->peer.number));
        link_hangup(shell->data, &visitor->identity, visitor->fd);
        visitor_forget(shell, visitor);
        position = 0;
    }
}

/* ---- connections ---- */

static void retry_stuck(struct shell *shell)
{
    shell->retry_at_ns = 0;
    LIST_FOREACH (link, &shell->stuck) {
        list_remove(link);
        outbox_retry(worker_core_outbox(shell->core),
                     CONTAINER_OF(link, struct outbox_lane, link));
    }
}

static bool is_loss(const struct dialed *dialed, int event)
{
    if (event == ZMQ_EVENT_DISCONNECTED)
        return true;
    return !dialed->lasting && (event == ZMQ_EVENT_CLOSED ||
                                event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL ||
                                event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL ||
                                event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
}

/* Says what is wrong with a connection.  Without the scheduler there is no work: keys
 * that do not fit there end the worker. */
static void explain(const struct dialed *dialed, const struct link_event *event)
{
    struct shell *shell = dialed->shell;
    struct err_text text;
    struct curve_record other = {0};
    if (curve_explain(event, shell->config->join,
                      dialed->lasting ? &shell->record : &other,
                      dialed->lasting ? "scheduler" : "worker", &text) < 0) {
        if (dialed->lasting)
            worker_core_fail(shell->core, text.line, clock_monotonic_ns());
        else
            log_warning(shell->log, text.line);
    } else if (link_event_sentence(event)) {
        log_warning(shell->log, link_event_sentence(event),
                    log_text("address", event->address));
    }
}

static void monitor_ready(void *context)
{
    struct dialed *dialed = context;
    struct shell *shell = dialed->shell;
    struct link_event event;
    while (link_next_event(dialed->monitor, &event)) {
        explain(dialed, &event);
        if (event.event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
            dialed->connected = true;
            worker_core_connected(shell->core, dialed->peer, clock_monotonic_ns());
            retry_stuck(shell);
        } else if (is_loss(dialed, event.event)) {
            dialed->connected = false;
            worker_core_peer_gone(shell->core, dialed->peer, clock_monotonic_ns());
        }
    }
}

static void data_monitor_ready(void *context)
{
    struct shell *shell = context;
    struct link_event event;
    while (link_next_event(shell->data_monitor, &event)) {
        const char *sentence = link_event_sentence(&event);
        if (sentence)
            log_warning(shell->log, sentence, log_text("address", event.address));
    }
}

static void zap_ready(void *context)
{
    struct shell *shell = context;
    struct zap_refusal refusal;
    int rc;
    while ((rc = zap_answer(&shell->zap, &refusal)) <= 0)
        if (rc < 0)
            log_warning(shell->log, "somebody whose key is not in the allow-list",
                        log_text("address", refusal.address),
                        log_text("key", refusal.key));
}

static void dialed_destroy(struct shell *shell, struct dialed *dialed)
{
    map_remove(&shell->dialed, dialed->peer.number);
    if (dialed->monitor) {
        loop_remove(&shell->loop, dialed->monitor, -1);
        zmq_socket_monitor(dialed->socket, NULL, 0);
        zmq_close(dialed->monitor);
    }
    if (dialed->socket) {
        loop_remove(&shell->loop, dialed->socket, -1);
        zmq_close(dialed->socket);
    }
    free(dialed);
}

static int dialed_open(struct shell *shell, struct dialed *dialed, const char *address,
                       struct err_text *text)
{
    const struct join *join = shell->config->join;
    int rc = link_socket(shell->context, ZMQ_DEALER, &dialed->socket, text);
    if (rc == 0 && join)
        rc = curve_connect(dialed->socket, join, address, text);
    if (rc == 0)
        rc = link_monitor(shell->context, dialed->socket, &dialed->monitor, text);
    int never = -1;
    if (rc == 0 && !dialed->lasting)
        zmq_setsockopt(dialed->socket, ZMQ_RECONNECT_IVL, &never, sizeof never);
    if (rc == 0)
        rc = loop_add(&shell->loop, dialed->socket, -1, dialed_ready, dialed);
    if (rc == 0)
        rc = loop_add_monitor(&shell->loop, dialed->monitor, monitor_ready, dialed);
    if (rc == 0)
        rc = link_connect(dialed->socket, address, text);
    return rc;
}

void peers_dial(struct shell *shell, struct peer_id peer, const char *address)
{
    struct err_text text = {"no memory for a connection"};
    struct dialed *dialed = calloc(1, sizeof *dialed);
    int rc = dialed ? map_put(&shell->dialed, peer.number, dialed) : DUSK_E_NOMEM;
    if (rc == 0) {
        dialed->shell = shell;
        dialed->peer = peer;
        dialed->lasting = strcmp(address, shell->config->core.scheduler) == 0;
        rc = dialed_open(shell, dialed, address, &text);
        if (rc < 0)
            dialed_destroy(shell, dialed);
    } else {
        free(dialed);
    }
    if (rc == 0)
        return;
    log_warning(shell->log, text.line);
    worker_core_peer_gone(shell->core, peer, clock_monotonic_ns());
}

/* ---- sending ---- */

/* Sends one lane; what cannot be sent now waits for a connection or for a moment. */
static void lane_send(struct shell *shell, struct outbox_lane *lane)
{
    struct peer_id peer = lane->peer;
    const struct dialed *dialed = map_get(&shell->dialed, peer.number);
    struct visitor *visitor = dialed ? NULL : map_get(&shell->visitors, peer.number);
    int rc = DUSK_E_CLOSED;
    if (dialed)
        rc = link_send(dialed->socket, NULL, &lane->batch);
    else if (visitor)
        rc = link_send(shell->data, &visitor->identity, &lane->batch);
    if (rc > 0) {
        list_append(&shell->stuck, &lane->link);
        if (dialed && !dialed->connected)
            return;
        if (!shell->retry_at_ns)
            shell->retry_at_ns = clock_monotonic_ns() + RETRY_NS;
    } else if (rc < 0 && visitor) {
        link_hangup(shell->data, &visitor->identity, visitor->fd);
        visitor_forget(shell, visitor);
    } else if (rc < 0) {
        worker_core_peer_gone(shell->core, peer, clock_monotonic_ns());
    } else {
        worker_core_sent(shell->core, peer, clock_monotonic_ns());
    }
}

void peers_flush(struct shell *shell)
{
    struct outbox_lane *lane;
    while ((lane = outbox_next(worker_core_outbox(shell->core))))
        lane_send(shell, lane);
}

/* ---- opening and closing ---- */

/* The authenticator first: it must be there when the socket begins to listen. */
static int open_keys(struct shell *shell, struct err_text *text)
{
    int rc = zap_open(&shell->zap, shell->context, &shell->members, text);
    if (rc == 0)
        rc = loop_add(&shell->loop, shell->zap.socket, -1, zap_ready, shell);
    if (rc == 0)
        rc = curve_listen(shell->data, &shell->config->join->pair, text);
    return rc;
}

int peers_open(struct shell *shell, struct err_text *text)
{
    shell->context = zmq_ctx_new();
    if (!shell->context)
        return err_set(text, DUSK_E_NOMEM, "no ZeroMQ context: %s",
                       zmq_strerror(errno));
    int rc = link_socket(shell->context, ZMQ_ROUTER, &shell->data, text);
    int queue = DATA_QUEUE;
    if (rc == 0)
        zmq_setsockopt(shell->data, ZMQ_RCVHWM, &queue, sizeof queue);
    if (rc == 0 && shell->config->join)
        rc = open_keys(shell, text);
    if (rc == 0)
        rc = link_bind(shell->data, shell->config->host, 0, shell->address,
                       sizeof shell->address, text);
    if (rc == 0)
        rc = link_monitor(shell->context, shell->data, &shell->data_monitor, text);
    if (rc == 0)
        rc = loop_add_monitor(&shell->loop, shell->data_monitor, data_monitor_ready,
                              shell);
    if (rc == 0)
        rc = loop_add(&shell->loop, shell->data, -1, data_ready, shell);
    return rc;
}

void peers_close(struct shell *shell)
{
    size_t position = 0;
    struct dialed *dialed;
    while ((dialed = map_next(&shell->dialed, &position))) {
        dialed_destroy(shell, dialed);
        position = 0;
    }
    struct visitor *visitor;
    position = 0;
    while ((visitor = map_next(&shell->visitors, &position)))
        free(visitor);
    map_fini(&shell->dialed);
    map_fini(&shell->visitors);
    map_fini(&shell->by_ident);
    link_close_listener(shell->data, shell->data_monitor);
    zap_close(&shell->zap);
    members_fini(&shell->members);
    link_context_end(shell->context);
}

static void sweep_visitors(struct shell *shell, uint64_t now)
{
    if (now < shell->sweep_at_ns)
        return;
    shell->sweep_at_ns = now + PEER_IDLE_NS;
    size_t position = 0;
    struct visitor *visitor;
    while ((visitor = map_next(&shell->visitors, &position)))
        if (now > visitor->seen_ns + PEER_IDLE_NS) {
            visitor_forget(shell, visitor);
            position = 0;
        }
}

void peers_listen(struct shell *shell)
{
    if (worker_core_is_full(shell->core))
        loop_pause(&shell->loop, shell->data);
    else
        loop_resume(&shell->loop, shell->data, data_ready);
}

void peers_tick(struct shell *shell, uint64_t now_ns)
{
    if (shell->retry_at_ns)
        retry_stuck(shell);
    sweep_visitors(shell, now_ns);
}

void peers_hangup(struct shell *shell, struct peer_id peer)
{
    struct dialed *dialed = map_get(&shell->dialed, peer.number);
    struct visitor *visitor = map_get(&shell->visitors, peer.number);
    if (dialed)
        dialed_destroy(shell, dialed);
    if (visitor)
        visitor_destroy(shell, visitor);
}
