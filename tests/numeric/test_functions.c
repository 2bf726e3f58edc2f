/* The built-in task functions, as a worker runs them: bad arguments first, then
 * their results against the kernels'. */
#include "tests/fake_task.h"
#include "tests/numeric/cases.h"
#include "tests/test.h"
#include "worker/dense.h"
#include "worker/functions.h"
#include "worker/lbfgs.h"
#include "worker/random.h"
#include <math.h>
#include <string.h>

#define MAX_Q CASE_MAX_UNKNOWNS

static struct dusk_task task;

/* A case as one chunk, its columns centred where it has an intercept. */
struct fixture {
    struct glm_case c;
    struct glm_chunk chunk;
    struct dusk_array x, y, mu_array;
    double mu[MAX_Q];
    int64_t q, intercept;
    const char *family;
};

static void setup(void)
{
    fake_fini(&task);
}

static void teardown(void)
{
    fake_fini(&task);
}

static struct fixture fixture_create(const char *name)
{
    struct fixture f = {.c = case_create(name)};
    const struct case_figures *figures = f.c.figures;
    f.family = figures->family;
    f.intercept = figures->intercept;
    f.q = f.c.unknowns;
    for (int64_t j = 0; j < figures->columns; j++)
        f.mu[j] = figures->intercept ? 0.01 * (double)j : 0.0;
    f.chunk = (struct glm_chunk){figures->rows,
                                 figures->columns,
                                 f.c.x,
                                 f.c.y,
                                 NULL,
                                 (enum glm_family)glm_family_parse(f.family, NULL),
                                 figures->intercept};
    f.x = fake_array(f.c.x, figures->rows, figures->columns);
    f.y = fake_array(f.c.y, figures->rows, -1);
    return f;
}

/* The fixture's own `mu` moves with it, so it is pointed to late. */
static void fixture_centre(struct fixture *f)
{
    f->mu_array = fake_array(f->mu, f->chunk.columns, -1);
    f->chunk.mu = f->mu;
}

static const double *item_numbers(int item)
{
    ck_assert_int_eq(task.result.items[item].kind, DUSK_ARRAY);
    return task.result.items[item].array.data;
}

static double item_number(int item)
{
    const struct dusk_value *value = &task.result.items[item];
    return value->kind == DUSK_INT ? (double)value->integer : value->number;
}

static void check_shape(int item, int64_t rows, int64_t columns)
{
    const struct dusk_array *array = &task.result.items[item].array;
    ck_assert_int_eq(array->ndim, columns < 0 ? 1 : 2);
    ck_assert_int_eq(array->shape[0], rows);
    if (columns >= 0)
        ck_assert_int_eq(array->shape[1], columns);
}

static void check_fails(const struct dusk_function *table, const char *name, int code,
                        const char *line)
{
    ck_assert_int_eq(fake_run(&task, table, name), code);
    ck_assert_str_eq(task.err.line, line);
    ck_assert_int_eq(task.returned, 0);
    fake_fini(&task);
}

/* Runs the function and takes its result over, for use as an argument. */
static struct fake_items run_ok(const struct dusk_function *table, const char *name,
                                int items)
{
    int rc = fake_run(&task, table, name);
    ck_assert_msg(rc == 0, "%s: %d %s", name, rc, task.err.line);
    ck_assert_int_eq(task.returned, 1);
    ck_assert_int_eq(task.result.count, items);
    return task.result;
}

/* Keeps the results alive, so that the task can run again. */
static void next_run(void)
{
    task.argument_count = 0;
    task.returned = 0;
    ck_assert_int_lt(task.allocation_count, FAKE_MAX_ITEMS);
}

#define L(value) ((int64_t)(value))

START_TEST(wrong_shapes_are_named)
{
    double data[12] = {0};
    struct dusk_array x = fake_array(data, 4, 3), y = fake_array(data, 4, -1),
                      y3 = fake_array(data, 3, -1), none = fake_array(data, 4, 0),
                      f32 = x;
    f32.dtype = DUSK_F32;
    fake_arguments(&task, "laas", L(0), &x, &y3, "normal");
    check_fails(glm_functions, "glm_moments", DUSK_E_INVALID,
                "y has 3 elements, must have 4");
    fake_arguments(&task, "laas", L(0), &y, &y, "normal");
    check_fails(glm_functions, "glm_moments", DUSK_E_TYPE,
                "X has 1 dimensions, must have 2");
    fake_arguments(&task, "laas", L(0), &x, &f32, "normal");
    check_fails(glm_functions, "glm_moments", DUSK_E_TYPE,
                "y must be an array of doubles");
    fake_arguments(&task, "laas", L(0), &none, &y, "normal");
    check_fails(glm_functions, "glm_moments", DUSK_E_INVALID, "X has no columns");
    fake_arguments(&task, "laas", L(0), &x, &y, "poisson");
    check_fails(glm_functions, "glm_moments", DUSK_E_INVALID,
                "family 'poisson': must be normal or logistic");
    fake_arguments(&task, "aaasla", &x, &y, &y3, "normal", L(1), &y3);
    check_fails(glm_functions, "glm_evaluate", DUSK_E_INVALID,
                "b has 3 elements, must have 4");
    fake_arguments(&task, "aaasla", &x, &y, &y3, "normal", L(1), &x);
    check_fails(glm_functions, "glm_losses", DUSK_E_INVALID,
                "B has 3 columns, must have 4");
    fake_arguments(&task, "aaad", &x, &y3, &y3, 2.0);
    check_fails(glm_functions, "glm_factor", DUSK_E_INVALID,
                "G has 4 rows, must have 3");
}
END_TEST

START_TEST(bad_values_are_named)
{
    double data[12] = {1, 2, NAN}, y_data[4] = {0}, columns[1] = {3},
           minus[4] = {-1, 0, 0, -1};
    struct dusk_array x = fake_array(data, 4, 3), y = fake_array(y_data, 4, -1),
                      b = fake_array(y_data, 3, -1), list = fake_array(columns, 1, -1),
                      g = fake_array(minus, 2, 2), two = fake_array(y_data, 2, -1);
    fake_arguments(&task, "laas", L(12), &x, &y, "logistic");
    check_fails(glm_functions, "glm_moments", DUSK_E_DATA,
                "chunk 12, row 0, column 2: nan is not a finite number");
    fake_arguments(&task, "aaaslaa", &x, &y, &b, "normal", L(0), &b, &list);
    check_fails(glm_functions, "glm_hessian", DUSK_E_INVALID,
                "columns: 3 is not one of 0 to 2");
    fake_arguments(&task, "aaaslaa", &x, &y, &b, "normal", L(0), &b, &two);
    check_fails(glm_functions, "glm_dual", DUSK_E_INVALID,
                "glm_dual knows the family logistic only");
    fake_arguments(&task, "aaad", &g, &two, &two, 2.0);
    check_fails(glm_functions, "glm_factor", DUSK_E_DATA,
                "matrix of order 2 is not positive definite at pivot 0");
    fake_arguments(&task, "aasldaall", &x, &y, "normal", L(0), -1.0, &b, &b, L(1),
                   L(1));
    check_fails(prox_functions, "glm_prox_plain", DUSK_E_INVALID,
                "rho is -1, must not be negative");
    fake_arguments(&task, "aasldaall", &x, &y, "normal", L(0), 1.0, &b, &b, L(-5),
                   L(1));
    check_fails(prox_functions, "glm_prox_plain", DUSK_E_INVALID,
                "max_iterations is -5");
    fake_arguments(&task, "lllll", L(0), L(0), L(0), L(-3), L(2));
    check_fails(array_functions, "random_normal", DUSK_E_INVALID,
                "-3 rows x 2 columns");
    fake_arguments(&task, "lllll", L(0), L(0), L(0), INT64_MAX / 4, L(100));
    check_fails(array_functions, "random_normal", DUSK_E_INVALID,
                "2305843009213693951 rows x 100 columns");
    fake_arguments(&task, "lllllad", L(0), L(0), L(1), L(0), L(-3), &b, 1.0);
    check_fails(array_functions, "random_gram", DUSK_E_INVALID, "-3 rows x 3 columns");
    fake_arguments(&task, "llllls", L(0), L(0), L(0), L(3), L(2), "f16");
    check_fails(array_functions, "random_normal", DUSK_E_INVALID,
                "type 'f16': must be f64 or f32");
}
END_TEST

START_TEST(bad_sums_are_named)
{
    double data[4] = {0};
    struct dusk_array two = fake_array(data, 2, -1), three = fake_array(data, 3, -1);
    fake_arguments(&task, "l", L(1));
    check_fails(array_functions, "sum", DUSK_E_INVALID,
                "sum of 1 arguments with 1 items: must be 2 to 64 with at most 64");
    fake_arguments(&task, "aa", &two, &three);
    check_fails(array_functions, "sum", DUSK_E_TYPE,
                "item 1 of argument 2 is not like that of argument 1");
    fake_arguments(&task, "al", &two, L(1));
    check_fails(array_functions, "sum", DUSK_E_TYPE,
                "item 1 of argument 2 is not like that of argument 1");
    fake_arguments(&task, "ss", "a", "b");
    check_fails(array_functions, "sum", DUSK_E_TYPE,
                "item 1 of argument 1 cannot be added: it is neither a number nor an "
                "array of doubles");
    fake_arguments(&task, "ll", INT64_MAX, L(1));
    check_fails(array_functions, "sum", DUSK_E_LIMIT, "item 1: the sum overflows");
    struct fake_items pair = {2, {{.kind = DUSK_INT}, {.kind = DUSK_INT}}};
    fake_arguments(&task, "fl", &pair, L(1));
    check_fails(array_functions, "sum", DUSK_E_TYPE,
                "argument 2 has 1 items, argument 1 has 2");
}
END_TEST

START_TEST(sum_adds_item_by_item)
{
    double a[6] = {1, 2, 3, 4, 5, 6}, b[6] = {10, 20, 30, 40, 50, 60};
    struct fake_items left = {3,
                              {{.kind = DUSK_INT, .integer = 3},
                               {.kind = DUSK_ARRAY, .array = fake_array(a, 2, 3)},
                               {.kind = DUSK_FLOAT, .number = 0.5}}};
    struct fake_items right = {3,
                               {{.kind = DUSK_INT, .integer = 4},
                                {.kind = DUSK_ARRAY, .array = fake_array(b, 2, 3)},
                                {.kind = DUSK_INT, .integer = 2}}};
    fake_arguments(&task, "ffff", &left, &right, &left, &right);
    run_ok(array_functions, "sum", 3);
    ck_assert_int_eq(task.result.items[0].integer, 14);
    ck_assert_double_eq(task.result.items[2].number, 5.0);
    check_shape(1, 2, 3);
    for (int k = 0; k < 6; k++)
        ck_assert_double_eq(item_numbers(1)[k], 22.0 * (k + 1));
    ck_assert_double_eq(a[0], 1.0);
}
END_TEST

START_TEST(random_normal_is_the_stream)
{
    double expected[35];
    struct random_stream stream = random_stream(4, 5, 6);
    random_normal(&stream, 0, 35, expected);
    fake_arguments(&task, "lllll", L(4), L(5), L(6), L(7), L(5));
    run_ok(array_functions, "random_normal", 1);
    check_shape(0, 7, 5);
    ck_assert_mem_eq(item_numbers(0), expected, sizeof expected);
}
END_TEST

START_TEST(random_normal_in_pieces_is_whole)
{
    int64_t rows = RANDOM_BLOCK * 4096 + 333;
    double *expected = malloc((size_t)rows * sizeof *expected);
    struct random_stream stream = random_stream(1, 0, 2);
    random_normal(&stream, 0, rows, expected);
    fake_arguments(&task, "lllll", L(1), L(0), L(2), rows, L(1));
    run_ok(array_functions, "random_normal", 1);
    ck_assert_mem_eq(item_numbers(0), expected, (size_t)rows * sizeof *expected);
    next_run();
    fake_arguments(&task, "llllls", L(1), L(0), L(2), rows, L(1), "f32");
    run_ok(array_functions, "random_normal", 1);
    ck_assert_int_eq(task.result.items[0].array.dtype, DUSK_F32);
    const float *rounded = task.result.items[0].array.data;
    int64_t different = 0;
    for (int64_t k = 0; k < rows; k++)
        different += rounded[k] != (float)expected[k];
    ck_assert_int_eq(different, 0);
    free(expected);
}
END_TEST

/* The result so far came from doubles; rounded to floats they give almost the same. */
static void check_response_of_floats(const struct dusk_array *x,
                                     const struct dusk_array *b, const char *family)
{
    int64_t n = x->shape[0], different = 0;
    const double *doubles = x->data, *y = item_numbers(0);
    struct dusk_array rounded = *x;
    float *floats = malloc((size_t)(n * x->shape[1]) * sizeof *floats);
    for (int64_t k = 0; k < n * x->shape[1]; k++)
        floats[k] = (float)doubles[k];
    rounded.dtype = DUSK_F32;
    rounded.data = floats;
    next_run();
    fake_arguments(&task, "aadslll", &rounded, b, 2.0, family, L(1), L(1), L(0));
    run_ok(array_functions, "linear_response", 1);
    for (int64_t i = 0; i < n; i++)
        different += fabs(item_numbers(0)[i] - y[i]) > 1e-5;
    ck_assert_int_le(different, n / 1000);
    free(floats);
}

/* Rows that are never there at once have the Gram matrix of those that are. */
START_TEST(random_gram_is_that_of_the_rows)
{
    const int64_t n = 1300, p = 5; /* two pieces and a part of a third */
    const double beta[5] = {1, -0.5, 0, 2, 0.25};
    double *rows = malloc((size_t)(n * p) * sizeof *rows), g[25], c[5];
    struct random_stream stream = random_stream(3, 0, 4);
    struct glm_gram totals;
    random_normal(&stream, 0, n * p, rows);
    struct dusk_array x = fake_array(rows, n, p), b = fake_array(beta, p, -1);
    fake_arguments(&task, "aadslll", &x, &b, 2.0, "normal", L(3), L(1), L(4));
    run_ok(array_functions, "linear_response", 1);
    struct glm_chunk chunk = {
        .rows = n, .columns = p, .x = rows, .y = item_numbers(0), .family = GLM_NORMAL};
    glm_gram(&chunk, g, c, &totals);
    next_run();
    fake_arguments(&task, "lllllad", L(3), L(0), L(1), L(4), n, &b, 2.0);
    run_ok(array_functions, "random_gram", 6);
    check_shape(0, p, p);
    for (int k = 0; k < 25; k++)
        ck_assert_double_eq_tol(item_numbers(0)[k], g[k], 1e-11);
    for (int j = 0; j < 5; j++) {
        ck_assert_double_eq_tol(item_numbers(1)[j], c[j], 1e-11);
        ck_assert_double_eq(item_numbers(2)[j], item_numbers(0)[6 * j]);
    }
    ck_assert_double_eq_tol(item_number(3), totals.y_y, 1e-10);
    ck_assert_double_eq_tol(item_number(4), totals.sum_y, 1e-11);
    ck_assert_double_eq(item_number(5), (double)n);
    free(rows);
}
END_TEST

/* A fit of the response finds the coefficients it was made from. */
START_TEST(linear_response_follows_its_model)
{
    const int64_t n = 20000, p = 4;
    const double beta[4] = {1, -0.5, 0, 2};
    const bool normal = _i == 0;
    double *x_data = malloc((size_t)(n * p) * sizeof *x_data), g[4];
    struct random_stream stream = random_stream(1, 0, 0);
    random_normal(&stream, 0, n * p, x_data);
    struct dusk_array x = fake_array(x_data, n, p), b = fake_array(beta, p, -1);
    fake_arguments(&task, "aadslll", &x, &b, 2.0, normal ? "normal" : "logistic", L(1),
                   L(1), L(0));
    run_ok(array_functions, "linear_response", 1);
    check_shape(0, n, -1);
    struct glm_chunk chunk = {
        n, p, x_data, item_numbers(0), NULL, normal ? GLM_NORMAL : GLM_LOGISTIC, false};
    struct glm_value value;
    glm_evaluate(&chunk, beta, NULL, g, &value);
    for (int j = 0; j < 4; j++)
        ck_assert_double_lt(fabs(g[j]), (normal ? 4.0 : 0.5) * 4.5 * sqrt((double)n));
    if (normal)
        ck_assert_double_eq_tol(value.r_r / (double)n, 4.0, 0.2);
    ck_assert_double_gt(value.r_r, 0.05 * (double)n);
    check_response_of_floats(&x, &b, normal ? "normal" : "logistic");
    free(x_data);
}
END_TEST

START_TEST(moments_gram_and_summary)
{
    struct fixture f = fixture_create("05");
    double sum[MAX_Q], sum2[MAX_Q], g[MAX_Q * MAX_Q], c[MAX_Q];
    struct glm_gram totals;
    fixture_centre(&f);
    glm_moments(&f.chunk, 0, sum, sum2, NULL);
    glm_gram(&f.chunk, g, c, &totals);
    fake_arguments(&task, "laas", L(0), &f.x, &f.y, "normal");
    run_ok(glm_functions, "glm_moments", 3);
    ck_assert_double_eq(item_number(0), 3000);
    ck_assert_mem_eq(item_numbers(1), sum, (size_t)f.q * sizeof *sum);
    ck_assert_mem_eq(item_numbers(2), sum2, (size_t)f.q * sizeof *sum2);
    next_run();
    fake_arguments(&task, "laaasl", L(0), &f.x, &f.y, &f.mu_array, "normal", L(0));
    struct fake_items gram = run_ok(glm_functions, "glm_gram", 6);
    check_shape(0, f.q, f.q);
    ck_assert_mem_eq(item_numbers(0), g, (size_t)(f.q * f.q) * sizeof *g);
    ck_assert_mem_eq(item_numbers(1), c, (size_t)f.q * sizeof *c);
    ck_assert_double_eq(item_numbers(2)[3], g[3 * f.q + 3]);
    ck_assert_double_eq(item_number(3), totals.y_y);
    ck_assert_double_eq(item_number(4), totals.sum_y);
    ck_assert_double_eq(item_number(5), 3000);
    next_run();
    fake_arguments(&task, "f", &gram);
    run_ok(glm_functions, "glm_gram_summary", 2);
    ck_assert_double_eq(item_numbers(0)[3], g[3 * f.q + 3]);
    ck_assert_double_eq(item_number(1), 3000);
    case_destroy(&f.c);
}
END_TEST

/* Gram and factor of a case, with R = half the diagonal, all made by tasks. */
static struct fake_items make_factor(struct fixture *f, double *metric)
{
    double curvature = glm_curvature(f->chunk.family);
    struct dusk_array metric_array = fake_array(metric, f->q, -1);
    fake_arguments(&task, "laaasl", L(0), &f->x, &f->y, &f->mu_array, f->family,
                   f->intercept);
    struct fake_items gram = run_ok(glm_functions, "glm_gram", 6);
    for (int64_t j = 0; j < f->q; j++)
        metric[j] =
            0.5 * curvature * ((const double *)gram.items[2].array.data)[j] + 1e-3;
    next_run();
    fake_arguments(&task, "aaad", &gram.items[0].array, &metric_array, &f->mu_array,
                   curvature);
    struct fake_items factor = run_ok(glm_functions, "glm_factor", 3);
    check_shape(0, f->q, f->q);
    next_run();
    return factor;
}

static const char *const prox_cases[] = {"05", "08", "11", "13", "15", "16"};

/* glm_prox minimises: the gradient of f + 1/2 ||x - v||^2_R vanishes; for normal,
 * glm_prox_gram finds the same. */
START_TEST(prox_minimises)
{
    struct fixture f = fixture_create(prox_cases[_i]);
    double metric[MAX_Q], v[MAX_Q], x0[MAX_Q] = {0}, g[MAX_Q];
    struct glm_value value;
    fixture_centre(&f);
    struct fake_items factor = make_factor(&f, metric);
    for (int64_t j = 0; j < f.q; j++)
        v[j] = 0.1 * (double)(j % 3);
    struct dusk_array v_array = fake_array(v, f.q, -1),
                      x0_array = fake_array(x0, f.q, -1);
    fake_arguments(&task, "aafslaal", &f.x, &f.y, &factor, f.family, f.intercept,
                   &v_array, &x0_array, L(200));
    run_ok(prox_functions, "glm_prox", 3);
    const double *x = item_numbers(0);
    check_shape(0, f.q, -1);
    ck_assert_double_ge(item_number(1), 2);
    ck_assert(item_number(2) == LBFGS_CONVERGED || item_number(2) == LBFGS_FLOOR);
    glm_evaluate(&f.chunk, x, NULL, g, &value);
    for (int64_t j = 0; j < f.q; j++)
        ck_assert_double_eq_tol((g[j] + metric[j] * (x[j] - v[j])) / sqrt(metric[j]), 0,
                                1e-6);
    if (f.chunk.family == GLM_NORMAL) {
        double c[MAX_Q], square[MAX_Q * MAX_Q];
        struct glm_gram totals;
        glm_gram(&f.chunk, square, c, &totals);
        struct dusk_array c_array = fake_array(c, f.q, -1);
        next_run();
        fake_arguments(&task, "faad", &factor, &c_array, &v_array, 2.0);
        run_ok(prox_functions, "glm_prox_gram", 3);
        ck_assert_double_eq(item_number(1), 1);
        ck_assert_double_eq(item_number(2), LBFGS_CONVERGED);
        for (int64_t j = 0; j < f.q; j++)
            ck_assert_double_eq_tol(item_numbers(0)[j], x[j],
                                    1e-8 * sqrt(value.loss / metric[j]));
    }
    case_destroy(&f.c);
}
END_TEST

START_TEST(prox_plain_minimises)
{
    struct fixture f = fixture_create(prox_cases[_i]);
    double v[MAX_Q] = {0}, x0[MAX_Q] = {0}, g[MAX_Q];
    struct glm_value value;
    struct dusk_array v_array = fake_array(v, f.q, -1),
                      x0_array = fake_array(x0, f.q, -1);
    fake_arguments(&task, "aasldaall", &f.x, &f.y, f.family, f.intercept, 1.2, &v_array,
                   &x0_array, L(200), L(250));
    run_ok(prox_functions, "glm_prox_plain", 3);
    const double *x = item_numbers(0);
    ck_assert_double_le(item_number(1), 250);
    ck_assert_int_eq(task.progress, (int64_t)item_number(1));
    glm_evaluate(&f.chunk, x, NULL, g, &value);
    for (int64_t j = 0; j < f.q; j++)
        ck_assert_double_eq_tol(g[j] + 1.2 * x[j], 0, 1e-4);
    case_destroy(&f.c);
}
END_TEST

/* Both allowances are totals. */
START_TEST(prox_plain_keeps_to_its_allowances)
{
    struct fixture f = fixture_create("13");
    double zero[MAX_Q] = {0};
    struct dusk_array v = fake_array(zero, f.q, -1);
    fake_arguments(&task, "aasldaall", &f.x, &f.y, f.family, f.intercept, 1e-3, &v, &v,
                   L(200), L(6));
    run_ok(prox_functions, "glm_prox_plain", 3);
    ck_assert_double_eq(item_number(1), 6);
    ck_assert_double_eq(item_number(2), LBFGS_MAXIT);
    next_run();
    struct lbfgs solver;
    double metric[MAX_Q], *room;
    for (int64_t j = 0; j < f.q; j++)
        metric[j] = 1e-3;
    room = malloc(sizeof(double) * lbfgs_workspace(f.chunk.rows, f.q, 0));
    lbfgs_init(&solver, &(struct lbfgs_problem){&f.chunk, zero, metric, NULL},
               &(struct lbfgs_options){.max_iterations = 3}, zero, room);
    ck_assert_int_eq(lbfgs_run(&solver), LBFGS_MAXIT);
    fake_arguments(&task, "aasldaall", &f.x, &f.y, f.family, f.intercept, 1e-3, &v, &v,
                   L(3), L(0));
    run_ok(prox_functions, "glm_prox_plain", 3);
    ck_assert_double_eq(item_number(2), LBFGS_MAXIT);
    ck_assert_mem_eq(item_numbers(0), solver.x, sizeof(double) * (size_t)f.q);
    free(room);
    case_destroy(&f.c);
}
END_TEST

START_TEST(cancelled_prox_says_so)
{
    struct fixture f = fixture_create("11");
    double zero[MAX_Q] = {0};
    struct dusk_array v = fake_array(zero, f.q, -1);
    task.cancelled = 1;
    fake_arguments(&task, "aasldaall", &f.x, &f.y, f.family, f.intercept, 1.2, &v, &v,
                   L(200), L(250));
    ck_assert_int_eq(fake_run(&task, prox_functions, "glm_prox_plain"),
                     DUSK_E_CANCELLED);
    ck_assert_int_eq(task.returned, 0);
    case_destroy(&f.c);
}
END_TEST

START_TEST(passes_are_the_kernels)
{
    struct fixture f = fixture_create("15");
    double b[3 * MAX_Q], g[MAX_Q], h[9], losses[3], dual;
    const double columns[3] = {6, 0, 2}, scale[2] = {0.5, 0.25};
    struct glm_value value;
    fixture_centre(&f);
    for (int64_t k = 0; k < 3 * f.q; k++)
        b[k] = 0.1 * (double)(k % 5) - 0.2;
    struct dusk_array one = fake_array(b, f.q, -1), all = fake_array(b, 3, f.q),
                      list = fake_array(columns, 3, -1),
                      scales = fake_array(scale, 2, -1);

    glm_evaluate(&f.chunk, b, NULL, g, &value);
    fake_arguments(&task, "aaasla", &f.x, &f.y, &f.mu_array, f.family, f.intercept,
                   &one);
    run_ok(glm_functions, "glm_evaluate", 7);
    const double expected[] = {value.loss,  0,           value.r_y, value.r_r,
                               value.sum_r, value.sum_y, 2000};
    for (int k = 0; k < 7; k++)
        if (k != 1)
            ck_assert_double_eq(item_number(k), expected[k]);
    ck_assert_mem_eq(item_numbers(1), g, (size_t)f.q * sizeof *g);

    next_run();
    glm_hessian(&f.chunk, b, (int64_t[]){6, 0, 2}, 3, h);
    fake_arguments(&task, "aaaslaa", &f.x, &f.y, &f.mu_array, f.family, f.intercept,
                   &one, &list);
    run_ok(glm_functions, "glm_hessian", 1);
    check_shape(0, 3, 3);
    ck_assert_mem_eq(item_numbers(0), h, sizeof h);

    next_run();
    glm_dual(&f.chunk, b, scale, &dual, g);
    fake_arguments(&task, "aaaslaa", &f.x, &f.y, &f.mu_array, f.family, f.intercept,
                   &one, &scales);
    run_ok(glm_functions, "glm_dual", 2);
    ck_assert_double_eq(item_number(0), dual);
    ck_assert_mem_eq(item_numbers(1), g, (size_t)f.q * sizeof *g);

    next_run();
    glm_losses(&f.chunk, b, 3, losses);
    fake_arguments(&task, "aaasla", &f.x, &f.y, &f.mu_array, f.family, f.intercept,
                   &all);
    run_ok(glm_functions, "glm_losses", 1);
    check_shape(0, 3, -1);
    ck_assert_mem_eq(item_numbers(0), losses, sizeof losses);
    case_destroy(&f.c);
}
END_TEST

static Suite *functions_suite(void)
{
    Suite *suite = suite_create("functions");
    TCase *bad = tcase_create("bad input");
    tcase_add_checked_fixture(bad, setup, teardown);
    tcase_add_test(bad, wrong_shapes_are_named);
    tcase_add_test(bad, bad_values_are_named);
    tcase_add_test(bad, bad_sums_are_named);
    tcase_add_test(bad, cancelled_prox_says_so);
    suite_add_tcase(suite, bad);
    TCase *good = tcase_create("results");
    tcase_add_checked_fixture(good, setup, teardown);
    tcase_add_test(good, sum_adds_item_by_item);
    tcase_add_test(good, random_normal_is_the_stream);
    tcase_add_test(good, random_normal_in_pieces_is_whole);
    tcase_add_loop_test(good, linear_response_follows_its_model, 0, 2);
    tcase_add_test(good, random_gram_is_that_of_the_rows);
    tcase_add_test(good, moments_gram_and_summary);
    tcase_add_loop_test(good, prox_minimises, 0, 6);
    tcase_add_loop_test(good, prox_plain_minimises, 0, 6);
    tcase_add_test(good, prox_plain_keeps_to_its_allowances);
    tcase_add_test(good, passes_are_the_kernels);
    suite_add_tcase(suite, good);
    return suite;
}

int main(void)
{
    dense_init();
    return test_main(functions_suite());
}
