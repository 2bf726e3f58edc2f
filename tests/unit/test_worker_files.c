#include "tests/test.h"
#include "worker/files.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char directory[] = "/tmp/dusk-files-XXXXXX";
static struct files *files;

static void setup(void)
{
    struct err_text text;
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_msg(files_create(directory, &files, &text) == 0, "%s", text.line);
}

static void teardown(void)
{
    files_destroy(files);
    ck_assert_int_eq(rmdir(directory), 0); /* so nothing was left in it */
    memcpy(directory + strlen(directory) - 6, "XXXXXX", 6);
}

static struct files_event next_event(void)
{
    struct files_event event;
    while (!files_next(files, &event))
        ck_assert_int_eq(poll(&(struct pollfd){files_fd(files), POLLIN, 0}, 1, 10000),
                         1);
    return event;
}

static struct payload *payload_of(int64_t count, double first)
{
    struct payload_builder builder;
    struct payload *payload;
    double *data = calloc((size_t)count, sizeof *data);
    data[0] = first;
    struct dusk_value array = {
        .kind = DUSK_ARRAY,
        .array = {.dtype = DUSK_F64, .ndim = 1, .shape = {count}, .data = data}};
    struct dusk_value number = {.kind = DUSK_INT, .integer = 7};
    payload_builder_init(&builder);
    ck_assert_int_eq(payload_builder_value(&builder, &number, NULL), 0);
    ck_assert_int_eq(payload_builder_value(&builder, &array, NULL), 0);
    ck_assert_int_eq(payload_builder_value(&builder, &array, NULL), 0);
    ck_assert_int_eq(payload_builder_finish(&builder, &payload), 0);
    free(data);
    return payload;
}

static int names_in_directory(void)
{
    DIR *open = opendir(directory);
    int count = 0;
    while (readdir(open))
        count++;
    closedir(open);
    return count - 2; /* . and .. */
}

START_TEST(a_directory_that_is_not_there_is_named)
{
    struct files *other;
    struct err_text text;
    ck_assert_int_eq(files_create("/nonexistent/spill", &other, &text), DUSK_E_IO);
    ck_assert_ptr_nonnull(strstr(text.line, "/nonexistent/spill: No such file"));
    ck_assert_int_eq(files_create("/etc/passwd", &other, &text), DUSK_E_IO);
    ck_assert_ptr_nonnull(strstr(text.line, "/etc/passwd"));
}
END_TEST

START_TEST(reading_what_was_never_written_is_an_error)
{
    files_read(files, 5);
    struct files_event event = next_event();
    ck_assert(event.read);
    ck_assert_int_eq(event.code, DUSK_E_NOT_FOUND);
    ck_assert_ptr_null(event.payload);
}
END_TEST

START_TEST(a_file_that_may_not_grow_is_an_error_that_names_the_directory)
{
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = 4096;
    setrlimit(RLIMIT_FSIZE, &limit);
    struct payload *payload = payload_of(100000, 1);
    files_write(files, 1, payload);
    payload_unref(payload);
    struct files_event event = next_event();
    ck_assert_int_eq(event.code, DUSK_E_IO);
    ck_assert_ptr_nonnull(strstr(event.text.line, directory));
    ck_assert_ptr_nonnull(strstr(event.text.line, "1.53 MiB could not be spilled"));
}
END_TEST

START_TEST(what_was_written_comes_back_the_same)
{
    struct payload *payload = payload_of(100000, 2.5);
    uint64_t sum = payload_checksum(payload);
    files_write(files, 1, payload);
    payload_unref(payload);
    ck_assert_int_eq(next_event().code, 0);
    ck_assert_int_eq(names_in_directory(), 0);
    for (int i = 0; i < 2; i++) {
        files_read(files, 1);
        struct files_event event = next_event();
        ck_assert_msg(event.code == 0, "%s", event.text.line);
        ck_assert_uint_eq(payload_checksum(event.payload), sum);
        payload_unref(event.payload);
    }
}
END_TEST

START_TEST(events_come_in_the_order_of_the_wishes)
{
    for (uint64_t i = 1; i <= 20; i++) {
        struct payload *payload = payload_of(1000, (double)i);
        files_write(files, i, payload);
        payload_unref(payload);
        files_read(files, i);
    }
    for (uint64_t i = 1; i <= 20; i++) {
        struct files_event event = next_event();
        ck_assert(!event.read && event.file == i);
        event = next_event();
        ck_assert(event.read && event.file == i);
        struct values *values;
        ck_assert_int_eq(values_create(event.payload, NULL, &values), 0);
        ck_assert_double_eq(((double *)values->items[1].plain.array.data)[0],
                            (double)i);
        values_destroy(values);
        payload_unref(event.payload);
    }
}
END_TEST

START_TEST(what_is_forgotten_is_gone)
{
    struct payload *payload = payload_of(1000, 1);
    files_write(files, 1, payload);
    payload_unref(payload);
    files_forget(files, 1);
    files_read(files, 1);
    ck_assert_int_eq(next_event().code, 0);
    ck_assert_int_eq(next_event().code, DUSK_E_NOT_FOUND);
}
END_TEST

START_TEST(wishes_that_are_left_are_dropped_with_their_data)
{
    for (uint64_t i = 1; i <= 50; i++) {
        struct payload *payload = payload_of(10000, 1);
        files_write(files, i, payload);
        payload_unref(payload);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker_files");
    TCase *tcase = tcase_create("files");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_directory_that_is_not_there_is_named);
    tcase_add_test(tcase, reading_what_was_never_written_is_an_error);
    tcase_add_test(tcase,
                   a_file_that_may_not_grow_is_an_error_that_names_the_directory);
    tcase_add_test(tcase, what_was_written_comes_back_the_same);
    tcase_add_test(tcase, events_come_in_the_order_of_the_wishes);
    tcase_add_test(tcase, what_is_forgotten_is_gone);
    tcase_add_test(tcase, wishes_that_are_left_are_dropped_with_their_data);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
