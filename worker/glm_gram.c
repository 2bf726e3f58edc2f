/* Products of whole columns: X~'X~ and relatives, by BLAS on blocks of rows that
 * are centred and weighted on the way. */
#include "worker/dense.h"
#include "worker/glm.h"
#include "worker/glm_kernels.h"
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GRAM_BLOCK_ROWS 256

static void free_doubles(double **pointer)
{
    free(*pointer);
}

#define SCRATCH __attribute__((cleanup(free_doubles))) double *

static double *doubles_create(int64_t count)
{
    return aligned_alloc(64, ((size_t)count * sizeof(double) + 64) / 64 * 64);
}

static int64_t rows_left(const struct glm_chunk *chunk, int64_t first)
{
    int64_t left = chunk->rows - first;
    return left < GRAM_BLOCK_ROWS ? left : GRAM_BLOCK_ROWS;
}

static void mirror(double *a, int64_t q)
{
    for (int64_t j = 0; j < q; j++)
        for (int64_t k = j + 1; k < q; k++)
            a[j * q + k] = a[k * q + j];
}

/* block (rows x q) = the rows x~ from `first` on; room (rows x p). */
static void fill_block(const struct glm_chunk *chunk, int64_t first, int64_t rows,
                       double *room, double *block)
{
    int64_t p = chunk->columns, q = glm_unknowns(chunk);
    const double *x = rows_doubles(chunk, first, rows, room);
    for (int64_t i = 0; i < rows; i++, x += p) {
        if (chunk->mu)
            dense_add(x, -1.0, chunk->mu, p, block + i * q);
        else
            memcpy(block + i * q, x, (size_t)p * sizeof *x);
        if (chunk->intercept)
            block[i * q + p] = 1.0;
    }
}

int glm_gram(const struct glm_chunk *chunk, double *ret_g, double *ret_c,
             struct glm_gram *ret_totals)
{
    int64_t q = glm_unknowns(chunk);
    struct glm_gram totals = {0};
    SCRATCH block = doubles_create(GRAM_BLOCK_ROWS * q);
    SCRATCH room = doubles_create(GRAM_BLOCK_ROWS * chunk->columns);
    if (!block || !room)
        return DUSK_E_NOMEM;
    memset(ret_g, 0, (size_t)(q * q) * sizeof *ret_g);
    memset(ret_c, 0, (size_t)q * sizeof *ret_c);
    for (int64_t first = 0; first < chunk->rows; first += GRAM_BLOCK_ROWS) {
        int64_t rows = rows_left(chunk, first);
        const double *y = chunk->y + first;
        fill_block(chunk, first, rows, room, block);
        cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, (blasint)q, (blasint)rows,
                    1.0, block, (blasint)q, 1.0, ret_g, (blasint)q);
        rows_add(&(struct glm_chunk){.columns = q, .x = block}, 0, rows, y, ret_c);
        totals.y_y += dense_dot(y, y, rows);
        totals.sum_y += dense_sum(y, rows);
    }
    mirror(ret_g, q);
    *ret_totals = totals;
    return 0;
}

/* block (rows x count) = the chosen columns of x~, times the root of the weight. */
static void fill_columns(const struct glm_chunk *chunk, int64_t first, int64_t rows,
                         const double *weight, const int64_t *columns, int64_t count,
                         double *room, double *block)
{
    int64_t p = chunk->columns;
    const double *x = rows_doubles(chunk, first, rows, room);
    for (int64_t i = 0; i < rows; i++, x += p) {
        double root = sqrt(weight[i]);
        for (int64_t k = 0; k < count; k++) {
            int64_t j = columns[k];
            double centre = chunk->mu && j < p ? chunk->mu[j] : 0.0;
            block[i * count + k] = root * (j < p ? x[j] - centre : 1.0);
        }
    }
}

int glm_hessian(const struct glm_chunk *chunk, const double *b, const int64_t *columns,
                int64_t count, double *ret_h)
{
    double eta[GRAM_BLOCK_ROWS], weight[GRAM_BLOCK_ROWS];
    SCRATCH block = doubles_create(GRAM_BLOCK_ROWS * count);
    SCRATCH room = doubles_create(GRAM_BLOCK_ROWS * chunk->columns);
    if (!block || !room)
        return DUSK_E_NOMEM;
    memset(ret_h, 0, (size_t)(count * count) * sizeof *ret_h);
    for (int64_t first = 0; first < chunk->rows && count > 0;
         first += GRAM_BLOCK_ROWS) {
        int64_t rows = rows_left(chunk, first);
        rows_dot(chunk, first, rows, b, glm_offset(chunk, b), eta);
        rows_weight(chunk->family, eta, rows, weight);
        fill_columns(chunk, first, rows, weight, columns, count, room, block);
        cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, (blasint)count,
                    (blasint)rows, 1.0, block, (blasint)count, 1.0, ret_h,
                    (blasint)count);
    }
    mirror(ret_h, count);
    return 0;
}

int glm_losses(const struct glm_chunk *chunk, const double *b, int64_t count,
               double *ret_losses)
{
    int64_t p = chunk->columns, q = glm_unknowns(chunk);
    double loss[GRAM_BLOCK_ROWS], r[GRAM_BLOCK_ROWS];
    SCRATCH eta = doubles_create(GRAM_BLOCK_ROWS * count);
    SCRATCH room = doubles_create(GRAM_BLOCK_ROWS * p);
    if (!eta || !room)
        return DUSK_E_NOMEM;
    memset(ret_losses, 0, (size_t)count * sizeof *ret_losses);
    for (int64_t first = 0; first < chunk->rows && count > 0;
         first += GRAM_BLOCK_ROWS) {
        int64_t rows = rows_left(chunk, first);
        for (int64_t k = 0; k < count; k++) {
            double offset = glm_offset(chunk, b + k * q);
            for (int64_t i = 0; i < rows; i++)
                eta[k * rows + i] = offset;
        }
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)count,
                    (blasint)rows, (blasint)p, 1.0, b, (blasint)q,
                    rows_doubles(chunk, first, rows, room), (blasint)p, 1.0, eta,
                    (blasint)rows);
        for (int64_t k = 0; k < count; k++) {
            rows_loss(chunk->family, eta + k * rows, chunk->y + first, rows, loss, r);
            ret_losses[k] += dense_sum(loss, rows);
        }
    }
    return 0;
}
