/* A whole cluster in one thread: the production cores of the scheduler, of workers and
 * of clients (these under dusk.h) as processes that share a virtual clock and a network
 * (network.h) that faults (faults.h) disturb.  Everything that happens follows from one
 * seed; after every event the invariants (invariants.h) are checked.
 *
 * The scheduler is process 0, then come the workers, then the clients. */
#ifndef TESTS_SIM_CLUSTER_H
#define TESTS_SIM_CLUSTER_H

#include "common/clock.h"
#include "common/heap.h"
#include "proto/outbox.h"
#include "tests/sim/faults.h"
#include "tests/sim/fiber.h"
#include "tests/sim/workload.h"

#define PROCESSES_MAX 12
#define SCHEDULER_ADDRESS "tcp://10.0.0.1:8786"

/* One source of chance for each purpose, so that a fault more or less changes as
 * little as can be of the rest. */
enum chance {
    CHANCE_PLAN,    /* how the cluster is made */
    CHANCE_NETWORK, /* delays */
    CHANCE_FAULTS,  /* which faults, and when */
    CHANCE_HARM,    /* whom they strike */
    CHANCE_MEMORY,  /* which allocations fail */
    CHANCE_WORK,    /* what programs do */
    CHANCES
};

struct plan {
    uint64_t seed;
    const struct workload *workload;
    uint32_t faults;     /* bits 1 << enum fault_kind */
    int64_t faults_most; /* after so many there are no more; -1: no limit */
    int64_t tasks;       /* of each graph; 0: as the seed says */
    int64_t chaos_ns;    /* how long faults happen; 0: as the seed says */
    int64_t steps;       /* more than that is a failure */
    bool verbose;        /* every message on standard error */
};

struct figures {
    uint64_t hash; /* of the trace */
    uint64_t steps, messages, tasks;
    uint64_t virtual_ns;
    uint64_t faults[FAULTS];
};

struct end;

struct event {
    struct heap_link link;
    void (*fire)(struct world *world, struct event *event);
    struct process *process; /* whose life it is part of, or NULL */
    uint32_t life;
    uint64_t a, b;
};

/* What a kind of process does with what comes; the shells' part. */
struct process_kind {
    char letter;
    void (*start)(struct process *process);
    void (*stop)(struct process *process); /* as kill -9 does */
    void (*message)(struct process *process, struct peer_id peer,
                    const struct message *message);
    void (*broken)(struct process *process, struct peer_id peer, const char *line);
    void (*up)(struct process *process, struct peer_id peer);
    void (*gone)(struct process *process, struct peer_id peer);
    void (*tick)(struct process *process);
    uint64_t (*deadline)(const struct process *process);
    struct outbox *(*outbox)(struct process *process);
    bool (*act)(struct process *process);  /* does what the core wants done; any? */
    void (*fill)(struct process *process); /* the outbox, before it is emptied */
    void (*sent)(struct process *process, struct peer_id peer);
    void (*turned)(struct process *process); /* all is sent that can be; or NULL */
    int (*check)(const struct process *process, struct err_text *text);
};

struct process {
    const struct process_kind *kind;
    struct world *world;
    unsigned index; /* among all */
    char name[16];
    char address[40]; /* where it listens, "" if nowhere */
    bool alive;
    bool scarce; /* allocations in its core may fail */
    uint32_t life;
    uint64_t paused_until_ns;
    uint64_t ahead_ns;    /* of its monotonic clock, before that of the world */
    int64_t unix_skew_ns; /* of its wall clock */
    struct event tick;
    struct map ends; /* struct end, by peer number */
    uint32_t visitors;
    struct list stuck; /* lanes that wait for a connection */
    void *state;       /* of its kind */
    /* what a worker's nanny knows of the life before this one */
    uint64_t previous_epoch;
    int64_t previous_status;
    struct task_key previous_running[4];
    size_t previous_count;
    unsigned deaths; /* that its nanny has seen, other than a clean stop */
};

struct world {
    struct plan plan;
    uint64_t chance[CHANCES];
    uint64_t now_ns, order;
    uint64_t heal_ns; /* when faults end */
    bool healed;
    struct heap events;
    unsigned process_count, worker_count, client_count;
    struct process processes[PROCESSES_MAX];
    struct process *current; /* whose code runs */
    struct map conns;        /* struct conn, by id */
    uint64_t conn_count;
    uint64_t slow_until_ns;
    uint64_t kept[PROCESSES_MAX];      /* program_kept */
    uint8_t *journal;                  /* the scheduler's disk */
    size_t journal_size, journal_last; /* all of it; its last record */
    uint64_t journal_full_until_ns;
    uint64_t cut_until_ns[PROCESSES_MAX][PROCESSES_MAX]; /* from, to */
    struct figures figures;
    struct invariants *invariants;
    bool wrong;
    struct err_text problem; /* the first thing that is wrong */
};

/* Runs it: 0, or DUSK_E_INTERNAL with the line of what went wrong. */
int world_run(const struct plan *plan, struct figures *ret_figures,
              struct err_text *text);

/* Notes what is wrong; the first one counts. */
void world_wrong(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* From 0 to below - 1. */
uint64_t world_random(struct world *world, enum chance chance, uint64_t below);
bool world_chance(struct world *world, enum chance chance, unsigned percent);

/* Numbers that the trace's hash covers. */
void world_trace(struct world *world, uint64_t a, uint64_t b, uint64_t c);

/* Says it on standard error when the plan wants that. */
void world_say(struct world *world, const struct process *process, const char *format,
               ...) __attribute__((format(printf, 3, 4)));

/* Fires after `delay_ns`; if it belongs to a process, only in the same life of it, and
 * not while it is paused. */
struct event *world_after(struct world *world, uint64_t delay_ns,
                          void (*fire)(struct world *, struct event *),
                          struct process *process);

/* All processes of a kind. */
struct process *world_scheduler(struct world *world);
struct process *world_worker(struct world *world, unsigned index);
struct process *world_client(struct world *world, unsigned index);

/* ---- processes ---- */

extern const struct process_kind scheduler_kind, worker_kind, client_kind;

/* Its monotonic clock. */
uint64_t process_now(const struct process *process);

void process_start(struct process *process);

/* As kill -9 does; `noticed`: the others hear of it, as they do unless the host is
 * gone with the process. */
void process_kill(struct process *process, bool noticed);

/* After its core was told something: does what it wants, sends what it says, and looks
 * when it wants to be called again. */
void process_turn(struct process *process);

/* The part of a turn that sends. */
void process_flush(struct process *process);

/* From here to the end its core runs: its clock is the one that is read, and its
 * allocations may fail. */
void core_begin(struct process *process);
void core_end(struct process *process);

/* ---- what others need to know of each kind ---- */

struct scheduler;
struct worker_core;
struct client_core;
struct scheduler *scheduler_of(const struct process *process);
struct worker_core *worker_of(const struct process *process);
struct client_core *client_core_of(const struct process *process); /* or NULL */

void worker_process_retire(struct process *process);
void worker_process_disk(struct process *process, bool full, bool unreadable);
/* Dies with this wait status, which its nanny sees and tells. */
void worker_process_die(struct process *process, int64_t status);
bool worker_process_is_idle(const struct process *process);

/* Whether its program has come to its end; and where it is, for people. */
bool client_process_is_over(const struct process *process);
const char *client_process_doing(const struct process *process);

#endif
