#include "worker/glm_rows.h"
#include "worker/panels.h"
#include "worker/simd.h"

#define ELEMENT double
#define LOAD4 v4_load
#define NAMED(name) name##_f64
#include "worker/glm_rows.inc"
#undef ELEMENT
#undef LOAD4
#undef NAMED

#define ELEMENT float
#define LOAD4 v4_load_f32
#define NAMED(name) name##_f32
#include "worker/glm_rows.inc"

const struct row_loops row_loops_f64 = {dot_f64, add_f64, moments_f64, pack_f64,
                                        widen_f64};
const struct row_loops row_loops_f32 = {dot_f32, add_f32, moments_f32, pack_f32,
                                        widen_f32};

/* ---- one pass that uses each row twice ----
 *
 * Its product with b, and, some rows later, its part in the gradient.  Where one
 * follows the other in two loops, memory idles during the second. */

/* Four rows share each load and store of the sums: while one is multiplied, a quarter
 * of the columns of four old ones is added. */
SIMD_CLONES
void rows_pass_four(const double *x, int64_t columns, const double *b, double offset,
                    double *ret_eta, const double *old, const double *old_r,
                    double *sums)
{
    const double r[4] = {old_r[0], old_r[1], old_r[2], old_r[3]};
    int64_t m = 0;
    for (int i = 0; i < 4; i++, x += columns) {
        v4 a[4] = {{0}};
        int64_t j = 0;
        for (; j + 16 <= columns; j += 16, m += 4) {
            dot_16_f64(x + j, b + j, a);
            add_four_f64(old + m, columns, r, sums + m);
        }
        ret_eta[i] = offset + dot_end_f64(x, b, j, columns, a);
    }
    add_end_f64(old, m, columns, r, sums);
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
        dot_16_f64(x + j, b + j, a);
        for (int k = 0; k < 16; k += 4)
            v4_store(sums + j + k, v4_load(sums + j + k) + v4_load(old + j + k) * r);
    }
    *ret_eta = offset + dot_end_f64(x, b, j, columns, a);
    for (; j < columns; j++)
        sums[j] += old[j] * r;
}
