/* The published problem by all variants of ADMM: updates a second, and seconds to
 * relative gaps; with dask.distributed on the same chunks. */
#include "client/bench/peer.h"
#include "client/bench/samples.h"
#include "client/run.h"
#include "client/session.h"
#include "common/clock.h"

#include <stdlib.h>

#define L1 7.2 /* as published, like rho */
#define RHO 1.2
#define STALENESS 3
#define TOLERANCE 1e-6 /* what the robust form certifies */
#define REFERENCE_TOLERANCE 1e-8

enum { VARIANT_ALL = VARIANTS, FORM_BOTH = 2, PEER_NONE = 0 };

static const char *const variants[] = {"sync", "async", "batched", "all", NULL};
static const char *const forms[] = {"robust", "classic", "both", NULL};
static const char *const peers[] = {"none", "dask", NULL};

struct admm_bench {
    int64_t rows, columns, chunks, rounds, sweeps, seed;
    int variant, form, peer_kind;
    struct session_options options;
    bool json;

    struct session session;
    struct dataset data;
    struct peer *peer;
    struct answer reference;
};

/* ---- one round ---- */

static int measure_run(struct admm_bench *bench, struct model *model, int subject,
                       int variant, int round, struct samples *samples,
                       struct err_text *text)
{
    bool robust = subject == ROBUST;
    struct run run;
    struct run_options options = {
        .form = robust ? ADMM_ROBUST : ADMM_CLASSIC,
        .variant = (enum admm_variant)variant,
        .local = robust ? LOCAL_GRAM : LOCAL_LBFGS,
        .threads = bench->session.threads,
        .tolerance = TOLERANCE,
        .staleness = STALENESS,
        .rho = RHO,
        .seed = (uint64_t)(bench->seed + round),
        .max_updates = robust ? 0 : bench->sweeps * bench->data.chunks,
    };
    int rc = run_execute(model, &options, &run, text);
    if (rc < 0)
        return rc;
    size_t count = (size_t)run.point_count + 1;
    double *gaps = calloc(2 * count, sizeof *gaps), *seconds = gaps + count;
    rc = gaps ? gaps_measure(model, &bench->reference, run.z, run.point_count, gaps,
                             text)
              : err_set(text, DUSK_E_NOMEM, "no memory for a trace");
    if (rc == 0) {
        for (int64_t k = 0; k < run.point_count; k++)
            seconds[k] = run.points[k].seconds;
        samples_add_gaps(samples, subject, variant, round, gaps, seconds,
                         run.point_count);
        samples->values[subject][variant][RATE][round] =
            (double)run.counts.accepted / run.admm_seconds;
        if (run.status == RUN_CERTIFIED)
            samples->values[subject][variant][CERTIFIED][round] = run.seconds;
    }
    free(gaps);
    run_fini(&run);
    return rc;
}

static int measure_peer(struct admm_bench *bench, struct model *model, int variant,
                        int round, struct samples *samples, struct err_text *text)
{
    struct peer_trace trace;
    int rc = peer_run(bench->peer, (enum admm_variant)variant,
                      bench->sweeps * bench->data.chunks, &trace, text);
    if (rc < 0)
        return rc;
    int64_t last = trace.count - 1;
    double *gaps = calloc((size_t)trace.count + 1, sizeof *gaps);
    rc = gaps ? gaps_measure(model, &bench->reference, trace.z, trace.count, gaps, text)
              : err_set(text, DUSK_E_NOMEM, "no memory for a trace");
    if (rc == 0 && trace.count > 0) {
        samples_add_gaps(samples, DASK, variant, round, gaps, trace.seconds,
                         trace.count);
        samples->values[DASK][variant][RATE][round] =
            trace.updates[last] / trace.seconds[last];
    }
    free(gaps);
    peer_trace_fini(&trace);
    return rc;
}

static int measure_variant(struct admm_bench *bench, struct model *model, int variant,
                           int round, struct samples *samples, struct err_text *text)
{
    int rc = 0;
    session_label(&bench->session, "round %d, %s", round + 1, variants[variant]);
    if (bench->form != ADMM_CLASSIC)
        rc = measure_run(bench, model, ROBUST, variant, round, samples, text);
    if (rc == 0 && bench->form != ADMM_ROBUST)
        rc = measure_run(bench, model, CLASSIC, variant, round, samples, text);
    if (rc == 0 && bench->peer)
        rc = measure_peer(bench, model, variant, round, samples, text);
    return rc;
}

/* The optimum that gaps are relative to: found once, off the clock. */
static int find_reference(struct admm_bench *bench, struct model *model,
                          struct err_text *text)
{
    double *zero = calloc((size_t)model->q, sizeof *zero);
    int rc =
        zero ? finish(model, zero, true, REFERENCE_TOLERANCE, &bench->reference, text)
             : err_set(text, DUSK_E_NOMEM, "no memory for an answer");
    free(zero);
    return rc;
}

static int measure_round(struct admm_bench *bench, int round, struct samples *samples,
                         struct err_text *text)
{
    struct model model;
    uint64_t start_ns = clock_monotonic_ns();
    int rc = model_create(&bench->data, L1, false, &bench->session.watch, NULL, &model,
                          text);
    if (rc < 0)
        return rc;
    samples->setup[round] = (double)(clock_monotonic_ns() - start_ns) * 1e-9;
    if (!bench->reference.b)
        rc = find_reference(bench, &model, text);
    for (int v = 0; rc == 0 && v < VARIANTS; v++)
        if (bench->variant == VARIANT_ALL || bench->variant == v)
            rc = measure_variant(bench, &model, v, round, samples, text);
    model_fini(&model);
    return rc;
}

/* ---- the command ---- */

static int await_data(struct admm_bench *bench, struct err_text *text)
{
    const struct dataset *data = &bench->data;
    const struct watch *watch = &bench->session.watch;
    int n = (int)data->chunks;
    int rc = watch_await(watch, data->client, "data", data->x, n, text);
    return rc < 0 ? rc : watch_await(watch, data->client, "data", data->y, n, text);
}

static int measure(struct admm_bench *bench, struct figures *figures,
                   struct err_text *text)
{
    const struct published problem = {.family = "normal",
                                      .rows = bench->rows,
                                      .columns = bench->columns,
                                      .chunks = bench->chunks,
                                      .seed = (uint64_t)bench->seed};
    struct samples samples = {0};
    session_label(&bench->session, "published problem");
    int rc = dataset_published(bench->session.client, &problem, &bench->data, text);
    if (rc == 0)
        rc = await_data(bench, text);
    if (rc == 0 && bench->peer_kind != PEER_NONE)
        rc = peer_start(&bench->data, &bench->session.watch, L1, RHO,
                        (uint64_t)bench->seed, &bench->peer, text);
    if (rc == 0 && samples_init(&samples, (int)bench->rounds) < 0)
        rc = err_set(text, DUSK_E_NOMEM, "no memory for %lld rounds",
                     (long long)bench->rounds);
    for (int i = 0; rc == 0 && i < samples.rounds; i++)
        rc = measure_round(bench, i, &samples, text);
    if (rc == 0)
        rc = samples_report(&samples, figures, text);
    samples_fini(&samples);
    peer_stop(bench->peer);
    answer_fini(&bench->reference);
    dataset_fini(&bench->data);
    return rc;
}

static int parse(int argc, char **argv, struct admm_bench *bench)
{
    const struct option_spec options[] = {
        {.name = "rows",
         .argument = "N",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = INT64_C(1) << 40,
         .to.integer = &bench->rows,
         .shown = true,
         .help = "of the published problem"},
        {.name = "columns",
         .argument = "P",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = 4000,
         .to.integer = &bench->columns,
         .shown = true,
         .help = "of the published problem"},
        {.name = "chunks",
         .argument = "C",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = 1000000,
         .to.integer = &bench->chunks,
         .shown = true,
         .help = "that the rows are divided into"},
        {.name = "variant",
         .argument = "NAME",
         .kind = OPTION_CHOICE,
         .words = variants,
         .to.choice = &bench->variant,
         .shown = true,
         .help = "when the chunks' answers are combined"},
        {.name = "form",
         .argument = "NAME",
         .kind = OPTION_CHOICE,
         .words = forms,
         .to.choice = &bench->form,
         .shown = true,
         .help = "robust, on Gram matrices; or as first published, on rows"},
        {.name = "sweeps",
         .argument = "S",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = 1000000,
         .to.integer = &bench->sweeps,
         .shown = true,
         .help = "of one update a chunk, that the classic form and its peer do"},
        {.name = "peer",
         .argument = "NAME",
         .kind = OPTION_CHOICE,
         .words = peers,
         .to.choice = &bench->peer_kind,
         .shown = true,
         .help = "runs the classic form in turn with dask.distributed on the same "
                 "chunks, and prints the ratios (needs python3-distributed and "
                 "python3-scipy; writes the chunks below $TMPDIR)"},
        ROUNDS_OPTION_ROW(&bench->rounds),
        {.name = "seed",
         .argument = "S",
         .kind = OPTION_INTEGER,
         .least = 0,
         .most = INT64_C(1) << 62,
         .to.integer = &bench->seed,
         .shown = true,
         .help = "of the problem, and of random choices"},
        SESSION_OPTION_ROWS(&bench->options),
        FIGURES_OPTION_ROWS(&bench->json),
        {0},
    };
    const struct command command = {
        .name = "dusk bench admm",
        .summary = "Measures ADMM on the published problem: updates a second, and "
                   "seconds to relative gaps.",
        .options = options,
        .epilogue =
            "The data are in the workers' memory before anything is measured. Seconds "
            "count from the first update; with `setup_and_`, also the pass over the "
            "data before it. A gap is that of the objective to the optimum; "
            "`certified` "
            "is a duality gap of 1e-6. What some round did not reach is left out.\n\n"
            "Exit codes: 0 done, 1 failed, 2 usage.",
    };
    int rc = options_parse(&command, argc, argv, stdout, stderr);
    if (rc == OPTIONS_RUN)
        rc = session_check(&bench->options, &command);
    if (rc == OPTIONS_RUN && bench->chunks > bench->rows)
        rc = options_complain(&command, stderr,
                              "--chunks: %lld chunks are more than %lld rows",
                              (long long)bench->chunks, (long long)bench->rows);
    if (rc == OPTIONS_RUN && bench->peer_kind != PEER_NONE &&
        bench->form == ADMM_ROBUST)
        rc = options_complain(&command, stderr, "--peer has no robust form");
    return rc;
}

int bench_admm(int argc, char **argv)
{
    struct admm_bench bench = {
        .rows = 2000000,
        .columns = 100,
        .chunks = 40,
        .rounds = 5,
        .sweeps = 8,
        .seed = 1,
        .variant = VARIANT_ALL,
        .form = FORM_BOTH,
        .options.timeout_ns = SESSION_TIMEOUT_NS,
    };
    int rc = parse(argc, argv, &bench);
    if (rc != OPTIONS_RUN)
        return rc == OPTIONS_DONE ? COMMAND_DONE : COMMAND_USAGE;
    struct err_text text = {""};
    struct figures figures = {0};
    rc = session_start(&bench.options, &bench.session, &text);
    if (rc == 0)
        rc = measure(&bench, &figures, &text);
    session_stop(&bench.session);
    return rc < 0 ? command_fail("dusk bench admm", text.line)
                  : figures_print(&figures, "dusk bench admm", bench.json);
}
