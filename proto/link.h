/* ZeroMQ sockets as dusk uses them: batches out, deliveries in, nobody ever blocks.
 * The shells own the sockets; this file is the only one that sends or receives. */
#ifndef PROTO_LINK_H
#define PROTO_LINK_H

#include "proto/batch.h"

#include <stdbool.h>
#include <zmq.h>

/* The routing id under which a ROUTER knows a connection. */
struct identity {
    uint8_t size;
    uint8_t bytes[7]; /* ZeroMQ's own are 5 bytes; longer ones are refused */
};

/* A number that is the same for equal identities and for no others. */
uint64_t identity_hash(const struct identity *identity);

/* A socket (ZMQ_ROUTER or ZMQ_DEALER) with the options that all of dusk's have.
 * Closed with zmq_close.  DUSK_E_IO, DUSK_E_NOMEM. */
int link_socket(void *context, int type, void **ret_socket, struct err_text *text);

/* Frames from peers may have this many bytes, instead of LIMIT_FRAME_BYTES; a peer
 * that sends a larger one loses its connection.  To be called before link_bind. */
int link_limit_frames(void *socket, size_t most, struct err_text *text);

/* Binds to tcp://host:port (port 0: any that is free) and returns the address with
 * the port that was taken.  DUSK_E_IO with a line that names the address. */
int link_bind(void *socket, const char *host, unsigned port, char *ret_address,
              size_t address_size, struct err_text *text);

/* Begins to connect a DEALER to "tcp://HOST:PORT", and goes on trying; a name that has
 * an IPv4 address is taken by that, and a key behind it (proto/address.h) is not looked
 * at.  DUSK_E_INVALID, DUSK_E_UNREACHABLE. */
int link_connect(void *socket, const char *address, struct err_text *text);

/* DUSK_E_INVALID with a line when this is not "tcp://HOST:PORT". */
int link_check_address(const char *address, struct err_text *text);

/* The HOST of an address that link_check_address accepts, without the brackets of an
 * IPv6 one. */
#define LINK_HOST_BYTES 256
void link_host(const char *address, char ret_host[LINK_HOST_BYTES]);

/* Whether nobody but this machine reaches a host: an address of loopback, with or
 * without brackets, or "localhost". */
bool link_is_loopback(const char *host);

/* Sends the batch as one message; `to` is NULL on a DEALER.  0: sent, and the batch
 * is empty.  > 0: the queue is full, the batch is kept, try later.  DUSK_E_CLOSED:
 * a ROUTER has no such connection any more; the batch is kept.  DUSK_E_NOMEM,
 * DUSK_E_IO: the batch is empty and what it held is lost; the peer may get a message
 * without content or, after DUSK_E_IO, one that is too short, and this socket can send
 * the next. */
int link_send(void *socket, const struct identity *to, struct batch *batch);

/* Whether a ROUTER still has this connection.  Sends a message without content. */
bool link_is_connected(void *router, const struct identity *to);

/* Closes one connection of a ROUTER, `fd` as a delivery told it: ZeroMQ has no call for
 * that, but takes a descriptor that was shut down for closed by the other side.  False:
 * it was closed before. */
bool link_hangup(void *router, const struct identity *to, int fd);

/* What one message brought. */
struct delivery {
    struct identity from; /* size 0 on a DEALER */
    int fd;               /* of the connection it came over, -1 if unknown */
    zmq_msg_t header;
    struct frame *frames;
    size_t frame_count;
    struct batch_reader reader;
};

/* Receives one message and opens a reader over it.  0; > 0 when nothing is there;
 * DUSK_E_PROTOCOL when the message has no shape that dusk knows, or DUSK_E_NOMEM
 * (`from` and `fd` are set when they could be read).  On 0, and only then,
 * delivery_fini must follow. */
int link_receive(void *socket, struct delivery *ret_delivery);
void delivery_fini(struct delivery *delivery);

/* What happened to a socket's connections. */
struct link_event {
    int event; /* ZMQ_EVENT_... */
    int fd;    /* or errno, or a protocol error, as ZeroMQ documents it */
    char address[128];
};

/* A PAIR socket from which link_next_event reads.  A socket that connects is closed
 * after zmq_socket_monitor(socket, NULL, 0) and the monitor's own zmq_close, one that
 * listens by link_close_listener. */
int link_monitor(void *context, void *socket, void **ret_monitor,
                 struct err_text *text);
bool link_next_event(void *monitor, struct link_event *ret_event);

/* Closes a socket that listens and its monitor, either of which may be NULL.  What
 * happens to connections from then on holds up the whole context, until
 * link_context_end, which must follow soon. */
void link_close_listener(void *socket, void *monitor);

/* Ends a ZeroMQ context whose sockets are closed, when what lingers has left.  NULL is
 * allowed. */
void link_context_end(void *context);

/* A sentence for events that people should hear of, or NULL. */
const char *link_event_sentence(const struct link_event *event);

#endif
