/* The k-th allocation fails, for every k until none does: an error, no crash, and
 * nothing left behind. The linker sends malloc and calloc through here. */
#include "client/admm.h"
#include "client/metric.h"
#include "client/polish.h"
#include "tests/failing_allocator.h"
#include "tests/test.h"

#include <stdbool.h>

static int64_t allocations_left = INT64_MAX;

static bool allocation_fails(void)
{
    return allocations_left-- <= 0;
}

static int try_admm(int64_t k, enum admm_form form)
{
    static double R[40];
    for (int i = 0; i < 40; i++)
        R[i] = 1;
    struct admm_problem problem = {
        .chunks = 20, .columns = 2, .metric = form == ADMM_ROBUST ? R : NULL};
    struct admm_options options;
    struct admm *admm = NULL;
    struct err_text error;
    admm_options_default(&options);
    options.form = form;
    allocations_left = k;
    int rc = admm_create(&problem, &options, 0, &admm, &error);
    allocations_left = INT64_MAX;
    if (rc < 0)
        ck_assert_str_eq(error.line, "no memory for 20 chunks of 2 coefficients");
    admm_destroy(admm);
    return rc;
}

static int try_metric(int64_t k, enum admm_form form)
{
    struct metric metric;
    allocations_left = k;
    int rc = metric_init(&metric, 3, 2);
    allocations_left = INT64_MAX;
    if (rc == 0)
        metric_fini(&metric);
    return rc;
}

/* An answer that finds no memory may be given again. */
static int try_polish(int64_t k, enum admm_form form)
{
    double ones[2] = {1, 1}, g[2] = {3, -3}, H[4] = {2, 0, 0, 2};
    struct penalised problem = {.columns = 2, .l1 = 1, .penalty = ones, .scale = ones};
    struct polish *polish = NULL;
    allocations_left = k;
    int rc = polish_create(&problem, true, ones, &polish);
    if (rc == 0)
        rc = polish_evaluated(polish, 1, g);
    if (rc == 0)
        rc = polish_hessian(polish, H);
    allocations_left = INT64_MAX;
    if (rc < 0 && polish) {
        ck_assert_int_eq(polish_want(polish), POLISH_HESSIAN);
        ck_assert_int_eq(polish_hessian(polish, H), 0);
    }
    if (polish)
        ck_assert_int_eq(polish_want(polish), POLISH_EVALUATE);
    polish_destroy(polish);
    return rc;
}

static void try_all(int (*attempt)(int64_t, enum admm_form), enum admm_form form)
{
    int64_t k = 0;
    while (attempt(k, form) != 0) {
        ck_assert_int_eq(attempt(k, form), DUSK_E_NOMEM);
        ck_assert_int_lt(++k, 100);
    }
    ck_assert_int_gt(k, 2);
}

START_TEST(every_allocation_may_fail)
{
    try_all(try_admm, ADMM_ROBUST);
    try_all(try_admm, ADMM_CLASSIC);
    try_all(try_metric, ADMM_ROBUST);
    try_all(try_polish, ADMM_ROBUST);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admm_memory");
    TCase *tcase = tcase_create("admm_memory");
    tcase_add_test(tcase, every_allocation_may_fail);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
