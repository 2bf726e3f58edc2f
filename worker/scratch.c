#include "worker/scratch.h"

#include <stdint.h>
#include <stdlib.h>

#define ALIGNMENT 64
#define FIRST_BYTES (256u << 10)
#define KEEP_BYTES (32u << 20)

struct scratch_block {
    struct scratch_block *next;
    size_t size; /* without this header */
    size_t used;
};

#define HEADER_BYTES                                                                   \
    ((sizeof(struct scratch_block) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT)

void scratch_init(struct scratch *scratch)
{
    scratch->blocks = NULL;
}

void scratch_fini(struct scratch *scratch)
{
    while (scratch->blocks) {
        struct scratch_block *block = scratch->blocks;
        scratch->blocks = block->next;
        free(block);
    }
}

static struct scratch_block *block_add(struct scratch *scratch, size_t bytes)
{
    size_t size = scratch->blocks ? 2 * scratch->blocks->size : FIRST_BYTES;
    if (size < bytes)
        size = bytes;
    struct scratch_block *block = aligned_alloc(ALIGNMENT, HEADER_BYTES + size);
    if (!block)
        return NULL;
    *block = (struct scratch_block){.next = scratch->blocks, .size = size};
    scratch->blocks = block;
    return block;
}

void *scratch_get(struct scratch *scratch, size_t bytes)
{
    if (bytes > SIZE_MAX / 4)
        return NULL;
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct scratch_block *block = scratch->blocks;
    if ((!block || bytes > block->size - block->used) &&
        !(block = block_add(scratch, bytes)))
        return NULL;
    char *memory = (char *)block + HEADER_BYTES + block->used;
    block->used += bytes;
    return memory;
}

void scratch_reset(struct scratch *scratch)
{
    struct scratch_block *keep = scratch->blocks;
    if (!keep)
        return;
    scratch->blocks = keep->next;
    scratch_fini(scratch);
    if (keep->size > KEEP_BYTES) {
        free(keep);
        return;
    }
    keep->used = 0;
    keep->next = NULL;
    scratch->blocks = keep;
}
