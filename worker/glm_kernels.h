/* The inner loops of glm.c on one block of rows. */
#ifndef WORKER_GLM_KERNELS_H
#define WORKER_GLM_KERNELS_H

#include "worker/glm.h"

/* Buffers for one number a row are on the stack and have this size. */
#define GLM_BLOCK_ROWS 256

/* Rows that are worked on together: they stay in the first-level cache while they
 * are used a second time. */
int64_t glm_block_rows(const struct glm_chunk *chunk);

/* The constant of eta at b: the intercept less what centring takes off. */
double glm_offset(const struct glm_chunk *chunk, const double *b);

/* What follows reads the chunk's rows first .. first + rows - 1 as they are, without
 * means and intercept. */

/* eta_i = offset + x_i'b */
void rows_dot(const struct glm_chunk *chunk, int64_t first, int64_t rows,
              const double *b, double offset, double *ret_eta);

/* sums += X'r */
void rows_add(const struct glm_chunk *chunk, int64_t first, int64_t rows,
              const double *r, double *sums);

/* sum += sum of x_i, sum2 += sum of their squares. */
void rows_moments(const struct glm_chunk *chunk, int64_t first, int64_t rows,
                  double *sum, double *sum2);

/* Rows that rows_pass takes at once; 0 where rows_dot and rows_add, one after the other
 * on a block in cache, are faster. */
int64_t glm_pass_rows(const struct glm_chunk *chunk);

/* rows_dot for a group of glm_pass_rows rows from `first` on, and in the meantime
 * rows_add for another, from `old` on, whose r is known. */
void rows_pass(const struct glm_chunk *chunk, int64_t first, const double *b,
               double offset, double *ret_eta, int64_t old, const double *old_r,
               double *sums);

/* Panels (panels.h) of x_i - mu for at most PANEL_ROWS rows; mu has p means. */
void rows_pack(const struct glm_chunk *chunk, int64_t first, int64_t rows,
               const double *mu, double *panels);

/* The rows as doubles: where they are, or copied to `room` (rows x p). */
const double *rows_doubles(const struct glm_chunk *chunk, int64_t first, int64_t rows,
                           double *room);

/* Brings rows into cache by looking at each cache line; the sum means nothing.
 * Memory is read fastest in one stream, which rows_add is not. */
double rows_touch(const struct glm_chunk *chunk, int64_t first, int64_t rows);

/* Of a block of rows the residuals r, and the losses: loss_i + log growth_i, where
 * growth is between 1 and 2, so that one logarithm serves many rows; normal models have
 * none. */
struct row_losses {
    double loss[GLM_BLOCK_ROWS], growth[GLM_BLOCK_ROWS], r[GLM_BLOCK_ROWS];
};

/* Those of `rows` rows, to ret's rows from `first` on. */
void rows_loss(enum glm_family family, const double *eta, const double *y, int64_t rows,
               struct row_losses *ret, int64_t first);

/* The sum of the first `rows` losses; beside its relative error, of a few units in the
 * last place, it may be wrong by 1.2e-16 a row. */
double rows_loss_sum(enum glm_family family, const struct row_losses *of, int64_t rows);

/* The weights w, second derivatives of the losses in eta. */
void rows_weight(enum glm_family family, const double *eta, int64_t rows,
                 double *ret_weight);

/* 1 / (1 + e^-eta); ret_sigma may be eta. */
void rows_sigmoid(const double *eta, int64_t rows, double *ret_sigma);

#endif
