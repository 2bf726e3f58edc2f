#include "common/options.h"
#include "tests/test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A command with one option of every kind, and what it writes. */
static struct {
    bool json, intercept;
    const char *input, *address, *report;
    struct option_list preload;
    int64_t workers, memory_limit, max_time, chunk_rows;
    double l1, tolerance, free;
    int variant;
} got;

static const char *const variants[] = {"sync", "async", "batched", NULL};

static const struct option_spec options[] = {
    {.kind = OPTION_GROUP, .help = "Problem"},
    {.name = "input",
     .argument = "FILE",
     .kind = OPTION_STRING,
     .to.string = &got.input,
     .help = "a CSV file, plain or gz, with numbers in every field and perhaps one "
             "line of names above them"},
    {.name = "l1",
     .argument = "L",
     .kind = OPTION_REAL,
     .max = INFINITY,
     .to.real = &got.l1,
     .shown = true,
     .help = "penalty on the sum of losses"},
    {.name = "tolerance",
     .argument = "T",
     .kind = OPTION_REAL,
     .max = 1,
     .above_min = true,
     .to.real = &got.tolerance,
     .help = "relative gap"},
    {.name = "free",
     .argument = "X",
     .kind = OPTION_REAL,
     .to.real = &got.free,
     .help = "any number"},
    {.name = "intercept",
     .kind = OPTION_NEGATABLE,
     .to.flag = &got.intercept,
     .shown = true,
     .help = "fit an intercept"},
    {.name = "variant",
     .letter = 'v',
     .argument = "NAME",
     .kind = OPTION_CHOICE,
     .words = variants,
     .to.choice = &got.variant,
     .shown = true,
     .help = "the barrier"},
    {.kind = OPTION_GROUP, .help = "Cluster"},
    {.name = "workers",
     .letter = 'w',
     .argument = "N",
     .kind = OPTION_INTEGER,
     .least = 1,
     .most = 1024,
     .to.integer = &got.workers,
     .shown = true,
     .help = "worker processes"},
    {.name = "chunk-rows",
     .argument = "N",
     .kind = OPTION_INTEGER,
     .least = 1,
     .most = INT64_MAX,
     .to.integer = &got.chunk_rows,
     .help = "rows of a chunk"},
    {.name = "memory-limit",
     .argument = "SIZE",
     .kind = OPTION_BYTES,
     .least = 1 << 20,
     .most = INT64_MAX,
     .to.integer = &got.memory_limit,
     .shown = true,
     .help = "of each worker"},
    {.name = "max-time",
     .argument = "TIME",
     .kind = OPTION_DURATION,
     .shown = true,
     .to.integer = &got.max_time,
     .help = "stop after"},
    {.name = "report-everything-to",
     .argument = "FILE.html",
     .kind = OPTION_STRING,
     .to.string = &got.report,
     .help = "write a report"},
    {.name = "preload",
     .argument = "X.so",
     .kind = OPTION_LIST,
     .to.list = &got.preload,
     .help = "plugin"},
    {.name = "json",
     .letter = 'j',
     .kind = OPTION_FLAG,
     .to.flag = &got.json,
     .help = "result as JSON"},
    {0},
};

static const struct positional_spec positionals[] = {
    {.name = "ADDRESS", .string = &got.address},
    {0},
};

static const struct command command = {
    .name = "dusk admm",
    .summary = "Fit an l1-regularised linear model.",
    .options = options,
    .positionals = positionals,
    .epilogue = "Exit codes: 0 done, 1 failed, 2 usage.",
};

static char out_text[8192], err_text_seen[8192];

/* Splits `line` at spaces and parses it; what was printed is left above. */
static int parse_with(const struct command *with, const char *line)
{
    static char copy[1024];
    snprintf(copy, sizeof copy, "prog %s", line);
    char *argv[128];
    int argc = 0;
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    memset(&got, 0, sizeof got);
    got.l1 = 7.2;
    got.workers = 2;
    got.memory_limit = INT64_C(2) << 30;
    got.max_time = INT64_C(1500000000);
    got.intercept = true;
    FILE *out = fmemopen(out_text, sizeof out_text, "w");
    FILE *err = fmemopen(err_text_seen, sizeof err_text_seen, "w");
    int rc = options_parse(with, argc, argv, out, err);
    fclose(out);
    fclose(err);
    return rc;
}

static int parse(const char *line)
{
    return parse_with(&command, line);
}

static const struct {
    const char *line, *message;
} bad[] = {
    {"--l1 -3", "--l1: '-3' is not a number >= 0"},
    {"--l1=", "--l1: '' is not a number >= 0"},
    {"--l1 nan", "--l1: 'nan' is not a number >= 0"},
    {"--l1 inf", "--l1: 'inf' is not a number >= 0"},
    {"--l1 1e999", "--l1: '1e999' is not a number >= 0"},
    {"--l1 1x", "--l1: '1x' is not a number >= 0"},
    {"--free inf", "--free: 'inf' is not a number"},
    {"--tolerance 0", "--tolerance: '0' is not a number above 0 to 1"},
    {"--tolerance 1.5", "--tolerance: '1.5' is not a number above 0 to 1"},
    {"--workers 0", "--workers: '0' is not a whole number from 1 to 1024"},
    {"-w 1025", "--workers: '1025' is not a whole number from 1 to 1024"},
    {"--workers 2.5", "--workers: '2.5' is not a whole number from 1 to 1024"},
    {"--chunk-rows 0", "--chunk-rows: '0' is not a whole number >= 1"},
    {"--chunk-rows 9223372036854775808",
     "--chunk-rows: '9223372036854775808' is not a whole number >= 1"},
    {"--memory-limit 5", "--memory-limit: '5' is less than 1.00 MiB"},
    {"--memory-limit 4GBB",
     "--memory-limit: '4GBB' is not a size (like 4GB, 512MiB or 1000000)"},
    {"--max-time never",
     "--max-time: 'never' is not a duration (like 10s, 250ms or 1.5h)"},
    {"--variant fast", "--variant: 'fast' is not one of sync, async, batched"},
    {"--colour", "unknown option '--colour'"},
    {"--colour=red", "unknown option '--colour'"},
    {"-x", "unknown option '-x'"},
    {"-jx", "unknown option '-x'"},
    {"--json -xj", "unknown option '-x'"},
    {"--in", "option '--in' may mean --input or --intercept"},
    {"--json=yes", "--json takes no argument"},
    {"--js=yes", "--json takes no argument"},
    {"--no-intercept=1", "--no-intercept takes no argument"},
    {"--l1", "--l1 needs an argument"},
    {"--work", "--workers needs an argument"},
    {"-jw", "-w needs an argument"},
    {"tcp://a:1 tcp://b:2", "unexpected argument 'tcp://b:2'"},
    {"-- --json --json", "unexpected argument '--json'"},
};

START_TEST(a_mistake_gets_one_line)
{
    ck_assert_int_eq(parse(bad[_i].line), DUSK_E_INVALID);
    char expected[256];
    snprintf(expected, sizeof expected, "dusk admm: %s\n", bad[_i].message);
    ck_assert_str_eq(err_text_seen, expected);
    ck_assert_str_eq(out_text, "");
}
END_TEST

START_TEST(a_list_has_an_end)
{
    char line[1024] = "";
    for (int i = 0; i <= OPTIONS_LIST_MAX; i++)
        strcat(line, "--pre=a ");
    ck_assert_int_eq(parse(line), DUSK_E_INVALID);
    ck_assert_str_eq(err_text_seen, "dusk admm: --preload: more than 64\n");
}
END_TEST

START_TEST(a_required_argument_is_missed)
{
    struct option_list files = {0};
    const char *output = NULL;
    const struct positional_spec needed[] = {
        {.name = "OUTPUT", .required = true, .string = &output},
        {.name = "FILE", .required = true, .list = &files},
        {0},
    };
    struct command with = command;
    with.positionals = needed;
    ck_assert_int_eq(parse_with(&with, "--json"), DUSK_E_INVALID);
    ck_assert_str_eq(err_text_seen, "dusk admm: OUTPUT is missing\n");
    ck_assert_int_eq(parse_with(&with, "out --json"), DUSK_E_INVALID);
    ck_assert_str_eq(err_text_seen, "dusk admm: FILE is missing\n");
    files.count = 0;
    ck_assert_int_eq(parse_with(&with, "out a --json b"), OPTIONS_RUN);
    ck_assert_int_eq(files.count, 2);
    ck_assert_int_eq(parse_with(&with, "--help"), OPTIONS_DONE);
    ck_assert_ptr_nonnull(strstr(out_text, "[OPTION]... OUTPUT FILE...\n"));
    with.positionals = NULL;
    ck_assert_int_eq(parse_with(&with, "out"), DUSK_E_INVALID);
    ck_assert_str_eq(err_text_seen, "dusk admm: unexpected argument 'out'\n");
}
END_TEST

START_TEST(every_kind_reaches_its_target)
{
    ck_assert_int_eq(
        parse("tcp://h:1 --input a.csv --l1=0 --tolerance 1 --no-intercept "
              "-v batched -jw7 --memory-limit 1GiB --max-time 90s "
              "--preload x.so --preload y.so --chunk-rows 12 --free -2"),
        OPTIONS_RUN);
    ck_assert_str_eq(got.address, "tcp://h:1");
    ck_assert_str_eq(got.input, "a.csv");
    ck_assert_double_eq(got.l1, 0);
    ck_assert_double_eq(got.tolerance, 1);
    ck_assert_double_eq(got.free, -2);
    ck_assert(!got.intercept);
    ck_assert_int_eq(got.variant, 2);
    ck_assert(got.json);
    ck_assert_int_eq(got.workers, 7);
    ck_assert_int_eq(got.chunk_rows, 12);
    ck_assert_int_eq(got.memory_limit, 1 << 30);
    ck_assert_int_eq(got.max_time, INT64_C(90000000000));
    ck_assert_int_eq(got.preload.count, 2);
    ck_assert_str_eq(got.preload.items[1], "y.so");
    ck_assert_str_eq(err_text_seen, "");
}
END_TEST

START_TEST(what_is_not_given_stays)
{
    ck_assert_int_eq(parse(""), OPTIONS_RUN);
    ck_assert_double_eq(got.l1, 7.2);
    ck_assert(got.intercept);
    ck_assert_ptr_null(got.address);
    ck_assert_int_eq(parse("--no-intercept --intercept --wor=3 --workers=4"),
                     OPTIONS_RUN);
    ck_assert(got.intercept);
    ck_assert_int_eq(got.workers, 4);
}
END_TEST

START_TEST(help_is_laid_out_for_help2man)
{
    ck_assert_int_eq(parse("--l1 3 --help --unknown"), OPTIONS_DONE);
    ck_assert_str_eq(err_text_seen, "");
    static const char expected[] =
        "Usage: dusk admm [OPTION]... [ADDRESS]\n"
        "Fit an l1-regularised linear model.\n"
        "\n"
        "Problem:\n"
        "      --input=FILE            a CSV file, plain or gz, with numbers in every\n"
        "                              field and perhaps one line of names above them\n"
        "      --l1=L                  penalty on the sum of losses (default: 3)\n"
        "      --tolerance=T           relative gap\n"
        "      --free=X                any number\n"
        "      --[no-]intercept        fit an intercept (default: yes)\n"
        "  -v, --variant=NAME          the barrier: sync, async or batched (default:\n"
        "                              sync)\n"
        "\n"
        "Cluster:\n"
        "  -w, --workers=N             worker processes (default: 2)\n"
        "      --chunk-rows=N          rows of a chunk\n"
        "      --memory-limit=SIZE     of each worker (default: 2 GiB)\n"
        "      --max-time=TIME         stop after (default: 1.5 s)\n"
        "      --report-everything-to=FILE.html\n"
        "                              write a report\n"
        "      --preload=X.so          plugin\n"
        "  -j, --json                  result as JSON\n"
        "\n"
        "General:\n"
        "  -h, --help                  show this help and exit\n"
        "      --version               show the version and exit\n"
        "\n"
        "Exit codes: 0 done, 1 failed, 2 usage.\n";
    ck_assert_str_eq(out_text, expected);
}
END_TEST

START_TEST(version_names_the_program)
{
    ck_assert_int_eq(parse("--version"), OPTIONS_DONE);
    ck_assert_str_eq(out_text, "dusk-admm (dusk) " DUSK_VERSION "\n");
}
END_TEST

int main(int argc, char **argv)
{
    /* With arguments, the program is the command itself, for a look at the help. */
    if (argc > 1)
        return options_parse(&command, argc, argv, stdout, stderr) < 0 ? 2 : 0;
    Suite *suite = suite_create("options");
    TCase *tcase = tcase_create("options");
    tcase_add_loop_test(tcase, a_mistake_gets_one_line, 0,
                        (int)(sizeof bad / sizeof bad[0]));
    tcase_add_test(tcase, a_list_has_an_end);
    tcase_add_test(tcase, a_required_argument_is_missed);
    tcase_add_test(tcase, every_kind_reaches_its_target);
    tcase_add_test(tcase, what_is_not_given_stays);
    tcase_add_test(tcase, help_is_laid_out_for_help2man);
    tcase_add_test(tcase, version_names_the_program);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
