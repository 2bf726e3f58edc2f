#include "client/commands.h"

#include "client/fit.h"
#include "client/report.h"
#include "common/clock.h"
#include "common/options.h"

#include <math.h>
#include <string.h>

enum { VARIANT_ALL = 3, LOCAL_DEFAULT = 2 };
enum { KEEP_F64, KEEP_F32, KEEP_GRAM };

static const char *const families[] = {"normal", "logistic", NULL};
static const char *const variants[] = {"sync", "async", "batched", "all", NULL};
static const char *const forms[] = {"robust", "classic", NULL};
static const char *const kept_as[] = {"f64", "f32", "gram", NULL};
static const char *const locals[] = {"lbfgs", "gram", "auto", NULL};

struct admm_arguments {
    int family, variant, form, local, keep;
    double l1, rho, tolerance, staleness, handover;
    bool intercept, pin;
    int64_t rows, columns, chunk_rows, chunks, seed, max_time_ns;
    const char *input, *response;
    struct session_options session;
    const char *report;
    bool json;
};

/* Values that nobody gave; what they stand for depends on other options. */
#define L1_NOT_GIVEN (-1.0)
#define PUBLISHED_L1 7.2
#define PUBLISHED_ROWS 2000000
#define PUBLISHED_COLUMNS 100
#define PUBLISHED_CHUNK_ROWS 50000

static void arguments_default(struct admm_arguments *a)
{
    *a = (struct admm_arguments){
        .variant = ADMM_ASYNC,
        .form = ADMM_ROBUST,
        .local = LOCAL_DEFAULT,
        .l1 = L1_NOT_GIVEN,
        .rho = 1.2,
        .tolerance = 1e-8,
        .staleness = 3,
        .seed = 1,
        .response = "",
        .session.timeout_ns = SESSION_TIMEOUT_NS,
    };
}

#define COUNT_MAX (INT64_C(1) << 40)

/* Mistakes that only several options together show. */
static int arguments_check(struct admm_arguments *a, const struct command *command)
{
    if (session_check(&a->session, command) < 0)
        return DUSK_E_INVALID;
    if (a->chunks && a->chunk_rows)
        return options_complain(command, stderr,
                                "--chunks and --chunk-rows exclude each other");
    if (a->input && (a->rows || a->columns))
        return options_complain(command, stderr,
                                "--rows and --columns do not go with --input");
    if (a->input && a->l1 == L1_NOT_GIVEN)
        return options_complain(command, stderr, "--input needs --l1");
    if (a->input && (a->pin || a->keep != KEEP_F64))
        return options_complain(command, stderr,
                                "--pin and --keep do not go with --input");
    if (a->keep == KEEP_GRAM && (a->family == 1 || a->local == LOCAL_LBFGS))
        return options_complain(command, stderr,
                                "--keep gram is for --family normal and --local gram");
    if (a->keep == KEEP_GRAM && a->intercept)
        return options_complain(command, stderr,
                                "--keep gram does not go with --intercept: what is not "
                                "kept cannot be centred");
    if (a->keep == KEEP_GRAM)
        a->local = LOCAL_GRAM;
    if (!a->input && a->response[0])
        return options_complain(command, stderr, "--response needs --input");
    if (a->family == 1 && a->local == LOCAL_GRAM)
        return options_complain(command, stderr,
                                "--local gram is for --family normal only");
    if (a->l1 == L1_NOT_GIVEN)
        a->l1 = PUBLISHED_L1;
    if (a->input)
        return 0;
    a->rows = a->rows ? a->rows : PUBLISHED_ROWS;
    a->columns = a->columns ? a->columns : PUBLISHED_COLUMNS;
    if (a->chunks > a->rows)
        return options_complain(command, stderr,
                                "--chunks: %lld chunks are more than %lld rows",
                                (long long)a->chunks, (long long)a->rows);
    if (!a->chunk_rows)
        a->chunk_rows = PUBLISHED_CHUNK_ROWS;
    return 0;
}

static int arguments_parse(struct admm_arguments *a, int argc, char **argv)
{
    bool intercept = false, no_intercept = false;
    const struct option_spec options[] = {
        {.kind = OPTION_GROUP, .help = "Problem"},
        {.name = "family",
         .argument = "NAME",
         .kind = OPTION_CHOICE,
         .words = families,
         .to.choice = &a->family,
         .shown = true,
         .help = "the loss"},
        {.name = "l1",
         .argument = "L",
         .kind = OPTION_REAL,
         .min = 0,
         .max = INFINITY,
         .to.real = &a->l1,
         .help = "the weight of the penalty, beside the sum of losses (default for "
                 "the published problem: 7.2; needed with --input)"},
        {.name = "intercept",
         .kind = OPTION_FLAG,
         .to.flag = &intercept,
         .help = "fit an unpenalised intercept (default with --input)"},
        {.name = "no-intercept",
         .kind = OPTION_FLAG,
         .to.flag = &no_intercept,
         .help = "fit none (default without --input)"},
        {.kind = OPTION_GROUP, .help = "Data: the published problem, or a file"},
        {.name = "rows",
         .argument = "N",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = COUNT_MAX,
         .to.integer = &a->rows,
         .help = "rows of the published problem (default 2000000)"},
        {.name = "columns",
         .argument = "P",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = 100000,
         .to.integer = &a->columns,
         .help = "columns of the published problem (default 100)"},
        {.name = "chunk-rows",
         .argument = "N",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = COUNT_MAX,
         .to.integer = &a->chunk_rows,
         .help = "rows of a chunk (default 50000, or fewer for small files)"},
        {.name = "chunks",
         .argument = "N",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = 10000000,
         .to.integer = &a->chunks,
         .help = "number of chunks, instead of --chunk-rows"},
        {.name = "seed",
         .argument = "S",
         .kind = OPTION_INTEGER,
         .least = 0,
         .most = INT64_MAX,
         .to.integer = &a->seed,
         .shown = true,
         .help =
             "of the published problem, and of the random choices of --form classic"},
        {.name = "input",
         .argument = "FILE.csv",
         .kind = OPTION_STRING,
         .to.string = &a->input,
         .help = "numbers separated by commas, plain or .gz, under the same path on "
                 "all workers"},
        {.name = "response",
         .argument = "COLUMN",
         .kind = OPTION_STRING,
         .to.string = &a->response,
         .help = "name or number (from 1) of the response's column (default: the "
                 "last)"},
        {.name = "keep",
         .argument = "WHAT",
         .kind = OPTION_CHOICE,
         .words = kept_as,
         .to.choice = &a->keep,
         .shown = true,
         .help = "of the published problem's chunks: rows as doubles or as floats, or "
                 "only the Gram matrix, made a few rows at a time (normal only)"},
        {.name = "pin",
         .kind = OPTION_FLAG,
         .to.flag = &a->pin,
         .help = "spread the published problem's chunks evenly over the workers and "
                 "let no other worker compute on them, for experiments"},
        {.kind = OPTION_GROUP, .help = "Algorithm"},
        {.name = "variant",
         .argument = "NAME",
         .kind = OPTION_CHOICE,
         .words = variants,
         .to.choice = &a->variant,
         .shown = true,
         .help = "when the chunks' answers are combined"},
        {.name = "form",
         .argument = "NAME",
         .kind = OPTION_CHOICE,
         .words = forms,
         .to.choice = &a->form,
         .shown = true,
         .help = "robust, or as first published (White & Rocklin 2017)"},
        {.name = "local",
         .argument = "NAME",
         .kind = OPTION_CHOICE,
         .words = locals,
         .to.choice = &a->local,
         .shown = true,
         .help = "how a chunk is solved: L-BFGS on its rows, or its Gram matrix "
                 "(normal only)"},
        {.name = "rho",
         .argument = "R",
         .kind = OPTION_REAL,
         .min = 1e-300,
         .max = 1e300,
         .to.real = &a->rho,
         .shown = true,
         .help = "penalty parameter of --form classic"},
        {.name = "staleness",
         .argument = "T",
         .kind = OPTION_REAL,
         .min = 0,
         .max = 1e9,
         .to.real = &a->staleness,
         .shown = true,
         .help = "an update that is out for more than T times the number of chunks "
                 "is run a second time; 0: never"},
        {.name = "handover",
         .argument = "E",
         .kind = OPTION_REAL,
         .min = 0,
         .max = 1,
         .above_min = true,
         .to.real = &a->handover,
         .help = "relative residual at which ADMM hands over to Newton's method, which "
                 "converges from far away (default 0.05; logistic 0.01, or 0.1 with "
                 "few columns)"},
        {.name = "tolerance",
         .argument = "E",
         .kind = OPTION_REAL,
         .min = 0,
         .max = 1,
         .above_min = true,
         .to.real = &a->tolerance,
         .shown = true,
         .help = "relative duality gap to certify"},
        {.name = "max-time",
         .argument = "TIME",
         .kind = OPTION_DURATION,
         .least = 1,
         .most = INT64_MAX,
         .to.integer = &a->max_time_ns,
         .help = "give up a run after this long"},
        SESSION_OPTION_ROWS(&a->session),
        {.kind = OPTION_GROUP, .help = "Output"},
        {.name = "report",
         .argument = "FILE.html",
         .kind = OPTION_STRING,
         .to.string = &a->report,
         .help = "write a page with pictures"},
        {.name = "json",
         .kind = OPTION_FLAG,
         .to.flag = &a->json,
         .help = "print the result as JSON"},
        {0},
    };
    const struct command command = {
        .name = "dusk admm",
        .summary = "Fits an l1-regularised linear model by consensus ADMM on a cluster "
                   "and certifies the answer.",
        .options = options,
        .epilogue =
            "Minimises the sum of all rows' losses + L * (sum of the slopes' absolute "
            "values). The loss is (y - eta)^2 for normal, without a half, and "
            "log(1 + exp(eta)) - y eta for logistic, where y is 0 or 1. In other "
            "programs' terms, with n rows: scikit-learn's Lasso(alpha = L/(2n)) and "
            "LogisticRegression(penalty = \"l1\", C = 1/L); glmnet's lambda = L/(2n) "
            "for gaussian and L/n for binomial, with standardize = FALSE.\n\n"
            "--json prints the coefficients as runs[].coefficients, in the order of "
            "problem.column_names, the intercept last.\n\n"
            "Exit codes: 0 done, 1 failed, 2 usage, 3 not converged or not certified.",
    };
    int rc = options_parse(&command, argc, argv, stdout, stderr);
    if (rc == OPTIONS_RUN && intercept && no_intercept)
        rc = options_complain(&command, stderr,
                              "--intercept and --no-intercept exclude each other");
    a->intercept = no_intercept ? false : intercept || a->input;
    return rc == OPTIONS_RUN ? arguments_check(a, &command) : rc;
}

static int make_data(const struct admm_arguments *a, struct session *session,
                     struct dataset *ret_data, struct err_text *text)
{
    const char *family = families[a->family];
    if (a->input) {
        struct csv_source source = {a->input,      a->response, family,
                                    a->chunk_rows, a->chunks,   session->threads};
        return dataset_csv(session->client, &source, &session->watch, ret_data, text);
    }
    struct published problem = {.family = family,
                                .rows = a->rows,
                                .columns = a->columns,
                                .chunk_rows = a->chunk_rows,
                                .chunks = a->chunks,
                                .f32 = a->keep == KEEP_F32,
                                .reduced = a->keep == KEEP_GRAM,
                                .homes = a->pin ? session->members : NULL,
                                .seed = (uint64_t)a->seed};
    return dataset_published(session->client, &problem, ret_data, text);
}

/* Gram matrices are quick where they are exact; the classic form is shown on rows,
 * as it was published. */
static enum local_solver choose_local(const struct admm_arguments *a)
{
    if (a->local != LOCAL_DEFAULT)
        return (enum local_solver)a->local;
    return a->family == 0 && a->form == ADMM_ROBUST ? LOCAL_GRAM : LOCAL_LBFGS;
}

static void warn(const char *line)
{
    fprintf(stderr, "dusk admm: warning: %s\n", line);
}

static int fit(const struct admm_arguments *a, struct session *session,
               json_t **ret_problem, bool *ret_certified, struct err_text *text)
{
    struct run_options runs[3];
    int count = a->variant == VARIANT_ALL ? 3 : 1;
    for (int i = 0; i < count; i++)
        runs[i] = (struct run_options){
            .form = (enum admm_form)a->form,
            .variant = (enum admm_variant)(count == 3 ? i : a->variant),
            .local = choose_local(a),
            .tolerance = a->tolerance,
            .staleness = a->staleness,
            .handover = a->handover,
            .rho = a->rho,
            .seed = (uint64_t)a->seed,
            .max_time_s = (double)a->max_time_ns / (double)NS_PER_S,
            .pinned = a->pin,
        };
    struct fit_plan plan = {.l1 = a->l1,
                            .intercept = a->intercept,
                            .runs = runs,
                            .run_count = count,
                            .seed = (uint64_t)a->seed,
                            .warn = warn};
    struct dataset data = {0};
    int rc = make_data(a, session, &data, text);
    if (rc == 0)
        rc = fit_execute(session, &data, &plan, ret_problem, ret_certified, text);
    dataset_fini(&data);
    return rc;
}

static int show(const struct admm_arguments *a, const struct session *session,
                json_t *problem, struct err_text *text)
{
    int rc = a->json ? fit_print_json(problem, text) : fit_print(problem, text);
    if (rc == 0 && a->report) {
        json_t *report = fit_report(session, json_pack("[O]", problem));
        rc = report_write(report, a->report, text);
        json_decref(report);
    }
    return rc;
}

int command_admm(int argc, char **argv)
{
    struct admm_arguments arguments;
    struct err_text text = {""};
    struct session session = {0};
    json_t *problem = NULL;
    bool certified = false;
    arguments_default(&arguments);
    int rc = arguments_parse(&arguments, argc, argv);
    if (rc != OPTIONS_RUN)
        return rc == OPTIONS_DONE ? COMMAND_DONE : COMMAND_USAGE;
    if (arguments.report)
        rc = report_check_writable(arguments.report, &text);
    if (rc == 0)
        rc = session_start(&arguments.session, &session, &text);
    if (rc == 0)
        rc = fit(&arguments, &session, &problem, &certified, &text);
    if (rc == 0)
        rc = show(&arguments, &session, problem, &text);
    session_stop(&session);
    json_decref(problem);
    if (rc < 0)
        return command_fail("dusk admm", text.line);
    return certified ? COMMAND_DONE : COMMAND_NOT_CERTIFIED;
}
