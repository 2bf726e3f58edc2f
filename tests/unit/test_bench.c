/* Statistics and output of the benchmarks. */
#include "client/bench/figures.h"
#include "client/commands.h"
#include "tests/test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(percentiles_lie_between_values)
{
    double one[] = {7}, four[] = {4, 1, 3, 2}, odd[] = {9, 1, 5};
    ck_assert_double_eq(bench_percentile(one, 1, 0.99), 7);
    ck_assert_double_eq(bench_median(four, 4), 2.5);
    ck_assert_double_eq(bench_percentile(four, 4, 0), 1);
    ck_assert_double_eq(bench_percentile(four, 4, 1), 4);
    ck_assert_double_eq(bench_percentile(four, 4, 0.5 / 3), 1.5);
    ck_assert_double_eq(bench_median(odd, 3), 5);
}
END_TEST

START_TEST(a_figure_is_the_median_of_its_rounds)
{
    struct figures figures = {0};
    double rounds[] = {30, 10, 20};
    figures_add(&figures, "rate", "/s", rounds, 3);
    figures_add_one(&figures, "tasks", "", 8);
    ck_assert_int_eq(figures.count, 2);
    ck_assert_str_eq(figures.items[0].name, "rate");
    ck_assert_double_eq(figures.items[0].value, 20);
    ck_assert_double_eq(figures.items[0].least, 10);
    ck_assert_double_eq(figures.items[0].most, 30);
    ck_assert_double_eq(figures.items[1].value, 8);
    ck_assert_int_eq(figures.items[1].rounds, 1);
}
END_TEST

/* What figures_print writes to standard output, for free(). */
static char *printed(const struct figures *figures, bool json)
{
    char *text = NULL;
    size_t size = 0;
    FILE *before = stdout;
    stdout = open_memstream(&text, &size);
    int code = figures_print(figures, "test", json);
    fclose(stdout);
    stdout = before;
    ck_assert_int_eq(code, COMMAND_DONE);
    return text;
}

START_TEST(figures_are_printed_as_a_table_and_as_json)
{
    struct figures figures = {0};
    double rounds[] = {1.25, 1000000, 2};
    figures_add(&figures, "rate", "/s", rounds, 3);
    figures_add_one(&figures, "tasks", "", 8);
    char *table = printed(&figures, false), *json = printed(&figures, true);
    ck_assert_str_eq(table, "figure  median  least     most  unit\n"
                            "rate         2   1.25  1000000  /s\n"
                            "tasks        8                  \n");
    ck_assert_ptr_nonnull(strstr(json, "\"rate\": 2.0,"));
    ck_assert_ptr_nonnull(strstr(json, "\"tasks\": 8.0,"));
    ck_assert_ptr_nonnull(strstr(json, "\"spread\": {"));
    free(table);
    free(json);
}
END_TEST

START_TEST(a_full_device_is_an_error)
{
    struct figures figures = {0};
    FILE *before = stdout;
    stdout = fopen("/dev/full", "w");
    int code = figures_print(&figures, "test", true);
    fclose(stdout);
    stdout = before;
    ck_assert_int_eq(code, COMMAND_FAILED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bench");
    TCase *tests = tcase_create("bench");
    tcase_add_test(tests, percentiles_lie_between_values);
    tcase_add_test(tests, a_figure_is_the_median_of_its_rounds);
    tcase_add_test(tests, figures_are_printed_as_a_table_and_as_json);
    tcase_add_test(tests, a_full_device_is_an_error);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
