/* A whole fit in one process: the ADMM core, the polish and the certificate on top
 * of the worker's kernels, under a virtual clock.  What a cluster does to a run is
 * played by a seeded generator: task times, stragglers, losses, duplicates. */
#ifndef TESTS_NUMERIC_FIT_H
#define TESTS_NUMERIC_FIT_H

#include "client/admm.h"
#include "client/certificate.h"
#include "client/metric.h"
#include "client/polish.h"
#include "worker/glm.h"

struct fit_data {
    int64_t rows, columns; /* n, p */
    const double *x, *y;   /* borrowed */
    enum glm_family family;
    bool intercept;
    double l1, l2;
    const double *penalty; /* (q), borrowed */
    int64_t chunks;
    const int64_t *chunk_rows; /* (N) in order, or NULL for even ones; borrowed */
};

struct fit {
    struct fit_data data;
    int64_t q;
    struct glm_chunk *chunk; /* (N) */
    double *mu;              /* (p) */
    double *factor;          /* (N x q x q) */
    double *c;               /* (N x q) */
    double *scale;           /* (q) */
    double *penalty;         /* (q) */
    struct metric metric;
    struct penalised problem;
};

struct fit_faults {
    uint64_t seed;
    double spread;   /* task times are 1 to 1 + spread ms, at random */
    double slow;     /* chunk 0 takes this many times as long; 0 or 1: no */
    double lose;     /* probability that an answer is lost (and reported so) */
    double zombie;   /* ... and that a lost answer arrives all the same */
    double twice;    /* probability that an answer is delivered a second time */
    double straggle; /* probability of a task time 50 times as long */
};

struct fit_run {
    struct admm_options options;
    bool gram;      /* normal: Cholesky; otherwise L-BFGS on the rows */
    int iterations; /* of L-BFGS in a robust update; 0: 2 */
    struct fit_faults faults;
    int64_t max_sweeps;
    double least; /* F at the minimum, to measure gaps against; NAN: none */
    /* Results. */
    enum admm_status status;
    struct admm_counts counts;
    double sweeps_to[4]; /* N arrivals each, to a gap of 1e-4, 1e-6, 1e-8, 1e-10 */
    double seconds;      /* of the virtual clock */
    double stop_gap;     /* where ADMM stopped */
    double *admm_z;      /* (q), owned */
    double *b;           /* (q), owned: polished, of the centred model */
    double *uncentred;   /* (q), owned */
    int polish_rounds;
    enum polish_outcome polish_outcome;
    struct certificate certificate;
    char reason[160];
};

void fit_prepare(struct fit *fit, const struct fit_data *data, double c);
void fit_destroy(struct fit *fit);

void fit_run_default(struct fit_run *run);
/* ADMM only; with `finish`, polish and certificate too. */
void fit_run(struct fit *fit, struct fit_run *run, bool finish);
void fit_run_destroy(struct fit_run *run);

/* F at b (centred model). */
double fit_objective(const struct fit *fit, const double *b);

/* Polish and certificate from z on. */
void fit_finish(struct fit *fit, const double *z, struct fit_run *run);

double fit_random(uint64_t *state); /* [0, 1) */

#endif
