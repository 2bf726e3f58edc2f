/* The embedded cluster: a scheduler and workers as processes of their own on
 * loopback ports, for commands that are given no scheduler.
 *
 * Between the program and the daemons stands a keeper, a child process without
 * threads that starts the daemons, watches them, and ends them when the program
 * asks for it or is gone, however it went: then the socket between the two closes.
 * The keeper asks the daemons to end (SIGINT), kills what is left at a deadline, and
 * waits for all of them and their children.  Should the keeper itself be killed, the
 * kernel sends the SIGINT.  Terminal signals do not reach keeper and daemons: they
 * are in sessions and groups of their own.  There are no files but keys, which are made
 * for this cluster in a private directory of $TMPDIR and removed as soon as all daemons
 * have read them: what the daemons print is read by the keeper, which remembers the end
 * of it for error lines, and the workers' spilled chunks have no names.
 *
 * Start the cluster before the first thread where possible; the keeper is forked
 * from the calling process. */
#ifndef CLIENT_CLUSTER_H
#define CLIENT_CLUSTER_H

#include "common/err.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#define CLUSTER_WORKERS_MAX 256

struct cluster;

/* All pointers are borrowed during cluster_start only. */
struct cluster_options {
    int workers;                       /* processes, from 1 to CLUSTER_WORKERS_MAX */
    int threads;                       /* of each; 0: the worker's default */
    int64_t memory_limit;              /* bytes of each; 0: the worker's default */
    int64_t scheduler_data_limit;      /* bytes that the kernel lets the scheduler, */
    int64_t worker_data_limit;         /* and each worker, allocate; 0: no limit */
    double last_slow_down;             /* --slow-down of the last worker; 0: none */
    const char *const *scheduler_args; /* further arguments, NULL at the end; or NULL */
    const char *const *worker_args;    /* e.g. "--preload", "x.so"; likewise */
    bool plain;                        /* without keys */
    bool show_log;                     /* the daemons write to our standard error */
    int64_t start_ns;                  /* until all are ready; 0: 30 s */
    const volatile sig_atomic_t *stop; /* non-zero gives up the start; or NULL */
    int64_t stop_ns; /* between asking daemons to end and killing them; 0: 3 s */
};

/* Starts the daemons and waits until all are ready.  They are looked for in the
 * directory DUSK_BINDIR if that is set, else beside the running program, in a build
 * tree around it, and in PATH.  On an error nothing is left behind, and the line
 * tells which daemon failed, how, and what it said last.  DUSK_E_NOT_FOUND,
 * DUSK_E_INVALID, DUSK_E_CLOSED (one ended), DUSK_E_TIMEOUT, DUSK_E_CANCELLED,
 * DUSK_E_PROTOCOL, DUSK_E_IO, DUSK_E_NOMEM. */
int cluster_start(const struct cluster_options *options, struct cluster **ret_cluster,
                  struct err_text *error);

/* Where "dusk-worker", of the folder "worker" in a build tree, is: looked for as
 * cluster_start does.  `path` has room for PATH_MAX bytes.  DUSK_E_NOT_FOUND. */
int cluster_find_daemon(const char *name, const char *folder, char *path,
                        struct err_text *error);

/* "tcp://127.0.0.1:PORT", borrowed until cluster_stop. */
const char *cluster_address(const struct cluster *cluster);

/* The path of a client's join file for it, or "" without keys; borrowed until
 * cluster_stop, and only for this process. */
const char *cluster_keys(const struct cluster *cluster);

/* Becomes readable when cluster_check has something to say. */
int cluster_fd(const struct cluster *cluster);

enum { CLUSTER_WORKER_ENDED = 1 };

/* 0 while all is well.  CLUSTER_WORKER_ENDED: a worker has, and others are left, so
 * that the work goes on; call again.  DUSK_E_CLOSED: the scheduler has ended, or the
 * last worker, or the keeper: nothing will come of this cluster any more.  Each with
 * a line.  Never waits. */
int cluster_check(struct cluster *cluster, struct err_text *error);

/* Ends the daemons and frees the handle; NULL is fine.  Returns the number of
 * daemons that had to be killed. */
int cluster_stop(struct cluster *cluster);

/* For tests, which kill and stop them. */
pid_t cluster_scheduler_pid(const struct cluster *cluster);
pid_t cluster_worker_pid(const struct cluster *cluster, int worker);
pid_t cluster_keeper_pid(const struct cluster *cluster);

#endif
