#include "client/gram_sums.h"

#include <math.h>

#define UNIT 0x1p-53

/* G_jj as it was computed may be less than it is. */
#define ENLARGED 1.01

static double column_norm(const struct gram_totals *t, int64_t j)
{
    return ENLARGED * sqrt(t->gram[j * t->columns + j]);
}

static void bound_rounding(const struct gram_totals *t, const double *b,
                           struct certificate_sums *sums)
{
    double norm = ENLARGED * sqrt(t->y_y), longest = 0;
    double gamma = t->depth * UNIT / (1 - t->depth * UNIT);
    for (int64_t j = 0; j < t->columns; j++) {
        norm += fabs(b[j]) * column_norm(t, j);
        longest = fmax(longest, column_norm(t, j));
    }
    sums->rounding = gamma * norm * norm;
    sums->gradient_rounding = 2 * gamma * norm * longest;
}

void gram_sums(const struct gram_totals *t, const double *b,
               struct certificate_sums *ret_sums, double *ret_gradient)
{
    long double r_y = t->y_y, r_fit = 0;
    for (int64_t j = 0; j < t->columns; j++) {
        const double *row = t->gram + j * t->columns;
        long double x_r = t->c[j];
        for (int64_t k = 0; k < t->columns; k++)
            x_r -= (long double)row[k] * b[k];
        r_y -= (long double)t->c[j] * b[j];
        r_fit += x_r * b[j];
        ret_gradient[j] = (double)(-2 * x_r);
    }
    /* r'r = r'y - r'Xb */
    *ret_sums = (struct certificate_sums){.loss = (double)(r_y - r_fit),
                                          .r_y = (double)r_y,
                                          .r_r = (double)(r_y - r_fit)};
    bound_rounding(t, b, ret_sums);
}
