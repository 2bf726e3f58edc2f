#include "common/loop.h"

#include "common/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

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
    free(loop->watched);
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

int loop_add(struct loop *loop, void *socket, int fd, loop_ready_fn *ready,
             void *context)
{
    int rc = loop_reserve(loop, loop->count + 1);
    if (rc < 0)
        return rc;
    loop->items[loop->count] =
        (zmq_pollitem_t){.socket = socket, .fd = fd, .events = ZMQ_POLLIN};
    loop->sources[loop->count] = (struct loop_source){ready, context};
    loop->count++;
    return 0;
}

void loop_remove(struct loop *loop, const void *socket, int fd)
{
    for (int i = 0; i < loop->count; i++) {
        const zmq_pollitem_t *item = &loop->items[i];
        if (socket ? item->socket != socket : item->socket || item->fd != fd)
            continue;
        loop->count--;
        loop->items[i] = loop->items[loop->count];
        loop->sources[i] = loop->sources[loop->count];
        return;
    }
}

void loop_watch(struct loop *loop, void *socket)
{
    for (int i = 0; i < loop->watched_count; i++)
        if (loop->watched[i] == socket)
            return;
    if (loop->watched_count == loop->watched_capacity) {
        int capacity = loop->watched_capacity ? 2 * loop->watched_capacity : 8;
        void *watched =
            realloc(loop->watched, (size_t)capacity * sizeof *loop->watched);
        if (!watched)
            return;
        loop->watched = watched;
        loop->watched_capacity = capacity;
    }
    loop->watched[loop->watched_count++] = socket;
}

void loop_unwatch(struct loop *loop, const void *socket)
{
    for (int i = 0; i < loop->watched_count; i++)
        if (loop->watched[i] == socket)
            loop->watched[i--] = loop->watched[--loop->watched_count];
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

/* zmq_poll counts in milliseconds; rounding up avoids turns that wait for nothing. */
static long timeout_ms(uint64_t timeout_ns)
{
    if (timeout_ns == UINT64_MAX)
        return -1;
    uint64_t ms = timeout_ns / NS_PER_MS + (timeout_ns % NS_PER_MS != 0);
    return ms > INT_MAX ? INT_MAX : (long)ms;
}

/* A descriptor says that there is something; the socket looks at it when asked, and
 * only then is the descriptor quiet again.  Without memory there is the timeout. */
static int watched_begin(struct loop *loop)
{
    if (loop_reserve(loop, loop->count + loop->watched_count) < 0)
        loop->watched_count = 0;
    for (int i = 0; i < loop->watched_count; i++) {
        int fd = -1;
        size_t size = sizeof fd;
        zmq_getsockopt(loop->watched[i], ZMQ_FD, &fd, &size);
        loop->items[loop->count + i] = (zmq_pollitem_t){.fd = fd, .events = ZMQ_POLLIN};
    }
    return loop->watched_count;
}

static void watched_end(struct loop *loop)
{
    for (int i = 0; i < loop->watched_count; i++) {
        int events;
        size_t size = sizeof events;
        zmq_getsockopt(loop->watched[i], ZMQ_EVENTS, &events, &size);
    }
    loop->watched_count = 0;
}

int loop_turn(struct loop *loop, uint64_t timeout_ns)
{
    int count = loop->count + watched_begin(loop);
    int ready = zmq_poll(loop->items, count, timeout_ms(timeout_ns));
    watched_end(loop);
    if (ready < 0)
        return errno == EINTR ? 0 : DUSK_E_IO;
    /* A function may add or remove sources: each round looks at what is there now
     * and clears the mark first, so that nothing is called twice. */
    for (int i = 0; i < loop->count; i++) {
        if (!loop->items[i].revents)
            continue;
        loop->items[i].revents = 0;
        struct loop_source source = loop->sources[i];
        source.ready(source.context);
        i = -1;
    }
    return 0;
}
