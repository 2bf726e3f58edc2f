/* Messages as a fuzz input chooses them: any of the table, with fields that are mostly
 * of a small world (a few keys, names and addresses) and sometimes far out.  Each goes
 * through the encoder and the decoder on its way, as it would on the wire, where a few
 * of its bytes may be changed. */
#ifndef TESTS_FUZZ_FEED_MESSAGE_H
#define TESTS_FUZZ_FEED_MESSAGE_H

#include "proto/outbox.h"
#include "tests/fuzz/fuzz.h"

/* A key of clients 1 to 3. */
struct task_key feed_key(struct feed *feed);
struct str feed_str(struct feed *feed);
const char *feed_address(struct feed *feed);

/* An owned payload, or NULL. */
struct payload *feed_payload(struct feed *feed);

/* A message of this type, or of a chosen one (0).  Its lists and texts last until the
 * next call.  Returns its payload, owned, or NULL when it has none. */
struct payload *feed_message(struct feed *feed, enum message_type type,
                             struct message *ret_message);

/* Encodes the message, changes bytes when `damaged`, decodes it and hands what comes
 * out to `deliver`; the memory is gone afterwards.  Bytes that are no message lead to
 * `broken` with the line. */
struct feed_wire {
    void (*deliver)(void *context, const struct message *message);
    void (*broken)(void *context, const char *line);
    void *context;
};
void feed_send(struct feed *feed, const struct message *message, bool damaged,
               const struct feed_wire *wire);

/* Copies of a batch's frames, each with its own memory; the array is for free(). */
size_t feed_frames(const struct batch *batch, struct frame **ret_frames);

/* Takes what waits in an outbox and shows each message to `heard`; peers whose number
 * modulo 32 is a bit of `stalled` take nothing. */
typedef void feed_heard_fn(void *context, struct peer_id peer,
                           const struct message *message);
void feed_drain(struct outbox *outbox, uint32_t stalled, feed_heard_fn *heard,
                void *context);

#endif
