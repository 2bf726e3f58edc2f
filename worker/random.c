#include "worker/random.h"
#include "worker/fastmath.h"
#include <Random123/philox.h>
#include <math.h>

/* The key is a Philox image of (seed, stream), the counter (number, chunk). */
struct random_stream random_stream(int64_t seed, int64_t stream, int64_t chunk)
{
    philox4x64_ctr_t counter = {{(uint64_t)seed, (uint64_t)stream, 0, 0}};
    philox4x64_key_t key = {{0, 0}};
    uint64_t image = philox4x64(counter, key).v[0];
    return (struct random_stream){
        .key = {(uint32_t)image, (uint32_t)(image >> 32)},
        .chunk = {(uint32_t)chunk, (uint32_t)((uint64_t)chunk >> 32)},
    };
}

/* Two words of 64 random bits for each of the counters first .. first + PAIRS - 1. */
#define PAIRS (RANDOM_BLOCK / 2)

SIMD_INLINE void random_bits(const struct random_stream *stream, uint64_t first,
                             uint64_t *restrict low, uint64_t *restrict high)
{
    philox4x32_key_t key = {{stream->key[0], stream->key[1]}};
    for (uint64_t i = 0; i < PAIRS; i++) {
        philox4x32_ctr_t counter = {{(uint32_t)(first + i),
                                     (uint32_t)((first + i) >> 32), stream->chunk[0],
                                     stream->chunk[1]}};
        philox4x32_ctr_t bits = philox4x32(counter, key);
        low[i] = (uint64_t)bits.v[1] << 32 | bits.v[0];
        high[i] = (uint64_t)bits.v[3] << 32 | bits.v[2];
    }
}

/* On [1, 2), from the upper 52 bits. */
SIMD_INLINE double one_to_two(uint64_t bits)
{
    return double_of(bits >> 12 | UINT64_C(0x3ff) << 52);
}

SIMD_CLONES
static void uniform_block(const struct random_stream *stream, uint64_t first,
                          double *restrict ret)
{
    uint64_t low[PAIRS], high[PAIRS];
    random_bits(stream, first, low, high);
    for (int i = 0; i < PAIRS; i++)
        ret[i] = one_to_two(low[i]) - 1.0;
    for (int i = 0; i < PAIRS; i++)
        ret[PAIRS + i] = one_to_two(high[i]) - 1.0;
}

/* log u for u in (0, 1]: u = 2^k (1 + f). */
SIMD_INLINE double fast_log(double u)
{
    const uint64_t half_root = UINT64_C(0x3fe6a09e667f3bcd); /* sqrt(1/2) */
    uint64_t bits = bits_of(u) - half_root;
    /* The exponent k, which is at most 0, as a double. */
    double k =
        double_of((bits >> 52 ^ UINT64_C(0x800)) | UINT64_C(0x4330000000000000)) -
        (0x1p52 + 2048.0);
    double f = double_of((bits & UINT64_C(0xfffffffffffff)) + half_root) - 1.0;
    return k * LN2_HIGH + (k * LN2_LOW + fast_log1p_near(f));
}

/* sin and cos of 2 pi turn, for turn in [-1/2, 1/2): the nearest quarter, and a
 * rest of at most an eighth. */
SIMD_INLINE void fast_sincos(double turn, double *sine, double *cosine)
{
    const double shift = 0x1.8p52;
    double shifted = turn * 4.0 + shift;
    double rest = turn * 4.0 - (shifted - shift);
    uint64_t quarter = bits_of(shifted);
    double a = rest * 0x1.921fb54442d18p0, z = a * a, z2 = z * z, z4 = z2 * z2;
    double s = (-1.0 / 6 + z * (1.0 / 120)) + z2 * (-1.0 / 5040 + z * (1.0 / 362880)) +
               z4 * ((-1.0 / 39916800 + z * (1.0 / 6227020800.0)) -
                     z2 * (1.0 / 1307674368000.0));
    double c = (-1.0 / 2 + z * (1.0 / 24)) + z2 * (-1.0 / 720 + z * (1.0 / 40320)) +
               z4 * ((-1.0 / 3628800 + z * (1.0 / 479001600)) +
                     z2 * (-1.0 / 87178291200.0 + z * (1.0 / 20922789888000.0)));
    s = a + a * z * s;
    c = 1.0 + z * c;
    uint64_t swap = -(quarter & 1), sign_s = (quarter & 2) << 62,
             sign_c = ((quarter + 1) & 2) << 62;
    uint64_t bits_s = bits_of(s), bits_c = bits_of(c);
    *sine = double_of(((bits_s & ~swap) | (bits_c & swap)) ^ sign_s);
    *cosine = double_of(((bits_c & ~swap) | (bits_s & swap)) ^ sign_c);
}

SIMD_CLONES
static void normal_block(const struct random_stream *stream, uint64_t first,
                         double *restrict ret)
{
    uint64_t low[PAIRS], high[PAIRS];
    random_bits(stream, first, low, high);
    for (int i = 0; i < PAIRS; i++) {
        double sine, cosine;
        double radius = __builtin_sqrt(-2.0 * fast_log(2.0 - one_to_two(low[i])));
        fast_sincos(one_to_two(high[i]) - 1.5, &sine, &cosine);
        ret[i] = radius * cosine;
        ret[PAIRS + i] = radius * sine;
    }
}

typedef void block_maker(const struct random_stream *, uint64_t, double *);

static void fill(block_maker *make, const struct random_stream *stream, int64_t first,
                 int64_t count, double *ret_values)
{
    double block[RANDOM_BLOCK];
    uint64_t pair = (uint64_t)first / 2;
    for (; count >= RANDOM_BLOCK; count -= RANDOM_BLOCK, pair += PAIRS) {
        make(stream, pair, ret_values);
        ret_values += RANDOM_BLOCK;
    }
    if (count > 0) {
        make(stream, pair, block);
        memcpy(ret_values, block, (size_t)count * sizeof *block);
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
