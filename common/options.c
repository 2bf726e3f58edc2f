#include "common/options.h"

#include "common/units.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    SPECS_MAX = 128,
    VALUE_HELP = 1000, /* above every letter */
    VALUE_VERSION,
    VALUE_SPEC, /* + 2 x index, + 1 for --no-x */
};

/* The table as getopt_long wants it. */
struct getopt_table {
    struct option longs[2 * SPECS_MAX + 3];
    char names[SPECS_MAX][64]; /* of the --no- forms */
    char letters[2 * SPECS_MAX + 4];
};

static bool takes_argument(const struct option_spec *spec)
{
    return spec->kind != OPTION_FLAG && spec->kind != OPTION_NEGATABLE;
}

static void table_add(struct getopt_table *table, size_t *count, const char *name,
                      bool argument, int value)
{
    table->longs[(*count)++] = (struct option){
        .name = name,
        .has_arg = argument ? required_argument : no_argument,
        .val = value,
    };
}

static void table_add_letter(struct getopt_table *table, const struct option_spec *spec)
{
    size_t length = strlen(table->letters);
    table->letters[length++] = spec->letter;
    if (takes_argument(spec))
        table->letters[length++] = ':';
    table->letters[length] = '\0';
}

static void table_fill(struct getopt_table *table, const struct option_spec *specs)
{
    memset(table, 0, sizeof *table);
    /* The colon keeps getopt silent, and makes it tell a missing argument from an
     * unknown option. */
    strcpy(table->letters, ":h");
    size_t count = 0;
    table_add(table, &count, "help", false, VALUE_HELP);
    table_add(table, &count, "version", false, VALUE_VERSION);
    for (int i = 0; specs[i].kind; i++) {
        const struct option_spec *spec = &specs[i];
        assert(i < SPECS_MAX);
        if (spec->kind == OPTION_GROUP)
            continue;
        table_add(table, &count, spec->name, takes_argument(spec), VALUE_SPEC + 2 * i);
        if (spec->letter)
            table_add_letter(table, spec);
        if (spec->kind != OPTION_NEGATABLE)
            continue;
        snprintf(table->names[i], sizeof table->names[i], "no-%s", spec->name);
        table_add(table, &count, table->names[i], false, VALUE_SPEC + 2 * i + 1);
    }
}

/* "a whole number from 1 to 65535", "a number > 0" */
static void describe_range(const struct option_spec *spec, char *text, size_t size)
{
    bool whole = spec->kind == OPTION_INTEGER;
    const char *noun = whole ? "a whole number" : "a number";
    double low = whole ? (double)spec->least : spec->min;
    double high = whole ? (double)spec->most : spec->max;
    bool unbounded = whole ? spec->most == INT64_MAX : isinf(high);
    if (low == 0 && high == 0)
        snprintf(text, size, "%s", noun);
    else if (unbounded)
        snprintf(text, size, "%s %s %.15g", noun, spec->above_min ? ">" : ">=", low);
    else
        snprintf(text, size, "%s %s %.15g to %.15g", noun,
                 spec->above_min ? "above" : "from", low, high);
}

static int refuse_number(const struct option_spec *spec, const char *value,
                         struct err_text *error)
{
    char range[96];
    describe_range(spec, range, sizeof range);
    return err_set(error, DUSK_E_INVALID, "--%s: '%s' is not %s", spec->name, value,
                   range);
}

static bool integer_in_range(const struct option_spec *spec, int64_t value)
{
    bool limited = spec->least != 0 || spec->most != 0;
    return !limited || (value >= spec->least && value <= spec->most);
}

static int set_integer(const struct option_spec *spec, const char *text,
                       struct err_text *error)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || !integer_in_range(spec, value))
        return refuse_number(spec, text, error);
    *spec->to.integer = value;
    return 0;
}

static int set_real(const struct option_spec *spec, const char *text,
                    struct err_text *error)
{
    char *end;
    double value = strtod(text, &end);
    bool limited = spec->min != 0 || spec->max != 0;
    bool inside = !limited || (value >= spec->min && value <= spec->max &&
                               !(spec->above_min && value == spec->min));
    if (end == text || *end || !isfinite(value) || !inside)
        return refuse_number(spec, text, error);
    *spec->to.real = value;
    return 0;
}

/* OPTION_BYTES and OPTION_DURATION. */
static int set_quantity(const struct option_spec *spec, const char *text,
                        struct err_text *error)
{
    bool bytes = spec->kind == OPTION_BYTES;
    char what[80];
    snprintf(what, sizeof what, "--%s", spec->name);
    int64_t value;
    int rc = bytes ? units_parse_bytes(what, text, &value, error)
                   : units_parse_duration(what, text, &value, error);
    if (rc < 0)
        return rc;
    if (!integer_in_range(spec, value)) {
        bool small = value < spec->least;
        int64_t bound = small ? spec->least : spec->most;
        return err_set(error, DUSK_E_INVALID, "%s: '%s' is %s than %s", what, text,
                       small ? "less" : "more",
                       bytes ? units_bytes(bound).text : units_duration(bound).text);
    }
    *spec->to.integer = value;
    return 0;
}

static int set_choice(const struct option_spec *spec, const char *text,
                      struct err_text *error)
{
    char all[256] = "";
    for (int i = 0; spec->words[i]; i++) {
        if (strcmp(spec->words[i], text) == 0) {
            *spec->to.choice = i;
            return 0;
        }
        size_t length = strlen(all);
        snprintf(all + length, sizeof all - length, "%s%s", i ? ", " : "",
                 spec->words[i]);
    }
    return err_set(error, DUSK_E_INVALID, "--%s: '%s' is not one of %s", spec->name,
                   text, all);
}

static int list_add(struct option_list *list, const char *dashes, const char *name,
                    const char *text, struct err_text *error)
{
    if (list->count == OPTIONS_LIST_MAX)
        return err_set(error, DUSK_E_INVALID, "%s%s: more than %d", dashes, name,
                       OPTIONS_LIST_MAX);
    list->items[list->count++] = text;
    return 0;
}

static int set_option(const struct option_spec *spec, bool negated, const char *text,
                      struct err_text *error)
{
    switch (spec->kind) {
    case OPTION_GROUP:
        break;
    case OPTION_FLAG:
    case OPTION_NEGATABLE:
        *spec->to.flag = !negated;
        break;
    case OPTION_STRING:
        *spec->to.string = text;
        break;
    case OPTION_LIST:
        return list_add(spec->to.list, "--", spec->name, text, error);
    case OPTION_INTEGER:
        return set_integer(spec, text, error);
    case OPTION_REAL:
        return set_real(spec, text, error);
    case OPTION_BYTES:
    case OPTION_DURATION:
        return set_quantity(spec, text, error);
    case OPTION_CHOICE:
        return set_choice(spec, text, error);
    }
    return 0;
}

/* What getopt_long saw but did not understand; `word` is the argument, of use for
 * long options only, since a letter may stand in the middle of "-abc". */
static int refuse_word(const struct getopt_table *table, const char *word,
                       struct err_text *error)
{
    if (optopt > 0 && optopt < VALUE_HELP)
        return err_set(error, DUSK_E_INVALID, "unknown option '-%c'", optopt);
    size_t length = strcspn(word + 2, "=");
    const char *first = NULL;
    for (const struct option *entry = table->longs; entry->name; entry++) {
        if (strncmp(entry->name, word + 2, length) != 0)
            continue;
        if (strlen(entry->name) == length)
            return err_set(error, DUSK_E_INVALID, "--%s takes no argument",
                           entry->name);
        if (first)
            return err_set(error, DUSK_E_INVALID,
                           "option '--%.*s' may mean --%s or --%s", (int)length,
                           word + 2, first, entry->name);
        first = entry->name;
    }
    if (first)
        return err_set(error, DUSK_E_INVALID, "--%s takes no argument", first);
    return err_set(error, DUSK_E_INVALID, "unknown option '--%.*s'", (int)length,
                   word + 2);
}

static const struct option_spec *spec_find(const struct option_spec *specs, int value,
                                           bool *ret_negated)
{
    *ret_negated = false;
    if (value >= VALUE_SPEC) {
        *ret_negated = (value - VALUE_SPEC) % 2;
        return &specs[(value - VALUE_SPEC) / 2];
    }
    while (specs->kind == OPTION_GROUP || specs->letter != value)
        specs++;
    return specs;
}

static int refuse_missing(const struct option_spec *specs, struct err_text *error)
{
    if (optopt < VALUE_HELP)
        return err_set(error, DUSK_E_INVALID, "-%c needs an argument", optopt);
    bool negated;
    return err_set(error, DUSK_E_INVALID, "--%s needs an argument",
                   spec_find(specs, optopt, &negated)->name);
}

static int take_positionals(const struct positional_spec *spec, int argc, char **argv,
                            struct err_text *error)
{
    static const struct positional_spec none[] = {{0}};
    if (!spec)
        spec = none;
    int next = 0;
    for (; spec->name && !spec->list; spec++) {
        if (next < argc)
            *spec->string = argv[next++];
        else if (spec->required)
            return err_set(error, DUSK_E_INVALID, "%s is missing", spec->name);
    }
    if (spec->name && spec->required && next == argc)
        return err_set(error, DUSK_E_INVALID, "%s is missing", spec->name);
    for (; next < argc; next++) {
        if (!spec->name)
            return err_set(error, DUSK_E_INVALID, "unexpected argument '%s'",
                           argv[next]);
        int rc = list_add(spec->list, "", spec->name, argv[next], error);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* "dusk-admm (dusk) 0.1.0": help2man takes the page's name from the first word. */
void options_version(const char *name, FILE *out)
{
    for (; *name; name++)
        fputc(*name == ' ' ? '-' : *name, out);
    fprintf(out, " (dusk) %s\n", DUSK_VERSION);
}

/* All options up to the first mistake; OPTIONS_DONE after --help. */
static int take_options(const struct command *command, int argc, char **argv, FILE *out,
                        struct err_text *error)
{
    struct getopt_table table;
    table_fill(&table, command->options);
    optind = 0; /* starts getopt over, GNU's way */
    for (;;) {
        int value = getopt_long(argc, argv, table.letters, table.longs, NULL);
        bool negated;
        switch (value) {
        case -1:
            return 0;
        case '?':
            return refuse_word(&table, argv[optind - 1], error);
        case ':':
            return refuse_missing(command->options, error);
        case 'h':
        case VALUE_HELP:
            options_help(command, out);
            return OPTIONS_DONE;
        case VALUE_VERSION:
            options_version(command->name, out);
            return OPTIONS_DONE;
        }
        const struct option_spec *spec = spec_find(command->options, value, &negated);
        int rc = set_option(spec, negated, optarg, error);
        if (rc < 0)
            return rc;
    }
}

int options_parse(const struct command *command, int argc, char **argv, FILE *out,
                  FILE *err)
{
    struct err_text error;
    int rc = take_options(command, argc, argv, out, &error);
    if (rc == 0)
        rc = take_positionals(command->positionals, argc - optind, argv + optind,
                              &error);
    if (rc < 0)
        return options_complain(command, err, "%s", error.line);
    return rc;
}

int options_complain(const struct command *command, FILE *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(err, "%s: ", command->name);
    vfprintf(err, format, args);
    fputc('\n', err);
    va_end(args);
    return DUSK_E_INVALID;
}
