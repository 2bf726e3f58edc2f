/* The frames of a batch in one part of its ZeroMQ message.  A part costs some
 * microseconds on its way, and as much again where it is encrypted: more than the few
 * hundred bytes of a small frame.
 *
 * For each frame, in order: its size and its bytes, filled up to a multiple of 8; or
 * all ones in place of the size, for a frame that is a part of its own. */
#ifndef PROTO_BUNDLE_H
#define PROTO_BUNDLE_H

#include "common/buf.h"
#include "common/err.h"

/* A buffer for what bundle_add puts together. */
void bundle_init(struct buf *bundle);

/* Copies a frame to the end.  DUSK_E_LIMIT: it must be a part of its own, since it or
 * the bundle is large; DUSK_E_NOMEM.  The bundle is unchanged then. */
int bundle_add(struct buf *bundle, const void *data, size_t size);
int bundle_add_apart(struct buf *bundle);

struct bundle_reader {
    const uint8_t *bytes; /* not yet read */
    size_t left;
};

enum { BUNDLE_APART = 1 };

/* The next frame, borrowed.  0; BUNDLE_APART: it is the next part; DUSK_E_PROTOCOL. */
int bundle_next(struct bundle_reader *reader, const void **ret_data, size_t *ret_size);

#endif
