/* The nanny: a process that starts workers as its children, watches them, and starts
 * them again when they die.  It never has a second thread, so that forking is safe. */
#ifndef WORKER_NANNY_H
#define WORKER_NANNY_H

#include "common/log.h"
#include "proto/ids.h"

#include <stddef.h>

/* What a worker knows of the life before its own. */
struct nanny_past {
    uint64_t epoch;
    int64_t status; /* as wait(2) told it */
    const struct task_key *running;
    size_t running_count;
};

/* Memory that a worker shares with its nanny, so that something is left of it. */
struct nanny_page {
    uint64_t epoch;
    uint64_t final;     /* the worker ends on purpose: not to be started again */
    uint64_t shut_down; /* it does because the cluster ends, and so does the nanny */
    uint64_t running[]; /* one slot a thread */
};

struct nanny_config {
    unsigned nworkers;
    unsigned nthreads;    /* of each worker */
    size_t memory_limit;  /* of each worker */
    size_t kill_bytes;    /* a worker that takes more is killed; 0: never */
    uint64_t patience_ns; /* how long a worker may take to end when asked to */
    int ready_fd;         /* closed when all workers have been started; or -1 */
    /* Runs worker `number` in the child process; returns its exit status.  `past` is
     * NULL in its first life. */
    int (*run)(void *context, unsigned number, struct nanny_page *page,
               const struct nanny_past *past);
    void *context;
    struct log *log;
};

/* Runs until all workers have ended; the exit status.  SIGTERM, SIGINT and SIGHUP are
 * passed on. */
int nanny_run(const struct nanny_config *config);

#endif
