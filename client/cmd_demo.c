#include "client/commands.h"

#include "client/fit.h"
#include "client/report.h"
#include "common/clock.h"
#include "common/options.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The published problem, at a size that two cores manage while one watches. */
#define PUBLISHED_CHUNK_ROWS 50000
#define SHOWN_ROWS 2000000
#define SHOWN_CLASSIC_NS (5 * (int64_t)NS_PER_S)

/* As it was published: 40 GB of doubles. */
#define FULL_ROWS 50000000
#define FULL_MEMORY (INT64_C(4) << 30)

/* One slow worker: tasks of a few milliseconds, enough of them that each worker has
 * many, and a worker more than there are cores, since the slow one mostly sleeps. */
#define SLOW_CHUNK_ROWS 40000
#define SLOW_COLUMNS 10
#define SLOW_CHUNKS 48
#define SLOW_WORKERS 3
/* So late that ADMM has reached the tolerance by itself. */
#define SLOW_HANDOVER 1e-5

#define NOT_GIVEN (-1)
#define PUBLISHED_L1 7.2
#define PUBLISHED_RHO 1.2

/* Fashion-MNIST's training images: class 6, shirts, is the hard one to tell from
 * the rest. */
#define FASHION_ROWS 60000
#define FASHION_WIDTH 28
#define FASHION_SHIRT 6
#define FASHION_CHUNKS 60
#define FASHION_L1 30
#define FASHION_IMAGES "train-images-idx3-ubyte"
#define FASHION_LABELS "train-labels-idx1-ubyte"

#define TOLERANCE 1e-8
#define STALENESS 3

struct demo_arguments {
    int64_t rows, columns, classic_time_ns, seed;
    const char *images, *report, *report_json;
    struct session_options session;
    bool full, json;
};

static int arguments_parse(struct demo_arguments *a, int argc, char **argv)
{
    const struct option_spec options[] = {
        {.kind = OPTION_GROUP, .help = "Problems"},
        {.name = "full",
         .kind = OPTION_FLAG,
         .to.flag = &a->full,
         .help = "the published problem at its full size, 50000000 rows, none of which "
                 "is kept: chunks are reduced to Gram matrices as they are made; with "
                 "--memory-total 4GiB unless told otherwise"},
        {.name = "rows",
         .argument = "N",
         .kind = OPTION_INTEGER,
         .least = PUBLISHED_CHUNK_ROWS,
         .most = INT64_C(1) << 40,
         .to.integer = &a->rows,
         .help = "rows of the published problem (default 2000000, or 50000000)"},
        {.name = "columns",
         .argument = "P",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = 10000,
         .to.integer = &a->columns,
         .shown = true,
         .help = "columns of the published problem"},
        {.name = "classic-time",
         .argument = "TIME",
         .kind = OPTION_DURATION,
         .least = 0,
         .most = INT64_MAX,
         .to.integer = &a->classic_time_ns,
         .help = "how long each run in the classic form may take; 0: leave them out "
                 "(default 5s, 0 with --full)"},
        {.name = "seed",
         .argument = "S",
         .kind = OPTION_INTEGER,
         .least = 0,
         .most = INT64_MAX,
         .to.integer = &a->seed,
         .shown = true,
         .help = "of the published problem"},
        {.name = "fashion-mnist",
         .argument = "DIR",
         .kind = OPTION_STRING,
         .to.string = &a->images,
         .help = "where Fashion-MNIST's training files are, under the same path on all "
                 "workers; without it that problem is left out"},
        SESSION_OPTION_ROWS(&a->session),
        {.kind = OPTION_GROUP, .help = "Output"},
        {.name = "report",
         .argument = "FILE.html",
         .kind = OPTION_STRING,
         .to.string = &a->report,
         .shown = true,
         .help = "the page with pictures"},
        {.name = "report-json",
         .argument = "FILE.json",
         .kind = OPTION_STRING,
         .to.string = &a->report_json,
         .shown = true,
         .help = "the same as data"},
        {.name = "json",
         .kind = OPTION_FLAG,
         .to.flag = &a->json,
         .help = "print the data on standard output too, instead of tables"},
        {0},
    };
    const struct command command = {
        .name = "dusk demo",
        .summary = "Runs consensus ADMM in its three variants on the published problem "
                   "and on real data, prints tables and writes a report.  With "
                   "--slow-worker: synchronous and asynchronous on workers one of "
                   "which is slow, with chunks pinned (*) and free to move.",
        .options = options,
        .epilogue = "Exit codes: 0 done, 1 failed, 2 usage, 3 not certified."};
    int rc = options_parse(&command, argc, argv, stdout, stderr);
    if (rc != OPTIONS_RUN || (rc = session_check(&a->session, &command)) != OPTIONS_RUN)
        return rc;
    if (a->session.slow_worker > 0 && (a->full || a->rows))
        return options_complain(&command, stderr,
                                "--slow-worker is a problem of its own, without --full "
                                "and --rows");
    if (a->session.slow_worker > 0 && !a->session.workers)
        a->session.workers = SLOW_WORKERS;
    if (!a->rows)
        a->rows = a->full ? FULL_ROWS : SHOWN_ROWS;
    if (a->classic_time_ns == NOT_GIVEN)
        a->classic_time_ns = a->full ? 0 : SHOWN_CLASSIC_NS;
    if (a->full && !session_scheduler(&a->session) && !a->session.memory_limit &&
        !a->session.memory_total)
        a->session.memory_total = FULL_MEMORY;
    return rc;
}

/* ---- the two problems ---- */

static const enum admm_variant variants[] = {ADMM_SYNC, ADMM_ASYNC, ADMM_BATCHED};
enum { VARIANTS = sizeof variants / sizeof variants[0] };

static struct run_options robust_run(enum admm_variant variant, enum local_solver local)
{
    return (struct run_options){.form = ADMM_ROBUST,
                                .variant = variant,
                                .local = local,
                                .tolerance = TOLERANCE,
                                .staleness = STALENESS};
}

/* Makes the data of a problem and fits them. */
static int fit_made(struct session *session, const struct published *problem,
                    const struct run_options *runs, int count, json_t **ret_problem,
                    bool *ret_certified, struct err_text *text)
{
    struct fit_plan plan = {
        .l1 = PUBLISHED_L1, .runs = runs, .run_count = count, .seed = problem->seed};
    struct dataset data = {0};
    int rc = dataset_published(session->client, problem, &data, text);
    if (rc == 0)
        rc = fit_execute(session, &data, &plan, ret_problem, ret_certified, text);
    dataset_fini(&data);
    return rc;
}

static int published(const struct demo_arguments *a, struct session *session,
                     json_t **ret_problem, bool *ret_certified, struct err_text *text)
{
    struct run_options runs[2 * VARIANTS];
    int count = 0;
    for (int i = 0; a->classic_time_ns > 0 && i < VARIANTS; i++)
        runs[count++] = (struct run_options){
            .form = ADMM_CLASSIC,
            .variant = variants[i],
            .local = a->full ? LOCAL_GRAM : LOCAL_LBFGS,
            .tolerance = TOLERANCE,
            .rho = PUBLISHED_RHO,
            .seed = (uint64_t)a->seed,
            .max_time_s = (double)a->classic_time_ns / (double)NS_PER_S,
        };
    for (int i = 0; i < VARIANTS; i++)
        runs[count++] = robust_run(variants[i], LOCAL_GRAM);
    struct published problem = {.family = "normal",
                                .rows = a->rows,
                                .columns = a->columns,
                                .chunk_rows = PUBLISHED_CHUNK_ROWS,
                                .seed = (uint64_t)a->seed,
                                .reduced = a->full};
    return fit_made(session, &problem, runs, count, ret_problem, ret_certified, text);
}

static int slow_run(const struct demo_arguments *a, struct session *session,
                    const struct run_options *run, json_t **ret_problem,
                    bool *ret_certified, struct err_text *text)
{
    char name[96];
    snprintf(name, sizeof name, "one of %d workers %g times slower", session->workers,
             a->session.slow_worker);
    struct published problem = {.name = name,
                                .family = "logistic",
                                .rows = SLOW_CHUNK_ROWS * SLOW_CHUNKS,
                                .columns = SLOW_COLUMNS,
                                .chunk_rows = SLOW_CHUNK_ROWS,
                                .seed = (uint64_t)a->seed,
                                .homes = session->members};
    return fit_made(session, &problem, run, 1, ret_problem, ret_certified, text);
}

/* Synchronous and asynchronous, with chunks that stay where they are and with chunks
 * that idle workers may take: each on data of its own, so that none gains by the
 * copies that another has left. */
static int slow_worker(const struct demo_arguments *a, struct session *session,
                       json_t **ret_problem, bool *ret_certified, struct err_text *text)
{
    json_t *all = NULL;
    int rc = 0;
    *ret_certified = true;
    for (int i = 0; rc == 0 && i < 4; i++) {
        struct run_options run =
            robust_run(i % 2 ? ADMM_ASYNC : ADMM_SYNC, LOCAL_LBFGS);
        run.pinned = i < 2;
        run.handover = SLOW_HANDOVER;
        json_t *problem = NULL;
        bool certified;
        rc = slow_run(a, session, &run, &problem, &certified, text);
        if (rc < 0)
            break;
        *ret_certified &= certified;
        if (all)
            json_array_extend(json_object_get(all, "runs"),
                              json_object_get(problem, "runs"));
        else
            all = json_incref(problem);
        json_decref(problem);
    }
    if (rc < 0)
        json_decref(all);
    else
        *ret_problem = all;
    return rc;
}

static int fashion(const char *images, const char *labels, struct session *session,
                   json_t **ret_problem, bool *ret_certified, struct err_text *text)
{
    struct run_options runs[VARIANTS];
    for (int i = 0; i < VARIANTS; i++)
        runs[i] = robust_run(variants[i], LOCAL_LBFGS);
    struct idx_source source = {.images = images,
                                .labels = labels,
                                .rows = FASHION_ROWS,
                                .columns = FASHION_WIDTH * FASHION_WIDTH,
                                .image_width = FASHION_WIDTH,
                                .positive = FASHION_SHIRT,
                                .chunks = FASHION_CHUNKS};
    struct fit_plan plan = {.l1 = FASHION_L1,
                            .intercept = true,
                            .runs = runs,
                            .run_count = VARIANTS,
                            .image_title = "What speaks for a shirt, pixel by pixel"};
    struct dataset data = {0};
    int rc =
        dataset_idx(session->client, &source, "Fashion-MNIST, shirts", &data, text);
    if (rc == 0)
        rc = fit_execute(session, &data, &plan, ret_problem, ret_certified, text);
    dataset_fini(&data);
    return rc;
}

/* "DIR/NAME" or "DIR/NAME.gz", whichever is there, as an absolute path. */
static bool find_file(const char *directory, const char *name, char *ret_path)
{
    static const char *const endings[] = {"", ".gz"};
    for (int i = 0; i < 2; i++) {
        char path[PATH_MAX];
        int length =
            snprintf(path, sizeof path, "%s/%s%s", directory, name, endings[i]);
        if (length > 0 && (size_t)length < sizeof path && realpath(path, ret_path))
            return true;
    }
    return false;
}

static int add_problem(const struct demo_arguments *a, json_t *problems,
                       json_t *problem, struct err_text *text)
{
    json_array_append_new(problems, problem);
    return a->json ? 0 : fit_print(problem, text);
}

static int demo_run(const struct demo_arguments *a, struct session *session,
                    json_t *problems, bool *ret_certified, struct err_text *text)
{
    char images[PATH_MAX], labels[PATH_MAX];
    json_t *problem;
    bool slow = a->session.slow_worker > 0;
    int rc = slow ? slow_worker(a, session, &problem, ret_certified, text)
                  : published(a, session, &problem, ret_certified, text);
    if (rc < 0)
        return rc;
    rc = add_problem(a, problems, problem, text);
    if (rc < 0 || slow)
        return rc;
    if (!a->images || !find_file(a->images, FASHION_IMAGES, images) ||
        !find_file(a->images, FASHION_LABELS, labels)) {
        if (a->images || !a->full)
            fprintf(stderr,
                    "dusk demo: no Fashion-MNIST files%s%s, that problem is left "
                    "out\n",
                    a->images ? " in " : "", a->images ? a->images : "");
        return 0;
    }
    bool certified;
    rc = fashion(images, labels, session, &problem, &certified, text);
    if (rc < 0)
        return rc;
    *ret_certified &= certified;
    return add_problem(a, problems, problem, text);
}

static int demo_write(const struct demo_arguments *a, const struct session *session,
                      json_t *problems, struct err_text *text)
{
    json_t *report = fit_report(session, json_incref(problems));
    int rc = report_write(report, a->report, text);
    if (rc == 0)
        rc = report_write_json(report, a->report_json, text);
    if (rc == 0 && a->json)
        rc = fit_print_json(report, text);
    json_decref(report);
    if (rc == 0)
        fprintf(stderr, "dusk demo: wrote %s and %s\n", a->report, a->report_json);
    return rc;
}

int command_demo(int argc, char **argv)
{
    struct demo_arguments arguments = {
        .columns = 100,
        .classic_time_ns = NOT_GIVEN,
        .seed = 1,
        .report = "report.html",
        .report_json = "report.json",
        .session.timeout_ns = SESSION_TIMEOUT_NS,
    };
    int rc = arguments_parse(&arguments, argc, argv);
    if (rc != OPTIONS_RUN)
        return rc == OPTIONS_DONE ? COMMAND_DONE : COMMAND_USAGE;
    struct err_text text = {""};
    struct session session = {0};
    json_t *problems = json_array();
    bool certified = false;
    rc = report_check_writable(arguments.report, &text);
    if (rc == 0)
        rc = report_check_writable(arguments.report_json, &text);
    if (rc == 0)
        rc = session_start(&arguments.session, &session, &text);
    if (rc == 0)
        rc = demo_run(&arguments, &session, problems, &certified, &text);
    if (rc == 0)
        rc = demo_write(&arguments, &session, problems, &text);
    session_stop(&session);
    json_decref(problems);
    if (rc < 0)
        return command_fail("dusk demo", text.line);
    return certified ? COMMAND_DONE : COMMAND_NOT_CERTIFIED;
}
