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

double glm_offset(const struct glm_chunk *chunk, const double *b)
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

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The rows first .. first + rows - 1, at most GLM_BLOCK_ROWS: each block of a few
 * rows is multiplied by b, and by r while it is still in cache. */
static void evaluate_blocks(const struct glm_chunk *chunk, int64_t first, int64_t rows,
                            const double *b, double offset, double *eta,
                            struct row_losses *losses, double *gradient)
{
    int64_t step = glm_block_rows(chunk);
    const double *y = chunk->y + first;
    for (int64_t i = 0; i < rows; i += step) {
        int64_t count = smaller(step, rows - i);
        rows_dot(chunk, first + i, count, b, offset, eta + i);
        rows_loss(chunk->family, eta + i, y + i, count, losses, i);
        if (gradient)
            rows_add(chunk, first + i, count, losses->r + i, gradient);
    }
}

/* The same, group by group: while one is multiplied by b, the one before it is
 * multiplied by its r. */
static void evaluate_groups(const struct glm_chunk *chunk, int64_t first, int64_t rows,
                            const double *b, double offset, double *eta,
                            struct row_losses *losses, double *gradient)
{
    int64_t group = glm_pass_rows(chunk), added = 0, count;
    const double *y = chunk->y + first;
    for (int64_t i = 0; i < rows; i += count) {
        count = smaller(group, rows - i);
        if (i >= group && count == group) {
            rows_pass(chunk, first + i, b, offset, eta + i, first + added,
                      losses->r + added, gradient);
            added += group;
        } else {
            rows_dot(chunk, first + i, count, b, offset, eta + i);
        }
        rows_loss(chunk->family, eta + i, y + i, count, losses, i);
    }
    rows_add(chunk, first + added, rows - added, losses->r + added, gradient);
}

void glm_evaluate(const struct glm_chunk *chunk, const double *b, double *ret_eta,
                  double *ret_gradient, struct glm_value *ret_value)
{
    double own_eta[GLM_BLOCK_ROWS];
    struct row_losses losses;
    struct glm_value value = {0};
    double offset = glm_offset(chunk, b);
    if (ret_gradient)
        memset(ret_gradient, 0, (size_t)glm_unknowns(chunk) * sizeof *ret_gradient);
    for (int64_t first = 0; first < chunk->rows; first += GLM_BLOCK_ROWS) {
        int64_t rows = smaller(GLM_BLOCK_ROWS, chunk->rows - first);
        const double *y = chunk->y + first;
        double *eta = ret_eta ? ret_eta + first : own_eta;
        if (ret_gradient && glm_pass_rows(chunk))
            evaluate_groups(chunk, first, rows, b, offset, eta, &losses, ret_gradient);
        else
            evaluate_blocks(chunk, first, rows, b, offset, eta, &losses, ret_gradient);
        value.loss += rows_loss_sum(chunk->family, &losses, rows);
        value.r_y += dense_dot(losses.r, y, rows);
        value.r_r += dense_dot(losses.r, losses.r, rows);
        value.sum_r += dense_sum(losses.r, rows);
        value.sum_y += dense_sum(y, rows);
    }
    if (ret_gradient)
        finish_transposed(chunk, gradient_factor(chunk->family), value.sum_r,
                          ret_gradient);
    *ret_value = value;
}

void glm_predict(const struct glm_chunk *chunk, const double *b, double *ret_eta)
{
    rows_dot(chunk, 0, chunk->rows, b, glm_offset(chunk, b), ret_eta);
}

/* sums += X'r for rows that are not in cache yet. */
static void add_from_memory(const struct glm_chunk *chunk, int64_t first, int64_t rows,
                            const double *r, double *sums)
{
    int64_t step = glm_block_rows(chunk);
    for (int64_t i = 0; i < rows; i += step) {
        int64_t count = smaller(step, rows - i);
        rows_touch(chunk, first + i, count);
        rows_add(chunk, first + i, count, r + i, sums);
    }
}

void glm_gradient(const struct glm_chunk *chunk, const double *eta,
                  double *ret_gradient)
{
    struct row_losses losses;
    double sum_r = 0;
    memset(ret_gradient, 0, (size_t)glm_unknowns(chunk) * sizeof *ret_gradient);
    for (int64_t first = 0; first < chunk->rows; first += GLM_BLOCK_ROWS) {
        int64_t rows = smaller(GLM_BLOCK_ROWS, chunk->rows - first);
        rows_loss(chunk->family, eta + first, chunk->y + first, rows, &losses, 0);
        sum_r += dense_sum(losses.r, rows);
        add_from_memory(chunk, first, rows, losses.r, ret_gradient);
    }
    finish_transposed(chunk, gradient_factor(chunk->family), sum_r, ret_gradient);
}

void glm_line(const struct glm_chunk *chunk, const double *eta, const double *step,
              double t, struct glm_line *ret_line)
{
    double at[GLM_BLOCK_ROWS], w[GLM_BLOCK_ROWS];
    struct row_losses losses;
    struct glm_line line = {0};
    for (int64_t first = 0; first < chunk->rows; first += GLM_BLOCK_ROWS) {
        int64_t rows = smaller(GLM_BLOCK_ROWS, chunk->rows - first);
        dense_add(eta + first, t, step + first, rows, at);
        rows_loss(chunk->family, at, chunk->y + first, rows, &losses, 0);
        rows_weight(chunk->family, at, rows, w);
        line.loss += rows_loss_sum(chunk->family, &losses, rows);
        line.slope += dense_dot(losses.r, step + first, rows);
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
    double eta[GLM_BLOCK_ROWS], entropies[GLM_BLOCK_ROWS];
    struct row_losses losses;
    double *theta = losses.r;
    double value = 0, sum_theta = 0, offset = glm_offset(chunk, b);
    memset(ret_transposed, 0, (size_t)glm_unknowns(chunk) * sizeof *ret_transposed);
    for (int64_t first = 0; first < chunk->rows; first += GLM_BLOCK_ROWS) {
        int64_t rows = smaller(GLM_BLOCK_ROWS, chunk->rows - first);
        const double *y = chunk->y + first;
        rows_dot(chunk, first, rows, b, offset, eta);
        rows_loss(chunk->family, eta, y, rows, &losses, 0);
        for (int64_t i = 0; i < rows; i++) {
            theta[i] *= scale[y[i] > 0.5];
            entropies[i] = entropy(fabs(theta[i]));
        }
        value += dense_sum(entropies, rows);
        sum_theta += dense_sum(theta, rows);
        rows_add(chunk, first, rows, theta, ret_transposed);
    }
    finish_transposed(chunk, 1.0, sum_theta, ret_transposed);
    *ret_value = value;
}
