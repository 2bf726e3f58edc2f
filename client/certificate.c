#include "client/certificate.h"

/* x_j'theta of a feasible theta may exceed its limit by the rounding of a sum. */
#define ROUNDING 1e-12

/* The columns whose x_j'theta is limited: all but the intercept. */
static int64_t limited_columns(const struct certificate *c)
{
    return c->problem.columns - (c->intercept ? 1 : 0);
}

static bool has_simple_dual(const struct certificate *c)
{
    if (c->problem.l1 == 0 && c->problem.l2 == 0)
        return false;
    for (int64_t j = 0; j < limited_columns(c); j++)
        if (c->problem.penalty[j] == 0 && c->problem.scale[j] > 0)
            return false;
    return true;
}

/* The largest t <= 1 with t |x_j'theta| <= l1 pen_j everywhere, x_j'theta being
 * `factor` times `values`. */
static double feasible_part(const struct certificate *c, const double *values,
                            double factor)
{
    double part = 1;
    for (int64_t j = 0; j < limited_columns(c); j++) {
        double limit = c->problem.l1 * c->problem.penalty[j];
        double value = fabs(factor * values[j]);
        if (value > limit)
            part = fmin(part, limit / value);
    }
    return part;
}

/* |x_j'theta| at its worst, `error` being that of a column of unit scale. */
static double worst(const struct certificate *c, const double *values, double error,
                    int64_t j)
{
    return fabs(values[j]) + error * sqrt(c->problem.scale[j]);
}

/* What D loses to the l2 term. */
static double excess(const struct certificate *c, const double *values, double error)
{
    double sum = 0;
    for (int64_t j = 0; j < limited_columns(c); j++) {
        double pen = c->problem.penalty[j];
        double over = worst(c, values, error, j) - c->problem.l1 * pen;
        if (over > 0 && pen > 0)
            sum += over * over / (2 * c->problem.l2 * pen);
    }
    return sum;
}

static void set_dual(struct certificate *c, double dual, double error)
{
    c->dual = dual;
    c->gap = c->objective - dual + error;
    double size = fabs(c->objective);
    c->relative_gap = size > 0 ? c->gap / size : c->gap;
    c->has_gap = isfinite(c->gap);
    c->want = CERTIFICATE_DONE;
}

void certificate_init(struct certificate *c, const struct penalised *problem,
                      bool logistic, bool intercept, const double *b)
{
    *c = (struct certificate){
        .problem = *problem,
        .logistic = logistic,
        .intercept = intercept,
        .b = b,
        .want = CERTIFICATE_EVALUATE,
        .dual_scale = {1, 1},
        .gap = INFINITY,
        .relative_gap = INFINITY,
        .dual = -INFINITY,
    };
}

/* The gradient is -2 X~'r.  Centring r changes x_j'r by mean(r) sum_i x~_ij, which is
 * 0 because x~ is centred. */
static void finish_normal(struct certificate *c, const struct certificate_sums *sums,
                          const double *gradient)
{
    double r_y = sums->r_y, r_r = sums->r_r;
    if (c->intercept && sums->rows > 0) {
        r_y -= sums->sum_r * sums->sum_y / sums->rows;
        r_r -= sums->sum_r * sums->sum_r / sums->rows;
    }
    if (c->problem.l2 > 0) {
        set_dual(c, 2 * r_y - r_r - excess(c, gradient, sums->gradient_error),
                 4 * sums->value_error);
        return;
    }
    double most = 0;
    for (int64_t j = 0; j < limited_columns(c); j++)
        if (c->problem.penalty[j] > 0)
            most = fmax(most, worst(c, gradient, sums->gradient_error, j) /
                                  (c->problem.l1 * c->problem.penalty[j]));
    double s = r_r > 0 ? r_y / r_r : 0;
    if (fabs(s) * most > 1)
        s = copysign(1 / most, s);
    set_dual(c, 2 * s * r_y - s * s * r_r,
             (1 + fabs(s)) * (1 + fabs(s)) * sums->value_error);
}

/* Residuals are 1 - sigma >= 0 in class 1, of sum r'y, and -sigma <= 0 in class 0:
 * the larger side is shrunk until they balance. Without an intercept X~'theta is
 * known already, from the gradient. */
static void begin_logistic(struct certificate *c, const struct certificate_sums *sums,
                           const double *gradient)
{
    double sum_1 = sums->r_y, sum_0 = sums->r_y - sums->sum_r;
    double part = 1;
    if (c->intercept) {
        c->dual_scale[1] = sum_1 > sum_0 ? fmax(sum_0, 0) / sum_1 : 1;
        c->dual_scale[0] = sum_0 > sum_1 ? fmax(sum_1, 0) / sum_0 : 1;
    } else if (c->problem.l2 == 0) {
        part = feasible_part(c, gradient, 1);
    }
    c->dual_scale[0] *= part;
    c->dual_scale[1] *= part;
    c->want = CERTIFICATE_DUAL;
}

void certificate_evaluated(struct certificate *c, const struct certificate_sums *sums,
                           const double *gradient)
{
    c->objective = sums->loss + penalised_terms(&c->problem, c->b);
    c->kkt = penalised_kkt(&c->problem, c->b, gradient);
    c->relative_kkt = penalised_relative_kkt(&c->problem, c->b, gradient, c->objective);
    if (!has_simple_dual(c) || !isfinite(c->objective))
        c->want = CERTIFICATE_DONE;
    else if (c->logistic)
        begin_logistic(c, sums, gradient);
    else
        finish_normal(c, sums, gradient);
}

/* A pass whose theta turns out infeasible tells by how much to shrink it. */
void certificate_dual(struct certificate *c, double value, const double *transposed)
{
    c->duals++;
    if (c->problem.l2 > 0) {
        set_dual(c, value - excess(c, transposed, 0), 0);
        return;
    }
    double part = feasible_part(c, transposed, 1);
    if (part >= 1 - ROUNDING) {
        set_dual(c, value, 0);
    } else if (c->duals < 3) {
        c->dual_scale[0] *= part;
        c->dual_scale[1] *= part;
    } else {
        c->want = CERTIFICATE_DONE;
    }
}

bool certificate_holds(const struct certificate *c, double tolerance)
{
    return c->has_gap && fabs(c->gap) <= tolerance * fabs(c->objective);
}
