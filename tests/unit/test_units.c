#include "common/units.h"
#include "tests/test.h"

#include <stdio.h>
#include <string.h>

static const char *const bad_bytes[] = {
    "",    " ",   "GB", "-1",   "-4GB", "+4GB",  "4 parsecs", "4GBB", "0x10",
    "inf", "nan", "1e", "4GB ", " 4GB", "1,5GB", ".",         "4s",   "1.5.5",
};

START_TEST(bad_bytes_are_named)
{
    int64_t value = 77;
    struct err_text error;
    int code = units_parse_bytes("--memory-limit", bad_bytes[_i], &value, &error);
    ck_assert_int_eq(code, DUSK_E_INVALID);
    ck_assert_int_eq(value, 77);
    char expected[128];
    snprintf(expected, sizeof expected,
             "--memory-limit: '%s' is not a size (like 4GB, 512MiB or 1000000)",
             bad_bytes[_i]);
    ck_assert_str_eq(error.line, expected);
}
END_TEST

static const char *const bad_durations[] = {"",    "s",     "-1s", "10 fortnights",
                                            "5GB", "1h30m", "inf", "0x1s"};

START_TEST(bad_durations_are_named)
{
    int64_t value = 77;
    struct err_text error;
    int code = units_parse_duration("--max-time", bad_durations[_i], &value, &error);
    ck_assert_int_eq(code, DUSK_E_INVALID);
    ck_assert_int_eq(value, 77);
    ck_assert_ptr_nonnull(strstr(error.line, "--max-time: '"));
    ck_assert_ptr_nonnull(strstr(error.line, "is not a duration"));
}
END_TEST

START_TEST(what_an_int64_cannot_hold_is_refused)
{
    int64_t value;
    struct err_text error;
    ck_assert_int_eq(units_parse_bytes("--x", "9300PB", &value, &error), DUSK_E_LIMIT);
    ck_assert_str_eq(error.line, "--x: '9300PB' is too large");
    ck_assert_int_eq(units_parse_bytes("--x", "1e999", &value, &error), DUSK_E_LIMIT);
    ck_assert_int_eq(units_parse_duration("--x", "300000d", &value, &error),
                     DUSK_E_LIMIT);
    ck_assert_int_eq(units_parse_bytes("--x", "9223372036854775808", &value, &error),
                     DUSK_E_LIMIT);
}
END_TEST

static const struct {
    const char *text;
    int64_t value;
} good_bytes[] = {
    {"0", 0},
    {"1000000", 1000000},
    {"12B", 12},
    {"4GB", 4000000000},
    {"4gb", 4000000000},
    {"4 GB", 4000000000},
    {"4G", 4000000000},
    {"512MiB", 512 << 20},
    {"1.5KiB", 1536},
    {".5k", 500},
    {"1e3kB", 1000000},
    {"2TiB", INT64_C(2) << 40},
    {"2.3GB", 2300000000},
};

START_TEST(bytes_are_read)
{
    int64_t value = -1;
    ck_assert_int_eq(units_parse_bytes("x", good_bytes[_i].text, &value, NULL), 0);
    ck_assert_int_eq(value, good_bytes[_i].value);
}
END_TEST

static const struct {
    const char *text;
    int64_t value;
} good_durations[] = {
    {"0", 0},
    {"10", 10 * UNITS_NS_PER_S},
    {"10s", 10 * UNITS_NS_PER_S},
    {"250ms", 250000000},
    {"1.5h", 5400 * UNITS_NS_PER_S},
    {"3 min", 180 * UNITS_NS_PER_S},
    {"7ns", 7},
    {"2us", 2000},
    {"1d", 86400 * UNITS_NS_PER_S},
};

START_TEST(durations_are_read)
{
    int64_t value = -1;
    ck_assert_int_eq(units_parse_duration("x", good_durations[_i].text, &value, NULL),
                     0);
    ck_assert_int_eq(value, good_durations[_i].value);
}
END_TEST

static const struct {
    int64_t value;
    const char *text;
} written_bytes[] = {
    {0, "0 B"},
    {1023, "1023 B"},
    {1024, "1.00 KiB"},
    {-1536, "-1.50 KiB"},
    {1024 * 1024 - 1, "1.00 MiB"},
    {10 * 1024, "10.0 KiB"},
    {INT64_C(1500) << 20, "1.46 GiB"},
    {INT64_MAX, "8.00 EiB"},
    {INT64_MIN, "-8.00 EiB"},
};

START_TEST(bytes_are_written)
{
    ck_assert_str_eq(units_bytes(written_bytes[_i].value).text, written_bytes[_i].text);
}
END_TEST

static const struct {
    int64_t value;
    const char *text;
} written_durations[] = {
    {0, "0 ns"},
    {-5, "-5 ns"},
    {999, "999 ns"},
    {12345, "12.3 us"},
    {999999, "1.00 ms"},
    {250 * UNITS_NS_PER_MS, "250 ms"},
    {1500 * UNITS_NS_PER_MS, "1.50 s"},
    {59990 * UNITS_NS_PER_MS, "60.0 s"},
    {125 * UNITS_NS_PER_S, "2m05s"},
    {11225 * UNITS_NS_PER_S, "3h07m"},
    {(2 * 86400 + 4 * 3600) * UNITS_NS_PER_S, "2d04h"},
};

START_TEST(durations_are_written)
{
    ck_assert_str_eq(units_duration(written_durations[_i].value).text,
                     written_durations[_i].text);
}
END_TEST

#define COUNT(array) (int)(sizeof(array) / sizeof(array)[0])

int main(void)
{
    Suite *suite = suite_create("units");
    TCase *tcase = tcase_create("units");
    tcase_add_loop_test(tcase, bad_bytes_are_named, 0, COUNT(bad_bytes));
    tcase_add_loop_test(tcase, bad_durations_are_named, 0, COUNT(bad_durations));
    tcase_add_test(tcase, what_an_int64_cannot_hold_is_refused);
    tcase_add_loop_test(tcase, bytes_are_read, 0, COUNT(good_bytes));
    tcase_add_loop_test(tcase, durations_are_read, 0, COUNT(good_durations));
    tcase_add_loop_test(tcase, bytes_are_written, 0, COUNT(written_bytes));
    tcase_add_loop_test(tcase, durations_are_written, 0, COUNT(written_durations));
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
