/* What all rows say of a normal family's loss, which is a quadratic function: sums over
 * them that answer every question about it without another look at the rows.
 *
 *     loss(b) = y'y - 2 c'b + b'G b,    gradient = 2 (G b - c)
 *
 * How far rounding may have moved them is bounded with
 *
 *     |computed - exact| <= 8 u sqrt(m) sum |terms|,    u = 2^-53
 *
 * for a sum of whose terms none goes through more than m additions (Higham & Mary, "A
 * new approach to probabilistic rounding error analysis", 2019: false with a
 * probability below 1e-13), and Cauchy's inequality for the terms. */
#ifndef CLIENT_GRAM_H
#define CLIENT_GRAM_H

#include "client/certificate.h"

#include <stdint.h>

struct gram {
    int64_t columns; /* q */
    double *G;       /* (q x q) sum x~ x~', owned */
    double *c;       /* (q) sum x~ y, owned */
    double y_y;
    int64_t additions; /* m, of any entry */
};

int gram_init(struct gram *gram, int64_t columns); /* DUSK_E_NOMEM */
void gram_fini(struct gram *gram);                 /* takes a zeroed one too */

/* Loss, gradient (q) and residual sums at b (q), with their error bounds.  The last
 * column is that of ones when there is an intercept. */
void gram_evaluate(const struct gram *gram, bool intercept, const double *b,
                   struct certificate_sums *ret_sums, double *ret_gradient);

/* The Hessian (k x k) on some columns, wherever. */
void gram_hessian(const struct gram *gram, const int64_t *columns, int64_t count,
                  double *ret_hessian);

/* loss(b) - loss(reference), exact to rounding of the difference. */
double gram_excess(const struct gram *gram, const double *reference, const double *b);

#endif
