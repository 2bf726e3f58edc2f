#include "client/finish.h"

#include "client/polish.h"
#include "common/err.h"

#include <stdlib.h>
#include <string.h>

/* The polish itself has no line for its errors. */
static int polish_said(int rc, struct err_text *text)
{
    return rc < 0 ? err_set(text, rc, "cannot polish: %s", err_sentence(rc)) : rc;
}

static int polish_sums(struct model *model, struct polish *polish, double *gradient,
                       struct err_text *text)
{
    struct certificate_sums sums;
    int rc = model_evaluate(model, polish_point(polish), &sums, gradient, text);
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

int finish_polish(struct model *model, double *b, struct err_text *text)
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
                 ? polish_sums(model, polish, gradient, text)
                 : polish_curvature(model, polish, text);
    if (rc == 0)
        memcpy(b, polish_point(polish), (size_t)model->q * sizeof *b);
    polish_destroy(polish);
    free(gradient);
    return rc;
}

static int certificate_run(struct model *model, struct certificate *certificate,
                           double *work, struct err_text *text)
{
    int rc = 0;
    while (rc == 0 && certificate->want != CERTIFICATE_DONE) {
        if (certificate->want == CERTIFICATE_EVALUATE) {
            struct certificate_sums sums;
            rc = model_evaluate(model, certificate->b, &sums, work, text);
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
    return rc;
}

int finish_certify(struct model *model, const double *b, double tolerance,
                   struct answer *ret_answer, struct err_text *text)
{
    size_t bytes = (size_t)model->q * sizeof *b;
    double *copy = malloc(bytes), *work = malloc(bytes);
    if (!copy || !work) {
        free(copy);
        free(work);
        return err_set(text, DUSK_E_NOMEM, "no memory for %lld columns",
                       (long long)model->q);
    }
    memcpy(copy, b, bytes);
    struct certificate certificate;
    certificate_init(&certificate, &model->problem, !model->normal, model->intercept,
                     copy);
    int rc = certificate_run(model, &certificate, work, text);
    free(work);
    if (rc < 0) {
        free(copy);
        return rc;
    }
    *ret_answer = (struct answer){
        .b = copy,
        .objective = certificate.objective,
        .kkt = certificate.kkt,
        .has_gap = certificate.has_gap,
        .relative_gap = certificate.relative_gap,
        .certified =
            certificate.has_gap
                ? certificate_holds(&certificate, tolerance)
                : certificate.relative_kkt * certificate.relative_kkt <= tolerance,
    };
    return 0;
}

void answer_fini(struct answer *answer)
{
    free(answer->b);
    *answer = (struct answer){0};
}
