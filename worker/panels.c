#include "worker/panels.h"
#include "worker/simd.h"
#include <stdlib.h>
#include <string.h>

#define W PANEL_COLUMNS
/* Rows of a tile of g, W columns wide, whose sums fit the vector registers. */
#define TILE 4

double *panels_create(int64_t columns)
{
    size_t panels = (size_t)(columns + W - 1) / W;
    size_t bytes =
        ((panels ? panels : 1) * PANEL_ROWS * W * sizeof(double) + 63) / 64 * 64;
    double *room = aligned_alloc(64, bytes);
    if (room)
        memset(room, 0, bytes);
    return room;
}

/* to (TILE x W, rows `stride` apart) += left' right: TILE columns from `left` on and
 * the panel `right`. */
SIMD_CLONES
static void add_tile(const double *left, const double *right, int64_t rows, double *to,
                     int64_t stride)
{
    v4 sums[TILE][W / 4] = {{{0}}};
    for (int64_t i = 0; i < rows; i++, left += W, right += W) {
        v4 r0 = v4_load(right), r1 = v4_load(right + 4), r2 = v4_load(right + 8);
#pragma GCC unroll 4
        for (int j = 0; j < TILE; j++) {
            sums[j][0] += r0 * left[j];
            sums[j][1] += r1 * left[j];
            sums[j][2] += r2 * left[j];
        }
    }
#pragma GCC unroll 4
    for (int j = 0; j < TILE; j++)
#pragma GCC unroll 3
        for (int k = 0; k < W / 4; k++) {
            double *at = to + j * stride + 4 * k;
            v4_store(at, v4_load(at) + sums[j][k]);
        }
}

/* The same where part of the tile lies outside of g. */
static void add_edge(const double *left, const double *right, int64_t rows, double *to,
                     int64_t stride, int64_t height, int64_t width)
{
    double tile[TILE * W] = {0};
    add_tile(left, right, rows, tile, W);
    for (int64_t j = 0; j < height; j++)
        for (int64_t k = 0; k < width; k++)
            to[j * stride + k] += tile[j * W + k];
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void panels_multiply(const double *panels, int64_t rows, int64_t count, double *g)
{
    for (int64_t k = 0; k < count; k += W)
        for (int64_t j = k; j < count; j += TILE) {
            const double *right = panels + panels_column(k);
            const double *left = panels + panels_column(j);
            int64_t height = smaller(TILE, count - j), width = smaller(W, count - k);
            double *to = g + j * count + k;
            if (height == TILE && width == W)
                add_tile(left, right, rows, to, count);
            else
                add_edge(left, right, rows, to, count, height, width);
        }
}
