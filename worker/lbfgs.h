/* The local solver: minimises over x (q)
 *
 *     phi(x) = f(x) + 1/2 sum_j R_j (x_j - v_j)^2,     f the loss of a chunk,
 *
 * by L-BFGS (Nocedal & Wright 2006, algorithm 7.5) with H0 = gamma (L L')^-1, or
 * gamma R^-1 where no factor L is given, or gamma I where also R has zeros.
 *
 * It keeps eta = X~x.  The first trial of a line search goes through the rows once
 * for eta, loss and gradient together; where it is refused, X~d is the difference
 * of two etas and every further trial costs O(n + q).  A step must satisfy Armijo's
 * rule; next to the rounding floor, where differences of phi drown, the
 * approximate Wolfe test of Hager & Zhang (2005) decides by slopes.
 *
 * Nothing is allocated: all vectors live in a workspace of the caller's.  After
 * MAXIT or CANCELLED, lbfgs_run may be called again and goes on where it was. */
#ifndef WORKER_LBFGS_H
#define WORKER_LBFGS_H

#include "worker/glm.h"
#include <stddef.h>

/* The numbers travel as the item `status` of results. */
enum lbfgs_status {
    LBFGS_CONVERGED = 0, /* the tolerance is met */
    LBFGS_MAXIT = 1,     /* an allowance is used up; x is the best point so far */
    LBFGS_FLOOR = 2,     /* no further decrease can be represented */
    LBFGS_CANCELLED = 3, /* the flag was seen; x is the last accepted point */
    LBFGS_NONFINITE = 4, /* phi or its gradient is not finite at the start */
};

#define LBFGS_MAX_MEMORY 16

struct lbfgs_problem {
    const struct glm_chunk *chunk; /* borrowed, like all that follows */
    const double *v;               /* q */
    const double *metric;          /* R (q) >= 0 */
    const double *factor;          /* L (q x q, row-major, lower), or NULL */
};

struct lbfgs_options {
    int memory;          /* pairs kept, 1 to LBFGS_MAX_MEMORY; 0 means 7 */
    int max_iterations;  /* of one call of lbfgs_run; 0 means no limit */
    int max_evaluations; /* of one call of lbfgs_run; 0 means no limit */
    /* Converged when g'Hg / 2, which estimates phi(x) - min phi, is at most
     * this times |phi(x)|; 0 means 1e-18. */
    double tolerance;
    const volatile int *cancel; /* looked at before every evaluation; or NULL */
};

struct lbfgs {
    struct lbfgs_problem problem;
    struct lbfgs_options options;
    double *x; /* q: the answer, always finite */
    double *g; /* q: gradient of phi at x */
    double phi;
    int iterations;  /* since lbfgs_init */
    int evaluations; /* of phi, since lbfgs_init */
    /* The solver's own. */
    bool started, bad_start, scaled;
    int pairs, newest;
    double gamma;
    double ys[LBFGS_MAX_MEMORY];
    double *eta, *eta_trial, *x_trial, *g_trial, *d;
    double *s, *y; /* memory x q each */
};

/* Doubles that a workspace needs. */
size_t lbfgs_workspace(int64_t rows, int64_t unknowns, int memory);

/* Starts from x0 (copied).  Borrows the problem's arrays and the workspace until
 * the last call.  An entry of x0 that is not finite is replaced by 0, and
 * lbfgs_run will say NONFINITE. */
void lbfgs_init(struct lbfgs *solver, const struct lbfgs_problem *problem,
                const struct lbfgs_options *options, const double *x0,
                double *workspace);

/* Runs until a status is reached.  `options` may be changed between calls, except
 * for the memory. */
enum lbfgs_status lbfgs_run(struct lbfgs *solver);

/* "converged", "iteration limit", ...: borrowed for ever. */
const char *lbfgs_status_name(enum lbfgs_status status);

#endif
