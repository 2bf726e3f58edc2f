/* The command line as a table.  A command describes itself in one
 * `struct command`; options_parse() fills the targets, and prints --help,
 * --version or one error line.  Built on getopt_long, so that options may be
 * shortened, written --name=value or --name value, and mixed with positional
 * arguments.  The help is laid out the way help2man reads it.
 *
 *     static const char *const families[] = {"normal", "logistic", NULL};
 *     const struct option_spec options[] = {
 *         {.kind = OPTION_GROUP, .help = "Problem"},
 *         {.name = "family", .argument = "NAME", .kind = OPTION_CHOICE,
 *          .words = families, .to.choice = &family, .help = "the loss"},
 *         {.name = "l1", .argument = "L", .kind = OPTION_REAL, .min = 0,
 *          .max = INFINITY, .to.real = &l1, .shown = true, .help = "penalty"},
 *         {0},
 *     };
 *
 * The table only borrows; what it points to outlives the call.  Strings that
 * targets receive are borrowed from argv.  Called from one thread, since
 * getopt_long keeps its place in global variables. */
#ifndef COMMON_OPTIONS_H
#define COMMON_OPTIONS_H

#include "common/err.h"

#include <stdbool.h>
#include <stdio.h>

/* What --help and --version lead to. */
enum { OPTIONS_RUN = 0, OPTIONS_DONE = 1 };

enum option_kind {
    OPTION_GROUP = 1, /* no option: `help` is a heading over those that follow */
    OPTION_FLAG,      /* --x sets true */
    OPTION_NEGATABLE, /* --x sets true, --no-x false */
    OPTION_STRING,
    OPTION_LIST,     /* a string, may be given more than once */
    OPTION_INTEGER,  /* from least to most, where these are not both 0 */
    OPTION_REAL,     /* from min to max, where these are not both 0; never NaN */
    OPTION_BYTES,    /* common/units.h, from least to most likewise */
    OPTION_DURATION, /* the same in ns */
    OPTION_CHOICE,   /* one of `words`; the target is the index */
};

#define OPTIONS_LIST_MAX 64

struct option_list {
    int count;
    const char *items[OPTIONS_LIST_MAX];
};

struct option_spec {
    const char *name; /* without the dashes */
    char letter;      /* short form, or 0 */
    enum option_kind kind;
    const char *argument; /* its name in the help, for kinds that take one */
    const char *help;
    union {
        bool *flag;
        const char **string;
        struct option_list *list;
        int64_t *integer; /* INTEGER, BYTES, DURATION */
        double *real;
        int *choice;
    } to;
    int64_t least, most; /* 0, INT64_MAX: "a whole number >= 0" */
    double min, max;     /* 0, INFINITY: "a number >= 0" */
    bool above_min;      /* min itself is not allowed: "a number > 0" */
    const char *const *words;
    bool shown; /* the help shows the target's value as the default */
};

struct positional_spec {
    const char *name; /* as in the usage line, e.g. "ADDRESS" */
    bool required;
    const char **string;      /* one argument, or */
    struct option_list *list; /* all that remain; the last entry only */
};

struct command {
    const char *name;                          /* "dusk admm", "dusk-worker" */
    const char *summary;                       /* sentences under the usage line */
    const struct option_spec *options;         /* up to one without a kind */
    const struct positional_spec *positionals; /* up to one without a name; or NULL */
    const char *epilogue; /* after the options, e.g. exit codes; or NULL */
};

/* Reads argv[1] and on.  OPTIONS_RUN: targets are filled; those of options that
 * were not given keep their values.  OPTIONS_DONE: help or version went to
 * `out`; exit 0.  DUSK_E_INVALID: one line went to `err`; exit 2. */
int options_parse(const struct command *command, int argc, char **argv, FILE *out,
                  FILE *err);

/* Prints what --help prints. */
void options_help(const struct command *command, FILE *out);

/* Prints what --version prints, of the command `name`. */
void options_version(const char *name, FILE *out);

/* Prints "NAME: MESSAGE" in one line, for mistakes that only the command can see
 * ("--input and --rows exclude each other"); returns DUSK_E_INVALID. */
int options_complain(const struct command *command, FILE *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
