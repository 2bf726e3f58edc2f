/* The one place where msgpack is written, and where msgpack from outside is opened. */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include "common/buf.h"

#include <msgpack.h>
#include <stdbool.h>

/* ---- writing ---- */

/* wire_pack_uint64(buf, value), wire_pack_array(buf, count) and so on: msgpack-c's
 * packer with a buffer in the place of its callback, which costs more than a number. */
#define msgpack_pack_inline_func(name) static inline int wire_pack##name
#define msgpack_pack_user struct buf *
#define msgpack_pack_append_buffer(buf, bytes, size) return buf_append(buf, bytes, size)
#define msgpack_pack_ext wire_pack_ext
#include <msgpack/pack_template.h>
#undef msgpack_pack_ext

/* ---- reading, object by object ---- */

/* Messages say what comes next, so that no tree of objects has to be made first.  All
 * of these move behind what they read; DUSK_E_PROTOCOL when it is not what the name
 * says, or is cut off: the reader is where it was then. */
struct wire_reader {
    const uint8_t *at;
    size_t left;
};

int wire_read_u64(struct wire_reader *reader, uint64_t *ret_number);
int wire_read_i64(struct wire_reader *reader, int64_t *ret_number);

/* Texts and binaries are borrowed. */
int wire_read_str(struct wire_reader *reader, const char **ret_text, size_t *ret_size);
int wire_read_bin(struct wire_reader *reader, const uint8_t **ret_data,
                  size_t *ret_size);

/* The elements follow: they claim a byte each at least. */
int wire_read_array(struct wire_reader *reader, uint32_t *ret_count);

/* Moves behind a nil; false: there is something else. */
bool wire_read_nil(struct wire_reader *reader);

/* Moves behind one object with all that is in it, nested LIMIT_DEPTH deep at most. */
int wire_skip(struct wire_reader *reader);

/* ---- reading into msgpack-c's objects ---- */

/* Reads the object at *offset and moves *offset behind it.  Strings and binaries
 * are borrowed from `data`, the rest lives in the zone.  msgpack-c allocates what a
 * container's header claims before it sees the elements; so the bytes are walked
 * first, and claims that the bytes cannot keep are refused.  DUSK_E_PROTOCOL for bytes
 * that are cut off, nested deeper than LIMIT_DEPTH, or no msgpack. */
int wire_unpack(const void *data, size_t size, size_t *offset, msgpack_zone *zone,
                msgpack_object *ret_object);

#endif
