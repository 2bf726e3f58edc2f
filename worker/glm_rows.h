/* The loops over rows, of doubles and of floats.  Unlike all other arithmetic here
 * they may fuse a multiplication and an addition where the processor can: the last
 * bits of results depend on that, so nothing that is to be made again elsewhere,
 * with the same checksum, may come from here. */
#ifndef WORKER_GLM_ROWS_H
#define WORKER_GLM_ROWS_H

#include <stdint.h>

/* x points to rows of `columns` elements each; glm_kernels.h has what is computed. */
struct row_loops {
    void (*dot)(const void *x, int64_t rows, int64_t columns, const double *b,
                double offset, double *ret_eta);
    void (*add)(const void *x, int64_t rows, int64_t columns, const double *r,
                double *sums);
    void (*moments)(const void *x, int64_t rows, int64_t columns, double *sum,
                    double *sum2);
    void (*pack)(const void *x, int64_t rows, int64_t columns, const double *mu,
                 double *panels);
    void (*widen)(const void *x, int64_t count, double *ret);
};

extern const struct row_loops row_loops_f64, row_loops_f32;

/* ret_eta_i = offset + x_i'b for four rows, or one; and sums += r_k times row k for as
 * many old ones.  For rows of doubles that come from memory. */
void rows_pass_four(const double *x, int64_t columns, const double *b, double offset,
                    double *ret_eta, const double *old, const double *old_r,
                    double *sums);
void rows_pass_one(const double *x, int64_t columns, const double *b, double offset,
                   double *ret_eta, const double *old, const double *old_r,
                   double *sums);

#endif
