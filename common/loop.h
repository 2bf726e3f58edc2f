/* One thread's event loop: sockets and descriptors that become readable, and signals.
 * Timers belong to the cores, which say when they want to be woken. */
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

#include "common/err.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void loop_ready_fn(void *context);

struct loop_source {
    loop_ready_fn *ready; /* NULL: it is paused */
    void *context;
    void *socket;
    bool is_monitor, readable;
};

struct loop {
    struct pollfd *items;
    struct loop_source *sources; /* beside items */
    int count;
    int capacity;
    int signal_fd; /* -1 until loop_signals */
};

void loop_init(struct loop *loop);

/* Gives signals back their former way only by the process's end; closes the
 * descriptor.  Sockets and other descriptors are the caller's. */
void loop_fini(struct loop *loop);

/* Calls `ready` whenever the ZeroMQ socket, or the descriptor when `socket` is NULL,
 * may have something to read; those that were added first come first.  A turn ends,
 * too, when something else has happened inside a socket: a queue that was full may have
 * room then, of which a ROUTER gives no other sign.  DUSK_E_NOMEM, DUSK_E_IO. */
int loop_add(struct loop *loop, void *socket, int fd, loop_ready_fn *ready,
             void *context);

/* The same for a ZeroMQ socket that is only read, and by `ready` until there is
 * nothing, which saves looking at it before each wait. */
int loop_add_monitor(struct loop *loop, void *socket, loop_ready_fn *ready,
                     void *context);

/* Nothing is read from this socket, or it is again. */
void loop_pause(struct loop *loop, const void *socket);
void loop_resume(struct loop *loop, const void *socket, loop_ready_fn *ready);

/* Takes a socket or descriptor out; may be called from a `ready` function. */
void loop_remove(struct loop *loop, const void *socket, int fd);

/* Blocks these signals in this thread and in threads started later, and makes them
 * readable through loop_next_signal; `ready` is called when one has come. */
int loop_signals(struct loop *loop, const sigset_t *signals, loop_ready_fn *ready,
                 void *context);

/* The number of a signal that has come, 0 when there is none. */
int loop_next_signal(struct loop *loop);

/* Waits until something is readable or `timeout_ns` has passed (UINT64_MAX: for
 * ever), and calls the functions of all that is.  DUSK_E_IO when polling fails. */
int loop_turn(struct loop *loop, uint64_t timeout_ns);

#endif
