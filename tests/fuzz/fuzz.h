/* Fuzz targets: each file fuzz_NAME.c has one LLVMFuzzerTestOneInput, which must hold
 * for any bytes: nothing crashes, nothing leaks, and what a core checks of itself
 * holds after each event.  libFuzzer drives it (-Dfuzz=true, with clang), and replay.c
 * under any compiler. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What every target brings to start from, made by the real encoders: calls `take` for
 * each input. */
typedef void fuzz_take_fn(void *context, const void *data, size_t size);
void fuzz_seeds(fuzz_take_fn *take, void *context);

/* Some inputs of random bytes: what is read as a list of choices starts from them. */
void fuzz_random_seeds(fuzz_take_fn *take, void *context);

/* Prints the line and aborts: what must hold does not. */
_Noreturn void fuzz_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define FUZZ_CHECK(holds)                                                              \
    ((holds) ? (void)0 : fuzz_fail("%s:%d: %s", __FILE__, __LINE__, #holds))

/* A check of a core's invariants: 0, or the line is printed. */
#define FUZZ_HOLDS(check, core)                                                        \
    do {                                                                               \
        struct err_text text_;                                                         \
        if (check(core, &text_) != 0)                                                  \
            fuzz_fail("%s:%d: %s", __FILE__, __LINE__, text_.line);                    \
    } while (0)

/* The input as a list of choices; when it has run out every choice is 0. */
struct feed {
    const uint8_t *data;
    size_t size;
    size_t at;
};

static inline bool feed_is_empty(const struct feed *feed)
{
    return feed->at == feed->size;
}

static inline uint8_t feed_byte(struct feed *feed)
{
    return feed_is_empty(feed) ? 0 : feed->data[feed->at++];
}

/* Below `limit`, which is at most 256. */
static inline unsigned feed_below(struct feed *feed, unsigned limit)
{
    return feed_byte(feed) % limit;
}

/* Whether a choice falls on one of so many in 256. */
static inline bool feed_rarely(struct feed *feed, unsigned of_256)
{
    return feed_byte(feed) >= 256 - of_256;
}

/* The next `count` bytes at most, borrowed from the input. */
const uint8_t *feed_bytes(struct feed *feed, size_t count, size_t *ret_count);

/* A pseudo-random number (xorshift); the state is not 0. */
uint64_t fuzz_random(uint64_t *state);

uint64_t feed_bits(struct feed *feed); /* 8 bytes of the input */

/* Mostly small, sometimes at an edge. */
uint64_t feed_number(struct feed *feed);

/* How long nothing happens, in ns: from nothing to a minute. */
uint64_t feed_pause_ns(struct feed *feed);

#endif
