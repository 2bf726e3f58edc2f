#include "client/updates.h"

#include "client/chunks.h"

#include <stdlib.h>

/* Iterations of the local L-BFGS in the robust form: the start is warm and the factor
 * of the Hessian's bound preconditions it.  On Fashion-MNIST two take as many sweeps as
 * one and half as long again. */
#define ROBUST_ITERATIONS 1

/* The allowance of the published local solver. */
#define CLASSIC_ITERATIONS 200
#define CLASSIC_EVALUATIONS 250

static const char *kind_of(const struct run_options *options)
{
    if (options->local == LOCAL_GRAM)
        return "glm_prox_gram";
    return options->form == ADMM_CLASSIC ? "glm_prox_plain" : "glm_prox";
}

int updates_submit(const struct updates *updates, const struct admm_update *update,
                   struct dusk_future **ret_future)
{
    struct model *model = updates->model;
    struct dataset *data = model->data;
    const struct run_options *options = updates->options;
    const char *kind = updates->kind;
    int64_t i = update->ticket.chunk, intercept = model->intercept;
    struct dusk_array v = dusk_vector(update->v, model->q),
                      x0 = dusk_vector(update->x0, model->q);
    struct dusk_submit_options at = dataset_options(data, i, false);
    if (options->local == LOCAL_GRAM)
        return dusk_submit_with(data->client, &at, ret_future, kind, "fFad",
                                updates->factor[i], model->gram[i], 1, &v, 2.0);
    if (options->form == ADMM_CLASSIC)
        return dusk_submit_with(
            data->client, &at, ret_future, kind, "FFsldaall", data->x[i], 0, data->y[i],
            data->y_item, data->family, intercept, options->rho, &v, &x0,
            (int64_t)CLASSIC_ITERATIONS, (int64_t)CLASSIC_EVALUATIONS);
    return dusk_submit_with(data->client, &at, ret_future, kind, "FFfslaal", data->x[i],
                            0, data->y[i], data->y_item, updates->factor[i],
                            data->family, intercept, &v, &x0,
                            (int64_t)ROBUST_ITERATIONS);
}

static int factors_create(struct updates *updates, const double *metric,
                          struct err_text *text)
{
    struct model *model = updates->model;
    struct dusk_array r = dusk_vector(metric, model->q);
    struct dusk_array mu = dusk_vector(model->mu, model->data->columns);
    for (int64_t i = 0; i < model->data->chunks; i++) {
        struct dusk_submit_options at = dataset_options(model->data, i, false);
        int rc =
            dusk_submit_with(model->data->client, &at, &updates->factor[i],
                             "glm_factor", "Faad", model->gram[i], 0, &r, &mu, 2.0);
        if (rc < 0)
            return watch_failed(rc, text);
    }
    return chunks_await(model, "factor", updates->factor, model->data->chunks, text);
}

int updates_init(struct updates *updates, struct model *model,
                 const struct run_options *options, struct err_text *text)
{
    *updates = (struct updates){model, options, kind_of(options), model->factor};
    if (options->form != ADMM_CLASSIC || options->local != LOCAL_GRAM)
        return 0;
    updates->factor = chunks_futures(model->data->chunks);
    double *metric = calloc((size_t)model->q, sizeof *metric);
    int rc = updates->factor && metric
                 ? 0
                 : err_set(text, DUSK_E_NOMEM, "no memory for factors");
    for (int64_t j = 0; rc == 0 && j < model->q; j++)
        metric[j] = options->rho;
    if (rc == 0)
        rc = factors_create(updates, metric, text);
    free(metric);
    return rc;
}

void updates_fini(struct updates *updates)
{
    if (updates->factor != updates->model->factor)
        chunks_release(updates->factor, updates->model->data->chunks);
}
