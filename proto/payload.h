/* Values on their way: the arguments of a task, or the items of a result.
 *
 * A payload is immutable and counted, so that scheduler, store and sockets share
 * one copy; the count may be changed from any thread.  The head is a msgpack array
 * with one entry for each value; dense arrays lie beside it, one raw frame each,
 * and the head refers to them by number. */
#ifndef PROTO_PAYLOAD_H
#define PROTO_PAYLOAD_H

#include "common/buf.h"
#include "common/err.h"
#include "proto/ids.h"

#include <stdarg.h>

struct frame {
    void *data;
    size_t size;
    void (*release)(void *hint); /* called once when the payload goes; may be NULL */
    void *hint;
};

struct payload; /* opaque: counted */

/* Makes a payload with one reference from a head, which is copied, and frames, which
 * are taken: on failure they are released too.  DUSK_E_NOMEM. */
int payload_create(const uint8_t *head, size_t head_size, struct frame *frames,
                   unsigned frame_count, struct payload **ret_payload);

struct payload *payload_ref(struct payload *payload);
void payload_unref(struct payload *payload); /* NULL is allowed */

const uint8_t *payload_head(const struct payload *payload, size_t *ret_size);
unsigned payload_frame_count(const struct payload *payload);
const struct frame *payload_frame(const struct payload *payload, unsigned index);

/* Head and frames together, in bytes. */
size_t payload_bytes(const struct payload *payload);

/* Checksum (XXH3, 64 bits) over head and frames. */
uint64_t payload_checksum(const struct payload *payload);

/* A value inside a payload.  A future stands for item `item` of the result of
 * `key`, or for all of it. */
enum value_kind {
    VALUE_PLAIN, /* a dusk_value */
    VALUE_FUTURE,
};

struct value {
    enum value_kind kind;
    struct dusk_value plain;
    struct task_key key;
    uint32_t item;
};

/* The values of a payload.  Strings end with NUL; array data are borrowed from the
 * payload, which `values` keeps alive. */
struct values {
    struct payload *payload;
    unsigned count;
    struct value items[];
};

/* Reads a head that anybody may have written: DUSK_E_PROTOCOL with a line when it
 * is not what payload_builder writes, or refers to frames that are not there or
 * have the wrong size.  Returns owned values. */
int values_create(struct payload *payload, struct err_text *text,
                  struct values **ret_values);
void values_destroy(struct values *values);

/* Builds a payload value by value.  After an error the builder holds what it held
 * before. */
struct payload_builder {
    struct buf head;
    struct frame *frames;
    unsigned frame_count;
    unsigned frame_capacity;
    unsigned count;
};

void payload_builder_init(struct payload_builder *builder);
void payload_builder_fini(struct payload_builder *builder);

/* Adds a plain value.  `frame` is the array's memory, taken over on success; NULL
 * copies the data of the array. */
int payload_builder_value(struct payload_builder *builder,
                          const struct dusk_value *value, const struct frame *frame);
int payload_builder_future(struct payload_builder *builder, struct task_key key,
                           uint32_t item);

/* Returns an owned payload; the builder is empty afterwards. */
int payload_builder_finish(struct payload_builder *builder,
                           struct payload **ret_payload);

/* Bytes of an array's data; DUSK_E_LIMIT when shape or size are out of bounds. */
int array_bytes(const struct dusk_array *array, size_t *ret_bytes);

#endif
