#include "common/log.h"
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static struct log logger;
static int reader;
static uint64_t now;
static char seen[65536];

static uint64_t fake_now(void)
{
    return now;
}

static void setup(void)
{
    int ends[2];
    /* In packet mode each read returns what one write wrote. */
    ck_assert_int_eq(pipe2(ends, O_DIRECT | O_NONBLOCK), 0);
    ck_assert_int_ge(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20), 0);
    reader = ends[0];
    log_init(&logger, ends[1], LOG_INFO, "dusk-test");
    logger.now_ns = fake_now;
    now = UINT64_C(1772366400123456789);
}

/* The next write as a string, "" when there is none. */
static const char *next_write(void)
{
    ssize_t length = read(reader, seen, sizeof seen - 1);
    seen[length > 0 ? length : 0] = '\0';
    return seen;
}

static int count_writes(void)
{
    int count = 0;
    while (*next_write())
        count++;
    return count;
}

START_TEST(a_line_is_one_write)
{
    log_warning(&logger, "worker lost", log_text("address", "tcp://127.0.0.1:8786"),
                log_integer("chunks", -40), log_real("busy", 0.25),
                log_bytes("memory", INT64_C(3) << 29),
                log_duration("silent", INT64_C(20000000000)));
    ck_assert_str_eq(next_write(),
                     "ts=2026-03-01T12:00:00.123Z level=warning program=dusk-test "
                     "msg=\"worker lost\" address=tcp://127.0.0.1:8786 chunks=-40 "
                     "busy=0.25 memory=\"1.50 GiB\" silent=\"20.0 s\"\n");
    log_info(&logger, "ready");
    ck_assert_str_eq(next_write(), "ts=2026-03-01T12:00:00.123Z level=info "
                                   "program=dusk-test msg=ready\n");
    ck_assert_int_eq(count_writes(), 0);
}
END_TEST

static const struct {
    const char *value, *written;
} values[] = {
    {"", "\"\""},
    {NULL, "\"\""},
    {"a b", "\"a b\""},
    {"a=b", "\"a=b\""},
    {"say \"no\"", "\"say \\\"no\\\"\""},
    {"back\\slash", "\"back\\\\slash\""},
    {"two\nlines", "\"two\\nlines\""},
    {"\x1b[31mred\x7f", "\"\\x1b[31mred\\x7f\""},
    {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
};

START_TEST(values_are_quoted_where_they_must)
{
    log_info(&logger, "m", log_text("k", values[_i].value));
    const char *at = strstr(next_write(), " k=");
    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(strncmp(at + 3, values[_i].written, strlen(values[_i].written)),
                     0);
    ck_assert_str_eq(at + 3 + strlen(values[_i].written), "\n");
}
END_TEST

static int calls;

static int64_t counted(void)
{
    return ++calls;
}

START_TEST(levels_below_are_not_even_evaluated)
{
    log_debug(&logger, "m", log_integer("k", counted()));
    ck_assert_int_eq(calls, 0);
    ck_assert_int_eq(count_writes(), 0);
    logger.level = LOG_DEBUG;
    log_debug(&logger, "m", log_integer("k", counted()));
    ck_assert_int_eq(calls, 1);
    ck_assert_int_eq(count_writes(), 1);
}
END_TEST

START_TEST(a_long_line_is_cut)
{
    char longer[2 * LOG_LINE_MAX];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    log_info(&logger, "m", log_text("k", longer), log_integer("lost", 1));
    const char *line = next_write();
    ck_assert_uint_eq(strlen(line), LOG_LINE_MAX);
    ck_assert_str_eq(line + LOG_LINE_MAX - 5, "x...\n");
}
END_TEST

static void repeat(void)
{
    log_info(&logger, "again");
}

START_TEST(a_call_site_that_repeats_is_silenced)
{
    for (int i = 0; i < LOG_BURST + 7; i++)
        repeat();
    log_info(&logger, "another place");
    ck_assert_int_eq(count_writes(), LOG_BURST + 1);
    now += LOG_WINDOW_NS;
    repeat();
    const char *line = next_write();
    ck_assert_ptr_nonnull(strstr(line, " suppressed=7\n"));
    repeat();
    ck_assert_ptr_null(strstr(next_write(), "suppressed"));
}
END_TEST

START_TEST(a_closed_end_and_errno_are_left_alone)
{
    int writer = logger.fd;
    logger.fd = -1;
    errno = ENOENT;
    log_error(&logger, "nobody hears this");
    ck_assert_int_eq(errno, ENOENT);
    logger.fd = writer;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *tcase = tcase_create("log");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, a_line_is_one_write);
    tcase_add_loop_test(tcase, values_are_quoted_where_they_must, 0,
                        (int)(sizeof values / sizeof values[0]));
    tcase_add_test(tcase, levels_below_are_not_even_evaluated);
    tcase_add_test(tcase, a_long_line_is_cut);
    tcase_add_test(tcase, a_call_site_that_repeats_is_silenced);
    tcase_add_test(tcase, a_closed_end_and_errno_are_left_alone);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
