/* Every kernel against the formulas, written down plainly in long double, over
 * shapes around the sizes at which the kernels change their ways. */
#include "tests/numeric/cases.h"
#include "tests/test.h"
#include "worker/dense.h"
#include "worker/glm.h"
#include "worker/random.h"
#include <math.h>
#include <string.h>

struct shape {
    int64_t rows, columns;
    bool intercept, centred;
};

static const struct shape shapes[] = {
    {0, 1, true, true},     {0, 5, false, false},  {1, 1, false, false},
    {1, 1, true, true},     {3, 1, true, true},    {257, 1, true, true},
    {1, 100, true, true},   {4, 3, false, true},   {5, 4, true, false},
    {7, 7, true, true},     {64, 8, true, true},   {255, 15, true, true},
    {256, 16, true, true},  {257, 17, true, true}, {300, 31, false, false},
    {300, 32, true, true},  {301, 33, true, true}, {513, 100, true, true},
    {1030, 50, true, true}, {37, 500, true, true}, {9, 2001, true, true},
};
#define SHAPES ((int)(sizeof shapes / sizeof *shapes))

/* A random problem; the means of the columns are far from zero. */
struct problem {
    struct glm_chunk chunk;
    int64_t n, p, q;
    double *x, *y, *mu, *b, *d, *eta, *step, *g, *h;
};

static double *doubles(int64_t count)
{
    return calloc((size_t)count + 1, sizeof(double));
}

static struct problem problem_create(const struct shape *shape, enum glm_family family)
{
    struct problem m = {.n = shape->rows, .p = shape->columns};
    m.q = m.p + shape->intercept;
    double **vectors[] = {&m.x, &m.y, &m.mu, &m.b, &m.d, &m.eta, &m.step, &m.g, &m.h};
    int64_t sizes[] = {m.n * m.p, m.n, m.p, m.q, m.q, m.n, m.n, m.q, m.q};
    for (int k = 0; k < 9; k++) {
        struct random_stream stream = random_stream(m.n, k, m.p);
        *vectors[k] = doubles(sizes[k]);
        random_normal(&stream, 0, sizes[k], *vectors[k]);
    }
    for (int64_t k = 0; k < m.n * m.p; k++)
        m.x[k] = (float)(m.x[k] + 3.0 * (double)(k % m.p % 4));
    for (int64_t j = 0; j < m.q; j++)
        m.b[j] /= sqrt((double)m.p);
    for (int64_t j = 0; j < m.p; j++)
        m.mu[j] = shape->centred ? 3.0 * (double)(j % 4) + 0.1 : 0.0;
    for (int64_t i = 0; i < m.n && family == GLM_LOGISTIC; i++)
        m.y[i] = m.y[i] > 0.3;
    m.chunk = (struct glm_chunk){
        .rows = m.n,
        .columns = m.p,
        .x = m.x,
        .y = m.y,
        .mu = shape->centred ? m.mu : NULL,
        .family = family,
        .intercept = shape->intercept,
    };
    return m;
}

/* The same rows as floats, not at a multiple of any vector's size. */
static struct glm_chunk chunk_of_floats(const struct problem *m, float *room)
{
    struct glm_chunk chunk = m->chunk;
    for (int64_t k = 0; k < m->n * m->p; k++)
        room[k + 1] = (float)m->x[k];
    chunk.x = room + 1;
    chunk.x_is_f32 = true;
    return chunk;
}

static void problem_destroy(struct problem *m)
{
    double *vectors[] = {m->x, m->y, m->mu, m->b, m->d, m->eta, m->step, m->g, m->h};
    for (int k = 0; k < 9; k++)
        free(vectors[k]);
}

/* Entry j of x~ of row i. */
static long double entry(const struct problem *m, int64_t i, int64_t j)
{
    return j == m->p ? 1.0L : (long double)m->x[i * m->p + j] - m->mu[j];
}

static long double exact_eta(const struct problem *m, int64_t i, const double *b)
{
    long double eta = 0;
    for (int64_t j = 0; j < m->q; j++)
        eta += entry(m, i, j) * b[j];
    return eta;
}

static long double exact_loss(const struct problem *m, long double eta, double y)
{
    if (m->chunk.family == GLM_NORMAL)
        return (y - eta) * (y - eta);
    return log1pl(expl(-fabsl(eta))) + fmaxl(eta, 0) - y * eta;
}

static long double exact_residual(const struct problem *m, long double eta, double y)
{
    if (m->chunk.family == GLM_NORMAL)
        return y - eta;
    return y > 0.5 ? 1 / (1 + expl(eta)) : -1 / (1 + expl(-eta));
}

static long double exact_weight(const struct problem *m, long double eta)
{
    if (m->chunk.family == GLM_NORMAL)
        return 2;
    return 1 / ((1 + expl(eta)) * (1 + expl(-eta)));
}

/* sum_i x~_ij r_i and, for tolerances, the sum of its terms' sizes. */
static long double exact_product(const struct problem *m, const double *r, int64_t j,
                                 double *ret_size)
{
    long double total = 0;
    *ret_size = 1;
    for (int64_t i = 0; i < m->n; i++) {
        double terms = (fabs(m->x[i * m->p + j % m->p]) + 12.0) * fabs(r[i]);
        total += entry(m, i, j) * r[i];
        *ret_size += terms;
    }
    return total;
}

static void exact_residuals(const struct problem *m, const double *b, double *r)
{
    for (int64_t i = 0; i < m->n; i++)
        r[i] = (double)exact_residual(m, exact_eta(m, i, b), m->y[i]);
}

#define FOR_BOTH_FAMILIES(family)                                                      \
    for (enum glm_family family = GLM_NORMAL; family <= GLM_LOGISTIC; family++)

START_TEST(evaluate_follows_the_formulas)
{
    FOR_BOTH_FAMILIES(family)
    {
        struct problem m = problem_create(&shapes[_i], family);
        struct glm_value value;
        double *r = doubles(m.n), size, k = family == GLM_NORMAL ? 2 : 1;
        long double loss = 0, r_y = 0, r_r = 0, sum_r = 0, sum_y = 0;
        exact_residuals(&m, m.b, r);
        for (int64_t i = 0; i < m.n; i++) {
            loss += exact_loss(&m, exact_eta(&m, i, m.b), m.y[i]);
            r_y += r[i] * m.y[i];
            r_r += r[i] * r[i];
            sum_r += r[i];
            sum_y += m.y[i];
        }
        glm_evaluate(&m.chunk, m.b, m.eta, m.g, &value);
        ck_assert_double_eq_tol(value.loss, (double)loss, 1e-12 * (1 + (double)loss));
        ck_assert_double_eq_tol(value.r_y, (double)r_y, 1e-11 * (1 + (double)r_r));
        ck_assert_double_eq_tol(value.r_r, (double)r_r, 1e-12 * (1 + (double)r_r));
        ck_assert_double_eq_tol(value.sum_r, (double)sum_r, 1e-11 * (1 + (double)m.n));
        ck_assert_double_eq_tol(value.sum_y, (double)sum_y, 1e-12 * (1 + (double)m.n));
        for (int64_t i = 0; i < m.n; i++)
            ck_assert_double_eq_tol(m.eta[i], (double)exact_eta(&m, i, m.b), 1e-11);
        for (int64_t j = 0; j < m.q; j++) {
            double exact = -k * (double)exact_product(&m, r, j, &size);
            ck_assert_double_eq_tol(m.g[j], exact, 1e-13 * size);
        }
        free(r);
        problem_destroy(&m);
    }
}
END_TEST

START_TEST(optional_results_change_nothing)
{
    FOR_BOTH_FAMILIES(family)
    {
        struct problem m = problem_create(&shapes[_i], family);
        struct glm_value all, none;
        glm_evaluate(&m.chunk, m.b, m.eta, m.g, &all);
        glm_evaluate(&m.chunk, m.b, NULL, NULL, &none);
        ck_assert_mem_eq(&all, &none, sizeof all);
        problem_destroy(&m);
    }
}
END_TEST

START_TEST(pieces_are_the_whole)
{
    FOR_BOTH_FAMILIES(family)
    {
        struct problem m = problem_create(&shapes[_i], family);
        struct glm_value value;
        glm_evaluate(&m.chunk, m.b, m.eta, m.g, &value);
        glm_predict(&m.chunk, m.b, m.step);
        for (int64_t i = 0; i < m.n; i++)
            ck_assert_double_eq(m.step[i], m.eta[i]);
        glm_gradient(&m.chunk, m.eta, m.h);
        for (int64_t j = 0; j < m.q; j++)
            ck_assert_double_eq_tol(m.h[j], m.g[j], 1e-12 * (100 + fabs(m.g[j])));
        problem_destroy(&m);
    }
}
END_TEST

/* Everything that a chunk can be asked for, one after the other. */
static int64_t ask_everything(const struct problem *m, const struct glm_chunk *chunk,
                              double *ret)
{
    const double scale[2] = {0.5, 0.5};
    const int64_t columns[2] = {m->q - 1, 0}, count = m->q < 2 ? 1 : 2;
    struct glm_value value;
    struct glm_gram totals;
    double *at = ret;
    glm_evaluate(chunk, m->b, at, at + m->n, &value);
    at += m->n + m->q;
    glm_predict(chunk, m->b, at);
    at += m->n;
    glm_gradient(chunk, m->eta, at);
    at += m->q;
    ck_assert_int_eq(glm_moments(chunk, 0, at, at + m->p, NULL), 0);
    at += 2 * m->p;
    ck_assert_int_eq(glm_gram(chunk, at, at + m->q * m->q, &totals), 0);
    at += m->q * m->q + m->q;
    ck_assert_int_eq(glm_hessian(chunk, m->b, columns, count, at), 0);
    at += count * count;
    ck_assert_int_eq(glm_losses(chunk, m->b, 1, at), 0);
    at++;
    glm_dual(chunk, m->b, scale, at, at + 1);
    at += 1 + m->q;
    *at++ = value.loss;
    return at - ret;
}

START_TEST(floats_are_the_doubles_they_equal)
{
    FOR_BOTH_FAMILIES(family)
    {
        struct problem m = problem_create(&shapes[_i], family);
        int64_t room = 2 * m.n + m.q * m.q + 6 * m.q + 20;
        double *wide = doubles(room), *narrow = doubles(room);
        float *x = calloc((size_t)(m.n * m.p + 1), sizeof *x);
        struct glm_chunk chunk = chunk_of_floats(&m, x);
        int64_t count = ask_everything(&m, &m.chunk, wide);
        ck_assert_int_le(count, room);
        ask_everything(&m, &chunk, narrow);
        int64_t different = 0;
        for (int64_t k = 0; k < count; k++)
            different += !(wide[k] == narrow[k] ||
                           fabs(wide[k] - narrow[k]) <=
                               1e-12 * (double)(10 + m.n) * (1 + fabs(wide[k])));
        ck_assert_int_eq(different, 0);
        free(wide);
        free(narrow);
        free(x);
        problem_destroy(&m);
    }
}
END_TEST

/* Central differences of the loss, in the direction of one unknown. */
START_TEST(gradient_is_the_slope_of_the_loss)
{
    FOR_BOTH_FAMILIES(family)
    {
        struct problem m = problem_create(&shapes[_i], family);
        struct glm_value value, up, down;
        glm_evaluate(&m.chunk, m.b, NULL, m.g, &value);
        for (int64_t j = 0; j < m.q && j < 20; j++) {
            double b = m.b[j], h = 1e-4;
            m.b[j] = b + h;
            glm_evaluate(&m.chunk, m.b, NULL, NULL, &up);
            m.b[j] = b - h;
            glm_evaluate(&m.chunk, m.b, NULL, NULL, &down);
            m.b[j] = b;
            ck_assert_double_eq_tol(m.g[j], (up.loss - down.loss) / (2 * h),
                                    1e-6 * (1 + value.loss + (double)m.n));
        }
        problem_destroy(&m);
    }
}
END_TEST

START_TEST(line_is_the_loss_along_it)
{
    FOR_BOTH_FAMILIES(family)
    {
        struct problem m = problem_create(&shapes[_i], family);
        struct glm_value value;
        struct glm_line line, near;
        double t = 0.37, h = 1e-5;
        glm_predict(&m.chunk, m.b, m.eta);
        glm_predict(&m.chunk, m.d, m.step);
        glm_line(&m.chunk, m.eta, m.step, t, &line);
        for (int64_t j = 0; j < m.q; j++)
            m.b[j] += t * m.d[j];
        glm_evaluate(&m.chunk, m.b, NULL, m.g, &value);
        double scale = 1 + value.loss + line.curvature;
        ck_assert_double_eq_tol(line.loss, value.loss, 1e-11 * scale);
        ck_assert_double_eq_tol(line.slope, dense_dot(m.g, m.d, m.q), 1e-9 * scale);
        glm_line(&m.chunk, m.eta, m.step, t + h, &near);
        ck_assert_double_eq_tol(line.curvature, (near.slope - line.slope) / h,
                                1e-3 * scale);
        problem_destroy(&m);
    }
}
END_TEST

static void check_symmetric(const double *a, int64_t q)
{
    for (int64_t j = 0; j < q; j++)
        for (int64_t k = 0; k < j; k++)
            ck_assert_double_eq(a[j * q + k], a[k * q + j]);
}

/* Some entries (j, k) of X~'WX~ against `a` (count x count) over `columns`. */
static void check_product(const struct problem *m, const double *a,
                          const double *weight, const int64_t *columns, int64_t count)
{
    for (int64_t j = 0; j < count; j += 1 + count / 20)
        for (int64_t k = 0; k < count; k += 1 + count / 15) {
            long double exact = 0;
            double size = 1;
            for (int64_t i = 0; i < m->n; i++) {
                long double term = entry(m, i, columns[j]) * entry(m, i, columns[k]);
                exact += weight[i] * term;
                size += weight[i] * fabs((double)term);
            }
            ck_assert_double_eq_tol(a[j * count + k], (double)exact, 1e-12 * size);
        }
}

START_TEST(gram_follows_the_formulas)
{
    struct problem m = problem_create(&shapes[_i], GLM_NORMAL);
    double *g = doubles(m.q * m.q), *one = doubles(m.n), size, y_y = 0;
    int64_t *all = calloc((size_t)m.q, sizeof *all);
    struct glm_gram totals;
    for (int64_t i = 0; i < m.n; i++) {
        one[i] = 1;
        y_y += m.y[i] * m.y[i];
    }
    for (int64_t j = 0; j < m.q; j++)
        all[j] = j;
    ck_assert_int_eq(glm_gram(&m.chunk, g, m.g, &totals), 0);
    check_symmetric(g, m.q);
    check_product(&m, g, one, all, m.q);
    for (int64_t j = 0; j < m.q; j++) {
        double exact = (double)exact_product(&m, m.y, j, &size);
        ck_assert_double_eq_tol(m.g[j], exact, 1e-13 * size);
    }
    ck_assert_double_eq_tol(totals.y_y, y_y, 1e-12 * (1 + y_y));
    ck_assert_double_eq_tol(totals.sum_y, dense_sum(m.y, m.n), 1e-12 * (1 + y_y));
    free(g);
    free(one);
    free(all);
    problem_destroy(&m);
}
END_TEST

START_TEST(hessian_follows_the_formulas)
{
    FOR_BOTH_FAMILIES(family)
    {
        struct problem m = problem_create(&shapes[_i], family);
        int64_t count = 0, *columns = calloc((size_t)m.q + 1, sizeof *columns);
        double *weight = doubles(m.n), *h = doubles(m.q * m.q);
        for (int64_t j = m.q - 1; j >= 0; j -= 1 + m.q / 30)
            columns[count++] = j;
        for (int64_t i = 0; i < m.n; i++)
            weight[i] = (double)exact_weight(&m, exact_eta(&m, i, m.b));
        ck_assert_int_eq(glm_hessian(&m.chunk, m.b, columns, count, h), 0);
        check_symmetric(h, count);
        check_product(&m, h, weight, columns, count);
        ck_assert_int_eq(glm_hessian(&m.chunk, m.b, columns, 0, h), 0);
        free(columns);
        free(weight);
        free(h);
        problem_destroy(&m);
    }
}
END_TEST

START_TEST(losses_are_those_of_single_vectors)
{
    FOR_BOTH_FAMILIES(family)
    {
        struct problem m = problem_create(&shapes[_i], family);
        enum { COUNT = 5 };
        double *b = doubles(COUNT * m.q), losses[COUNT];
        struct random_stream stream = random_stream(3, 4, 5);
        random_normal(&stream, 0, COUNT * m.q, b);
        ck_assert_int_eq(glm_losses(&m.chunk, b, COUNT, losses), 0);
        for (int k = 0; k < COUNT; k++) {
            struct glm_value value;
            glm_evaluate(&m.chunk, b + k * m.q, NULL, NULL, &value);
            ck_assert_double_eq_tol(losses[k], value.loss, 1e-11 * (1 + value.loss));
        }
        ck_assert_int_eq(glm_losses(&m.chunk, b, 0, losses), 0);
        free(b);
        problem_destroy(&m);
    }
}
END_TEST

START_TEST(dual_follows_the_formulas)
{
    struct problem m = problem_create(&shapes[_i], GLM_LOGISTIC);
    const double scale[2] = {0.9, 0.4};
    double *theta = doubles(m.n), value, size;
    long double exact = 0;
    exact_residuals(&m, m.b, theta);
    for (int64_t i = 0; i < m.n; i++) {
        theta[i] *= scale[m.y[i] > 0.5];
        long double q = (long double)m.y[i] - theta[i];
        exact -= q > 0 && q < 1 ? q * logl(q) + (1 - q) * logl(1 - q) : 0;
    }
    glm_dual(&m.chunk, m.b, scale, &value, m.g);
    ck_assert_double_eq_tol(value, (double)exact, 1e-11 * (1 + (double)m.n));
    for (int64_t j = 0; j < m.q; j++) {
        double product = (double)exact_product(&m, theta, j, &size);
        ck_assert_double_eq_tol(m.g[j], product, 1e-13 * size);
    }
    free(theta);
    problem_destroy(&m);
}
END_TEST

START_TEST(dual_outside_its_domain_is_minus_infinity)
{
    double x[2] = {1, -1}, y[2] = {1, 0}, b = 0, value, product;
    struct glm_chunk chunk = {2, 1, x, y, NULL, GLM_LOGISTIC, false};
    glm_dual(&chunk, &b, (double[2]){2.5, 1}, &value, &product);
    ck_assert_double_eq(value, -INFINITY);
    glm_dual(&chunk, &b, (double[2]){2, 2}, &value, &product);
    ck_assert_double_eq(value, 0.0);
    glm_dual(&chunk, &b, (double[2]){1, 1}, &value, &product);
    ck_assert_double_eq_tol(value, 2 * M_LN2, 1e-15);
}
END_TEST

START_TEST(moments_follow_the_formulas)
{
    struct problem m = problem_create(&shapes[_i], GLM_NORMAL);
    ck_assert_int_eq(glm_moments(&m.chunk, 0, m.g, m.h, NULL), 0);
    for (int64_t j = 0; j < m.p; j++) {
        long double sum = 0, sum2 = 0;
        for (int64_t i = 0; i < m.n; i++) {
            sum += m.x[i * m.p + j];
            sum2 += (long double)m.x[i * m.p + j] * m.x[i * m.p + j];
        }
        ck_assert_double_eq_tol(m.g[j], (double)sum, 1e-12 * (1 + (double)sum2));
        ck_assert_double_eq_tol(m.h[j], (double)sum2, 1e-12 * (1 + (double)sum2));
    }
    problem_destroy(&m);
}
END_TEST

static const struct {
    enum glm_family family;
    int64_t row, column; /* column -1: the response */
    double value;
    const char *line; /* NULL: fine */
} bad_values[] = {
    {GLM_NORMAL, 0, 0, NAN, "chunk 7, row 0, column 0: nan is not a finite number"},
    {GLM_NORMAL, 299, 2, INFINITY,
     "chunk 7, row 299, column 2: inf is not a finite number"},
    {GLM_LOGISTIC, 258, 1, -INFINITY,
     "chunk 7, row 258, column 1: -inf is not a finite number"},
    {GLM_NORMAL, 5, 2, -1e200,
     "chunk 7, row 5, column 2: -1e+200 is not a reasonably small number"},
    {GLM_NORMAL, 299, -1, NAN, "chunk 7, row 299: response nan is not a finite number"},
    {GLM_NORMAL, 1, -1, -INFINITY,
     "chunk 7, row 1: response -inf is not a finite number"},
    {GLM_NORMAL, 1, -1, 1e300,
     "chunk 7, row 1: response 1e+300 is not a reasonably small number"},
    {GLM_LOGISTIC, 3, -1, 2.0,
     "chunk 7, row 3: response 2 is not 0 or 1 (family logistic)"},
    {GLM_LOGISTIC, 3, -1, 0.5,
     "chunk 7, row 3: response 0.5 is not 0 or 1 (family logistic)"},
    {GLM_LOGISTIC, 3, -1, NAN,
     "chunk 7, row 3: response nan is not 0 or 1 (family logistic)"},
    {GLM_NORMAL, 3, -1, 2.0, NULL},
    {GLM_NORMAL, 3, 1, 1e100, NULL},
};

START_TEST(bad_values_are_named)
{
    static const struct shape shape = {300, 3, false, false};
    struct problem m = problem_create(&shape, bad_values[_i].family);
    struct err_text err = {""};
    int64_t row = bad_values[_i].row, column = bad_values[_i].column;
    *(column < 0 ? &m.y[row] : &m.x[row * 3 + column]) = bad_values[_i].value;
    int rc = glm_moments(&m.chunk, 7, m.g, m.h, &err);
    ck_assert_int_eq(rc, bad_values[_i].line ? DUSK_E_DATA : 0);
    if (bad_values[_i].line)
        ck_assert_str_eq(err.line, bad_values[_i].line);
    problem_destroy(&m);
}
END_TEST

START_TEST(unknown_family_is_named)
{
    struct err_text err;
    ck_assert_int_eq(glm_family_parse("gamma", &err), DUSK_E_INVALID);
    ck_assert_str_eq(err.line, "family 'gamma': must be normal or logistic");
    ck_assert_int_eq(glm_family_parse("", &err), DUSK_E_INVALID);
    ck_assert_int_eq(glm_family_parse("normal", &err), GLM_NORMAL);
    ck_assert_int_eq(glm_family_parse("logistic", &err), GLM_LOGISTIC);
}
END_TEST

/* However large eta is, the loss is finite and the residual stays in [-1, 1]. */
START_TEST(logistic_does_not_overflow)
{
    static const double sizes[] = {0,   1e-300, 1,   36,  37,  700,
                                   709, 710,    745, 746, 1e4, 1e300};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (int sign = -1; sign <= 1; sign += 2)
            for (int label = 0; label < 2; label++) {
                double x = sign * sizes[k], y = label, b = 1, gradient, h;
                struct glm_chunk chunk = {1, 1, &x, &y, NULL, GLM_LOGISTIC, true};
                double coefficients[2] = {b, 0}, g[2];
                struct glm_value value;
                glm_evaluate(&chunk, coefficients, NULL, g, &value);
                gradient = g[1];
                bool agrees = label == (sign > 0);
                double exact =
                    agrees ? log1p(exp(-sizes[k])) : sizes[k] + log1p(exp(-sizes[k]));
                ck_assert_double_eq_tol(value.loss, exact, 1e-15 * (1 + exact));
                double tail = 1 / (1 + exp(sizes[k]));
                double residual = (label ? 1 : -1) * (agrees ? tail : 1 - tail);
                ck_assert_double_eq_tol(-gradient, residual, 1e-15);
                ck_assert_double_eq_tol(value.r_r, residual * residual, 1e-15);
                ck_assert_int_eq(
                    glm_hessian(&chunk, coefficients, (int64_t[]){1}, 1, &h), 0);
                ck_assert(h >= 0.0 && h <= 0.25);
            }
}
END_TEST

/* The loss at a known minimiser, less the penalty, of all the cases. */
START_TEST(known_objectives)
{
    struct glm_case c = case_create(case_table[_i].name);
    const struct case_figures *f = c.figures;
    struct glm_chunk chunk = {
        f->rows,     f->columns, c.x,
        c.y,         NULL,       (enum glm_family)glm_family_parse(f->family, NULL),
        f->intercept};
    struct glm_value value;
    double penalty = 0, g[CASE_MAX_UNKNOWNS];
    for (int64_t j = 0; j < c.unknowns; j++)
        penalty += f->l1 * c.penalty[j] * fabs(f->minimiser[j]);
    glm_evaluate(&chunk, f->minimiser, NULL, g, &value);
    ck_assert_double_eq_tol(value.loss + penalty, f->objective, 1e-12 * f->objective);
    for (int64_t j = 0; j < c.unknowns; j++)
        ck_assert_double_le(fabs(g[j]), f->l1 * c.penalty[j] + 1e-9 * (1 + f->l1));
    case_destroy(&c);
}
END_TEST

static Suite *glm_suite(void)
{
    Suite *suite = suite_create("glm");
    TCase *bad = tcase_create("bad input");
    int bad_count = (int)(sizeof bad_values / sizeof *bad_values);
    tcase_add_loop_test(bad, bad_values_are_named, 0, bad_count);
    tcase_add_test(bad, unknown_family_is_named);
    tcase_add_test(bad, logistic_does_not_overflow);
    tcase_add_test(bad, dual_outside_its_domain_is_minus_infinity);
    suite_add_tcase(suite, bad);
    TCase *formulas = tcase_create("formulas");
    tcase_set_timeout(formulas, 60);
    tcase_add_loop_test(formulas, evaluate_follows_the_formulas, 0, SHAPES);
    tcase_add_loop_test(formulas, optional_results_change_nothing, 0, SHAPES);
    tcase_add_loop_test(formulas, pieces_are_the_whole, 0, SHAPES);
    tcase_add_loop_test(formulas, floats_are_the_doubles_they_equal, 0, SHAPES);
    tcase_add_loop_test(formulas, gradient_is_the_slope_of_the_loss, 0, SHAPES);
    tcase_add_loop_test(formulas, line_is_the_loss_along_it, 0, SHAPES);
    tcase_add_loop_test(formulas, gram_follows_the_formulas, 0, SHAPES);
    tcase_add_loop_test(formulas, hessian_follows_the_formulas, 0, SHAPES);
    tcase_add_loop_test(formulas, losses_are_those_of_single_vectors, 0, SHAPES);
    tcase_add_loop_test(formulas, dual_follows_the_formulas, 0, SHAPES);
    tcase_add_loop_test(formulas, moments_follow_the_formulas, 0, SHAPES);
    tcase_add_loop_test(formulas, known_objectives, 0, case_count);
    suite_add_tcase(suite, formulas);
    return suite;
}

int main(void)
{
    dense_init();
    return test_main(glm_suite());
}
