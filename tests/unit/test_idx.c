#include "tests/test.h"
#include "worker/idx.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static char folder[64], images[128], labels[128];

static void setup(void)
{
    strcpy(folder, "/tmp/dusk-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(images, sizeof images, "%s/images", folder);
    snprintf(labels, sizeof labels, "%s/labels", folder);
}

static void teardown(void)
{
    unlink(images);
    unlink(labels);
    rmdir(folder);
}

static void write_file(const char *path, const void *bytes, size_t length,
                       bool compressed)
{
    gzFile file = gzopen(path, compressed ? "wb" : "wbT");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzwrite(file, bytes, (unsigned)length), (int)length);
    ck_assert_int_eq(gzclose(file), Z_OK);
}

#define BYTES(text) text, sizeof text - 1

static const struct {
    const char *bytes;
    size_t length;
    const char *message; /* after "PATH: " */
    bool plain_only;     /* cannot be told of a gzip file's start */
} bad_images[] = {
    {BYTES(""), "the file ends too early", false},
    {BYTES("\0\0\x08"), "the file ends too early", false},
    {BYTES("\0\0\x08\x03\0\0\0\1\0\0\0\1\0\0\0"), "the file ends too early", false},
    {BYTES("1,2,3\n4,5,6\n"), "is not an IDX file (begins with 31 2c 32 2c)", false},
    {BYTES("\0\0\x0d\x03\0\0\0\1\0\0\0\1\0\0\0\1aaaa"),
     "IDX type 0x0d; only unsigned bytes (0x08) are read", false},
    {BYTES("\0\0\x08\x01\0\0\0\1a"), "IDX with 1 dimensions instead of 2", false},
    {BYTES("\0\0\x08\x05\0\0\0\1a"), "IDX with 5 dimensions instead of 4", false},
    {BYTES("\0\0\x08\x03\0\0\0\1\0\0\0\0\0\0\0\1a"), "dimension 2 is 0", false},
    {BYTES("\0\0\x08\x03\0\0\0\1\0\0\0\2\xff\xff\xff\xff"
           "aa"),
     "dimension 3 is 4294967295", false},
    {BYTES("\0\0\x08\x03\0\0\0\0\0\0\0\2\0\0\0\2"), "has no items", false},
    {BYTES("\0\0\x08\x03\0\0\0\2\0\0\0\1\0\0\0\2abc"),
     "has 19 bytes; 2 items of 2 bytes make 20", true},
    {BYTES("\0\0\x08\x03\0\0\0\2\0\0\0\1\0\0\0\2abcde"),
     "has 21 bytes; 2 items of 2 bytes make 20", true},
};

START_TEST(bad_images_get_one_line)
{
    for (int compressed = 0; compressed < 2 - bad_images[_i].plain_only; compressed++) {
        write_file(images, bad_images[_i].bytes, bad_images[_i].length, compressed);
        int64_t count, pixels;
        struct err_text error = {""};
        ck_assert_int_eq(idx_images(images, &count, &pixels, &error), DUSK_E_DATA);
        char expected[256];
        snprintf(expected, sizeof expected, "%s: %s", images, bad_images[_i].message);
        ck_assert_str_eq(error.line, expected);
    }
}
END_TEST

static const struct {
    const char *bytes;
    size_t length;
    const char *message;
} bad_labels[] = {
    {BYTES("\0\0\x08\x03\0\0\0\1\0\0\0\1\0\0\0\1a"),
     "IDX with 3 dimensions instead of 1"},
    {BYTES("\0\0\x08\x01\0\0\0\3ab"), "has fewer labels than the 3 it announces"},
    {BYTES("\0\0\x08\x01\0\0\0\2abc"), "has more labels than the 2 it announces"},
    {BYTES("\0\0\x08\x01\x7f\xff\xff\xff"
           "abc"),
     "has fewer labels than the 2147483647 it announces"},
    {BYTES("\0\0\x08\x01\x80\0\0\0abc"), "has too many items"},
};

START_TEST(bad_labels_get_one_line)
{
    write_file(labels, bad_labels[_i].bytes, bad_labels[_i].length, true);
    uint8_t *all = NULL;
    int64_t count;
    struct err_text error = {""};
    ck_assert_int_eq(idx_labels(labels, &all, &count, &error), DUSK_E_DATA);
    ck_assert_ptr_null(all);
    char expected[256];
    snprintf(expected, sizeof expected, "%s: %s", labels, bad_labels[_i].message);
    ck_assert_str_eq(error.line, expected);
}
END_TEST

enum { N = 1000, PIXELS = 6 };

static uint8_t pixel_bytes[16 + N * PIXELS], label_bytes[8 + N];

/* N images of 2 x 3 pixels with labels 0 to 9. */
static void write_set(bool compressed, uint64_t seed)
{
    static const char image_header[] = "\0\0\x08\x03\0\0\3\xe8\0\0\0\2\0\0\0\3";
    static const char label_header[] = "\0\0\x08\x01\0\0\3\xe8";
    srand48((long)seed);
    memcpy(pixel_bytes, image_header, 16);
    memcpy(label_bytes, label_header, 8);
    for (size_t i = 16; i < sizeof pixel_bytes; i++)
        pixel_bytes[i] = (uint8_t)(drand48() * 256);
    for (size_t i = 8; i < sizeof label_bytes; i++)
        label_bytes[i] = (uint8_t)(drand48() * 10);
    write_file(images, pixel_bytes, sizeof pixel_bytes, compressed);
    write_file(labels, label_bytes, sizeof label_bytes, compressed);
}

static int read_chunk(const struct idx_chunk *chunk, double *X, double *y,
                      int64_t *ret_rows, struct err_text *error)
{
    int64_t pixels;
    int rc = idx_chunk_shape(chunk, ret_rows, &pixels, error);
    return rc < 0 ? rc : idx_chunk_read(chunk, NULL, X, y, error);
}

START_TEST(chunks_that_are_not_there_are_named)
{
    static double X[N * PIXELS], y[N];
    write_set(false, 1);
    struct idx_chunk good = {images, labels, IDX_SORTED, 6, 0, 10};
    struct err_text error;
    int64_t rows;
    struct idx_chunk chunk = good;
    chunk.chunks = N + 1;
    ck_assert_int_eq(read_chunk(&chunk, X, y, &rows, &error), DUSK_E_INVALID);
    ck_assert_ptr_nonnull(strstr(error.line, "images: 1001 chunks of 1000 images"));
    chunk = good;
    chunk.number = 10;
    ck_assert_int_eq(read_chunk(&chunk, X, y, &rows, &error), DUSK_E_INVALID);
    ck_assert_ptr_nonnull(strstr(error.line, "no chunk 10 among 10"));
    chunk = good;
    chunk.chunks = 0;
    ck_assert_int_eq(read_chunk(&chunk, X, y, &rows, &error), DUSK_E_INVALID);
    chunk = good;
    chunk.positive = 256;
    ck_assert_int_eq(read_chunk(&chunk, X, y, &rows, &error), DUSK_E_INVALID);
    ck_assert_ptr_nonnull(strstr(error.line, "label 256 is not from 0 to 255"));
    write_file(labels, "\0\0\x08\x01\0\0\0\1a", 9, false);
    ck_assert_int_eq(read_chunk(&good, X, y, &rows, &error), DUSK_E_DATA);
    ck_assert_ptr_nonnull(strstr(error.line, "labels: 1 labels for 1000 images"));
    enum idx_order order;
    ck_assert_int_eq(idx_order_parse("random", &order, &error), DUSK_E_INVALID);
    ck_assert_str_eq(error.line, "order 'random' is not one of file, sorted");
}
END_TEST

START_TEST(a_gz_that_ends_early_is_refused)
{
    static double X[N * PIXELS], y[N];
    write_set(true, 2);
    struct idx_chunk chunk = {images, labels, IDX_FILE, 6, 0, 1};
    struct err_text error;
    int64_t rows;
    /* A whole gzip file of too few images, then one cut in the middle. */
    write_file(images, pixel_bytes, sizeof pixel_bytes - 1, true);
    ck_assert_int_eq(read_chunk(&chunk, X, y, &rows, &error), DUSK_E_DATA);
    ck_assert_ptr_nonnull(strstr(error.line, "images: the file ends too early"));
    ck_assert_int_eq(truncate(images, 3000), 0);
    ck_assert_int_eq(read_chunk(&chunk, X, y, &rows, &error), DUSK_E_DATA);
    ck_assert_ptr_nonnull(strstr(error.line, "images: the gzip data end too early"));
    ck_assert_int_eq(truncate(labels, 100), 0);
    ck_assert_int_eq(read_chunk(&chunk, X, y, &rows, &error), DUSK_E_DATA);
    ck_assert_ptr_nonnull(strstr(error.line, "labels: the gzip data end too early"));
    volatile int cancel = 1;
    write_set(true, 2);
    ck_assert_int_eq(idx_chunk_read(&chunk, &cancel, X, y, &error), DUSK_E_CANCELLED);
}
END_TEST

/* All chunks in turn must be the images in the expected order. */
static void check_order(enum idx_order order, int64_t chunks, const int *expected)
{
    static double X[N * PIXELS], y[N];
    int64_t at = 0;
    for (int64_t k = 0; k < chunks; k++) {
        struct idx_chunk chunk = {images, labels, order, 6, k, chunks};
        struct err_text error = {""};
        int64_t rows;
        int rc = read_chunk(&chunk, X, y, &rows, &error);
        ck_assert_str_eq(error.line, "");
        ck_assert_int_eq(rc, 0);
        ck_assert(rows == N / chunks || rows == N / chunks + 1);
        for (int64_t i = 0; i < rows; i++, at++) {
            const uint8_t *pixels = pixel_bytes + 16 + expected[at] * PIXELS;
            ck_assert_double_eq(y[i], label_bytes[8 + expected[at]] == 6);
            for (int j = 0; j < PIXELS; j++)
                ck_assert_double_eq(X[i * PIXELS + j], pixels[j] / 255.0);
        }
    }
    ck_assert_int_eq(at, N);
}

START_TEST(chunks_come_in_the_order_of_file_or_label)
{
    write_set(_i % 2, 10 + (uint64_t)_i);
    int in_file[N], by_label[N], at = 0;
    for (int label = 0; label < 256; label++)
        for (int i = 0; i < N; i++)
            if (label_bytes[8 + i] == label)
                by_label[at++] = i;
    for (int i = 0; i < N; i++)
        in_file[i] = i;
    static const int64_t counts[] = {1, 7, 60};
    for (int i = 0; i < 3; i++) {
        check_order(IDX_FILE, counts[i], in_file);
        check_order(IDX_SORTED, counts[i], by_label);
    }
}
END_TEST

START_TEST(rows_are_read_in_any_order)
{
    write_set(true, 3);
    const int64_t indices[] = {999, 0, 500, 0};
    double rows[4 * PIXELS];
    struct err_text error;
    ck_assert_int_eq(idx_read_rows(images, indices, 4, NULL, rows, &error), 0);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < PIXELS; j++)
            ck_assert_double_eq(rows[i * PIXELS + j],
                                pixel_bytes[16 + indices[i] * PIXELS + j] / 255.0);
    const int64_t outside[] = {5, 1000};
    ck_assert_int_eq(idx_read_rows(images, outside, 2, NULL, rows, &error),
                     DUSK_E_INVALID);
    ck_assert_ptr_nonnull(strstr(error.line, "no image 1000 among 1000"));
}
END_TEST

/* Headers with bytes changed: values from 0 to 1, or one line with a path. */
START_TEST(noise_is_read_or_refused)
{
    srand48(7000 + _i);
    for (int round = 0; round < 60; round++) {
        char image[16 + 24], label[8 + 4];
        memcpy(image, "\0\0\x08\x03\0\0\0\4\0\0\0\2\0\0\0\3", 16);
        memcpy(label, "\0\0\x08\x01\0\0\0\4", 8);
        memset(image + 16, 200, 24);
        memset(label + 8, 6, 4);
        for (int changes = 1 + (int)(drand48() * 3); changes > 0; changes--) {
            bool small = drand48() < 0.5;
            char byte = (char)(drand48() * (small ? 6 : 256));
            if (drand48() < 0.6)
                image[(int)(drand48() * 16)] = byte;
            else
                label[(int)(drand48() * 8)] = byte;
        }
        write_file(images, image, sizeof image, drand48() < 0.5);
        write_file(labels, label, sizeof label, drand48() < 0.5);
        struct idx_chunk chunk = {images, labels, IDX_SORTED, 6, 0, 2};
        struct err_text error = {""};
        double X[64], y[64];
        int64_t rows, pixels;
        int rc = idx_chunk_shape(&chunk, &rows, &pixels, &error);
        if (rc == 0 && rows * pixels > 64)
            continue; /* gzip data may promise what they do not keep */
        if (rc == 0)
            rc = idx_chunk_read(&chunk, NULL, X, y, &error);
        ck_assert_int_eq(rc < 0, error.line[0] != '\0');
        if (rc < 0)
            ck_assert_int_eq(strncmp(error.line, folder, strlen(folder)), 0);
        for (int64_t i = 0; rc == 0 && i < rows * pixels; i++)
            ck_assert(X[i] >= 0 && X[i] <= 1);
    }
}
END_TEST

#define COUNT(array) (int)(sizeof(array) / sizeof(array)[0])

int main(void)
{
    Suite *suite = suite_create("idx");
    TCase *tcase = tcase_create("idx");
    tcase_add_unchecked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, bad_images_get_one_line, 0, COUNT(bad_images));
    tcase_add_loop_test(tcase, bad_labels_get_one_line, 0, COUNT(bad_labels));
    tcase_add_test(tcase, chunks_that_are_not_there_are_named);
    tcase_add_test(tcase, a_gz_that_ends_early_is_refused);
    tcase_add_loop_test(tcase, chunks_come_in_the_order_of_file_or_label, 0, 2);
    tcase_add_test(tcase, rows_are_read_in_any_order);
    tcase_add_loop_test(tcase, noise_is_read_or_refused, 0, 10);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
