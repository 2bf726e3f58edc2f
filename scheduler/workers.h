/* Workers as the scheduler sees them: registered by hello, then heard from, silent,
 * lost. */
#ifndef SCHEDULER_WORKERS_H
#define SCHEDULER_WORKERS_H

#include "common/heap.h"
#include "common/map.h"
#include "proto/resources.h"
#include "scheduler/bond.h"
#include "scheduler/timers.h"

struct scheduler;
struct task;
struct worker;

/* Copies that a retiring worker waits for. */
struct retirement {
    struct worker *worker;
    struct timer timer;
    uint64_t deadline_ns;
    struct map moving; /* key -> the worker that was asked to take it */
    uint64_t moved;
    bool told; /* retired was sent */
};

struct worker {
    struct list link;    /* in scheduler->workers */
    struct peer_id peer; /* number 0: the connection is closed */
    uint32_t number;
    char *name;    /* owned */
    char *address; /* owned */
    uint64_t epoch;
    uint64_t pid;
    unsigned nthreads;
    unsigned credits;
    bool paused, silent, retiring;
    bool counted; /* in scheduler->working_count */
    uint64_t heard_ns;
    uint64_t closed_ns; /* when the connection was closed, if it is */
    struct timer timer; /* silence */
    /* what it says of itself */
    uint64_t memory, memory_limit, spilled;
    struct resources resources;
    int64_t resources_used[RESOURCES_MAX]; /* by tasks sent and not yet answered */
    struct run *running;                   /* owned: from the last heartbeat */
    size_t running_count;
    /* what it has */
    struct party held;
    uint64_t held_bytes;
    struct party asked;     /* copies that it shall get */
    struct list processing; /* tasks */
    struct list awaited;    /* scattered data on their way to it */
    struct map stopping;    /* attempts that were stopped and not yet answered */
    unsigned outstanding;   /* run_tasks sent and not yet answered */
    unsigned bunch;         /* so many of them at most are as good as none */
    double pace;            /* how long it takes, relative to the functions' means */
    /* placement */
    struct heap queue;        /* ready tasks whose inputs are mostly here */
    struct heap_link open;    /* in scheduler->open: can be sent more */
    struct heap_link backlog; /* in scheduler->backlog: has a queue to steal from */
    struct list refill;       /* in scheduler->refill: look whether it wants more */
    uint64_t input_bytes;     /* scratch, valid while input_round is the current one */
    uint64_t input_round;
    /* data to free, said in one message a turn */
    struct list freeing;
    struct task_key *frees;
    size_t free_count, free_capacity;
    struct retirement *retirement; /* owned, NULL unless retiring */
};

/* May be given work that it does not have yet. */
static inline bool worker_takes_work(const struct worker *worker)
{
    return !worker->paused && !worker->silent && !worker->retiring;
}

/* "running", "paused", "silent" or "retiring". */
const char *worker_state_name(const struct worker *worker);

struct worker *worker_by_name(const struct scheduler *scheduler, struct str name);
struct worker *worker_by_address(const struct scheduler *scheduler, struct str address);

/* Registers a worker, or takes up the connection of one that is known.  Answers the
 * peer with welcome or refuse. */
void worker_hello(struct scheduler *scheduler, struct peer_id peer,
                  const struct msg_hello *hello);

/* Takes over what hello says that it runs and holds (reconcile.c). */
void worker_reconcile(struct scheduler *scheduler, struct worker *worker,
                      const struct msg_hello *hello);

void worker_heartbeat(struct scheduler *scheduler, struct worker *worker,
                      const struct msg_heartbeat *heartbeat);

/* Its connection is closed: silent at once, lost soon. */
void worker_disconnected(struct scheduler *scheduler, struct worker *worker);

/* It is gone: work and data are looked for elsewhere.  `lost` tells that it did not
 * leave on purpose; `why` goes into the note.  Frees the worker. */
void worker_remove(struct scheduler *scheduler, struct worker *worker, bool lost,
                   const char *why);

/* Something was heard from it. */
void worker_heard(struct scheduler *scheduler, struct worker *worker);

/* One of the conditions of worker_takes_work has changed. */
void worker_conditions_changed(struct scheduler *scheduler, struct worker *worker);

/* Sends the worker a message, if there is a connection. */
void worker_send(struct scheduler *scheduler, struct worker *worker,
                 const struct message *message);

/* Has an attempt stopped that nobody wants; its answer will free the place. */
void worker_stop_attempt(struct scheduler *scheduler, struct worker *worker,
                         struct task_key key, uint64_t attempt);

/* The attempts that were to be stopped will not be answered any more. */
void worker_forget_stopped(struct worker *worker);

/* Has data freed there, before the turn ends. */
void worker_free_data(struct scheduler *scheduler, struct worker *worker,
                      struct task_key key);
void worker_flush_frees(struct scheduler *scheduler, struct worker *worker);

void worker_destroy(struct worker *worker);

#endif
