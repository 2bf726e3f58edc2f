/* Memory for the arrays of results: zeroed and aligned to 64 bytes.  Large ones have
 * a mapping of their own, so that freeing them gives the memory back at once. */
#ifndef WORKER_CHUNK_H
#define WORKER_CHUNK_H

#include "proto/payload.h"

#define CHUNK_MAPPED_BYTES (64u << 10) /* from this size on */

/* A frame that owns its memory; from and for any thread.  DUSK_E_NOMEM. */
int chunk_create(size_t bytes, struct frame *ret_frame);

#endif
