/* The ADMM core without workers: arrivals a second, beside merely reading and writing
 * the rows of its mirrors in the same order, and the longest single step; then the
 * sweeps that whole fits take to given gaps.  Prints; asserts nothing.
 *
 *     bench_admm [CHUNKS [COLUMNS [SLOTS]]] */
#include "common/clock.h"
#include "tests/numeric/cases.h"
#include "tests/numeric/fit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SWEEPS 3

static const char *const variants[] = {"sync", "async", "batched"};

static double seconds_since(uint64_t start)
{
    return (double)(clock_monotonic_ns() - start) / 1e9;
}

static double *filled(int64_t count)
{
    double *a = malloc((size_t)count * sizeof *a);
    for (int64_t k = 0; a && k < count; k++)
        a[k] = 1 + (double)(k % 7);
    return a;
}

/* What an arrival cannot do without: R, w, x read, w, x written. */
static double bare_rate(const double *R, int64_t N, int64_t q)
{
    double *w = filled(N * q), *x = filled(N * q);
    uint64_t random = 1, start = clock_monotonic_ns();
    for (int64_t k = 0; k < SWEEPS * N; k++) {
        int64_t at = (int64_t)(fit_random(&random) * (double)N) * q;
        for (int64_t j = 0; j < q; j++) {
            w[at + j] += R[at + j] * 1e-3;
            x[at + j] = w[at + j];
        }
    }
    double rate = (double)(SWEEPS * N) / seconds_since(start);
    free(w);
    free(x);
    return rate;
}

static void measure_arrivals(const double *R, int64_t N, int64_t q, int variant,
                             int64_t slots)
{
    struct admm_problem problem = {.chunks = N, .columns = q, .l1 = 1, .metric = R};
    struct admm_options options;
    struct admm *admm;
    admm_options_default(&options);
    options.variant = (enum admm_variant)variant;
    options.slots = slots;
    options.tolerance = 0;
    if (admm_create(&problem, &options, 0, &admm, NULL) < 0)
        abort();
    struct admm_ticket *flying = malloc((size_t)(2 * N) * sizeof *flying);
    double *x = filled(q), longest = 0;
    uint64_t random = 1, start = clock_monotonic_ns();
    int64_t count = 0;
    for (int64_t done = 0; done < SWEEPS * N; done++) {
        struct admm_update update;
        uint64_t step = clock_monotonic_ns();
        while (admm_next(admm, &update) == 0)
            flying[count++] = update.ticket;
        int64_t pick = (int64_t)(fit_random(&random) * (double)count);
        struct admm_ticket ticket = flying[pick];
        flying[pick] = flying[--count];
        x[0] = (double)(ticket.chunk % 13);
        admm_arrive(admm, &ticket, x, 1, 0, done);
        longest = fmax(longest, seconds_since(step));
    }
    double rate = (double)(SWEEPS * N) / seconds_since(start);
    printf(
        "%-8s %6lld in flight  %9.0f arrivals/s  %.2f of bare  longest step %.1f ms\n",
        variants[variant], (long long)(slots ? slots : N), rate,
        rate / bare_rate(R, N, q), longest * 1e3);
    free(flying);
    free(x);
    admm_destroy(admm);
}

static void measure_sweeps(const char *name, double c, int64_t slots)
{
    struct glm_case data = case_create(name);
    const struct case_figures *f = data.figures;
    bool normal = strcmp(f->family, "normal") == 0;
    struct fit_data setup = {.rows = f->rows,
                             .columns = f->columns,
                             .x = data.x,
                             .y = data.y,
                             .family = normal ? GLM_NORMAL : GLM_LOGISTIC,
                             .intercept = f->intercept,
                             .l1 = f->l1,
                             .penalty = data.penalty,
                             .chunks = f->chunk_count,
                             .chunk_rows = f->chunk_rows};
    struct fit fit;
    fit_prepare(&fit, &setup, c);
    for (int variant = 0; variant < 3; variant++) {
        struct fit_run run;
        fit_run_default(&run);
        run.options.variant = (enum admm_variant)variant;
        run.options.tolerance = 1e-7;
        run.options.slots = slots;
        run.gram = normal;
        run.least = f->objective;
        run.max_sweeps = 500;
        fit_run(&fit, &run, false);
        printf(
            "%-28s c %-4g %-8s N %2lld  sweeps to 1e-4 %4.0f  1e-6 %4.0f  1e-8 %4.0f  "
            "1e-10 %4.0f\n",
            f->name, c, variants[variant], (long long)setup.chunks, run.sweeps_to[0],
            run.sweeps_to[1], run.sweeps_to[2], run.sweeps_to[3]);
        fit_run_destroy(&run);
    }
    fit_destroy(&fit);
    case_destroy(&data);
}

int main(int argc, char **argv)
{
    int64_t N = argc > 1 ? atoll(argv[1]) : 100000;
    int64_t q = argc > 2 ? atoll(argv[2]) : 100;
    int64_t slots = argc > 3 ? atoll(argv[3]) : 64;
    double *R = filled(N * q);
    printf("%lld chunks of %lld coefficients\n", (long long)N, (long long)q);
    measure_arrivals(R, N, q, ADMM_SYNC, 0);
    measure_arrivals(R, N, q, ADMM_ASYNC, slots);
    measure_arrivals(R, N, q, ADMM_ASYNC, 0);
    measure_arrivals(R, N, q, ADMM_BATCHED, slots);
    free(R);
    printf("\nall chunks in flight\n");
    for (int k = 0; k < case_count; k++)
        measure_sweeps(case_table[k].name, 1, 0);
    printf("\n4 in flight; logistic with other scales of the metric\n");
    for (int k = 0; k < case_count; k++) {
        measure_sweeps(case_table[k].name, 1, 4);
        for (double c = 0.3; strcmp(case_table[k].family, "logistic") == 0 && c > 0.05;
             c -= 0.2)
            measure_sweeps(case_table[k].name, c, 4);
    }
    return 0;
}
