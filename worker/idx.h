/* Images and labels from IDX files (the format of MNIST and its kin), plain or
 * gzip: big-endian headers, then unsigned bytes.  An image is a row of X, its
 * pixels divided by 255; y is 1 for one class and 0 for the rest.
 *
 * In gzip data reading a row decompresses all that lies before it; where many
 * chunks are taken from one file, unpack it first. */
#ifndef WORKER_IDX_H
#define WORKER_IDX_H

#include "common/err.h"

#define IDX_PIXELS_MAX (1 << 24) /* of one image */

/* The order in which rows are dealt out to chunks: that of the file, or sorted by
 * label (stably), which makes chunks differ as much as they can. */
enum idx_order { IDX_FILE, IDX_SORTED };

/* "file" and "sorted"; DUSK_E_INVALID for other words. */
int idx_order_parse(const char *text, enum idx_order *ret_order,
                    struct err_text *error);

/* The number of images and the pixels of each.  Checks the header, and the size
 * of a file that is not compressed.  DUSK_E_IO, DUSK_E_DATA. */
int idx_images(const char *path, int64_t *ret_count, int64_t *ret_pixels,
               struct err_text *error);

/* All labels; returns them owned, to be freed. */
int idx_labels(const char *path, uint8_t **ret_labels, int64_t *ret_count,
               struct err_text *error);

/* Reads the `count` images whose indices are given, in any order, into rows
 * (count x pixels, row-major).  `cancel` may be NULL. */
int idx_read_rows(const char *path, const int64_t *indices, int64_t count,
                  const volatile int *cancel, double *rows, struct err_text *error);

/* Chunk `number` of `chunks` of a data set in a given order. */
struct idx_chunk {
    const char *images, *labels; /* borrowed paths */
    enum idx_order order;
    int64_t positive; /* the label for which y is 1, 0 to 255 */
    int64_t number, chunks;
};

/* Shape of the chunk's X: chunk k of N has the rows n k / N to n (k + 1) / N, so
 * that chunks differ by at most one row.  DUSK_E_INVALID for
 * a number that is not below `chunks`, or more chunks than images. */
int idx_chunk_shape(const struct idx_chunk *chunk, int64_t *ret_rows,
                    int64_t *ret_pixels, struct err_text *error);

/* Fills X and y, which the caller provides in that shape. */
int idx_chunk_read(const struct idx_chunk *chunk, const volatile int *cancel, double *X,
                   double *y, struct err_text *error);

#endif
