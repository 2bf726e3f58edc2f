/* What every command that computes needs around it: a cluster (the one that is
 * named, or one of its own), a stop on SIGINT and SIGTERM, and a progress bar. */
#ifndef CLIENT_SESSION_H
#define CLIENT_SESSION_H

#include "client/cluster.h"
#include "client/commands.h"
#include "client/progress.h"
#include "client/watch.h"
#include "common/options.h"

struct session_options {
    const char *scheduler; /* NULL: $DUSK_SCHEDULER_ADDRESS, or an own cluster */
    const char *keys;      /* the join file for it; NULL: $DUSK_KEYS, or none */
    bool plain;            /* an own cluster without keys */
    int64_t workers;       /* of an own cluster; 0: one a core */
    int64_t memory_limit;  /* of each of them, in bytes; 0: the worker's default */
    int64_t memory_total;  /* of all its processes and this one, enforced; 0: none */
    double slow_worker;    /* times that the last of them is slower; 0: none */
    int64_t timeout_ns;    /* to connect, and for the first worker */
};

/* The rows of an options table (common/options.h) that fill session_options. */
#define SESSION_OPTION_ROWS(options)                                                   \
    {.kind = OPTION_GROUP, .help = "Cluster"},                                         \
        {.name = "scheduler",                                                          \
         .argument = "ADDRESS",                                                        \
         .kind = OPTION_STRING,                                                        \
         .to.string = &(options)->scheduler,                                           \
         .help = "tcp://HOST:8786 (default: $DUSK_SCHEDULER_ADDRESS, or a cluster of " \
                 "its own on this machine)"},                                          \
        KEYS_OPTION_ROW(&(options)->keys),                                             \
        {.name = "workers",                                                            \
         .argument = "K",                                                              \
         .kind = OPTION_INTEGER,                                                       \
         .least = 1,                                                                   \
         .most = CLUSTER_WORKERS_MAX,                                                  \
         .to.integer = &(options)->workers,                                            \
         .help = "workers of its own cluster (default: one a core)"},                  \
        {.name = "memory-limit",                                                       \
         .argument = "BYTES",                                                          \
         .kind = OPTION_BYTES,                                                         \
         .least = 1,                                                                   \
         .most = INT64_MAX,                                                            \
         .to.integer = &(options)->memory_limit,                                       \
         .help = "of each worker of its own cluster, as 4GB or 512MiB"},               \
        {.name = "memory-total",                                                       \
         .argument = "BYTES",                                                          \
         .kind = OPTION_BYTES,                                                         \
         .least = SESSION_LEAST_TOTAL,                                                 \
         .most = INT64_MAX,                                                            \
         .to.integer = &(options)->memory_total,                                       \
         .help = "of its own cluster and this program together: a quarter for the "    \
                 "program, an eighth for the scheduler, the rest for the workers; "    \
                 "the kernel refuses what goes beyond"},                               \
        {.name = "slow-worker",                                                        \
         .argument = "F",                                                              \
         .kind = OPTION_REAL,                                                          \
         .min = 1,                                                                     \
         .max = 1e6,                                                                   \
         .to.real = &(options)->slow_worker,                                           \
         .help = "make one worker of its own cluster F times slower than the others, " \
                 "for experiments"},                                                   \
    {                                                                                  \
        .name = "timeout", .argument = "TIME", .kind = OPTION_DURATION, .least = 1,    \
        .most = INT64_MAX, .to.integer = &(options)->timeout_ns, .shown = true,        \
        .help = "to reach the scheduler and a first worker"                            \
    }
#define SESSION_TIMEOUT_NS (10 * INT64_C(1000000000))

/* Less than this, divided, is too little to start in. */
#define SESSION_LEAST_TOTAL (1 << 30)

struct session {
    struct cluster *cluster; /* NULL when the cluster is somebody else's */
    struct dusk_client *client;
    struct dusk_cluster *members; /* as they were at the start */
    int workers, threads;         /* of all workers */
    int64_t memory_total;         /* as in the options */
    struct watch watch;
    struct progress progress;
    char label[128]; /* of the progress bar */
};

/* The address of somebody else's cluster that these options and the environment name,
 * borrowed from them; NULL: an own cluster. */
const char *session_scheduler(const struct session_options *options);

/* Options of an own cluster do not go with somebody else's: says so and returns as
 * options_complain does; otherwise OPTIONS_RUN. */
int session_check(const struct session_options *options, const struct command *command);

/* Starts or reaches the cluster and waits for its workers.  A signal from then on
 * stops what watches `watch`.  The session must not move. */
int session_start(const struct session_options *options, struct session *session,
                  struct err_text *text);

/* Leaves the cluster, and ends it when it was the session's own; takes a zeroed
 * session too. */
void session_stop(struct session *session);

/* What the progress bar says before the stage. */
void session_label(struct session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
