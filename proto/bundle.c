#include "proto/bundle.h"

#include "proto/limits.h"

#include <endian.h>

/* A larger frame is worth a part: it goes there, and arrives, without a copy. */
#define FRAME_BYTES (16u << 10)

#define APART UINT64_MAX

void bundle_init(struct buf *bundle)
{
    buf_init(bundle, LIMIT_BUNDLE_BYTES + LIMIT_BATCH_FRAMES * sizeof(uint64_t));
}

static size_t padding(size_t size)
{
    return -size % 8;
}

int bundle_add(struct buf *bundle, const void *data, size_t size)
{
    static const uint8_t zeros[8];
    if (size >= FRAME_BYTES || bundle->size + size > LIMIT_BUNDLE_BYTES)
        return DUSK_E_LIMIT;
    size_t before = bundle->size;
    uint64_t number = htole64(size);
    int rc = buf_append(bundle, &number, sizeof number);
    rc = rc ? rc : buf_append(bundle, data, size);
    rc = rc ? rc : buf_append(bundle, zeros, padding(size));
    if (rc < 0)
        bundle->size = before;
    return rc;
}

int bundle_add_apart(struct buf *bundle)
{
    uint64_t number = APART;
    return buf_append(bundle, &number, sizeof number);
}

static const uint8_t *take(struct bundle_reader *reader, size_t size)
{
    const uint8_t *bytes = reader->bytes;
    if (size > reader->left)
        return NULL;
    reader->bytes += size;
    reader->left -= size;
    return bytes;
}

int bundle_next(struct bundle_reader *reader, const void **ret_data, size_t *ret_size)
{
    uint64_t number;
    const uint8_t *bytes = take(reader, sizeof number);
    if (!bytes)
        return DUSK_E_PROTOCOL;
    memcpy(&number, bytes, sizeof number);
    if (number == APART)
        return BUNDLE_APART;
    size_t size = le64toh(number);
    if (size > reader->left || !(bytes = take(reader, size + padding(size))))
        return DUSK_E_PROTOCOL;
    *ret_data = bytes;
    *ret_size = size;
    return 0;
}
