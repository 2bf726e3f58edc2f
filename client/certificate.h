/* How near to the minimum a point is, from sums over all chunks: the KKT residual
 * and the duality gap F(b) - D(theta), which bounds F(b) - min F from above.
 *
 *   normal    theta = 2 s r,                 D = 2 s r'y - s^2 r'r
 *   logistic  theta_i = s_{y_i} (y_i - sigma_i),
 *             D = -sum_i q log q + (1 - q) log(1 - q),   q = y - theta
 *
 * theta is feasible where |x_j'theta| <= l1 pen_j; with l2 > 0 it need not be, and D
 * loses (|x_j'theta| - l1 pen_j)_+^2 / (2 l2 pen_j).  An intercept asks for
 * sum theta = 0: the normal residual is centred, and the two classes of the logistic
 * one get scales s_0, s_1 that balance.  Other unpenalised columns, or no penalty
 * at all, leave no simple theta: then the KKT residual stands alone.
 *
 * Sums that come with bounds of their errors (normal only) are taken at their worst:
 * theta is feasible, and the gap a bound, whatever their values within these.
 *
 * The machine asks for one or two sums at b:
 *
 *     loss, gradient and residual sums                    glm_evaluate
 *     dual value and X~'theta for a pair of scales        glm_dual (logistic only) */
#ifndef CLIENT_CERTIFICATE_H
#define CLIENT_CERTIFICATE_H

#include "client/penalised.h"

#include <stdbool.h>

enum certificate_want {
    CERTIFICATE_EVALUATE, /* for certificate_evaluated */
    CERTIFICATE_DUAL,     /* with `dual_scale`, for certificate_dual */
    CERTIFICATE_DONE,
};

/* The sums of what glm_evaluate returns beside the gradient. */
struct certificate_sums {
    double loss;
    double r_y; /* r'y */
    double r_r; /* r'r */
    double sum_r;
    double sum_y;
    double rows;
    double value_error;    /* of loss, r_y and r_r; 0: not known */
    double gradient_error; /* of the gradient in column j, over sqrt(scale_j) */
};

struct certificate {
    struct penalised problem;
    bool logistic;   /* or normal */
    bool intercept;  /* the last column, with pen = 0 */
    const double *b; /* (q), borrowed until done */
    enum certificate_want want;
    double dual_scale[2]; /* of classes 0 and 1, <= 1 */
    int duals;            /* passes of glm_dual so far */
    /* Results. */
    double objective;    /* F(b) */
    double kkt;          /* absolute, the largest over the columns */
    double relative_kkt; /* penalised_relative_kkt */
    bool has_gap;
    double dual;         /* D(theta) */
    double gap;          /* F - D, and what errors may hide of it */
    double relative_gap; /* gap / |F| */
};

/* Borrows the problem's arrays until done. */
void certificate_init(struct certificate *certificate, const struct penalised *problem,
                      bool logistic, bool intercept, const double *b);

void certificate_evaluated(struct certificate *certificate,
                           const struct certificate_sums *sums, const double *gradient);

/* `transposed` is X~'theta (q). */
void certificate_dual(struct certificate *certificate, double value,
                      const double *transposed);

/* True when there is a gap and |gap| <= tolerance * |F|. */
bool certificate_holds(const struct certificate *certificate, double tolerance);

#endif
