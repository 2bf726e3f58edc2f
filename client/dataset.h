/* A data set on the cluster: N chunks of rows, each a pair of futures that workers
 * made from a recipe and keep.  Nothing of it passes through the client. */
#ifndef CLIENT_DATASET_H
#define CLIENT_DATASET_H

#include "client/watch.h"
#include "common/err.h"

#include <stdbool.h>

struct dataset {
    struct dusk_client *client; /* borrowed */
    char *name;                 /* what reports call it */
    const char *family;         /* "normal" or "logistic", borrowed for ever */
    int64_t chunks;             /* N */
    int64_t rows;               /* n */
    int64_t columns;            /* p */
    int64_t *chunk_rows;        /* N, for data whose sizes are chosen here */
    struct dusk_future **x;     /* N: item 0 is X_i (n_i x p) */
    struct dusk_future **y;     /* N: item y_item is y_i (n_i) */
    int y_item;
    struct dusk_future **gram; /* N: what glm_gram gives, of rows that are not kept,
                                * instead of x and y, which are NULL then */
    /* The workers that chunks are spread over, chunk i on worker i modulo their number
     * (borrowed), or NULL: wherever there is room.  While `pinned` is set, nobody else
     * may compute on a chunk. */
    const struct dusk_cluster *homes;
    bool pinned;
    char **columns_named; /* p names, or NULL */
    int64_t image_width;  /* of data whose columns are pixels, else 0 */
};

/* The published experiment: X ~ N(0,1); coefficients U(0,1), a tenth of them (ten at
 * most) set to zero; y = X b + N(0,2^2), or Bernoulli for the logistic family.  The
 * seed decides all. */
struct published {
    const char *name; /* what reports call it; NULL: "published problem" */
    const char *family;
    int64_t rows, columns;
    int64_t chunk_rows; /* the last chunk takes what is left; or, other than 0, */
    int64_t chunks;     /* so many, divided evenly */
    uint64_t seed;
    const struct dusk_cluster *homes; /* see above; or NULL */
    bool f32;                         /* X is kept in floats; y is made from these */
    bool reduced; /* chunks are reduced to their Gram matrices as they are made, and
                   * their rows are not kept: normal family, without an intercept */
};

int dataset_published(struct dusk_client *client, const struct published *spec,
                      struct dataset *ret_data, struct err_text *text);

/* A CSV file, plain or gzip, that the workers can read under the same path.
 * `chunk_rows` 0: so that each of `threads` has at least four chunks.  `chunks`
 * other than 0 divides evenly instead. */
struct csv_source {
    const char *path;
    const char *response; /* name or 1-based number of a column, "" for the last */
    const char *family;
    int64_t chunk_rows, chunks, threads;
};

int dataset_csv(struct dusk_client *client, const struct csv_source *spec,
                const struct watch *watch, struct dataset *ret_data,
                struct err_text *text);

/* Images in IDX files: the class `positive` against the rest, pixels over 255,
 * sorted by label so that chunks differ as much as they can. */
struct idx_source {
    const char *images, *labels; /* paths */
    int64_t rows, columns, image_width;
    int64_t positive;
    int64_t chunks;
};

int dataset_idx(struct dusk_client *client, const struct idx_source *spec,
                const char *name, struct dataset *ret_data, struct err_text *text);

/* How a task on a chunk is submitted, and whether its result stays on the worker. */
struct dusk_submit_options dataset_options(const struct dataset *data, int64_t chunk,
                                           bool keep);

/* Gives up the futures; takes a zeroed data set too. */
void dataset_fini(struct dataset *data);

#endif
