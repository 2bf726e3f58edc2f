/* Dense linear algebra on small matrices: what OpenBLAS does for us, row-major
 * and with our error codes. */
#ifndef WORKER_DENSE_H
#define WORKER_DENSE_H

#include "common/err.h"

/* One BLAS thread for each thread that computes.  To be called once, before the
 * first computation; calling it again is harmless. */
void dense_init(void);

/* Replaces the symmetric q x q matrix `a` (its lower triangle is read) by its
 * lower Cholesky factor; the upper triangle becomes zero.  A row and column that
 * are zero throughout get a 1 on the diagonal, so that solving leaves a zero
 * right-hand side at zero.  DUSK_E_DATA with a line that names the pivot when the
 * matrix is not positive definite or not finite. */
int dense_cholesky(double *a, int64_t q, struct err_text *err);

/* In place: x = L^-1 x, and x = L'^-1 x. */
void dense_solve_lower(const double *l, int64_t q, double *x);
void dense_solve_upper(const double *l, int64_t q, double *x);

double dense_sum(const double *a, int64_t count);
double dense_dot(const double *a, const double *b, int64_t count);
/* sum a b c */
double dense_dot3(const double *a, const double *b, const double *c, int64_t count);
/* ret = a + factor b; ret may be a. */
void dense_add(const double *a, double factor, const double *b, int64_t count,
               double *ret);

#endif
