/* A data set made ready for fitting: validated, centred, its Gram matrices and
 * Cholesky factors kept on the workers beside the chunks, the metric of the robust
 * ADMM here.
 *
 *   q    unknowns: p slopes, then the intercept of the centred model, if any
 *   mu   column means, zeros without an intercept:  eta = (x - mu)'b + b_p
 *
 * And what needs all chunks: sums of losses, gradients and Hessians at a point.  A data
 * set whose rows are not kept has only its Gram matrices to ask. */
#ifndef CLIENT_MODEL_H
#define CLIENT_MODEL_H

#include "client/certificate.h"
#include "client/dataset.h"
#include "client/gram.h"
#include "client/metric.h"
#include "client/stream.h"
#include "client/watch.h"

struct model {
    struct dataset *data; /* borrowed */
    struct watch watch;
    struct stream *stream; /* where tasks are noted, or NULL; borrowed */
    bool intercept;
    bool normal; /* the family, else logistic */
    int64_t q;
    double l1;
    double *penalty; /* (q): 1, and 0 for the intercept */
    double *mu;      /* (p) */
    struct metric metric;
    struct penalised problem;
    struct dusk_future **gram;   /* (N) glm_gram */
    struct dusk_future **factor; /* (N) glm_factor of the metric */
    struct gram total;           /* of all chunks, normal family only */
};

/* Waits for the data, then computes all of the above.  DUSK_E_DATA names chunk,
 * row and column of a bad number. */
int model_create(struct dataset *data, double l1, bool intercept,
                 const struct watch *watch, struct stream *stream,
                 struct model *ret_model, struct err_text *text);
void model_fini(struct model *model); /* takes a zeroed model too */

/* Loss, gradient (q) and residual sums at b (q) over all rows. */
int model_evaluate(struct model *model, const double *b,
                   struct certificate_sums *ret_sums, double *ret_gradient,
                   struct err_text *text);

/* The dual value and X~'theta (q) of a logistic model. */
int model_dual(struct model *model, const double *b, const double scale[2],
               double *ret_value, double *ret_transposed, struct err_text *text);

/* The loss's Hessian (k x k) at b on some columns. */
int model_hessian(struct model *model, const double *b, const int64_t *columns,
                  int64_t count, double *ret_hessian, struct err_text *text);

/* F(b_k) - F(reference) for `count` points, the rows of b (count x q): exact to
 * rounding of the difference for the normal family. */
int model_excess(struct model *model, const double *reference, const double *b,
                 int64_t count, double *ret_excess, struct err_text *text);

/* Between coefficients of the centred model and those of the raw columns, in
 * place: only the intercept differs. */
void model_uncentre(const struct model *model, double *b);
void model_centre(const struct model *model, double *b);

#endif
