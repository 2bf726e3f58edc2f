#include "client/model.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SUM_FAN_IN 8
#define REDUCED_BLOCK_ROWS 512 /* of random_gram */
#define LOSSES_PER_TASK 64

/* ---- futures by the chunk ---- */

static struct dusk_future **futures_create(unsigned count)
{
    return calloc(count, sizeof(struct dusk_future *));
}

static void futures_destroy(struct dusk_future **futures, int64_t count)
{
    if (futures)
        dusk_release(futures, (int)count);
    free(futures);
}

static int model_await(struct model *model, const char *stage,
                       struct dusk_future *const *futures, int64_t count,
                       struct err_text *text)
{
    return watch_await(&model->watch, model->data->client, stage, futures, (int)count,
                       text);
}

static void note_all(struct model *model, const char *kind,
                     struct dusk_future *const *futures)
{
    for (int64_t i = 0; i < model->data->chunks; i++)
        stream_add(model->stream, kind, i, futures[i]);
}

/* Submits one task a chunk, waits for all, and hands each result to `take`. */
typedef int submit_fn(struct model *model, int64_t chunk, const void *arg,
                      struct dusk_future **ret_future);
typedef int take_fn(struct model *model, int64_t chunk, struct dusk_future *future,
                    void *arg);

static int for_chunks(struct model *model, const char *stage, const char *kind,
                      submit_fn *submit, const void *submit_arg, take_fn *take,
                      void *take_arg, struct err_text *text)
{
    int64_t chunks = model->data->chunks;
    struct dusk_future **futures = futures_create((unsigned)chunks);
    int rc = futures ? 0 : err_set(text, DUSK_E_NOMEM, "no memory for futures");
    for (int64_t i = 0; rc == 0 && i < chunks; i++)
        if ((rc = submit(model, i, submit_arg, &futures[i])) < 0)
            watch_failed(rc, text);
    if (rc == 0)
        rc = model_await(model, stage, futures, chunks, text);
    if (rc == 0)
        rc = watch_fetch(&model->watch, futures, (int)chunks, text);
    if (rc == 0)
        note_all(model, kind, futures);
    for (int64_t i = 0; rc == 0 && i < chunks; i++)
        if ((rc = take(model, i, futures[i], take_arg)) < 0)
            watch_failed(rc, text);
    futures_destroy(futures, chunks);
    return rc;
}

/* ---- set-up ---- */

static int submit_moments(struct model *model, int64_t chunk, const void *arg,
                          struct dusk_future **ret_future)
{
    struct dataset *data = model->data;
    struct dusk_submit_options at = dataset_options(data, chunk, false);
    return dusk_submit_with(data->client, &at, ret_future, "glm_moments", "lFFs", chunk,
                            data->x[chunk], 0, data->y[chunk], data->y_item,
                            data->family);
}

static int take_moments(struct model *model, int64_t chunk, struct dusk_future *future,
                        void *arg)
{
    struct dusk_array sum;
    int64_t rows, *total = arg;
    int rc = dusk_result(future, 0, "la*", &rows, &sum);
    if (rc < 0)
        return rc;
    *total += rows;
    for (int64_t j = 0; j < model->data->columns; j++)
        model->mu[j] += ((double *)sum.data)[j];
    return 0;
}

/* A pass over the data that only the means of a centred model need. */
static int model_means(struct model *model, struct err_text *text)
{
    int64_t rows = 0;
    int rc = for_chunks(model, "moments", "glm_moments", submit_moments, NULL,
                        take_moments, &rows, text);
    for (int64_t j = 0; rows > 0 && j < model->data->columns; j++)
        model->mu[j] /= (double)rows;
    return rc;
}

static int model_await_data(struct model *model, struct err_text *text)
{
    struct dataset *data = model->data;
    if (data->gram)
        return 0;
    int rc = model_await(model, "data", data->x, data->chunks, text);
    if (rc == 0)
        rc = model_await(model, "data", data->y, data->chunks, text);
    if (rc < 0)
        return rc;
    note_all(model, "data", data->x);
    if (data->y != data->x)
        note_all(model, "response", data->y);
    return 0;
}

static int submit_grams(struct model *model, struct err_text *text)
{
    struct dataset *data = model->data;
    struct dusk_array mu = dusk_vector(model->mu, data->columns);
    for (int64_t i = 0; data->gram && i < data->chunks; i++)
        model->gram[i] = dusk_future_ref(data->gram[i]);
    for (int64_t i = 0; !data->gram && i < data->chunks; i++) {
        struct dusk_submit_options keep = dataset_options(data, i, true);
        int rc = dusk_submit_with(data->client, &keep, &model->gram[i], "glm_gram",
                                  "lFFasl", i, data->x[i], 0, data->y[i], data->y_item,
                                  &mu, data->family, (int64_t)model->intercept);
        if (rc < 0)
            return watch_failed(rc, text);
    }
    return 0;
}

/* What is short and waited for runs before what is long. */
#define AT_ONCE -1

static int submit_summary(struct model *model, int64_t chunk, const void *arg,
                          struct dusk_future **ret_future)
{
    struct dusk_submit_options at = dataset_options(model->data, chunk, false);
    at.priority = AT_ONCE;
    return dusk_submit_with(model->data->client, &at, ret_future, "glm_gram_summary",
                            "f", model->gram[chunk]);
}

static int take_summary(struct model *model, int64_t chunk, struct dusk_future *future,
                        void *arg)
{
    struct dusk_array diag;
    int64_t rows;
    int rc = dusk_result(future, 0, "al", &diag, &rows);
    if (rc < 0)
        return rc;
    model->data->chunk_rows[chunk] = rows;
    metric_set(&model->metric, chunk, rows, diag.data);
    return 0;
}

static int submit_factors(struct model *model, struct err_text *text)
{
    struct dataset *data = model->data;
    struct dusk_array mu = dusk_vector(model->mu, data->columns);
    for (int64_t i = 0; i < data->chunks; i++) {
        struct dusk_array metric = dusk_vector(metric_row(&model->metric, i), model->q);
        struct dusk_submit_options keep = dataset_options(data, i, true);
        int rc = dusk_submit_with(data->client, &keep, &model->factor[i], "glm_factor",
                                  "Faad", model->gram[i], 0, &metric, &mu,
                                  model->normal ? 2.0 : 0.25);
        if (rc < 0)
            return watch_failed(rc, text);
    }
    return 0;
}

/* Replaces the `n` futures at `group` by one of their sum; a lone one is its own. */
static int sum_group(struct model *model, struct dusk_future **group, int n,
                     struct dusk_future **ret_sum)
{
    struct dusk_argument arguments[SUM_FAN_IN] = {0};
    struct dusk_submit_options keep = {.priority = -1, .keep_on_worker = 1};
    struct dusk_future *sum = NULL;
    int rc = 0;
    if (n == 1) {
        sum = dusk_future_ref(group[0]);
    } else {
        for (int i = 0; i < n; i++)
            arguments[i].future = group[i];
        rc = dusk_submit_arguments(model->data->client, &keep, &sum, "sum", n,
                                   arguments);
    }
    dusk_release(group, n);
    *ret_sum = sum;
    return rc;
}

/* Adds up all results on the workers, SUM_FAN_IN at a time, until one is left. */
static int tree_sum(struct model *model, struct dusk_future *const *leaves,
                    int64_t count, struct dusk_future **ret_sum, struct err_text *text)
{
    struct dusk_future **level = futures_create((unsigned)count);
    if (!level)
        return err_set(text, DUSK_E_NOMEM, "no memory for futures");
    for (int64_t i = 0; i < count; i++)
        level[i] = dusk_future_ref(leaves[i]);
    int rc = 0;
    for (int64_t width = count, parents; rc == 0 && width > 1; width = parents) {
        parents = (width + SUM_FAN_IN - 1) / SUM_FAN_IN;
        for (int64_t i = 0; rc == 0 && i < parents; i++) {
            int64_t first = i * SUM_FAN_IN, left = width - first;
            rc = sum_group(model, &level[first],
                           left < SUM_FAN_IN ? (int)left : SUM_FAN_IN, &level[i]);
        }
    }
    if (rc == 0) {
        *ret_sum = level[0];
        level[0] = NULL;
    } else {
        watch_failed(rc, text);
    }
    futures_destroy(level, count);
    return rc;
}

/* The sum of all Gram matrices, and of what else glm_gram answers. */
static int take_total(struct model *model, struct dusk_future *sum,
                      struct err_text *text)
{
    struct dusk_array gram, c;
    size_t q = (size_t)model->q;
    int rc = model_await(model, "gram", &sum, 1, text);
    if (rc == 0)
        rc = watch_fetch(&model->watch, &sum, 1, text);
    if (rc == 0 &&
        (rc = dusk_result(sum, 0, "aa*d**", &gram, &c, &model->total.y_y)) < 0)
        watch_failed(rc, text);
    if (rc < 0)
        return rc;
    memcpy(model->total.G, gram.data, q * q * sizeof(double));
    memcpy(model->total.c, c.data, q * sizeof(double));
    return 0;
}

static int count_rows(struct model *model, struct err_text *text)
{
    struct dataset *data = model->data;
    int64_t most = 0;
    data->rows = 0;
    for (int64_t i = 0; i < data->chunks; i++) {
        data->rows += data->chunk_rows[i];
        most = data->chunk_rows[i] > most ? data->chunk_rows[i] : most;
    }
    if (data->gram) /* see worker/functions.h */
        most = REDUCED_BLOCK_ROWS + most / REDUCED_BLOCK_ROWS + 1;
    model->total.additions = most + data->chunks;
    return data->rows > 0 ? 0
                          : err_set(text, DUSK_E_DATA, "%s has no rows", data->name);
}

/* The pass over the data: Gram matrices stay where they are made, their diagonals come
 * here, and from them goes back what each chunk is factorised with.  The sums are
 * submitted with their terms, and their result travels while factors are computed. */
static int model_pass(struct model *model, struct err_text *text)
{
    struct dusk_future *sum = NULL;
    int64_t chunks = model->data->chunks;
    int rc = submit_grams(model, text);
    if (rc == 0 && model->normal)
        rc = tree_sum(model, model->gram, chunks, &sum, text);
    if (rc == 0)
        rc = for_chunks(model, "gram", "glm_gram_summary", submit_summary, NULL,
                        take_summary, NULL, text);
    if (rc == 0) {
        note_all(model, model->data->gram ? "random_gram" : "glm_gram", model->gram);
        rc = count_rows(model, text);
    }
    if (rc == 0) {
        metric_finish(&model->metric, model->normal ? 2 : 0.25,
                      model->normal ? 1 : 0.5);
        rc = submit_factors(model, text);
    }
    if (rc == 0 && model->normal)
        rc = take_total(model, sum, text);
    if (rc == 0)
        rc = model_await(model, "factor", model->factor, chunks, text);
    if (rc == 0)
        note_all(model, "glm_factor", model->factor);
    dusk_release(&sum, 1);
    return rc;
}

static int model_allocate(struct model *model)
{
    size_t q = (size_t)model->q;
    int64_t chunks = model->data->chunks;
    model->penalty = calloc(q, sizeof *model->penalty);
    model->mu = calloc((size_t)model->data->columns, sizeof *model->mu);
    model->gram = futures_create((unsigned)chunks);
    model->factor = futures_create((unsigned)chunks);
    if (!model->penalty || !model->mu || !model->gram || !model->factor)
        return DUSK_E_NOMEM;
    int rc = model->normal ? gram_init(&model->total, model->q) : 0;
    return rc < 0 ? rc : metric_init(&model->metric, chunks, model->q);
}

int model_create(struct dataset *data, double l1, bool intercept,
                 const struct watch *watch, struct stream *stream,
                 struct model *ret_model, struct err_text *text)
{
    struct model model = {.data = data,
                          .watch = *watch,
                          .stream = stream,
                          .intercept = intercept,
                          .normal = strcmp(data->family, "normal") == 0,
                          .q = data->columns + intercept,
                          .l1 = l1};
    /* The cores are the workers': threads of BLAS here would only spin on them. */
    openblas_set_num_threads(1);
    int rc = model_allocate(&model);
    if (rc < 0)
        err_set(text, rc, "no memory for %lld columns", (long long)data->columns);
    for (int64_t j = 0; rc == 0 && j < data->columns; j++)
        model.penalty[j] = 1;
    if (rc == 0)
        rc = model_await_data(&model, text);
    if (rc == 0 && intercept)
        rc = model_means(&model, text);
    if (rc == 0)
        rc = model_pass(&model, text);
    if (rc < 0) {
        model_fini(&model);
        return rc;
    }
    model.problem =
        (struct penalised){model.q, l1, 0, model.penalty, model.metric.total};
    *ret_model = model;
    return 0;
}

void model_fini(struct model *model)
{
    if (!model->data)
        return;
    futures_destroy(model->gram, model->data->chunks);
    futures_destroy(model->factor, model->data->chunks);
    metric_fini(&model->metric);
    gram_fini(&model->total);
    free(model->penalty);
    free(model->mu);
    *model = (struct model){0};
}

/* ---- sums over all chunks ---- */

struct point {
    const double *b;
    const double *scale; /* dual */
    int64_t count;       /* of rows of b, for losses */
};

struct evaluation {
    struct certificate_sums *sums;
    double *gradient;
};

static int submit_evaluate(struct model *model, int64_t chunk, const void *arg,
                           struct dusk_future **ret_future)
{
    const struct point *point = arg;
    struct dataset *data = model->data;
    struct dusk_array mu = dusk_vector(model->mu, data->columns);
    struct dusk_array b = dusk_vector(point->b, model->q);
    struct dusk_submit_options at = dataset_options(data, chunk, false);
    return dusk_submit_with(data->client, &at, ret_future, "glm_evaluate", "FFasla",
                            data->x[chunk], 0, data->y[chunk], data->y_item, &mu,
                            data->family, (int64_t)model->intercept, &b);
}

static int take_evaluation(struct model *model, int64_t chunk,
                           struct dusk_future *future, void *arg)
{
    struct evaluation *total = arg;
    struct certificate_sums s;
    struct dusk_array gradient;
    int64_t rows;
    int rc = dusk_result(future, 0, "daddddl", &s.loss, &gradient, &s.r_y, &s.r_r,
                         &s.sum_r, &s.sum_y, &rows);
    if (rc < 0)
        return rc;
    struct certificate_sums *sums = total->sums;
    sums->loss += s.loss;
    sums->r_y += s.r_y;
    sums->r_r += s.r_r;
    sums->sum_r += s.sum_r;
    sums->sum_y += s.sum_y;
    sums->rows += (double)rows;
    for (int64_t j = 0; j < model->q; j++)
        total->gradient[j] += ((double *)gradient.data)[j];
    return 0;
}

int model_evaluate(struct model *model, const double *b,
                   struct certificate_sums *ret_sums, double *ret_gradient,
                   struct err_text *text)
{
    struct point point = {.b = b};
    struct evaluation total = {ret_sums, ret_gradient};
    *ret_sums = (struct certificate_sums){0};
    memset(ret_gradient, 0, (size_t)model->q * sizeof *ret_gradient);
    return for_chunks(model, "evaluate", "glm_evaluate", submit_evaluate, &point,
                      take_evaluation, &total, text);
}

struct dual {
    double value;
    double *transposed;
};

static int submit_dual(struct model *model, int64_t chunk, const void *arg,
                       struct dusk_future **ret_future)
{
    const struct point *point = arg;
    struct dataset *data = model->data;
    struct dusk_array mu = dusk_vector(model->mu, data->columns);
    struct dusk_array b = dusk_vector(point->b, model->q);
    struct dusk_array scale = dusk_vector(point->scale, 2);
    struct dusk_submit_options at = dataset_options(data, chunk, false);
    return dusk_submit_with(data->client, &at, ret_future, "glm_dual", "FFaslaa",
                            data->x[chunk], 0, data->y[chunk], data->y_item, &mu,
                            data->family, (int64_t)model->intercept, &b, &scale);
}

static int take_dual(struct model *model, int64_t chunk, struct dusk_future *future,
                     void *arg)
{
    struct dual *total = arg;
    struct dusk_array transposed;
    double value;
    int rc = dusk_result(future, 0, "da", &value, &transposed);
    if (rc < 0)
        return rc;
    total->value += value;
    for (int64_t j = 0; j < model->q; j++)
        total->transposed[j] += ((double *)transposed.data)[j];
    return 0;
}

int model_dual(struct model *model, const double *b, const double scale[2],
               double *ret_value, double *ret_transposed, struct err_text *text)
{
    struct point point = {.b = b, .scale = scale};
    struct dual total = {0, ret_transposed};
    memset(ret_transposed, 0, (size_t)model->q * sizeof *ret_transposed);
    int rc = for_chunks(model, "dual", "glm_dual", submit_dual, &point, take_dual,
                        &total, text);
    *ret_value = total.value;
    return rc;
}

static int hessian_tasks(struct model *model, const double *b, const double *columns,
                         int64_t count, struct dusk_future **tasks)
{
    struct dataset *data = model->data;
    struct dusk_array mu = dusk_vector(model->mu, data->columns);
    struct dusk_array point = dusk_vector(b, model->q),
                      subset = dusk_vector(columns, count);
    int rc = 0;
    for (int64_t i = 0; rc == 0 && i < data->chunks; i++) {
        struct dusk_submit_options keep = dataset_options(data, i, true);
        rc = dusk_submit_with(data->client, &keep, &tasks[i], "glm_hessian", "FFaslaa",
                              data->x[i], 0, data->y[i], data->y_item, &mu,
                              data->family, (int64_t)model->intercept, &point, &subset);
    }
    return rc;
}

int model_hessian(struct model *model, const double *b, const int64_t *columns,
                  int64_t count, double *ret_hessian, struct err_text *text)
{
    if (model->normal) {
        gram_hessian(&model->total, columns, count, ret_hessian);
        return 0;
    }
    int64_t chunks = model->data->chunks;
    struct dusk_future **tasks = futures_create((unsigned)chunks), *sum = NULL;
    double *subset = calloc((size_t)count, sizeof *subset);
    struct dusk_array total;
    int rc = tasks && subset ? 0 : err_set(text, DUSK_E_NOMEM, "no memory for futures");
    for (int64_t k = 0; rc == 0 && k < count; k++)
        subset[k] = (double)columns[k];
    if (rc == 0 && (rc = hessian_tasks(model, b, subset, count, tasks)) < 0)
        watch_failed(rc, text);
    if (rc == 0)
        rc = tree_sum(model, tasks, chunks, &sum, text);
    if (rc == 0)
        rc = model_await(model, "hessian", tasks, chunks, text);
    if (rc == 0)
        note_all(model, "glm_hessian", tasks);
    if (rc == 0)
        rc = model_await(model, "hessian", &sum, 1, text);
    if (rc == 0)
        rc = watch_fetch(&model->watch, &sum, 1, text);
    if (rc == 0 && (rc = dusk_result(sum, 0, "a", &total)) < 0)
        watch_failed(rc, text);
    if (rc == 0)
        memcpy(ret_hessian, total.data, (size_t)(count * count) * sizeof *ret_hessian);
    dusk_release(&sum, 1);
    futures_destroy(tasks, chunks);
    free(subset);
    return rc;
}

/* ---- objectives of many points ---- */

static int submit_losses(struct model *model, int64_t chunk, const void *arg,
                         struct dusk_future **ret_future)
{
    const struct point *point = arg;
    struct dataset *data = model->data;
    struct dusk_array mu = dusk_vector(model->mu, data->columns);
    struct dusk_array b = {
        DUSK_F64, 2, {point->count, model->q}, (void *)(uintptr_t)point->b};
    struct dusk_submit_options at = dataset_options(data, chunk, false);
    return dusk_submit_with(data->client, &at, ret_future, "glm_losses", "FFasla",
                            data->x[chunk], 0, data->y[chunk], data->y_item, &mu,
                            data->family, (int64_t)model->intercept, &b);
}

static int take_losses(struct model *model, int64_t chunk, struct dusk_future *future,
                       void *arg)
{
    double *total = arg;
    struct dusk_array losses;
    int rc = dusk_result(future, 0, "a", &losses);
    for (int64_t k = 0; rc == 0 && k < losses.shape[0]; k++)
        total[k] += ((double *)losses.data)[k];
    return rc;
}

/* Losses of `count` points and, in front of them, of the reference. */
static int logistic_excess(struct model *model, const double *reference,
                           const double *b, int64_t count, double *ret_excess,
                           struct err_text *text)
{
    size_t q = (size_t)model->q;
    double *points = calloc((size_t)(count + 1) * q, sizeof *points);
    double *losses = calloc((size_t)(count + 1), sizeof *losses);
    int rc = points && losses ? 0 : err_set(text, DUSK_E_NOMEM, "no memory for points");
    if (rc == 0) {
        memcpy(points, reference, q * sizeof *points);
        memcpy(points + q, b, (size_t)count * q * sizeof *points);
        struct point point = {.b = points, .count = count + 1};
        rc = for_chunks(model, "objectives", "glm_losses", submit_losses, &point,
                        take_losses, losses, text);
    }
    for (int64_t k = 0; rc == 0 && k < count; k++)
        ret_excess[k] = losses[k + 1] - losses[0];
    free(points);
    free(losses);
    return rc;
}

int model_excess(struct model *model, const double *reference, const double *b,
                 int64_t count, double *ret_excess, struct err_text *text)
{
    int rc = 0;
    for (int64_t k = 0; model->normal && k < count; k++)
        ret_excess[k] = gram_excess(&model->total, reference, b + k * model->q);
    for (int64_t k = 0; !model->normal && rc == 0 && k < count; k += LOSSES_PER_TASK)
        rc = logistic_excess(model, reference, b + k * model->q,
                             count - k < LOSSES_PER_TASK ? count - k : LOSSES_PER_TASK,
                             ret_excess + k, text);
    double terms = penalised_terms(&model->problem, reference);
    for (int64_t k = 0; rc == 0 && k < count; k++)
        ret_excess[k] += penalised_terms(&model->problem, b + k * model->q) - terms;
    return rc;
}

static double shift(const struct model *model, const double *b)
{
    double sum = 0;
    for (int64_t j = 0; model->intercept && j < model->data->columns; j++)
        sum += model->mu[j] * b[j];
    return sum;
}

void model_uncentre(const struct model *model, double *b)
{
    if (model->intercept)
        b[model->q - 1] -= shift(model, b);
}

void model_centre(const struct model *model, double *b)
{
    if (model->intercept)
        b[model->q - 1] += shift(model, b);
}
