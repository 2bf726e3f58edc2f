/* Polish and certificate on small problems with known answers, without kernels:
 * loss(b) = 1/2 (b - m)'H(b - m), given by H and m. */
#include "client/certificate.h"
#include "client/polish.h"
#include "tests/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_Q 40

struct bowl {
    int64_t q;
    double H[MAX_Q * MAX_Q], m[MAX_Q];
    double penalty[MAX_Q], scale[MAX_Q];
    struct penalised problem;
};

static void bowl_problem(struct bowl *bowl, double l1, double l2)
{
    for (int64_t j = 0; j < bowl->q; j++) {
        bowl->penalty[j] = 1;
        bowl->scale[j] = bowl->H[j * bowl->q + j];
    }
    bowl->problem = (struct penalised){.columns = bowl->q,
                                       .l1 = l1,
                                       .l2 = l2,
                                       .penalty = bowl->penalty,
                                       .scale = bowl->scale};
}

/* H = A'A + ridge I with correlated columns, m of mixed signs and sizes. */
static void bowl_random(struct bowl *bowl, int64_t q, double ridge, uint64_t seed)
{
    double A[MAX_Q * MAX_Q];
    *bowl = (struct bowl){.q = q};
    srand48((long)seed);
    for (int64_t i = 0; i < q; i++) {
        double common = drand48() - 0.5;
        for (int64_t j = 0; j < q; j++)
            A[i * q + j] = drand48() - 0.5 + 2 * common;
        bowl->m[i] = i % 3 ? 4 * (drand48() - 0.5) : 0;
    }
    for (int64_t j = 0; j < q; j++)
        for (int64_t k = 0; k < q; k++) {
            double sum = j == k ? ridge : 0;
            for (int64_t i = 0; i < q; i++)
                sum += A[i * q + j] * A[i * q + k];
            bowl->H[j * q + k] = sum;
        }
}

static double bowl_loss(const struct bowl *bowl, const double *b, double *gradient)
{
    double loss = 0;
    for (int64_t j = 0; j < bowl->q; j++) {
        gradient[j] = 0;
        for (int64_t k = 0; k < bowl->q; k++)
            gradient[j] += bowl->H[j * bowl->q + k] * (b[k] - bowl->m[k]);
        loss += gradient[j] * (b[j] - bowl->m[j]) / 2;
    }
    return loss;
}

struct polish_result {
    double b[MAX_Q];
    double F, kkt;
    enum polish_outcome outcome;
    int rounds, evaluations, hessians;
};

static struct polish_result bowl_polish(const struct bowl *bowl, const double *z)
{
    struct polish_result result = {0};
    struct polish *p;
    double g[MAX_Q], H[MAX_Q * MAX_Q];
    ck_assert_int_eq(polish_create(&bowl->problem, true, z, &p), 0);
    while (polish_want(p) != POLISH_DONE) {
        if (polish_want(p) == POLISH_EVALUATE) {
            double loss = bowl_loss(bowl, polish_point(p), g);
            ck_assert_int_eq(polish_evaluated(p, loss, g), 0);
            result.evaluations++;
            continue;
        }
        int64_t count;
        const int64_t *columns = polish_columns(p, &count);
        for (int64_t s = 0; s < count; s++)
            for (int64_t t = 0; t < count; t++)
                H[s * count + t] = bowl->H[columns[s] * bowl->q + columns[t]];
        ck_assert_int_eq(polish_hessian(p, H), 0);
        result.hessians++;
    }
    memcpy(result.b, polish_point(p), (size_t)bowl->q * sizeof(double));
    result.F = polish_objective(p);
    result.kkt = polish_kkt(p);
    result.outcome = polish_outcome(p);
    result.rounds = polish_rounds(p);
    polish_destroy(p);
    return result;
}

START_TEST(non_finite_sums_end_it)
{
    struct bowl bowl;
    struct polish *p;
    double z[4] = {1, 1, 1, 1}, g[4] = {0}, bad_g[4] = {0, NAN, 0, 0};
    double bad_H[16];
    bowl_random(&bowl, 4, 1, 1);
    bowl_problem(&bowl, 0.1, 0);
    for (int k = 0; k < 3; k++) {
        ck_assert_int_eq(polish_create(&bowl.problem, true, z, &p), 0);
        ck_assert_int_eq(polish_want(p), POLISH_EVALUATE);
        polish_evaluated(p, k == 0 ? INFINITY : 1, k == 1 ? bad_g : g);
        if (k == 2) {
            int64_t count;
            ck_assert_int_eq(polish_want(p), POLISH_HESSIAN);
            polish_columns(p, &count);
            for (int64_t i = 0; i < count * count; i++)
                bad_H[i] = NAN;
            polish_hessian(p, bad_H);
        }
        ck_assert_int_eq(polish_want(p), POLISH_DONE);
        ck_assert_int_ne(polish_outcome(p), POLISH_OPTIMAL);
        ck_assert_mem_eq(polish_point(p), z, sizeof z);
        polish_destroy(p);
    }
}
END_TEST

START_TEST(quadratics_take_a_round_or_two)
{
    double z[MAX_Q] = {0};
    for (uint64_t seed = 1; seed <= 20; seed++)
        for (int k = 0; k < 5; k++) {
            static const double l1[] = {0, 1e-3, 0.3, 3, 1e5};
            struct bowl bowl;
            bowl_random(&bowl, 30, 0.1, seed);
            bowl_problem(&bowl, l1[k], seed % 2 ? 0 : 0.7);
            for (int j = 0; j < 30; j++)
                z[j] = seed % 3 ? 3 : 0;
            struct polish_result result = bowl_polish(&bowl, z);
            ck_assert_int_le(result.outcome, POLISH_FLOOR);
            ck_assert_double_lt(result.kkt, 1e-11 * (1 + bowl.scale[0]));
            ck_assert_int_le(result.rounds, 8);
            if (l1[k] == 1e5)
                for (int j = 0; j < 30; j++)
                    ck_assert_double_eq(result.b[j], 0);
        }
}
END_TEST

/* At 0 the gradient is (-4.4, 1, 0.8): one column is beyond l1 = 2. Once it has
 * moved, the second one is, too. */
START_TEST(the_working_set_grows)
{
    struct bowl bowl = {.q = 3, .m = {10, -8, 0}};
    double H[9] = {1, 0.7, 0, 0.7, 1, 0.1, 0, 0.1, 1}, z[3] = {0};
    memcpy(bowl.H, H, sizeof H);
    bowl_problem(&bowl, 2, 0);
    struct polish_result result = bowl_polish(&bowl, z);
    ck_assert_int_eq(result.outcome, POLISH_OPTIMAL);
    ck_assert_double_gt(result.b[0], 0);
    ck_assert_double_lt(result.b[1], 0);
    ck_assert_double_eq(result.b[2], 0);
    ck_assert_int_eq(result.hessians, 2);
}
END_TEST

START_TEST(unpenalised_and_empty_columns)
{
    struct bowl bowl;
    double z[5] = {0};
    bowl_random(&bowl, 5, 0.1, 9);
    for (int j = 0; j < 5; j++)
        bowl.H[j * 5 + 2] = bowl.H[2 * 5 + j] = 0;
    bowl_problem(&bowl, 1e6, 0);
    bowl.penalty[4] = bowl.penalty[2] = 0;
    struct polish_result result = bowl_polish(&bowl, z);
    double g[5];
    bowl_loss(&bowl, result.b, g);
    ck_assert_double_eq(result.b[2], 0);
    ck_assert_double_ne(result.b[4], 0);
    ck_assert_double_eq_tol(g[4], 0, 1e-12);
    ck_assert_double_eq(result.b[0], 0);
}
END_TEST

/* Two equal columns: the minimiser is not unique, the minimum is. */
START_TEST(a_singular_hessian_is_survived)
{
    struct bowl bowl = {.q = 3, .m = {2, 1, -1}};
    double H[9] = {2, 2, 0, 2, 2, 0, 0, 0, 1}, z[3] = {5, 0, 0};
    memcpy(bowl.H, H, sizeof H);
    bowl_problem(&bowl, 1, 0);
    struct polish_result result = bowl_polish(&bowl, z);
    ck_assert_double_eq_tol(result.b[0] + result.b[1], 2.5, 1e-12);
    ck_assert_double_eq(result.b[2], 0);
    ck_assert_double_lt(result.kkt, 1e-12);
}
END_TEST

/* log cosh: full Newton steps from afar overshoot more and more. */
START_TEST(the_line_search_halves)
{
    double penalty = 1, scale = 1, z = 3, g, H;
    struct penalised problem = {
        .columns = 1, .l1 = 0.1, .penalty = &penalty, .scale = &scale};
    struct polish *p;
    int evaluations = 0;
    ck_assert_int_eq(polish_create(&problem, false, &z, &p), 0);
    while (polish_want(p) != POLISH_DONE) {
        double b = polish_point(p)[0];
        g = tanh(b - 1);
        H = 1 / (cosh(b - 1) * cosh(b - 1));
        if (polish_want(p) == POLISH_EVALUATE) {
            polish_evaluated(p, log(cosh(b - 1)), &g);
            evaluations++;
        } else {
            polish_hessian(p, &H);
        }
    }
    ck_assert_int_gt(evaluations, polish_rounds(p) + 1);
    ck_assert_double_eq_tol(polish_point(p)[0], 1 - atanh(0.1), 1e-12);
    polish_destroy(p);
}
END_TEST

START_TEST(too_many_columns_are_an_outcome)
{
    enum { Q = POLISH_MAX_WORKING_SET + 1 };
    double *ones = malloc(Q * sizeof *ones);
    for (int j = 0; j < Q; j++)
        ones[j] = 1;
    struct penalised problem = {.columns = Q, .l1 = 1, .penalty = ones, .scale = ones};
    struct polish *p;
    ck_assert_int_eq(polish_create(&problem, true, ones, &p), 0);
    polish_evaluated(p, 1, ones);
    ck_assert_int_eq(polish_want(p), POLISH_DONE);
    ck_assert_int_eq(polish_outcome(p), POLISH_LIMIT);
    polish_destroy(p);
    free(ones);
}
END_TEST

/* One column x = (1, 2), y = (3, 1), loss (y - x b)^2: the certificate by hand. */
START_TEST(the_normal_gap_by_hand)
{
    double penalty = 1, scale = 10, b = 0.5;
    struct penalised problem = {
        .columns = 1, .l1 = 2, .penalty = &penalty, .scale = &scale};
    struct certificate c;
    /* r = (2.5, 0): X'r = 2.5, r'y = 7.5, r'r = 6.25 */
    struct certificate_sums sums = {
        .loss = 6.25, .r_y = 7.5, .r_r = 6.25, .sum_r = 2.5, .sum_y = 4, .rows = 2};
    double gradient = -5;
    certificate_init(&c, &problem, false, false, &b);
    certificate_evaluated(&c, &sums, &gradient);
    ck_assert_int_eq(c.want, CERTIFICATE_DONE);
    ck_assert(c.has_gap);
    ck_assert_double_eq_tol(c.objective, 7.25, 1e-15);
    ck_assert_double_eq_tol(c.kkt, 3, 1e-15);
    double s = 2 / 5.0;
    ck_assert_double_eq_tol(c.dual, 2 * s * 7.5 - s * s * 6.25, 1e-14);
    ck_assert_double_eq_tol(c.gap, c.objective - c.dual, 1e-15);
    ck_assert(!certificate_holds(&c, 1e-8));
    /* The minimiser: x'y = 5, so 2 (5 b - 5) = -2 and b = 0.8. */
    b = 0.8;
    sums = (struct certificate_sums){.loss = 2.2 * 2.2 + 0.36,
                                     .r_y = 6.6 - 0.6,
                                     .r_r = 2.2 * 2.2 + 0.36,
                                     .sum_r = 1.6,
                                     .sum_y = 4,
                                     .rows = 2};
    gradient = -2;
    certificate_init(&c, &problem, false, false, &b);
    certificate_evaluated(&c, &sums, &gradient);
    ck_assert_double_eq_tol(c.gap, 0, 1e-14);
    ck_assert(certificate_holds(&c, 1e-8));
}
END_TEST

/* y = (1, 3), one column of zeros, intercept 0.5: r = (0.5, 2.5), centred (-1, 1). */
START_TEST(an_intercept_centres_the_residual)
{
    double penalty[] = {1, 0}, scale[] = {0, 4}, b[] = {0, 0.5}, gradient[] = {0, -6};
    struct penalised problem = {
        .columns = 2, .l1 = 1, .penalty = penalty, .scale = scale};
    struct certificate_sums sums = {
        .loss = 6.5, .r_y = 8, .r_r = 6.5, .sum_r = 3, .sum_y = 4, .rows = 2};
    struct certificate c;
    certificate_init(&c, &problem, false, true, b);
    certificate_evaluated(&c, &sums, gradient);
    ck_assert_double_eq_tol(c.dual, 2, 1e-14); /* the minimum: (1 - 2)^2 + (3 - 2)^2 */
    ck_assert_double_eq_tol(c.gap, 4.5, 1e-14);
    ck_assert_double_eq_tol(c.kkt, 6, 1e-14);
}
END_TEST

/* x = 1, y = 3, l1 = 1, l2 = 2: F = (3 - b)^2 + |b| + b^2 is least at 5/4. */
START_TEST(ridge_needs_no_feasible_theta)
{
    double penalty = 1, scale = 2, b = 1.25, gradient = -3.5;
    struct penalised problem = {
        .columns = 1, .l1 = 1, .l2 = 2, .penalty = &penalty, .scale = &scale};
    struct certificate_sums sums = {
        .loss = 1.75 * 1.75, .r_y = 5.25, .r_r = 1.75 * 1.75, .rows = 1};
    struct certificate c;
    certificate_init(&c, &problem, false, false, &b);
    certificate_evaluated(&c, &sums, &gradient);
    ck_assert_double_eq_tol(c.kkt, 0, 1e-14);
    ck_assert_double_eq_tol(c.gap, 0, 1e-14);
    ck_assert_double_eq_tol(c.objective, 1.75 * 1.75 + 1.25 + 1.25 * 1.25, 1e-14);
}
END_TEST

/* Without an intercept the gradient tells at once how much theta must shrink. */
START_TEST(without_an_intercept_one_pass_is_enough)
{
    double penalty = 1, scale = 1, b = 0, gradient = 4;
    struct penalised problem = {
        .columns = 1, .l1 = 1, .penalty = &penalty, .scale = &scale};
    struct certificate_sums sums = {.loss = 2, .r_y = 3, .sum_r = 1, .rows = 9};
    struct certificate c;
    certificate_init(&c, &problem, true, false, &b);
    certificate_evaluated(&c, &sums, &gradient);
    ck_assert_int_eq(c.want, CERTIFICATE_DUAL);
    ck_assert_double_eq(c.dual_scale[0], 0.25);
    ck_assert_double_eq(c.dual_scale[1], 0.25);
}
END_TEST

START_TEST(no_simple_dual_is_said)
{
    double penalty[] = {1, 0}, scale[] = {1, 1}, b[] = {0, 0}, gradient[] = {0, 0};
    struct certificate_sums sums = {.loss = 1, .r_y = 1, .r_r = 1, .rows = 1};
    struct penalised problem = {
        .columns = 2, .l1 = 1, .penalty = penalty, .scale = scale};
    struct certificate c;
    certificate_init(&c, &problem, false, false, b);
    certificate_evaluated(&c, &sums, gradient);
    ck_assert_int_eq(c.want, CERTIFICATE_DONE);
    ck_assert(!c.has_gap);
    ck_assert(!certificate_holds(&c, 1));
    ck_assert_double_eq(c.kkt, 0);
    certificate_init(&c, &problem, false, true, b); /* as an intercept: fine */
    certificate_evaluated(&c, &sums, gradient);
    ck_assert(c.has_gap);
    problem.l1 = 0;
    certificate_init(&c, &problem, true, true, b);
    certificate_evaluated(&c, &sums, gradient);
    ck_assert_int_eq(c.want, CERTIFICATE_DONE);
    ck_assert(!c.has_gap);
}
END_TEST

START_TEST(an_infeasible_theta_is_shrunk)
{
    double penalty[] = {1, 2, 0}, scale[] = {1, 1, 1}, b[] = {0, 0, 0};
    double gradient[] = {0, 0, 0};
    struct penalised problem = {
        .columns = 3, .l1 = 1, .penalty = penalty, .scale = scale};
    struct certificate_sums sums = {.loss = 2, .r_y = 3, .sum_r = 1, .rows = 9};
    struct certificate c;
    certificate_init(&c, &problem, true, true, b);
    certificate_evaluated(&c, &sums, gradient);
    ck_assert_int_eq(c.want, CERTIFICATE_DUAL);
    /* Class 1 has 3, class 0 has 2: the former is shrunk. */
    ck_assert_double_eq_tol(c.dual_scale[0], 1, 0.0 + 1e-15);
    ck_assert_double_eq_tol(c.dual_scale[1], 2 / 3.0, 1e-15);
    double first[] = {0.9, -4, 50};
    certificate_dual(&c, 1.9, first);
    ck_assert_int_eq(c.want, CERTIFICATE_DUAL);
    ck_assert_double_eq_tol(c.dual_scale[0], 0.5, 1e-15);
    ck_assert_double_eq_tol(c.dual_scale[1], 1 / 3.0, 1e-15);
    double second[] = {0.45, -2, 25};
    certificate_dual(&c, 1.5, second);
    ck_assert_int_eq(c.want, CERTIFICATE_DONE);
    ck_assert_double_eq_tol(c.gap, 0.5, 1e-15);
    ck_assert_double_eq_tol(c.relative_gap, 0.25, 1e-15);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("polish");
    TCase *tcase = tcase_create("polish");
    tcase_add_test(tcase, non_finite_sums_end_it);
    tcase_add_test(tcase, quadratics_take_a_round_or_two);
    tcase_add_test(tcase, the_working_set_grows);
    tcase_add_test(tcase, unpenalised_and_empty_columns);
    tcase_add_test(tcase, a_singular_hessian_is_survived);
    tcase_add_test(tcase, the_line_search_halves);
    tcase_add_test(tcase, too_many_columns_are_an_outcome);
    tcase_add_test(tcase, the_normal_gap_by_hand);
    tcase_add_test(tcase, an_intercept_centres_the_residual);
    tcase_add_test(tcase, ridge_needs_no_feasible_theta);
    tcase_add_test(tcase, without_an_intercept_one_pass_is_enough);
    tcase_add_test(tcase, no_simple_dual_is_said);
    tcase_add_test(tcase, an_infeasible_theta_is_shrunk);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
