/* The compute threads.  Jobs go in from the main thread and come out there again; the
 * descriptor becomes readable when something has come out.  The main thread itself
 * never computes. */
#ifndef WORKER_EXECUTOR_H
#define WORKER_EXECUTOR_H

#include "common/err.h"
#include "worker/job.h"
#include "worker/registry.h"

#include <stdbool.h>

struct executor;

enum executor_event_kind {
    EXECUTOR_FINISHED, /* the job is the caller's again */
    EXECUTOR_ASKS,     /* the job's thread waits for executor_answer: `bytes` more */
};

struct executor_event {
    enum executor_event_kind kind;
    struct job *job;
    size_t bytes;
};

/* Starts `nthreads` threads.  `registry` is borrowed; `running` is borrowed too: one
 * slot a thread, in which the key of what it runs stands while it runs (for whoever
 * looks after the process died); NULL is allowed.  Signals should be blocked before.
 * DUSK_E_NOMEM, DUSK_E_IO with a line. */
int executor_create(unsigned nthreads, struct registry *registry, uint64_t *running,
                    struct executor **ret_executor, struct err_text *text);

/* From the next job on each takes `factor` (>= 1) times as long as it computes, asleep
 * for the rest unless it is cancelled: a slow worker, for experiments.  To be called
 * before the first executor_start. */
void executor_slow_down(struct executor *executor, double factor);

/* Cancels everything and waits for the threads at most `grace_ns`.  Jobs that are
 * queued or done are dropped and stay the core's to destroy.  False: a thread is
 * still computing; the executor must not be destroyed, only the process ended. */
bool executor_stop(struct executor *executor, uint64_t grace_ns);
void executor_destroy(struct executor *executor);

int executor_fd(const struct executor *executor);

/* Takes all jobs of the list, by their links; whichever thread is free runs the next.
 */
void executor_start(struct executor *executor, struct list *jobs);

/* Lets the job's thread go on, with its memory or with an error and its line. */
void executor_answer(struct executor *executor, struct job *job, int code,
                     const char *line);

/* The next event; false when there is none.  To be called until it says so. */
bool executor_next(struct executor *executor, struct executor_event *ret_event);

#endif
