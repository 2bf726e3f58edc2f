#include "worker/dense.h"
#include "worker/simd.h"
#include <cblas.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>

/* LAPACK's own routine: OpenBLAS carries it, under its Fortran name. */
void dpotrf_(const char *uplo, const blasint *n, double *a, const blasint *lda,
             blasint *info);

void dense_init(void)
{
    openblas_set_num_threads(1);
}

/* A row and column of zeros says nothing about its unknown. */
static void fill_empty_pivots(double *a, int64_t q)
{
    for (int64_t j = 0; j < q; j++) {
        bool empty = true;
        for (int64_t k = 0; k < q && empty; k++)
            empty = a[k < j ? j * q + k : k * q + j] == 0.0;
        if (empty)
            a[j * q + j] = 1.0;
    }
}

/* A NaN or an infinity anywhere makes a pivot NaN or zero, but LAPACK does not
 * stop at all of these. */
static int check_pivots(const double *l, int64_t q, struct err_text *err)
{
    for (int64_t j = 0; j < q; j++)
        if (!isfinite(l[j * q + j]) || l[j * q + j] <= 0.0)
            return err_set(
                err, DUSK_E_DATA,
                "matrix of order %" PRId64 " is not finite at pivot %" PRId64, q, j);
    return 0;
}

int dense_cholesky(double *a, int64_t q, struct err_text *err)
{
    blasint n = (blasint)q, info = 0;
    if (q < 1 || q > INT32_MAX)
        return err_set(err, DUSK_E_INVALID, "matrix of order %" PRId64, q);
    fill_empty_pivots(a, q);
    /* Row-major lower is column-major upper. */
    dpotrf_("U", &n, a, &n, &info);
    if (info != 0)
        return err_set(err, DUSK_E_DATA,
                       "matrix of order %" PRId64
                       " is not positive definite at pivot %d",
                       q, (int)info - 1);
    for (int64_t j = 0; j < q; j++)
        for (int64_t k = j + 1; k < q; k++)
            a[j * q + k] = 0.0;
    return check_pivots(a, q, err);
}

void dense_solve_lower(const double *l, int64_t q, double *x)
{
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasNoTrans, CblasNonUnit, (blasint)q, l,
                (blasint)q, x, 1);
}

void dense_solve_upper(const double *l, int64_t q, double *x)
{
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasTrans, CblasNonUnit, (blasint)q, l,
                (blasint)q, x, 1);
}

SIMD_CLONES
double dense_sum(const double *a, int64_t count)
{
    v4 low = {0}, high = {0};
    int64_t i = 0;
    for (; i + 8 <= count; i += 8) {
        low += v4_load(a + i);
        high += v4_load(a + i + 4);
    }
    double tail = 0;
    for (; i < count; i++)
        tail += a[i];
    return v4_sum(low + high) + tail;
}

SIMD_CLONES
double dense_dot(const double *a, const double *b, int64_t count)
{
    v4 low = {0}, high = {0};
    int64_t i = 0;
    for (; i + 8 <= count; i += 8) {
        low += v4_load(a + i) * v4_load(b + i);
        high += v4_load(a + i + 4) * v4_load(b + i + 4);
    }
    double tail = 0;
    for (; i < count; i++)
        tail += a[i] * b[i];
    return v4_sum(low + high) + tail;
}

SIMD_CLONES
double dense_dot3(const double *a, const double *b, const double *c, int64_t count)
{
    v4 low = {0}, high = {0};
    int64_t i = 0;
    for (; i + 8 <= count; i += 8) {
        low += v4_load(a + i) * v4_load(b + i) * v4_load(c + i);
        high += v4_load(a + i + 4) * v4_load(b + i + 4) * v4_load(c + i + 4);
    }
    double tail = 0;
    for (; i < count; i++)
        tail += a[i] * b[i] * c[i];
    return v4_sum(low + high) + tail;
}

SIMD_CLONES
void dense_add(const double *a, double factor, const double *b, int64_t count,
               double *ret)
{
    for (int64_t i = 0; i < count; i++)
        ret[i] = a[i] + factor * b[i];
}
