/* A task and all that the scheduler knows of it.  Data that a client scattered are
 * a task without a function.
 *
 * States bear Dask's names.  What state a task belongs in follows from facts: who
 * wants it, which of its inputs are in memory, who holds its result, whether it
 * failed.  Whoever changes a fact puts the task on the agenda; transitions.c then
 * moves it, and everything that this touches, to where it belongs. */
#ifndef SCHEDULER_TASK_H
#define SCHEDULER_TASK_H

#include "common/heap.h"
#include "proto/messages.h"
#include "scheduler/bond.h"
#include "scheduler/timers.h"

struct demand;
struct function;
struct scheduler;
struct worker;

#define TASK_STATES(S)                                                                 \
    S(RELEASED, "released")     /* known, not needed now */                            \
    S(WAITING, "waiting")       /* for inputs, or for scattered data to arrive */      \
    S(NO_WORKER, "no-worker")   /* ready, but no worker may run it */                  \
    S(QUEUED, "queued")         /* ready, in a heap */                                 \
    S(PROCESSING, "processing") /* sent to a worker */                                 \
    S(MEMORY, "memory")         /* at least one worker holds the result */             \
    S(ERRED, "erred")           /* will not come */                                    \
    S(FORGOTTEN, "forgotten")   /* about to be freed */

enum task_state {
#define DECLARE_STATE(name, text) TASK_##name,
    TASK_STATES(DECLARE_STATE)
#undef DECLARE_STATE
        TASK_STATE_COUNT
};

enum task_flag {
    TASK_KEEP = 1, /* SUBMIT_KEEP */
    TASK_ON_AGENDA = 2,
    TASK_CANCELLED = 4,   /* what depends on it has yet to be told */
    TASK_HAD_DATA = 8,    /* scattered data that arrived once */
    TASK_RAN = 16,        /* was assigned before */
    TASK_STALE_DATA = 64, /* its worker has data from an attempt that did not count */
    TASK_UNPLACED = 32,   /* queued, but there was no memory for a place in a heap */
};

enum want_flag {
    WANT_RESULT = 1, /* submitted: told of every arrival */
    WANT_PLACE = 2,  /* asked where it is: told once */
    WANT_KEPT = 4,   /* published: never told */
    WANT_BRINGS = 8, /* scattered: told where to put the data */
    WANT_GIVEN = 16, /* by get_published, until the client says that it wants it */
};

enum holder_flag {
    HOLDER_LASTING = 1, /* the worker does not drop its copy by itself */
};

/* One input of a task. */
struct edge {
    struct task *dependency;
    struct task *dependent;
    struct list link; /* in dependency->dependents */
};

/* Why a task failed; shared with all that depended on it. */
struct failure {
    unsigned references;
    int code;
    struct task_key origin;
    const char *what; /* the origin's function; lives for ever */
    char line[];
};

/* One death of a worker while the task ran. */
struct death {
    uint64_t epoch; /* of the worker */
    char worker[64];
    int status; /* as from wait(2), or -1 when nobody saw it */
};

/* A bond for which the task has no place, see bond.h. */
struct far_bond {
    struct bond bond;
    struct task *task;
    struct far_bond *next; /* of the same task */
    uint8_t flags;
};

/* What few tasks have. */
struct task_extra {
    char *restriction; /* the only worker that may run it, or NULL */
    unsigned misses;   /* times that the last copy of scattered data was not found */
    unsigned death_count;
    struct death *deaths; /* owned */
    struct task *task;
    struct demand *demand;  /* the resources it needs, or NULL */
    struct timer rest;      /* set: runs again when it fires */
    unsigned rests;         /* so far */
    struct timer deadline;  /* set: fails when it fires */
    uint64_t limit_ns;      /* the time that it was given */
    unsigned copies;        /* lasting ones that clients asked for */
    struct far_bond *bonds; /* owned; all kinds */
    struct list scarce;     /* in scheduler->scarce: too few copies */
    char *last_holders;     /* owned: who lost scattered data, the last one first */
};

/* There may be millions: what a state does not need shares its place. */
struct task {
    struct task_key key;
    uint8_t state;
    uint8_t flags;
    uint8_t holder_flags, want_flags; /* of the near bonds */
    uint16_t retries;
    uint16_t thread;  /* in memory: of the worker that made it, */
    uint32_t made_by; /* and its number */
    uint32_t edge_count;
    uint32_t missing;       /* inputs that are not in memory */
    uint32_t needed_by;     /* dependents that wait for it, or run with it */
    struct heap_link queue; /* priority, and order of submission */
    struct task *agenda_next;
    struct function *function; /* NULL: scattered data */
    struct payload *arguments; /* owned, kept for as long as it may run again */
    struct failure *failure;   /* counted, or NULL */
    struct task_extra *extra;  /* owned, or NULL */
    uint64_t nbytes;           /* of the result, as last known */
    struct list dependents;    /* edges */
    struct bond want;          /* near */
    union {
        struct {              /* before it is in memory */
            struct list link; /* no-worker, queued without a place, processing; in a
                               * list of the worker while scattered data are on their
                               * way */
            struct worker *worker; /* queued at, processing on, data on their way to */
            uint64_t attempt;      /* to run it or to bring it, the last one; never the
                                    * same twice */
            uint64_t placed_ns;    /* scattered data: when their place was told */
        };
        struct {                        /* in memory */
            struct bond holder;         /* near */
            uint64_t start_ns, stop_ns; /* when it was made */
        };
    };
    struct edge edges[];
};

const char *task_state_name(enum task_state state);

/* States in which a task needs its inputs. */
static inline bool task_is_active(const struct task *task)
{
    return task->state >= TASK_WAITING && task->state <= TASK_PROCESSING;
}

static inline const char *task_restriction(const struct task *task)
{
    return task->extra ? task->extra->restriction : NULL;
}

static inline struct demand *task_demand(const struct task *task)
{
    return task->extra ? task->extra->demand : NULL;
}

/* The function's name, or "scattered data". */
const char *task_what(const struct task *task);

/* Adds a task in state released, with its edges; the dependencies must be known.
 * DUSK_E_NOMEM, DUSK_E_LIMIT, DUSK_E_NOT_FOUND with a line. */
int task_create(struct scheduler *scheduler, const struct msg_submit *submit,
                struct err_text *text, struct task **ret_task);
int task_create_data(struct scheduler *scheduler, struct task_key key, uint64_t nbytes,
                     struct err_text *text, struct task **ret_task);

/* Its timers, and what it takes of what is limited, end. */
void task_uncount(struct scheduler *scheduler, struct task *task);

/* Frees a task that nothing refers to any more. */
void task_destroy(struct task *task);

/* The rare fields, made on first use; NULL when there is no memory. */
struct task_extra *task_extra(struct task *task);

/* Ends a line that snprintf wanted to be longer than its room in dots. */
void line_cut(char *line, size_t size, int length);

/* Makes the task fail when the agenda reaches it; the line is cleaned of control
 * characters.  When there is no memory, a failure that says so stands in. */
void task_fail(struct scheduler *scheduler, struct task *task, int code,
               const char *format, ...) __attribute__((format(printf, 4, 5)));
void task_fail_like(struct scheduler *scheduler, struct task *task,
                    struct failure *failure);

#endif
