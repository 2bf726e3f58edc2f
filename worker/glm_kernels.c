#include "worker/glm_kernels.h"
#include "worker/fastmath.h"

int64_t glm_block_rows(int64_t columns)
{
    const int64_t cache_doubles = 8192;
    int64_t rows = cache_doubles / columns / 4 * 4;
    return rows < 4 ? 4 : rows > GLM_BLOCK_ROWS ? GLM_BLOCK_ROWS : rows;
}

SIMD_INLINE double row_dot(const double *x, const double *b, int64_t columns)
{
    v8 acc = {0};
    int64_t j = 0;
    for (; j + 8 <= columns; j += 8)
        acc += v8_load(x + j) * v8_load(b + j);
    double tail = 0;
    for (; j < columns; j++)
        tail += x[j] * b[j];
    return v8_sum(acc) + tail;
}

/* Four rows at a time share each load of b; the order of additions within a row is
 * that of row_dot. */
SIMD_CLONES
void rows_dot(const double *x, int64_t rows, int64_t columns, const double *b,
              double offset, double *ret_eta)
{
    int64_t i = 0, full = columns / 8 * 8;
    for (; i + 4 <= rows; i += 4) {
        const double *x0 = x + i * columns, *x1 = x0 + columns, *x2 = x1 + columns,
                     *x3 = x2 + columns;
        v8 acc0 = {0}, acc1 = {0}, acc2 = {0}, acc3 = {0};
        for (int64_t j = 0; j < full; j += 8) {
            v8 bj = v8_load(b + j);
            acc0 += v8_load(x0 + j) * bj;
            acc1 += v8_load(x1 + j) * bj;
            acc2 += v8_load(x2 + j) * bj;
            acc3 += v8_load(x3 + j) * bj;
        }
        double tail0 = 0, tail1 = 0, tail2 = 0, tail3 = 0;
        for (int64_t j = full; j < columns; j++) {
            tail0 += x0[j] * b[j];
            tail1 += x1[j] * b[j];
            tail2 += x2[j] * b[j];
            tail3 += x3[j] * b[j];
        }
        ret_eta[i] = offset + (v8_sum(acc0) + tail0);
        ret_eta[i + 1] = offset + (v8_sum(acc1) + tail1);
        ret_eta[i + 2] = offset + (v8_sum(acc2) + tail2);
        ret_eta[i + 3] = offset + (v8_sum(acc3) + tail3);
    }
    for (; i < rows; i++)
        ret_eta[i] = offset + row_dot(x + i * columns, b, columns);
}

/* Four rows at a time share each load and store of the sums. */
SIMD_CLONES
void rows_add(const double *x, int64_t rows, int64_t columns, const double *r,
              double *sums)
{
    int64_t i = 0, full = columns / 8 * 8;
    for (; i + 4 <= rows; i += 4) {
        const double *x0 = x + i * columns, *x1 = x0 + columns, *x2 = x1 + columns,
                     *x3 = x2 + columns;
        double r0 = r[i], r1 = r[i + 1], r2 = r[i + 2], r3 = r[i + 3];
        for (int64_t j = 0; j < full; j += 8)
            v8_store(sums + j, v8_load(sums + j) +
                                   ((v8_load(x0 + j) * r0 + v8_load(x1 + j) * r1) +
                                    (v8_load(x2 + j) * r2 + v8_load(x3 + j) * r3)));
        for (int64_t j = full; j < columns; j++)
            sums[j] += (x0[j] * r0 + x1[j] * r1) + (x2[j] * r2 + x3[j] * r3);
    }
    for (; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            sums[j] += x[i * columns + j] * r[i];
}

/* With t = e^-|eta|, every logistic quantity is free of overflow and cancellation:
 * the side that y agrees with has loss log(1 + t), the other |eta| more. */
SIMD_CLONES
static void loss_logistic(const double *restrict eta, const double *restrict y,
                          int64_t rows, double *restrict ret_loss,
                          double *restrict ret_r)
{
    for (int64_t i = 0; i < rows; i++) {
        double size = __builtin_fabs(eta[i]), t = fast_exp(-size);
        double sign = y[i] > 0.5 ? 1.0 : -1.0;
        int agrees = eta[i] * sign >= 0.0;
        ret_loss[i] = fast_log1p(t) + (agrees ? 0.0 : size);
        ret_r[i] = sign * ((agrees ? t : 1.0) / (1.0 + t));
    }
}

SIMD_CLONES
static void loss_normal(const double *restrict eta, const double *restrict y,
                        int64_t rows, double *restrict ret_loss, double *restrict ret_r)
{
    for (int64_t i = 0; i < rows; i++) {
        double r = y[i] - eta[i];
        ret_r[i] = r;
        ret_loss[i] = r * r;
    }
}

void rows_loss(enum glm_family family, const double *eta, const double *y, int64_t rows,
               double *ret_loss, double *ret_r)
{
    if (family == GLM_LOGISTIC)
        loss_logistic(eta, y, rows, ret_loss, ret_r);
    else
        loss_normal(eta, y, rows, ret_loss, ret_r);
}

SIMD_CLONES
void rows_weight(enum glm_family family, const double *restrict eta, int64_t rows,
                 double *restrict ret_weight)
{
    for (int64_t i = 0; i < rows; i++) {
        double t = fast_exp(-__builtin_fabs(eta[i]));
        ret_weight[i] = family == GLM_LOGISTIC ? t / ((1.0 + t) * (1.0 + t)) : 2.0;
    }
}
