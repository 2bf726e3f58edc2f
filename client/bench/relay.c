#include "client/bench/relay.h"

#include "client/bench/usage.h"
#include "common/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#define MESSAGE_BYTES 64 /* about a submit without arguments */
#define IDENTITY_BYTES 16
#define WINDOW 50000 /* messages under way */
#define ANSWER_MS 10000

struct relay {
    void *context, *socket; /* the client's */
    int process_count;
    pid_t processes[1 + CLUSTER_WORKERS_MAX]; /* the relay, then the workers */
};

/* The relay listens for the client and for the workers. */
struct addresses {
    char front[64], back[64];
};

/* Without a limit of messages, as whatever batches them would have it. */
static void *open_socket(void *context, int type)
{
    void *socket = zmq_socket(context, type);
    int none = 0;
    zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof none);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof none);
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    return socket;
}

/* ---- the worker's process ---- */

static _Noreturn void worker_run(const char *address)
{
    char message[MESSAGE_BYTES];
    void *socket = open_socket(zmq_ctx_new(), ZMQ_DEALER);
    if (zmq_connect(socket, address) < 0)
        _exit(1);
    zmq_send(socket, "", 0, 0);
    for (;;) {
        int size = zmq_recv(socket, message, sizeof message, 0);
        if (size >= 0)
            zmq_send(socket, message, (size_t)size, 0);
    }
}

/* ---- the relay's process ---- */

struct identity {
    char bytes[IDENTITY_BYTES];
    int size;
};

struct switchboard {
    void *front, *back;
    struct identity client, workers[CLUSTER_WORKERS_MAX];
    int worker_count, workers_here, next;
};

/* False when there is nothing, and `from` is as it was. */
static bool receive(void *socket, struct identity *from, char *message, int *ret_size)
{
    int size = zmq_recv(socket, from->bytes, sizeof from->bytes, ZMQ_DONTWAIT);
    if (size < 0)
        return false;
    from->size = size;
    *ret_size = zmq_recv(socket, message, MESSAGE_BYTES, 0);
    return *ret_size >= 0;
}

static void pass(void *socket, const struct identity *to, const char *message, int size)
{
    zmq_send(socket, to->bytes, (size_t)to->size, ZMQ_SNDMORE);
    zmq_send(socket, message, (size_t)size, 0);
}

/* An empty message is a worker's first. */
static void pass_back(struct switchboard *board)
{
    char message[MESSAGE_BYTES];
    struct identity from;
    int size;
    while (receive(board->back, &from, message, &size)) {
        if (size > 0)
            pass(board->front, &board->client, message, size);
        else if (board->workers_here < board->worker_count)
            board->workers[board->workers_here++] = from;
    }
}

static void pass_on(struct switchboard *board)
{
    char message[MESSAGE_BYTES];
    int size;
    while (receive(board->front, &board->client, message, &size)) {
        pass(board->back, &board->workers[board->next], message, size);
        board->next = (board->next + 1) % board->worker_count;
    }
}

static void bind_socket(void *socket, char address[64])
{
    size_t size = 64;
    if (zmq_bind(socket, "tcp://127.0.0.1:*") < 0 ||
        zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, address, &size) < 0)
        _exit(1);
}

/* The client is not heard before all workers are there. */
static _Noreturn void relay_run(int worker_count, int out)
{
    static struct switchboard board;
    struct addresses addresses;
    void *context = zmq_ctx_new();
    board = (struct switchboard){.front = open_socket(context, ZMQ_ROUTER),
                                 .back = open_socket(context, ZMQ_ROUTER),
                                 .worker_count = worker_count};
    bind_socket(board.front, addresses.front);
    bind_socket(board.back, addresses.back);
    if (write(out, &addresses, sizeof addresses) != sizeof addresses)
        _exit(1);
    zmq_pollitem_t items[] = {{board.back, -1, ZMQ_POLLIN, 0},
                              {board.front, -1, ZMQ_POLLIN, 0}};
    for (;;) {
        bool complete = board.workers_here == board.worker_count;
        zmq_poll(items, complete ? 2 : 1, -1);
        pass_back(&board);
        if (complete)
            pass_on(&board);
    }
}

/* ---- the client's process ---- */

/* The next process: 0 in it, which ends with its parent. */
static pid_t process_add(struct relay *relay)
{
    pid_t parent = getpid(), pid = fork();
    if (pid > 0)
        relay->processes[relay->process_count++] = pid;
    if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
        _exit(1);
    return pid;
}

static int start(struct relay *relay, int workers, struct err_text *text)
{
    struct addresses addresses;
    int ends[2];
    if (pipe(ends) < 0)
        return err_set(text, DUSK_E_IO, "pipe: %s", strerror(errno));
    pid_t pid = process_add(relay);
    if (pid == 0)
        relay_run(workers, ends[1]);
    close(ends[1]);
    bool bound = pid > 0 && read(ends[0], &addresses, sizeof addresses) ==
                                (ssize_t)sizeof addresses;
    close(ends[0]);
    if (!bound)
        return err_set(text, DUSK_E_IO, "the relay cannot be started");
    for (int i = 0; i < workers; i++) {
        pid = process_add(relay);
        if (pid == 0)
            worker_run(addresses.back);
        if (pid < 0)
            return err_set(text, DUSK_E_IO, "fork: %s", strerror(errno));
    }
    relay->context = zmq_ctx_new();
    relay->socket = relay->context ? open_socket(relay->context, ZMQ_DEALER) : NULL;
    int answer_ms = ANSWER_MS;
    if (!relay->socket ||
        zmq_setsockopt(relay->socket, ZMQ_RCVTIMEO, &answer_ms, sizeof answer_ms) < 0 ||
        zmq_connect(relay->socket, addresses.front) < 0)
        return err_set(text, DUSK_E_IO, "no socket to the relay: %s",
                       zmq_strerror(zmq_errno()));
    return 0;
}

int relay_start(int workers, struct relay **ret_relay, struct err_text *text)
{
    struct relay *relay = calloc(1, sizeof *relay);
    if (!relay)
        return err_set(text, DUSK_E_NOMEM, "no memory for a relay");
    int rc = start(relay, workers, text);
    if (rc < 0)
        relay_stop(relay);
    else
        *ret_relay = relay;
    return rc;
}

void relay_stop(struct relay *relay)
{
    if (!relay)
        return;
    if (relay->socket)
        zmq_close(relay->socket);
    if (relay->context)
        zmq_ctx_term(relay->context);
    for (int i = 0; i < relay->process_count; i++) {
        kill(relay->processes[i], SIGKILL);
        waitpid(relay->processes[i], NULL, 0);
    }
    free(relay);
}

double relay_cpu_us(const struct relay *relay)
{
    double us = (double)clock_cpu_ns() * 1e-3;
    for (int i = 0; i < relay->process_count; i++)
        us += usage_process_us(relay->processes[i]);
    return us;
}

static int no_answer(struct err_text *text)
{
    return err_set(text, DUSK_E_TIMEOUT, "the relay does not answer: %s",
                   zmq_strerror(zmq_errno()));
}

int relay_round_trips(struct relay *relay, double *ret_us, int count,
                      struct err_text *text)
{
    char message[MESSAGE_BYTES] = {1};
    for (int i = 0; i < count; i++) {
        uint64_t start_ns = clock_monotonic_ns();
        zmq_send(relay->socket, message, sizeof message, 0);
        if (zmq_recv(relay->socket, message, sizeof message, 0) < 0)
            return no_answer(text);
        ret_us[i] = (double)(clock_monotonic_ns() - start_ns) / 1e3;
    }
    return 0;
}

int relay_stream(struct relay *relay, int messages, double *ret_per_second,
                 struct err_text *text)
{
    char message[MESSAGE_BYTES] = {1};
    int sent = 0, received = 0;
    uint64_t start_ns = clock_monotonic_ns();
    while (received < messages) {
        for (; sent < messages && sent < received + WINDOW; sent++)
            zmq_send(relay->socket, message, sizeof message, 0);
        if (zmq_recv(relay->socket, message, sizeof message, 0) < 0)
            return no_answer(text);
        received++;
        while (zmq_recv(relay->socket, message, sizeof message, ZMQ_DONTWAIT) > 0)
            received++;
    }
    *ret_per_second = messages / ((double)(clock_monotonic_ns() - start_ns) / 1e9);
    return 0;
}
