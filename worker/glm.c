#include "worker/glm.h"
#include "worker/dense.h"
#include "worker/glm_kernels.h"
#include <math.h>
#include <string.h>

int glm_family_parse(const char *name, struct err_text *err)
{
    if (strcmp(name, "normal") == 0)
        return GLM_NORMAL;
    if (strcmp(name, "logistic") == 0)
        return GLM_LOGISTIC;
    return err_set(err, DUSK_E_INVALID, "family '%.40s': must be normal or logistic",
                   name);
}

double glm_curvature(enum glm_family family)
{
    return family == GLM_LOGISTIC ? 0.25 : 2.0;
}

static double gradient_factor(enum glm_family family)
{
    return family == GLM_LOGISTIC ? -1.0 : -2.0;
}

/* The constant of eta: the intercept less what centring takes off. */
static double eta_offset(const struct glm_chunk *chunk, const double *b)
{
    double offset = chunk->intercept ? b[chunk->columns] : 0.0;
    if (chunk->mu)
        offset -= dense_dot(chunk->mu, b, chunk->columns);
    return offset;
}

/* Turns sums = X'r, of the rows as they are, into factor X~'r. */
static void finish_transposed(const struct glm_chunk *chunk, double factor,
                              double sum_r, double *sums)
{
    for (int64_t j = 0; j < chunk->columns; j++) {
        double centre = chunk->mu ? chunk->mu[j] * sum_r : 0.0;
        sums[j] = factor * (sums[j] - centre);
    }
    if (chunk->intercept)
        sums[chunk->columns] = factor * sum_r;
}

/* A run over the blocks of rows of a chunk. */
struct block {
    int64_t first, rows;
    const double *x, *y;
};

static bool block_next(const struct glm_chunk *chunk, struct block *block)
{
    int64_t first = block->first + block->rows;
    int64_t most = glm_block_rows(chunk->columns), left = chunk->rows - first;
    *block = (struct block){
        .first = first,
        .rows = left < most ? left : most,
        .x = chunk->x + first * chunk->columns,
        .y = chunk->y + first,
    };
    return left > 0;
}

static void value_add(struct glm_value *value, const double *loss, const double *r,
                      const double *y, int64_t rows)
{
    value->loss += dense_sum(loss, rows);
    value->r_y += dense_dot(r, y, rows);
    value->r_r += dense_dot(r, r, rows);
    value->sum_r += dense_sum(r, rows);
    value->sum_y += dense_sum(y, rows);
}

void glm_evaluate(const struct glm_chunk *chunk, const double *b, double *ret_eta,
                  double *ret_gradient, struct glm_value *ret_value)
{
    double block_eta[GLM_BLOCK_ROWS], loss[GLM_BLOCK_ROWS], r[GLM_BLOCK_ROWS];
    struct glm_value value = {0};
    double offset = eta_offset(chunk, b);
    if (ret_gradient)
        memset(ret_gradient, 0, (size_t)glm_unknowns(chunk) * sizeof *ret_gradient);
    for (struct block block = {0}; block_next(chunk, &block);) {
        double *eta = ret_eta ? ret_eta + block.first : block_eta;
        rows_dot(block.x, block.rows, chunk->columns, b, offset, eta);
        rows_loss(chunk->family, eta, block.y, block.rows, loss, r);
        value_add(&value, loss, r, block.y, block.rows);
        if (ret_gradient)
            rows_add(block.x, block.rows, chunk->columns, r, ret_gradient);
    }
    if (ret_gradient)
        finish_transposed(chunk, gradient_factor(chunk->family), value.sum_r,
                          ret_gradient);
    *ret_value = value;
}

void glm_predict(const struct glm_chunk *chunk, const double *b, double *ret_eta)
{
    rows_dot(chunk->x, chunk->rows, chunk->columns, b, eta_offset(chunk, b), ret_eta);
}

void glm_gradient(const struct glm_chunk *chunk, const double *eta,
                  double *ret_gradient)
{
    double loss[GLM_BLOCK_ROWS], r[GLM_BLOCK_ROWS], sum_r = 0;
    memset(ret_gradient, 0, (size_t)glm_unknowns(chunk) * sizeof *ret_gradient);
    for (struct block block = {0}; block_next(chunk, &block);) {
        rows_loss(chunk->family, eta + block.first, block.y, block.rows, loss, r);
        sum_r += dense_sum(r, block.rows);
        rows_add(block.x, block.rows, chunk->columns, r, ret_gradient);
    }
    finish_transposed(chunk, gradient_factor(chunk->family), sum_r, ret_gradient);
}

void glm_line(const struct glm_chunk *chunk, const double *eta, const double *step,
              double t, struct glm_line *ret_line)
{
    double at[GLM_BLOCK_ROWS], loss[GLM_BLOCK_ROWS], r[GLM_BLOCK_ROWS],
        w[GLM_BLOCK_ROWS];
    struct glm_line line = {0};
    for (int64_t first = 0; first < chunk->rows; first += GLM_BLOCK_ROWS) {
        int64_t left = chunk->rows - first;
        int64_t rows = left < GLM_BLOCK_ROWS ? left : GLM_BLOCK_ROWS;
        dense_add(eta + first, t, step + first, rows, at);
        rows_loss(chunk->family, at, chunk->y + first, rows, loss, r);
        rows_weight(chunk->family, at, rows, w);
        line.loss += dense_sum(loss, rows);
        line.slope += dense_dot(r, step + first, rows);
        line.curvature += dense_dot3(w, step + first, step + first, rows);
    }
    line.slope *= gradient_factor(chunk->family);
    *ret_line = line;
}

/* -m log m - (1 - m) log(1 - m), the entropy of a coin. */
static double entropy(double m)
{
    if (!(m >= 0.0 && m <= 1.0))
        return -INFINITY;
    double left = m > 0.0 ? m * log(m) : 0.0;
    double right = m < 1.0 ? (1.0 - m) * log1p(-m) : 0.0;
    return -(left + right);
}

void glm_dual(const struct glm_chunk *chunk, const double *b, const double scale[2],
              double *ret_value, double *ret_transposed)
{
    double eta[GLM_BLOCK_ROWS], loss[GLM_BLOCK_ROWS], theta[GLM_BLOCK_ROWS];
    double value = 0, sum_theta = 0, offset = eta_offset(chunk, b);
    memset(ret_transposed, 0, (size_t)glm_unknowns(chunk) * sizeof *ret_transposed);
    for (struct block block = {0}; block_next(chunk, &block);) {
        double block_value = 0;
        rows_dot(block.x, block.rows, chunk->columns, b, offset, eta);
        rows_loss(chunk->family, eta, block.y, block.rows, loss, theta);
        for (int64_t i = 0; i < block.rows; i++) {
            theta[i] *= scale[block.y[i] > 0.5];
            block_value += entropy(fabs(theta[i]));
        }
        value += block_value;
        sum_theta += dense_sum(theta, block.rows);
        rows_add(block.x, block.rows, chunk->columns, theta, ret_transposed);
    }
    finish_transposed(chunk, 1.0, sum_theta, ret_transposed);
    *ret_value = value;
}
