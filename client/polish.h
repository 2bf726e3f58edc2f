/* From the answer of ADMM to the minimiser: a proximal Newton method over all
 * chunks, as a state machine without I/O. It asks for sums over the chunks and is
 * told them:
 *
 *     loss(b) and its gradient (q)                       glm_evaluate
 *     the loss's Hessian at b on some columns (k x k)    glm_hessian
 *
 * Each round minimises g'd + d'Hd/2 + penalties(b + d) over the working set (the
 * non-zeros, the unpenalised, and every column whose gradient is near or beyond
 * l1) by coordinate descent and then exactly on the support found, and goes along
 * d by halving until F decreases. For the normal family the Hessian is constant
 * and is asked for again only when the working set grows. */
#ifndef CLIENT_POLISH_H
#define CLIENT_POLISH_H

#include "client/penalised.h"
#include "common/err.h"

#include <stdbool.h>

#define POLISH_ROUNDS 10
#define POLISH_MAX_WORKING_SET 4000

enum polish_want {
    POLISH_EVALUATE, /* loss and gradient at polish_point, for polish_evaluated */
    POLISH_HESSIAN,  /* at polish_point on polish_columns, for polish_hessian */
    POLISH_DONE,
};

enum polish_outcome {
    POLISH_OPTIMAL,   /* KKT is at the level of rounding */
    POLISH_FLOOR,     /* no further decrease can be represented */
    POLISH_LIMIT,     /* rounds, or the size of the working set, are used up */
    POLISH_NONFINITE, /* loss, gradient or Hessian were not finite */
};

struct polish;

/* Starts at z (q, copied). Borrows the problem's arrays until polish_destroy.
 * `constant_hessian` for the normal family. */
int polish_create(const struct penalised *problem, bool constant_hessian,
                  const double *z, struct polish **ret_polish);
void polish_destroy(struct polish *polish);

enum polish_want polish_want(const struct polish *polish);

/* (q), borrowed until the next event: what is asked about; once done, the best
 * point seen. */
const double *polish_point(const struct polish *polish);

/* The working set, in rising order, borrowed likewise. */
const int64_t *polish_columns(const struct polish *polish, int64_t *ret_count);

/* Answers. Gradient (q) and Hessian (k x k, row-major, symmetric) are those of the
 * loss alone; both are read before the return. DUSK_E_NOMEM changes nothing. */
int polish_evaluated(struct polish *polish, double loss, const double *gradient);
int polish_hessian(struct polish *polish, const double *hessian);

/* Of the best point; to be called once done. */
enum polish_outcome polish_outcome(const struct polish *polish);
double polish_objective(const struct polish *polish);
double polish_kkt(const struct polish *polish);
int polish_rounds(const struct polish *polish);

#endif
