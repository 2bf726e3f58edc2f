#include "worker/glm_kernels.h"
#include "worker/dense.h"
#include "worker/fastmath.h"
#include "worker/glm_rows.h"
#include <math.h>

static const struct row_loops *loops_of(const struct glm_chunk *chunk)
{
    return chunk->x_is_f32 ? &row_loops_f32 : &row_loops_f64;
}

static int64_t element_bytes(const struct glm_chunk *chunk)
{
    return chunk->x_is_f32 ? sizeof(float) : sizeof(double);
}

static const char *row_at(const struct glm_chunk *chunk, int64_t i)
{
    return (const char *)chunk->x + i * chunk->columns * element_bytes(chunk);
}

int64_t glm_block_rows(const struct glm_chunk *chunk)
{
    const int64_t cache_bytes = 6400;
    int64_t rows = cache_bytes / element_bytes(chunk) / chunk->columns / 4 * 4;
    return rows < 4 ? 4 : rows > GLM_BLOCK_ROWS ? GLM_BLOCK_ROWS : rows;
}

void rows_dot(const struct glm_chunk *chunk, int64_t first, int64_t rows,
              const double *b, double offset, double *ret_eta)
{
    loops_of(chunk)->dot(row_at(chunk, first), rows, chunk->columns, b, offset,
                         ret_eta);
}

void rows_add(const struct glm_chunk *chunk, int64_t first, int64_t rows,
              const double *r, double *sums)
{
    loops_of(chunk)->add(row_at(chunk, first), rows, chunk->columns, r, sums);
}

int64_t glm_pass_rows(const struct glm_chunk *chunk)
{
    if (chunk->x_is_f32 || chunk->columns < 32)
        return 0;
    return chunk->columns < 256 ? 8 : 1;
}

void rows_pass(const struct glm_chunk *chunk, int64_t first, const double *b,
               double offset, double *ret_eta, int64_t old, const double *old_r,
               double *sums)
{
    const double *x = (const double *)row_at(chunk, first),
                 *old_x = (const double *)row_at(chunk, old);
    int64_t p = chunk->columns, rows = glm_pass_rows(chunk);
    if (rows == 1)
        rows_pass_one(x, p, b, offset, ret_eta, old_x, old_r, sums);
    for (int64_t i = 0; i + 4 <= rows; i += 4)
        rows_pass_four(x + i * p, p, b, offset, ret_eta + i, old_x + i * p, old_r + i,
                       sums);
}

void rows_moments(const struct glm_chunk *chunk, int64_t first, int64_t rows,
                  double *sum, double *sum2)
{
    loops_of(chunk)->moments(row_at(chunk, first), rows, chunk->columns, sum, sum2);
}

void rows_pack(const struct glm_chunk *chunk, int64_t first, int64_t rows,
               const double *mu, double *panels)
{
    loops_of(chunk)->pack(row_at(chunk, first), rows, chunk->columns, mu, panels);
}

const double *rows_doubles(const struct glm_chunk *chunk, int64_t first, int64_t rows,
                           double *room)
{
    if (!chunk->x_is_f32)
        return (const double *)chunk->x + first * chunk->columns;
    loops_of(chunk)->widen(row_at(chunk, first), rows * chunk->columns, room);
    return room;
}

double rows_touch(const struct glm_chunk *chunk, int64_t first, int64_t rows)
{
    const int64_t line = 64, end = rows * chunk->columns * element_bytes(chunk);
    const char *x = row_at(chunk, first);
    double total = 0;
    for (int64_t k = 0; k < end; k += line)
        total += x[k];
    return total;
}

/* With t = e^-|eta|, every logistic quantity is free of overflow and cancellation: the
 * side that y agrees with has loss log(1 + t), the other |eta| more. */
SIMD_CLONES
static void loss_logistic(const double *restrict eta, const double *restrict y,
                          int64_t rows, double *restrict ret_loss,
                          double *restrict ret_growth, double *restrict ret_r)
{
    for (int64_t i = 0; i < rows; i++) {
        double size = __builtin_fabs(eta[i]), t = fast_exp(-size);
        double sign = y[i] > 0.5 ? 1.0 : -1.0;
        int agrees = eta[i] * sign >= 0.0;
        ret_loss[i] = agrees ? 0.0 : size;
        ret_growth[i] = 1.0 + t;
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
               struct row_losses *ret, int64_t first)
{
    if (family == GLM_LOGISTIC)
        loss_logistic(eta, y, rows, ret->loss + first, ret->growth + first,
                      ret->r + first);
    else
        loss_normal(eta, y, rows, ret->loss + first, ret->r + first);
}

/* At most 2^GLM_BLOCK_ROWS, which is far from overflow. */
SIMD_CLONES
static double product(const double *a, int64_t count)
{
    v4 even = {1, 1, 1, 1}, odd = even;
    double tail = 1;
    int64_t i = 0;
    for (; i + 8 <= count; i += 8) {
        even *= v4_load(a + i);
        odd *= v4_load(a + i + 4);
    }
    for (; i < count; i++)
        tail *= a[i];
    even *= odd;
    return (even[0] * even[2]) * (even[1] * even[3]) * tail;
}

double rows_loss_sum(enum glm_family family, const struct row_losses *of, int64_t rows)
{
    double sum = dense_sum(of->loss, rows);
    return family == GLM_LOGISTIC ? sum + log(product(of->growth, rows)) : sum;
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
