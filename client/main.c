/* The dusk command: one subcommand for each thing that people do with a cluster. */
#include "client/cluster.h"
#include "client/commands.h"
#include "client/subcommands.h"
#include "common/one_blas_thread.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Becomes the daemon. */
static int daemon_exec(const char *name, const char *folder, char **argv)
{
    char path[PATH_MAX];
    struct err_text error;
    if (cluster_find_daemon(name, folder, path, &error) < 0)
        return command_fail("dusk", error.line);
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

static const struct subcommand commands[] = {
    {"demo", "the published experiment and real data, with a report", command_demo},
    {"admm", "fit an l1-regularised linear model", command_admm},
    {"status", "workers, tasks and clients of a cluster", command_status},
    {"why", "why a task is where it is", command_why},
    {"bench", "measure tasks, fits and kernels against others", command_bench},
    {"keygen", "make the keys of a cluster", command_keygen},
    {"upload", "bring a plugin to all workers", command_upload},
    {"shutdown", "end a cluster", command_shutdown},
    {"scheduler", "run a scheduler (dusk-scheduler)", command_scheduler},
    {"worker", "run a worker (dusk-worker)", command_worker},
    {0},
};

int main(int argc, char **argv)
{
    const struct subcommands dusk = {
        .name = "dusk",
        .summary = "A small cluster for asynchronous numerical computing.",
        .items = commands,
    };
    one_blas_thread("dusk", argv);
    return subcommands_run(&dusk, argc, argv);
}
