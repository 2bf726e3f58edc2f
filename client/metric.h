/* The diagonal metric of the robust ADMM, per chunk and column:
 *
 *     R_ij = c * curvature * (d_ij + 1e-3 share_i sum_k d_kj),  d_i = diag(X~_i'X~_i)
 *
 * share_i is the chunk's part of the rows.  A column without any weight gets a
 * positive floor, so that nothing divides by zero and its coefficient stays 0; so
 * does a chunk without rows. */
#ifndef CLIENT_METRIC_H
#define CLIENT_METRIC_H

#include "common/err.h"

#include <stdint.h>

struct metric {
    int64_t chunks;  /* N */
    int64_t columns; /* q */
    double *R;       /* (N x q), owned; row i is what glm_factor takes */
    double *total;   /* (q), owned: sum_k d_kj, before any floor */
    int64_t *rows;   /* (N), owned */
};

int metric_init(struct metric *metric, int64_t chunks, int64_t columns);
void metric_fini(struct metric *metric);

/* Copies what chunk i answered: n_i and d_i (q).  Each chunk once. */
void metric_set(struct metric *metric, int64_t chunk, int64_t rows, const double *diag);

/* Turns the d_i into R_i.  curvature: 2 normal, 1/4 logistic; c: 1 normal. */
void metric_finish(struct metric *metric, double curvature, double c);

static inline const double *metric_row(const struct metric *metric, int64_t chunk)
{
    return metric->R + chunk * metric->columns;
}

#endif
