/* Memory that a task function uses while it runs.  One for each compute thread; what
 * one function took is there for the next. */
#ifndef WORKER_SCRATCH_H
#define WORKER_SCRATCH_H

#include <stddef.h>

struct scratch_block;

struct scratch {
    struct scratch_block *blocks; /* the first one is being filled */
};

void scratch_init(struct scratch *scratch);
void scratch_fini(struct scratch *scratch);

/* Aligned to 64 bytes, valid until scratch_reset; NULL when there is no memory. */
void *scratch_get(struct scratch *scratch, size_t bytes);

/* Takes everything back; keeps one block of moderate size. */
void scratch_reset(struct scratch *scratch);

#endif
