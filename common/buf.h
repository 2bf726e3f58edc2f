/* A byte buffer that grows up to a stated maximum and never beyond it. */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
    uint8_t *data; /* owned */
    size_t size;
    size_t capacity;
    size_t max;
};

void buf_init(struct buf *buf, size_t max);
void buf_fini(struct buf *buf);

/* Forgets the content and keeps the memory, unless that has grown large. */
void buf_reset(struct buf *buf);

/* Makes room for `size` more bytes.  DUSK_E_LIMIT past the maximum, DUSK_E_NOMEM; the
 * buffer is unchanged then. */
int buf_reserve(struct buf *buf, size_t size);

/* Copies `size` bytes to the end; errors as above.  Here, since most are a few bytes of
 * a number known to the compiler. */
static inline int buf_append(struct buf *buf, const void *data, size_t size)
{
    int rc = size > buf->capacity - buf->size ? buf_reserve(buf, size) : 0;
    if (rc < 0)
        return rc;
    if (size)
        memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    return 0;
}

/* Hands the memory to the caller, who frees it; the buffer is empty then. */
uint8_t *buf_take(struct buf *buf, size_t *ret_size);

#endif
