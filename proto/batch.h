/* What one peer is sent in one turn: any number of messages in one header, and the
 * raw frames of their payloads behind it.
 *
 * The header holds the messages one after the other in msgpack; a blob is the array
 * [head, number of frames] and its frames follow in the order of the blobs. */
#ifndef PROTO_BATCH_H
#define PROTO_BATCH_H

#include "common/buf.h"
#include "proto/messages.h"
#include "proto/wire.h"

struct batch {
    struct buf header;
    struct payload **payloads; /* owned references, in the order of their blobs */
    size_t payload_count;
    size_t payload_capacity;
    size_t frame_count;
    size_t message_count;
    size_t bytes; /* header and frames */
};

void batch_init(struct batch *batch);
void batch_fini(struct batch *batch);

/* Encodes a message at the end; payloads are referenced, everything else is
 * copied.  DUSK_E_LIMIT when the batch is full, DUSK_E_NOMEM; it is unchanged then. */
int batch_add(struct batch *batch, const struct message *message);

static inline bool batch_is_empty(const struct batch *batch)
{
    return batch->message_count == 0;
}

/* Reads a received batch message by message. */
struct batch_reader {
    struct wire_reader wire; /* what is left of the header */
    size_t size;
    struct frame *frames; /* not yet taken by a payload */
    size_t frame_count;
    size_t frame_next;
    struct list_memory *lists; /* of the current message, like blob */
    struct payload *blob;
};

/* Borrows header and frames until batch_reader_fini; frames that became part of a
 * payload belong to it, the others are released by batch_reader_fini. */
void batch_reader_init(struct batch_reader *reader, const void *header, size_t size,
                       struct frame *frames, size_t frame_count);
void batch_reader_fini(struct batch_reader *reader);

/* Decodes the next message, borrowed from the reader until the next call.  0, > 0
 * at the end, DUSK_E_PROTOCOL with a line when the bytes break the protocol. */
int batch_reader_next(struct batch_reader *reader, struct message *ret_message,
                      struct err_text *text);

#endif
