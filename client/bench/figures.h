/* What the benchmarks share: statistics of samples, and named figures that are printed
 * as a table or as JSON. */
#ifndef CLIENT_BENCH_FIGURES_H
#define CLIENT_BENCH_FIGURES_H

#include <stdbool.h>
#include <stdio.h>

/* The benchmarks: each reads its own options from argv[1] on and returns an exit code
 * (client/commands.h). */
int bench_admm(int argc, char **argv);
int bench_kernels(int argc, char **argv);
int bench_tasks(int argc, char **argv);

/* The rows of an options table (common/options.h) that benchmarks share. */
#define ROUNDS_OPTION_ROW(rounds)                                                      \
    {                                                                                  \
        .name = "rounds", .argument = "R", .kind = OPTION_INTEGER, .least = 1,         \
        .most = 1000, .to.integer = (rounds), .shown = true,                           \
        .help = "of which the median is shown"                                         \
    }
#define FIGURES_OPTION_ROWS(json)                                                      \
    {.kind = OPTION_GROUP, .help = "Output"},                                          \
    {                                                                                  \
        .name = "json", .kind = OPTION_FLAG, .to.flag = (json),                        \
        .help = "print JSON on standard output instead of a table"                     \
    }

/* The value below which this fraction (0 to 1) of `count` > 0 values lies, between two
 * of them in proportion.  Sorts them. */
double bench_percentile(double *values, int count, double fraction);
static inline double bench_median(double *values, int count)
{
    return bench_percentile(values, count, 0.5);
}

/* A number that was measured: the median of its rounds, and the least and most. */
struct figure {
    char name[64];    /* with the unit, as in JSON: "rtt_p50_us" */
    const char *unit; /* as in the table: "us"; lives for ever, may be "" */
    int rounds;
    double value, least, most;
};

#define FIGURES_MAX 128

struct figures {
    int count;
    struct figure items[FIGURES_MAX];
};

/* The next figure, of `count` > 0 rounds, which are sorted; one that does not depend on
 * rounds has one.  The name is copied. */
void figures_add(struct figures *figures, const char *name, const char *unit,
                 double *rounds, int count);
void figures_add_one(struct figures *figures, const char *name, const char *unit,
                     double value);

/* On standard output: aligned columns, or with `json` an object {name: value, ...,
 * "spread": {name: [least, most], ...}}.  Returns an exit code; what fails is said on
 * standard error as of the command `name`. */
int figures_print(const struct figures *figures, const char *name, bool json);

#endif
