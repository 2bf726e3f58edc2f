/* What a core wants sent: one batch for each peer, in the order in which peers
 * were first addressed.  The core adds, the shell takes; neither needs a socket. */
#ifndef PROTO_OUTBOX_H
#define PROTO_OUTBOX_H

#include "common/list.h"
#include "common/map.h"
#include "proto/batch.h"

#include <stdbool.h>

struct outbox {
    struct map lanes;  /* by peer */
    struct list dirty; /* lanes with something to take */
    bool chained;      /* what does not fit into a batch waits for the next turn */
};

/* One peer's part; the batch is taken, sent and emptied by the shell. */
struct outbox_lane {
    struct list link;
    struct peer_id peer;
    struct batch batch;
    struct list later; /* further full batches, and the last one, in their order */
    size_t later_bytes;
};

void outbox_init(struct outbox *outbox);
void outbox_fini(struct outbox *outbox);

/* Adds a message for a peer.  DUSK_E_LIMIT when that peer has LIMIT_OUTBOX_BYTES
 * waiting, DUSK_E_NOMEM: nothing was added then. */
int outbox_send(struct outbox *outbox, struct peer_id peer,
                const struct message *message);

/* The bytes that wait for a peer. */
size_t outbox_waiting(const struct outbox *outbox, struct peer_id peer);

/* Adds a message however many bytes wait, for a sender who looks at them before each
 * payload: short answers are bounded by what one batch holds, DUSK_E_LIMIT beyond. */
int outbox_add(struct outbox *outbox, struct peer_id peer,
               const struct message *message);

/* The next lane that has something, no longer dirty; NULL when there is none.
 * Borrowed until outbox_forget.  A shell that could not send the batch leaves it in
 * the lane and says outbox_retry when it may be tried again. */
struct outbox_lane *outbox_next(struct outbox *outbox);
void outbox_retry(struct outbox *outbox, struct outbox_lane *lane);

/* To be called when the lane's batch was sent and `chained` is set: true when there
 * is more, which is in the lane's batch then; outbox_retry has it taken. */
bool outbox_more(struct outbox_lane *lane);

/* Drops what waits for a peer that is gone. */
void outbox_forget(struct outbox *outbox, struct peer_id peer);

#endif
