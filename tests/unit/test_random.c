/* Random numbers by counter: the same bits everywhere, and the right distribution. */
#include "tests/test.h"
#include "worker/random.h"
#include <Random123/threefry.h>
#include <math.h>
#include <string.h>

#define MANY (1 << 18)

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Folds the bits of many numbers into one. */
static uint64_t fold(const double *values, int64_t count)
{
    uint64_t hash = 1;
    for (int64_t k = 0; k < count; k++)
        hash = (hash ^ bits_of(values[k])) * UINT64_C(0x100000001b3);
    return hash;
}

/* The published first words of Threefry4x64-20 with key and counter zero. */
START_TEST(uniforms_are_threefry)
{
    static const uint64_t words[4] = {
        UINT64_C(0x09218ebde6c85537), UINT64_C(0x55941f5266d86105),
        UINT64_C(0x4bd25e16282434dc), UINT64_C(0xee29ec846bd2e40b)};
    struct random_stream stream = random_stream(0, 0, 0);
    double values[RANDOM_BLOCK];
    random_uniform(&stream, 0, RANDOM_BLOCK, values);
    for (int w = 0; w < 4; w++)
        ck_assert_double_eq(values[w * RANDOM_BLOCK / 4],
                            (double)(words[w] >> 12) * 0x1p-52);
}
END_TEST

/* A chunk that is made again elsewhere must have the same checksum.  These were
 * computed with and without AVX2. */
START_TEST(bits_do_not_depend_on_the_processor)
{
    static double values[10 * RANDOM_BLOCK];
    struct random_stream stream = random_stream(12345, 2, 77);
    random_normal(&stream, 0, 10 * RANDOM_BLOCK, values);
    ck_assert_uint_eq(fold(values, 10 * RANDOM_BLOCK), UINT64_C(0xc7c903ae8769e0af));
    random_uniform(&stream, 0, 10 * RANDOM_BLOCK, values);
    ck_assert_uint_eq(fold(values, 10 * RANDOM_BLOCK), UINT64_C(0xc84f1d87d90b2a4f));
}
END_TEST

START_TEST(pieces_make_the_whole)
{
    static double whole[5 * RANDOM_BLOCK], piece[5 * RANDOM_BLOCK];
    struct random_stream stream = random_stream(-1, 3, 1);
    int64_t count = 4 * RANDOM_BLOCK + 17;
    random_normal(&stream, 0, count, whole);
    random_normal(&stream, 0, RANDOM_BLOCK, piece);
    random_normal(&stream, RANDOM_BLOCK, count - RANDOM_BLOCK, piece + RANDOM_BLOCK);
    ck_assert_mem_eq(whole, piece, (size_t)count * sizeof(double));
    random_normal(&stream, 2 * RANDOM_BLOCK, 1, piece);
    ck_assert_double_eq(piece[0], whole[2 * RANDOM_BLOCK]);
    random_normal(&stream, 0, 0, piece);
}
END_TEST

START_TEST(seed_stream_and_chunk_all_count)
{
    const int64_t ids[][3] = {
        {0, 0, 0},         {1, 0, 0},         {0, 1, 0},  {0, 0, 1},
        {INT64_MIN, 0, 0}, {0, INT64_MIN, 0}, {-1, 0, 0}, {0, 0, INT64_C(1) << 32}};
    double first[8];
    for (int k = 0; k < 8; k++) {
        struct random_stream stream = random_stream(ids[k][0], ids[k][1], ids[k][2]);
        random_normal(&stream, 0, 1, &first[k]);
        for (int l = 0; l < k; l++)
            ck_assert_double_ne(first[k], first[l]);
    }
}
END_TEST

/* Both numbers of a pair against libm, from the word that makes them: its upper 36
 * bits are u, radius^2 = -2 log(1 - u); the angle up to the symmetries of the square.
 */
START_TEST(normals_follow_box_and_muller)
{
    double z[RANDOM_BLOCK];
    int half = RANDOM_BLOCK / 2, counters = half / 4;
    for (int64_t chunk = 0; chunk < 200; chunk++) {
        struct random_stream stream = random_stream(5, 3, chunk);
        random_normal(&stream, RANDOM_BLOCK, RANDOM_BLOCK, z);
        for (int i = 0; i < half; i++) {
            threefry4x64_ctr_t counter = {
                {(uint64_t)(counters + i % counters), 0, (uint64_t)chunk, 0}};
            threefry4x64_key_t key = {{5, 3, 0, 0}};
            uint64_t word = threefry4x64(counter, key).v[i / counters];
            double u = ((double)(word >> 28) + 0.5) * 0x1p-36;
            double angle = ((double)(word << 36 >> 38) + 0.5) * 0x1p-26 - 0.5;
            double square = -2.0 * log1p(-u), tangent = fabs(tan(angle * M_PI_2));
            double x = fabs(z[i]), y = fabs(z[half + i]);
            ck_assert_double_eq_tol(x * x + y * y, square, 3e-11 * square);
            ck_assert_double_eq_tol(fmin(x, y), tangent * fmax(x, y), 1e-10);
        }
    }
}
END_TEST

/* Of 2^26 numbers, 4245 beyond 4, 38.5 beyond 5 and 0.13 beyond 6 are expected; and no
 * number is beyond the last step of the radius. */
START_TEST(tails_are_those_of_the_normal)
{
    enum { BLOCKS = 1 << 18 };
    struct random_stream stream = random_stream(_i, 7, 0);
    double z[RANDOM_BLOCK], most = 0;
    int64_t beyond[7] = {0};
    for (int64_t block = 0; block < BLOCKS; block++) {
        random_normal(&stream, block * RANDOM_BLOCK, RANDOM_BLOCK, z);
        for (int i = 0; i < RANDOM_BLOCK; i++) {
            double size = fabs(z[i]);
            most = fmax(most, size);
            for (int limit = 4; limit <= 6 && size > limit; limit++)
                beyond[limit]++;
        }
    }
    for (int limit = 4; limit <= 6; limit++) {
        double expected = (double)BLOCKS * RANDOM_BLOCK * erfc(limit / M_SQRT2);
        ck_assert_msg(fabs((double)beyond[limit] - expected) < 4.5 * sqrt(expected) + 3,
                      "seed %d: %d beyond %d, not %g", _i, (int)beyond[limit], limit,
                      expected);
    }
    ck_assert_double_lt(most, sqrt(2 * 37 * M_LN2) + 1e-9);
}
END_TEST

/* Standard deviations from the expected mean of a power. */
static double deviations(const double *z, int power, double mean, double variance)
{
    double total = 0;
    for (int64_t k = 0; k < MANY; k++)
        total += pow(z[k], power) - mean;
    return fabs(total) / sqrt((double)MANY * variance);
}

START_TEST(normals_have_normal_moments)
{
    double *z = malloc(MANY * sizeof *z);
    struct random_stream stream = random_stream(_i, 0, 9);
    random_normal(&stream, 0, MANY, z);
    ck_assert_double_lt(deviations(z, 1, 0, 1), 4.5);
    ck_assert_double_lt(deviations(z, 2, 1, 2), 4.5);
    ck_assert_double_lt(deviations(z, 3, 0, 15), 4.5);
    ck_assert_double_lt(deviations(z, 4, 3, 96), 4.5);
    free(z);
}
END_TEST

/* Correlation of each number with the ones before it, among them its partner. */
START_TEST(normals_are_not_correlated)
{
    static const int lags[] = {1, 2, 4, 8, 32, 64, 128, 256, 512};
    double *z = malloc(MANY * sizeof *z);
    struct random_stream stream = random_stream(_i, 0, 9);
    random_normal(&stream, 0, MANY, z);
    for (size_t l = 0; l < sizeof lags / sizeof *lags; l++) {
        double total = 0;
        for (int64_t k = lags[l]; k < MANY; k++)
            total += z[k] * z[k - lags[l]];
        ck_assert_double_lt(fabs(total) / sqrt((double)MANY), 4.5);
    }
    free(z);
}
END_TEST

#define BINS 64

/* Chi-square over bins of equal probability; `probability` is the distribution
 * function. */
static double chi_square(const double *values, double (*probability)(double))
{
    double counts[BINS] = {0}, total = 0, expected = (double)MANY / BINS;
    for (int64_t k = 0; k < MANY; k++)
        counts[(int)(probability(values[k]) * BINS)]++;
    for (int k = 0; k < BINS; k++)
        total += (counts[k] - expected) * (counts[k] - expected) / expected;
    return total;
}

static double normal_probability(double z)
{
    return fmin(0.5 * erfc(-z / M_SQRT2), 1 - 1e-16);
}

static double identity(double u)
{
    return u;
}

/* 63 degrees of freedom: 121 is exceeded once in 100,000 times. */
START_TEST(bins_are_filled_evenly)
{
    double *values = malloc(MANY * sizeof *values);
    struct random_stream stream = random_stream(_i, 1, 0);
    random_normal(&stream, 0, MANY, values);
    ck_assert_double_lt(chi_square(values, normal_probability), 121);
    random_uniform(&stream, 0, MANY, values);
    ck_assert_double_lt(chi_square(values, identity), 121);
    for (int64_t k = 0; k < MANY; k++)
        ck_assert(values[k] >= 0.0 && values[k] < 1.0);
    free(values);
}
END_TEST

static Suite *random_suite(void)
{
    Suite *suite = suite_create("random");
    TCase *tcase = tcase_create("random");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, uniforms_are_threefry);
    tcase_add_test(tcase, bits_do_not_depend_on_the_processor);
    tcase_add_test(tcase, pieces_make_the_whole);
    tcase_add_test(tcase, seed_stream_and_chunk_all_count);
    tcase_add_test(tcase, normals_follow_box_and_muller);
    tcase_add_loop_test(tcase, tails_are_those_of_the_normal, 0, 2);
    tcase_add_loop_test(tcase, normals_have_normal_moments, 0, 5);
    tcase_add_loop_test(tcase, normals_are_not_correlated, 0, 5);
    tcase_add_loop_test(tcase, bins_are_filled_evenly, 0, 5);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return test_main(random_suite());
}
