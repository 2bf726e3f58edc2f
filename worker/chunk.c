#include "worker/chunk.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGNMENT 64
#define HUGE_BYTES (4u << 20) /* large pages pay from here on */

struct mapping {
    void *data;
    size_t bytes;
};

static void mapping_release(void *hint)
{
    struct mapping *mapping = hint;
    munmap(mapping->data, mapping->bytes);
    free(mapping);
}

static int mapping_create(size_t bytes, struct frame *ret_frame)
{
    struct mapping *mapping = malloc(sizeof *mapping);
    if (!mapping)
        return DUSK_E_NOMEM;
    void *data =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) {
        free(mapping);
        return DUSK_E_NOMEM;
    }
    if (bytes >= HUGE_BYTES)
        madvise(data, bytes, MADV_HUGEPAGE);
    *mapping = (struct mapping){data, bytes};
    *ret_frame = (struct frame){data, bytes, mapping_release, mapping};
    return 0;
}

int chunk_create(size_t bytes, struct frame *ret_frame)
{
    if (bytes >= CHUNK_MAPPED_BYTES)
        return mapping_create(bytes, ret_frame);
    size_t room = (bytes + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
    void *data = aligned_alloc(ALIGNMENT, room);
    if (!data)
        return DUSK_E_NOMEM;
    memset(data, 0, room);
    *ret_frame = (struct frame){data, bytes, free, data};
    return 0;
}
