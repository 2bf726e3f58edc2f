#include "worker/glm_kernels.h"
#include "worker/fastmath.h"

int64_t glm_block_rows(int64_t columns)
{
    const int64_t cache_doubles = 1600;
    int64_t rows = cache_doubles / columns / 4 * 4;
    return rows < 4 ? 4 : rows > GLM_BLOCK_ROWS ? GLM_BLOCK_ROWS : rows;
}

/* From memory, rows are fastest read one after the other. */
SIMD_CLONES
static void long_rows_dot(const double *x, int64_t rows, int64_t columns,
                          const double *b, double offset, double *ret_eta)
{
    for (int64_t i = 0; i < rows; i++, x += columns) {
        v4 a0 = {0}, a1 = {0}, a2 = {0}, a3 = {0};
        double tail = 0;
        int64_t j = 0;
        for (; j + 16 <= columns; j += 16) {
            a0 += v4_load(x + j) * v4_load(b + j);
            a1 += v4_load(x + j + 4) * v4_load(b + j + 4);
            a2 += v4_load(x + j + 8) * v4_load(b + j + 8);
            a3 += v4_load(x + j + 12) * v4_load(b + j + 12);
        }
        for (; j + 4 <= columns; j += 4)
            a0 += v4_load(x + j) * v4_load(b + j);
        for (; j < columns; j++)
            tail += x[j] * b[j];
        a0 = (a0 + a1) + (a2 + a3);
        ret_eta[i] = offset + (v4_sum(a0) + tail);
    }
}

SIMD_INLINE double short_row_dot(const double *x, const double *b, int64_t columns)
{
    v4 a = {0};
    double tail = 0;
    int64_t j = 0;
    for (; j + 4 <= columns; j += 4)
        a += v4_load(x + j) * v4_load(b + j);
    for (; j < columns; j++)
        tail += x[j] * b[j];
    return v4_sum(a) + tail;
}

/* Where rows are short, four side by side keep the processor busier. */
SIMD_CLONES
static void short_rows_dot(const double *x, int64_t rows, int64_t columns,
                           const double *b, double offset, double *ret_eta)
{
    int64_t i = 0;
    for (; i + 4 <= rows; i += 4, x += 4 * columns) {
        const double *x1 = x + columns, *x2 = x1 + columns, *x3 = x2 + columns;
        v4 a0 = {0}, a1 = {0}, a2 = {0}, a3 = {0}, tail = {0};
        int64_t j = 0;
        for (; j + 4 <= columns; j += 4) {
            v4 bj = v4_load(b + j);
            a0 += v4_load(x + j) * bj;
            a1 += v4_load(x1 + j) * bj;
            a2 += v4_load(x2 + j) * bj;
            a3 += v4_load(x3 + j) * bj;
        }
        for (; j < columns; j++)
            tail += (v4){x[j], x1[j], x2[j], x3[j]} * b[j];
        v4 sums = {v4_sum(a0), v4_sum(a1), v4_sum(a2), v4_sum(a3)};
        v4_store(ret_eta + i, sums + tail + offset);
    }
    for (; i < rows; i++, x += columns)
        ret_eta[i] = short_row_dot(x, b, columns) + offset;
}

void rows_dot(const double *x, int64_t rows, int64_t columns, const double *b,
              double offset, double *ret_eta)
{
    if (columns < 32)
        short_rows_dot(x, rows, columns, b, offset, ret_eta);
    else
        long_rows_dot(x, rows, columns, b, offset, ret_eta);
}

double rows_touch(const double *x, int64_t count)
{
    double total = 0;
    for (int64_t j = 0; j < count; j += 8)
        total += x[j];
    return total;
}

/* Four rows at a time share each load and store of the sums. */
SIMD_CLONES
void rows_add(const double *x, int64_t rows, int64_t columns, const double *r,
              double *sums)
{
    int64_t i = 0, full = columns / 4 * 4;
    for (; i + 4 <= rows; i += 4) {
        const double *x0 = x + i * columns, *x1 = x0 + columns, *x2 = x1 + columns,
                     *x3 = x2 + columns;
        double r0 = r[i], r1 = r[i + 1], r2 = r[i + 2], r3 = r[i + 3];
        for (int64_t j = 0; j < full; j += 4)
            v4_store(sums + j, v4_load(sums + j) +
                                   ((v4_load(x0 + j) * r0 + v4_load(x1 + j) * r1) +
                                    (v4_load(x2 + j) * r2 + v4_load(x3 + j) * r3)));
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

SIMD_CLONES
void rows_sigmoid(const double *eta, int64_t rows, double *ret_sigma)
{
    for (int64_t i = 0; i < rows; i++) {
        double t = fast_exp(-__builtin_fabs(eta[i]));
        ret_sigma[i] = (eta[i] >= 0.0 ? 1.0 : t) / (1.0 + t);
    }
}
