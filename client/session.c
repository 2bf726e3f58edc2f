#include "client/session.h"

#include "client/footprint.h"
#include "common/clock.h"
#include "common/units.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t stop_signal;

static void note_signal(int number)
{
    stop_signal = number;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = note_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void show_progress(void *arg, const char *stage, int64_t done, int64_t total)
{
    struct session *session = arg;
    double fraction = total > 0 ? (double)done / (double)total : -1;
    progress_update(&session->progress, (int64_t)clock_monotonic_ns(), fraction,
                    session->label, stage);
}

/* What libdusk has to say while it waits, from whichever of its threads; the progress
 * bar's line makes room for it. */
static void show_log(void *arg, enum dusk_log_level level, const char *line)
{
    const char *erase = isatty(STDERR_FILENO) ? "\r\033[K" : "";
    if (level >= DUSK_LOG_WARNING)
        fprintf(stderr, "%sdusk: %s\n", erase, line);
}

/* Nobody starts an embedded scheduler again, so waiting for it would be for ever.  A
 * worker that has ended is missed, but the others do its work. */
static int check_cluster(void *arg, struct err_text *text)
{
    struct session *session = arg;
    int rc = session->cluster ? cluster_check(session->cluster, text) : 0;
    if (rc == CLUSTER_WORKER_ENDED)
        show_log(NULL, DUSK_LOG_WARNING, text->line);
    return rc < 0 ? rc : 0;
}

void session_label(struct session *session, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(session->label, sizeof session->label, format, args);
    va_end(args);
}

const char *session_scheduler(const struct session_options *options)
{
    const char *variable = getenv("DUSK_SCHEDULER_ADDRESS");
    if (options->scheduler)
        return options->scheduler;
    return variable && variable[0] ? variable : NULL;
}

int session_check(const struct session_options *options, const struct command *command)
{
    const char *scheduler = session_scheduler(options);
    if (scheduler && (options->workers || options->memory_limit ||
                      options->memory_total || options->slow_worker > 0))
        return options_complain(command, stderr,
                                "--workers, --memory-limit, --memory-total and "
                                "--slow-worker are for a cluster of its own, not for "
                                "the one at %s",
                                scheduler);
    if (options->memory_limit && options->memory_total)
        return options_complain(command, stderr,
                                "--memory-limit and --memory-total exclude each other");
    return OPTIONS_RUN;
}

/* What a worker may allocate beyond its --memory-limit: stacks, and the buffer of the
 * BLAS library, which waits for ever if it gets none. */
#define WORKER_BEYOND (192 << 20)
#define WORKER_LEAST (WORKER_BEYOND + (64 << 20))

/* Divides what all processes may take together. */
static int share_memory(int64_t total, struct cluster_options *cluster,
                        struct err_text *text)
{
    int64_t each = total / 8 * 5 / cluster->workers;
    if (each < WORKER_LEAST)
        return err_set(text, DUSK_E_MEMORY_LIMIT,
                       "--memory-total: %s leave %s for each of %d workers, less than "
                       "%s",
                       units_bytes(total).text, units_bytes(each).text,
                       cluster->workers, units_bytes(WORKER_LEAST).text);
    cluster->scheduler_data_limit = total / 8;
    cluster->worker_data_limit = each;
    cluster->memory_limit = each - WORKER_BEYOND;
    footprint_limit(total / 4);
    return 0;
}

static int session_cluster(const struct session_options *options,
                           struct session *session, const char **ret_address,
                           struct err_text *text)
{
    *ret_address = session_scheduler(options);
    if (*ret_address)
        return 0;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct cluster_options cluster = {
        .workers = (int)(options->workers ? options->workers
                         : cores > 0      ? cores
                                          : 1),
        .threads = 1,
        .plain = options->plain,
        .memory_limit = options->memory_limit,
        .last_slow_down = options->slow_worker,
        .stop = &stop_signal,
    };
    int rc = 0;
    session->memory_total = options->memory_total;
    if (options->memory_total)
        rc = share_memory(options->memory_total, &cluster, text);
    if (rc == 0)
        rc = cluster_start(&cluster, &session->cluster, text);
    if (rc == 0)
        *ret_address = cluster_address(session->cluster);
    return rc;
}

static int session_count(struct session *session, double timeout_s,
                         struct err_text *text)
{
    struct dusk_cluster *cluster = NULL;
    int rc = 0;
    /* The first worker may leave, or the scheduler start anew, between the two. */
    while (rc == 0 && (!cluster || cluster->worker_count == 0)) {
        dusk_cluster_free(cluster);
        cluster = NULL;
        rc = dusk_wait_for_workers(session->client, 1, timeout_s);
        if (rc == 0)
            rc = dusk_workers(session->client, timeout_s, &cluster);
    }
    if (rc < 0)
        return watch_failed(rc, text);
    session->workers = cluster->worker_count;
    for (int i = 0; i < cluster->worker_count; i++)
        session->threads += (int)cluster->workers[i].nthreads;
    session->members = cluster;
    return 0;
}

int session_start(const struct session_options *options, struct session *session,
                  struct err_text *text)
{
    *session = (struct session){.watch = {.stop = &stop_signal,
                                          .check = check_cluster,
                                          .progress = show_progress,
                                          .arg = session}};
    progress_init(&session->progress, stderr);
    catch_signals();
    struct dusk_options connection = {.keys = options->keys};
    double timeout_s = (double)options->timeout_ns * 1e-9;
    int rc = session_cluster(options, session, &connection.address, text);
    connection.timeout_s = timeout_s;
    if (session->cluster)
        connection.keys = cluster_keys(session->cluster);
    if (rc == 0 && (rc = dusk_connect_with(&connection, &session->client)) < 0)
        watch_failed(rc, text);
    if (rc == 0) {
        if (!session->cluster)
            dusk_set_log(session->client, show_log, NULL);
        rc = session_count(session, timeout_s, text);
    }
    /* A cluster that has ended meanwhile is the better reason. */
    if (rc < 0 && check_cluster(session, text) < 0)
        rc = DUSK_E_CLOSED;
    if (rc < 0)
        session_stop(session);
    return rc;
}

void session_stop(struct session *session)
{
    if (session->progress.stream)
        progress_clear(&session->progress);
    dusk_cluster_free(session->members);
    dusk_close(session->client);
    cluster_stop(session->cluster);
    *session = (struct session){0};
}
