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
    loop_init(loop);
}

static int loop_reserve(struct loop *loop)
{
    if (loop->count < loop->capacity)
        return 0;
    int capacity = loop->capacity ? 2 * loop->capacity : 8;
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
    int rc = loop_reserve(loop);
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

int loop_turn(struct loop *loop, uint64_t timeout_ns)
{
    int ready = zmq_poll(loop->items, loop->count, timeout_ms(timeout_ns));
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
