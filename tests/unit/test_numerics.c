/* The elementary functions and the small dense matrices under the kernels. */
#include "tests/test.h"
#include "worker/dense.h"
#include "worker/fastmath.h"
#include "worker/random.h"
#include <math.h>

/* Difference in units in the last place of `exact`. */
static double ulps(double value, long double exact)
{
    double unit = nextafter(fabs((double)exact), INFINITY) - fabs((double)exact);
    return (double)(fabsl(value - exact) / unit);
}

START_TEST(exp_is_accurate)
{
    ck_assert_double_eq(fast_exp(0.0), 1.0);
    ck_assert_double_eq(fast_exp(-0.0), 1.0);
    for (double x = -708.0; x <= 0.0; x += 0.0037)
        ck_assert_double_lt(ulps(fast_exp(x), expl(x)), 3.0);
    for (double x = -1e-300; x > -1.0; x *= 3.7)
        ck_assert_double_lt(ulps(fast_exp(x), expl(x)), 3.0);
}
END_TEST

START_TEST(exp_at_the_edges)
{
    ck_assert_double_lt(fast_exp(-1e4), 1e-307);
    ck_assert_double_lt(fast_exp(-INFINITY), 1e-307);
    ck_assert_double_ge(fast_exp(-INFINITY), 0.0);
    ck_assert(isnan(fast_exp(NAN)));
}
END_TEST

#define MAX_Q 40

/* A'A + shift for a random A. */
static void random_matrix(int64_t q, double shift, double *a)
{
    static double b[MAX_Q * MAX_Q];
    struct random_stream stream = random_stream(q, 0, 0);
    random_normal(&stream, 0, q * q, b);
    for (int64_t j = 0; j < q; j++)
        for (int64_t k = 0; k < q; k++) {
            a[j * q + k] = j == k ? shift : 0.0;
            for (int64_t i = 0; i < q; i++)
                a[j * q + k] += b[i * q + j] * b[i * q + k];
        }
}

START_TEST(not_positive_definite_is_named)
{
    struct err_text err;
    double a[9];
    random_matrix(3, 1.0, a);
    a[4] = -5.0;
    ck_assert_int_eq(dense_cholesky(a, 3, &err), DUSK_E_DATA);
    ck_assert_str_eq(err.line, "matrix of order 3 is not positive definite at pivot 1");
}
END_TEST

START_TEST(not_finite_is_named)
{
    const double bad[] = {NAN, INFINITY, -INFINITY};
    for (int where = 0; where < 9; where++)
        for (int k = 0; k < 3; k++) {
            struct err_text err;
            double a[9];
            random_matrix(3, 1.0, a);
            a[where] = a[where % 3 * 3 + where / 3] = bad[k];
            ck_assert_int_eq(dense_cholesky(a, 3, &err), DUSK_E_DATA);
            ck_assert(strstr(err.line, "pivot") != NULL);
        }
}
END_TEST

START_TEST(order_zero_is_refused)
{
    struct err_text err;
    double a = 1.0;
    ck_assert_int_eq(dense_cholesky(&a, 0, &err), DUSK_E_INVALID);
}
END_TEST

START_TEST(factor_and_solve)
{
    static double a[MAX_Q * MAX_Q], l[MAX_Q * MAX_Q];
    const int64_t q = _i;
    double x[MAX_Q], right[MAX_Q];
    random_matrix(q, 1.0, a);
    memcpy(l, a, sizeof a);
    ck_assert_int_eq(dense_cholesky(l, q, NULL), 0);
    for (int64_t j = 0; j < q; j++) {
        for (int64_t k = j + 1; k < q; k++)
            ck_assert_double_eq(l[j * q + k], 0.0);
        for (int64_t k = 0; k <= j; k++)
            ck_assert_double_eq_tol(dense_dot(l + j * q, l + k * q, q), a[j * q + k],
                                    1e-11);
        x[j] = right[j] = (double)(j % 3) - 0.5;
    }
    dense_solve_lower(l, q, x);
    dense_solve_upper(l, q, x);
    for (int64_t j = 0; j < q; j++)
        ck_assert_double_eq_tol(dense_dot(a + j * q, x, q), right[j], 1e-10);
}
END_TEST

/* An unknown that nothing is said about stays where it is. */
START_TEST(empty_row_and_column)
{
    double a[9], x[3] = {1, 0, 2};
    random_matrix(3, 1.0, a);
    for (int k = 0; k < 3; k++)
        a[3 + k] = a[3 * k + 1] = 0.0;
    ck_assert_int_eq(dense_cholesky(a, 3, NULL), 0);
    dense_solve_lower(a, 3, x);
    dense_solve_upper(a, 3, x);
    ck_assert_double_eq(x[1], 0.0);
    ck_assert_double_ne(x[0], 0.0);
}
END_TEST

START_TEST(sums_of_every_length)
{
    double a[70], b[70], sum = 0, dot = 0, dot3 = 0, added[70];
    for (int k = 0; k < 70; k++) {
        a[k] = k + 1;
        b[k] = 2 * k - 7;
    }
    for (int n = 0; n < 70; n++) {
        ck_assert_double_eq(dense_sum(a, n), sum);
        ck_assert_double_eq(dense_dot(a, b, n), dot);
        ck_assert_double_eq(dense_dot3(a, b, b, n), dot3);
        sum += a[n];
        dot += a[n] * b[n];
        dot3 += a[n] * b[n] * b[n];
    }
    dense_add(a, -2.0, b, 70, added);
    dense_add(a, -2.0, b, 70, a);
    ck_assert_mem_eq(a, added, sizeof a);
    ck_assert_double_eq(a[69], 70 - 2.0 * 131);
}
END_TEST

static Suite *numerics_suite(void)
{
    Suite *suite = suite_create("numerics");
    TCase *bad = tcase_create("bad input");
    tcase_add_test(bad, not_positive_definite_is_named);
    tcase_add_test(bad, not_finite_is_named);
    tcase_add_test(bad, order_zero_is_refused);
    suite_add_tcase(suite, bad);
    TCase *functions = tcase_create("functions");
    tcase_add_test(functions, exp_is_accurate);
    tcase_add_test(functions, exp_at_the_edges);
    suite_add_tcase(suite, functions);
    TCase *dense = tcase_create("dense");
    tcase_add_loop_test(dense, factor_and_solve, 1, MAX_Q + 1);
    tcase_add_test(dense, empty_row_and_column);
    tcase_add_test(dense, sums_of_every_length);
    suite_add_tcase(suite, dense);
    return suite;
}

int main(void)
{
    dense_init();
    return test_main(numerics_suite());
}
