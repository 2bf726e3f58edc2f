#include "client/bench/samples.h"

#include "client/run.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

static const char *const subjects[SUBJECTS] = {"classic", "robust", "dask"};

int samples_init(struct samples *samples, int rounds)
{
    size_t arrays = 1 + SUBJECTS * VARIANTS * MEASURES;
    *samples = (struct samples){.rounds = rounds};
    samples->all = malloc(arrays * (size_t)rounds * sizeof *samples->all);
    if (!samples->all)
        return DUSK_E_NOMEM;
    for (size_t i = 0; i < arrays * (size_t)rounds; i++)
        samples->all[i] = NAN;
    double *next = samples->setup = samples->all;
    for (int s = 0; s < SUBJECTS; s++)
        for (int v = 0; v < VARIANTS; v++)
            for (int m = 0; m < MEASURES; m++)
                samples->values[s][v][m] = next += rounds;
    return 0;
}

void samples_fini(struct samples *samples)
{
    free(samples->all);
}

void samples_add_gaps(const struct samples *samples, int subject, int variant,
                      int round, const double *gaps, const double *seconds,
                      int64_t count)
{
    for (int g = 0; g < GAPS; g++) {
        int64_t first = gaps_reach(gaps, count, gaps_levels[g].value);
        if (first < count)
            samples->values[subject][variant][TO_GAP + g][round] = seconds[first];
    }
}

/* Left out when a round did not reach it. */
static void add(struct figures *figures, const char *unit, const double *rounds,
                int count, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static void add(struct figures *figures, const char *unit, const double *rounds,
                int count, const char *format, ...)
{
    char name[64];
    va_list list;
    va_start(list, format);
    vsnprintf(name, sizeof name, format, list);
    va_end(list);
    double *sorted = malloc((size_t)count * sizeof *sorted);
    bool known = sorted != NULL;
    for (int i = 0; known && i < count; i++) {
        sorted[i] = rounds[i];
        known = isfinite(rounds[i]);
    }
    if (known)
        figures_add(figures, name, unit, sorted, count);
    free(sorted);
}

/* Element by element into `work`. */
static const double *sums(const double *a, const double *b, int count, double *work)
{
    for (int i = 0; i < count; i++)
        work[i] = a[i] + b[i];
    return work;
}

static const double *ratios(const double *a, const double *b, int count, double *work)
{
    for (int i = 0; i < count; i++)
        work[i] = a[i] / b[i];
    return work;
}

static void add_subject(struct figures *figures, const struct samples *samples,
                        int subject, int variant, double *work)
{
    int n = samples->rounds;
    const char *who = subjects[subject], *how = run_variant_name(variant);
    double *const *values = samples->values[subject][variant];
    add(figures, "/s", values[RATE], n, "%s_%s_updates_per_second", who, how);
    for (int g = 0; g < GAPS; g++)
        add(figures, "s", values[TO_GAP + g], n, "%s_%s_seconds_to_%s", who, how,
            gaps_levels[g].name);
    if (subject != ROBUST)
        return;
    add(figures, "s", values[CERTIFIED], n, "%s_%s_seconds_certified", who, how);
    for (int g = 0; g < GAPS; g++)
        add(figures, "s", sums(values[TO_GAP + g], samples->setup, n, work), n,
            "%s_%s_setup_and_seconds_to_%s", who, how, gaps_levels[g].name);
    add(figures, "s", sums(values[CERTIFIED], samples->setup, n, work), n,
        "%s_%s_setup_and_seconds_certified", who, how);
}

/* The seconds of dask's quickest variant to a gap of 1e-4. */
static void best_of_dask(const struct samples *samples, double *ret_seconds)
{
    for (int i = 0; i < samples->rounds; i++) {
        ret_seconds[i] = INFINITY;
        for (int v = 0; v < VARIANTS; v++)
            ret_seconds[i] =
                fmin(ret_seconds[i], samples->values[DASK][v][TO_GAP + 1][i]);
    }
}

static void add_ratios(struct figures *figures, const struct samples *samples,
                       double *work)
{
    int n = samples->rounds;
    double *dask = work + n;
    best_of_dask(samples, dask);
    for (int v = 0; v < VARIANTS; v++) {
        double *const(*values)[VARIANTS][MEASURES] = samples->values;
        const double *certified = values[ROBUST][v][CERTIFIED];
        add(figures, "x",
            ratios(values[CLASSIC][v][RATE], values[DASK][v][RATE], n, work), n,
            "classic_%s_updates_against_dask", run_variant_name(v));
        add(figures, "x", ratios(dask, certified, n, work), n,
            "robust_%s_certified_against_dask_to_1e-4", run_variant_name(v));
        sums(certified, samples->setup, n, work);
        add(figures, "x", ratios(dask, work, n, work), n,
            "robust_%s_setup_and_certified_against_dask_to_1e-4", run_variant_name(v));
    }
}

int samples_report(const struct samples *samples, struct figures *figures,
                   struct err_text *text)
{
    double *work = calloc(2 * (size_t)samples->rounds, sizeof *work);
    if (!work)
        return err_set(text, DUSK_E_NOMEM, "no memory for figures");
    add(figures, "s", samples->setup, samples->rounds, "setup_seconds");
    for (int s = 0; s < SUBJECTS; s++)
        for (int v = 0; v < VARIANTS; v++)
            add_subject(figures, samples, s, v, work);
    add_ratios(figures, samples, work);
    free(work);
    return 0;
}
