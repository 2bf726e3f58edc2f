/* Names in JSON. */
#include "client/json_text.h"
#include "tests/test.h"

static void expect_text(const char *expected, const char *text)
{
    json_t *string = json_text(text);
    ck_assert_ptr_nonnull(string);
    ck_assert_str_eq(json_string_value(string), expected);
    json_decref(string);
}

START_TEST(what_is_no_utf8_is_readable_all_the_same)
{
    expect_text("w?-1", "w\xff-1");
    expect_text("??", "\xc3\xc3");
}
END_TEST

START_TEST(utf8_stays)
{
    expect_text("", "");
    expect_text("zwölf", "zwölf");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json text");
    TCase *tests = tcase_create("json text");
    tcase_add_test(tests, what_is_no_utf8_is_readable_all_the_same);
    tcase_add_test(tests, utf8_stays);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
