/* dusk: submit task functions to a cluster, and use their results as they come.
 *
 *     struct dusk_client *client;
 *     struct dusk_future *future;
 *     double score;
 *     if (dusk_connect(NULL, 5, &client) < 0 ||
 *         dusk_submit(client, &future, "score", "l", (int64_t)42) < 0 ||
 *         dusk_result(future, DUSK_FOREVER, "d", &score) < 0)
 *         die(dusk_last_error());
 *     dusk_release(&future, 1);
 *     dusk_close(client);
 *
 * cc program.c $(pkg-config --cflags --libs dusk)
 *
 * Errors.  A function that returns int returns 0, a negative enum dusk_error, or
 * a positive outcome that it names.  After a negative code dusk_last_error() is
 * one line that says what happened to what.  Outputs are written on success only.
 *
 * Times are in seconds.  A timeout of 0 looks and does not wait; a negative one,
 * DUSK_FOREVER, waits without end.  When time is up: DUSK_E_TIMEOUT, with a line
 * that says what was waited for.
 *
 * Threads.  A client handle, with all that was made from it, may be used by any
 * thread, by one at a time: calls exclude each other, and one that waits keeps the
 * others out until it returns.  Programs whose threads wait for different things
 * open one client each.  A thread of the library sends what was submitted while the
 * program computes, and keeps the connection alive; it never runs program code but
 * the function of dusk_set_log.
 *
 * Processes.  Handles do not survive fork().  In the child they may be released and
 * closed, which tells the scheduler nothing; everything else is DUSK_E_CLOSED.
 *
 * Losses.  A scheduler that goes away is waited for; what it was told is told again
 * when it or its successor answers, so that waiting calls go on. */
#ifndef DUSK_H
#define DUSK_H

#include "dusk_types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DUSK_API __attribute__((visibility("default")))

#define DUSK_FOREVER (-1.0)

struct dusk_client;       /* a connection to one scheduler */
struct dusk_future;       /* a task and its result, counted */
struct dusk_as_completed; /* futures in the order in which they are done */

/* ---- errors ---- */

/* The line of the last call that failed in this thread, "" before the first.
 * Borrowed until the thread's next call that fails. */
DUSK_API const char *dusk_last_error(void);

/* "TIMEOUT" and "timed out" for a code, borrowed for ever. */
DUSK_API const char *dusk_error_name(int code);
DUSK_API const char *dusk_error_sentence(int code);

/* ---- connections ---- */

/* Connects to the scheduler at `address`, "tcp://HOST:PORT"; NULL stands for
 * $DUSK_SCHEDULER_ADDRESS, or tcp://127.0.0.1:8786 when that is not set.  Keeps
 * trying until the timeout.  DUSK_E_INVALID: no address.  DUSK_E_UNREACHABLE:
 * "tcp://10.0.0.1:8786 cannot be reached within 5 s".  DUSK_E_REFUSED and others,
 * with the scheduler's sentence.  Returns a client for dusk_close.
 *
 * A cluster with keys wants a client's join file, which $DUSK_KEYS names.  DUSK_E_KEYS:
 * the file cannot be used, the scheduler does not know its key, or one side has keys
 * and the other none.  DUSK_E_FORBIDDEN: it is no client's. */
DUSK_API int dusk_connect(const char *address, double timeout_s,
                          struct dusk_client **ret_client);

/* The same with everything that can be said of a connection; what is left out (NULL, 0)
 * is taken as dusk_connect takes it. */
struct dusk_options {
    const char *address;
    double timeout_s;
    const char *keys; /* a join file of `dusk keygen`; "": none, whatever $DUSK_KEYS */
};
DUSK_API int dusk_connect_with(const struct dusk_options *options,
                               struct dusk_client **ret_client);

/* Leaves the cluster, which forgets what only this client wanted.  Futures that are
 * left stay readable where their result had come, the others are cancelled; all are
 * still to be released.  NULL is allowed. */
DUSK_API void dusk_close(struct dusk_client *client);

/* The scheduler's address, borrowed until dusk_close. */
DUSK_API const char *dusk_address(const struct dusk_client *client);

enum dusk_log_level {
    DUSK_LOG_DEBUG,
    DUSK_LOG_INFO,
    DUSK_LOG_WARNING,
    DUSK_LOG_ERROR,
};

/* Gives lines like "scheduler tcp://10.0.0.1:8786 gone for 3 s, waiting" to
 * `write`, from whichever thread finds out; NULL stops that.  `write` must not call
 * the library. */
DUSK_API void dusk_set_log(struct dusk_client *client,
                           void (*write)(void *arg, enum dusk_log_level level,
                                         const char *line),
                           void *arg);

/* ---- submitting ----
 *
 * Task functions are named; what workers offer is built in or comes from plugins
 * (dusk_task.h).  One letter of `format` for each argument, spaces do not count:
 *
 *   l int64_t       d double                         b int, true or false
 *   s const char *  a const struct dusk_array *
 *   f struct dusk_future *        its result; where one value is asked for, item 0
 *   F struct dusk_future *, int   this item of its result
 *
 * C passes a plain 3 as an int, which is not an int64_t: write (int64_t)3.  Strings
 * and arrays are copied; futures may be released at once, done or not.  Futures in
 * the arguments must come from the same client.
 *
 * Submits are sent together: when a call waits, when there are many, or a moment
 * later.  Errors: DUSK_E_INVALID for a format or a NULL, DUSK_E_LIMIT for what is
 * too large; whatever the cluster objects to is the future's error. */

struct dusk_submit_options {
    int64_t priority;   /* smaller ones run first; 0 */
    int retries;        /* runs again that often after an error, resting longer each
                         * time; 0 */
    int keep_on_worker; /* never send the result along, however small; 0 */
    const char *worker; /* the name of the only worker that may run it; NULL: any */
    double
        deadline_s; /* from now until the result must be in a worker's memory, or the
                     * task is stopped wherever it is: DUSK_E_DEADLINE; 0: no hurry */
    const char *resources; /* used while it runs, of what workers were given with
                            * --resources: "GPU=1,disk=2"; NULL: none */
};

/* Returns an owned future. */
DUSK_API int dusk_submit(struct dusk_client *client, struct dusk_future **ret_future,
                         const char *function, const char *format, ...);

/* With options; NULL stands for the usual ones. */
DUSK_API int dusk_submit_with(struct dusk_client *client,
                              const struct dusk_submit_options *options,
                              struct dusk_future **ret_future, const char *function,
                              const char *format, ...);

/* Arrays of doubles on memory that the caller keeps: n elements, or rows x columns. */
static inline struct dusk_array dusk_vector(const double *data, int64_t n)
{
    struct dusk_array array = {DUSK_F64, 1, {n, 0, 0, 0}, (void *)data};
    return array;
}

static inline struct dusk_array dusk_matrix(const double *data, int64_t rows,
                                            int64_t columns)
{
    struct dusk_array array = {DUSK_F64, 2, {rows, columns, 0, 0}, (void *)data};
    return array;
}

/* An argument whose kind, or number, is known at run time only. */
struct dusk_argument {
    struct dusk_future *future; /* item `item` of its result, or NULL: `value` */
    int item;
    struct dusk_value value;
};

DUSK_API int dusk_submit_arguments(struct dusk_client *client,
                                   const struct dusk_submit_options *options,
                                   struct dusk_future **ret_future,
                                   const char *function, int count,
                                   const struct dusk_argument *arguments);

/* Submits `n` tasks, in order.  Letters stand for arrays of `n`, from which task i
 * takes element i (l: const int64_t *, s: const char *const *, a: const struct
 * dusk_array *, f: struct dusk_future *const *, F: the same and one int); a letter
 * after '=' for one value that all tasks share, as in dusk_submit:
 *
 *     dusk_map(client, moments, n, "glm_moments", "l f f =s", numbers, X, y, "normal");
 *
 * Fills `ret_futures` with `n` owned futures; after an error there is none in it that
 * the call made, but there may be NULLs. */
DUSK_API int dusk_map(struct dusk_client *client, struct dusk_future **ret_futures,
                      int n, const char *function, const char *format, ...);

/* Puts the program's own values (l d b s a) on a worker: the future has them as its
 * items and is finished when the worker has them. */
DUSK_API int dusk_scatter(struct dusk_client *client, struct dusk_future **ret_future,
                          const char *format, ...);

/* ---- futures ---- */

enum dusk_status {
    DUSK_PENDING,
    DUSK_FINISHED,
    DUSK_ERROR,     /* dusk_future_error tells */
    DUSK_CANCELLED, /* by whoever, or never sent */
    DUSK_LOST,      /* its data are gone and cannot be made again */
};

/* As far as is known without waiting. */
DUSK_API enum dusk_status dusk_future_status(struct dusk_future *future);

/* The code of a future that failed, and its line (borrowed until the future is
 * released; NULL leaves it out); 0 and "" while it is pending or when it is finished.
 */
DUSK_API int dusk_future_error(struct dusk_future *future, const char **ret_line);

/* The task's key, like "c0ffee-17": what `dusk why` takes.  Borrowed likewise. */
DUSK_API const char *dusk_future_key(struct dusk_future *future);

/* When and where a task ran.  Times are Unix times in nanoseconds by the worker's
 * clock. */
struct dusk_timing {
    int64_t worker; /* its number in the cluster, from 1 */
    int64_t thread; /* from 0 */
    int64_t start_ns;
    int64_t stop_ns;
};

/* DUSK_E_NOT_FOUND unless the future is finished. */
DUSK_API int dusk_future_timing(struct dusk_future *future,
                                struct dusk_timing *ret_timing);

/* A pointer that the library carries and never looks at; NULL at first. */
DUSK_API void dusk_future_set_tag(struct dusk_future *future, void *tag);
DUSK_API void *dusk_future_tag(struct dusk_future *future);

/* One more reference; each ends with dusk_future_unref, and the last one tells the
 * cluster that the result is not wanted (what nobody wants is stopped and freed).
 * NULL is allowed. */
DUSK_API struct dusk_future *dusk_future_ref(struct dusk_future *future);
DUSK_API void dusk_future_unref(struct dusk_future *future);

/* Gives up one reference to each of `n` futures and sets them to NULL.  NULLs are
 * skipped. */
DUSK_API void dusk_release(struct dusk_future **futures, int n);

/* Nobody in the cluster is to get these, nor what depends on them: tasks that have
 * not run never will, and running ones are told to stop.  The futures are cancelled
 * at once, those that are done already stay as they are.  When the scheduler has
 * cancelled what depends on them, those futures are cancelled too, done or not.  NULLs
 * are skipped. */
DUSK_API int dusk_cancel(struct dusk_future *const *futures, int n);

/* ---- results ---- */

/* Waits for the result, brings it here, and reads all its items: one letter of
 * `format` for each.
 *
 *   l int64_t *      d double *, integers too      b int *
 *   s const char **  a struct dusk_array *         * nothing: the item is skipped
 *
 * Strings and array data are borrowed until the future's last reference goes, and
 * are not to be written.  Another number of items, or another type: DUSK_E_TYPE.  A
 * task that failed: its code and its line. */
DUSK_API int dusk_result(struct dusk_future *future, double timeout_s,
                         const char *format, ...);

/* The same for results of any shape: items borrowed until the last reference goes. */
DUSK_API int dusk_result_values(struct dusk_future *future, double timeout_s,
                                const struct dusk_value **ret_values, int *ret_count);

/* Brings many results here at once, after which dusk_result does not wait.  The
 * error of the first one, in their order, that has one. */
DUSK_API int dusk_gather(struct dusk_future *const *futures, int n, double timeout_s);

enum dusk_wait_mode {
    DUSK_ALL,
    DUSK_FIRST,
};

/* Waits until all are done, or any of them: finished, failed or cancelled.  Brings
 * no data. */
DUSK_API int dusk_wait(struct dusk_future *const *futures, int n,
                       enum dusk_wait_mode mode, double timeout_s);

/* Waits until all results are in the memory of workers, where they stay while their
 * futures live; brings no data.  The error of the first one that has one. */
DUSK_API int dusk_persist(struct dusk_future *const *futures, int n, double timeout_s);

/* Keeps the results on `copies` workers while their futures live, or while they are
 * published: a copy that is lost is made anew elsewhere.  With fewer workers than that,
 * more copies are made when more workers come.  Returns at once.  The futures must come
 * from one client; NULLs are skipped.  Data of the program's own (dusk_scatter) cannot
 * be made again: without replicas they are DUSK_E_DATA_LOST with the worker that has
 * them. */
DUSK_API int dusk_replicate(struct dusk_future *const *futures, int n, int copies);

/* ---- published results ----
 *
 * Futures live as long as their client, published ones until they are unpublished:
 *
 *     dusk_map(client, chunks, n, "load", "l", numbers);
 *     dusk_publish(client, "prices", chunks, n, 60);
 *     dusk_close(client);
 *
 * and another program, on another day:
 *
 *     struct dusk_future **chunks;
 *     int n;
 *     dusk_connect(NULL, 5, &client);
 *     dusk_get_published(client, "prices", 60, &chunks, &n);
 *     dusk_submit(client, &first, "total", "f", chunks[0]);
 *     dusk_release(chunks, n);
 *     free(chunks);
 *
 * A scheduler with --journal knows them after a restart too.  Where no worker has them
 * any more they are made again, by functions that workers have from the start: plugins
 * that were uploaded are not in the journal. */

/* Keeps `n` futures, done or not, under `name`; scattered ones are the program's to
 * bring, and to be held until they are done.  DUSK_E_BUSY for a name that is taken,
 * with a line that names it; DUSK_E_NOT_FOUND for a future that the scheduler does not
 * know, since it was cancelled or failed; DUSK_E_DISK_FULL or DUSK_E_IO when the
 * scheduler's journal cannot be written.  After DUSK_E_TIMEOUT it may yet happen. */
DUSK_API int dusk_publish(struct dusk_client *client, const char *name,
                          struct dusk_future *const *futures, int n, double timeout_s);

/* Futures for all that is published under `name`, in their order: owned, like those
 * that this client has submitted, in an array for free().  DUSK_E_NOT_FOUND. */
DUSK_API int dusk_get_published(struct dusk_client *client, const char *name,
                                double timeout_s, struct dusk_future ***ret_futures,
                                int *ret_count);

/* Results that nobody else wants are freed.  A name that is not there does no harm. */
DUSK_API int dusk_unpublish(struct dusk_client *client, const char *name,
                            double timeout_s);

/* The names that are published: an array for free(), with the texts in it. */
DUSK_API int dusk_list_published(struct dusk_client *client, double timeout_s,
                                 const char ***ret_names, int *ret_count);

/* ---- results as they come ----
 *
 *     while ((rc = dusk_as_completed_next(completed, 60, &future)) == 0)
 *         ...
 *
 * The program keeps its own references.  The object holds one more to each future
 * that is in it, and to what it handed out until it is asked again. */

#define DUSK_END 1 /* nothing is left to wait for */

/* `n` may be 0.  Returns an object for dusk_as_completed_destroy, to be destroyed
 * before its client is closed. */
DUSK_API int dusk_as_completed_create(struct dusk_client *client,
                                      struct dusk_future *const *futures, int n,
                                      struct dusk_as_completed **ret_completed);
DUSK_API void dusk_as_completed_destroy(struct dusk_as_completed *completed);

/* At any time; a future that is done already comes next, one that was added twice
 * comes twice. */
DUSK_API int dusk_as_completed_add(struct dusk_as_completed *completed,
                                   struct dusk_future *future);

/* The next future that is done (finished, failed or cancelled), in the order in
 * which the client was told; DUSK_END when there is none left. */
DUSK_API int dusk_as_completed_next(struct dusk_as_completed *completed,
                                    double timeout_s, struct dusk_future **ret_future);

/* All that were done since the last look; waits until there is one.  The list is
 * borrowed until the object is used again.  DUSK_END likewise. */
DUSK_API int dusk_as_completed_next_batch(struct dusk_as_completed *completed,
                                          double timeout_s,
                                          struct dusk_future *const **ret_futures,
                                          int *ret_count);

/* The futures in it, done or not, that were not handed out. */
DUSK_API int dusk_as_completed_count(struct dusk_as_completed *completed);
DUSK_API int dusk_as_completed_is_empty(struct dusk_as_completed *completed);

/* ---- the cluster ---- */

struct dusk_worker_row {
    int64_t worker; /* its number, as in dusk_timing */
    const char *name;
    const char *address;
    const char *state;
    int64_t nthreads;
    int64_t memory_bytes; /* held by its chunks */
    int64_t memory_limit_bytes;
    int64_t spilled_bytes;
    int64_t chunks;
    int64_t processing;  /* tasks that it was sent */
    const char *running; /* in words */
    double silence_s;    /* since it was last heard */
};

struct dusk_state_row {
    const char *state;
    int64_t tasks;
};

struct dusk_client_row {
    const char *name;
    int64_t client;
    int64_t wanted; /* results that it wants */
    double silence_s;
};

struct dusk_published_row {
    const char *name;
    int64_t tasks;
    int64_t in_memory; /* of them, those whose results are there */
    int64_t nbytes;    /* of these results */
};

/* What `dusk status` shows. */
struct dusk_cluster {
    const char *build;
    double uptime_s;
    int worker_count;
    int state_count;
    int client_count;
    const struct dusk_worker_row *workers;
    const struct dusk_state_row *states;
    const struct dusk_client_row *clients;
    int published_count;
    const struct dusk_published_row *published;
    int64_t rss_bytes; /* that the scheduler takes */
    double cpu_s;      /* processor time that it has taken */
};

/* Returns a snapshot for dusk_cluster_free. */
DUSK_API int dusk_workers(struct dusk_client *client, double timeout_s,
                          struct dusk_cluster **ret_cluster);
DUSK_API void dusk_cluster_free(struct dusk_cluster *cluster); /* NULL is allowed */

/* Waits until at least `n` workers are there. */
DUSK_API int dusk_wait_for_workers(struct dusk_client *client, int n, double timeout_s);

/* Brings the task functions of the plugin in the file `path` (a shared object, see
 * dusk_task.h) to all workers, those that come later included; returns when all that
 * are there have loaded it.  The scheduler and the workers must have been started with
 * --allow-upload: DUSK_E_FORBIDDEN.  DUSK_E_PLUGIN, or DUSK_E_IO, with a line that
 * names the worker that cannot load it, such as for a function whose name is taken;
 * workers that could keep it, and those that come later do not get it.  A function can
 * be added that way, never replaced.  While the client is open it tells the plugin
 * again to a scheduler that was started again. */
DUSK_API int dusk_upload_plugin(struct dusk_client *client, const char *path,
                                double timeout_s);

/* Ends the cluster: the workers, which finish nothing and move nothing, their nannies
 * and the scheduler.  Returns when the workers have left: the scheduler ends when
 * the client is closed, or a second later.  DUSK_E_TIMEOUT when some workers do not
 * leave within 5 s, of which the line names one: the scheduler ends all the same, and
 * such a worker does after its --reconnect-timeout.  DUSK_E_FORBIDDEN when there are
 * keys, and this client's does not allow it. */
DUSK_API int dusk_shutdown(struct dusk_client *client, double timeout_s);

/* Why is the task `key` where it is?  Writes one line of at most `size` bytes, NUL
 * included. */
DUSK_API int dusk_why(struct dusk_client *client, const char *key, double timeout_s,
                      char *ret_line, size_t size);

/* The same of all tasks that wait: a line for each, or for many that wait for the same
 * reason, which names the first of them and their number.  Returns lines for free(). */
DUSK_API int dusk_why_all(struct dusk_client *client, double timeout_s,
                          char **ret_lines);

#ifdef __cplusplus
}
#endif
#endif
