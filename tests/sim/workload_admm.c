/* A fit by the production driver (client/run.c), of a problem whose answer is known:
 * whatever happens to the cluster, the same answer, and certified. */
#include "client/admm.h"
#include "client/run.h"
#include "tests/numeric/cases.h"
#include "tests/sim/workload.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 1e-8

static const char *const cases[] = {"04", "13", "08"};
#define CASES 3
#define PROGRAMS_MAX 8

static const struct glm_case *case_of(int64_t number)
{
    static struct glm_case made[CASES];
    if (!made[number].figures)
        made[number] = case_create(cases[number]);
    return &made[number];
}

/* ---- the data, by a recipe of their own ---- */

int sim_case_chunk(struct dusk_task *task)
{
    int64_t number, chunk;
    int rc = dusk_task_args(task, "ll", &number, &chunk);
    if (rc < 0)
        return rc;
    const struct glm_case *c = case_of(number);
    const struct case_figures *figures = c->figures;
    int64_t first = 0;
    for (int64_t i = 0; i < chunk; i++)
        first += figures->chunk_rows[i];
    int64_t rows = figures->chunk_rows[chunk];
    struct dusk_array x = dusk_matrix(c->x + first * figures->columns, rows,
                                      figures->columns),
                      y = dusk_vector(c->y + first, rows);
    return dusk_task_return(task, "aa", &x, &y);
}

static int chunks_make(struct dusk_client *client, int64_t number, struct dataset *data)
{
    const struct case_figures *figures = case_of(number)->figures;
    *data = (struct dataset){.client = client,
                             .family = figures->family,
                             .name = strdup(figures->name),
                             .chunks = figures->chunk_count,
                             .rows = figures->rows,
                             .columns = figures->columns,
                             .y_item = 1};
    data->chunk_rows = calloc((size_t)data->chunks, sizeof *data->chunk_rows);
    data->x = data->y = calloc((size_t)data->chunks, sizeof *data->x);
    if (!data->name || !data->chunk_rows || !data->x)
        abort();
    memcpy(data->chunk_rows, figures->chunk_rows,
           (size_t)data->chunks * sizeof *data->chunk_rows);
    struct dusk_submit_options keep = {.keep_on_worker = 1};
    int rc = 0;
    for (int64_t i = 0; rc == 0 && i < data->chunks; i++)
        rc = dusk_submit_with(client, &keep, &data->x[i], "sim_case_chunk", "ll",
                              number, i);
    return rc;
}

/* ---- each (chunk, version) once ---- */

/* What each program's fit has applied: the highest version of each chunk. */
static int64_t applied[PROGRAMS_MAX][CASE_MAX_CHUNKS];

int __real_admm_arrive(struct admm *admm, const struct admm_ticket *ticket,
                       const double *x, int64_t evaluations, int64_t status,
                       int64_t now_ns);
int __wrap_admm_arrive(struct admm *admm, const struct admm_ticket *ticket,
                       const double *x, int64_t evaluations, int64_t status,
                       int64_t now_ns);
int __wrap_admm_arrive(struct admm *admm, const struct admm_ticket *ticket,
                       const double *x, int64_t evaluations, int64_t status,
                       int64_t now_ns)
{
    struct process *process = process_current();
    int64_t *version = &applied[program_number(process)][ticket->chunk];
    struct admm_counts before, after;
    admm_counts(admm, &before);
    int rc = __real_admm_arrive(admm, ticket, x, evaluations, status, now_ns);
    admm_counts(admm, &after);
    if (after.accepted == before.accepted)
        return rc;
    program_expect(process,
                   after.accepted == before.accepted + 1 && *version < ticket->version,
                   "ADMM applies version %lld of chunk %lld again",
                   (long long)ticket->version, (long long)ticket->chunk);
    *version = ticket->version;
    return rc;
}

/* ---- the fit ---- */

static int check_killed(void *arg, struct err_text *text)
{
    return program_is_killed(arg) ? err_set(text, DUSK_E_CANCELLED, "killed") : 0;
}

static void show_progress(void *arg, const char *stage, int64_t done, int64_t total)
{
    program_doing(arg, "%s: %lld of %lld", stage, (long long)done, (long long)total);
}

static void answer_check(struct process *process, const struct glm_case *c,
                         const struct model *model, struct run *run)
{
    double *b = run->answer.b;
    model_uncentre(model, b);
    double worst = 0, scale = 1;
    for (int64_t j = 0; j < c->unknowns; j++) {
        worst = fmax(worst, fabs(b[j] - c->figures->minimiser[j]));
        scale = fmax(scale, fabs(c->figures->minimiser[j]));
    }
    program_expect(process, run->status == RUN_CERTIFIED && run->answer.certified,
                   "%s, %s: %s", c->figures->name,
                   run_variant_name(run->options.variant),
                   run_status_name(run->status));
    program_expect(process, worst <= TOLERANCE * scale,
                   "%s, %s: the answer is off by %g", c->figures->name,
                   run_variant_name(run->options.variant), worst);
}

static int fit(struct process *process, struct dataset *data, const struct glm_case *c,
               enum admm_variant variant, struct err_text *text)
{
    struct watch watch = {
        .check = check_killed, .progress = show_progress, .arg = process};
    struct run_options options = {.form = ADMM_ROBUST,
                                  .variant = variant,
                                  .threads = 4,
                                  .tolerance = TOLERANCE,
                                  .staleness = 3};
    struct model model = {0};
    struct run run = {0};
    struct stream stream;
    stream_init(&stream);
    memset(applied[program_number(process)], 0, sizeof applied[0]);
    int rc = model_create(data, c->figures->l1, c->figures->intercept, &watch, &stream,
                          &model, text);
    if (rc == 0)
        rc = run_execute(&model, &options, &run, text);
    if (rc == 0) {
        program_count_tasks(process, run.counts.submitted);
        answer_check(process, c, &model, &run);
    }
    run_fini(&run);
    model_fini(&model);
    stream_fini(&stream);
    return rc;
}

/* What may end a fit, since its tasks have no retries: it is begun anew then, as its
 * user would. */
static bool may_end(struct process *process, int code, const char *line)
{
    return program_may_fail(process, code, line) ||
           (code == DUSK_E_UNREACHABLE && program_saw_any(process)) ||
           ((program_saw(process, FAULT_DISK) || program_saw(process, FAULT_READ)) &&
            (code == DUSK_E_MEMORY_LIMIT || code == DUSK_E_DISK_FULL));
}

static void run_fit(struct process *process)
{
    struct dusk_client *client = program_connect(process);
    int64_t number = (int64_t)program_random(process, CASES);
    enum admm_variant variant =
        (enum admm_variant)program_random(process, ADMM_BATCHED + 1);
    int rc = client ? -1 : 0;
    while (rc < 0 && !program_is_killed(process)) {
        struct dataset data;
        struct err_text text = {""};
        rc = chunks_make(client, number, &data);
        if (rc == 0)
            rc = fit(process, &data, case_of(number), variant, &text);
        program_expect(process, rc == 0 || may_end(process, rc, text.line), "fit: %s",
                       text.line);
        dataset_fini(&data);
        if (rc < 0)
            program_sleep(process, NS_PER_S);
    }
    dusk_close(client);
}

const struct workload workload_admm = {
    .name = "admm",
    .summary = "fits of small problems by asynchronous, batched and synchronous ADMM",
    .clients = 1,
    .limit_ns = 400 * NS_PER_S,
    .run = run_fit,
};

/* ---- everything at once ---- */

static void run_mixed(struct process *process)
{
    unsigned number = program_number(process);
    if (number == 0)
        workload_admm.run(process);
    else if (number == 1)
        workload_graph.run(process);
    else if (number == 2)
        workload_data.run(process);
    else
        workload_keep.run(process);
}

const struct workload workload_mixed = {
    .name = "mixed",
    .summary = "one client of each of these",
    .clients = 4,
    .limit_ns = 400 * NS_PER_S,
    .run = run_mixed,
};
