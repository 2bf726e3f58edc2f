#include "client/table.h"
#include "client/utf8.h"
#include "tests/test.h"

#include <stdio.h>
#include <string.h>

static struct err_text text;

static json_t *run(const char *variant, const char *form, const char *status)
{
    return json_pack(
        "{s:s, s:s, s:s, s:i, s:f, s:{s:f, s:f, s:n}, s:f, s:f, s:f, s:n, s:f}",
        "variant", variant, "form", form, "status", status, "updates", 720,
        "updates_per_second", 76.2, "seconds_to_gap", "1e-2", 0.7512, "1e-4", 12.34,
        "1e-6", "objective", 8001234.5678, "gap", 2.04e-13, "kkt", 4e-8, "duality_gap",
        "busy_fraction", 0.978);
}

/* The table as text, good until the next call. */
static char *printed(const json_t *runs)
{
    static char output[16384];
    FILE *stream = fmemopen(output, sizeof output, "w");
    ck_assert_int_eq(table_print_runs(stream, runs, &text), 0);
    fclose(stream);
    return output;
}

static json_t *array_of(json_t *value)
{
    json_t *array = json_array();
    json_array_append_new(array, value);
    return array;
}

START_TEST(a_run_without_a_name_is_refused)
{
    json_t *runs = array_of(run("sync", "robust", "certified"));
    json_array_append_new(runs, json_object());
    FILE *stream = tmpfile();
    ck_assert_int_eq(table_print_runs(stream, runs, &text), DUSK_E_INVALID);
    ck_assert_str_eq(text.line, "runs[1] has no member \"form\"");
    ck_assert_int_eq(ftell(stream), 0);
    fclose(stream);
    json_decref(runs);
}
END_TEST

START_TEST(a_full_device_is_reported)
{
    json_t *runs = array_of(run("sync", "robust", "certified"));
    FILE *full = fopen("/dev/full", "w");
    ck_assert_int_eq(table_print_runs(full, runs, &text), DUSK_E_IO);
    fclose(full);
    json_decref(runs);
}
END_TEST

START_TEST(no_runs_are_a_head)
{
    json_t *runs = json_array();
    char *output = printed(runs);
    ck_assert_int_eq(strncmp(output, "form", 4), 0);
    json_decref(runs);
}
END_TEST

START_TEST(a_run_is_one_line)
{
    json_t *runs = array_of(run("async", "robust", "certified"));
    char *output = printed(runs);
    char *last = strrchr(output, '\n');
    *last = '\0';
    ck_assert_str_eq(strrchr(output, '\n') + 1,
                     "robust async   certified      720  76.2    0.75 12.3    –"
                     "  8001234.6  2e-13 4e-08       –   98%");
    json_decref(runs);
}
END_TEST

/* The widest of everything, and more than fits. */
static json_t *wide_run(double number)
{
    json_t *wide = run("batched-and-more", "ünïcödé-and-so-on", "not converged");
    const char *names[] = {"updates_per_second", "objective",     "gap",    "kkt",
                           "duality_gap",        "busy_fraction", "updates"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        json_object_set_new(wide, names[i], json_real(number));
    json_t *gaps = json_object_get(wide, "seconds_to_gap");
    json_object_set_new(gaps, "1e-2", json_real(number));
    json_object_set_new(gaps, "1e-4", json_real(number));
    json_object_set_new(gaps, "1e-6", json_real(number));
    return wide;
}

START_TEST(every_line_fits_and_lines_up)
{
    static const double numbers[] = {0,          -1e-300,    1e300,   -123456.789,
                                     99999.4999, 9.995,      99.95,   0.0995,
                                     1e-4,       1234567.89, -1.0 / 3};
    json_t *runs = json_array();
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        json_array_append_new(runs, wide_run(numbers[i]));
    char *output = printed(runs);
    ck_assert_ptr_nonnull(strstr(output, "ünïcöd…"));
    int width = 0, lines = 0;
    char *rest = output;
    for (char *line; (line = strsep(&rest, "\n")) && *line; lines++) {
        width = width ? width : utf8_width(line);
        ck_assert_msg(utf8_width(line) == width, "%s", line);
        ck_assert_int_le(width, TABLE_WIDTH);
    }
    ck_assert_int_eq(lines, 2 + 11);
    json_decref(runs);
}
END_TEST

START_TEST(text_is_cut_between_characters)
{
    char word[16] = "añb";
    utf8_cut(word, 3);
    ck_assert_str_eq(word, "añb");
    utf8_cut(word, 2);
    ck_assert_str_eq(word, "a…");
    utf8_cut(word, 1);
    ck_assert_str_eq(word, "…");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("table");
    TCase *tests = tcase_create("table");
    tcase_add_test(tests, a_run_without_a_name_is_refused);
    tcase_add_test(tests, a_full_device_is_reported);
    tcase_add_test(tests, no_runs_are_a_head);
    tcase_add_test(tests, a_run_is_one_line);
    tcase_add_test(tests, every_line_fits_and_lines_up);
    tcase_add_test(tests, text_is_cut_between_characters);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
