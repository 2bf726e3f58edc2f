/* The layout of --help: option, gap, text wrapped to the right of it. */
#include "common/options.h"

#include "common/units.h"

#include <stdarg.h>
#include <string.h>

enum { TEXT_COLUMN = 30, WIDTH = 79 };

/* Writes words up to WIDTH, further lines indented; `at` is the column reached. */
static void write_wrapped(FILE *out, const char *text, int at, int indent)
{
    bool first = true;
    while (*text) {
        int length = (int)strcspn(text, " \n");
        bool fits = at + !first + length <= WIDTH;
        if (!first && fits)
            at += fprintf(out, " ");
        else if (!first)
            at = fprintf(out, "\n%*s", indent, "") - 1;
        fwrite(text, 1, (size_t)length, out);
        at += length;
        first = false;
        text += length;
        for (; *text == ' ' || *text == '\n'; text++) {
            if (*text != '\n')
                continue;
            at = fprintf(out, "\n%*s", indent, "") - 1;
            first = true;
        }
    }
    fputc('\n', out);
}

static void append(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void append(char *text, size_t size, const char *format, ...)
{
    size_t length = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + length, size - length, format, args);
    va_end(args);
}

/* "10 s" and "1.5 GiB" for "10.0 s" and "1.50 GiB". */
static struct units_text without_zeros(struct units_text value)
{
    char *point = strchr(value.text, '.');
    char *unit = strchr(value.text, ' ');
    if (!point || !unit)
        return value;
    char *end = unit;
    while (end[-1] == '0')
        end--;
    if (end - 1 == point)
        end--;
    memmove(end, unit, strlen(unit) + 1);
    return value;
}

static void append_default(const struct option_spec *spec, char *text, size_t size)
{
    switch (spec->kind) {
    case OPTION_FLAG:
    case OPTION_NEGATABLE:
        append(text, size, " (default: %s)", *spec->to.flag ? "yes" : "no");
        break;
    case OPTION_STRING:
        if (*spec->to.string)
            append(text, size, " (default: %s)", *spec->to.string);
        break;
    case OPTION_INTEGER:
        append(text, size, " (default: %lld)", (long long)*spec->to.integer);
        break;
    case OPTION_REAL:
        append(text, size, " (default: %g)", *spec->to.real);
        break;
    case OPTION_BYTES:
        append(text, size, " (default: %s)",
               without_zeros(units_bytes(*spec->to.integer)).text);
        break;
    case OPTION_DURATION:
        append(text, size, " (default: %s)",
               without_zeros(units_duration(*spec->to.integer)).text);
        break;
    case OPTION_CHOICE:
        append(text, size, " (default: %s)", spec->words[*spec->to.choice]);
        break;
    case OPTION_GROUP:
    case OPTION_LIST:
        break;
    }
}

/* The help text, the words of a choice and the default. */
static void describe(const struct option_spec *spec, char *text, size_t size)
{
    snprintf(text, size, "%s", spec->help);
    for (int i = 0; spec->kind == OPTION_CHOICE && spec->words[i]; i++) {
        const char *join = i == 0 ? ": " : spec->words[i + 1] ? ", " : " or ";
        append(text, size, "%s%s", join, spec->words[i]);
    }
    if (spec->shown)
        append_default(spec, text, size);
}

static void write_option(FILE *out, char letter, const char *name, const char *argument,
                         const char *text)
{
    int at = letter ? fprintf(out, "  -%c, ", letter) : fprintf(out, "      ");
    at += fprintf(out, "--%s%s%s", name, argument ? "=" : "", argument ? argument : "");
    if (at + 2 > TEXT_COLUMN) {
        fputc('\n', out);
        at = 0;
    }
    fprintf(out, "%*s", TEXT_COLUMN - at, "");
    write_wrapped(out, text, TEXT_COLUMN, TEXT_COLUMN);
}

static void write_spec(FILE *out, const struct option_spec *spec)
{
    char name[80], text[1024];
    snprintf(name, sizeof name, "%s%s", spec->kind == OPTION_NEGATABLE ? "[no-]" : "",
             spec->name);
    describe(spec, text, sizeof text);
    write_option(out, spec->letter, name, spec->argument, text);
}

static void write_usage(FILE *out, const struct command *command)
{
    fprintf(out, "Usage: %s [OPTION]...", command->name);
    const struct positional_spec *spec = command->positionals;
    for (; spec && spec->name; spec++)
        fprintf(out, spec->required ? " %s%s" : " [%s]%s", spec->name,
                spec->list ? "..." : "");
    fputc('\n', out);
}

void options_help(const struct command *command, FILE *out)
{
    write_usage(out, command);
    write_wrapped(out, command->summary, 0, 0);
    const struct option_spec *spec = command->options;
    if (spec->kind && spec->kind != OPTION_GROUP)
        fputs("\nOptions:\n", out);
    for (; spec->kind; spec++) {
        if (spec->kind == OPTION_GROUP)
            fprintf(out, "\n%s:\n", spec->help);
        else
            write_spec(out, spec);
    }
    fputs("\nGeneral:\n", out);
    write_option(out, 'h', "help", NULL, "show this help and exit");
    write_option(out, 0, "version", NULL, "show the version and exit");
    if (command->epilogue) {
        fputc('\n', out);
        write_wrapped(out, command->epilogue, 0, 0);
    }
}
