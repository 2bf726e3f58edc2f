#include "tests/unit/daemon.h"

#include "common/clock.h"
#include "tests/test.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_NS (20 * NS_PER_S)
#define ARGUMENTS_MAX 24
/* A worker takes five for a silence; on a busy machine neither side may run for long.
 */
#define HEARTBEAT_MS 1000

void daemon_start(struct daemon_play *play)
{
    memset(play, 0, sizeof *play);
    struct err_text text;
    play->context = zmq_ctx_new();
    ck_assert_int_eq(link_socket(play->context, ZMQ_ROUTER, &play->router, &text), 0);
    ck_assert_int_eq(link_bind(play->router, "127.0.0.1", 0, play->address,
                               sizeof play->address, &text),
                     0);
    batch_init(&play->out);
}

static void forget_delivery(struct daemon_play *play)
{
    if (play->has_delivery)
        delivery_fini(&play->delivery);
    play->has_delivery = false;
}

void daemon_stop(struct daemon_play *play)
{
    for (int i = 0; i < play->pid_count; i++)
        if (play->pids[i]) {
            kill(play->pids[i], SIGINT);
            daemon_wait(play, play->pids[i]);
        }
    forget_delivery(play);
    batch_fini(&play->out);
    zmq_close(play->router);
    zmq_ctx_term(play->context);
}

void daemon_leave(struct daemon_play *play)
{
    forget_delivery(play);
    zmq_close(play->router);
    play->router = NULL;
    play->peer_count = 0;
    memset(play->peers, 0, sizeof play->peers);
}

void daemon_return(struct daemon_play *play)
{
    struct err_text text;
    ck_assert_int_eq(link_socket(play->context, ZMQ_ROUTER, &play->router, &text), 0);
    uint64_t until_ns = clock_monotonic_ns() + PATIENCE_NS;
    /* The old socket is closed in the background. */
    while (zmq_bind(play->router, play->address) < 0) {
        ck_assert_msg(clock_monotonic_ns() < until_ns, "%s stays taken", play->address);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

void daemon_restart(struct daemon_play *play)
{
    daemon_leave(play);
    daemon_return(play);
}

pid_t daemon_worker(struct daemon_play *play, const char *const *arguments)
{
    const char *argv[ARGUMENTS_MAX] = {getenv("DUSK_WORKER"), play->address,
                                       "--log-level", "error"};
    ck_assert_ptr_nonnull(argv[0]);
    int count = 4;
    for (; *arguments && count < ARGUMENTS_MAX - 1; arguments++)
        argv[count++] = *arguments;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(argv[0], (char **)argv);
        _exit(127);
    }
    play->pids[play->pid_count++] = pid;
    return pid;
}

static int peer_of(const struct daemon_play *play, const struct identity *from)
{
    for (int i = 0; i < play->peer_count; i++)
        if (identity_hash(&play->peers[i].identity) == identity_hash(from))
            return i;
    return -1;
}

/* A worker says hello: for the first time, or again under its address. */
static void greet(struct daemon_play *play, const struct msg_hello *hello)
{
    ck_assert_uint_eq(hello->magic, PROTOCOL_MAGIC);
    int at = 0;
    while (at < play->peer_count &&
           (strlen(play->peers[at].address) != hello->address.size ||
            memcmp(play->peers[at].address, hello->address.text, hello->address.size) !=
                0))
        at++;
    if (at == play->peer_count)
        play->peer_count++;
    ck_assert_int_lt(at, DAEMON_WORKERS);
    struct daemon_peer *peer = &play->peers[at];
    /* What it was sent before may be lost: to wait for the answer would be for ever. */
    ck_assert_msg(peer->epoch != hello->epoch,
                  "the worker heard nothing for long, and has connected anew");
    peer->identity = play->delivery.from;
    peer->epoch = hello->epoch;
    memcpy(peer->address, hello->address.text, hello->address.size);
    peer->address[hello->address.size] = '\0';
    daemon_send(play, at,
                MESSAGE(welcome, .epoch = 77, .number = (uint64_t)at + 1,
                        .heartbeat_ms = HEARTBEAT_MS));
}

static void receive(struct daemon_play *play, uint64_t until_ns)
{
    forget_delivery(play);
    while (link_receive(play->router, &play->delivery) != 0) {
        ck_assert_msg(clock_monotonic_ns() < until_ns, "the worker keeps silent");
        zmq_poll(&(zmq_pollitem_t){.socket = play->router, .events = ZMQ_POLLIN}, 1,
                 100);
    }
    play->has_delivery = true;
}

const struct message *daemon_expect(struct daemon_play *play, enum message_type type)
{
    uint64_t until_ns = clock_monotonic_ns() + PATIENCE_NS;
    struct err_text text;
    for (;;) {
        int rc = 1;
        if (play->has_delivery)
            rc = batch_reader_next(&play->delivery.reader, &play->message, &text);
        ck_assert_msg(rc >= 0, "%s", text.line);
        if (rc > 0) {
            receive(play, until_ns);
            continue;
        }
        ck_assert_msg(clock_monotonic_ns() < until_ns, "no %s comes",
                      message_name(type));
        if (play->message.type == MSG_hello)
            greet(play, &play->message.hello);
        play->from = peer_of(play, &play->delivery.from);
        if (play->message.type == MSG_heartbeat)
            daemon_send(play, play->from, MESSAGE(alive, .epoch = 77));
        if (play->message.type == type)
            return &play->message;
    }
}

void daemon_send(struct daemon_play *play, int peer, const struct message *message)
{
    ck_assert_int_eq(batch_add(&play->out, message), 0);
    uint64_t until_ns = clock_monotonic_ns() + PATIENCE_NS;
    int rc;
    while ((rc = link_send(play->router, &play->peers[peer].identity, &play->out)) >
           0) {
        ck_assert_msg(clock_monotonic_ns() < until_ns, "the queue stays full");
        poll(NULL, 0, 1);
    }
    ck_assert_int_eq(rc, 0);
}

int daemon_wait(struct daemon_play *play, pid_t pid)
{
    uint64_t until_ns = clock_monotonic_ns() + PATIENCE_NS;
    int status;
    pid_t found;
    while ((found = waitpid(pid, &status, WNOHANG)) == 0) {
        if (clock_monotonic_ns() > until_ns) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            ck_abort_msg("worker %d does not end", (int)pid);
        }
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    ck_assert_int_eq(found, pid);
    for (int i = 0; i < play->pid_count; i++)
        if (play->pids[i] == pid)
            play->pids[i] = 0;
    return status;
}
