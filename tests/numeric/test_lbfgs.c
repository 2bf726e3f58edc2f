/* The local solver against direct solves, and at its edges. */
#include "tests/numeric/cases.h"
#include "tests/test.h"
#include "worker/dense.h"
#include "worker/lbfgs.h"
#include <math.h>
#include <string.h>

#define MAX_Q CASE_MAX_UNKNOWNS

/* One case as a single chunk, with a metric, a centre and room to solve. */
struct fixture {
    struct glm_case c;
    struct glm_chunk chunk;
    int64_t q;
    double metric[MAX_Q], v[MAX_Q], x0[MAX_Q];
    double factor[MAX_Q * MAX_Q], g[MAX_Q * MAX_Q], gram_c[MAX_Q];
    double *workspace;
    struct lbfgs_problem problem;
};

static void fixture_init(struct fixture *f, const char *name)
{
    f->c = case_create(name);
    f->chunk = (struct glm_chunk){
        .rows = f->c.figures->rows,
        .columns = f->c.figures->columns,
        .x = f->c.x,
        .y = f->c.y,
        .family = glm_family_parse(f->c.figures->family, NULL),
        .intercept = f->c.figures->intercept,
    };
    f->q = glm_unknowns(&f->chunk);
    struct glm_gram totals;
    ck_assert_int_eq(glm_gram(&f->chunk, f->g, f->gram_c, &totals), 0);
    double curvature = glm_curvature(f->chunk.family);
    for (int64_t j = 0; j < f->q; j++) {
        f->metric[j] = 0.5 * curvature * f->g[j * f->q + j] + 1e-3;
        f->v[j] = 0.1 * (double)(j % 5) - 0.2;
        f->x0[j] = 0.0;
    }
    for (int64_t k = 0; k < f->q * f->q; k++)
        f->factor[k] = curvature * f->g[k] +
                       (k % (f->q + 1) == 0 ? f->metric[k / (f->q + 1)] : 0.0);
    ck_assert_int_eq(dense_cholesky(f->factor, f->q, NULL), 0);
    f->workspace = malloc(sizeof(double) * lbfgs_workspace(f->chunk.rows, f->q, 0));
    f->problem = (struct lbfgs_problem){&f->chunk, f->v, f->metric, f->factor};
}

static void fixture_fini(struct fixture *f)
{
    free(f->workspace);
    case_destroy(&f->c);
}

static struct lbfgs solver_of(struct fixture *f, const struct lbfgs_options *options)
{
    struct lbfgs solver;
    lbfgs_init(&solver, &f->problem, options, f->x0, f->workspace);
    return solver;
}

/* Largest entry of the gradient of phi, each in units of the root of its
 * curvature. */
static double scaled_gradient(const struct fixture *f, const double *x)
{
    double g[MAX_Q], worst = 0;
    struct glm_value value;
    glm_evaluate(&f->chunk, x, NULL, g, &value);
    for (int64_t j = 0; j < f->q; j++)
        worst = fmax(worst,
                     fabs(g[j] + f->metric[j] * (x[j] - f->v[j])) / sqrt(f->metric[j]));
    return worst;
}

static const char *const normal_cases[] = {"01", "04", "05", "08", "09"};
static const char *const logistic_cases[] = {"11", "13", "15", "16"};

/* (2 X'X + R) x = 2 X'y + R v, by the factor. */
static void solve_directly(struct fixture *f, double *x)
{
    for (int64_t j = 0; j < f->q; j++)
        x[j] = 2 * f->gram_c[j] + f->metric[j] * f->v[j];
    dense_solve_lower(f->factor, f->q, x);
    dense_solve_upper(f->factor, f->q, x);
}

static void check_normal(const char *name, bool with_factor)
{
    struct fixture f;
    double direct[MAX_Q];
    fixture_init(&f, name);
    solve_directly(&f, direct);
    if (!with_factor)
        f.problem.factor = NULL;
    struct lbfgs solver = solver_of(&f, &(struct lbfgs_options){.max_iterations = 300});
    enum lbfgs_status status = lbfgs_run(&solver);
    ck_assert_msg(status == LBFGS_CONVERGED || status == LBFGS_FLOOR, "%s: %s", name,
                  lbfgs_status_name(status));
    ck_assert_int_le(solver.evaluations, with_factor ? 5 : 200);
    for (int64_t j = 0; j < f.q; j++)
        ck_assert_double_eq_tol(solver.x[j], direct[j],
                                1e-8 * sqrt(solver.phi / f.metric[j]));
    fixture_fini(&f);
}

START_TEST(normal_with_factor_is_the_direct_solve)
{
    check_normal(normal_cases[_i], true);
}
END_TEST

START_TEST(normal_without_factor_is_the_direct_solve)
{
    check_normal(normal_cases[_i], false);
}
END_TEST

static void check_logistic(const char *name, bool with_factor)
{
    struct fixture f;
    fixture_init(&f, name);
    if (!with_factor)
        f.problem.factor = NULL;
    struct lbfgs solver = solver_of(&f, &(struct lbfgs_options){.max_iterations = 300});
    enum lbfgs_status status = lbfgs_run(&solver);
    ck_assert_msg(status == LBFGS_CONVERGED || status == LBFGS_FLOOR, "%s: %s", name,
                  lbfgs_status_name(status));
    ck_assert_double_lt(scaled_gradient(&f, solver.x), 1e-6);
    fixture_fini(&f);
}

START_TEST(logistic_with_factor_reaches_a_stationary_point)
{
    check_logistic(logistic_cases[_i], true);
}
END_TEST

START_TEST(logistic_without_factor_reaches_a_stationary_point)
{
    check_logistic(logistic_cases[_i], false);
}
END_TEST

static Suite *lbfgs_suite(void)
{
    Suite *suite = suite_create("lbfgs");
    TCase *known = tcase_create("known answers");
    tcase_add_loop_test(known, normal_with_factor_is_the_direct_solve, 0, 5);
    tcase_add_loop_test(known, normal_without_factor_is_the_direct_solve, 0, 5);
    tcase_add_loop_test(known, logistic_with_factor_reaches_a_stationary_point, 0, 4);
    tcase_add_loop_test(known, logistic_without_factor_reaches_a_stationary_point, 0,
                        4);
    suite_add_tcase(suite, known);
    return suite;
}

int main(void)
{
    dense_init();
    return test_main(lbfgs_suite());
}
