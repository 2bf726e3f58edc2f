#include "client/fit.h"

#include "client/footprint.h"
#include "client/table.h"
#include "common/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The published asynchronous iteration advances the dual of a chunk that is already
 * in flight; with most chunks in flight that happens all the time. */
static void warn_if_fragile(const struct session *session, const struct fit_plan *plan,
                            const struct dataset *data)
{
    for (int i = 0; plan->warn && i < plan->run_count; i++) {
        const struct run_options *run = &plan->runs[i];
        if (run->form != ADMM_CLASSIC || run->variant == ADMM_SYNC ||
            2 * session->threads < data->chunks)
            continue;
        char line[256];
        snprintf(line, sizeof line,
                 "the classic form with %d updates in flight and %lld chunks draws "
                 "chunks that are in flight already: it is known to diverge then",
                 2 * session->threads, (long long)data->chunks);
        plan->warn(line);
        return;
    }
}

static int fit_runs(struct session *session, struct model *model,
                    const struct fit_plan *plan, struct run **runs, int *ret_done,
                    struct err_text *text)
{
    for (int i = 0; i < plan->run_count; i++) {
        struct run_options options = plan->runs[i];
        options.threads = session->threads;
        session_label(session, "%s, %s %s", model->data->name,
                      run_form_name(options.form), run_variant_name(options.variant));
        struct run *run = calloc(1, sizeof *run);
        if (!run)
            return err_set(text, DUSK_E_NOMEM, "no memory for a run");
        int rc = run_execute(model, &options, run, text);
        if (rc < 0) {
            free(run);
            return rc;
        }
        runs[(*ret_done)++] = run;
    }
    return 0;
}

static bool all_certified(struct run *const *runs, int count)
{
    bool robust = false, certified = true, any = false;
    for (int i = 0; i < count; i++)
        robust |= runs[i]->options.form == ADMM_ROBUST;
    for (int i = 0; i < count; i++) {
        if (robust && runs[i]->options.form == ADMM_CLASSIC)
            continue;
        any = true;
        certified &= runs[i]->status == RUN_CERTIFIED;
    }
    return any && certified;
}

int fit_execute(struct session *session, struct dataset *data,
                const struct fit_plan *plan, json_t **ret_problem,
                bool *ret_all_certified, struct err_text *text)
{
    struct stream setup;
    struct model model = {0};
    int done = 0;
    struct run **runs = calloc((size_t)plan->run_count, sizeof *runs);
    if (!runs)
        return err_set(text, DUSK_E_NOMEM, "no memory for runs");
    warn_if_fragile(session, plan, data);
    stream_init(&setup);
    session_label(session, "%s", data->name);
    int rc = model_create(data, plan->l1, plan->intercept, &session->watch, &setup,
                          &model, text);
    double setup_seconds = stream_now(&setup);
    if (rc == 0)
        rc = fit_runs(session, &model, plan, runs, &done, text);
    if (rc == 0) {
        struct results results = {
            .model = &model,
            .runs = runs,
            .run_count = done,
            .local = plan->runs[plan->run_count - 1].local,
            .seed = plan->seed,
            .setup_seconds = setup_seconds,
            .setup = &setup,
            .image_title = plan->image_title,
        };
        session_label(session, "%s", data->name);
        rc = results_create(&results, ret_problem, text);
    }
    if (rc == 0 && session->cluster)
        json_object_set_new(json_object_get(*ret_problem, "problem"), "memory",
                            footprint_json(session->memory_total));
    if (rc == 0)
        *ret_all_certified = all_certified(runs, done);
    progress_clear(&session->progress);
    for (int i = 0; i < done; i++) {
        run_fini(runs[i]);
        free(runs[i]);
    }
    free(runs);
    model_fini(&model);
    stream_fini(&setup);
    return rc;
}

static double real_of(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

static long long integer_of(const json_t *object, const char *name)
{
    return (long long)json_integer_value(json_object_get(object, name));
}

#define COEFFICIENTS_SHOWN 40

/* Of the first certified run, those that are not zero, for columns with names. */
static void print_coefficients(const json_t *problem, const json_t *runs)
{
    const json_t *names = json_object_get(problem, "column_names"), *b = NULL;
    for (size_t i = 0; !b && i < json_array_size(runs); i++)
        if (json_is_true(json_object_get(json_array_get(runs, i), "certified")))
            b = json_object_get(json_array_get(runs, i), "coefficients");
    if (!b || json_array_size(names) != json_array_size(b))
        return;
    int shown = 0, more = 0;
    for (size_t j = 0; j < json_array_size(b); j++) {
        double value = json_number_value(json_array_get(b, j));
        if (value != 0 && shown == COEFFICIENTS_SHOWN)
            more++;
        if (value != 0 && shown < COEFFICIENTS_SHOWN && ++shown)
            printf("%16.9g  %s\n", value, json_string_value(json_array_get(names, j)));
    }
    if (more)
        printf("%16s  and %d more that are not zero: see --json\n", "...", more);
}

static int flush_output(struct err_text *text)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return err_set(text, DUSK_E_IO, "cannot write to standard output: %s",
                   strerror(errno));
}

static struct units_text bytes_of(const json_t *object, const char *name)
{
    return units_bytes(integer_of(object, name));
}

/* "memory: at most 1.2 GiB of 4.0 GiB (dusk 30 MiB, dusk-keeper 2 MiB, ...)" */
static void print_memory(const json_t *memory)
{
    const json_t *limit = json_object_get(memory, "limit_bytes");
    const json_t *processes = json_object_get(memory, "processes");
    printf("memory of all processes: %s at most", bytes_of(memory, "peak_bytes").text);
    if (json_is_integer(limit))
        printf(", of %s that the kernel would give",
               bytes_of(memory, "limit_bytes").text);
    for (size_t i = 0; i < json_array_size(processes); i++) {
        const json_t *process = json_array_get(processes, i);
        printf("%s%s %s", i ? ", " : " (",
               json_string_value(json_object_get(process, "name")),
               bytes_of(process, "peak_bytes").text);
    }
    printf(")\n");
}

int fit_print(const json_t *problem, struct err_text *text)
{
    const json_t *p = json_object_get(problem, "problem");
    long long chunks = integer_of(p, "chunks");
    printf("%s: %s, %lld x %lld in %lld chunk%s, l1 = %g%s\n",
           json_string_value(json_object_get(p, "name")),
           json_string_value(json_object_get(p, "family")), integer_of(p, "rows"),
           integer_of(p, "columns"), chunks, chunks == 1 ? "" : "s", real_of(p, "l1"),
           json_is_true(json_object_get(p, "intercept")) ? ", with intercept" : "");
    const json_t *gap = json_object_get(p, "duality_gap");
    printf("optimum %.12g, %lld of %lld coefficients not zero; ",
           real_of(p, "objective"), integer_of(p, "nonzero"), integer_of(p, "columns"));
    if (json_is_number(gap))
        printf("duality gap %.1e, ", json_number_value(gap));
    printf("%s; set-up %.2f s\n",
           json_is_true(json_object_get(p, "certified")) ? "certified"
                                                         : "NOT certified",
           real_of(p, "setup_seconds"));
    if (json_object_get(p, "memory"))
        print_memory(json_object_get(p, "memory"));
    printf("\n");
    const json_t *runs = json_object_get(problem, "runs");
    int rc = table_print_runs(stdout, runs, text);
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        const char *reason = json_string_value(json_object_get(run, "reason"));
        if (reason && reason[0])
            printf("%s %s: %s\n", json_string_value(json_object_get(run, "form")),
                   json_string_value(json_object_get(run, "variant")), reason);
    }
    printf("\n");
    print_coefficients(p, runs);
    return rc < 0 ? rc : flush_output(text);
}

int fit_print_json(const json_t *document, struct err_text *text)
{
    if (json_dumpf(document, stdout, JSON_COMPACT) == 0)
        putchar('\n');
    return flush_output(text);
}

json_t *fit_report(const struct session *session, json_t *problems)
{
    char created[32];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", &utc);
    int per_worker = session->workers ? session->threads / session->workers : 0;
    return json_pack("{s:s s:s s:{s:i s:i s:i} s:o}", "dusk", DUSK_VERSION, "created",
                     created, "host", "cores", (int)sysconf(_SC_NPROCESSORS_ONLN),
                     "workers", session->workers, "threads_per_worker", per_worker,
                     "problems", problems);
}
