/* A future: what the client knows of one task and its result.  Part of the client's
 * core, pure.
 *
 *     pending --finished--> away (its result is at a worker) --data--> here
 *        |                    |
 *        '----failed----------'--> error, cancelled or lost
 *
 * What is here can only be cancelled any more.
 *
 * A future keeps its spec, so that a scheduler which has forgotten the task can be
 * told again; specs keep the futures that they depend on. */
#ifndef CLIENT_FUTURE_H
#define CLIENT_FUTURE_H

#include "client/dusk.h"
#include "common/list.h"
#include "proto/messages.h"

#include <stdbool.h>

struct client_core;
struct client_site;
struct client_transfer;

enum future_state {
    FUTURE_PENDING,
    FUTURE_AWAY,
    FUTURE_HERE,
    FUTURE_ERROR,
    FUTURE_CANCELLED,
    FUTURE_LOST,
};
#define FUTURE_STATES 6

enum future_event {
    FUTURE_FINISHED, /* the scheduler: a worker has the result */
    FUTURE_ARRIVED,  /* the result itself has come */
    FUTURE_FAILS,    /* the scheduler: it failed */
    FUTURE_CANCEL,   /* the scheduler or this program: cancelled */
    FUTURE_GONE,     /* the scheduler: its data are gone for good */
};
#define FUTURE_EVENTS 5

/* How to make the result: a call, or data of the program's own (function == NULL). */
struct future_spec {
    struct payload
        *payload; /* owned; arguments, or data: NULL once a worker has them */
    int64_t priority;
    uint64_t retries;
    uint64_t flags;
    uint64_t deadline_ns; /* by the monotonic clock; 0: none */
    double deadline_s;    /* as the program said it */
    char *resources;      /* owned, or NULL */
    const char *function; /* inside this allocation, like worker */
    const char *worker;
    unsigned dependency_count;
    struct dusk_future *dependencies[]; /* one reference each, no future twice */
};

/* What the scheduler is still to be told of a future. */
enum future_queue { QUEUE_NONE, QUEUE_SUBMIT, QUEUE_CANCEL, QUEUE_RELEASE };
#define FUTURE_QUEUES 4

struct dusk_future {
    struct task_key key;
    struct client_core *core;
    struct list all;   /* in the order of keys */
    struct list queue; /* in the core's queue that `queued` names */
    struct list watches;
    struct future_spec *spec;         /* owned */
    struct client_transfer *transfer; /* of its data, or NULL */
    struct payload *result;           /* owned; HERE, and kept when cancelled there:
                                       * programs borrow from it */
    struct values *values;            /* owned; the result, once it was read */
    struct dusk_value *items;         /* owned; the same as plain values */
    struct client_site *site;         /* that has the result, when AWAY */
    char *line;                       /* owned; of an error */
    int code;                         /* of an error, of a vain try to fetch, or of what
                                         cannot be made again though its result is here */
    unsigned references;              /* the program's, and those of specs */
    unsigned wanted;                  /* the program's */
    uint32_t session;                 /* when the scheduler was told; 0: never */
    uint8_t state;                    /* enum future_state */
    uint8_t queued;                   /* enum future_queue */
    bool cancelling;                  /* tell the scheduler once it knows the task */
    bool adopted;                     /* another client's, or one that was released: the
                                       * scheduler alone knows how it is made */
    bool used;                        /* something that needs it is done */
    unsigned copies;                  /* that shall be kept; 0: as they are made */
    uint64_t worker, thread, start_ns, stop_ns, nbytes;
    void *tag;
    char key_text[24];
};

/* Somebody who waits for the end of a future: when it is done the watch moves from
 * the future to the end of `ready`. */
struct future_watch {
    struct list link;
    struct list *ready;
    struct dusk_future *future;
};

/* Puts the watch on the future, or into `ready` when it is done already. */
void future_watch(struct future_watch *watch, struct dusk_future *future,
                  struct list *ready);

static inline bool future_is_done(const struct dusk_future *future)
{
    return future->state != FUTURE_PENDING;
}

static inline bool future_has_failed(const struct dusk_future *future)
{
    return future->state >= FUTURE_ERROR;
}

/* What comes of it is of use here: the program wants it, or it is data of the program's
 * own on their way to a worker, and tasks depend on them: released or not, only this
 * program can bring them. */
bool future_is_needed(const struct dusk_future *future);

enum dusk_status future_status(const struct dusk_future *future);

/* "score (c0ffee-17)", returned by value. */
struct future_name {
    char text[128];
};
struct future_name future_name(const struct dusk_future *future);

/* Copies the texts and the list, takes the payload, adds references.  `function` is
 * NULL for data.  NULL when there is no memory: nothing was taken. */
struct future_spec *future_spec_create(const char *function, const char *worker,
                                       struct payload *payload,
                                       struct dusk_future *const *dependencies,
                                       unsigned count);

/* For specs that never became a future. */
void future_spec_destroy(struct future_spec *spec);

/* Moves a future along the table, and its watches when it is done.  False, and
 * counted as late, when the event comes after the end. */
bool future_apply(struct dusk_future *future, enum future_event event);

/* Why it failed, or why not all can be had of it; the reason is copied. */
void future_reason_set(struct dusk_future *future, int code, struct str reason);

/* The end in ERROR, CANCELLED or LOST, as the code says; the reason is copied. */
bool future_fail(struct dusk_future *future, int code, struct str reason);

/* Its data have arrived where they were brought to. */
void future_brought(struct dusk_future *future);

/* References of the program; the core is told of the last one, and the scheduler when
 * the future is not needed any more. */
void future_want(struct dusk_future *future);
void future_unwant(struct dusk_future *future);

/* Frees a future that nobody refers to and that is in no queue, and in turn those
 * that only its spec kept; harmless on others. */
void future_collect(struct dusk_future *future);

#endif
