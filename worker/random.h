/* Random numbers by counter (Threefry4x64-20 of the Random123 library): number k of a
 * chunk is a function of (seed, stream, chunk, k) and of nothing else, whoever
 * makes it, on whatever processor and in pieces of whatever size.  Different
 * streams of one seed are for different purposes: features, noise, labels. */
#ifndef WORKER_RANDOM_H
#define WORKER_RANDOM_H

#include <stdint.h>

struct random_stream {
    uint64_t seed, stream, chunk;
};

struct random_stream random_stream(int64_t seed, int64_t stream, int64_t chunk);

/* Numbers first .. first + count - 1 of the stream.  `first` must be a multiple of
 * RANDOM_BLOCK. */
#define RANDOM_BLOCK 256

/* Uniform on [0, 1), multiples of 2^-52. */
void random_uniform(const struct random_stream *stream, int64_t first, int64_t count,
                    double *ret_values);

/* Standard normals by Box & Muller's method, a pair from 64 bits: exact to 11 digits,
 * none beyond 7.17. */
void random_normal(const struct random_stream *stream, int64_t first, int64_t count,
                   double *ret_values);

/* The same numbers, rounded. */
void random_normal_f32(const struct random_stream *stream, int64_t first, int64_t count,
                       float *ret_values);

#endif
