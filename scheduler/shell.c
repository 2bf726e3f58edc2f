#include "scheduler/shell.h"

#include "common/clock.h"
#include "common/loop.h"
#include "common/resident.h"
#include "proto/curve.h"
#include "proto/limits.h"
#include "proto/zap.h"
#include "scheduler/peers.h"
#include "scheduler/persist.h"
#include "scheduler/strangers.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is read before what it caused is sent: so many batches, and none after this
 * time, since one client's submits may keep a turn busy while workers idle. */
#define BATCHES_A_TURN 256
#define READING_NS (10 * NS_PER_MS)
/* How soon a full connection is tried again without a sign that there is room. */
#define RETRY_NS (5 * NS_PER_MS)
/* Events with their own share of the log. */
#define LOG_SITES 64

struct shell {
    const struct shell_options *options;
    struct log *log;
    struct loop loop;
    void *context, *router, *monitor;
    struct zap zap;
    char address[128];
    struct scheduler *scheduler;
    struct journal *journal; /* or NULL */
    struct peers peers;
    struct strangers strangers;
    struct log_site sites[LOG_SITES];
    bool blocked; /* a connection was full */
    bool more;    /* what did not fit into one message is to be sent at once */
    bool stopping;
    struct err_text *text;
    int failure;
};

/* ---- the log ---- */

static void write_note(struct shell *shell, const struct note *note)
{
    struct log_field fields[NOTE_FIELDS + 1] = {0};
    for (unsigned i = 0; i < note->field_count; i++)
        fields[i] = log_text(note->fields[i].key, note->fields[i].text);
    static const enum log_level levels[] = {LOG_DEBUG, LOG_INFO, LOG_WARNING,
                                            LOG_ERROR};
    if (levels[note->level] >= shell->log->level)
        log_write(shell->log, levels[note->level],
                  &shell->sites[(uintptr_t)note->event / 8 % LOG_SITES], note->event,
                  fields);
}

/* After every event: its records and notes, and on request the invariants. */
static void after_event(struct shell *shell)
{
    if (shell->journal)
        persist_records(shell->journal, shell->scheduler, shell->log);
    struct note note;
    while (scheduler_next_note(shell->scheduler, &note))
        write_note(shell, &note);
    if (shell->options->check && shell->failure == 0)
        shell->failure = scheduler_check(shell->scheduler, shell->text);
}

/* ---- receiving ---- */

static void handle_batch(struct shell *shell, struct peer_link *peer,
                         struct batch_reader *reader)
{
    struct message message;
    struct err_text text;
    int rc;
    while (!peer->deaf && (rc = batch_reader_next(reader, &message, &text)) <= 0) {
        uint64_t now_ns = clock_monotonic_ns();
        if (rc == 0 && message.type == MSG_status_request)
            scheduler_set_usage(shell->scheduler, resident_bytes(), clock_cpu_ns());
        if (rc == 0)
            scheduler_message(shell->scheduler, peer->id, &message, now_ns);
        else
            scheduler_peer_broken(shell->scheduler, peer->id, text.line, now_ns);
        after_event(shell);
        if (rc < 0)
            return;
    }
}

/* The peer is listened to no more. */
static void peer_close(struct shell *shell, struct peer_id id)
{
    struct peer_link *peer = peers_by_id(&shell->peers, id);
    outbox_forget(scheduler_outbox(shell->scheduler), id);
    if (!peer || peer->deaf)
        return;
    peer->deaf = true;
    if (!link_hangup(shell->router, &peer->identity, peer->fd))
        peers_suspect_one(&shell->peers, peer, clock_monotonic_ns());
}

static void close_peers(struct shell *shell)
{
    struct peer_id closed;
    while (scheduler_next_closed(shell->scheduler, &closed))
        peer_close(shell, closed);
}

/* Who cannot be taken in finds out at once, and comes again. */
static void turn_away(struct shell *shell, const struct delivery *delivery)
{
    log_warning(shell->log, "no room for another peer",
                log_integer("peers", shell->peers.by_id.count));
    link_hangup(shell->router, &delivery->from, delivery->fd);
}

/* Before its first message the core is told who a peer is.  False: nobody. */
static bool peer_admit(struct shell *shell, struct peer_link *peer,
                       struct delivery *delivery)
{
    if (!shell->options->keys || peer->admitted)
        return true;
    int rc = scheduler_peer_is(shell->scheduler, peer->id, curve_sender(delivery));
    peer->admitted = rc == 0;
    if (rc < 0) {
        scheduler_peer_broken(shell->scheduler, peer->id, err_sentence(rc),
                              clock_monotonic_ns());
        after_event(shell);
    }
    return rc == 0;
}

static bool receive_one(struct shell *shell)
{
    struct delivery delivery;
    int rc = link_receive(shell->router, &delivery);
    if (rc > 0 || rc == DUSK_E_IO)
        return false;
    struct peer_link *peer = NULL;
    if (delivery.from.size)
        peer =
            peers_get(&shell->peers, &delivery.from, delivery.fd, clock_monotonic_ns());
    if (!peer)
        turn_away(shell, &delivery);
    if (rc == 0 && peer) {
        if (peer_admit(shell, peer, &delivery))
            handle_batch(shell, peer, &delivery.reader);
    } else if (peer && !peer->deaf) {
        scheduler_peer_broken(shell->scheduler, peer->id,
                              rc == DUSK_E_NOMEM ? "no memory for its message"
                                                 : "its message has no shape of dusk's",
                              clock_monotonic_ns());
        after_event(shell);
    }
    if (rc == 0)
        delivery_fini(&delivery);
    close_peers(shell);
    return true;
}

static void on_router(void *context)
{
    struct shell *shell = context;
    uint64_t start_ns = clock_monotonic_ns();
    scheduler_set_clock(shell->scheduler, clock_unix_ns(), start_ns);
    for (int i = 0; i < BATCHES_A_TURN && shell->failure == 0; i++)
        if (!receive_one(shell) || clock_monotonic_ns() - start_ns > READING_NS)
            return;
}

/* ---- sending ---- */

/* Nothing can be sent to it: where that is not for want of a connection, the peer
 * finds out at once. */
static void peer_gone(struct shell *shell, struct peer_id id)
{
    struct peer_link *peer = peers_by_id(&shell->peers, id);
    outbox_forget(scheduler_outbox(shell->scheduler), id);
    if (peer) {
        link_hangup(shell->router, &peer->identity, peer->fd);
        peers_forget(&shell->peers, peer);
    }
    scheduler_peer_gone(shell->scheduler, id, clock_monotonic_ns());
    after_event(shell);
}

/* One message a peer: what did not fit, or could not be sent, waits for a later
 * turn. */
static void send_all(struct shell *shell)
{
    struct outbox *outbox = scheduler_outbox(shell->scheduler);
    struct list later;
    list_init(&later);
    shell->blocked = shell->more = false;
    struct outbox_lane *lane;
    while ((lane = outbox_next(outbox))) {
        const struct peer_link *peer = peers_by_id(&shell->peers, lane->peer);
        int rc = peer ? link_send(shell->router, &peer->identity, &lane->batch)
                      : DUSK_E_CLOSED;
        bool more = rc == 0 && outbox_more(lane);
        if (rc > 0 || more)
            list_append(&later, &lane->link);
        else if (rc < 0)
            peer_gone(shell, lane->peer);
        shell->blocked |= rc > 0;
        shell->more |= more;
    }
    LIST_FOREACH (link, &later) {
        list_remove(link);
        outbox_retry(outbox, CONTAINER_OF(link, struct outbox_lane, link));
    }
}

/* ---- connections ---- */

static void probe_suspects(struct shell *shell)
{
    uint64_t now_ns = clock_monotonic_ns();
    struct peer_link *peer;
    while ((peer = peers_next_suspect(&shell->peers, now_ns)))
        if (!link_is_connected(shell->router, &peer->identity))
            peer_gone(shell, peer->id);
}

/* The oldest stranger has become a peer meanwhile, or must go. */
static void judge_stranger(struct shell *shell)
{
    int fd = strangers_take(&shell->strangers);
    const struct peer_link *peer = peers_by_fd(&shell->peers, fd);
    if (peer && scheduler_knows(shell->scheduler, peer->id))
        return;
    log_warning(shell->log, "a connection is closed: it has not registered",
                log_integer("strangers", shell->strangers.count));
    shutdown(fd, SHUT_RDWR);
}

static void on_monitor(void *context)
{
    struct shell *shell = context;
    struct link_event event;
    while (link_next_event(shell->monitor, &event)) {
        if (event.event == ZMQ_EVENT_ACCEPTED) {
            if (strangers_are_full(&shell->strangers))
                judge_stranger(shell);
            strangers_add(&shell->strangers, event.fd, clock_monotonic_ns());
        }
        if (event.event == ZMQ_EVENT_DISCONNECTED)
            strangers_remove(&shell->strangers, event.fd);
        const char *sentence = link_event_sentence(&event);
        if (sentence)
            log_warning(shell->log, sentence, log_text("address", event.address));
        if (event.event == ZMQ_EVENT_DISCONNECTED)
            peers_suspect(&shell->peers, event.fd, clock_monotonic_ns());
    }
}

static void on_zap(void *context)
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

/* The allow-list from its file; after an error the former one holds. */
static int read_members(struct shell *shell, struct err_text *text)
{
    struct members members;
    int rc = keys_read_members(shell->options->keys, &members, text);
    if (rc < 0)
        return rc;
    size_t count = members.count;
    rc = scheduler_set_members(shell->scheduler, &members, clock_monotonic_ns());
    members_fini(&members);
    if (rc < 0)
        return err_set(text, rc, "no memory for the allow-list");
    log_info(shell->log, "read the allow-list", log_text("keys", shell->options->keys),
             log_integer("members", (int64_t)count));
    after_event(shell);
    return 0;
}

static void read_members_again(struct shell *shell)
{
    struct err_text text;
    if (read_members(shell, &text) < 0)
        log_error(shell->log, "the former allow-list stays",
                  log_text("because", text.line));
    close_peers(shell);
}

static void on_signal(void *context)
{
    struct shell *shell = context;
    int number;
    while ((number = loop_next_signal(&shell->loop))) {
        if (number == SIGHUP) {
            read_members_again(shell);
            continue;
        }
        log_info(shell->log, "stopping", log_text("signal", sigabbrev_np(number)));
        shell->stopping = true;
    }
}

/* ---- life ---- */

static uint64_t turn_timeout(const struct shell *shell)
{
    uint64_t deadline = scheduler_next_deadline(shell->scheduler);
    uint64_t probe_ns = peers_next_probe_ns(&shell->peers);
    uint64_t now_ns = clock_monotonic_ns();
    if (probe_ns < deadline)
        deadline = probe_ns;
    uint64_t timeout = deadline > now_ns ? deadline - now_ns : 0;
    if (shell->more)
        return 0;
    return shell->blocked && timeout > RETRY_NS ? RETRY_NS : timeout;
}

static int serve(struct shell *shell)
{
    while (!shell->stopping && shell->failure == 0 &&
           !scheduler_has_ended(shell->scheduler)) {
        if (loop_turn(&shell->loop, turn_timeout(shell)) < 0)
            return err_set(shell->text, DUSK_E_IO, "cannot wait for messages");
        uint64_t now_ns = clock_monotonic_ns();
        if (scheduler_next_deadline(shell->scheduler) <= now_ns) {
            scheduler_tick(shell->scheduler, now_ns);
            after_event(shell);
            close_peers(shell);
        }
        while (strangers_deadline(&shell->strangers) <= now_ns)
            judge_stranger(shell);
        probe_suspects(shell);
        send_all(shell);
    }
    scheduler_stop(shell->scheduler, "the scheduler stops");
    send_all(shell);
    return shell->failure;
}

static int tell_ready(struct shell *shell)
{
    int fd = shell->options->ready_fd;
    if (fd < 0)
        return 0;
    char line[160];
    int size = snprintf(line, sizeof line, "ready %s\n", shell->address);
    ssize_t written = write(fd, line, (size_t)size);
    close(fd);
    if (written != size)
        return err_set(shell->text, DUSK_E_INVALID,
                       "--ready-fd: nothing can be written to descriptor %d", fd);
    return 0;
}

/* The authenticator first: it must be there when the socket begins to listen. */
static int start_keys(struct shell *shell)
{
    struct key_pair pair;
    int rc = keys_read_scheduler(shell->options->keys, &pair, shell->text);
    if (rc == 0)
        rc = read_members(shell, shell->text);
    if (rc == 0)
        rc = zap_open(&shell->zap, shell->context, scheduler_members(shell->scheduler),
                      shell->text);
    if (rc == 0)
        rc = loop_add(&shell->loop, shell->zap.socket, -1, on_zap, shell);
    if (rc == 0)
        rc = curve_listen(shell->router, &pair, shell->text);
    return rc;
}

static int start(struct shell *shell)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    if (shell->options->keys)
        sigaddset(&signals, SIGHUP);
    int rc = loop_signals(&shell->loop, &signals, on_signal, shell);
    if (rc < 0)
        return err_set(shell->text, rc, "cannot receive signals");
    if (!(shell->context = zmq_ctx_new()))
        return err_set(shell->text, DUSK_E_NOMEM, "ZeroMQ cannot start");
    zmq_ctx_set(shell->context, ZMQ_MAX_SOCKETS, 64);
    rc = scheduler_create(&shell->options->config, clock_monotonic_ns(),
                          &shell->scheduler);
    if (rc < 0)
        return err_set(shell->text, rc, "no memory for a scheduler");
    rc = link_socket(shell->context, ZMQ_ROUTER, &shell->router, shell->text);
    if (rc == 0 && shell->options->keys)
        rc = start_keys(shell);
    if (rc == 0)
        rc = link_limit_frames(shell->router, LIMIT_TASK_FRAME_BYTES, shell->text);
    if (rc == 0)
        rc = link_monitor(shell->context, shell->router, &shell->monitor, shell->text);
    if (rc == 0)
        rc = link_bind(shell->router, shell->options->host, shell->options->port,
                       shell->address, sizeof shell->address, shell->text);
    if (rc == 0)
        rc = loop_add(&shell->loop, shell->router, -1, on_router, shell);
    if (rc == 0)
        rc = loop_add_monitor(&shell->loop, shell->monitor, on_monitor, shell);
    if (rc == 0 && shell->options->journal)
        rc = persist_open(shell->options->journal, shell->scheduler, shell->log,
                          shell->text, &shell->journal);
    if (rc == 0)
        after_event(shell);
    return rc < 0 ? rc : tell_ready(shell);
}

static void stop(struct shell *shell)
{
    journal_close(shell->journal);
    peers_fini(&shell->peers);
    link_close_listener(shell->router, shell->monitor);
    zap_close(&shell->zap);
    link_context_end(shell->context);
    scheduler_destroy(shell->scheduler);
    loop_fini(&shell->loop);
}

int shell_run(const struct shell_options *options, struct log *log,
              struct err_text *text)
{
    struct shell *shell = calloc(1, sizeof *shell);
    if (!shell)
        return err_set(text, DUSK_E_NOMEM, "out of memory");
    shell->options = options;
    shell->log = log;
    shell->text = text;
    loop_init(&shell->loop);
    peers_init(&shell->peers);
    int rc = start(shell);
    if (rc == 0) {
        log_info(log, "listening", log_text("address", shell->address),
                 log_integer("pid", getpid()));
        rc = serve(shell);
        log_info(log, "stopped");
    }
    stop(shell);
    free(shell);
    return rc;
}
