/* The state that the files of the scheduler's core share. */
#ifndef SCHEDULER_CORE_H
#define SCHEDULER_CORE_H

#include "proto/address.h"
#include "scheduler/clients.h"
#include "scheduler/deaths.h"
#include "scheduler/demands.h"
#include "scheduler/functions.h"
#include "scheduler/notes.h"
#include "scheduler/placement.h"
#include "scheduler/plugins.h"
#include "scheduler/published.h"
#include "scheduler/recovery.h"
#include "scheduler/replicas.h"
#include "scheduler/scheduler.h"
#include "scheduler/shutdown.h"
#include "scheduler/task.h"
#include "scheduler/task_table.h"
#include "scheduler/timers.h"
#include "scheduler/transitions.h"
#include "scheduler/workers.h"

/* People are shown the lower bits. */
#define ATTEMPT_SHOWN(attempt) ((attempt)&UINT32_MAX)

/* Who is behind a connection; exactly one is set. */
struct peer {
    struct worker *worker;
    struct client *client;
};

/* How a task comes to be in memory. */
struct task_arrival {
    struct worker *at;        /* has it now */
    struct payload *result;   /* borrowed: what those who want it are told; or NULL */
    uint32_t made_by, thread; /* number of the worker that ran it, and its thread */
    uint64_t start_ns, stop_ns;
};

struct scheduler {
    struct scheduler_config config;
    uint64_t now_ns; /* of the current event */
    uint64_t started_ns;
    struct outbox outbox;
    struct notes notes;
    struct heap timers;
    struct map peers; /* number -> struct peer, owned */
    /* tasks */
    struct task_table tasks;
    size_t state_counts[TASK_STATE_COUNT];
    struct task *agenda_first, *agenda_last;
    struct list scarce; /* tasks with too few lasting copies, by their extra */
    struct list no_worker;
    uint64_t no_worker_ns; /* since when there are some */
    struct list unplaced;  /* queued, but in no heap for lack of memory */
    uint64_t submissions;  /* gives every task its order */
    uint64_t attempts;
    struct functions functions;
    uint64_t argument_bytes;   /* of all tasks */
    struct list demands;       /* every one there ever was */
    struct demand no_demand;   /* of attempts that use no resources */
    struct failure *no_memory; /* stands in when a failure cannot be allocated */
    /* workers */
    struct list workers;
    size_t worker_count;
    size_t working_count; /* of them, those that take work */
    uint32_t worker_numbers;
    uint64_t least_memory; /* the smallest memory limit of a worker */
    uint64_t alone_ns;     /* since when there has been no worker */
    struct map worker_names, worker_addresses; /* hash of the text -> worker */
    struct heap queue;                         /* ready tasks without a home */
    struct heap open;    /* workers that can be sent more, least loaded first */
    struct heap backlog; /* workers with queues, longest first */
    struct list refill;
    struct list freeing; /* workers with data to free */
    uint64_t input_round;
    struct source *sources; /* scratch */
    size_t source_capacity;
    struct graves graves;
    /* clients */
    struct list clients;
    size_t client_count;
    struct list leaving; /* clients that are gone, but not all their wants */
    struct map client_numbers;
    struct list plugins; /* that were uploaded */
    struct shutdown shutdown;
    struct list publications;
    size_t publication_count;
    size_t published_tasks; /* of all of them */
    struct outbox journal;  /* records, as for a peer */
    struct recording recording;
    struct recovery recovery;
    /* peers to part with: those whose outbox overflowed, then those to close */
    uint32_t *doomed;
    size_t doomed_count, doomed_capacity;
    uint32_t *closing;
    size_t closing_count, closing_capacity;
    /* keys */
    struct members members;
    struct member_row *member_rows; /* the same for workers; NULL: no keys */
    struct map guests;              /* peer number -> struct guest, owned */
    uint64_t unix_offset_ns;        /* Unix time less now_ns */
    uint64_t rss, cpu_ns;           /* of the process; 0: not known */
    struct timer stall_timer;
    struct task_arrival arrival; /* of the result that is being recorded */
    uint64_t progress_ns;        /* when a task was last assigned or finished */
    struct scheduler_counts counts;
};

static inline struct task *task_find(const struct scheduler *scheduler,
                                     struct task_key key)
{
    return task_table_get(&scheduler->tasks, key);
}

static inline bool task_is_wanted(const struct task *task)
{
    return bond_first(task, BOND_WANT) != NULL;
}

static inline bool task_is_needed(const struct task *task)
{
    return task->needed_by > 0 || task_is_wanted(task);
}

static inline struct worker *holder_worker(const struct bond *bond)
{
    return CONTAINER_OF(bond_party(bond), struct worker, held);
}

static inline struct client *want_client(const struct bond *bond)
{
    return CONTAINER_OF(bond_party(bond), struct client, wants);
}

/* Parts with a peer when the event ends: what it waits for cannot be said, and it asks
 * again over its next connection. */
void peer_doom(struct scheduler *scheduler, struct peer_id peer);

/* Sends; a peer that cannot be sent to any more is parted with when the event
 * ends. */
void peer_send(struct scheduler *scheduler, struct peer_id peer,
               const struct message *message);

/* Whether one more worker or client may join; refuses it otherwise. */
bool peer_finds_room(struct scheduler *scheduler, struct peer_id peer);

/* Ties a connection to a worker or a client.  DUSK_E_NOMEM. */
int peer_bind(struct scheduler *scheduler, struct peer_id peer, struct worker *worker,
              struct client *client);
void peer_unbind(struct scheduler *scheduler, struct peer_id peer);

/* Unbinds the peer and has the shell close its connection. */
void peer_close(struct scheduler *scheduler, struct peer_id peer);

/* The connection is gone, for whoever was behind it. */
void peer_part(struct scheduler *scheduler, struct peer_id peer);

/* The peer broke the protocol. */
void peer_violated(struct scheduler *scheduler, struct peer_id peer, const char *format,
                   ...) __attribute__((format(printf, 3, 4)));

/* Answers with refuse and a note. */
void peer_refuse(struct scheduler *scheduler, struct peer_id peer, int code,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* A name, an address or the like: not too long, nothing but printable text. */
bool text_is_clean(struct str text, size_t least);
bool text_is(struct str text, const char *word);
uint64_t text_hash(struct str text);

/* What whoever is behind the connection may do (enum peer_right, or-ed), by its key
 * (members.c). */
unsigned peer_rights(const struct scheduler *scheduler, struct peer_id peer);

/* Whether it has this right; if not it is refused: "... does not let it WHAT". */
bool peer_may(struct scheduler *scheduler, struct peer_id peer, enum peer_right right,
              const char *what);

/* Whether a peer's Unix time is near enough to ours; if not it is refused. */
bool clock_agrees(struct scheduler *scheduler, struct peer_id peer, uint64_t unix_ns);

/* Tells a worker who may fetch from it. */
void members_tell(struct scheduler *scheduler, struct worker *worker);
void guest_forget(struct scheduler *scheduler, struct peer_id peer);
void guests_free(struct scheduler *scheduler);

/* Works off what an event has caused, which may cause more. */
void scheduler_settle(struct scheduler *scheduler);

/* What workers answer (answers.c). */
void worker_done(struct scheduler *scheduler, struct worker *worker,
                 const struct msg_done *done);
void worker_erred(struct scheduler *scheduler, struct worker *worker,
                  const struct msg_erred *erred);
void worker_missing(struct scheduler *scheduler, struct worker *worker,
                    const struct msg_missing *missing);
void worker_have(struct scheduler *scheduler, struct worker *worker,
                 const struct msg_have *have);
void worker_inventory(struct scheduler *scheduler, struct worker *worker,
                      field_holdings holdings);
void worker_dropped(struct scheduler *scheduler, struct worker *worker,
                    const struct msg_dropped *dropped);

/* The inputs' sources, in a scratch array that the next call overwrites (sources.c).
 * DUSK_E_NOMEM. */
int sources_of_inputs(struct scheduler *scheduler, const struct task *task,
                      const struct worker *worker, field_sources *ret_sources);
int sources_of(struct scheduler *scheduler, const struct task *task,
               const struct worker *worker, field_sources *ret_sources);

/* Retirement (retire.c): what a worker that leaves has is handed to others.  They
 * are told what has happened: a result was made at a worker that may be retiring;
 * `heir` says that it has the data, or that it could not get them, or is gone; a
 * worker no longer has them; it is gone itself. */
void retire_begin(struct scheduler *scheduler, struct worker *worker,
                  uint64_t deadline_ms);
void retire_made(struct scheduler *scheduler, struct task *task, struct worker *worker);
void retire_arrived(struct scheduler *scheduler, struct task *task,
                    const struct worker *heir);
void retire_refused(struct scheduler *scheduler, struct worker *heir,
                    struct task_key key);
void retire_heir_gone(struct scheduler *scheduler, const struct worker *heir);
void retire_left(struct scheduler *scheduler, struct worker *worker,
                 const struct task *task);
void retire_end(struct scheduler *scheduler, struct worker *worker);

/* Timers of tasks (task_timers.c): how long a task may take, from now on, 0 for ever,
 * unless it was told before; and how long it rests before it runs again, longer each
 * time.  Without memory for a timer: DUSK_E_NOMEM, and no rest. */
int task_limit_time(struct scheduler *scheduler, struct task *task, uint64_t ms);
void task_rest(struct scheduler *scheduler, struct task *task);
bool task_rests(const struct task *task);
void task_deadline_met(struct scheduler *scheduler, struct task *task);
void task_timers_clear(struct scheduler *scheduler, struct task *task);

/* Notes what waits for long (stalls.c).  DUSK_E_NOMEM. */
int stalls_start(struct scheduler *scheduler);

/* Answers to status_request and why. */
void status_answer(struct scheduler *scheduler, struct client *client,
                   uint64_t request);
void why_answer(struct scheduler *scheduler, struct client *client,
                const struct msg_why *why);
void why_answer_all(struct scheduler *scheduler, struct client *client,
                    uint64_t request);

/* The number of the reason, by which tasks that wait for the same can be told
 * together; and whether it is one to wait for. */
unsigned why_reason(const struct scheduler *scheduler, const struct task *task,
                    bool *ret_waits);
void why_line(const struct scheduler *scheduler, const struct task *task, char *line,
              size_t size);

#endif
