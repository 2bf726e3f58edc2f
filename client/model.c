#include "client/chunks.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

#define REDUCED_BLOCK_ROWS 512 /* of random_gram */

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
    int rc = chunks_map(model, "moments", "glm_moments", submit_moments, NULL,
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
    int rc = chunks_await(model, "data", data->x, data->chunks, text);
    if (rc == 0)
        rc = chunks_await(model, "data", data->y, data->chunks, text);
    if (rc < 0)
        return rc;
    chunks_note(model, "data", data->x);
    if (data->y != data->x)
        chunks_note(model, "response", data->y);
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

/* The sum of all Gram matrices, and of what else glm_gram answers. */
static int take_total(struct model *model, struct dusk_future *sum,
                      struct err_text *text)
{
    struct dusk_array gram, c;
    size_t q = (size_t)model->q;
    int rc = chunks_fetch(model, "gram", &sum, 1, text);
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
        rc = chunks_sum(model, model->gram, chunks, &sum, text);
    if (rc == 0)
        rc = chunks_map(model, "gram", "glm_gram_summary", submit_summary, NULL,
                        take_summary, NULL, text);
    if (rc == 0) {
        chunks_note(model, model->data->gram ? "random_gram" : "glm_gram", model->gram);
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
        rc = chunks_await(model, "factor", model->factor, chunks, text);
    if (rc == 0)
        chunks_note(model, "glm_factor", model->factor);
    dusk_release(&sum, 1);
    return rc;
}

static int model_allocate(struct model *model)
{
    size_t q = (size_t)model->q;
    int64_t chunks = model->data->chunks;
    model->penalty = calloc(q, sizeof *model->penalty);
    model->mu = calloc((size_t)model->data->columns, sizeof *model->mu);
    model->gram = chunks_futures(chunks);
    model->factor = chunks_futures(chunks);
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
    chunks_release(model->gram, model->data->chunks);
    chunks_release(model->factor, model->data->chunks);
    metric_fini(&model->metric);
    gram_fini(&model->total);
    free(model->penalty);
    free(model->mu);
    *model = (struct model){0};
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
