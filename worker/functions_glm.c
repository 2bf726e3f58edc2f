/* Generalised linear models: what a fit asks of one chunk. */
#include "worker/dense.h"
#include "worker/functions.h"
#include "worker/functions_args.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

static int run_moments(struct dusk_task *task)
{
    struct dusk_array x, y, sum, sum2;
    struct glm_chunk chunk;
    const char *family;
    int64_t number;
    struct err_text err;
    int rc = dusk_task_args(task, "laas", &number, &x, &y, &family);
    if (rc == 0)
        rc = args_chunk(task, &x, &y, NULL, family, 0, &chunk);
    if (rc == 0)
        rc = args_result(task, chunk.columns, -1, &sum);
    if (rc == 0)
        rc = args_result(task, chunk.columns, -1, &sum2);
    if (rc < 0)
        return rc;
    rc = glm_moments(&chunk, number, numbers(&sum), numbers(&sum2), &err);
    if (rc < 0)
        return dusk_task_fail(task, rc, "%s", err.line);
    return dusk_task_return(task, "laa", chunk.rows, &sum, &sum2);
}

static int run_gram(struct dusk_task *task)
{
    struct dusk_array x, y, mu, g, c, diagonal;
    struct glm_chunk chunk;
    struct glm_gram totals;
    const char *family;
    int64_t number, intercept;
    struct err_text err;
    int rc = dusk_task_args(task, "laaasl", &number, &x, &y, &mu, &family, &intercept);
    if (rc == 0)
        rc = args_chunk(task, &x, &y, &mu, family, intercept, &chunk);
    if (rc < 0)
        return rc;
    int64_t q = glm_unknowns(&chunk);
    rc = args_result(task, q, q, &g);
    if (rc == 0)
        rc = args_result(task, q, -1, &c);
    if (rc == 0)
        rc = args_result(task, q, -1, &diagonal);
    if (rc == 0)
        rc = glm_gram(&chunk, numbers(&g), numbers(&c), &totals);
    if (rc < 0)
        return rc;
    for (int64_t j = 0; j < q; j++)
        numbers(&diagonal)[j] = numbers(&g)[j * q + j];
    rc = glm_check(&chunk, number, numbers(&diagonal), &err);
    if (rc < 0)
        return dusk_task_fail(task, rc, "%s", err.line);
    return dusk_task_return(task, "aaaddl", &g, &c, &diagonal, totals.y_y, totals.sum_y,
                            chunk.rows);
}

static int run_gram_summary(struct dusk_task *task)
{
    struct dusk_array diagonal;
    int64_t rows;
    int rc = dusk_task_args(task, "*");
    if (rc == 0)
        rc = dusk_task_items(task, 0, "**a**l", &diagonal, &rows);
    return rc < 0 ? rc : dusk_task_return(task, "al", &diagonal, rows);
}

static int run_factor(struct dusk_task *task)
{
    struct dusk_array g, metric, mu, l;
    const double *g_data, *metric_data, *mu_data;
    double curvature;
    struct err_text err;
    int rc = dusk_task_args(task, "aaad", &g, &metric, &mu, &curvature);
    if (rc == 0)
        rc = args_vector(task, "R", &metric, -1, &metric_data);
    if (rc == 0)
        rc = args_matrix(task, "G", &g, metric.shape[0], metric.shape[0], &g_data);
    if (rc == 0)
        rc = args_vector(task, "mu", &mu, -1, &mu_data);
    if (rc == 0)
        rc = args_result(task, metric.shape[0], metric.shape[0], &l);
    if (rc < 0)
        return rc;
    int64_t q = metric.shape[0];
    for (int64_t k = 0; k < q * q; k++)
        numbers(&l)[k] = curvature * g_data[k];
    for (int64_t j = 0; j < q; j++)
        numbers(&l)[j * q + j] += metric_data[j];
    rc = dense_cholesky(numbers(&l), q, &err);
    if (rc < 0)
        return dusk_task_fail(task, rc, "%s", err.line);
    return dusk_task_return(task, "aaa", &l, &metric, &mu);
}

/* The six arguments that the passes at given coefficients begin with; the sixth,
 * `b`, is checked by each. */
struct pass {
    struct glm_chunk chunk;
    struct dusk_array b, extra;
    int64_t q;
};

static int pass_args(struct dusk_task *task, bool extra, struct pass *ret_pass)
{
    struct dusk_array x, y, mu;
    struct pass pass = {0};
    const char *family;
    int64_t intercept;
    int rc = dusk_task_args(task, extra ? "aaaslaa" : "aaasla", &x, &y, &mu, &family,
                            &intercept, &pass.b, &pass.extra);
    if (rc == 0)
        rc = args_chunk(task, &x, &y, &mu, family, intercept, &pass.chunk);
    if (rc < 0)
        return rc;
    pass.q = glm_unknowns(&pass.chunk);
    *ret_pass = pass;
    return 0;
}

static int run_evaluate(struct dusk_task *task)
{
    struct pass pass;
    struct dusk_array gradient;
    struct glm_value value;
    const double *b;
    int rc = pass_args(task, false, &pass);
    if (rc == 0)
        rc = args_vector(task, "b", &pass.b, pass.q, &b);
    if (rc == 0)
        rc = args_result(task, pass.q, -1, &gradient);
    if (rc < 0)
        return rc;
    glm_evaluate(&pass.chunk, b, NULL, numbers(&gradient), &value);
    return dusk_task_return(task, "daddddl", value.loss, &gradient, value.r_y,
                            value.r_r, value.sum_r, value.sum_y, pass.chunk.rows);
}

static int column_numbers(struct dusk_task *task, const double *given, int64_t count,
                          int64_t q, int64_t *ret_columns)
{
    for (int64_t k = 0; k < count; k++) {
        if (!(given[k] >= 0 && given[k] < (double)q) || given[k] != floor(given[k]))
            return dusk_task_fail(task, DUSK_E_INVALID,
                                  "columns: %g is not one of 0 to %" PRId64, given[k],
                                  q - 1);
        ret_columns[k] = (int64_t)given[k];
    }
    return 0;
}

static int run_hessian(struct dusk_task *task)
{
    struct pass pass;
    struct dusk_array h;
    const double *b, *given;
    int rc = pass_args(task, true, &pass);
    if (rc == 0)
        rc = args_vector(task, "b", &pass.b, pass.q, &b);
    if (rc == 0)
        rc = args_vector(task, "columns", &pass.extra, -1, &given);
    if (rc < 0)
        return rc;
    int64_t count = pass.extra.shape[0];
    int64_t *columns = dusk_task_scratch(task, sizeof *columns * (size_t)(count + 1));
    if (!columns)
        return DUSK_E_NOMEM;
    rc = column_numbers(task, given, count, pass.q, columns);
    if (rc == 0)
        rc = args_result(task, count, count, &h);
    if (rc == 0)
        rc = glm_hessian(&pass.chunk, b, columns, count, numbers(&h));
    return rc < 0 ? rc : dusk_task_return(task, "a", &h);
}

static int run_dual(struct dusk_task *task)
{
    struct pass pass;
    struct dusk_array transposed;
    const double *b, *scale;
    double value;
    int rc = pass_args(task, true, &pass);
    if (rc == 0)
        rc = args_vector(task, "b", &pass.b, pass.q, &b);
    if (rc == 0)
        rc = args_vector(task, "scale", &pass.extra, 2, &scale);
    if (rc == 0)
        rc = args_result(task, pass.q, -1, &transposed);
    if (rc < 0)
        return rc;
    if (pass.chunk.family != GLM_LOGISTIC)
        return dusk_task_fail(task, DUSK_E_INVALID,
                              "glm_dual knows the family logistic only");
    glm_dual(&pass.chunk, b, scale, &value, numbers(&transposed));
    return dusk_task_return(task, "da", value, &transposed);
}

static int run_losses(struct dusk_task *task)
{
    struct pass pass;
    struct dusk_array losses;
    const double *b;
    int rc = pass_args(task, false, &pass);
    if (rc == 0)
        rc = args_matrix(task, "B", &pass.b, -1, pass.q, &b);
    if (rc == 0)
        rc = args_result(task, pass.b.shape[0], -1, &losses);
    if (rc == 0)
        rc = glm_losses(&pass.chunk, b, pass.b.shape[0], numbers(&losses));
    return rc < 0 ? rc : dusk_task_return(task, "a", &losses);
}

const struct dusk_function glm_functions[] = {
    {"glm_moments", run_moments},
    {"glm_gram", run_gram},
    {"glm_gram_summary", run_gram_summary},
    {"glm_factor", run_factor},
    {"glm_evaluate", run_evaluate},
    {"glm_hessian", run_hessian},
    {"glm_dual", run_dual},
    {"glm_losses", run_losses},
    {0},
};
