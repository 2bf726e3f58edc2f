#include "tests/fuzz/fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

const uint8_t *feed_bytes(struct feed *feed, size_t count, size_t *ret_count)
{
    size_t left = feed->size - feed->at;
    *ret_count = count < left ? count : left;
    const uint8_t *bytes = feed->data + feed->at;
    feed->at += *ret_count;
    return bytes;
}

uint64_t feed_bits(struct feed *feed)
{
    uint64_t bits = 0;
    size_t count;
    const uint8_t *bytes = feed_bytes(feed, sizeof bits, &count);
    if (count)
        memcpy(&bits, bytes, count);
    return bits;
}

uint64_t feed_number(struct feed *feed)
{
    static const uint64_t edges[] = {
        255,        256,       4095,           4096,       4097,
        65535,      65536,     UINT32_MAX,     1ull << 20, 1ull << 32,
        1ull << 40, INT64_MAX, UINT64_MAX - 1, 1ull << 63, UINT64_MAX,
    };
    enum { EDGES = sizeof edges / sizeof *edges, SMALL = 224 };
    uint8_t choice = feed_byte(feed);
    if (choice < SMALL)
        return choice % 32;
    if (choice < SMALL + EDGES)
        return edges[choice - SMALL];
    return feed_bits(feed);
}

uint64_t feed_pause_ns(struct feed *feed)
{
    static const uint16_t ms[] = {0, 1, 100, 500, 1100, 3100, 16000, 60000};
    return ms[feed_below(feed, sizeof ms / sizeof *ms)] * UINT64_C(1000000);
}

uint64_t fuzz_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

void fuzz_random_seeds(fuzz_take_fn *take, void *context)
{
    enum { INPUTS = 16, BYTES = 1500 };
    uint64_t state = 1;
    for (unsigned i = 0; i < INPUTS; i++) {
        uint8_t bytes[BYTES];
        for (size_t at = 0; at < BYTES; at++)
            bytes[at] = (uint8_t)(fuzz_random(&state) >> 56);
        take(context, bytes, BYTES);
    }
}
