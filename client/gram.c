#include "client/gram.h"
#include "common/dusk_types.h"

#include <cblas.h>
#include <float.h>
#include <stdlib.h>

int gram_init(struct gram *gram, int64_t columns)
{
    size_t q = (size_t)columns;
    *gram = (struct gram){.columns = columns};
    gram->G = calloc(q * q, sizeof *gram->G);
    gram->c = calloc(q, sizeof *gram->c);
    if (gram->G && gram->c)
        return 0;
    gram_fini(gram);
    return DUSK_E_NOMEM;
}

void gram_fini(struct gram *gram)
{
    free(gram->G);
    free(gram->c);
    *gram = (struct gram){0};
}

/* sqrt(y'y) + sum |b_j| sqrt(G_jj): its square is no less than the sum of all that is
 * added up, without signs, in y'y - 2 c'b + b'G b. */
static double size_of(const struct gram *gram, const double *b)
{
    double size = sqrt(gram->y_y);
    for (int64_t j = 0; j < gram->columns; j++)
        size += fabs(b[j]) * sqrt(gram->G[j * gram->columns + j]);
    return size;
}

/* Where the certificate centres the residual, each of its sums has as many as four such
 * errors. */
void gram_evaluate(const struct gram *gram, bool intercept, const double *b,
                   struct certificate_sums *ret_sums, double *ret_gradient)
{
    int64_t q = gram->columns;
    double size = size_of(gram, b);
    double unit = 8 * (DBL_EPSILON / 2) * sqrt((double)(gram->additions + q));
    struct certificate_sums sums = {.r_y = gram->y_y};
    cblas_dgemv(CblasRowMajor, CblasNoTrans, (blasint)q, (blasint)q, 2, gram->G,
                (blasint)q, b, 1, 0, ret_gradient, 1);
    for (int64_t j = 0; j < q; j++) {
        ret_gradient[j] -= 2 * gram->c[j];
        sums.r_y -= gram->c[j] * b[j];
        sums.r_r += ret_gradient[j] * b[j] / 2;
    }
    sums.r_r = fmax(sums.r_r + sums.r_y, 0);
    sums.loss = sums.r_r;
    if (intercept) {
        sums.sum_r = -ret_gradient[q - 1] / 2;
        sums.sum_y = gram->c[q - 1];
        sums.rows = gram->G[q * q - 1];
    }
    sums.value_error = (intercept ? 4 : 1) * unit * size * size;
    sums.gradient_error = 2 * unit * size;
    *ret_sums = sums;
}

void gram_hessian(const struct gram *gram, const int64_t *columns, int64_t count,
                  double *ret_hessian)
{
    for (int64_t k = 0; k < count; k++)
        for (int64_t l = 0; l < count; l++)
            ret_hessian[k * count + l] =
                2 * gram->G[columns[k] * gram->columns + columns[l]];
}

/* With d = b - b*: loss(b) - loss(b*) = d'G (b + b*) - 2 c'd, no cancellation. */
double gram_excess(const struct gram *gram, const double *reference, const double *b)
{
    double excess = 0;
    for (int64_t i = 0; i < gram->columns; i++) {
        const double *row = gram->G + i * gram->columns;
        double step = b[i] - reference[i], both = 0;
        for (int64_t j = 0; j < gram->columns; j++)
            both += row[j] * (b[j] + reference[j]);
        excess += step * (both - 2 * gram->c[i]);
    }
    return excess;
}
