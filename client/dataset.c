#include "client/dataset.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define NOISE 2.0 /* standard deviation of the published experiment */

/* Streams of random numbers of one seed. */
enum { STREAM_X = 0, STREAM_NOISE = 1 };

/* A scan tells where every block of so many rows begins; chunks are made of whole
 * blocks. */
#define SCAN_BLOCK_ROWS 256
#define CHUNK_ROWS_MAX 50000
#define CHUNKS_PER_THREAD 4

static int dataset_init(struct dataset *data, struct dusk_client *client,
                        const char *name, const char *family, int64_t chunks,
                        struct err_text *text)
{
    *data = (struct dataset){.client = client, .family = family, .chunks = chunks};
    if (chunks > INT_MAX)
        return err_set(text, DUSK_E_LIMIT, "%lld chunks are too many",
                       (long long)chunks);
    data->name = strdup(name);
    data->chunk_rows = calloc((size_t)chunks, sizeof *data->chunk_rows);
    data->x = calloc((size_t)chunks, sizeof *data->x);
    data->y = calloc((size_t)chunks, sizeof *data->y);
    if (!data->name || !data->chunk_rows || !data->x || !data->y)
        return err_set(text, DUSK_E_NOMEM, "no memory for %lld chunks",
                       (long long)chunks);
    return 0;
}

void dataset_fini(struct dataset *data)
{
    if (data->gram)
        dusk_release(data->gram, (int)data->chunks);
    free(data->gram);
    if (data->y && data->y != data->x)
        dusk_release(data->y, (int)data->chunks);
    if (data->x)
        dusk_release(data->x, (int)data->chunks);
    if (data->columns_named)
        for (int64_t j = 0; j < data->columns; j++)
            free(data->columns_named[j]);
    free(data->columns_named);
    free(data->chunk_rows);
    free(data->name);
    free(data->x);
    if (data->y != data->x)
        free(data->y);
    *data = (struct dataset){0};
}

struct dusk_submit_options dataset_options(const struct dataset *data, int64_t chunk,
                                           bool keep)
{
    struct dusk_submit_options options = {.keep_on_worker = keep};
    if (data->pinned)
        options.worker = data->homes->workers[chunk % data->homes->worker_count].name;
    return options;
}

/* X and y are one and the same future, of two items. */
static void dataset_pair_items(struct dataset *data)
{
    free(data->y);
    data->y = data->x;
    data->y_item = 1;
}

/* Chunks are one future each, in place of X and y. */
static void dataset_reduce(struct dataset *data)
{
    data->gram = data->x;
    free(data->y);
    data->x = data->y = NULL;
}

/* ---- the published experiment ---- */

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static void published_coefficients(const struct published *spec, double *beta)
{
    uint64_t state = spec->seed;
    for (int64_t j = 0; j < spec->columns; j++)
        beta[j] = (double)(splitmix(&state) >> 11) * 0x1p-53;
    int64_t zeros = spec->columns / 10 < 10 ? spec->columns / 10 : 10;
    while (zeros > 0) {
        uint64_t j = splitmix(&state) % (uint64_t)spec->columns;
        zeros -= beta[j] != 0;
        beta[j] = 0;
    }
}

/* Of chunk i: all alike but the last, or divided evenly. */
static int64_t published_rows(const struct published *spec, int64_t i)
{
    if (spec->chunks)
        return spec->rows * (i + 1) / spec->chunks - spec->rows * i / spec->chunks;
    int64_t left = spec->rows - i * spec->chunk_rows;
    return left < spec->chunk_rows ? left : spec->chunk_rows;
}

static int published_chunk(const struct published *spec, struct dusk_array *beta,
                           int64_t chunk, struct dataset *data)
{
    struct dusk_submit_options keep = dataset_options(data, chunk, true);
    if (spec->reduced)
        return dusk_submit_with(data->client, &keep, &data->gram[chunk], "random_gram",
                                "lllllad", (int64_t)spec->seed, (int64_t)STREAM_X,
                                (int64_t)STREAM_NOISE, chunk, data->chunk_rows[chunk],
                                beta, NOISE);
    int rc = dusk_submit_with(data->client, &keep, &data->x[chunk], "random_normal",
                              "llllls", (int64_t)spec->seed, (int64_t)STREAM_X, chunk,
                              data->chunk_rows[chunk], spec->columns,
                              spec->f32 ? "f32" : "f64");
    if (rc < 0)
        return rc;
    return dusk_submit_with(data->client, &keep, &data->y[chunk], "linear_response",
                            "fadslll", data->x[chunk], beta, NOISE, spec->family,
                            (int64_t)spec->seed, (int64_t)STREAM_NOISE, chunk);
}

int dataset_published(struct dusk_client *client, const struct published *spec,
                      struct dataset *ret_data, struct err_text *text)
{
    struct dataset data;
    int64_t chunks = spec->chunks;
    if (chunks == 0)
        chunks = (spec->rows + spec->chunk_rows - 1) / spec->chunk_rows;
    double *beta = calloc((size_t)spec->columns, sizeof *beta);
    const char *name = spec->name ? spec->name : "published problem";
    int rc = dataset_init(&data, client, name, spec->family, chunks, text);
    if (rc == 0 && !beta)
        rc = err_set(text, DUSK_E_NOMEM, "no memory for %lld coefficients",
                     (long long)spec->columns);
    if (rc == 0) {
        data.rows = spec->rows;
        data.columns = spec->columns;
        data.homes = spec->homes;
        data.pinned = spec->homes != NULL;
        if (spec->reduced)
            dataset_reduce(&data);
        published_coefficients(spec, beta);
        struct dusk_array array = {DUSK_F64, 1, {spec->columns}, beta};
        for (int64_t i = 0; rc == 0 && i < chunks; i++) {
            data.chunk_rows[i] = published_rows(spec, i);
            if ((rc = published_chunk(spec, &array, i, &data)) < 0)
                watch_failed(rc, text);
        }
    }
    free(beta);
    if (rc < 0)
        dataset_fini(&data);
    else
        *ret_data = data;
    return rc;
}

/* ---- CSV ---- */

/* What csv_scan answered: `fields` columns in the file, of which one, counted from
 * 0, is the response. */
struct scan {
    const char *names;
    int64_t rows, fields, response;
    struct dusk_array offsets, lines, counts; /* one entry a block */
};

static int64_t scan_at(const struct dusk_array *array, int64_t index)
{
    return (int64_t)((const double *)array->data)[index];
}

/* "a\tb\tc" into `count` owned names. */
static char **split_names(const char *joined, int64_t count)
{
    char **names = calloc((size_t)count, sizeof *names);
    for (int64_t j = 0; names && j < count; j++) {
        size_t length = strcspn(joined, "\t");
        names[j] = strndup(joined, length);
        joined += length + (joined[length] != '\0');
    }
    return names;
}

/* Chunk i of N takes blocks i B / N to (i + 1) B / N. */
static int csv_chunks(const char *path, const struct scan *scan, struct dataset *data,
                      struct err_text *text)
{
    int64_t blocks = scan->offsets.shape[0];
    struct dusk_submit_options keep = {.keep_on_worker = 1};
    for (int64_t i = 0; i < data->chunks; i++) {
        int64_t first = i * blocks / data->chunks,
                end = (i + 1) * blocks / data->chunks;
        for (int64_t b = first; b < end; b++)
            data->chunk_rows[i] += scan_at(&scan->counts, b);
        int rc = dusk_submit_with(data->client, &keep, &data->x[i], "csv_chunk",
                                  "slllll", path, scan_at(&scan->offsets, first),
                                  scan_at(&scan->lines, first), data->chunk_rows[i],
                                  scan->fields, scan->response);
        if (rc < 0)
            return watch_failed(rc, text);
    }
    return 0;
}

/* The rows of a scan's blocks: 0 leaves them to the scan, fine enough for any number
 * of chunks; chunks of a given size are scanned as such. */
static int64_t csv_block_rows(const struct csv_source *spec)
{
    if (spec->chunk_rows > 0)
        return spec->chunk_rows;
    return spec->chunks > 0 ? 0 : SCAN_BLOCK_ROWS;
}

static int64_t csv_chunk_count(const struct csv_source *spec, int64_t blocks)
{
    if (spec->chunk_rows > 0)
        return blocks;
    if (spec->chunks > 0)
        return spec->chunks < blocks ? spec->chunks : blocks;
    int64_t wanted = CHUNKS_PER_THREAD * (spec->threads > 0 ? spec->threads : 1);
    int64_t share = (blocks + wanted - 1) / wanted;
    int64_t most = CHUNK_ROWS_MAX / SCAN_BLOCK_ROWS;
    share = share < most ? share : most;
    return (blocks + share - 1) / share;
}

static int csv_dataset(struct dusk_client *client, const struct csv_source *spec,
                       const char *path, const struct scan *scan, struct dataset *data,
                       struct err_text *text)
{
    if (spec->chunks > scan->rows)
        return err_set(text, DUSK_E_INVALID,
                       "%lld chunks are more than the %lld rows of %s",
                       (long long)spec->chunks, (long long)scan->rows, spec->path);
    int rc = dataset_init(data, client, spec->path, spec->family,
                          csv_chunk_count(spec, scan->offsets.shape[0]), text);
    if (rc < 0)
        return rc;
    dataset_pair_items(data);
    data->rows = scan->rows;
    data->columns = scan->fields - 1;
    data->columns_named = split_names(scan->names, data->columns);
    if (!data->columns_named)
        return err_set(text, DUSK_E_NOMEM, "no memory for %lld names",
                       (long long)data->columns);
    return csv_chunks(path, scan, data, text);
}

static int csv_scanned(const struct watch *watch, struct dusk_client *client,
                       struct dusk_future *future, struct scan *ret_scan,
                       struct err_text *text)
{
    int rc = watch_await(watch, client, "scan", &future, 1, text);
    if (rc == 0)
        rc = watch_fetch(watch, &future, 1, text);
    if (rc == 0 &&
        (rc = dusk_result(future, 0, "s*lllaaa", &ret_scan->names, &ret_scan->rows,
                          &ret_scan->fields, &ret_scan->response, &ret_scan->offsets,
                          &ret_scan->lines, &ret_scan->counts)) < 0)
        watch_failed(rc, text);
    return rc;
}

int dataset_csv(struct dusk_client *client, const struct csv_source *spec,
                const struct watch *watch, struct dataset *ret_data,
                struct err_text *text)
{
    char absolute[PATH_MAX];
    const char *path = realpath(spec->path, absolute) ? absolute : spec->path;
    struct dusk_future *future = NULL;
    struct dataset data = {0};
    struct scan scan;
    int rc = dusk_submit(client, &future, "csv_scan", "ssl", path, spec->response,
                         csv_block_rows(spec));
    if (rc < 0)
        watch_failed(rc, text);
    else
        rc = csv_scanned(watch, client, future, &scan, text);
    if (rc == 0)
        rc = csv_dataset(client, spec, path, &scan, &data, text);
    dusk_release(&future, 1);
    if (rc < 0)
        dataset_fini(&data);
    else
        *ret_data = data;
    return rc;
}

/* ---- IDX ---- */

int dataset_idx(struct dusk_client *client, const struct idx_source *spec,
                const char *name, struct dataset *ret_data, struct err_text *text)
{
    struct dataset data;
    int rc = dataset_init(&data, client, name, "logistic", spec->chunks, text);
    dataset_pair_items(&data);
    data.rows = spec->rows;
    data.columns = spec->columns;
    data.image_width = spec->image_width;
    struct dusk_submit_options keep = {.keep_on_worker = 1};
    for (int64_t i = 0; rc == 0 && i < spec->chunks; i++) {
        data.chunk_rows[i] =
            spec->rows * (i + 1) / spec->chunks - spec->rows * i / spec->chunks;
        rc = dusk_submit_with(client, &keep, &data.x[i], "idx_chunk", "sslsll",
                              spec->images, spec->labels, spec->positive, "sorted", i,
                              spec->chunks);
        if (rc < 0)
            watch_failed(rc, text);
    }
    if (rc < 0)
        dataset_fini(&data);
    else
        *ret_data = data;
    return rc;
}
