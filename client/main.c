/* The dusk command: one subcommand for each thing that people do with a cluster. */
#include "client/cluster.h"
#include "client/commands.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int command_scheduler(int argc, char **argv);
static int command_worker(int argc, char **argv);

struct subcommand {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the subcommand's name */
};

static const struct subcommand subcommands[] = {
    {"demo", "the published experiment and real data, with a report", command_demo},
    {"admm", "fit an l1-regularised linear model", command_admm},
    {"status", "workers, tasks and clients of a cluster", command_status},
    {"why", "why a task is where it is", command_why},
    {"keygen", "make the keys of a cluster", command_keygen},
    {"upload", "bring a plugin to all workers", command_upload},
    {"shutdown", "end a cluster", command_shutdown},
    {"scheduler", "run a scheduler (dusk-scheduler)", command_scheduler},
    {"worker", "run a worker (dusk-worker)", command_worker},
};
#define SUBCOMMANDS (sizeof subcommands / sizeof subcommands[0])

/* Becomes the daemon. */
static int daemon_exec(const char *name, const char *folder, char **argv)
{
    char path[PATH_MAX];
    struct err_text error;
    if (cluster_find_daemon(name, folder, path, &error) < 0) {
        fprintf(stderr, "dusk: %s\n", error.line);
        return COMMAND_FAILED;
    }
    char daemon[32];
    snprintf(daemon, sizeof daemon, "%s", name);
    argv[0] = daemon;
    execv(path, argv);
    fprintf(stderr, "dusk: %s: %s\n", path, strerror(errno));
    return COMMAND_FAILED;
}

static int command_scheduler(int argc, char **argv)
{
    return daemon_exec("dusk-scheduler", "scheduler", argv);
}

static int command_worker(int argc, char **argv)
{
    return daemon_exec("dusk-worker", "worker", argv);
}

static int help(FILE *out)
{
    fputs("Usage: dusk COMMAND [OPTION...]\n\n"
          "A small cluster for asynchronous numerical computing.\n\nCommands:\n",
          out);
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        fprintf(out, "  %-10s  %s\n", subcommands[i].name, subcommands[i].summary);
    fputs("\n`dusk COMMAND --help` tells more about each.\n\n"
          "Exit codes: 0 done, 1 failed, 2 usage, 3 not converged or not certified.\n",
          out);
    return fflush(out) == 0 ? COMMAND_DONE : COMMAND_FAILED;
}

static const struct subcommand *subcommand_find(const char *name)
{
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        if (strcmp(subcommands[i].name, name) == 0)
            return &subcommands[i];
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        help(stderr);
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
        return help(stdout);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        puts("dusk " DUSK_VERSION);
        return fflush(stdout) == 0 ? COMMAND_DONE : COMMAND_FAILED;
    }
    const struct subcommand *subcommand = subcommand_find(argv[1]);
    if (subcommand)
        return subcommand->run(argc - 1, argv + 1);
    fprintf(stderr, "dusk: unknown command '%s'\nTry 'dusk --help'.\n", argv[1]);
    return COMMAND_USAGE;
}
