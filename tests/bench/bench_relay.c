/* What bench_tasks is measured against: a bare ZeroMQ relay with the same four hops,
 * client - relay - worker - relay - client, one message a hop, in three processes, and
 * nothing else.
 *
 *     bench_relay [MESSAGES] */
#include "common/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#define ONE_BY_ONE 5000
#define BYTES 64 /* about a submit without arguments */
#define WORKERS 2
#define WINDOW 50000 /* messages under way */

static void *open_socket(void *zmq, int type, const char *connect_to)
{
    void *socket = zmq_socket(zmq, type);
    int none = 0;
    zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof none);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof none);
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    if (connect_to)
        zmq_connect(socket, connect_to);
    return socket;
}

static void *bind_socket(void *zmq, char *address, size_t size)
{
    void *socket = open_socket(zmq, ZMQ_ROUTER, NULL);
    zmq_bind(socket, "tcp://127.0.0.1:*");
    zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, address, &size);
    return socket;
}

static _Noreturn void worker_run(const char *address)
{
    char message[BYTES];
    void *socket = open_socket(zmq_ctx_new(), ZMQ_DEALER, address);
    zmq_send(socket, "", 0, 0);
    for (;;) {
        int size = zmq_recv(socket, message, sizeof message, 0);
        zmq_send(socket, message, (size_t)size, 0);
    }
}

/* Passes everything from the client to a worker, and back. */
static _Noreturn void relay_run(int out)
{
    char address[2][64], from[16], client[16], workers[WORKERS][16], message[BYTES];
    int client_size = 0, worker_sizes[WORKERS], worker_count = 0, next = 0;
    void *zmq = zmq_ctx_new();
    void *front = bind_socket(zmq, address[0], sizeof address[0]);
    void *back = bind_socket(zmq, address[1], sizeof address[1]);
    if (write(out, address, sizeof address) != sizeof address)
        _exit(1);
    zmq_pollitem_t items[] = {{front, -1, ZMQ_POLLIN, 0}, {back, -1, ZMQ_POLLIN, 0}};
    for (;;) {
        zmq_poll(items, worker_count == WORKERS ? 2 : 1,
                 worker_count == WORKERS ? -1 : 0);
        int size;
        while ((size = zmq_recv(back, from, sizeof from, ZMQ_DONTWAIT)) > 0) {
            int length = zmq_recv(back, message, sizeof message, 0);
            if (length == 0) {
                memcpy(workers[worker_count], from, (size_t)size);
                worker_sizes[worker_count++] = size;
                continue;
            }
            zmq_send(front, client, (size_t)client_size, ZMQ_SNDMORE);
            zmq_send(front, message, (size_t)length, 0);
        }
        while (worker_count == WORKERS &&
               (size = zmq_recv(front, client, sizeof client, ZMQ_DONTWAIT)) > 0) {
            client_size = size;
            int length = zmq_recv(front, message, sizeof message, 0);
            next = (next + 1) % WORKERS;
            zmq_send(back, workers[next], (size_t)worker_sizes[next], ZMQ_SNDMORE);
            zmq_send(back, message, (size_t)length, 0);
        }
    }
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void latency(void *socket)
{
    static uint64_t ns[ONE_BY_ONE];
    char message[BYTES] = {1};
    for (int i = 0; i < ONE_BY_ONE; i++) {
        uint64_t start_ns = clock_monotonic_ns();
        zmq_send(socket, message, sizeof message, 0);
        zmq_recv(socket, message, sizeof message, 0);
        ns[i] = clock_monotonic_ns() - start_ns;
    }
    qsort(ns, ONE_BY_ONE, sizeof ns[0], compare);
    printf("relay round trip: p50 %.1f us, p90 %.1f us, p99 %.1f us\n",
           (double)ns[ONE_BY_ONE / 2] / 1e3, (double)ns[ONE_BY_ONE * 9 / 10] / 1e3,
           (double)ns[ONE_BY_ONE * 99 / 100] / 1e3);
}

static void throughput(void *socket, int messages)
{
    char message[BYTES] = {1};
    int sent = 0, received = 0;
    uint64_t start_ns = clock_monotonic_ns();
    while (received < messages) {
        for (; sent < messages && sent < received + WINDOW; sent++)
            zmq_send(socket, message, sizeof message, 0);
        zmq_recv(socket, message, sizeof message, 0);
        received++;
        while (zmq_recv(socket, message, sizeof message, ZMQ_DONTWAIT) > 0)
            received++;
    }
    printf("%d messages: %.0f a second\n", messages,
           messages / ((double)(clock_monotonic_ns() - start_ns) / 1e9));
}

static pid_t child(void)
{
    pid_t pid = fork();
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

int main(int argc, char **argv)
{
    int messages = argc > 1 ? atoi(argv[1]) : 100000, ends[2];
    char address[2][64];
    pid_t pids[1 + WORKERS];
    if (pipe(ends) < 0)
        return 1;
    if ((pids[0] = child()) == 0)
        relay_run(ends[1]);
    if (read(ends[0], address, sizeof address) != sizeof address)
        return 1;
    for (int i = 1; i <= WORKERS; i++)
        if ((pids[i] = child()) == 0)
            worker_run(address[1]);
    void *socket = open_socket(zmq_ctx_new(), ZMQ_DEALER, address[0]);
    latency(socket);
    throughput(socket, messages);
    throughput(socket, messages);
    for (int i = 0; i <= WORKERS; i++)
        kill(pids[i], SIGKILL);
    while (wait(NULL) > 0)
        continue;
    return 0;
}
