/* A chunk of a generalised linear model, and what can be computed on it.
 *
 *   X   n x p, row-major, of doubles or of floats, which count as the doubles they
 *       are equal to
 *   y   n responses           mu  p column means
 *   x~  a row as the model sees it: (x - mu, 1) with an intercept, else x - mu
 *   q   its length, p + intercept; coefficient vectors b have this length
 *   eta x~'b = x'b + (b[p] - mu'b): the columns are centred without a copy
 *
 * Losses are sums over rows:  normal (y - eta)^2,  logistic log(1 + e^eta) - y eta
 * with y in {0, 1}.  With residual r = y - eta, or y - 1/(1 + e^-eta), the gradient
 * is -k X~'r, k = 2 for normal and 1 for logistic.
 *
 * Everything here is pure and may run on many threads at once.  Nothing
 * allocates except where a function returns DUSK_E_NOMEM.  Inputs are not
 * validated (glm_check does that, once a chunk): a NaN in gives a NaN out. */
#ifndef WORKER_GLM_H
#define WORKER_GLM_H

#include "common/err.h"
#include <stdbool.h>

enum glm_family {
    GLM_NORMAL = 1,
    GLM_LOGISTIC = 2,
};

/* Borrows its arrays. */
struct glm_chunk {
    int64_t rows;     /* n >= 0 */
    int64_t columns;  /* p >= 1 */
    const void *x;    /* n x p */
    const double *y;  /* n */
    const double *mu; /* p, or NULL for zeros */
    enum glm_family family;
    bool intercept;
    bool x_is_f32; /* X holds floats */
};

/* The family called "normal" or "logistic", or DUSK_E_INVALID with a line. */
int glm_family_parse(const char *name, struct err_text *err);

static inline int64_t glm_unknowns(const struct glm_chunk *chunk)
{
    return chunk->columns + (chunk->intercept ? 1 : 0);
}

/* Bounds the second derivative of the loss in eta: 2 for normal, 1/4 for
 * logistic. */
double glm_curvature(enum glm_family family);

struct glm_value {
    double loss;
    double r_y;   /* r'y */
    double r_r;   /* r'r */
    double sum_r; /* sum of r */
    double sum_y;
};

/* Loss and gradient at b in one pass over X: blocks of rows that stay in cache
 * between the product with b and the product with r.  `ret_gradient` (q), and
 * `ret_eta` (n), may be NULL. */
void glm_evaluate(const struct glm_chunk *chunk, const double *b, double *ret_eta,
                  double *ret_gradient, struct glm_value *ret_value);

/* eta = X~ b (n): one pass. */
void glm_predict(const struct glm_chunk *chunk, const double *b, double *ret_eta);

/* The gradient (q) where eta (n) is known already: one pass. */
void glm_gradient(const struct glm_chunk *chunk, const double *eta,
                  double *ret_gradient);

/* Loss along a line, at eta + t step, without touching X: step = X~ d.  `step`
 * may be NULL when t is 0. */
struct glm_line {
    double loss;
    double slope;     /* first derivative in t */
    double curvature; /* second derivative in t */
};
void glm_line(const struct glm_chunk *chunk, const double *eta, const double *step,
              double t, struct glm_line *ret_line);

/* sum x~ x~' (q x q, both triangles), sum x~ y (q), and totals. */
struct glm_gram {
    double y_y;
    double sum_y;
};
int glm_gram(const struct glm_chunk *chunk, double *ret_g, double *ret_c,
             struct glm_gram *ret_totals);

/* Hessian of the loss at b, for `count` distinct columns of x~ (0 .. q - 1):
 * count x count, both triangles. */
int glm_hessian(const struct glm_chunk *chunk, const double *b, const int64_t *columns,
                int64_t count, double *ret_h);

/* Losses of `count` coefficient vectors, the rows of b (count x q), in one pass. */
int glm_losses(const struct glm_chunk *chunk, const double *b, int64_t count,
               double *ret_losses);

/* Validation, given the columns' sums of squares (p): a NaN or an infinity in X or y,
 * and a response outside the family's domain, are DUSK_E_DATA with a line that names
 * the chunk (by `chunk_number`), the row and the column, all counted from 0.  mu and
 * intercept are not looked at. */
int glm_check(const struct glm_chunk *chunk, int64_t chunk_number,
              const double *squares, struct err_text *err);

/* Column sums and sums of squares (p each), and glm_check. */
int glm_moments(const struct glm_chunk *chunk, int64_t chunk_number, double *ret_sum,
                double *ret_sum2, struct err_text *err);

/* The dual side of a logistic chunk at b: theta_i = scale[y_i] (y_i - sigma_i),
 * X~'theta (q), and the chunk's share of the dual value,
 * -sum (m log m + (1 - m) log(1 - m)) with m = y - theta; minus infinity when some
 * m leaves [0, 1]. */
void glm_dual(const struct glm_chunk *chunk, const double *b, const double scale[2],
              double *ret_value, double *ret_transposed);

#endif
