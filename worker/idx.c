#include "worker/idx.h"

#include "worker/zfile.h"

#include <stdlib.h>
#include <string.h>

#define COUNT_MAX INT64_C(0x7fffffff)

enum { MAGIC_UBYTE = 0x08, DIMS_MAX = 4, HEADER_MAX = 4 + 4 * DIMS_MAX };

/* An IDX file whose header has been read. */
struct idx_file {
    struct zfile file;
    int64_t count;
    int64_t item_bytes;
    int64_t data_start;
};

int idx_order_parse(const char *text, enum idx_order *ret_order, struct err_text *error)
{
    if (strcmp(text, "file") == 0)
        *ret_order = IDX_FILE;
    else if (strcmp(text, "sorted") == 0)
        *ret_order = IDX_SORTED;
    else
        return err_set(error, DUSK_E_INVALID, "order '%s' is not one of file, sorted",
                       text);
    return 0;
}

static int64_t big_endian(const uint8_t *bytes)
{
    return (int64_t)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

static int read_exactly(struct zfile *file, void *data, size_t size,
                        struct err_text *error)
{
    size_t got;
    int rc = zfile_read(file, data, size, &got, error);
    if (rc == 0 && got < size)
        return err_set(error, DUSK_E_DATA, "%s: the file ends too early", file->path);
    return rc;
}

/* What can be told without decompressing: zlib's last block may lie. */
static int check_size(const struct idx_file *idx, struct err_text *error)
{
    int64_t expected = idx->data_start + idx->count * idx->item_bytes;
    if (zfile_is_compressed(&idx->file) || idx->file.disk_bytes == expected)
        return 0;
    return err_set(
        error, DUSK_E_DATA, "%s: has %lld bytes; %lld items of %lld bytes make %lld",
        idx->file.path, (long long)idx->file.disk_bytes, (long long)idx->count,
        (long long)idx->item_bytes, (long long)expected);
}

static int read_header(struct idx_file *idx, int dims_min, int dims_max,
                       struct err_text *error)
{
    const char *path = idx->file.path;
    uint8_t bytes[HEADER_MAX];
    int rc = read_exactly(&idx->file, bytes, 4, error);
    if (rc < 0)
        return rc;
    int dims = bytes[3];
    if (bytes[0] || bytes[1])
        return err_set(error, DUSK_E_DATA,
                       "%s: is not an IDX file (begins with %02x %02x %02x %02x)", path,
                       bytes[0], bytes[1], bytes[2], bytes[3]);
    if (bytes[2] != MAGIC_UBYTE)
        return err_set(error, DUSK_E_DATA,
                       "%s: IDX type 0x%02x; only unsigned bytes (0x08) are read", path,
                       bytes[2]);
    if (dims < dims_min || dims > dims_max)
        return err_set(error, DUSK_E_DATA, "%s: IDX with %d dimensions instead of %d",
                       path, dims, dims < dims_min ? dims_min : dims_max);
    rc = read_exactly(&idx->file, bytes + 4, 4 * (size_t)dims, error);
    if (rc < 0)
        return rc;
    idx->count = big_endian(bytes + 4);
    idx->item_bytes = 1;
    for (int i = 1; i < dims; i++) {
        int64_t extent = big_endian(bytes + 4 + 4 * i);
        if (extent == 0 || extent > IDX_PIXELS_MAX / idx->item_bytes)
            return err_set(error, DUSK_E_DATA, "%s: dimension %d is %lld", path, i + 1,
                           (long long)extent);
        idx->item_bytes *= extent;
    }
    idx->data_start = 4 + 4 * dims;
    if (idx->count == 0 || idx->count > COUNT_MAX)
        return err_set(error, DUSK_E_DATA, "%s: has %s items", path,
                       idx->count ? "too many" : "no");
    return check_size(idx, error);
}

static int idx_open(struct idx_file *idx, const char *path, int dims_min, int dims_max,
                    struct err_text *error)
{
    *idx = (struct idx_file){0};
    int rc = zfile_open(&idx->file, path, error);
    if (rc < 0)
        return rc;
    rc = read_header(idx, dims_min, dims_max, error);
    if (rc < 0)
        zfile_close(&idx->file);
    return rc;
}

static int open_images(struct idx_file *idx, const char *path, struct err_text *error)
{
    return idx_open(idx, path, 2, DIMS_MAX, error);
}

int idx_images(const char *path, int64_t *ret_count, int64_t *ret_pixels,
               struct err_text *error)
{
    struct idx_file idx;
    int rc = open_images(&idx, path, error);
    if (rc < 0)
        return rc;
    zfile_close(&idx.file);
    *ret_count = idx.count;
    *ret_pixels = idx.item_bytes;
    return 0;
}

/* Reads the labels and looks for bytes behind the last one.  A header may claim
 * any number, so memory grows with what is there. */
static int read_labels(struct idx_file *idx, uint8_t **labels, struct err_text *error)
{
    size_t count = (size_t)idx->count, done = 0, room = 0;
    while (done <= count) {
        room = room ? 2 * room : 65536;
        room = room < count + 1 ? room : count + 1;
        uint8_t *larger = realloc(*labels, room);
        if (!larger)
            return err_set(error, DUSK_E_NOMEM, "%s: out of memory", idx->file.path);
        *labels = larger;
        size_t got;
        int rc = zfile_read(&idx->file, *labels + done, room - done, &got, error);
        if (rc < 0)
            return rc;
        done += got;
        if (done < room)
            break;
    }
    if (done == count)
        return 0;
    return err_set(error, DUSK_E_DATA, "%s: has %s labels than the %zu it announces",
                   idx->file.path, done < count ? "fewer" : "more", count);
}

int idx_labels(const char *path, uint8_t **ret_labels, int64_t *ret_count,
               struct err_text *error)
{
    struct idx_file idx;
    int rc = idx_open(&idx, path, 1, 1, error);
    if (rc < 0)
        return rc;
    uint8_t *labels = NULL;
    rc = read_labels(&idx, &labels, error);
    zfile_close(&idx.file);
    if (rc < 0) {
        free(labels);
        return rc;
    }
    *ret_labels = labels;
    *ret_count = idx.count;
    return 0;
}

/* An image to read and the row it goes to. */
struct place {
    int64_t index, row;
};

static int by_index(const void *a, const void *b)
{
    int64_t left = ((const struct place *)a)->index;
    int64_t right = ((const struct place *)b)->index;
    return (left > right) - (left < right);
}

static int read_place(struct idx_file *idx, const struct place *place, uint8_t *bytes,
                      double *rows, struct err_text *error)
{
    int64_t pixels = idx->item_bytes;
    if (place->index < 0 || place->index >= idx->count)
        return err_set(error, DUSK_E_INVALID, "%s: no image %lld among %lld",
                       idx->file.path, (long long)place->index, (long long)idx->count);
    int rc = zfile_seek(&idx->file, idx->data_start + place->index * pixels, error);
    if (rc == 0)
        rc = read_exactly(&idx->file, bytes, (size_t)pixels, error);
    if (rc < 0)
        return rc;
    double *row = rows + place->row * pixels;
    for (int64_t j = 0; j < pixels; j++)
        row[j] = bytes[j] / 255.0;
    return 0;
}

/* Reads from front to back, for the sake of gzip files. */
static int read_places(struct idx_file *idx, struct place *places, int64_t count,
                       const volatile int *cancel, double *rows, struct err_text *error)
{
    uint8_t *bytes = malloc((size_t)idx->item_bytes);
    if (!bytes)
        return err_set(error, DUSK_E_NOMEM, "%s: out of memory", idx->file.path);
    qsort(places, (size_t)count, sizeof *places, by_index);
    int rc = 0;
    for (int64_t i = 0; i < count && rc == 0; i++) {
        if (dusk_flag(cancel))
            rc = err_set(error, DUSK_E_CANCELLED, "%s: cancelled", idx->file.path);
        else
            rc = read_place(idx, &places[i], bytes, rows, error);
    }
    free(bytes);
    return rc;
}

int idx_read_rows(const char *path, const int64_t *indices, int64_t count,
                  const volatile int *cancel, double *rows, struct err_text *error)
{
    struct idx_file idx;
    int rc = open_images(&idx, path, error);
    if (rc < 0)
        return rc;
    struct place *places = calloc((size_t)count + 1, sizeof *places);
    if (!places) {
        rc = err_set(error, DUSK_E_NOMEM, "%s: out of memory", path);
    } else {
        for (int64_t i = 0; i < count; i++)
            places[i] = (struct place){indices[i], i};
        rc = read_places(&idx, places, count, cancel, rows, error);
    }
    free(places);
    zfile_close(&idx.file);
    return rc;
}

/* The first row of chunk k; COUNT_MAX keeps the product in range. */
static int64_t chunk_begin(int64_t count, int64_t chunks, int64_t k)
{
    return count * k / chunks;
}

static int64_t chunk_rows(const struct idx_chunk *chunk, int64_t count)
{
    return chunk_begin(count, chunk->chunks, chunk->number + 1) -
           chunk_begin(count, chunk->chunks, chunk->number);
}

/* Whether there is such a chunk, and in how many images of how many pixels. */
static int chunk_check(const struct idx_chunk *chunk, int64_t *ret_count,
                       int64_t *ret_pixels, struct err_text *error)
{
    int rc = idx_images(chunk->images, ret_count, ret_pixels, error);
    if (rc < 0)
        return rc;
    if (chunk->chunks > *ret_count)
        return err_set(error, DUSK_E_INVALID, "%s: %lld chunks of %lld images",
                       chunk->images, (long long)chunk->chunks, (long long)*ret_count);
    if (chunk->number < 0 || chunk->number >= chunk->chunks)
        return err_set(error, DUSK_E_INVALID, "%s: no chunk %lld among %lld",
                       chunk->images, (long long)chunk->number,
                       (long long)chunk->chunks);
    if (chunk->positive < 0 || chunk->positive > 255)
        return err_set(error, DUSK_E_INVALID, "%s: label %lld is not from 0 to 255",
                       chunk->labels, (long long)chunk->positive);
    return 0;
}

int idx_chunk_shape(const struct idx_chunk *chunk, int64_t *ret_rows,
                    int64_t *ret_pixels, struct err_text *error)
{
    int64_t count, pixels;
    int rc = chunk_check(chunk, &count, &pixels, error);
    if (rc < 0)
        return rc;
    *ret_rows = chunk_rows(chunk, count);
    *ret_pixels = pixels;
    return 0;
}

/* Indices of the rows begin ... begin + rows - 1 of the given order. */
static void select_rows(const uint8_t *labels, int64_t count, enum idx_order order,
                        int64_t begin, int64_t rows, int64_t *indices)
{
    if (order == IDX_FILE) {
        for (int64_t i = 0; i < rows; i++)
            indices[i] = begin + i;
        return;
    }
    int64_t next[257] = {0}; /* where the next image of each label stands */
    for (int64_t i = 0; i < count; i++)
        next[labels[i] + 1]++;
    for (int label = 0; label < 256; label++)
        next[label + 1] += next[label];
    for (int64_t i = 0; i < count; i++) {
        int64_t at = next[labels[i]]++ - begin;
        if (at >= 0 && at < rows)
            indices[at] = i;
    }
}

static int chunk_read(const struct idx_chunk *chunk, const uint8_t *labels,
                      int64_t count, const volatile int *cancel, double *X, double *y,
                      struct err_text *error)
{
    int64_t rows = chunk_rows(chunk, count);
    int64_t *indices = malloc((size_t)rows * sizeof *indices);
    if (!indices)
        return err_set(error, DUSK_E_NOMEM, "%s: out of memory", chunk->images);
    int64_t begin = chunk_begin(count, chunk->chunks, chunk->number);
    select_rows(labels, count, chunk->order, begin, rows, indices);
    for (int64_t i = 0; i < rows; i++)
        y[i] = labels[indices[i]] == chunk->positive;
    int rc = idx_read_rows(chunk->images, indices, rows, cancel, X, error);
    free(indices);
    return rc;
}

int idx_chunk_read(const struct idx_chunk *chunk, const volatile int *cancel, double *X,
                   double *y, struct err_text *error)
{
    int64_t images, pixels, count;
    int rc = chunk_check(chunk, &images, &pixels, error);
    if (rc < 0)
        return rc;
    uint8_t *labels;
    rc = idx_labels(chunk->labels, &labels, &count, error);
    if (rc < 0)
        return rc;
    if (count != images)
        rc = err_set(error, DUSK_E_DATA, "%s: %lld labels for %lld images",
                     chunk->labels, (long long)count, (long long)images);
    else
        rc = chunk_read(chunk, labels, count, cancel, X, y, error);
    free(labels);
    return rc;
}
