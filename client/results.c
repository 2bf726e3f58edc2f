#include "client/results.h"

#include "client/gaps.h"
#include "client/json_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* JSON has no infinity and no NaN. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

/* A gap below zero is rounding. */
static json_t *duality_gap_json(const struct answer *answer)
{
    return number(answer->b && answer->has_gap ? fmax(answer->relative_gap, 0) : NAN);
}

/* ---- the reference ---- */

static const struct answer *best_answer(const struct results *results)
{
    const struct answer *best = NULL;
    for (int i = 0; i < results->run_count; i++) {
        const struct answer *answer = &results->runs[i]->answer;
        if (!answer->b || !isfinite(answer->objective))
            continue;
        if (!best || answer->certified > best->certified ||
            (answer->certified == best->certified &&
             answer->objective < best->objective))
            best = answer;
    }
    return best;
}

/* The optimum that gaps are measured against; polished from zero where all runs
 * diverged. */
static int find_reference(const struct results *results, struct answer *ret_reference,
                          struct err_text *text)
{
    struct model *model = results->model;
    const struct answer *best = best_answer(results);
    double tolerance = results->runs[0]->options.tolerance;
    size_t q = (size_t)model->q;
    double *b = calloc(q, sizeof *b);
    if (!b)
        return err_set(text, DUSK_E_NOMEM, "no memory for coefficients");
    if (best)
        memcpy(b, best->b, q * sizeof *b);
    bool polish = !best || !best->certified;
    int rc = finish(model, b, polish, tolerance, ret_reference, text);
    free(b);
    return rc;
}

/* ---- one run ---- */

static json_t *coefficients_json(const struct model *model, const double *centred)
{
    size_t q = (size_t)model->q;
    double *b = malloc(q * sizeof *b);
    json_t *array = json_array();
    if (b) {
        memcpy(b, centred, q * sizeof *b);
        model_uncentre(model, b);
        for (size_t j = 0; j < q; j++)
            json_array_append_new(array, number(b[j]));
    }
    free(b);
    return array;
}

static json_t *trace_json(const struct run *run, const double *gaps)
{
    json_t *trace = json_array();
    for (int64_t k = 0; k < run->point_count; k++) {
        const struct run_point *point = &run->points[k];
        json_t *row = json_array();
        json_array_append_new(row, number(point->seconds));
        json_array_append_new(row, json_integer(point->updates));
        json_array_append_new(row, number(gaps[k]));
        json_array_append_new(row, number(point->primal));
        json_array_append_new(row, number(point->dual));
        json_array_append_new(trace, row);
    }
    return trace;
}

static json_t *seconds_to_gap_json(const struct run *run, const double *gaps)
{
    json_t *object = json_object();
    for (int g = 0; g < GAPS; g++) {
        int64_t first = gaps_reach(gaps, run->point_count, gaps_levels[g].value);
        json_object_set_new(object, gaps_levels[g].name,
                            first < run->point_count
                                ? number(run->points[first].seconds)
                                : json_null());
    }
    return object;
}

static json_t *threads_json(const struct stream *stream)
{
    json_t *threads = json_array();
    for (int i = 0; i < stream->thread_count; i++)
        json_array_append_new(threads,
                              json_sprintf("worker %lld, thread %lld",
                                           (long long)stream->threads[i].worker,
                                           (long long)stream->threads[i].thread));
    return threads;
}

static json_t *kinds_json(const struct stream *stream)
{
    json_t *kinds = json_array();
    for (int i = 0; i < stream->kind_count; i++)
        json_array_append_new(kinds, json_string(stream->kinds[i]));
    return kinds;
}

static json_t *tasks_json(const struct stream *stream)
{
    json_t *tasks = json_array();
    for (size_t i = 0; i < stream->task_count; i++) {
        const struct stream_task *task = &stream->tasks[i];
        json_t *row = json_array();
        json_array_append_new(row, json_integer(task->thread));
        json_array_append_new(row, json_integer(task->kind));
        json_array_append_new(row, json_integer(task->chunk));
        json_array_append_new(row, number(task->start_s));
        json_array_append_new(row, number(task->stop_s));
        json_array_append_new(tasks, row);
    }
    return tasks;
}

/* The few tasks of the set-up name their kind. */
static json_t *setup_tasks_json(const struct stream *stream)
{
    json_t *tasks = json_array();
    for (size_t i = 0; i < stream->task_count; i++) {
        const struct stream_task *task = &stream->tasks[i];
        json_array_append_new(tasks, json_pack("[i s f f]", task->thread,
                                               stream->kinds[task->kind], task->start_s,
                                               task->stop_s));
    }
    return tasks;
}

static json_t *run_json(const struct model *model, const struct run *run,
                        const double *gaps, double gap)
{
    const struct run_options *options = &run->options;
    const struct answer *answer = &run->answer;
    bool known = answer->b != NULL;
    double admm = run->admm_seconds > 0 ? run->admm_seconds : NAN;
    json_t *object = json_pack(
        "{s:s s:s s:s s:s s:I s:o s:o s:o}", "variant",
        run_variant_name(options->variant), "form", run_form_name(options->form),
        "local", run_local_name(options->local), "status", run_status_name(run->status),
        "updates", (json_int_t)run->counts.accepted, "seconds", number(run->seconds),
        "admm_seconds", number(run->admm_seconds), "updates_per_second",
        number((double)run->counts.accepted / admm));
    json_object_set_new(object, "pinned", json_boolean(options->pinned));
    json_object_set_new(object, "objective", number(known ? answer->objective : NAN));
    json_object_set_new(object, "gap", number(gap));
    json_object_set_new(object, "kkt", number(known ? answer->kkt : NAN));
    json_object_set_new(object, "duality_gap", duality_gap_json(answer));
    json_object_set_new(object, "certified", json_boolean(known && answer->certified));
    json_object_set_new(object, "reason", json_string(run->reason));
    json_object_set_new(
        object, "busy_fraction",
        number(stream_busy(&run->stream, options->threads, run->seconds)));
    json_object_set_new(object, "seconds_to_gap", seconds_to_gap_json(run, gaps));
    json_object_set_new(object, "coefficients",
                        known ? coefficients_json(model, answer->b) : json_array());
    json_object_set_new(object, "threads", threads_json(&run->stream));
    json_object_set_new(object, "kinds", kinds_json(&run->stream));
    json_object_set_new(object, "tasks", tasks_json(&run->stream));
    json_object_set_new(object, "trace", trace_json(run, gaps));
    return object;
}

static int append_run(const struct results *results, const struct run *run,
                      const struct answer *reference, json_t *runs,
                      struct err_text *text)
{
    double *gaps = calloc((size_t)run->point_count + 1, sizeof *gaps), gap = NAN;
    int rc = gaps ? gaps_measure(results->model, reference, run->z, run->point_count,
                                 gaps, text)
                  : err_set(text, DUSK_E_NOMEM, "no memory for the trace");
    if (rc == 0 && run->answer.b && run->point_count)
        gap = gaps[run->point_count - 1];
    if (rc == 0)
        json_array_append_new(runs, run_json(results->model, run, gaps, gap));
    free(gaps);
    return rc;
}

/* ---- the problem ---- */

static int count_nonzero(const struct model *model, const double *b)
{
    int count = 0;
    for (int64_t j = 0; j < model->data->columns; j++)
        count += b[j] != 0;
    return count;
}

/* In the order of the coefficients. */
static json_t *names_json(const struct model *model)
{
    const struct dataset *data = model->data;
    json_t *names = json_array();
    for (int64_t j = 0; j < data->columns && data->columns_named; j++)
        json_array_append_new(names, json_text(data->columns_named[j]));
    if (data->columns_named && model->intercept)
        json_array_append_new(names, json_string("(intercept)"));
    return names;
}

static json_t *image_json(const struct results *results)
{
    const struct dataset *data = results->model->data;
    return json_pack("{s:I s:I s:s}", "width", (json_int_t)data->image_width, "height",
                     (json_int_t)(data->columns / data->image_width), "title",
                     results->image_title ? results->image_title : data->name);
}

static json_t *problem_json(const struct results *results,
                            const struct answer *reference)
{
    const struct model *model = results->model;
    const struct dataset *data = model->data;
    json_t *object = json_pack(
        "{s:o s:s s:I s:I s:I s:I s:f s:b s:s s:I s:f}", "name", json_text(data->name),
        "family", data->family, "rows", (json_int_t)data->rows, "columns",
        (json_int_t)data->columns, "chunks", (json_int_t)data->chunks, "chunk_rows",
        (json_int_t)data->chunk_rows[0], "l1", model->l1, "intercept",
        (int)model->intercept, "local", run_local_name(results->local), "seed",
        (json_int_t)results->seed, "setup_seconds", results->setup_seconds);
    json_object_set_new(object, "objective", number(reference->objective));
    json_object_set_new(object, "duality_gap", duality_gap_json(reference));
    json_object_set_new(object, "kkt", number(reference->kkt));
    json_object_set_new(object, "certified", json_boolean(reference->certified));
    json_object_set_new(object, "nonzero",
                        json_integer(count_nonzero(model, reference->b)));
    json_object_set_new(object, "column_names", names_json(model));
    if (data->image_width > 0)
        json_object_set_new(object, "image", image_json(results));
    json_object_set_new(object, "setup_tasks", setup_tasks_json(results->setup));
    json_object_set_new(object, "setup_threads", threads_json(results->setup));
    return object;
}

int results_create(const struct results *results, json_t **ret_json,
                   struct err_text *text)
{
    struct answer reference = {0};
    int rc = find_reference(results, &reference, text);
    if (rc < 0)
        return rc;
    json_t *runs = json_array();
    for (int i = 0; rc == 0 && i < results->run_count; i++)
        rc = append_run(results, results->runs[i], &reference, runs, text);
    if (rc < 0)
        json_decref(runs);
    else
        *ret_json = json_pack("{s:o s:o}", "problem", problem_json(results, &reference),
                              "runs", runs);
    if (rc == 0 && !*ret_json)
        rc = err_set(text, DUSK_E_NOMEM, "no memory for the results");
    answer_fini(&reference);
    return rc;
}
