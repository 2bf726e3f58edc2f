/* Whole fits in one process: known answers, and the promise that nothing which can
 * happen to a run changes its answer. */
#include "tests/numeric/cases.h"
#include "tests/numeric/fit.h"
#include "tests/test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const variant_names[] = {"sync", "async", "batched"};

static struct fit_data data_of(const struct glm_case *c)
{
    const struct case_figures *f = c->figures;
    return (struct fit_data){
        .rows = f->rows,
        .columns = f->columns,
        .x = c->x,
        .y = c->y,
        .family = strcmp(f->family, "normal") == 0 ? GLM_NORMAL : GLM_LOGISTIC,
        .intercept = f->intercept,
        .l1 = f->l1,
        .penalty = c->penalty,
        .chunks = f->chunk_count,
        .chunk_rows = f->chunk_rows,
    };
}

static void default_run(struct fit_run *run, const struct fit *fit, int variant)
{
    fit_run_default(run);
    run->options.variant = (enum admm_variant)variant;
    run->gram = fit->data.family == GLM_NORMAL;
}

/* Certified, at the known minimum, at the known minimiser. */
static void check_answer(const struct glm_case *c, const struct fit *fit,
                         const struct fit_run *run, const char *what)
{
    const struct case_figures *f = c->figures;
    double gap = (case_objective(c, run->uncentred) - f->objective) / f->objective;
    ck_assert_msg(fabs(gap) <= 1e-10, "%s %s: gap %g", f->name, what, gap);
    ck_assert_msg(certificate_holds(&run->certificate, 1e-10), "%s %s: duality gap %g",
                  f->name, what, run->certificate.relative_gap);
    ck_assert_msg(case_kkt(c, run->uncentred) <= 1e-9 * (1 + f->l1), "%s %s: kkt %g",
                  f->name, what, case_kkt(c, run->uncentred));
    for (int64_t j = 0; j < fit->q; j++)
        ck_assert_msg(fabs(run->uncentred[j] - f->minimiser[j]) <= 1e-6,
                      "%s %s: coefficient %d is %g, not %g", f->name, what, (int)j,
                      run->uncentred[j], f->minimiser[j]);
}

START_TEST(every_case_in_every_variant)
{
    struct glm_case c = case_create(case_table[_i].name);
    struct fit_data data = data_of(&c);
    struct fit fit;
    fit_prepare(&fit, &data, 1);
    for (int variant = 0; variant < 3; variant++) {
        struct fit_run run;
        default_run(&run, &fit, variant);
        fit_run(&fit, &run, true);
        ck_assert_int_eq(run.status, ADMM_CONVERGED);
        check_answer(&c, &fit, &run, variant_names[variant]);
        fit_run_destroy(&run);
    }
    fit_destroy(&fit);
    case_destroy(&c);
}
END_TEST

START_TEST(the_number_of_chunks_does_not_matter)
{
    static const int64_t sizes[] = {1, 7, 50};
    struct glm_case c = case_create(case_table[_i].name);
    for (int k = 0; k < 3; k++) {
        struct fit_data data = data_of(&c);
        struct fit fit;
        data.chunks = sizes[k];
        data.chunk_rows = NULL;
        fit_prepare(&fit, &data, 1);
        for (int variant = 0; variant < 3; variant++) {
            struct fit_run run;
            char what[40];
            snprintf(what, sizeof what, "N %d %s", (int)sizes[k],
                     variant_names[variant]);
            default_run(&run, &fit, variant);
            fit_run(&fit, &run, true);
            check_answer(&c, &fit, &run, what);
            fit_run_destroy(&run);
        }
        fit_destroy(&fit);
    }
    case_destroy(&c);
}
END_TEST

/* ADMM alone, no polish that could hide a bias: everything in flight, answers out of
 * order, lost, late and twice, tasks 50 times as long.  Loop index: case. */
START_TEST(faults_change_nothing)
{
    static const char *const names[] = {"01", "02", "04", "05", "08", "09", "11", "15"};
    struct glm_case c = case_create(names[_i]);
    struct fit_data data = data_of(&c);
    struct fit fit;
    fit_prepare(&fit, &data, data.family == GLM_NORMAL ? 1 : 0.3);
    int64_t dropped = 0, lost = 0;
    for (uint64_t seed = 1; seed <= 8; seed++)
        for (int variant = 0; variant < 3; variant++) {
            struct fit_run run;
            default_run(&run, &fit, variant);
            run.options.tolerance = 1e-6;
            run.options.slots = seed % 2 ? 0 : 3;
            run.faults = (struct fit_faults){.seed = seed,
                                             .spread = 3,
                                             .lose = 0.1,
                                             .zombie = 0.5,
                                             .twice = 0.1,
                                             .straggle = 0.02};
            fit_run(&fit, &run, false);
            double F = fit_objective(&fit, run.admm_z);
            double gap = (F - c.figures->objective) / c.figures->objective;
            ck_assert_msg(run.status == ADMM_CONVERGED && fabs(gap) <= 1e-8,
                          "%s %s seed %d: status %d, gap %g after %lld updates",
                          names[_i], variant_names[variant], (int)seed, (int)run.status,
                          gap, (long long)run.counts.accepted);
            dropped += run.counts.dropped;
            lost += run.counts.lost;
            fit_run_destroy(&run);
        }
    ck_assert_int_gt(dropped, 20);
    ck_assert_int_gt(lost, 20);
    fit_destroy(&fit);
    case_destroy(&c);
}
END_TEST

START_TEST(synchronous_repeats_bit_for_bit)
{
    struct glm_case c = case_create("05");
    struct fit_data data = data_of(&c);
    struct fit fit;
    fit_prepare(&fit, &data, 1);
    struct fit_run first, again;
    default_run(&first, &fit, ADMM_SYNC);
    fit_run(&fit, &first, false);
    for (uint64_t seed = 100; seed < 110; seed++) {
        default_run(&again, &fit, ADMM_SYNC);
        again.options.slots = (int64_t)seed % 4;
        again.faults = (struct fit_faults){
            .seed = seed, .spread = 20, .lose = 0.2, .zombie = 0.5, .twice = 0.3};
        fit_run(&fit, &again, false);
        ck_assert_mem_eq(first.admm_z, again.admm_z, (size_t)fit.q * sizeof(double));
        ck_assert_int_eq(first.counts.accepted, again.counts.accepted);
        fit_run_destroy(&again);
    }
    fit_run_destroy(&first);
    fit_destroy(&fit);
    case_destroy(&c);
}
END_TEST

START_TEST(one_slow_chunk)
{
    struct glm_case c = case_create("05");
    struct fit_data data = data_of(&c);
    struct fit fit;
    double seconds[3];
    fit_prepare(&fit, &data, 1);
    for (int variant = 0; variant < 3; variant++) {
        struct fit_run run;
        default_run(&run, &fit, variant);
        run.options.tolerance = 1e-6;
        run.faults.slow = 100;
        fit_run(&fit, &run, true);
        seconds[variant] = run.seconds;
        double F = fit_objective(&fit, run.admm_z);
        ck_assert_double_lt(fabs(F - c.figures->objective) / F, 1e-8);
        check_answer(&c, &fit, &run, "slow");
        if (variant != ADMM_SYNC)
            ck_assert_int_gt(run.counts.copies, 0);
        fit_run_destroy(&run);
    }
    ck_assert_double_lt(4 * seconds[ADMM_ASYNC], seconds[ADMM_SYNC]);
    ck_assert_double_lt(4 * seconds[ADMM_BATCHED], seconds[ADMM_SYNC]);
    fit_destroy(&fit);
    case_destroy(&c);
}
END_TEST

/* Chunks in the opposite order are the same problem. */
START_TEST(the_order_of_chunks_does_not_matter)
{
    struct glm_case c = case_create("05");
    const struct case_figures *f = c.figures;
    int64_t N = f->chunk_count, p = f->columns, at = 0, to = f->rows;
    int64_t rows[CASE_MAX_CHUNKS];
    double *x = malloc((size_t)(f->rows * p) * sizeof *x);
    double *y = malloc((size_t)f->rows * sizeof *y);
    for (int64_t i = 0; i < N; i++) {
        int64_t n = f->chunk_rows[i];
        rows[N - 1 - i] = n;
        to -= n;
        memcpy(x + to * p, c.x + at * p, (size_t)(n * p) * sizeof *x);
        memcpy(y + to, c.y + at, (size_t)n * sizeof *y);
        at += n;
    }
    struct fit_data data = data_of(&c);
    data.x = x;
    data.y = y;
    data.chunk_rows = rows;
    struct fit fit;
    fit_prepare(&fit, &data, 1);
    for (int variant = 0; variant < 3; variant++) {
        struct fit_run run;
        default_run(&run, &fit, variant);
        fit_run(&fit, &run, true);
        check_answer(&c, &fit, &run, "reversed");
        fit_run_destroy(&run);
    }
    fit_destroy(&fit);
    free(x);
    free(y);
    case_destroy(&c);
}
END_TEST

/* X D with penalties D gives b / D, whatever the units: 1e-4 to 1e4. */
START_TEST(units_do_not_matter)
{
    static const char *const names[] = {"05", "09", "11", "15"};
    struct glm_case c = case_create(names[_i]);
    const struct case_figures *f = c.figures;
    int64_t p = f->columns;
    double D[CASE_MAX_UNKNOWNS], penalty[CASE_MAX_UNKNOWNS];
    for (int64_t j = 0; j <= p; j++) {
        D[j] = j < p ? pow(10, -4 + 8.0 * (double)j / (double)(p - 1)) : 1;
        penalty[j] = c.penalty[j] * D[j];
    }
    for (int64_t k = 0; k < f->rows * p; k++)
        c.x[k] *= D[k % p];
    struct fit_data data = data_of(&c);
    data.penalty = penalty;
    struct fit fit;
    fit_prepare(&fit, &data, 1);
    for (int variant = 0; variant < 3; variant++) {
        struct fit_run run;
        default_run(&run, &fit, variant);
        fit_run(&fit, &run, true);
        ck_assert_int_eq(run.status, ADMM_CONVERGED);
        ck_assert(certificate_holds(&run.certificate, 1e-10));
        ck_assert_double_eq_tol(run.certificate.objective / f->objective, 1, 1e-10);
        for (int64_t j = 0; j < fit.q; j++)
            ck_assert_double_eq_tol(run.uncentred[j] * D[j], f->minimiser[j], 1e-6);
        fit_run_destroy(&run);
    }
    fit_destroy(&fit);
    case_destroy(&c);
}
END_TEST

/* Column means a thousand times the spread: centring takes care of them, in ADMM
 * alone as well. */
START_TEST(means_do_not_matter)
{
    struct glm_case c = case_create("15");
    const struct case_figures *f = c.figures;
    int64_t p = f->columns;
    for (int64_t k = 0; k < f->rows * p; k++)
        c.x[k] += 1000.0 * (double)(k % p - 2);
    struct fit_data data = data_of(&c);
    struct fit fit;
    fit_prepare(&fit, &data, 0.3);
    for (int variant = 0; variant < 3; variant++) {
        struct fit_run run;
        default_run(&run, &fit, variant);
        run.options.tolerance = 1e-6;
        fit_run(&fit, &run, true);
        double F = fit_objective(&fit, run.admm_z);
        ck_assert_double_lt(fabs(F - f->objective) / F, 1e-8);
        ck_assert(certificate_holds(&run.certificate, 1e-10));
        for (int64_t j = 0; j < p; j++)
            ck_assert_double_eq_tol(run.uncentred[j], f->minimiser[j], 1e-6);
        fit_run_destroy(&run);
    }
    fit_destroy(&fit);
    case_destroy(&c);
}
END_TEST

/* Elastic net and ridge; minima from the same independent solver as the cases'. */
START_TEST(a_ridge_term_is_fitted)
{
    static const struct {
        const char *name;
        double l1, l2, objective;
    } table[] = {
        {"02", 1000, 2000, 32592.943872960088},
        {"02", 0, 500, 20964.225845374203},
        {"13", 0, 1, 80.75333448587699},
    };
    struct glm_case c = case_create(table[_i].name);
    struct fit_data data = data_of(&c);
    struct fit fit;
    data.l1 = table[_i].l1;
    data.l2 = table[_i].l2;
    fit_prepare(&fit, &data, data.family == GLM_NORMAL ? 1 : 0.1);
    for (int variant = 0; variant < 3; variant++) {
        struct fit_run run;
        default_run(&run, &fit, variant);
        run.options.tolerance = 1e-6;
        fit_run(&fit, &run, true);
        double least = table[_i].objective;
        ck_assert_int_eq(run.status, ADMM_CONVERGED);
        ck_assert_double_eq_tol(fit_objective(&fit, run.admm_z) / least, 1, 1e-8);
        ck_assert_double_eq_tol(run.certificate.objective / least, 1, 1e-12);
        ck_assert(certificate_holds(&run.certificate, 1e-10));
        fit_run_destroy(&run);
    }
    fit_destroy(&fit);
    case_destroy(&c);
}
END_TEST

/* The published form where it is at its best ... */
START_TEST(classic_converges_on_alike_chunks)
{
    struct glm_case c = case_create("01");
    struct fit_data data = data_of(&c);
    struct fit fit;
    fit_prepare(&fit, &data, 1);
    for (int variant = 0; variant < 3; variant++) {
        struct fit_run run;
        default_run(&run, &fit, variant);
        run.options.form = ADMM_CLASSIC;
        run.options.rho = 1000;
        run.options.abstol = run.options.reltol = 1e-7;
        run.options.slots = 4;
        fit_run(&fit, &run, false);
        double F = fit_objective(&fit, run.admm_z);
        ck_assert_int_eq(run.status, ADMM_CONVERGED);
        ck_assert_double_lt((F - c.figures->objective) / F, 1e-8);
        fit_run_destroy(&run);
    }
    fit_destroy(&fit);
    case_destroy(&c);
}
END_TEST

/* ... and where it fails: more columns than rows in a chunk, and 2 x cores = 8 updates
 * in flight on 4 chunks, so that chunks are drawn while they are in flight. */
START_TEST(classic_diverges_where_robust_does_not)
{
    struct glm_case c = case_create("09");
    struct fit_data data = data_of(&c);
    struct fit fit;
    data.rows = 44;
    data.chunks = 4;
    data.chunk_rows = NULL;
    data.l1 = 5;
    fit_prepare(&fit, &data, 1);
    for (int variant = 1; variant < 3; variant++)
        for (uint64_t seed = 1; seed <= 5; seed++) {
            struct fit_run run;
            default_run(&run, &fit, variant);
            run.options.form = ADMM_CLASSIC;
            run.options.abstol = run.options.reltol = 0;
            run.options.slots = 8;
            run.options.seed = seed;
            fit_run(&fit, &run, false);
            ck_assert_int_eq(run.status, ADMM_DIVERGED);
            ck_assert_int_lt(run.counts.accepted, 200 * 4);
            fit_run_destroy(&run);
        }
    for (int variant = 0; variant < 3; variant++) {
        struct fit_run run;
        default_run(&run, &fit, variant);
        run.options.slots = 8;
        fit_run(&fit, &run, true);
        ck_assert_int_eq(run.status, ADMM_CONVERGED);
        ck_assert(certificate_holds(&run.certificate, 1e-10));
        fit_run_destroy(&run);
    }
    fit_destroy(&fit);
    case_destroy(&c);
}
END_TEST

struct odd {
    const char *name;
    enum glm_family family;
    bool intercept;
    int64_t rows, columns, chunks;
    int64_t chunk_rows[4];
    double l1;
    const double *x, *y;
    const double *answer; /* (q), or NULL */
    bool certified;
};

static const double ramp[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static const double wave[] = {1, -2, 1, 0, 3, -1, 2, 2, -2, 0, 1, 1};
static const double zeros[12], ones[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
static const double labels[] = {0, 1, 0, 0, 1, 1, 0, 1};

START_TEST(odd_data_are_fitted)
{
    static const double p1[] = {63.5 / 91}, n1[] = {0.875}, none[] = {0, 0, 0};
    static const double mean[] = {0, 1.0};
    const struct odd table[] = {
        {"empty chunk",
         GLM_NORMAL,
         false,
         6,
         2,
         4,
         {2, 0, 4, 0},
         1,
         wave,
         ramp,
         0,
         true},
        {"one column",
         GLM_NORMAL,
         false,
         6,
         1,
         3,
         {2, 2, 2},
         55,
         ramp,
         ramp + 0,
         p1,
         true},
        {"one row", GLM_NORMAL, false, 1, 1, 1, {1}, 1, ramp + 1, ramp + 1, n1, true},
        {"rows of zeros",
         GLM_NORMAL,
         true,
         4,
         2,
         2,
         {2, 2},
         1,
         zeros,
         wave,
         none,
         true},
        {"responses of zero",
         GLM_NORMAL,
         true,
         6,
         2,
         2,
         {3, 3},
         1,
         wave,
         zeros,
         none,
         true},
        {"constant response",
         GLM_NORMAL,
         true,
         4,
         1,
         2,
         {2, 2},
         1,
         ramp,
         ones,
         mean,
         true},
        {"labels", GLM_LOGISTIC, true, 6, 2, 2, {3, 3}, 0.5, wave, labels, 0, true},
        {"one row a chunk",
         GLM_LOGISTIC,
         true,
         4,
         2,
         4,
         {1, 1, 1, 1},
         0.1,
         wave,
         labels,
         0,
         true},
        {"one class", GLM_LOGISTIC, false, 6, 2, 3, {2, 2, 2}, 1, wave, ones, 0, true},
        {"one class, intercept",
         GLM_LOGISTIC,
         true,
         6,
         2,
         3,
         {2, 2, 2},
         1,
         wave,
         ones,
         0,
         false},
        {"one row, logistic",
         GLM_LOGISTIC,
         false,
         1,
         1,
         1,
         {1},
         0.1,
         ramp,
         ones,
         0,
         true},
        {"l1 = 0", GLM_NORMAL, true, 6, 2, 2, {3, 3}, 0, wave, ramp, 0, false},
    };
    const struct odd *odd = &table[_i];
    struct fit_data data = {.rows = odd->rows,
                            .columns = odd->columns,
                            .x = odd->x,
                            .y = odd->y,
                            .family = odd->family,
                            .intercept = odd->intercept,
                            .l1 = odd->l1,
                            .chunks = odd->chunks,
                            .chunk_rows = odd->chunk_rows};
    struct fit fit;
    fit_prepare(&fit, &data, 1);
    for (int variant = 0; variant < 3; variant++) {
        struct fit_run run;
        default_run(&run, &fit, variant);
        fit_run(&fit, &run, true);
        ck_assert_msg(certificate_holds(&run.certificate, 1e-9) == odd->certified,
                      "%s %s: status %d polish %d after %d, F %g, kkt %g, gap %g",
                      odd->name, variant_names[variant], (int)run.status,
                      (int)run.polish_outcome, run.polish_rounds,
                      run.certificate.objective, run.certificate.kkt,
                      run.certificate.relative_gap);
        for (int64_t j = 0; j < fit.q; j++) {
            ck_assert(isfinite(run.uncentred[j]));
            if (odd->answer)
                ck_assert_msg(fabs(run.uncentred[j] - odd->answer[j]) < 1e-10,
                              "%s: coefficient %d is %g", odd->name, (int)j,
                              run.uncentred[j]);
        }
        ck_assert_int_ne(run.status, ADMM_DIVERGED);
        fit_run_destroy(&run);
    }
    fit_destroy(&fit);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fit");
    TCase *tcase = tcase_create("fit");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, odd_data_are_fitted, 0, 12);
    tcase_add_loop_test(tcase, every_case_in_every_variant, 0, case_count);
    tcase_add_loop_test(tcase, the_number_of_chunks_does_not_matter, 0, case_count);
    tcase_add_loop_test(tcase, faults_change_nothing, 0, 8);
    tcase_add_test(tcase, synchronous_repeats_bit_for_bit);
    tcase_add_test(tcase, one_slow_chunk);
    tcase_add_test(tcase, the_order_of_chunks_does_not_matter);
    tcase_add_loop_test(tcase, units_do_not_matter, 0, 4);
    tcase_add_test(tcase, means_do_not_matter);
    tcase_add_loop_test(tcase, a_ridge_term_is_fitted, 0, 3);
    tcase_add_test(tcase, classic_converges_on_alike_chunks);
    tcase_add_test(tcase, classic_diverges_where_robust_does_not);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
