/* Sums over all chunks at a point. */
#include "client/chunks.h"

#include <stdlib.h>
#include <string.h>

#define LOSSES_PER_TASK 64

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
    return chunks_map(model, "evaluate", "glm_evaluate", submit_evaluate, &point,
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
    int rc = chunks_map(model, "dual", "glm_dual", submit_dual, &point, take_dual,
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
    struct dusk_future **tasks = chunks_futures(chunks), *sum = NULL;
    double *subset = calloc((size_t)count, sizeof *subset);
    struct dusk_array total;
    int rc = tasks && subset ? 0 : err_set(text, DUSK_E_NOMEM, "no memory for futures");
    for (int64_t k = 0; rc == 0 && k < count; k++)
        subset[k] = (double)columns[k];
    if (rc == 0 && (rc = hessian_tasks(model, b, subset, count, tasks)) < 0)
        watch_failed(rc, text);
    if (rc == 0)
        rc = chunks_sum(model, tasks, chunks, &sum, text);
    if (rc == 0)
        rc = chunks_await(model, "hessian", tasks, chunks, text);
    if (rc == 0)
        chunks_note(model, "glm_hessian", tasks);
    if (rc == 0)
        rc = chunks_fetch(model, "hessian", &sum, 1, text);
    if (rc == 0 && (rc = dusk_result(sum, 0, "a", &total)) < 0)
        watch_failed(rc, text);
    if (rc == 0)
        memcpy(ret_hessian, total.data, (size_t)(count * count) * sizeof *ret_hessian);
    dusk_release(&sum, 1);
    chunks_release(tasks, chunks);
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
        rc = chunks_map(model, "objectives", "glm_losses", submit_losses, &point,
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
