#include "worker/random.h"
#include "worker/fastmath.h"
#include <Random123/threefry.h>
#include <math.h>
#include <string.h>

struct random_stream random_stream(int64_t seed, int64_t stream, int64_t chunk)
{
    return (struct random_stream){(uint64_t)seed, (uint64_t)stream, (uint64_t)chunk};
}

#define PAIRS (RANDOM_BLOCK / 2)

/* Words of a block from `counters` counters, each of which gives four: word w of
 * counter i is number w * counters + i of the block. */
SIMD_INLINE void random_bits(const struct random_stream *stream, uint64_t block,
                             uint64_t counters, uint64_t *restrict bits)
{
    threefry4x64_key_t key = {{stream->seed, stream->stream, 0, 0}};
    for (uint64_t i = 0; i < counters; i++) {
        threefry4x64_ctr_t word = {{block * counters + i, 0, stream->chunk, 0}};
        word = threefry4x64(word, key);
        bits[i] = word.v[0];
        bits[counters + i] = word.v[1];
        bits[2 * counters + i] = word.v[2];
        bits[3 * counters + i] = word.v[3];
    }
}

/* On [1, 2), from the upper 52 bits. */
SIMD_INLINE double one_to_two(uint64_t bits)
{
    return double_of(bits >> 12 | UINT64_C(0x3ff) << 52);
}

SIMD_CLONES
static void uniform_block(const struct random_stream *stream, uint64_t block,
                          double *restrict ret)
{
    uint64_t bits[RANDOM_BLOCK];
    random_bits(stream, block, RANDOM_BLOCK / 4, bits);
    for (int i = 0; i < RANDOM_BLOCK; i++)
        ret[i] = one_to_two(bits[i]) - 1.0;
}

/* The series below stop where errors are below 1e-11, a thousandth of the steps of
 * radius and angle. */

/* log u for u in (0, 1]: u = 2^k (1 + f), log(1 + f) = 2 artanh(s). */
SIMD_INLINE double short_log(double u)
{
    const uint64_t half_root = UINT64_C(0x3fe6a09e667f3bcd); /* sqrt(1/2) */
    uint64_t bits = bits_of(u) - half_root;
    /* The exponent k, which is at most 0, as a double. */
    double k =
        double_of((bits >> 52 ^ UINT64_C(0x800)) | UINT64_C(0x4330000000000000)) -
        (0x1p52 + 2048.0);
    double f = double_of((bits & UINT64_C(0xfffffffffffff)) + half_root) - 1.0;
    double s = f / (2.0 + f), z = s * s, z2 = z * z;
    double p0 = (2.0 / 3 + z * (2.0 / 5)) + z2 * (2.0 / 7 + z * (2.0 / 9));
    double p4 = 2.0 / 11 + z * (2.0 / 13);
    return k * M_LN2 + (2.0 * s + s * z * (p0 + z2 * z2 * p4));
}

/* A word makes a pair of numbers: its upper 36 bits the radius, the others the
 * angle.  Both are in the middle of their steps, so that no logarithm is of 0. */
#define RADIUS_BITS (~UINT64_C(0) << 28)
#define RADIUS_STEP 0x1p-36
#define ANGLE_STEP 0x1p-26

/* cos and sin of a uniform angle in a quarter of the circle, [-pi/4, pi/4), by the
 * bits 2 to 27; bit 0 swaps them, which makes it a half of the circle. */
SIMD_INLINE void half_circle(uint64_t bits, double *ret_x, double *ret_y)
{
    double u = one_to_two(bits >> 2 << 38);
    double a = (u - (1.5 - ANGLE_STEP / 2)) * 0x1.921fb54442d18p0; /* pi / 2 */
    double z = a * a, z2 = z * z, z4 = z2 * z2;
    double s = (-1.0 / 6 + z * (1.0 / 120)) + z2 * (-1.0 / 5040 + z * (1.0 / 362880)) -
               z4 * (1.0 / 39916800);
    double c = (-1.0 / 2 + z * (1.0 / 24)) + z2 * (-1.0 / 720 + z * (1.0 / 40320)) +
               z4 * (-1.0 / 3628800 + z * (1.0 / 479001600));
    double sine = a + a * z * s, cosine = 1.0 + z * c;
    *ret_x = bits & 1 ? sine : cosine;
    *ret_y = bits & 1 ? cosine : sine;
}

/* Box & Muller; bit 1 chooses the half of the circle. */
SIMD_CLONES
static void normal_block(const struct random_stream *stream, uint64_t block,
                         double *restrict ret)
{
    uint64_t bits[PAIRS];
    random_bits(stream, block, PAIRS / 4, bits);
    for (int i = 0; i < PAIRS; i++) {
        double x, y, u = one_to_two(bits[i] & RADIUS_BITS);
        double log_u = short_log((2.0 - RADIUS_STEP / 2) - u);
        double radius =
            double_of(bits_of(__builtin_sqrt(-2.0 * log_u)) ^ (bits[i] & 2) << 62);
        half_circle(bits[i], &x, &y);
        ret[i] = radius * x;
        ret[PAIRS + i] = radius * y;
    }
}

typedef void block_maker(const struct random_stream *, uint64_t, double *);

static void fill(block_maker *make, const struct random_stream *stream, int64_t first,
                 int64_t count, double *ret_values)
{
    double last[RANDOM_BLOCK];
    uint64_t block = (uint64_t)first / RANDOM_BLOCK;
    for (; count >= RANDOM_BLOCK; count -= RANDOM_BLOCK, ret_values += RANDOM_BLOCK)
        make(stream, block++, ret_values);
    if (count > 0) {
        make(stream, block, last);
        memcpy(ret_values, last, (size_t)count * sizeof *last);
    }
}

void random_uniform(const struct random_stream *stream, int64_t first, int64_t count,
                    double *ret_values)
{
    fill(uniform_block, stream, first, count, ret_values);
}

void random_normal(const struct random_stream *stream, int64_t first, int64_t count,
                   double *ret_values)
{
    fill(normal_block, stream, first, count, ret_values);
}

void random_normal_f32(const struct random_stream *stream, int64_t first, int64_t count,
                       float *ret_values)
{
    double block[RANDOM_BLOCK];
    for (int64_t k = 0; k < count; k += RANDOM_BLOCK) {
        int64_t here = count - k < RANDOM_BLOCK ? count - k : RANDOM_BLOCK;
        random_normal(stream, first + k, here, block);
        for (int64_t i = 0; i < here; i++)
            ret_values[k + i] = (float)block[i];
    }
}
