#include "client/progress.h"
#include "tests/test.h"

#include <fcntl.h>
#include <math.h>
#include <pty.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define MS INT64_C(1000000)

static int master;
static FILE *terminal;
static struct progress progress;

static void setup(void)
{
    struct winsize size = {.ws_row = 24, .ws_col = 60};
    struct termios raw = {0};
    cfmakeraw(&raw);
    int slave;
    ck_assert_int_eq(openpty(&master, &slave, NULL, &raw, &size), 0);
    ck_assert_int_eq(fcntl(master, F_SETFL, O_NONBLOCK), 0);
    terminal = fdopen(slave, "w");
    setenv("TERM", "xterm", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    progress_init(&progress, terminal);
}

static void teardown(void)
{
    fclose(terminal);
    close(master);
}

/* What has come to the terminal since the last look. */
static const char *seen(void)
{
    static char text[4096];
    ssize_t length = read(master, text, sizeof text - 1);
    text[length > 0 ? length : 0] = '\0';
    return text;
}

START_TEST(a_file_gets_nothing)
{
    char *output = NULL;
    size_t size = 0;
    FILE *file = tmpfile();
    progress_init(&progress, file);
    progress_update(&progress, 0, 0.5, "label", "detail");
    progress_clear(&progress);
    ck_assert_int_eq(ftell(file), 0);
    fclose(file);
    FILE *memory = open_memstream(&output, &size);
    progress_init(&progress, memory);
    progress_update(&progress, 0, 0.5, "label", "detail");
    fclose(memory);
    ck_assert_uint_eq(size, 0);
    free(output);
}
END_TEST

START_TEST(a_dumb_terminal_gets_nothing)
{
    setenv("TERM", "dumb", 1);
    progress_init(&progress, terminal);
    progress_update(&progress, 0, 0.5, "label", "detail");
    progress_clear(&progress);
    ck_assert_str_eq(seen(), "");
}
END_TEST

static const struct {
    double fraction;
    const char *bar;
} bars[] = {
    {0, "────────────────────────────   0%  "},
    {0.5, "━━━━━━━━━━━━━━──────────────  50%  "},
    {0.52, "━━━━━━━━━━━━━━╸─────────────  52%  "},
    {1, "━━━━━━━━━━━━━━━━━━━━━━━━━━━━ 100%  "},
    {7, "━━━━━━━━━━━━━━━━━━━━━━━━━━━━ 100%  "},
    {-1, ""},
    {NAN, ""},
    {INFINITY, ""},
};

START_TEST(the_bar_is_as_long_as_what_is_done)
{
    progress_update(&progress, 0, bars[_i].fraction, "fit", "x");
    char line[512];
    snprintf(line, sizeof line, "\rfit %sx\033[K", bars[_i].bar);
    ck_assert_str_eq(seen(), line);
}
END_TEST

START_TEST(without_utf8_the_bar_is_ascii)
{
    setenv("LC_ALL", "C", 1);
    progress_init(&progress, terminal);
    progress_update(&progress, 0, 0.25, "", "");
    ck_assert_str_eq(seen(), "\r#######.....................  25%  \033[K");
}
END_TEST

START_TEST(updates_are_rate_limited)
{
    progress_update(&progress, 5 * MS, 0.1, "fit", "");
    ck_assert_str_ne(seen(), "");
    progress_update(&progress, 104 * MS, 0.2, "fit", "");
    ck_assert_str_eq(seen(), "");
    progress_update(&progress, 105 * MS, 0.3, "fit", "");
    ck_assert_ptr_nonnull(strstr(seen(), "30%"));
}
END_TEST

START_TEST(a_line_never_wraps)
{
    const char *label = "ein sehr länger Name, der für sich schon über die Zeile geht";
    progress_update(&progress, 0, 0.5, label, "and a detail");
    const char *text = seen();
    int width = 0;
    for (const char *c = text + 1; *c != '\033'; c++)
        width += ((unsigned char)*c & 0xC0) != 0x80;
    ck_assert_int_eq(width, 59);
}
END_TEST

START_TEST(the_line_is_erased_at_the_end)
{
    progress_clear(&progress);
    ck_assert_str_eq(seen(), "");
    progress_update(&progress, 0, 0.5, "fit", "");
    seen();
    progress_clear(&progress);
    ck_assert_str_eq(seen(), "\r\033[K");
    progress_clear(&progress);
    ck_assert_str_eq(seen(), "");
    progress_update(&progress, 1, 0.5, "fit", "");
    ck_assert_str_ne(seen(), "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("progress");
    TCase *tests = tcase_create("progress");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_file_gets_nothing);
    tcase_add_test(tests, a_dumb_terminal_gets_nothing);
    tcase_add_loop_test(tests, the_bar_is_as_long_as_what_is_done, 0,
                        sizeof bars / sizeof bars[0]);
    tcase_add_test(tests, without_utf8_the_bar_is_ascii);
    tcase_add_test(tests, updates_are_rate_limited);
    tcase_add_test(tests, a_line_never_wraps);
    tcase_add_test(tests, the_line_is_erased_at_the_end);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
