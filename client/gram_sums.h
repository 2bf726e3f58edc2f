/* Loss, gradient and residual sums of the normal family without its rows, from
 * G = X'X (q x q), c = X'y (q) and y'y:
 *
 *     r'r = y'y - 2 c'b + b'Gb      r'y = y'y - c'b      X'r = c - Gb
 *
 * Large numbers cancel here, so the rounding in G, c and y'y comes with the result.
 * A sum of products rounds by at most gamma = depth u / (1 - depth u) times the sum of
 * their sizes, u = 2^-53, depth being the number of additions that a product goes
 * through (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1); and
 * sum_i |x_ij x_ik| <= sqrt(G_jj G_kk).  With S = sqrt(y'y) + sum_j |b_j| sqrt(G_jj):
 *
 *     r'r and r'y: gamma S^2      2 x_j'r: 2 gamma S sqrt(G_jj)
 *
 * What is computed here from the three is computed in long double, whose rounding is
 * small beside that. */
#ifndef CLIENT_GRAM_SUMS_H
#define CLIENT_GRAM_SUMS_H

#include "client/certificate.h"

struct gram_totals {
    int64_t columns;    /* q */
    const double *gram; /* G */
    const double *c;
    double y_y;
    double depth;
};

/* `ret_gradient` has q elements; sum_r, sum_y and rows are for intercepts and stay
 * 0. */
void gram_sums(const struct gram_totals *totals, const double *b,
               struct certificate_sums *ret_sums, double *ret_gradient);

#endif
