/* One pass over rows from memory that uses each of them twice: its product with b, and,
 * some rows later, its part in the gradient.  Where one follows the other in two loops,
 * memory idles during the second. */
#include "worker/glm_rows.h"
#include "worker/simd.h"

/* a += x_j b_j for sixteen j. */
SIMD_INLINE void dot_16(const double *x, const double *b, v4 a[4])
{
    for (int k = 0; k < 4; k++)
        a[k] += v4_load(x + 4 * k) * v4_load(b + 4 * k);
}

/* The whole product, of which the columns before j are in a. */
SIMD_INLINE double dot_end(const double *x, const double *b, int64_t j, int64_t columns,
                           v4 a[4])
{
    double tail = 0;
    for (; j + 4 <= columns; j += 4)
        a[0] += v4_load(x + j) * v4_load(b + j);
    for (; j < columns; j++)
        tail += x[j] * b[j];
    v4 sum = (a[0] + a[1]) + (a[2] + a[3]);
    return v4_sum(sum) + tail;
}

/* Four rows share each load and store of the sums: while one is multiplied, a quarter
 * of the columns of four old ones is added. */
SIMD_CLONES
void rows_pass_four(const double *x, int64_t columns, const double *b, double offset,
                    double *ret_eta, const double *old, const double *old_r,
                    double *sums)
{
    const double *o0 = old, *o1 = o0 + columns, *o2 = o1 + columns, *o3 = o2 + columns;
    const double r0 = old_r[0], r1 = old_r[1], r2 = old_r[2], r3 = old_r[3];
    int64_t m = 0;
    for (int i = 0; i < 4; i++, x += columns) {
        v4 a[4] = {{0}};
        int64_t j = 0;
        for (; j + 16 <= columns; j += 16, m += 4) {
            dot_16(x + j, b + j, a);
            v4_store(sums + m, ((v4_load(sums + m) + v4_load(o0 + m) * r0) +
                                v4_load(o1 + m) * r1) +
                                   (v4_load(o2 + m) * r2 + v4_load(o3 + m) * r3));
        }
        ret_eta[i] = offset + dot_end(x, b, j, columns, a);
    }
    for (; m < columns; m++)
        sums[m] = ((sums[m] + o0[m] * r0) + o1[m] * r1) + (o2[m] * r2 + o3[m] * r3);
}

/* Of long rows, only few fit into the first-level cache; and with two rows to follow,
 * the processor's own prefetching keeps up with neither. */
SIMD_CLONES
void rows_pass_one(const double *x, int64_t columns, const double *b, double offset,
                   double *ret_eta, const double *old, const double *old_r,
                   double *sums)
{
    const int64_t ahead = 16384 / sizeof *x, line = 64 / sizeof *x;
    const double r = *old_r;
    v4 a[4] = {{0}};
    int64_t j = 0;
    for (; j + 16 <= columns; j += 16) {
        __builtin_prefetch(x + j + ahead, 0, 2);
        __builtin_prefetch(x + j + ahead + line, 0, 2);
        dot_16(x + j, b + j, a);
        for (int k = 0; k < 16; k += 4)
            v4_store(sums + j + k, v4_load(sums + j + k) + v4_load(old + j + k) * r);
    }
    *ret_eta = offset + dot_end(x, b, j, columns, a);
    for (; j < columns; j++)
        sums[j] += old[j] * r;
}
