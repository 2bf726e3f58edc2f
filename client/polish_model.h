/* The quadratic model of one polishing round. */
#ifndef CLIENT_POLISH_MODEL_H
#define CLIENT_POLISH_MODEL_H

#include "client/penalised.h"

/* Minimises  g'd + d'Hd/2 + penalties(b + d)  over d on the k `columns`; b, g and
 * ret_d are of length q, H (k x k) is the loss's alone, and ret_d is written on
 * the columns only. ret_slope is the change of the model to first order,
 * g'd + penalties(b + d) - penalties(b), below 0 unless b is optimal. */
int polish_model_solve(const struct penalised *problem, const double *b,
                       const double *g, const int64_t *columns, int64_t count,
                       const double *H, double *ret_d, double *ret_slope);

#endif
