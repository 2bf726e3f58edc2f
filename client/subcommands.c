#include "client/subcommands.h"

#include "client/commands.h"
#include "common/options.h"

#include <stdio.h>
#include <string.h>

static int help(const struct subcommands *group, FILE *out)
{
    fprintf(out, "Usage: %s COMMAND [OPTION...]\n\n%s\n\nCommands:\n", group->name,
            group->summary);
    for (const struct subcommand *item = group->items; item->name; item++)
        fprintf(out, "  %-10s  %s\n", item->name, item->summary);
    fprintf(
        out,
        "\n`%s COMMAND --help` tells more about each.\n\n"
        "Exit codes: 0 done, 1 failed, 2 usage, 3 not converged or not certified.\n",
        group->name);
    return fflush(out) == 0 ? COMMAND_DONE : COMMAND_FAILED;
}

static const struct subcommand *find(const struct subcommands *group, const char *name)
{
    for (const struct subcommand *item = group->items; item->name; item++)
        if (strcmp(item->name, name) == 0)
            return item;
    return NULL;
}

int subcommands_run(const struct subcommands *group, int argc, char **argv)
{
    if (argc < 2) {
        help(group, stderr);
        return COMMAND_USAGE;
    }
    /* "help status" for "status --help" */
    char option[] = "--help";
    char *asked[] = {argv[0], argc > 2 ? argv[2] : NULL, option, NULL};
    if (argc > 2 && strcmp(argv[1], "help") == 0) {
        argv = asked;
        argc = 3;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return help(group, stdout);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        options_version(group->name, stdout);
        return fflush(stdout) == 0 ? COMMAND_DONE : COMMAND_FAILED;
    }
    const struct subcommand *item = find(group, argv[1]);
    if (item)
        return item->run(argc - 1, argv + 1);
    fprintf(stderr, "%s: unknown command '%s'\nTry '%s --help'.\n", group->name,
            argv[1], group->name);
    return COMMAND_USAGE;
}
