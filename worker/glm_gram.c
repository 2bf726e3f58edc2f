/* Products of whole columns: X~'X~ and relatives, on blocks of rows that are centred
 * and weighted on the way. */
#include "worker/dense.h"
#include "worker/glm.h"
#include "worker/glm_kernels.h"
#include "worker/panels.h"
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void free_doubles(double **pointer)
{
    free(*pointer);
}

#define SCRATCH __attribute__((cleanup(free_doubles))) double *

static double *doubles_create(int64_t count)
{
    return aligned_alloc(64, ((size_t)count * sizeof(double) + 64) / 64 * 64);
}

static int64_t rows_left(const struct glm_chunk *chunk, int64_t first, int64_t most)
{
    int64_t left = chunk->rows - first;
    return left < most ? left : most;
}

static void mirror(double *a, int64_t q)
{
    for (int64_t j = 0; j < q; j++)
        for (int64_t k = j + 1; k < q; k++)
            a[j * q + k] = a[k * q + j];
}

static void fill_column(double *panels, int64_t column, int64_t rows,
                        const double *values)
{
    double *to = panels + panels_column(column);
    for (int64_t i = 0; i < rows; i++)
        to[i * PANEL_COLUMNS] = values ? values[i] : 1.0;
}

/* Copies the lower triangle (order m, q of it wanted) where it belongs. */
static void unpack(const double *products, int64_t m, int64_t q, double *ret_g)
{
    for (int64_t j = 0; j < q; j++)
        memcpy(ret_g + j * q, products + j * m, (size_t)(j + 1) * sizeof *ret_g);
    mirror(ret_g, q);
}

/* The response is one more column: its products are c and y'y. */
int glm_gram(const struct glm_chunk *chunk, double *ret_g, double *ret_c,
             struct glm_gram *ret_totals)
{
    int64_t p = chunk->columns, q = glm_unknowns(chunk), m = q + 1;
    double sum_y = 0;
    SCRATCH panels = panels_create(m);
    SCRATCH products = doubles_create(m * m);
    SCRATCH mu = doubles_create(p);
    if (!panels || !products || !mu)
        return DUSK_E_NOMEM;
    memset(products, 0, (size_t)(m * m) * sizeof *products);
    for (int64_t j = 0; j < p; j++)
        mu[j] = chunk->mu ? chunk->mu[j] : 0.0;
    if (chunk->intercept)
        fill_column(panels, p, PANEL_ROWS, NULL);
    for (int64_t first = 0; first < chunk->rows; first += PANEL_ROWS) {
        int64_t rows = rows_left(chunk, first, PANEL_ROWS);
        rows_pack(chunk, first, rows, mu, panels);
        fill_column(panels, q, rows, chunk->y + first);
        panels_multiply(panels, rows, m, products);
        sum_y += dense_sum(chunk->y + first, rows);
    }
    unpack(products, m, q, ret_g);
    memcpy(ret_c, products + q * m, (size_t)q * sizeof *ret_c);
    *ret_totals = (struct glm_gram){products[q * m + q], sum_y};
    return 0;
}

/* The chosen columns of x~, times the root of the weight. */
static void fill_columns(const struct glm_chunk *chunk, int64_t first, int64_t rows,
                         const double *weight, const int64_t *columns, int64_t count,
                         double *room, double *panels)
{
    int64_t p = chunk->columns;
    const double *x = rows_doubles(chunk, first, rows, room);
    for (int64_t i = 0; i < rows; i++, x += p) {
        double root = sqrt(weight[i]);
        for (int64_t k = 0; k < count; k++) {
            int64_t j = columns[k];
            double centre = chunk->mu && j < p ? chunk->mu[j] : 0.0;
            panels[panels_column(k) + i * PANEL_COLUMNS] =
                root * (j < p ? x[j] - centre : 1.0);
        }
    }
}

int glm_hessian(const struct glm_chunk *chunk, const double *b, const int64_t *columns,
                int64_t count, double *ret_h)
{
    double eta[PANEL_ROWS], weight[PANEL_ROWS];
    SCRATCH panels = panels_create(count);
    SCRATCH room = doubles_create(PANEL_ROWS * chunk->columns);
    if (!panels || !room)
        return DUSK_E_NOMEM;
    memset(ret_h, 0, (size_t)(count * count) * sizeof *ret_h);
    for (int64_t first = 0; first < chunk->rows && count > 0; first += PANEL_ROWS) {
        int64_t rows = rows_left(chunk, first, PANEL_ROWS);
        rows_dot(chunk, first, rows, b, glm_offset(chunk, b), eta);
        rows_weight(chunk->family, eta, rows, weight);
        fill_columns(chunk, first, rows, weight, columns, count, room, panels);
        panels_multiply(panels, rows, count, ret_h);
    }
    mirror(ret_h, count);
    return 0;
}

int glm_losses(const struct glm_chunk *chunk, const double *b, int64_t count,
               double *ret_losses)
{
    int64_t p = chunk->columns, q = glm_unknowns(chunk);
    struct row_losses losses;
    SCRATCH eta = doubles_create(GLM_BLOCK_ROWS * count);
    SCRATCH room = doubles_create(GLM_BLOCK_ROWS * p);
    if (!eta || !room)
        return DUSK_E_NOMEM;
    memset(ret_losses, 0, (size_t)count * sizeof *ret_losses);
    for (int64_t first = 0; first < chunk->rows && count > 0; first += GLM_BLOCK_ROWS) {
        int64_t rows = rows_left(chunk, first, GLM_BLOCK_ROWS);
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
            rows_loss(chunk->family, eta + k * rows, chunk->y + first, rows, &losses,
                      0);
            ret_losses[k] += rows_loss_sum(chunk->family, &losses, rows);
        }
    }
    return 0;
}
