/* The numerical kernels on a worker, each in turn with what bounds it there: reading
 * the rows once, or OpenBLAS's product of matrices. */
#include "client/bench/figures.h"
#include "client/commands.h"
#include "client/session.h"

#include <stdlib.h>

struct kernels_arguments {
    int64_t rows, columns, threads, repeats;
    struct session_options session;
    bool json;
};

enum bound {
    BOUND_READ,  /* gigabytes a second, and the share of the read loop's */
    BOUND_DGEMM, /* billions of flops a second, and the time to dgemm's */
    BOUND_NONE,  /* nanoseconds a number */
};

/* `columns` 0: as the option says; otherwise as many columns, and fewer rows. */
static const struct kernel_case {
    const char *figure, *kernel, *type, *family;
    int64_t columns;
    enum bound bound;
} cases[] = {
    {"evaluate_normal_f64", "evaluate", "f64", "normal", 0, BOUND_READ},
    {"evaluate_logistic_f64", "evaluate", "f64", "logistic", 0, BOUND_READ},
    {"evaluate_normal_f32", "evaluate", "f32", "normal", 0, BOUND_READ},
    {"evaluate_logistic_f32", "evaluate", "f32", "logistic", 0, BOUND_READ},
    {"evaluate_normal_f64_784", "evaluate", "f64", "normal", 784, BOUND_READ},
    {"evaluate_logistic_f64_784", "evaluate", "f64", "logistic", 784, BOUND_READ},
    {"evaluate_normal_f32_784", "evaluate", "f32", "normal", 784, BOUND_READ},
    {"evaluate_logistic_f32_784", "evaluate", "f32", "logistic", 784, BOUND_READ},
    {"predict_f64", "predict", "f64", "normal", 0, BOUND_READ},
    {"gradient_f64", "gradient", "f64", "normal", 0, BOUND_READ},
    {"moments_f64", "moments", "f64", "normal", 0, BOUND_READ},
    {"gram", "gram", "f64", "normal", 0, BOUND_DGEMM},
    {"gram_784", "gram", "f64", "normal", 784, BOUND_DGEMM},
    {"cholesky_784", "cholesky", "f64", "normal", 784, BOUND_DGEMM},
    {"normal_f64", "normal", "f64", "normal", 0, BOUND_NONE},
    {"normal_f32", "normal", "f32", "normal", 0, BOUND_NONE},
};
#define CASES ((int)(sizeof cases / sizeof *cases))

/* Of all tasks that ran one kernel at once. */
struct samples {
    int count;
    double *seconds, *peer_seconds; /* (repeats x threads) */
    double work;
};

static int run_tasks(const struct kernels_arguments *a, const struct session *session,
                     const struct kernel_case *c, struct dusk_future **futures,
                     struct err_text *text)
{
    int64_t columns = c->columns ? c->columns : a->columns;
    int64_t rows = a->rows * a->columns / columns;
    int threads = (int)a->threads, rc = 0;
    for (int i = 0; rc == 0 && i < threads; i++)
        rc = dusk_submit(session->client, &futures[i], "bench_kernel", "ssslll",
                         c->kernel, c->type, c->family, rows > 0 ? rows : 1, columns,
                         a->repeats);
    if (rc < 0)
        return watch_failed(rc, text);
    rc = watch_await(&session->watch, session->client, c->figure, futures, threads,
                     text);
    return rc < 0 ? rc : watch_fetch(&session->watch, futures, threads, text);
}

static int take_samples(struct dusk_future *future, struct samples *samples,
                        struct err_text *text)
{
    struct dusk_array seconds, peer_seconds;
    int rc = dusk_result(future, 0, "aad", &seconds, &peer_seconds, &samples->work);
    if (rc < 0)
        return watch_failed(rc, text);
    for (int64_t k = 0; k < seconds.shape[0]; k++) {
        samples->seconds[samples->count] = ((const double *)seconds.data)[k];
        samples->peer_seconds[samples->count++] =
            ((const double *)peer_seconds.data)[k];
    }
    return 0;
}

/* One figure, of values[k] = factor x over[k] / under[k]; NULL stands for ones. */
static void add(struct figures *figures, const struct kernel_case *c,
                const char *measure, const char *unit, double factor,
                const double *over, const double *under, int count, double *values)
{
    char name[sizeof figures->items->name];
    for (int k = 0; k < count; k++)
        values[k] = factor * (over ? over[k] : 1.0) / (under ? under[k] : 1.0);
    snprintf(name, sizeof name, "%s_%s", c->figure, measure);
    figures_add(figures, name, unit, values, count);
}

static void report(const struct kernel_case *c, const struct samples *s, double *values,
                   struct figures *figures)
{
    const double *seconds = s->seconds, *peer = s->peer_seconds;
    int n = s->count;
    if (c->bound == BOUND_NONE) {
        add(figures, c, "ns", "ns", 1e9 / s->work, seconds, NULL, n, values);
        return;
    }
    add(figures, c, "ms", "ms", 1e3, seconds, NULL, n, values);
    if (c->bound == BOUND_READ) {
        add(figures, c, "gb_per_second", "GB/s", 1e-9 * s->work, NULL, seconds, n,
            values);
        add(figures, c, "to_read", "x", 1.0, peer, seconds, n, values);
    } else {
        add(figures, c, "gflop_per_second", "GFLOP/s", 1e-9 * s->work, NULL, seconds, n,
            values);
        add(figures, c, "time_to_dgemm", "x", 1.0, seconds, peer, n, values);
    }
}

static int measure_case(const struct kernels_arguments *a,
                        const struct session *session, const struct kernel_case *c,
                        double *room, struct figures *figures, struct err_text *text)
{
    int threads = (int)a->threads, rc;
    int64_t most = a->repeats * threads;
    struct dusk_future *futures[CLUSTER_WORKERS_MAX] = {NULL};
    struct samples samples = {.seconds = room, .peer_seconds = room + most};
    rc = run_tasks(a, session, c, futures, text);
    for (int i = 0; rc == 0 && i < threads; i++)
        rc = take_samples(futures[i], &samples, text);
    dusk_release(futures, threads);
    if (rc == 0)
        report(c, &samples, room + 2 * most, figures);
    return rc;
}

static int measure(const struct kernels_arguments *a, const struct session *session,
                   struct figures *figures, struct err_text *text)
{
    double *room = calloc((size_t)(3 * a->repeats * a->threads), sizeof *room);
    int rc = 0;
    if (!room)
        return err_set(text, DUSK_E_NOMEM, "no memory for %lld times",
                       (long long)a->repeats);
    if (a->threads > session->threads)
        rc = err_set(text, DUSK_E_INVALID, "%lld threads: the cluster has %d",
                     (long long)a->threads, session->threads);
    for (int i = 0; rc == 0 && i < CASES; i++) {
        watch_progress(&session->watch, "kernels", i, CASES);
        rc = measure_case(a, session, &cases[i], room, figures, text);
    }
    free(room);
    figures_add_one(figures, "rows", "", (double)a->rows);
    figures_add_one(figures, "columns", "", (double)a->columns);
    figures_add_one(figures, "threads", "", (double)a->threads);
    figures_add_one(figures, "repeats", "", (double)a->repeats);
    return rc;
}

static int parse(int argc, char **argv, struct kernels_arguments *a)
{
    const struct option_spec options[] = {
        {.name = "rows",
         .argument = "N",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = 100000000,
         .to.integer = &a->rows,
         .shown = true,
         .help = "of the chunk; choose it larger than caches"},
        {.name = "columns",
         .argument = "P",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = 4000,
         .to.integer = &a->columns,
         .shown = true,
         .help = "of the chunk"},
        {.name = "threads",
         .argument = "T",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = CLUSTER_WORKERS_MAX,
         .to.integer = &a->threads,
         .shown = true,
         .help = "tasks at once, each with a chunk of its own"},
        {.name = "repeats",
         .argument = "R",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = 1000,
         .to.integer = &a->repeats,
         .shown = true,
         .help = "of each kernel, of which the median is shown"},
        SESSION_OPTION_ROWS(&a->session),
        FIGURES_OPTION_ROWS(&a->json),
        {0},
    };
    const struct command command = {
        .name = "dusk bench kernels",
        .summary = "Measures the numerical kernels on a worker, in turn with what "
                   "bounds them there: reading the rows once from one thread, or "
                   "OpenBLAS's dgemm.",
        .options = options,
        .epilogue =
            "evaluate is one pass for loss and gradient, predict a product with "
            "coefficients, gradient a pass where the predictions are known; to_read is "
            "their share of the speed of reading the same bytes.  gram is the matrix "
            "of a set-up pass; its time_to_dgemm compares with dgemm's X'X of the same "
            "rows, that of cholesky (a factor and one solve) with dgemm of the same "
            "order, and the flops of gram are dgemm's.  normal is a standard normal "
            "random number.  Figures that end in _784 are of 784 columns and as many "
            "numbers.  Times are of the processor.\n\n"
            "Exit codes: 0 done, 1 failed, 2 usage.",
    };
    int rc = options_parse(&command, argc, argv, stdout, stderr);
    return rc == OPTIONS_RUN ? session_check(&a->session, &command) : rc;
}

int bench_kernels(int argc, char **argv)
{
    struct kernels_arguments a = {.rows = 200000,
                                  .columns = 100,
                                  .threads = 1,
                                  .repeats = 9,
                                  .session.timeout_ns = SESSION_TIMEOUT_NS};
    int rc = parse(argc, argv, &a);
    if (rc != OPTIONS_RUN)
        return rc == OPTIONS_DONE ? COMMAND_DONE : COMMAND_USAGE;
    struct err_text text = {""};
    struct session session = {0};
    struct figures figures = {0};
    rc = session_start(&a.session, &session, &text);
    if (rc == 0)
        rc = measure(&a, &session, &figures, &text);
    session_stop(&session);
    return rc < 0 ? command_fail("dusk bench kernels", text.line)
                  : figures_print(&figures, "dusk bench kernels", a.json);
}
