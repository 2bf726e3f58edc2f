/* The task functions that every worker has.  Thin: they read arguments, check
 * shapes, call a kernel and hand in the items.
 *
 * Letters: l integer, d number, s string, a array (or the first item of a future,
 * or the item that the client named), f all items of a future; [] may be left out.
 * X is a chunk's rows (n x p), y its responses (n); glm.h has the other symbols.
 * Arrays are of doubles (f64); any X may be of floats (f32) instead, with products
 * and sums in double all the same.
 *
 *   random_normal    l seed, l stream, l chunk, l rows, l columns [, s type] -> a X
 *                    type "f64" or "f32": the same numbers, rounded
 *   linear_response  a X, a beta(p), d noise, s family, l seed, l stream, l chunk
 *                    -> a y: X beta + noise N(0,1), or for logistic 1 with
 *                    probability 1 / (1 + e^-x'beta), else 0
 *   random_gram      l seed, l stream, l noise's stream, l chunk, l rows, a beta(p),
 *                    d noise -> what glm_gram gives, without mu and intercept, on X of
 *                    random_normal and y of linear_response (normal), which are made
 *                    a few rows at a time and never kept; sums are made over
 *                    blocks of 512 rows, which are added up one by one
 *   sum              f, f, ... (2 to 64) -> the items, added one by one
 *   glm_moments      l chunk, a X, a y, s family -> l n, a sum x(p), a sum x^2(p)
 *   glm_gram         l chunk, a X, a y, a mu(p), s family, l intercept
 *                    -> a G(q,q), a c(q), a diag G(q), d y'y, d sum y, l n
 *   glm_gram_summary f gram -> a diag G(q), l n
 *   glm_factor       a G, a R(q), a mu(p), d curvature
 *                    -> a L(q,q), a R(q), a mu(p): L L' = curvature G + diag R
 *   glm_prox         a X, a y, f factor, s family, l intercept, a v(q), a x0(q),
 *                    l max_iterations -> a x(q), l evaluations, l status
 *   glm_prox_gram    f factor, a c(q), a v(q), d curvature
 *                    -> a x(q), l 1, l status: L L' x = curvature c + R v
 *   glm_prox_plain   a X, a y, s family, l intercept, d rho, a v(q), a x0(q),
 *                    l max_iterations, l max_evaluations
 *                    -> a x(q), l evaluations, l status; not centred, R = rho, no L
 *   glm_evaluate     a X, a y, a mu, s family, l intercept, a b(q)
 *                    -> d loss, a gradient(q), d r'y, d r'r, d sum r, d sum y, l n
 *   glm_hessian      a X, a y, a mu, s family, l intercept, a b(q), a columns(k)
 *                    -> a H(k,k)
 *   glm_dual         a X, a y, a mu, s family, l intercept, a b(q), a scale(2)
 *                    -> d value, a X~'theta(q); logistic only
 *   glm_losses       a X, a y, a mu, s family, l intercept, a B(k,q) -> a losses(k)
 *
 *   csv_scan         s path, s response, l chunk_rows
 *                    -> s names, s response, l rows, l fields, l index,
 *                    a offsets(N), a lines(N), a counts(N)
 *   csv_chunk        s path, l offset, l line, l rows, l fields, l index
 *                    -> a X, a y
 *   idx_chunk        s images, s labels, l positive, s order, l chunk, l chunks
 *                    -> a X, a y: pixels from 0 to 1, 1 where a label is `positive`
 *
 *   bench_kernel     s kernel, s type, s family, l rows, l columns, l repeats
 *                    -> a seconds(repeats), a peer seconds(repeats), d work: processor
 *                    time of a kernel on made data, in turn with what bounds it
 *                    (functions_bench.c); work in bytes, flops or numbers
 *
 * status is one of enum lbfgs_status.  Files must be there, under the same path,
 * where the function runs.  The response of csv_scan is a column's name, its number
 * from 1, or "" for the last; `names` are those of the other columns, joined by
 * tabs; `fields` counts all columns, `index` is the response's, from 0.  Block k has
 * counts(k) rows and starts with line lines(k) at byte offsets(k); blocks that
 * follow each other can be read as one.  With chunk_rows 0 they are as small as can
 * be for at most 65,536 of them.  The order of idx_chunk is "file", or
 * "sorted" by label; chunk k of N has the images n k / N to n (k + 1) / N. */
#ifndef WORKER_FUNCTIONS_H
#define WORKER_FUNCTIONS_H

#include "worker/dusk_task.h"

/* Each ends with {0}. */
extern const struct dusk_function basic_functions[];
extern const struct dusk_function bench_functions[];
extern const struct dusk_function data_functions[];
extern const struct dusk_function glm_functions[];
extern const struct dusk_function prox_functions[];
extern const struct dusk_function array_functions[];
extern const struct dusk_function data_functions[];

#endif
