/* Sums from a Gram matrix against the same sums over the rows, in more digits. */
#include "client/gram.h"
#include "tests/test.h"

#include <stdlib.h>

#define N 400
#define Q 4 /* three columns and the ones of an intercept */

struct rows {
    double x[N][Q], y[N];
    struct gram gram;
};

/* y = x'(1, 2, 3, 4) + noise; `mean` is that of the columns. */
static struct rows *rows_create(double mean, double noise)
{
    struct rows *rows = calloc(1, sizeof *rows);
    ck_assert_ptr_nonnull(rows);
    ck_assert_int_eq(gram_init(&rows->gram, Q), 0);
    srand48(7);
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < Q; j++)
            rows->x[i][j] = j < Q - 1 ? mean + drand48() - 0.5 : 1;
        for (int j = 0; j < Q; j++)
            rows->y[i] += (j + 1) * rows->x[i][j];
        rows->y[i] += noise * (drand48() - 0.5);
        for (int j = 0; j < Q; j++) {
            rows->gram.c[j] += rows->x[i][j] * rows->y[i];
            for (int k = 0; k < Q; k++)
                rows->gram.G[j * Q + k] += rows->x[i][j] * rows->x[i][k];
        }
        rows->gram.y_y += rows->y[i] * rows->y[i];
    }
    rows->gram.additions = N;
    return rows;
}

static void rows_destroy(struct rows *rows)
{
    gram_fini(&rows->gram);
    free(rows);
}

struct exact {
    long double loss, r_y, sum_r, sum_y, gradient[Q];
};

static struct exact exact_sums(const struct rows *rows, const double *b)
{
    struct exact exact = {0};
    for (int i = 0; i < N; i++) {
        long double r = rows->y[i];
        for (int j = 0; j < Q; j++)
            r -= (long double)rows->x[i][j] * b[j];
        exact.loss += r * r;
        exact.r_y += r * rows->y[i];
        exact.sum_r += r;
        exact.sum_y += rows->y[i];
        for (int j = 0; j < Q; j++)
            exact.gradient[j] -= 2 * r * rows->x[i][j];
    }
    return exact;
}

static void check_near(double value, long double exact, double error)
{
    ck_assert_double_le(fabs((double)(value - exact)), error);
}

/* Where nothing cancels, where nearly all does, and where the columns are far from
 * centred: errors are within what is said of them, which is not much more. */
static const struct {
    double mean, noise, b[Q];
} points[] = {
    {0, 1, {0, 0, 0, 0}},
    {0, 1, {1, -2, 0.5, 1}},
    {0, 1e-6, {1, 2, 3, 4}},
    {1000, 1e-3, {1, 2, 3, 4}},
};

START_TEST(sums_are_those_of_the_rows)
{
    struct rows *rows = rows_create(points[_i].mean, points[_i].noise);
    const double *b = points[_i].b;
    double gradient[Q];
    struct certificate_sums sums;
    gram_evaluate(&rows->gram, true, b, &sums, gradient);
    struct exact exact = exact_sums(rows, b);
    check_near(sums.loss, exact.loss, sums.value_error);
    check_near(sums.r_r, exact.loss, sums.value_error);
    check_near(sums.r_y, exact.r_y, sums.value_error);
    for (int j = 0; j < Q; j++)
        check_near(gradient[j], exact.gradient[j],
                   sums.gradient_error * sqrt(rows->gram.G[j * Q + j]));
    check_near(sums.sum_r, exact.sum_r, sums.gradient_error * sqrt(N));
    check_near(sums.sum_y, exact.sum_y, 1e-12 * fabs((double)exact.sum_y));
    ck_assert_double_eq(sums.rows, N);
    double size =
        rows->gram.y_y > (double)exact.loss ? rows->gram.y_y : (double)exact.loss;
    ck_assert_double_le(sums.value_error, 1e-11 * size);
    rows_destroy(rows);
}
END_TEST

START_TEST(differences_do_not_cancel)
{
    struct rows *rows = rows_create(0, 1);
    double b[Q] = {1, 2, 3, 4}, near[Q] = {1, 2 + 1e-9, 3, 4 - 1e-9};
    struct exact here = exact_sums(rows, b), there = exact_sums(rows, near);
    double excess = (double)(there.loss - here.loss);
    ck_assert_double_eq_tol(gram_excess(&rows->gram, b, near), excess,
                            1e-5 * fabs(excess));
    rows_destroy(rows);
}
END_TEST

START_TEST(the_hessian_is_twice_the_chosen_part)
{
    struct rows *rows = rows_create(0, 1);
    const int64_t columns[] = {1, 3};
    double H[4];
    gram_hessian(&rows->gram, columns, 2, H);
    for (int k = 0; k < 2; k++)
        for (int l = 0; l < 2; l++)
            ck_assert_double_eq(H[k * 2 + l],
                                2 * rows->gram.G[columns[k] * Q + columns[l]]);
    rows_destroy(rows);
}
END_TEST

/* The same sums with bounds of their errors: the gap grows by what these allow, and
 * no longer certifies when that is too much. */
START_TEST(errors_widen_the_gap)
{
    double penalty[Q] = {1, 1, 1, 0}, scale[Q], b[Q] = {1, 2, 3, 4}, gradient[Q];
    struct rows *rows = rows_create(0, 1);
    struct penalised problem = {
        .columns = Q, .l1 = 1e-3, .penalty = penalty, .scale = scale};
    struct certificate known, unknown;
    struct certificate_sums sums;
    for (int j = 0; j < Q; j++)
        scale[j] = rows->gram.G[j * Q + j];
    gram_evaluate(&rows->gram, true, b, &sums, gradient);
    certificate_init(&unknown, &problem, false, true, b);
    certificate_evaluated(&unknown, &sums, gradient);
    sums.value_error = sums.gradient_error = 0;
    certificate_init(&known, &problem, false, true, b);
    certificate_evaluated(&known, &sums, gradient);
    ck_assert_double_gt(unknown.gap, known.gap);
    ck_assert_double_lt(unknown.gap, known.gap * (1 + 1e-6));
    sums.value_error = known.gap;
    certificate_init(&unknown, &problem, false, true, b);
    certificate_evaluated(&unknown, &sums, gradient);
    ck_assert_double_ge(unknown.gap, 2 * known.gap);
    rows_destroy(rows);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gram");
    TCase *cases = tcase_create("gram");
    tcase_add_loop_test(cases, sums_are_those_of_the_rows, 0,
                        (int)(sizeof points / sizeof *points));
    tcase_add_test(cases, differences_do_not_cancel);
    tcase_add_test(cases, the_hessian_is_twice_the_chosen_part);
    tcase_add_test(cases, errors_widen_the_gap);
    suite_add_tcase(suite, cases);
    return test_main(suite);
}
