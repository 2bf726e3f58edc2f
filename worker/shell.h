/* The worker with its sockets, threads, files and signals around the core. */
#ifndef WORKER_SHELL_H
#define WORKER_SHELL_H

#include "common/err.h"
#include "common/log.h"
#include "worker/core.h"
#include "worker/nanny.h"
#include "worker/registry.h"

struct shell_config {
    struct worker_config core; /* address, time, epoch, pid and overhead are our own */
    const struct join *join;   /* keys; NULL: without */
    const char *host;          /* where the data socket listens */
    const char *directory;     /* for spilled data */
    double slowness;           /* see executor_slow_down */
    int ready_fd;              /* told "ready ADDRESS" when registered; -1: nobody */
    struct nanny_page *page;   /* what a nanny will know of this life; or NULL */
};

/* Runs a worker until it ends, in the calling thread: the exit status.  SIGTERM
 * retires, SIGINT and SIGHUP end it at once.  `ret_clean` is false when a task function
 * would not stop: only _exit is safe then. */
int shell_run(const struct shell_config *config, struct registry *registry,
              struct log *log, bool *ret_clean);

#endif
