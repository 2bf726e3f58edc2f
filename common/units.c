#include "common/units.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct unit {
    const char *name;
    double size;
};

static const struct unit byte_units[] = {
    {"", 1},         {"B", 1},        {"k", 1e3},      {"kB", 1e3},     {"M", 1e6},
    {"MB", 1e6},     {"G", 1e9},      {"GB", 1e9},     {"T", 1e12},     {"TB", 1e12},
    {"P", 1e15},     {"PB", 1e15},    {"Ki", 0x1p10},  {"KiB", 0x1p10}, {"Mi", 0x1p20},
    {"MiB", 0x1p20}, {"Gi", 0x1p30},  {"GiB", 0x1p30}, {"Ti", 0x1p40},  {"TiB", 0x1p40},
    {"Pi", 0x1p50},  {"PiB", 0x1p50}, {NULL, 0},
};

static const struct unit duration_units[] = {
    {"", 1e9},      {"ns", 1},        {"us", 1e3},       {"ms", 1e6},
    {"s", 1e9},     {"sec", 1e9},     {"second", 1e9},   {"seconds", 1e9},
    {"m", 60e9},    {"min", 60e9},    {"minute", 60e9},  {"minutes", 60e9},
    {"h", 3600e9},  {"hr", 3600e9},   {"hour", 3600e9},  {"hours", 3600e9},
    {"d", 86400e9}, {"day", 86400e9}, {"days", 86400e9}, {NULL, 0},
};

static const struct unit *unit_find(const struct unit *units, const char *name)
{
    for (; units->name; units++)
        if (strcasecmp(units->name, name) == 0)
            return units;
    return NULL;
}

/* A decimal number without sign, then perhaps spaces, then a unit. */
static int parse(const struct unit *units, const char *kind, const char *what,
                 const char *text, int64_t *ret_value, struct err_text *error)
{
    char *end = (char *)text;
    double number = 0;
    /* strtod alone would also take "inf", "0x10", "-1" and leading spaces. */
    if (isdigit((unsigned char)text[0]) ||
        (text[0] == '.' && isdigit((unsigned char)text[1])))
        if (!(text[0] == '0' && (text[1] == 'x' || text[1] == 'X')))
            number = strtod(text, &end);
    const char *name = end;
    while (*name == ' ')
        name++;
    const struct unit *unit = unit_find(units, name);
    if (end == text || !unit)
        return err_set(error, DUSK_E_INVALID, "%s: '%s' is not a %s", what, text, kind);
    double value = number * unit->size;
    if (!(value < 0x1p63))
        return err_set(error, DUSK_E_LIMIT, "%s: '%s' is too large", what, text);
    *ret_value = (int64_t)rint(value);
    return 0;
}

int units_parse_bytes(const char *what, const char *text, int64_t *ret_bytes,
                      struct err_text *error)
{
    return parse(byte_units, "size (like 4GB, 512MiB or 1000000)", what, text,
                 ret_bytes, error);
}

int units_parse_duration(const char *what, const char *text, int64_t *ret_ns,
                         struct err_text *error)
{
    return parse(duration_units, "duration (like 10s, 250ms or 1.5h)", what, text,
                 ret_ns, error);
}

/* Three significant digits: 1.50, 15.0, 150. */
static int digits_after_point(double value)
{
    return value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
}

struct units_text units_bytes(int64_t bytes)
{
    static const char *const names[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    struct units_text out;
    if (bytes < 1024 && bytes > -1024) {
        snprintf(out.text, sizeof out.text, "%lld B", (long long)bytes);
        return out;
    }
    const char *sign = bytes < 0 ? "-" : "";
    double value = fabs((double)bytes) / 1024;
    size_t power = 0;
    while (value >= 1023.5) {
        value /= 1024;
        power++;
    }
    snprintf(out.text, sizeof out.text, "%s%.*f %s", sign, digits_after_point(value),
             value, names[power]);
    return out;
}

/* "2m05s": `high` and `low` are the names of units `ratio` apart. */
static void two_units(struct units_text *out, int64_t low_count, int64_t ratio,
                      const char *high, const char *low)
{
    snprintf(out->text, sizeof out->text, "%lld%s%02lld%s",
             (long long)(low_count / ratio), high, (long long)(low_count % ratio), low);
}

static void below_a_minute(struct units_text *out, double ns)
{
    static const char *const names[] = {"us", "ms", "s"};
    double value = ns / 1e3;
    size_t power = 0;
    while (value >= 999.5 && power < 2) {
        value /= 1e3;
        power++;
    }
    snprintf(out->text, sizeof out->text, "%.*f %s", digits_after_point(value), value,
             names[power]);
}

struct units_text units_duration(int64_t ns)
{
    struct units_text out;
    int64_t seconds = ns / UNITS_NS_PER_S;
    if (ns < 1000)
        snprintf(out.text, sizeof out.text, "%lld ns", (long long)ns);
    else if (seconds < 60)
        below_a_minute(&out, (double)ns);
    else if (seconds < 3600)
        two_units(&out, seconds, 60, "m", "s");
    else if (seconds < 86400)
        two_units(&out, seconds / 60, 60, "h", "m");
    else
        two_units(&out, seconds / 3600, 24, "d", "h");
    return out;
}
