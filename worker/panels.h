/* Sums of products of columns, X'X, from blocks of rows that are copied to panels of
 * a few columns each: element (i, j) of a block is at
 *
 *     panels[j / W * PANEL_ROWS * W + i * W + j % W],     W = PANEL_COLUMNS,
 *
 * so that the inner loop reads straight on.  Compiled like the loops of glm_rows.h. */
#ifndef WORKER_PANELS_H
#define WORKER_PANELS_H

#include <stdint.h>

#define PANEL_COLUMNS 12
#define PANEL_ROWS 128

/* Panels for `columns` columns, zeroed: columns that only fill the last panel up stay
 * zero.  NULL when there is no memory; freed with free(). */
double *panels_create(int64_t columns);

/* Where element (0, column) is; those of the next rows follow at distances of
 * PANEL_COLUMNS. */
static inline int64_t panels_column(int64_t column)
{
    return column / PANEL_COLUMNS * PANEL_ROWS * PANEL_COLUMNS + column % PANEL_COLUMNS;
}

/* g (count x count; the lower triangle, the upper one is left with anything) += X'X of
 * the first `rows` rows and `count` columns. */
void panels_multiply(const double *panels, int64_t rows, int64_t count, double *g);

#endif
