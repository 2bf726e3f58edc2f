#include "client/finish.h"

#include "client/polish.h"
#include "common/err.h"

#include <stdlib.h>
#include <string.h>

enum source { FROM_GRAM, FROM_ROWS };

/* The polish itself has no line for its errors. */
static int polish_said(int rc, struct err_text *text)
{
    return rc < 0 ? err_set(text, rc, "cannot polish: %s", err_sentence(rc)) : rc;
}

/* Sums at b from the Gram matrix, which is here, or from all rows, which are not. */
static int evaluate(struct model *model, enum source source, const double *b,
                    struct certificate_sums *ret_sums, double *ret_gradient,
                    struct err_text *text)
{
    if (source == FROM_ROWS)
        return model_evaluate(model, b, ret_sums, ret_gradient, text);
    gram_evaluate(&model->total, model->intercept, b, ret_sums, ret_gradient);
    return 0;
}

static int polish_sums(struct model *model, enum source source, struct polish *polish,
                       double *gradient, struct err_text *text)
{
    struct certificate_sums sums;
    int rc = evaluate(model, source, polish_point(polish), &sums, gradient, text);
    return rc < 0 ? rc
                  : polish_said(polish_evaluated(polish, sums.loss, gradient), text);
}

static int polish_curvature(struct model *model, struct polish *polish,
                            struct err_text *text)
{
    int64_t count;
    const int64_t *columns = polish_columns(polish, &count);
    double *hessian = calloc((size_t)(count * count) + 1, sizeof *hessian);
    if (!hessian)
        return err_set(text, DUSK_E_NOMEM, "no memory for a Hessian of %lld columns",
                       (long long)count);
    int rc = model_hessian(model, polish_point(polish), columns, count, hessian, text);
    if (rc == 0)
        rc = polish_said(polish_hessian(polish, hessian), text);
    free(hessian);
    return rc;
}

static int polish_run(struct model *model, enum source source, double *b,
                      struct err_text *text)
{
    struct polish *polish;
    double *gradient = calloc((size_t)model->q, sizeof *gradient);
    int rc = gradient ? polish_create(&model->problem, model->normal, b, &polish)
                      : DUSK_E_NOMEM;
    if (rc < 0) {
        free(gradient);
        return err_set(text, rc, "no memory to polish %lld columns",
                       (long long)model->q);
    }
    while (rc == 0 && polish_want(polish) != POLISH_DONE)
        rc = polish_want(polish) == POLISH_EVALUATE
                 ? polish_sums(model, source, polish, gradient, text)
                 : polish_curvature(model, polish, text);
    if (rc == 0)
        memcpy(b, polish_point(polish), (size_t)model->q * sizeof *b);
    polish_destroy(polish);
    free(gradient);
    return rc;
}

static int certificate_run(struct model *model, enum source source,
                           struct certificate *certificate, struct err_text *text)
{
    double *work = malloc((size_t)model->q * sizeof *work);
    int rc = work ? 0
                  : err_set(text, DUSK_E_NOMEM, "no memory for %lld columns",
                            (long long)model->q);
    while (rc == 0 && certificate->want != CERTIFICATE_DONE) {
        if (certificate->want == CERTIFICATE_EVALUATE) {
            struct certificate_sums sums;
            rc = evaluate(model, source, certificate->b, &sums, work, text);
            if (rc == 0)
                certificate_evaluated(certificate, &sums, work);
        } else {
            double value;
            rc = model_dual(model, certificate->b, certificate->dual_scale, &value,
                            work, text);
            if (rc == 0)
                certificate_dual(certificate, value, work);
        }
    }
    free(work);
    return rc;
}

/* Fills all but b, which it measures. */
static int certify(struct model *model, enum source source, double tolerance,
                   struct answer *answer, struct err_text *text)
{
    struct certificate c;
    certificate_init(&c, &model->problem, !model->normal, model->intercept, answer->b);
    int rc = certificate_run(model, source, &c, text);
    answer->objective = c.objective;
    answer->kkt = c.kkt;
    answer->has_gap = c.has_gap;
    answer->relative_gap = c.relative_gap;
    answer->certified = c.has_gap ? certificate_holds(&c, tolerance)
                                  : c.relative_kkt * c.relative_kkt <= tolerance;
    return rc;
}

int finish(struct model *model, const double *b, bool polish, double tolerance,
           struct answer *ret_answer, struct err_text *text)
{
    size_t bytes = (size_t)model->q * sizeof *b;
    struct answer answer = {.b = malloc(bytes)};
    if (!answer.b)
        return err_set(text, DUSK_E_NOMEM, "no memory for %lld columns",
                       (long long)model->q);
    memcpy(answer.b, b, bytes);
    int rc = 0;
    enum source source = model->normal ? FROM_GRAM : FROM_ROWS;
    enum source last = model->data->gram ? FROM_GRAM : FROM_ROWS;
    for (; rc == 0 && source <= last && !answer.certified; source++) {
        if (polish)
            rc = polish_run(model, source, answer.b, text);
        if (rc == 0)
            rc = certify(model, source, tolerance, &answer, text);
    }
    if (rc < 0)
        answer_fini(&answer);
    else
        *ret_answer = answer;
    return rc;
}

void answer_fini(struct answer *answer)
{
    free(answer->b);
    *answer = (struct answer){0};
}
