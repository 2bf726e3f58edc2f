#include "tests/fake_task.h"
#include "tests/test.h"
#include "worker/functions.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char folder[64], csv[128], images[128], labels[128];
static struct dusk_task task;

static void write_file(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
    fclose(file);
}

static void setup(void)
{
    static const char table[] = "a,\"b\tc\",d\n1,2,3\n4,5,6\n7,8,9\n";
    static const char pixels[] = "\0\0\x08\x03\0\0\0\4\0\0\0\1\0\0\0\2abcdefgh";
    static const char classes[] = "\0\0\x08\x01\0\0\0\4\6\1\6\0";
    strcpy(folder, "/tmp/dusk-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(csv, sizeof csv, "%s/t.csv", folder);
    snprintf(images, sizeof images, "%s/images", folder);
    snprintf(labels, sizeof labels, "%s/labels", folder);
    write_file(csv, table, sizeof table - 1);
    write_file(images, pixels, sizeof pixels - 1);
    write_file(labels, classes, sizeof classes - 1);
}

static void teardown(void)
{
    unlink(csv);
    unlink(images);
    unlink(labels);
    rmdir(folder);
}

static void done(void)
{
    fake_fini(&task);
}

static int run(const char *name)
{
    return fake_run(&task, data_functions, name);
}

/* Runs csv_chunk on the table with numbers that may be wrong. */
static int run_csv_chunk(int64_t offset, int64_t line, int64_t rows, int64_t fields,
                         int64_t response)
{
    fake_arguments(&task, "slllll", csv, offset, line, rows, fields, response);
    return run("csv_chunk");
}

START_TEST(errors_of_the_readers_fail_the_task)
{
    fake_arguments(&task, "ssl", csv, "z", (int64_t)10);
    ck_assert_int_eq(run("csv_scan"), DUSK_E_INVALID);
    ck_assert_ptr_nonnull(
        strstr(task.err.line, "there is no column 'z'; there are 3: "));
    fake_fini(&task);
    fake_arguments(&task, "ssl", folder, "", (int64_t)10);
    ck_assert_int_eq(run("csv_scan"), DUSK_E_IO);
    fake_fini(&task);
    fake_arguments(&task, "ss", csv, "");
    ck_assert_int_eq(run("csv_scan"), DUSK_E_TYPE);
    fake_fini(&task);
    task.cancelled = 1;
    fake_arguments(&task, "ssl", csv, "", (int64_t)10);
    ck_assert_int_eq(run("csv_scan"), DUSK_E_CANCELLED);
    fake_fini(&task);
    ck_assert_int_eq(run_csv_chunk(10, 2, 4, 3, 0), DUSK_E_DATA);
    ck_assert_ptr_nonnull(strstr(task.err.line, "ends after line 4"));
    ck_assert_int_eq(task.returned, 0);
}
END_TEST

START_TEST(shapes_that_make_no_sense_are_refused)
{
    ck_assert_int_eq(run_csv_chunk(10, 2, -1, 3, 0), DUSK_E_INVALID);
    ck_assert_str_eq(task.err.line, "a chunk of -1 rows x 2 columns");
    fake_fini(&task);
    ck_assert_int_eq(run_csv_chunk(10, 2, 1, 1, 0), DUSK_E_INVALID);
    fake_fini(&task);
    ck_assert_int_eq(run_csv_chunk(10, 2, INT64_MAX / 4, 3, 0), DUSK_E_INVALID);
    fake_fini(&task);
    ck_assert_int_eq(run_csv_chunk(10, 2, 1, 3, 3), DUSK_E_INVALID);
    fake_fini(&task);
    ck_assert_int_eq(run_csv_chunk(-1, 2, 1, 3, 0), DUSK_E_INVALID);
    fake_fini(&task);
    fake_arguments(&task, "sslsll", images, labels, (int64_t)6, "shuffled", (int64_t)0,
                   (int64_t)2);
    ck_assert_int_eq(run("idx_chunk"), DUSK_E_INVALID);
    ck_assert_str_eq(task.err.line, "order 'shuffled' is not one of file, sorted");
}
END_TEST

static void check_numbers(int item, int ndim, const double *expected, size_t count)
{
    const struct dusk_value *value = &task.result.items[item];
    ck_assert_int_eq(value->kind, DUSK_ARRAY);
    ck_assert_int_eq(value->array.ndim, ndim);
    int64_t size = value->array.shape[0] * (ndim == 2 ? value->array.shape[1] : 1);
    ck_assert_int_eq(size, (int64_t)count);
    ck_assert_mem_eq(value->array.data, expected, count * sizeof(double));
}

#define CHECK_NUMBERS(item, ndim, ...)                                                 \
    check_numbers(item, ndim, (const double[]){__VA_ARGS__},                           \
                  sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

START_TEST(a_scan_says_what_the_chunks_are)
{
    fake_arguments(&task, "ssl", csv, "a", (int64_t)2);
    ck_assert_int_eq(run("csv_scan"), 0);
    const struct dusk_value *items = task.result.items;
    ck_assert_int_eq(task.result.count, 8);
    ck_assert_str_eq(items[0].string, "b c\td");
    ck_assert_str_eq(items[1].string, "a");
    ck_assert_int_eq(items[2].integer, 3);
    ck_assert_int_eq(items[3].integer, 3);
    ck_assert_int_eq(items[4].integer, 0);
    CHECK_NUMBERS(5, 1, 10, 22);
    CHECK_NUMBERS(6, 1, 2, 4);
    CHECK_NUMBERS(7, 1, 2, 1);
}
END_TEST

START_TEST(blocks_are_read_one_by_one_or_together)
{
    ck_assert_int_eq(run_csv_chunk(22, 4, 1, 3, 0), 0);
    CHECK_NUMBERS(0, 2, 8, 9);
    CHECK_NUMBERS(1, 1, 7);
    fake_fini(&task);
    ck_assert_int_eq(run_csv_chunk(10, 2, 3, 3, 0), 0);
    CHECK_NUMBERS(0, 2, 2, 3, 5, 6, 8, 9);
    CHECK_NUMBERS(1, 1, 1, 4, 7);
}
END_TEST

START_TEST(images_are_read_in_sorted_order)
{
    fake_arguments(&task, "sslsll", images, labels, (int64_t)6, "sorted", (int64_t)1,
                   (int64_t)2);
    ck_assert_int_eq(run("idx_chunk"), 0);
    CHECK_NUMBERS(0, 2, 'a' / 255.0, 'b' / 255.0, 'e' / 255.0, 'f' / 255.0);
    CHECK_NUMBERS(1, 1, 1, 1);
    fake_fini(&task);
    fake_arguments(&task, "sslsll", images, labels, (int64_t)6, "file", (int64_t)1,
                   (int64_t)2);
    ck_assert_int_eq(run("idx_chunk"), 0);
    CHECK_NUMBERS(0, 2, 'e' / 255.0, 'f' / 255.0, 'g' / 255.0, 'h' / 255.0);
    CHECK_NUMBERS(1, 1, 1, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("functions_data");
    TCase *tcase = tcase_create("functions_data");
    tcase_add_unchecked_fixture(tcase, setup, teardown);
    tcase_add_checked_fixture(tcase, NULL, done);
    tcase_add_test(tcase, errors_of_the_readers_fail_the_task);
    tcase_add_test(tcase, shapes_that_make_no_sense_are_refused);
    tcase_add_test(tcase, a_scan_says_what_the_chunks_are);
    tcase_add_test(tcase, blocks_are_read_one_by_one_or_together);
    tcase_add_test(tcase, images_are_read_in_sorted_order);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
