/* The inner loops of glm.c on one block of rows. */
#ifndef WORKER_GLM_KERNELS_H
#define WORKER_GLM_KERNELS_H

#include "worker/glm.h"

/* Buffers for one number a row are on the stack and have this size. */
#define GLM_BLOCK_ROWS 256

/* Rows that are worked on together in a chunk with p columns: they stay in the
 * first-level cache while they are used a second time. */
int64_t glm_block_rows(int64_t columns);

/* eta_i = offset + x_i'b */
void rows_dot(const double *x, int64_t rows, int64_t columns, const double *b,
              double offset, double *ret_eta);

/* sums += X'r */
void rows_add(const double *x, int64_t rows, int64_t columns, const double *r,
              double *sums);

/* Brings doubles into cache by looking at each cache line; the sum means nothing.
 * Memory is read fastest in one stream, which rows_add is not. */
double rows_touch(const double *x, int64_t count);

/* For each row the loss, the residual r and the weight w (second derivative of the
 * loss in eta). */
void rows_loss(enum glm_family family, const double *eta, const double *y, int64_t rows,
               double *ret_loss, double *ret_r);
void rows_weight(enum glm_family family, const double *eta, int64_t rows,
                 double *ret_weight);

/* 1 / (1 + e^-eta); ret_sigma may be eta. */
void rows_sigmoid(const double *eta, int64_t rows, double *ret_sigma);

#endif
