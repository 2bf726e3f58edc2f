/* The penalised problem that ADMM, polish and certificate share:
 *
 *     F(b) = loss(b) + l1 sum_j pen_j |b_j| + (l2/2) sum_j pen_j b_j^2
 *
 * where loss and its gradient are sums over all chunks. */
#ifndef CLIENT_PENALISED_H
#define CLIENT_PENALISED_H

#include <math.h>
#include <stdint.h>

/* Borrows its arrays. */
struct penalised {
    int64_t columns;       /* q */
    double l1;             /* >= 0 */
    double l2;             /* >= 0 */
    const double *penalty; /* pen (q), >= 0; 0 leaves a column unpenalised */
    const double *scale;   /* (q), >= 0: diag of the Hessian or a bound of it */
};

/* S(value, limit): towards 0 by `limit`, no further than 0. */
static inline double soft_threshold(double value, double limit)
{
    return copysign(fmax(fabs(value) - limit, 0), value);
}

/* The two penalty terms of F. */
double penalised_terms(const struct penalised *problem, const double *b);

/* How far b is from optimal in column j, `gradient` being that of the loss:
 * |g + l1 sgn b| for b != 0, |g| without penalty, max(|g| - l1, 0) for b = 0. */
double penalised_kkt_of(const struct penalised *problem, const double *b,
                        const double *gradient, int64_t j);

/* The largest of them. */
double penalised_kkt(const struct penalised *problem, const double *b,
                     const double *gradient);

/* sqrt(sum_j kkt_j^2 / scale_j / max(F, 1e-8 sum_j scale_j b_j^2)): free of units,
 * and about 1e-15 where nothing but rounding is left. */
double penalised_relative_kkt(const struct penalised *problem, const double *b,
                              const double *gradient, double objective);

#endif
