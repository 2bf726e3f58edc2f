#include "proto/wire.h"

#include "common/dusk_types.h"
#include "proto/limits.h"

#include <stdbool.h>

struct shape {
    uint64_t body;     /* bytes that follow the header and belong to it */
    uint64_t elements; /* objects that follow, for containers */
    unsigned header;   /* bytes of the header */
    bool container;
};

static uint64_t read_be(const uint8_t *bytes, unsigned count)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < count; i++)
        number = number << 8 | bytes[i];
    return number;
}

/* The msgpack specification's table of first bytes. */
static int shape_read(const uint8_t *at, size_t left, struct shape *shape)
{
    uint8_t first = at[0];
    *shape = (struct shape){.header = 1};
    if (first <= 0x7f || first >= 0xe0 || first == 0xc0 || first == 0xc2 ||
        first == 0xc3)
        return 0;
    if (first <= 0x9f) { /* fixmap, fixarray */
        shape->container = true;
        shape->elements = (uint64_t)(first & 0x0f) * (first <= 0x8f ? 2 : 1);
        return 0;
    }
    if (first <= 0xbf) {
        shape->body = first & 0x1f;
        return 0;
    }
    static const uint8_t count_bytes[32] = {
        [0x04] = 1, [0x05] = 2, [0x06] = 4,              /* bin */
        [0x07] = 1, [0x08] = 2, [0x09] = 4,              /* ext */
        [0x19] = 1, [0x1a] = 2, [0x1b] = 4,              /* str */
        [0x1c] = 2, [0x1d] = 4, [0x1e] = 2, [0x1f] = 4}; /* array, map */
    static const uint8_t fixed[32] = {
        [0x0a] = 4, [0x0b] = 8,                         /* float */
        [0x0c] = 1, [0x0d] = 2, [0x0e] = 4, [0x0f] = 8, /* uint */
        [0x10] = 1, [0x11] = 2, [0x12] = 4, [0x13] = 8, /* int */
        [0x14] = 2, [0x15] = 3, [0x16] = 5, [0x17] = 9, [0x18] = 17 /* fixext */};
    unsigned row = first - 0xc0;
    if (fixed[row]) {
        shape->body = fixed[row];
        return 0;
    }
    if (!count_bytes[row] || left < 1u + count_bytes[row])
        return DUSK_E_PROTOCOL;
    shape->header = 1 + count_bytes[row];
    uint64_t count = read_be(at + 1, count_bytes[row]);
    shape->container = row >= 0x1c;
    if (shape->container)
        shape->elements = row >= 0x1e ? 2 * count : count;
    else
        shape->body = count + (row >= 0x07 && row <= 0x09 ? 1 : 0);
    return 0;
}

/* Walks one object without memory of its own: `open[d]` counts the objects that
 * are still to come at depth d. */
static int wire_check(const uint8_t *data, size_t size)
{
    uint64_t open[LIMIT_DEPTH + 1] = {1};
    unsigned depth = 0;
    size_t at = 0;
    for (;;) {
        while (open[depth] == 0) {
            if (depth == 0)
                return 0;
            depth--;
        }
        open[depth]--;
        struct shape shape;
        if (at >= size || shape_read(data + at, size - at, &shape) < 0)
            return DUSK_E_PROTOCOL;
        at += shape.header;
        if (shape.body > size - at || shape.elements > size - at)
            return DUSK_E_PROTOCOL;
        at += shape.body;
        if (shape.container) {
            if (depth == LIMIT_DEPTH)
                return DUSK_E_PROTOCOL;
            open[++depth] = shape.elements;
        }
    }
}

int wire_unpack(const void *data, size_t size, size_t *offset, msgpack_zone *zone,
                msgpack_object *ret_object)
{
    int rc = wire_check((const uint8_t *)data + *offset, size - *offset);
    if (rc < 0)
        return rc;
    size_t used = 0;
    msgpack_unpack_return status = msgpack_unpack(
        (const char *)data + *offset, size - *offset, &used, zone, ret_object);
    if (status == MSGPACK_UNPACK_NOMEM_ERROR)
        return DUSK_E_NOMEM;
    if (status != MSGPACK_UNPACK_SUCCESS && status != MSGPACK_UNPACK_EXTRA_BYTES)
        return DUSK_E_PROTOCOL;
    *offset += used;
    return 0;
}
