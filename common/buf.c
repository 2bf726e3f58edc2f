#include "common/buf.h"

#include "common/dusk_types.h"

#include <stdlib.h>

#define KEEP_BYTES (1u << 20)
#define FIRST_BYTES 256u

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max};
}

void buf_fini(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){.max = buf->max};
}

void buf_reset(struct buf *buf)
{
    if (buf->capacity > KEEP_BYTES)
        buf_fini(buf);
    buf->size = 0;
}

int buf_reserve(struct buf *buf, size_t size)
{
    if (size > buf->max || buf->size > buf->max - size)
        return DUSK_E_LIMIT;
    size_t capacity = buf->capacity ? buf->capacity : FIRST_BYTES;
    while (capacity < buf->size + size)
        capacity *= 2;
    if (capacity > buf->max)
        capacity = buf->max;
    uint8_t *data = realloc(buf->data, capacity);
    if (!data)
        return DUSK_E_NOMEM;
    buf->data = data;
    buf->capacity = capacity;
    return 0;
}

uint8_t *buf_take(struct buf *buf, size_t *ret_size)
{
    uint8_t *data = buf->data;
    *ret_size = buf->size;
    buf->data = NULL;
    buf->size = buf->capacity = 0;
    return data;
}
