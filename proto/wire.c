#include "proto/wire.h"

#include "common/dusk_types.h"
#include "proto/limits.h"

#include <endian.h>

struct shape {
    uint64_t body;     /* bytes that follow the header and belong to it */
    uint64_t elements; /* objects that follow, for containers */
    unsigned header;   /* bytes of the header */
    bool container;
};

/* 1, 2, 4 or 8 bytes. */
static uint64_t read_be(const uint8_t *bytes, unsigned count)
{
    uint64_t number = 0;
    memcpy((uint8_t *)&number + sizeof number - count, bytes, count);
    return be64toh(number);
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

/* Moves behind a header and the body that belongs to it. */
static int shape_take(struct wire_reader *reader, struct shape *ret_shape)
{
    if (reader->left == 0 || shape_read(reader->at, reader->left, ret_shape) < 0)
        return DUSK_E_PROTOCOL;
    size_t left = reader->left - ret_shape->header;
    if (ret_shape->body > left || ret_shape->elements > left)
        return DUSK_E_PROTOCOL;
    reader->at += ret_shape->header + ret_shape->body;
    reader->left = left - ret_shape->body;
    return 0;
}

/* Walks without memory of its own: `open[d]` counts the objects that are still to come
 * at depth d. */
int wire_skip(struct wire_reader *reader)
{
    struct wire_reader to = *reader;
    uint64_t open[LIMIT_DEPTH + 1] = {1};
    unsigned depth = 0;
    for (;;) {
        while (open[depth] == 0) {
            if (depth == 0) {
                *reader = to;
                return 0;
            }
            depth--;
        }
        open[depth]--;
        struct shape shape;
        if (shape_take(&to, &shape) < 0)
            return DUSK_E_PROTOCOL;
        if (shape.container) {
            if (depth == LIMIT_DEPTH)
                return DUSK_E_PROTOCOL;
            open[++depth] = shape.elements;
        }
    }
}

/* ---- one object ---- */

/* 0xc1, which msgpack does not use, at the end. */
static uint8_t first_byte(const struct wire_reader *reader)
{
    return reader->left ? reader->at[0] : 0xc1;
}

/* The bits of a number and whether it is below 0. */
static int number_read(struct wire_reader *reader, uint64_t *ret_bits,
                       bool *ret_negative)
{
    uint8_t first = first_byte(reader);
    unsigned bytes = 0;
    *ret_bits = first;
    *ret_negative = first >= 0xe0;
    if (*ret_negative)
        *ret_bits = (uint64_t)(int8_t)first;
    else if (first > 0x7f) {
        bytes = 1u << (first & 3);
        if (first < 0xcc || first > 0xd3 || reader->left < 1 + bytes)
            return DUSK_E_PROTOCOL;
        unsigned unused = 64 - 8 * bytes;
        *ret_bits = read_be(reader->at + 1, bytes);
        if (first >= 0xd0) {
            *ret_bits = (uint64_t)((int64_t)(*ret_bits << unused) >> unused);
            *ret_negative = *ret_bits >> 63;
        }
    }
    reader->at += 1 + bytes;
    reader->left -= 1 + bytes;
    return 0;
}

int wire_read_u64(struct wire_reader *reader, uint64_t *ret_number)
{
    struct wire_reader to = *reader;
    bool negative;
    int rc = number_read(&to, ret_number, &negative);
    if (rc < 0 || negative)
        return DUSK_E_PROTOCOL;
    *reader = to;
    return 0;
}

int wire_read_i64(struct wire_reader *reader, int64_t *ret_number)
{
    struct wire_reader to = *reader;
    uint64_t bits;
    bool negative;
    int rc = number_read(&to, &bits, &negative);
    if (rc < 0 || (!negative && bits > INT64_MAX))
        return DUSK_E_PROTOCOL;
    *ret_number = (int64_t)bits;
    *reader = to;
    return 0;
}

int wire_read_str(struct wire_reader *reader, const char **ret_text, size_t *ret_size)
{
    uint8_t first = first_byte(reader);
    struct shape shape;
    if (((first & 0xe0) != 0xa0 && (first < 0xd9 || first > 0xdb)) ||
        shape_take(reader, &shape) < 0)
        return DUSK_E_PROTOCOL;
    *ret_text = (const char *)reader->at - shape.body;
    *ret_size = shape.body;
    return 0;
}

int wire_read_bin(struct wire_reader *reader, const uint8_t **ret_data,
                  size_t *ret_size)
{
    uint8_t first = first_byte(reader);
    struct shape shape;
    if (first < 0xc4 || first > 0xc6 || shape_take(reader, &shape) < 0)
        return DUSK_E_PROTOCOL;
    *ret_data = reader->at - shape.body;
    *ret_size = shape.body;
    return 0;
}

int wire_read_array(struct wire_reader *reader, uint32_t *ret_count)
{
    uint8_t first = first_byte(reader);
    struct shape shape;
    if (((first & 0xf0) != 0x90 && first != 0xdc && first != 0xdd) ||
        shape_take(reader, &shape) < 0)
        return DUSK_E_PROTOCOL;
    *ret_count = (uint32_t)shape.elements;
    return 0;
}

bool wire_read_nil(struct wire_reader *reader)
{
    if (first_byte(reader) != 0xc0)
        return false;
    reader->at++;
    reader->left--;
    return true;
}

/* ---- trees of objects ---- */

int wire_unpack(const void *data, size_t size, size_t *offset, msgpack_zone *zone,
                msgpack_object *ret_object)
{
    struct wire_reader walker = {(const uint8_t *)data + *offset, size - *offset};
    int rc = wire_skip(&walker);
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
