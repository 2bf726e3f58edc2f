#include "common/loop.h"

#include "common/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

void loop_init(struct loop *loop)
{
    *loop = (struct loop){.signal_fd = -1};
}

void loop_fini(struct loop *loop)
{
    if (loop->signal_fd >= 0)
        close(loop->signal_fd);
    free(loop->items);
    free(loop->sources);
    loop_init(loop);
}

static int loop_reserve(struct loop *loop, int count)
{
    if (count <= loop->capacity)
        return 0;
    int capacity = 2 * count > 8 ? 2 * count : 8;
    void *items = realloc(loop->items, (size_t)capacity * sizeof *loop->items);
    if (items)
        loop->items = items;
    void *sources = realloc(loop->sources, (size_t)capacity * sizeof *loop->sources);
    if (sources)
        loop->sources = sources;
    if (!items || !sources)
        return DUSK_E_NOMEM;
    loop->capacity = capacity;
    return 0;
}

static int source_add(struct loop *loop, const struct loop_source *source, int fd)
{
    size_t size = sizeof fd;
    if (source->socket && zmq_getsockopt(source->socket, ZMQ_FD, &fd, &size) < 0)
        return DUSK_E_IO;
    int rc = loop_reserve(loop, loop->count + 1);
    if (rc < 0)
        return rc;
    loop->items[loop->count] = (struct pollfd){.fd = fd, .events = POLLIN};
    loop->sources[loop->count++] = *source;
    return 0;
}

int loop_add(struct loop *loop, void *socket, int fd, loop_ready_fn *ready,
             void *context)
{
    return source_add(loop, &(struct loop_source){ready, context, .socket = socket},
                      fd);
}

/* What came before the first try to read gives no sign. */
int loop_add_monitor(struct loop *loop, void *socket, loop_ready_fn *ready,
                     void *context)
{
    return source_add(loop,
                      &(struct loop_source){ready, context, .socket = socket,
                                            .is_monitor = true, .readable = true},
                      -1);
}

/* -1: it is not there. */
static int source_find(const struct loop *loop, const void *socket, int fd)
{
    for (int i = 0; i < loop->count; i++) {
        const struct loop_source *source = &loop->sources[i];
        if (socket ? source->socket == socket
                   : !source->socket && loop->items[i].fd == fd)
            return i;
    }
    return -1;
}

void loop_resume(struct loop *loop, const void *socket, loop_ready_fn *ready)
{
    int at = source_find(loop, socket, -1);
    if (at >= 0)
        loop->sources[at].ready = ready;
}

void loop_pause(struct loop *loop, const void *socket)
{
    loop_resume(loop, socket, NULL);
}

void loop_remove(struct loop *loop, const void *socket, int fd)
{
    int at = source_find(loop, socket, fd);
    if (at < 0)
        return;
    size_t behind = (size_t)(--loop->count - at);
    memmove(&loop->items[at], &loop->items[at + 1], behind * sizeof *loop->items);
    memmove(&loop->sources[at], &loop->sources[at + 1], behind * sizeof *loop->sources);
}

int loop_signals(struct loop *loop, const sigset_t *signals, loop_ready_fn *ready,
                 void *context)
{
    if (sigprocmask(SIG_BLOCK, signals, NULL) < 0)
        return DUSK_E_IO;
    int fd = signalfd(-1, signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return DUSK_E_IO;
    loop->signal_fd = fd;
    return loop_add(loop, NULL, fd, ready, context);
}

int loop_next_signal(struct loop *loop)
{
    struct signalfd_siginfo info;
    if (loop->signal_fd < 0 || read(loop->signal_fd, &info, sizeof info) != sizeof info)
        return 0;
    return (int)info.ssi_signo;
}

/* poll counts in milliseconds; rounding up avoids turns that wait for nothing. */
static int timeout_ms(uint64_t timeout_ns)
{
    if (timeout_ns == UINT64_MAX)
        return -1;
    uint64_t ms = timeout_ns / NS_PER_MS + (timeout_ns % NS_PER_MS != 0);
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

static bool has_input(void *socket)
{
    int events = 0;
    size_t size = sizeof events;
    zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size);
    return events & ZMQ_POLLIN;
}

/* A socket's descriptor tells what has happened since the socket was used last; what
 * that use has found out by the way the descriptor does not tell any more. */
static bool sources_look(struct loop *loop)
{
    bool any = false;
    for (int i = 0; i < loop->count; i++) {
        struct loop_source *source = &loop->sources[i];
        if (source->socket && !source->is_monitor && source->ready)
            source->readable = has_input(source->socket);
        any |= source->readable;
    }
    return any;
}

/* A function may add or remove sources: each round looks at what is there now and
 * clears the mark first, so that nothing is called twice. */
static void sources_call(struct loop *loop)
{
    for (int i = 0; i < loop->count; i++) {
        struct loop_source source = loop->sources[i];
        if (!loop->items[i].revents && !source.readable)
            continue;
        loop->items[i].revents = 0;
        loop->sources[i].readable = false;
        if (source.ready) {
            source.ready(source.context);
            i = -1;
        } else if (source.socket) {
            has_input(source.socket); /* its descriptor is quiet then */
        }
    }
}

/* Descriptors are polled rather than sockets: zmq_poll looks at each socket up to four
 * times, each time with system calls. */
int loop_turn(struct loop *loop, uint64_t timeout_ns)
{
    bool any = sources_look(loop);
    int timeout = any ? 0 : timeout_ms(timeout_ns);
    if (poll(loop->items, (nfds_t)loop->count, timeout) < 0) {
        if (errno != EINTR)
            return DUSK_E_IO;
        for (int i = 0; i < loop->count; i++)
            loop->items[i].revents = 0;
    }
    sources_call(loop);
    return 0;
}
