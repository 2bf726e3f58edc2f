/* One thread's event loop: sockets and descriptors that become readable, and signals.
 * Timers belong to the cores, which say when they want to be woken. */
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

#include "common/err.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

typedef void loop_ready_fn(void *context);

struct loop_source {
    loop_ready_fn *ready;
    void *context;
};

struct loop {
    zmq_pollitem_t *items;
    struct loop_source *sources; /* beside items */
    int count;
    int capacity;
    void **watched; /* sockets, until the next turn */
    int watched_count, watched_capacity;
    int signal_fd; /* -1 until loop_signals */
};

void loop_init(struct loop *loop);

/* Gives signals back their former way only by the process's end; closes the
 * descriptor.  Sockets and other descriptors are the caller's. */
void loop_fini(struct loop *loop);

/* Calls `ready` whenever the ZeroMQ socket, or the descriptor when `socket` is NULL,
 * can be read.  DUSK_E_NOMEM. */
int loop_add(struct loop *loop, void *socket, int fd, loop_ready_fn *ready,
             void *context);

/* Takes a socket or descriptor out; may be called from a `ready` function. */
void loop_remove(struct loop *loop, const void *socket, int fd);

/* The next turn ends, too, when something has happened inside a ZeroMQ socket: a queue
 * that was full may have room then, of which a ROUTER gives no other sign.  Whatever
 * else is done with the socket before may take that sign, and memory may be short: a
 * timeout is needed all the same.  The socket must not be closed before the turn,
 * unless it is taken back. */
void loop_watch(struct loop *loop, void *socket);
void loop_unwatch(struct loop *loop, const void *socket);

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
