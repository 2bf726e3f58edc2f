/* Texts that people write: options, sizes, durations, addresses and keys.  The first
 * byte tells which; arguments of a command are divided by line ends. */
#include "common/options.h"
#include "common/units.h"
#include "proto/ids.h"
#include "proto/link.h"

#include "tests/fuzz/fuzz.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WORDS 16

static void read_units(const char *text)
{
    struct err_text error;
    int64_t number = -1;
    if (units_parse_bytes("--limit", text, &number, &error) == 0)
        FUZZ_CHECK(number >= 0);
    number = -1;
    if (units_parse_duration("--time", text, &number, &error) == 0)
        FUZZ_CHECK(number >= 0 && strlen(units_duration(number).text) > 0);
}

static void read_key(const char *text)
{
    struct task_key key, again;
    char shown[64];
    if (!key_parse(text, &key))
        return;
    FUZZ_CHECK(key.bits != 0);
    snprintf(shown, sizeof shown, KEY_FORMAT, KEY_ARGS(key));
    FUZZ_CHECK(key_parse(shown, &again) && key_equal(key, again));
}

static void read_address(const char *text)
{
    struct err_text error;
    char host[LINK_HOST_BYTES];
    link_is_loopback(text);
    if (link_check_address(text, &error) < 0)
        return;
    const char *port = strrchr(text, ':') + 1;
    FUZZ_CHECK(strspn(port, "0123456789") == strlen(port));
    link_host(text, host);
    FUZZ_CHECK(memchr(host, '\0', sizeof host) && host[0]);
    link_is_loopback(host);
}

static void read_options(char *text)
{
    static const char *const colours[] = {"red", "green", NULL};
    struct option_list list = {0}, rest = {0};
    const char *string = "", *first = NULL;
    bool flag = false, negatable = true;
    int64_t integer = 5, bytes = 0, duration = 0;
    double real = 0.5;
    int colour = 0, argc = 1;
    const struct option_spec options[] = {
        {.kind = OPTION_GROUP, .help = "Everything"},
        {.name = "flag",
         .letter = 'f',
         .kind = OPTION_FLAG,
         .to.flag = &flag,
         .help = "x"},
        {.name = "fine", .kind = OPTION_NEGATABLE, .to.flag = &negatable, .help = "x"},
        {.name = "name",
         .letter = 'n',
         .argument = "NAME",
         .kind = OPTION_STRING,
         .to.string = &string,
         .help = "x"},
        {.name = "each",
         .argument = "X",
         .kind = OPTION_LIST,
         .to.list = &list,
         .help = "x"},
        {.name = "count",
         .letter = 'c',
         .argument = "N",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = 9,
         .to.integer = &integer,
         .shown = true,
         .help = "x"},
        {.name = "size",
         .argument = "B",
         .kind = OPTION_BYTES,
         .least = 0,
         .most = INT64_MAX,
         .to.integer = &bytes,
         .shown = true,
         .help = "x"},
        {.name = "time",
         .argument = "T",
         .kind = OPTION_DURATION,
         .least = 0,
         .most = INT64_MAX,
         .to.integer = &duration,
         .shown = true,
         .help = "x"},
        {.name = "real",
         .argument = "R",
         .kind = OPTION_REAL,
         .min = 0,
         .max = 1,
         .above_min = true,
         .to.real = &real,
         .shown = true,
         .help = "x"},
        {.name = "colour",
         .argument = "C",
         .kind = OPTION_CHOICE,
         .words = colours,
         .to.choice = &colour,
         .help = "x"},
        {0},
    };
    const struct positional_spec positionals[] = {
        {.name = "FIRST", .string = &first}, {.name = "REST", .list = &rest}, {0}};
    const struct command command = {.name = "fuzz",
                                    .summary = "Reads options.",
                                    .options = options,
                                    .positionals = positionals};
    static char name[] = "fuzz";
    char *argv[WORDS + 2] = {name};
    static FILE *out;
    if (!out)
        out = fopen("/dev/null", "w");
    for (char *word = strtok(text, "\n"); word && argc <= WORDS;
         word = strtok(NULL, "\n"))
        argv[argc++] = word;
    int rc = options_parse(&command, argc, argv, out, out);
    FUZZ_CHECK(rc == OPTIONS_RUN || rc == OPTIONS_DONE || rc == DUSK_E_INVALID);
    FUZZ_CHECK(integer >= 1 && integer <= 9 && bytes >= 0 && duration >= 0);
    FUZZ_CHECK(real > 0 && real <= 1 && colour >= 0 && colour < 2 && string);
    FUZZ_CHECK(list.count <= OPTIONS_LIST_MAX && rest.count <= OPTIONS_LIST_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed feed = {data, size, 0};
    unsigned kind = feed_below(&feed, 4);
    size_t left;
    const uint8_t *bytes = feed_bytes(&feed, SIZE_MAX, &left);
    char *text = malloc(left + 1);
    if (left)
        memcpy(text, bytes, left);
    text[left] = '\0';
    switch (kind) {
    case 0:
        read_units(text);
        break;
    case 1:
        read_key(text);
        break;
    case 2:
        read_address(text);
        break;
    default:
        read_options(text);
    }
    free(text);
    return 0;
}

void fuzz_seeds(fuzz_take_fn *take, void *context)
{
    static const char *const texts[] = {
        "\0004GB",
        "\000512MiB",
        "\0001.5h",
        "\000250ms",
        "\0009223372036854775807",
        "\0001e30kB",
        "\001c0ffee-17",
        "\001ffffff-1099511627775",
        "\0010-0",
        "\002tcp://127.0.0.1:8786",
        "\002tcp://[::1]:1",
        "\002tcp://localhost:65535",
        "\002tcp://h:+80",
        "\003--flag\n-f\n--no-fine\n--name=x\n--each\na\n--each=b",
        "\003--count\n3\n--size=4GB\n--time\n10s\n--real\n.5\n--colour=green",
        "\003-fn\nx\n-c3\n--\n--flag\nrest\nmore",
        "\003--help",
        "\003--version",
        "\003--fl\n--c\n3",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        take(context, texts[i], 1 + strlen(texts[i] + 1));
}
