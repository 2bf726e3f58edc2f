/* The generator against the figures that came with the answers, and the answers
 * against the problems. */
#include "tests/numeric/cases.h"
#include "tests/test.h"
#include <math.h>

static double total(const double *a, int64_t count)
{
    long double sum = 0;
    for (int64_t k = 0; k < count; k++)
        sum += a[k];
    return (double)sum;
}

START_TEST(data_are_the_ones_that_were_solved)
{
    struct glm_case c = case_create(case_table[_i].name);
    const struct case_figures *f = c.figures;
    ck_assert_double_eq_tol(total(c.x, f->rows * f->columns), f->sum_x,
                            1e-9 * (1 + fabs(f->sum_x)));
    ck_assert_double_eq_tol(total(c.y, f->rows), f->sum_y, 1e-9 * (1 + fabs(f->sum_y)));
    ck_assert_double_eq(c.x[0], f->first_x);
    case_destroy(&c);
}
END_TEST

START_TEST(chunks_add_up)
{
    const struct case_figures *f = &case_table[_i];
    int64_t rows = 0;
    for (int k = 0; k < f->chunk_count; k++)
        rows += f->chunk_rows[k];
    ck_assert_int_eq(rows, f->rows);
}
END_TEST

START_TEST(answer_is_a_minimiser)
{
    struct glm_case c = case_create(case_table[_i].name);
    const struct case_figures *f = c.figures;
    ck_assert_double_eq_tol(case_objective(&c, f->minimiser), f->objective,
                            1e-12 * f->objective);
    ck_assert_double_lt(case_kkt(&c, f->minimiser), 1e-9 * (1 + f->l1));
    int nonzeros = 0;
    for (int64_t j = 0; j < c.unknowns; j++)
        nonzeros += f->minimiser[j] != 0.0;
    ck_assert_int_eq(nonzeros, f->nonzeros);
    case_destroy(&c);
}
END_TEST

/* The residual must tell a minimiser from its neighbours. */
START_TEST(kkt_notices_a_wrong_answer)
{
    struct glm_case c = case_create(case_table[_i].name);
    double b[CASE_MAX_UNKNOWNS];
    for (int64_t j = 0; j < c.unknowns; j++)
        b[j] = c.figures->minimiser[j];
    b[0] += 1e-4;
    ck_assert_double_gt(case_kkt(&c, b), 1e-4);
    ck_assert_double_gt(case_objective(&c, b), c.figures->objective);
    case_destroy(&c);
}
END_TEST

static Suite *cases_suite(void)
{
    Suite *suite = suite_create("cases");
    TCase *tcase = tcase_create("cases");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, data_are_the_ones_that_were_solved, 0, case_count);
    tcase_add_loop_test(tcase, chunks_add_up, 0, case_count);
    tcase_add_loop_test(tcase, answer_is_a_minimiser, 0, case_count);
    tcase_add_loop_test(tcase, kkt_notices_a_wrong_answer, 0, case_count);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return test_main(cases_suite());
}
