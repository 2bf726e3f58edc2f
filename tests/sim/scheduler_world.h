/* A cluster in one process around the real scheduler's core: simple models of workers
 * and clients, a network with random delays, and a seed from which everything that
 * happens follows.  After every event the core's invariants are checked. */
#ifndef TESTS_SIM_SCHEDULER_WORLD_H
#define TESTS_SIM_SCHEDULER_WORLD_H

#include "common/heap.h"
#include "scheduler/scheduler.h"

#define WORKERS 4
#define CLIENTS 2
#define TASKS 40 /* of each client */
#define INPUTS 3
#define RUNS 64
#define ROWS 16
#define PEERS 4096
#define MS UINT64_C(1000000)

/* What a task's function does; the model's name for it is what is submitted. */
enum behaviour { OK, SLOW, FLAKY, FAIL, CRASH, DATA, BEHAVIOURS };

enum progress { UNUSED, PENDING, FINISHED, FAILED };

struct sim_task {
    enum behaviour behaviour;
    unsigned input_count;
    struct task_key inputs[INPUTS]; /* of the same client, with smaller counts */
    uint64_t value;                 /* that the result must have */
    unsigned may_end;               /* bits of enum behaviour among it and its inputs */
    bool restricted;                /* to worker 0 */
    /* the client's view */
    enum progress progress;
    int code;
    bool released, cancelled, checked;
};

struct sim_client {
    uint32_t peer; /* 0: not connected */
    bool welcome;
    uint64_t epoch, scheduler_epoch; /* its own, and that of who has welcomed it */
    unsigned submitted;
    struct sim_task tasks[TASKS + 1]; /* by count */
};

struct sim_held {
    bool there, cached;
    uint64_t value;
};

enum run_state { RUN_FREE, RUN_FETCHING, RUN_READY, RUN_RUNNING };

struct sim_run {
    enum run_state state;
    struct task_key key;
    uint64_t attempt, order;
    unsigned row_count;
    struct {
        struct task_key key;
        unsigned worker;
    } rows[ROWS];
};

struct sim_worker {
    bool alive, welcome, retiring, paused;
    bool greeting; /* has said hello and waits for welcome */
    bool vanished; /* nobody can reach it and it reaches nobody */
    uint32_t peer, life;
    uint64_t frozen_until_ns;
    uint64_t epoch, previous_epoch;
    int previous_status;
    unsigned previous_count;
    struct task_key previous_running[RUNS];
    struct sim_held store[CLIENTS + 1][TASKS + 1];
    struct sim_run runs[RUNS];
};

struct sim_event;

struct world {
    uint64_t seed, random;
    uint64_t now_ns, chaos_until_ns, order;
    struct heap events;
    struct scheduler *scheduler;
    uint32_t peer_count;
    struct {
        bool open;
        int worker, client;      /* -1: not one */
        uint64_t to_ns, from_ns; /* when the last message of each direction arrives */
    } peers[PEERS];
    struct sim_worker workers[WORKERS];
    struct sim_client clients[CLIENTS + 1]; /* by number */
    unsigned deaths, runs, finishes;
    uint64_t digest;         /* of everything that the scheduler sent */
    struct err_text problem; /* the first thing that is wrong */
    bool wrong, verbose;
};

struct sim_event {
    struct heap_link link;
    void (*fire)(struct world *world, struct sim_event *event);
    uint32_t who, life; /* a worker's, or a client's number */
    uint64_t a, b;
    struct batch batch;
};

/* Notes what is wrong; the first one counts. */
void world_wrong(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

uint64_t world_random(struct world *world, uint64_t below);
bool world_chance(struct world *world, unsigned percent);

/* Fires `fire` after `delay_ns`. */
struct sim_event *world_after(struct world *world, uint64_t delay_ns,
                              void (*fire)(struct world *, struct sim_event *),
                              uint32_t who, uint32_t life);

/* Opens a connection to the scheduler, or closes it; the scheduler learns of a
 * closed one a little later, or never. */
uint32_t world_connect(struct world *world, int worker, int client);
void world_disconnect(struct world *world, uint32_t peer, bool noticed);

/* Sends to the scheduler. */
void world_say(struct world *world, uint32_t peer, const struct message *message);

struct sim_task *world_task(struct world *world, struct task_key key);
struct sim_held *world_held(struct sim_worker *worker, struct task_key key);

/* The models. */
void sim_worker_start(struct world *world, unsigned index);
void sim_worker_message(struct world *world, unsigned index,
                        const struct message *message);
void sim_worker_kill(struct world *world, unsigned index, int status);
void sim_worker_cut(struct world *world, unsigned index);
void sim_worker_retire(struct world *world, unsigned index);
void sim_worker_drop_copies(struct world *world, unsigned index);
bool sim_worker_reachable(const struct world *world, unsigned index);
bool sim_worker_put(struct world *world, unsigned index, struct task_key key);

/* Looks for the value; if it is not there, the worker says so to the scheduler. */
bool sim_worker_get(struct world *world, unsigned index, struct task_key key,
                    uint64_t *ret_value);
unsigned sim_worker_of(struct str address);

void sim_client_start(struct world *world, uint32_t number);
void sim_client_message(struct world *world, uint32_t number,
                        const struct message *message);
void sim_client_cut(struct world *world, uint32_t number);

/* Runs the seed to its end: 0, or DUSK_E_INTERNAL with a line.  `ret_digest` is the
 * same for the same seed. */
int world_run(uint64_t seed, struct err_text *text, uint64_t *ret_digest);

#endif
