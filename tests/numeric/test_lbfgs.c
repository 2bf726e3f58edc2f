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

/* The second pair of loops of the recursion is worth a few evaluations: the bounds
 * are tight, so that its loss is noticed. */
static void check_normal(const char *name, bool with_factor, int most_evaluations)
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
    ck_assert_int_le(solver.evaluations, most_evaluations);
    for (int64_t j = 0; j < f.q; j++)
        ck_assert_double_eq_tol(solver.x[j], direct[j],
                                1e-8 * sqrt(solver.phi / f.metric[j]));
    fixture_fini(&f);
}

START_TEST(normal_with_factor_is_the_direct_solve)
{
    check_normal(normal_cases[_i], true, 2);
}
END_TEST

START_TEST(normal_without_factor_is_the_direct_solve)
{
    check_normal(normal_cases[_i], false, 16);
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
    ck_assert_int_le(solver.evaluations, 14);
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

/* A chunk over arrays of the test's own, with R = 1, v = 0.5 and x0 = 0. */
struct small {
    struct glm_chunk chunk;
    double metric[8], v[8], x0[8], workspace[2000];
    struct lbfgs_problem problem;
    struct lbfgs_options options;
    struct lbfgs solver;
};

static void small_init(struct small *m, enum glm_family family, int64_t rows,
                       int64_t columns, const double *x, const double *y,
                       bool intercept)
{
    *m = (struct small){.options = {.max_iterations = 100}};
    m->chunk = (struct glm_chunk){rows, columns, x, y, NULL, family, intercept};
    for (int j = 0; j < 8; j++) {
        m->metric[j] = 1.0;
        m->v[j] = 0.5;
    }
    m->problem = (struct lbfgs_problem){&m->chunk, m->v, m->metric, NULL};
    ck_assert_uint_le(lbfgs_workspace(rows, columns + intercept, 0), 2000);
}

static enum lbfgs_status small_run(struct small *m)
{
    lbfgs_init(&m->solver, &m->problem, &m->options, m->x0, m->workspace);
    enum lbfgs_status status = lbfgs_run(&m->solver);
    for (int64_t j = 0; j < glm_unknowns(&m->chunk); j++)
        ck_assert(isfinite(m->solver.x[j]));
    return status;
}

static bool is_done(enum lbfgs_status status)
{
    return status == LBFGS_CONVERGED || status == LBFGS_FLOOR;
}

START_TEST(data_that_are_not_finite)
{
    const double bad[] = {NAN, INFINITY, -INFINITY, 1e200};
    for (int k = 0; k < 4; k++)
        for (int where = 0; where < 6; where++) {
            double x[4] = {1, 2, 3, 4}, y[2] = {1, 0};
            struct small m;
            *(where < 4 ? &x[where] : &y[where - 4]) = bad[k];
            small_init(&m, GLM_NORMAL, 2, 2, x, y, false);
            m.x0[0] = m.x0[1] = 1.0;
            enum lbfgs_status status = small_run(&m);
            ck_assert_msg(status == LBFGS_NONFINITE, "%g at %d: %s", bad[k], where,
                          lbfgs_status_name(status));
        }
}
END_TEST

START_TEST(start_that_is_not_finite)
{
    const double bad[] = {NAN, INFINITY, -INFINITY};
    for (int k = 0; k < 3; k++) {
        double x[4] = {1, 2, 3, 4}, y[2] = {1, 0};
        struct small m;
        small_init(&m, GLM_LOGISTIC, 2, 2, x, y, false);
        m.x0[1] = bad[k];
        ck_assert_int_eq(small_run(&m), LBFGS_NONFINITE);
    }
}
END_TEST

/* A start from which the first steps overflow. */
START_TEST(start_far_away)
{
    double x[4] = {1, 2, 3, 4}, y[2] = {1, 0};
    for (int family = GLM_NORMAL; family <= GLM_LOGISTIC; family++) {
        struct small m;
        small_init(&m, (enum glm_family)family, 2, 2, x, y, true);
        m.x0[0] = 1e150;
        m.x0[1] = -1e150;
        small_run(&m);
        m.x0[0] = 1e6;
        m.x0[1] = -1e6;
        ck_assert(is_done(small_run(&m)));
        ck_assert_double_lt(fabs(m.solver.x[0]), 10);
    }
}
END_TEST

START_TEST(empty_chunk_gives_the_centre)
{
    for (int family = GLM_NORMAL; family <= GLM_LOGISTIC; family++) {
        struct small m;
        small_init(&m, (enum glm_family)family, 0, 3, NULL, NULL, true);
        ck_assert(is_done(small_run(&m)));
        for (int j = 0; j < 4; j++)
            ck_assert_double_eq_tol(m.solver.x[j], 0.5, 1e-8);
    }
}
END_TEST

/* (y - 3 b)^2 + (b - 1/2)^2 / 2 */
START_TEST(one_row_one_column)
{
    double x = 3, y = 2;
    struct small m;
    small_init(&m, GLM_NORMAL, 1, 1, &x, &y, false);
    ck_assert(is_done(small_run(&m)));
    ck_assert_double_eq_tol(m.solver.x[0], (2 * 3 * 2 + 0.5) / (2 * 9 + 1), 1e-9);
}
END_TEST

START_TEST(one_class_only)
{
    double x[6] = {1, -2, 3, 0.5, -1, 2};
    for (int label = 0; label < 2; label++) {
        double y[6] = {label, label, label, label, label, label}, g[2];
        struct small m;
        struct glm_value value;
        small_init(&m, GLM_LOGISTIC, 6, 1, x, y, true);
        ck_assert(is_done(small_run(&m)));
        glm_evaluate(&m.chunk, m.solver.x, NULL, g, &value);
        for (int j = 0; j < 2; j++)
            ck_assert_double_eq_tol(g[j] + m.solver.x[j] - 0.5, 0.0, 1e-7);
    }
}
END_TEST

START_TEST(column_of_zeros_stays_at_the_centre)
{
    double x[8] = {1, 0, 2, 0, -1, 0, 3, 0}, y[4] = {1, 0, 1, 1};
    struct small m;
    small_init(&m, GLM_LOGISTIC, 4, 2, x, y, false);
    ck_assert(is_done(small_run(&m)));
    ck_assert_double_eq_tol(m.solver.x[1], 0.5, 1e-8);
}
END_TEST

/* Separable, without any penalty: there is no minimiser.  The answer must be finite
 * and better than the start, whatever the status. */
START_TEST(separable_without_penalty)
{
    double x[4] = {-2, -1, 1, 2}, y[4] = {0, 0, 1, 1};
    struct small m;
    small_init(&m, GLM_LOGISTIC, 4, 1, x, y, true);
    m.metric[0] = m.metric[1] = 0.0;
    m.options.max_iterations = 1000;
    small_run(&m);
    ck_assert_double_lt(m.solver.phi, 1e-6);
    ck_assert_double_gt(m.solver.x[0], 5.0);
}
END_TEST

/* Magnitudes of +-1000 in X, no metric worth the name. */
START_TEST(overflow_case_without_metric)
{
    struct fixture f;
    fixture_init(&f, "16");
    for (int64_t j = 0; j < f.q; j++)
        f.metric[j] = 1e-8;
    f.problem.factor = NULL;
    for (int64_t j = 0; j < f.q; j++)
        f.x0[j] = 50.0;
    struct lbfgs solver = solver_of(&f, &(struct lbfgs_options){.max_iterations = 500});
    ck_assert(is_done(lbfgs_run(&solver)));
    double g[MAX_Q];
    struct glm_value value;
    glm_evaluate(&f.chunk, solver.x, NULL, g, &value);
    for (int64_t j = 0; j < f.q; j++)
        ck_assert_double_lt(fabs(g[j]), 1e-4);
    fixture_fini(&f);
}
END_TEST

START_TEST(cancelled_before_the_start)
{
    struct fixture f;
    int flag = 1;
    fixture_init(&f, "11");
    f.x0[0] = 0.25;
    struct lbfgs solver = solver_of(&f, &(struct lbfgs_options){.cancel = &flag});
    ck_assert_int_eq(lbfgs_run(&solver), LBFGS_CANCELLED);
    ck_assert_int_eq(solver.evaluations, 0);
    ck_assert_double_eq(solver.x[0], 0.25);
    ck_assert_int_eq(lbfgs_run(&solver), LBFGS_CANCELLED);
    flag = 0;
    ck_assert(is_done(lbfgs_run(&solver)));
    ck_assert_double_lt(scaled_gradient(&f, solver.x), 1e-6);
    fixture_fini(&f);
}
END_TEST

/* Stopped after every iteration, cancelled in between and called again: the same
 * points, bit for bit, as in one go. */
START_TEST(resumed_is_uninterrupted)
{
    struct fixture f;
    double whole[MAX_Q];
    int flag = 0, calls = 0;
    fixture_init(&f, logistic_cases[_i]);
    f.problem.factor = NULL;
    struct lbfgs solver = solver_of(&f, &(struct lbfgs_options){.max_iterations = 4});
    ck_assert_int_eq(lbfgs_run(&solver), LBFGS_MAXIT);
    memcpy(whole, solver.x, sizeof(double) * (size_t)f.q);
    solver =
        solver_of(&f, &(struct lbfgs_options){.max_iterations = 1, .cancel = &flag});
    while (solver.iterations < 4) {
        flag = 1;
        ck_assert_int_eq(lbfgs_run(&solver), LBFGS_CANCELLED);
        flag = 0;
        ck_assert_int_eq(lbfgs_run(&solver), LBFGS_MAXIT);
        calls++;
    }
    ck_assert_int_eq(calls, 4);
    ck_assert_mem_eq(solver.x, whole, sizeof(double) * (size_t)f.q);
    fixture_fini(&f);
}
END_TEST

START_TEST(allowance_of_evaluations)
{
    for (int most = 1; most < 8; most++) {
        struct fixture f;
        fixture_init(&f, "13");
        f.problem.factor = NULL;
        struct lbfgs solver =
            solver_of(&f, &(struct lbfgs_options){.max_evaluations = most});
        ck_assert_int_eq(lbfgs_run(&solver), LBFGS_MAXIT);
        ck_assert_int_le(solver.evaluations, most);
        fixture_fini(&f);
    }
}
END_TEST

START_TEST(phi_never_rises)
{
    struct fixture f;
    fixture_init(&f, logistic_cases[_i]);
    f.problem.factor = NULL;
    struct lbfgs solver = solver_of(&f, &(struct lbfgs_options){.max_iterations = 1});
    double before = INFINITY;
    while (lbfgs_run(&solver) == LBFGS_MAXIT) {
        ck_assert_double_le(solver.phi, before + 1e-13 * fabs(before));
        before = solver.phi;
    }
    ck_assert_int_gt(solver.iterations, 3);
    fixture_fini(&f);
}
END_TEST

START_TEST(every_memory_gets_there)
{
    for (int memory = 1; memory <= LBFGS_MAX_MEMORY; memory += 5) {
        struct fixture f;
        fixture_init(&f, "11");
        free(f.workspace);
        f.workspace =
            malloc(sizeof(double) * lbfgs_workspace(f.chunk.rows, f.q, memory));
        f.problem.factor = NULL;
        struct lbfgs solver = solver_of(
            &f, &(struct lbfgs_options){.memory = memory, .max_iterations = 500});
        ck_assert(is_done(lbfgs_run(&solver)));
        ck_assert_double_lt(scaled_gradient(&f, solver.x), 1e-6);
        fixture_fini(&f);
    }
}
END_TEST

/* Columns over eight orders of magnitude: what scaling by R is for. */
START_TEST(wild_scales)
{
    for (int with_factor = 0; with_factor < 2; with_factor++) {
        struct fixture f;
        fixture_init(&f, "05");
        double direct[MAX_Q];
        for (int64_t i = 0; i < f.chunk.rows; i++)
            for (int64_t j = 0; j < f.q; j++)
                f.c.x[i * f.q + j] *= pow(10, -4 + 8 * (double)j / 14);
        struct glm_gram totals;
        glm_gram(&f.chunk, f.g, f.gram_c, &totals);
        for (int64_t k = 0; k < f.q * f.q; k++) {
            int64_t j = k / f.q;
            if (k % (f.q + 1) == 0)
                f.metric[j] = 0.5 * f.g[k];
            f.factor[k] = 2 * f.g[k] + (k % (f.q + 1) == 0 ? f.metric[j] : 0.0);
        }
        ck_assert_int_eq(dense_cholesky(f.factor, f.q, NULL), 0);
        solve_directly(&f, direct);
        if (!with_factor)
            f.problem.factor = NULL;
        struct lbfgs solver =
            solver_of(&f, &(struct lbfgs_options){.max_iterations = 300});
        ck_assert(is_done(lbfgs_run(&solver)));
        for (int64_t j = 0; j < f.q; j++)
            ck_assert_double_eq_tol(solver.x[j], direct[j],
                                    1e-7 * sqrt(solver.phi / f.metric[j]));
        fixture_fini(&f);
    }
}
END_TEST

/* Two iterations with the factor of the largest possible Hessian do most of the
 * work: that is all that asynchronous ADMM asks for. */
START_TEST(two_iterations_with_the_factor_go_far)
{
    struct fixture f;
    fixture_init(&f, logistic_cases[_i]);
    struct lbfgs solver = solver_of(&f, &(struct lbfgs_options){.max_iterations = 2});
    double start, after, best;
    lbfgs_run(&solver);
    after = solver.phi;
    solver = solver_of(&f, &(struct lbfgs_options){.max_evaluations = 1});
    lbfgs_run(&solver);
    start = solver.phi;
    solver = solver_of(&f, &(struct lbfgs_options){.max_iterations = 200});
    lbfgs_run(&solver);
    best = solver.phi;
    ck_assert_double_gt(start, best);
    ck_assert_double_lt((after - best) / (start - best), 0.05);
    fixture_fini(&f);
}
END_TEST

START_TEST(statuses_have_names)
{
    ck_assert_str_eq(lbfgs_status_name(LBFGS_CONVERGED), "converged");
    ck_assert_str_eq(lbfgs_status_name(LBFGS_NONFINITE), "not finite");
    ck_assert_str_eq(lbfgs_status_name((enum lbfgs_status)17), "unknown");
}
END_TEST

static Suite *lbfgs_suite(void)
{
    Suite *suite = suite_create("lbfgs");
    TCase *bad = tcase_create("edges");
    tcase_add_test(bad, data_that_are_not_finite);
    tcase_add_test(bad, start_that_is_not_finite);
    tcase_add_test(bad, start_far_away);
    tcase_add_test(bad, empty_chunk_gives_the_centre);
    tcase_add_test(bad, one_row_one_column);
    tcase_add_test(bad, one_class_only);
    tcase_add_test(bad, column_of_zeros_stays_at_the_centre);
    tcase_add_test(bad, separable_without_penalty);
    tcase_add_test(bad, overflow_case_without_metric);
    suite_add_tcase(suite, bad);
    TCase *stops = tcase_create("stops");
    tcase_add_test(stops, cancelled_before_the_start);
    tcase_add_loop_test(stops, resumed_is_uninterrupted, 0, 4);
    tcase_add_test(stops, allowance_of_evaluations);
    tcase_add_test(stops, statuses_have_names);
    suite_add_tcase(suite, stops);
    TCase *known = tcase_create("known answers");
    tcase_add_loop_test(known, normal_with_factor_is_the_direct_solve, 0, 5);
    tcase_add_loop_test(known, normal_without_factor_is_the_direct_solve, 0, 5);
    tcase_add_loop_test(known, logistic_with_factor_reaches_a_stationary_point, 0, 4);
    tcase_add_loop_test(known, logistic_without_factor_reaches_a_stationary_point, 0,
                        4);
    tcase_add_loop_test(known, phi_never_rises, 0, 4);
    tcase_add_test(known, every_memory_gets_there);
    tcase_add_test(known, wild_scales);
    tcase_add_loop_test(known, two_iterations_with_the_factor_go_far, 0, 4);
    suite_add_tcase(suite, known);
    return suite;
}

int main(void)
{
    dense_init();
    return test_main(lbfgs_suite());
}
