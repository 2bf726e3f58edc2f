/* IDX files: how they are read and how long the labels are, then labels and images. */
#include "tests/fuzz/memory_file.h"
#include "worker/idx.h"

#include <stdlib.h>
#include <string.h>

#define NUMBERS_MAX (1 << 20) /* in a chunk that is really read */

static struct memory_file images, labels;

static void expect_line(const struct err_text *error)
{
    FUZZ_CHECK(strncmp(error->line, images.path, strlen(images.path)) == 0 ||
               strncmp(error->line, labels.path, strlen(labels.path)) == 0 ||
               strstr(error->line, "chunk"));
    FUZZ_CHECK(!strchr(error->line, '\n'));
}

static void read_chunk(const struct idx_chunk *chunk)
{
    struct err_text error;
    int64_t rows, pixels;
    if (idx_chunk_shape(chunk, &rows, &pixels, &error) < 0) {
        expect_line(&error);
        return;
    }
    FUZZ_CHECK(rows > 0 && pixels > 0 && pixels <= IDX_PIXELS_MAX);
    if (rows > NUMBERS_MAX / pixels)
        return;
    double *X = malloc((size_t)(rows * pixels) * sizeof *X);
    double *y = malloc((size_t)rows * sizeof *y);
    int rc = idx_chunk_read(chunk, NULL, X, y, &error);
    if (rc < 0)
        expect_line(&error);
    for (int64_t i = 0; rc == 0 && i < rows * pixels; i++)
        FUZZ_CHECK(X[i] >= 0 && X[i] <= 1);
    for (int64_t i = 0; rc == 0 && i < rows; i++)
        FUZZ_CHECK(y[i] == 0 || y[i] == 1);
    free(X);
    free(y);
}

static void read_rows(struct feed *feed)
{
    int64_t count, pixels, indices[4];
    struct err_text error;
    if (idx_images(images.path, &count, &pixels, &error) < 0) {
        expect_line(&error);
        return;
    }
    FUZZ_CHECK(count > 0 && pixels > 0 && pixels <= IDX_PIXELS_MAX);
    if (pixels > NUMBERS_MAX)
        return;
    for (int i = 0; i < 4; i++)
        indices[i] = feed_byte(feed) % count;
    double *rows = malloc((size_t)(4 * pixels) * sizeof *rows);
    if (idx_read_rows(images.path, indices, 4, NULL, rows, &error) < 0)
        expect_line(&error);
    free(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed feed = {data, size, 0};
    unsigned how = feed_byte(&feed);
    struct idx_chunk chunk = {.order = how & 1 ? IDX_SORTED : IDX_FILE,
                              .positive = feed_below(&feed, 4),
                              .number = feed_below(&feed, 4),
                              .chunks = feed_below(&feed, 4)};
    struct feed choices = feed;
    size_t label_bytes, image_bytes;
    const uint8_t *label_data = feed_bytes(&feed, feed_byte(&feed), &label_bytes);
    const uint8_t *image_data = feed_bytes(&feed, SIZE_MAX, &image_bytes);
    memory_file_write(&labels, label_data, label_bytes, how & 2);
    memory_file_write(&images, image_data, image_bytes, how & 4);
    chunk.images = images.path;
    chunk.labels = labels.path;
    read_chunk(&chunk);
    read_rows(&choices);
    return 0;
}

/* Five images of 2 x 3 pixels and their labels, read in each way. */
void fuzz_seeds(fuzz_take_fn *take, void *context)
{
    enum { COUNT = 5, PIXELS = 6, LABELS = 8 + COUNT };
    static const uint8_t label_header[] = {0, 0, 8, 1, 0, 0, 0, COUNT};
    static const uint8_t image_header[] = {0, 0, 8, 3, 0, 0, 0, COUNT,
                                           0, 0, 0, 2, 0, 0, 0, 3};
    for (uint8_t how = 0; how < 8; how++) {
        uint8_t input[256] = {how, 1, how % 3, 3, LABELS};
        size_t size = 5;
        memcpy(input + size, label_header, sizeof label_header);
        size += sizeof label_header;
        for (uint8_t i = 0; i < COUNT; i++)
            input[size++] = i % 3;
        memcpy(input + size, image_header, sizeof image_header);
        size += sizeof image_header;
        for (uint8_t i = 0; i < COUNT * PIXELS; i++)
            input[size++] = (uint8_t)(i * 8);
        take(context, input, size);
    }
}
