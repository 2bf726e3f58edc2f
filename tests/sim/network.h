/* Connections between processes, as ZeroMQ's over TCP: each is ordered, delays differ,
 * what is in flight when one breaks is lost from some message on.  Batches travel as
 * bytes. */
#ifndef TESTS_SIM_NETWORK_H
#define TESTS_SIM_NETWORK_H

#include "tests/sim/cluster.h"

struct packet {
    struct list link;
    bool last; /* the connection is closed: nothing follows */
    uint8_t *header;
    size_t size;
    struct frame *frames;
    size_t frame_count;
};

/* One end of a connection: 0 dialed, 1 accepted. */
struct end {
    struct conn *conn;
    struct process *process; /* NULL: not accepted yet */
    struct peer_id peer;     /* as this process numbers it */
    bool open;               /* this process has not closed it */
    bool up;                 /* this process may send */
    bool dead;               /* the other side is known to have closed it */
    struct list inbox;       /* struct packet, on their way here */
    uint64_t last_ns;        /* when the last of them is due */
    uint64_t full_until_ns;  /* takes nothing to be sent from here */
};

struct conn {
    uint64_t id;
    char address[40];
    bool lasting; /* tries until somebody listens */
    bool cut;     /* what is sent from now on is lost */
    struct end ends[2];
};

/* Begins to connect; `lasting`: a refusal is tried again, else it ends the
 * connection. */
void network_dial(struct process *process, struct peer_id peer, const char *address,
                  bool lasting);

/* This process closes its end: the other one hears of it after what was sent before,
 * or after long when nothing tells it. */
void network_close(struct end *end, bool noticed);

/* Sends; takes nothing of the batch. */
void network_send(struct end *end, const struct batch *batch);

/* A fault: the connection breaks, and what is in flight is lost from some message on.
 * `mute`: one end does not notice for long. */
void network_cut(struct conn *conn, bool mute);

/* Whether nothing is in flight in either direction. */
bool network_is_idle(const struct end *end);

/* Of a process, borrowed; NULL: there is none. */
struct end *network_end(const struct process *process, struct peer_id peer);
struct end *network_other(struct end *end);

void network_fini(struct world *world);

#endif
