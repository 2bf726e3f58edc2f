#include "worker/shell.h"

#include "common/clock.h"
#include "common/loop.h"
#include "proto/limits.h"
#include "proto/link.h"
#include "worker/executor.h"
#include "worker/files.h"
#include "worker/resident.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define RECEIVE_MAX 256 /* messages of one socket in one turn */
#define RETRY_NS (5 * NS_PER_MS)
#define GRACE_NS NS_PER_S
#define PEER_IDLE_NS (300 * NS_PER_S)
#define FLUSH_NS NS_PER_S

/* A connection that the core asked for: a DEALER of its own. */
struct dialed {
    struct shell *shell;
    struct peer_id peer;
    void *socket;
    void *monitor;
    bool connected;
    bool lasting; /* to the scheduler: ZeroMQ connects again by itself */
};

/* Somebody who connected to the data socket. */
struct visitor {
    struct peer_id peer;
    struct identity identity;
    uint64_t seen_ns;
};

struct shell {
    const struct shell_config *config;
    const struct registry *registry;
    struct log *log;
    struct loop loop;
    void *context;
    void *data;
    void *data_monitor;
    char address[300];
    struct worker_core *core;
    struct executor *executor;
    struct files *files;
    struct map dialed;   /* by peer number */
    struct map visitors; /* by peer number */
    struct map by_ident; /* visitors by identity */
    uint32_t last_visitor;
    uint64_t retry_at_ns; /* lanes wait for a full queue; 0: none */
    uint64_t resident_at_ns;
    uint64_t sweep_at_ns;
    struct list stuck; /* lanes that could not be sent */
    bool told_ready;
    bool retiring;
    bool ended;
    int status;
};

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

static struct visitor *visitor_of(struct shell *shell, const struct identity *identity)
{
    uint64_t hash = identity_hash(identity);
    struct visitor *visitor = map_get(&shell->by_ident, hash);
    if (!visitor) {
        if (shell->visitors.count >= LIMIT_PEERS ||
            !(visitor = malloc(sizeof *visitor)))
            return NULL;
        *visitor =
            (struct visitor){.peer = {++shell->last_visitor}, .identity = *identity};
        if (map_put(&shell->by_ident, hash, visitor) < 0 ||
            map_put(&shell->visitors, visitor->peer.number, visitor) < 0) {
            map_remove(&shell->by_ident, hash);
            free(visitor);
            return NULL;
        }
    }
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
    for (int i = 0; i < RECEIVE_MAX; i++) {
        int rc = link_receive(shell->data, &delivery);
        if (rc == DUSK_E_PROTOCOL) {
            log_warning(shell->log,
                        "a peer sent the data socket what dusk does not know");
            continue;
        }
        if (rc != 0)
            return;
        struct visitor *visitor = visitor_of(shell, &delivery.from);
        bool fine = visitor && deliver(shell, visitor->peer, &delivery);
        delivery_fini(&delivery);
        if (visitor && !fine)
            visitor_forget(shell, visitor);
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

static void monitor_ready(void *context)
{
    struct dialed *dialed = context;
    struct shell *shell = dialed->shell;
    struct link_event event;
    while (link_next_event(dialed->monitor, &event)) {
        const char *sentence = link_event_sentence(&event);
        if (sentence)
            log_warning(shell->log, sentence, log_text("address", event.address));
        if (event.event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
            dialed->connected = true;
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

static void socket_close(struct shell *shell, void *socket, void *monitor)
{
    if (monitor) {
        loop_remove(&shell->loop, monitor, -1);
        zmq_socket_monitor(socket, NULL, 0);
        zmq_close(monitor);
    }
    if (socket) {
        loop_remove(&shell->loop, socket, -1);
        zmq_close(socket);
    }
}

static void dialed_destroy(struct shell *shell, struct dialed *dialed)
{
    map_remove(&shell->dialed, dialed->peer.number);
    socket_close(shell, dialed->socket, dialed->monitor);
    free(dialed);
}

static int dialed_open(struct shell *shell, struct dialed *dialed, const char *address,
                       struct err_text *text)
{
    int rc = link_check_address(address, text);
    if (rc == 0)
        rc = link_socket(shell->context, ZMQ_DEALER, &dialed->socket, text);
    if (rc == 0)
        rc = link_monitor(shell->context, dialed->socket, &dialed->monitor, text);
    int never = -1;
    if (rc == 0 && !dialed->lasting)
        zmq_setsockopt(dialed->socket, ZMQ_RECONNECT_IVL, &never, sizeof never);
    if (rc == 0)
        rc = loop_add(&shell->loop, dialed->socket, -1, dialed_ready, dialed);
    if (rc == 0)
        rc = loop_add(&shell->loop, dialed->monitor, -1, monitor_ready, dialed);
    if (rc == 0 && zmq_connect(dialed->socket, address) < 0)
        rc = err_set(text, DUSK_E_UNREACHABLE, "cannot connect to %s: %s", address,
                     zmq_strerror(errno));
    return rc;
}

static void dial(struct shell *shell, struct peer_id peer, const char *address)
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
        if ((!dialed || dialed->connected) && !shell->retry_at_ns)
            shell->retry_at_ns = clock_monotonic_ns() + RETRY_NS;
    } else if (rc < 0 && visitor) {
        visitor_forget(shell, visitor);
    } else if (rc < 0) {
        worker_core_peer_gone(shell->core, peer, clock_monotonic_ns());
    } else {
        worker_core_sent(shell->core, peer, clock_monotonic_ns());
    }
}

static void flush(struct shell *shell)
{
    struct outbox_lane *lane;
    while ((lane = outbox_next(worker_core_outbox(shell->core))))
        lane_send(shell, lane);
}

/* ---- actions ---- */

static void action_note(struct shell *shell, const struct worker_action *action)
{
    const char *line = action->text ? action->text : "";
    switch (action->level) {
    case LOG_DEBUG:
        log_debug(shell->log, line);
        break;
    case LOG_INFO:
        log_info(shell->log, line);
        break;
    case LOG_WARNING:
        log_warning(shell->log, line);
        break;
    default:
        log_error(shell->log, line);
    }
}

static void action_end(struct shell *shell, const struct worker_action *action)
{
    const char *line = action->text ? action->text : "out of memory";
    shell->ended = true;
    shell->status = action->code;
    if (action->code)
        log_error(shell->log, line);
    else
        log_info(shell->log, "ends", log_text("reason", line));
}

static void act(struct shell *shell, const struct worker_action *action)
{
    struct dialed *dialed;
    struct visitor *visitor;
    switch (action->kind) {
    case WORKER_DIAL:
        dial(shell, action->peer, action->text ? action->text : "");
        break;
    case WORKER_HANGUP:
        if ((dialed = map_get(&shell->dialed, action->peer.number)))
            dialed_destroy(shell, dialed);
        if ((visitor = map_get(&shell->visitors, action->peer.number)))
            visitor_destroy(shell, visitor);
        break;
    case WORKER_START:
        executor_start(shell->executor, action->job);
        break;
    case WORKER_CANCEL:
        break;
    case WORKER_ROOM:
        executor_answer(shell->executor, action->job, action->code, action->text);
        break;
    case WORKER_WRITE:
        files_write(shell->files, action->file, action->payload);
        break;
    case WORKER_READ:
        files_read(shell->files, action->file);
        break;
    case WORKER_FORGET:
        files_forget(shell->files, action->file);
        break;
    case WORKER_NOTE:
        action_note(shell, action);
        break;
    case WORKER_END:
        action_end(shell, action);
        break;
    }
}

static void act_all(struct shell *shell)
{
    struct worker_action *action;
    while ((action = worker_core_action(shell->core))) {
        act(shell, action);
        worker_action_destroy(action);
    }
}

/* ---- threads, files, signals ---- */

static void executor_ready(void *context)
{
    struct shell *shell = context;
    struct executor_event event;
    while (executor_next(shell->executor, &event)) {
        uint64_t now = clock_monotonic_ns();
        if (event.kind == EXECUTOR_FINISHED)
            worker_core_finished(shell->core, event.job, now);
        else
            worker_core_room(shell->core, event.job, event.bytes, now);
    }
}

static void files_ready(void *context)
{
    struct shell *shell = context;
    struct files_event event;
    while (files_next(shell->files, &event)) {
        uint64_t now = clock_monotonic_ns();
        if (event.read)
            worker_core_read(shell->core, event.file, event.payload, event.text.line,
                             now);
        else
            worker_core_written(shell->core, event.file, event.code, event.text.line,
                                now);
    }
}

/* The first SIGTERM retires; whatever comes after that ends at once. */
static void signal_ready(void *context)
{
    struct shell *shell = context;
    int number;
    while ((number = loop_next_signal(&shell->loop))) {
        uint64_t now = clock_monotonic_ns();
        if (number == SIGTERM && !shell->retiring)
            worker_core_retire(shell->core, now);
        else
            worker_core_leave(shell->core, strsignal(number), now);
        shell->retiring = true;
    }
}

/* ---- opening and closing ---- */

static int open_sockets(struct shell *shell, struct err_text *text)
{
    shell->context = zmq_ctx_new();
    if (!shell->context)
        return err_set(text, DUSK_E_NOMEM, "no ZeroMQ context: %s",
                       zmq_strerror(errno));
    int rc = link_socket(shell->context, ZMQ_ROUTER, &shell->data, text);
    if (rc == 0)
        rc = link_bind(shell->data, shell->config->host, 0, shell->address,
                       sizeof shell->address, text);
    if (rc == 0)
        rc = link_monitor(shell->context, shell->data, &shell->data_monitor, text);
    if (rc == 0)
        rc = loop_add(&shell->loop, shell->data, -1, data_ready, shell);
    if (rc == 0)
        rc = loop_add(&shell->loop, shell->data_monitor, -1, data_monitor_ready, shell);
    return rc;
}

static int open_threads(struct shell *shell, struct err_text *text)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    int rc = loop_signals(&shell->loop, &signals, signal_ready, shell);
    if (rc < 0)
        return err_set(text, rc, "cannot wait for signals: %s", strerror(errno));
    rc = executor_create(shell->config->core.nthreads, shell->registry,
                         shell->config->page ? shell->config->page->running : NULL,
                         &shell->executor, text);
    if (rc == 0)
        rc = files_create(shell->config->directory, &shell->files, text);
    if (rc == 0)
        rc = loop_add(&shell->loop, NULL, executor_fd(shell->executor), executor_ready,
                      shell);
    if (rc == 0)
        rc = loop_add(&shell->loop, NULL, files_fd(shell->files), files_ready, shell);
    return rc;
}

static int open_core(struct shell *shell, struct err_text *text)
{
    struct worker_config config = shell->config->core;
    char address[sizeof shell->address];
    int rc = resident_reachable(shell->address, config.scheduler, address,
                                sizeof address, text);
    if (rc < 0)
        return rc;
    config.address = address;
    config.directory = shell->config->directory;
    config.pid = (uint64_t)getpid();
    config.overhead = resident_bytes();
    if (getrandom(&config.epoch, sizeof config.epoch, 0) != sizeof config.epoch)
        return err_set(text, DUSK_E_IO, "no random number: %s", strerror(errno));
    if (shell->config->page)
        shell->config->page->epoch = config.epoch;
    shell->core = worker_core_create(&config, clock_monotonic_ns());
    if (!shell->core)
        return err_set(text, DUSK_E_NOMEM, "no memory for the worker");
    memcpy(shell->address, address, sizeof address);
    return 0;
}

static void close_sockets(struct shell *shell)
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
    socket_close(shell, shell->data, shell->data_monitor);
    if (shell->context)
        zmq_ctx_term(shell->context);
}

/* False when a thread still computes: its job and the core stay as they are. */
static bool shell_close(struct shell *shell)
{
    bool stopped = !shell->executor || executor_stop(shell->executor, GRACE_NS);
    files_destroy(shell->files);
    close_sockets(shell);
    loop_fini(&shell->loop);
    if (!stopped)
        return false;
    executor_destroy(shell->executor);
    worker_core_destroy(shell->core);
    return true;
}

/* ---- the loop ---- */

static void tell_ready(struct shell *shell)
{
    if (shell->told_ready || !worker_core_is_registered(shell->core))
        return;
    shell->told_ready = true;
    int fd = shell->config->ready_fd;
    if (fd < 0)
        return;
    if (dprintf(fd, "ready %s\n", shell->address) < 0)
        log_warning(shell->log, "nobody reads --ready-fd");
    close(fd);
}

/* Visitors that have long been quiet are forgotten; they are numbered anew when they
 * come back. */
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

static void housekeeping(struct shell *shell)
{
    uint64_t now = clock_monotonic_ns();
    if (shell->retry_at_ns && now >= shell->retry_at_ns)
        retry_stuck(shell);
    if (now < worker_core_deadline(shell->core))
        return;
    if (now >= shell->resident_at_ns) {
        shell->resident_at_ns = now + NS_PER_S / 2;
        worker_core_resident(shell->core, resident_bytes(), now);
    }
    worker_core_tick(shell->core, now);
    sweep_visitors(shell, now);
}

static uint64_t wait_ns(const struct shell *shell)
{
    uint64_t at = worker_core_deadline(shell->core), now = clock_monotonic_ns();
    if (shell->retry_at_ns && shell->retry_at_ns < at)
        at = shell->retry_at_ns;
    return at > now ? at - now : 0;
}

/* What is sent may lose a peer, which may lead to actions, which lead to messages. */
static void settle(struct shell *shell)
{
    do {
        act_all(shell);
        flush(shell);
    } while (worker_core_has_actions(shell->core));
}

static void shell_loop(struct shell *shell)
{
    settle(shell);
    while (!shell->ended) {
        int rc = loop_turn(&shell->loop, wait_ns(shell));
        if (rc < 0) {
            log_error(shell->log, "cannot wait for messages",
                      log_text("error", strerror(errno)));
            shell->ended = true;
            shell->status = 1;
        }
        housekeeping(shell);
        settle(shell);
        tell_ready(shell);
    }
    flush(shell);
}

int shell_run(const struct shell_config *config, const struct registry *registry,
              struct log *log, bool *ret_clean)
{
    struct shell shell = {.config = config, .registry = registry, .log = log};
    struct err_text text;
    loop_init(&shell.loop);
    map_init(&shell.dialed);
    map_init(&shell.visitors);
    map_init(&shell.by_ident);
    list_init(&shell.stuck);
    shell.sweep_at_ns = clock_monotonic_ns() + PEER_IDLE_NS;
    int rc = open_threads(&shell, &text);
    if (rc == 0)
        rc = open_sockets(&shell, &text);
    if (rc == 0)
        rc = open_core(&shell, &text);
    if (rc == 0) {
        log_debug(log, "listens for data", log_text("address", shell.address));
        shell_loop(&shell);
    } else {
        log_error(log, text.line);
        shell.status = 1;
    }
    *ret_clean = shell_close(&shell);
    return shell.status;
}
