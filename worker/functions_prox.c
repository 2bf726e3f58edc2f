/* The local updates of ADMM: argmin f(x) + 1/2 ||x - v||^2_R on one chunk. */
#include "worker/dense.h"
#include "worker/functions.h"
#include "worker/functions_args.h"
#include "worker/lbfgs.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Runs the solver one iteration at a time, so that others can see how far it is. */
static enum lbfgs_status run_visibly(struct dusk_task *task, struct lbfgs *solver)
{
    const struct lbfgs_options all = solver->options;
    enum lbfgs_status status;
    bool left;
    do {
        solver->options.max_iterations = 1;
        if (all.max_evaluations > 0)
            solver->options.max_evaluations = all.max_evaluations - solver->evaluations;
        status = lbfgs_run(solver);
        dusk_task_progress(task, solver->evaluations);
        left = (all.max_iterations == 0 || solver->iterations < all.max_iterations) &&
               (all.max_evaluations == 0 || solver->evaluations < all.max_evaluations);
    } while (status == LBFGS_MAXIT && left);
    return status;
}

/* Runs the solver and hands in what it found. */
static int solve(struct dusk_task *task, const struct lbfgs_problem *problem,
                 const struct lbfgs_options *options, const double *x0)
{
    int64_t q = glm_unknowns(problem->chunk);
    struct dusk_array x;
    struct lbfgs solver;
    double *workspace =
        dusk_task_scratch(task, sizeof(double) * lbfgs_workspace(problem->chunk->rows,
                                                                 q, options->memory));
    if (!workspace)
        return DUSK_E_NOMEM;
    int rc = args_result(task, q, -1, &x);
    if (rc < 0)
        return rc;
    lbfgs_init(&solver, problem, options, x0, workspace);
    enum lbfgs_status status = run_visibly(task, &solver);
    if (status == LBFGS_CANCELLED)
        return DUSK_E_CANCELLED;
    memcpy(x.data, solver.x, (size_t)q * sizeof(double));
    return dusk_task_return(task, "all", &x, (int64_t)solver.evaluations,
                            (int64_t)status);
}

/* Allowances travel as integers and are counted in int; 0 is no limit. */
static int args_allowance(struct dusk_task *task, const char *name, int64_t value,
                          int *ret_value)
{
    if (value < 0 || value > INT32_MAX)
        return dusk_task_fail(task, DUSK_E_INVALID, "%s is %" PRId64, name, value);
    *ret_value = (int)value;
    return 0;
}

static int run_prox(struct dusk_task *task)
{
    struct dusk_array x, y, l, metric, mu, v, x0;
    struct glm_chunk chunk;
    struct lbfgs_problem problem = {.chunk = &chunk};
    struct lbfgs_options options = {.cancel = dusk_task_cancel_flag(task)};
    const char *family;
    const double *x0_data;
    int64_t intercept, iterations;
    int rc = dusk_task_args(task, "aa*slaal", &x, &y, &family, &intercept, &v, &x0,
                            &iterations);
    if (rc == 0)
        rc = dusk_task_items(task, 2, "aaa", &l, &metric, &mu);
    if (rc == 0)
        rc = args_chunk(task, &x, &y, &mu, family, intercept, &chunk);
    if (rc < 0)
        return rc;
    int64_t q = glm_unknowns(&chunk);
    rc = args_matrix(task, "L", &l, q, q, &problem.factor);
    if (rc == 0)
        rc = args_vector(task, "R", &metric, q, &problem.metric);
    if (rc == 0)
        rc = args_vector(task, "v", &v, q, &problem.v);
    if (rc == 0)
        rc = args_vector(task, "x0", &x0, q, &x0_data);
    if (rc == 0)
        rc =
            args_allowance(task, "max_iterations", iterations, &options.max_iterations);
    return rc < 0 ? rc : solve(task, &problem, &options, x0_data);
}

static int run_prox_plain(struct dusk_task *task)
{
    struct dusk_array x, y, v, x0;
    struct glm_chunk chunk;
    struct lbfgs_problem problem = {.chunk = &chunk};
    struct lbfgs_options options = {.cancel = dusk_task_cancel_flag(task)};
    const char *family;
    const double *x0_data;
    int64_t intercept, iterations, evaluations;
    double rho;
    int rc = dusk_task_args(task, "aasldaall", &x, &y, &family, &intercept, &rho, &v,
                            &x0, &iterations, &evaluations);
    if (rc == 0)
        rc = args_chunk(task, &x, &y, NULL, family, intercept, &chunk);
    if (rc < 0)
        return rc;
    int64_t q = glm_unknowns(&chunk);
    rc = args_vector(task, "v", &v, q, &problem.v);
    if (rc == 0)
        rc = args_vector(task, "x0", &x0, q, &x0_data);
    if (rc == 0)
        rc =
            args_allowance(task, "max_iterations", iterations, &options.max_iterations);
    if (rc == 0)
        rc = args_allowance(task, "max_evaluations", evaluations,
                            &options.max_evaluations);
    if (rc < 0)
        return rc;
    if (!(rho >= 0.0 && isfinite(rho)))
        return dusk_task_fail(task, DUSK_E_INVALID, "rho is %g, must not be negative",
                              rho);
    double *metric = dusk_task_scratch(task, sizeof(double) * (size_t)q);
    if (!metric)
        return DUSK_E_NOMEM;
    for (int64_t j = 0; j < q; j++)
        metric[j] = rho;
    problem.metric = metric;
    return solve(task, &problem, &options, x0_data);
}

static int run_prox_gram(struct dusk_task *task)
{
    struct dusk_array l, metric, mu, c, v, x;
    const double *l_data, *metric_data, *c_data, *v_data;
    double curvature;
    int rc = dusk_task_args(task, "*aad", &c, &v, &curvature);
    if (rc == 0)
        rc = dusk_task_items(task, 0, "aaa", &l, &metric, &mu);
    if (rc == 0)
        rc = args_vector(task, "R", &metric, -1, &metric_data);
    if (rc < 0)
        return rc;
    int64_t q = metric.shape[0];
    rc = args_matrix(task, "L", &l, q, q, &l_data);
    if (rc == 0)
        rc = args_vector(task, "c", &c, q, &c_data);
    if (rc == 0)
        rc = args_vector(task, "v", &v, q, &v_data);
    if (rc == 0)
        rc = args_result(task, q, -1, &x);
    if (rc < 0)
        return rc;
    for (int64_t j = 0; j < q; j++)
        numbers(&x)[j] = curvature * c_data[j] + metric_data[j] * v_data[j];
    dense_solve_lower(l_data, q, numbers(&x));
    dense_solve_upper(l_data, q, numbers(&x));
    bool finite = isfinite(dense_sum(numbers(&x), q));
    return dusk_task_return(task, "all", &x, (int64_t)1,
                            (int64_t)(finite ? LBFGS_CONVERGED : LBFGS_NONFINITE));
}

const struct dusk_function prox_functions[] = {
    {"glm_prox", run_prox},
    {"glm_prox_gram", run_prox_gram},
    {"glm_prox_plain", run_prox_plain},
    {0},
};
