/* One execution of a task function, on its way from the core to a compute thread and
 * back.  The core makes it and owns it again when it comes back; in between it is
 * the executor's.  Only `cancelled` and `progress` are touched from both sides. */
#ifndef WORKER_JOB_H
#define WORKER_JOB_H

#include "common/list.h"
#include "proto/payload.h"

#include <stdatomic.h>
#include <stdbool.h>

struct job_input {
    struct task_key key;
    struct payload *payload; /* owned reference */
};

struct job {
    struct list link; /* the executor's */
    void *owner;      /* the core's */
    struct task_key key;
    uint64_t attempt;
    char *function;            /* owned */
    struct payload *arguments; /* owned reference; NULL: none */
    struct job_input *inputs;  /* owned */
    unsigned input_count;
    size_t room; /* bytes that the result may still take without asking */

    int cancelled; /* atomic; written by the core's side */
    _Atomic int64_t progress;

    /* Written by the thread that ran it. */
    int code; /* 0, or < 0 with the line in `reason` */
    struct err_text reason;
    bool unknown;           /* the worker has no such function */
    struct payload *result; /* owned reference */
    unsigned thread;
    uint64_t start_ns; /* Unix time */
    uint64_t stop_ns;
};

/* Copies the function's name, takes a reference to the arguments and makes room for
 * the inputs.  NULL when there is no memory. */
struct job *job_create(const char *function, struct payload *arguments,
                       unsigned input_count);
void job_destroy(struct job *job); /* NULL is allowed */

static inline void job_cancel(struct job *job)
{
    __atomic_store_n(&job->cancelled, 1, __ATOMIC_RELAXED);
}

#endif
