#include "common/err.h"
#include "tests/test.h"

#include <string.h>

START_TEST(names_and_sentences_come_from_the_table)
{
    ck_assert_str_eq(err_name(DUSK_E_NOMEM), "NOMEM");
    ck_assert_str_eq(err_sentence(DUSK_E_TIMEOUT), "timed out");
    ck_assert_str_eq(err_name(-9999), "UNKNOWN");
    ck_assert_str_eq(err_sentence(3), "unknown error");
}
END_TEST

START_TEST(set_returns_the_code_and_cuts_long_lines)
{
    struct err_text text;
    ck_assert_int_eq(err_set(&text, DUSK_E_IO, "%s: %d", "file", 7), DUSK_E_IO);
    ck_assert_str_eq(text.line, "file: 7");
    char longer[2 * sizeof text.line];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    err_set(&text, DUSK_E_IO, "%s", longer);
    ck_assert_uint_eq(strlen(text.line), sizeof text.line - 1);
    ck_assert_int_eq(err_set(NULL, DUSK_E_IO, "nobody reads this"), DUSK_E_IO);
}
END_TEST

START_TEST(prefix_keeps_the_line)
{
    struct err_text text;
    err_set(&text, DUSK_E_IO, "disk on fire");
    err_prefix(&text, "chunk %d", 3);
    ck_assert_str_eq(text.line, "chunk 3: disk on fire");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("err");
    TCase *tcase = tcase_create("err");
    tcase_add_test(tcase, names_and_sentences_come_from_the_table);
    tcase_add_test(tcase, set_returns_the_code_and_cuts_long_lines);
    tcase_add_test(tcase, prefix_keeps_the_line);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
