/* What the files of the worker's core share.  One concept a file:
 *   core.c      events in, actions out, the clock
 *   session.c   the scheduler: hello, heartbeats, losing it and coming back, retiring
 *   attempt.c   accepted tasks and their states
 *   execute.c   which of them executes next, and how it ends
 *   want.c      what is to come from other workers, and from which
 *   gather.c    fetching it
 *   serve.c     giving and taking data on the worker's own socket
 *   plugin.c    plugins that clients upload
 *   memory.c    making room, spilling, loading, jobs that ask for more */
#ifndef WORKER_CORE_STATE_H
#define WORKER_CORE_STATE_H

#include "common/clock.h"
#include "common/heap.h"
#include "worker/core.h"
#include "worker/store.h"

#include <stdarg.h>

enum attempt_state {
    ATTEMPT_WAITING,
    ATTEMPT_READY,
    ATTEMPT_LOADING,
    ATTEMPT_EXECUTING,
    ATTEMPT_STOPPING,
    ATTEMPT_STATES,
};

/* One result that an accepted task reads: here (entry) or wanted from elsewhere. */
struct attempt_input {
    struct list link; /* in entry->users or want->users */
    struct attempt *attempt;
    struct task_key key;
    struct store_entry *entry;
    struct want *want;
};

/* An accepted attempt. */
struct attempt {
    struct heap_link ready; /* by priority, then by order of arrival */
    struct list link;       /* in core->loading or core->executing */
    struct attempt *next;   /* another attempt of the same key */
    struct task_key key;
    uint64_t number;
    uint64_t flags;
    enum attempt_state state;
    char *function;
    struct payload *arguments; /* reference */
    struct job *job;           /* while executing: lent to the executor */
    uint64_t start_ns;
    size_t reserved; /* memory set aside for its result */
    size_t asked;    /* its job waits for this much more */
    uint64_t asked_ns;
    bool told;        /* that it waits */
    struct list asks; /* in core->asking */
    unsigned absent;  /* inputs that are not in the store */
    unsigned reading; /* pinned inputs that are still on their way from disk */
    bool pinned;
    bool alone;   /* ran into the memory limit beside others: runs by itself next */
    bool restart; /* was told to give up for that reason */
    unsigned input_count;
    struct attempt_input inputs[];
};

/* Another worker, by its address. */
struct host {
    struct host *next;   /* of the same hash */
    uint64_t hash;       /* of the address */
    struct peer_id peer; /* 0: not connected */
    struct heap queue;   /* wants that would come from here next */
    struct list flights; /* wants that are on their way from here */
    struct list link;    /* in core->hosts_able while it could be asked for something */
    unsigned flight_count;
    unsigned references; /* wants that name it as a source */
    uint64_t used_ns;
    char address[];
};

struct source_place {
    struct host *host;
    bool tried;
};

/* Data that is not here and that tasks, or the scheduler, want here. */
struct want {
    struct heap_link queued; /* in host->queue */
    struct list link;        /* in host->flights, or in core->wants_lost */
    struct list users;       /* struct attempt_input */
    struct task_key key;
    size_t nbytes;
    struct source_place *places;
    unsigned place_count;
    unsigned place; /* the one it is queued at or flies from */
    bool acquire;   /* the scheduler asked for a lasting copy */
    bool flying;
    bool told;    /* that it takes long */
    bool closing; /* its users are being told; not to be destroyed meanwhile */
    uint64_t request;
    uint64_t asked_ns;
    uint64_t deadline_ns;
};

/* A peer that waits for data to come back from disk, or for what it was sent before
 * to leave. */
struct request {
    struct list link; /* in entry->requests, or in core->held_back */
    struct peer_id peer;
    uint64_t number;
    struct task_key key;
};

/* Data brought by a peer that waits for room. */
struct arrival {
    struct list link;
    struct peer_id peer;
    uint64_t number;
    struct task_key key;
    uint64_t attempt; /* to bring it */
    uint64_t checksum;
    struct payload *payload; /* reference */
    size_t bytes;
};

struct session {
    struct peer_id peer;
    uint64_t scheduler_epoch;
    uint64_t heartbeat_ns;
    uint64_t next_heartbeat_ns;
    uint64_t dialed_ns;
    uint64_t heard_ns;
    uint64_t lost_ns;      /* since when there has been no scheduler; 0: there is one */
    uint64_t dial_at_ns;   /* 0: no new connection is due */
    uint64_t retire_at_ns; /* 0: stays */
    uint64_t hello_ns;
    bool greeted; /* hello is on its way over this connection */
    bool registered;
    bool ever_registered;
    uint64_t ticked_ns;
    bool told; /* the outage is in the log */
    bool ended;
    bool shut_down; /* it ended because the cluster does */
};

/* Who waits longer than this is told of, with the reason. */
#define LONG_WAIT_NS (5 * NS_PER_S)

struct worker_core {
    struct worker_config config;
    uint64_t now_ns;
    struct outbox outbox;
    struct list actions;
    struct worker_action *last_action; /* kept for the end without memory */
    struct worker_action lost;
    bool out_of_memory;
    struct session session;
    uint64_t unix_offset_ns; /* Unix time less now_ns */
    uint32_t last_dialed;
    uint64_t last_request;

    struct store store;
    size_t target_bytes;
    size_t spill_bytes;
    size_t pause_bytes;
    size_t quota_bytes; /* set aside for each job's result from the start */
    size_t resident;
    size_t relief;           /* to be spilled since the process has grown too large */
    uint64_t spill_again_ns; /* after a disk was full */
    int spill_code;          /* why spilling failed */
    struct err_text spill_line;
    struct list loads;  /* entries that peers want back from disk */
    struct list asking; /* attempts whose jobs ask for room */
    bool paused;

    struct map attempts; /* by key: the first of its attempts */
    struct heap ready;
    struct list loading;
    struct list executing; /* and stopping, oldest first */
    unsigned attempt_count;
    unsigned loading_count;
    unsigned executing_count;
    unsigned alone_count; /* of those that execute */
    unsigned asking_count;
    uint64_t attempt_order;
    uint64_t mean_ns; /* how long tasks took lately */

    struct map wants; /* by key */
    struct map hosts; /* by hash of the address */
    struct list hosts_able;
    struct map dialed;      /* hosts by peer number */
    struct list wants_lost; /* no source is left: to be answered */
    unsigned flight_count;
    size_t flight_bytes;
    uint64_t want_order;

    struct list arrivals;
    unsigned arrival_count;
    size_t arrival_bytes;
    struct list held_back; /* requests of peers that have much on its way */
    size_t request_count;  /* of these, and of those for data on disk */
};

/* ---- core.c ---- */

/* Puts an action at the end of the list.  When there is no memory for it the worker
 * cannot keep its promises and ends. */
struct worker_action *action_add(struct worker_core *core,
                                 enum worker_action_kind kind);
/* The same with a line of text. */
struct worker_action *action_say(struct worker_core *core, enum worker_action_kind kind,
                                 const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
void note(struct worker_core *core, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
struct peer_id core_dial(struct worker_core *core, const char *address);
void core_hangup(struct worker_core *core, struct peer_id peer);
void core_advance(struct worker_core *core);
/* Whether something is going on that will make room, or fail. */
bool core_is_moving(const struct worker_core *core);
void core_send(struct worker_core *core, struct peer_id peer,
               const struct message *message);

/* ---- session.c ---- */

void session_start(struct worker_core *core);
void session_message(struct worker_core *core, const struct message *message);
void session_retire(struct worker_core *core);
void session_connected(struct worker_core *core);
void session_gone(struct worker_core *core);
void session_tick(struct worker_core *core);
uint64_t session_deadline(const struct worker_core *core);

/* To the scheduler.  Without a connection the message is dropped: the next hello
 * tells all that it would have told. */
void session_send(struct worker_core *core, const struct message *message);
void session_end(struct worker_core *core, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- attempt.c ---- */

void attempt_move(struct worker_core *core, struct attempt *attempt,
                  enum attempt_state state);
/* Without an answer: the caller has given it. */
void attempt_destroy(struct worker_core *core, struct attempt *attempt);
/* Keeps the inputs in memory.  After unpinning, entries that were removed meanwhile are
 * gone. */
void attempt_pin(struct worker_core *core, struct attempt *attempt);
void attempt_unpin(struct worker_core *core, struct attempt *attempt);
void attempt_accept(struct worker_core *core, const struct msg_run_task *message);
void attempt_stop(struct worker_core *core, struct task_key key, uint64_t number);
void attempt_input_arrived(struct worker_core *core, struct attempt_input *input,
                           struct store_entry *entry);
/* The input cannot be had from `address`: answers, and the attempt is gone. */
void attempt_input_missing(struct worker_core *core, struct attempt_input *input,
                           const char *address);
/* A pinned input came back from disk. */
void attempt_entry_loaded(struct worker_core *core, struct store_entry *entry);
void attempt_fail(struct worker_core *core, struct attempt *attempt, int code,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));
/* A worker that retires answers CANCELLED for what does not execute yet: the scheduler
 * gives it to others. */
void attempt_give_back(struct worker_core *core);
void attempt_destroy_all(struct worker_core *core);
int attempt_check(const struct worker_core *core, struct err_text *text);

/* ---- execute.c ---- */

/* Starts what can be started. */
void attempt_advance(struct worker_core *core);
/* Gives up the memory of an attempt that is loading, or whose job came back. */
void attempt_unstage(struct worker_core *core, struct attempt *attempt);

/* ---- want.c ---- */

/* Keeps the list of hosts that can be asked for something. */
void host_place(struct worker_core *core, struct host *host);
int host_dial(struct worker_core *core, struct host *host);
/* Forgets a host that nothing refers to. */
void host_settle(struct worker_core *core, struct host *host);
void host_destroy(struct worker_core *core, struct host *host);
/* Where the want is queued, or flies from. */
struct host *want_host(const struct want *want);
struct attempt_input *want_first_user(const struct want *want);
/* Adds sources of `key` from the list (all rows with that key), and a user if that is
 * not NULL.  DUSK_E_NOMEM changes nothing that matters. */
int want_add(struct worker_core *core, struct task_key key, field_sources sources,
             struct attempt_input *user, bool acquire);
void want_forget_user(struct worker_core *core, struct attempt_input *user);
void want_dequeue(struct worker_core *core, struct want *want);
/* Ends the flight, if any: what was reserved for it is free again. */
void want_land(struct worker_core *core, struct want *want);
/* The source it was queued at, or flew from, has failed. */
void want_next_place(struct worker_core *core, struct want *want);
/* Nobody has it, or memory cannot take it: everyone who waits is told. */
void want_give_up(struct worker_core *core, struct want *want);
void want_fail(struct worker_core *core, struct want *want);
void want_destroy(struct worker_core *core, struct want *want);

/* ---- gather.c ---- */

void gather_acquire(struct worker_core *core, const struct msg_acquire *message);
void gather_data(struct worker_core *core, struct peer_id peer,
                 const struct msg_data *message);
void gather_no_data(struct worker_core *core, struct peer_id peer,
                    const struct msg_no_data *message);
void gather_peer_gone(struct worker_core *core, struct peer_id peer);
/* Tells the scheduler that the data are here. */
void gather_tell_have(struct worker_core *core, struct store_entry *entry);
/* The key came here by another way. */
void gather_settled(struct worker_core *core, struct store_entry *entry);
/* Nobody needs it any more. */
void gather_free(struct worker_core *core, struct task_key key, uint64_t attempt);
void gather_advance(struct worker_core *core);
void gather_tick(struct worker_core *core);
void gather_destroy_all(struct worker_core *core);
int gather_check(const struct worker_core *core, struct err_text *text);

/* ---- serve.c ---- */

void serve_get(struct worker_core *core, struct peer_id peer,
               const struct msg_get_data *message);
void serve_put(struct worker_core *core, struct peer_id peer,
               const struct msg_put_data *message);
void serve_peer_gone(struct worker_core *core, struct peer_id peer);
/* Answers everybody who waits for the entry: with the data, or with the error. */
void serve_entry(struct worker_core *core, struct store_entry *entry, int code,
                 const char *line);
void serve_advance(struct worker_core *core);
/* What was waiting for the peer has left: answers what was held back. */
void serve_sent(struct worker_core *core, struct peer_id peer);
void serve_destroy_all(struct worker_core *core);

/* ---- plugin.c ---- */

void plugin_accept(struct worker_core *core, const struct msg_load_plugin *message);

/* ---- memory.c ---- */

/* 0: `bytes` fit now.  > 0: they will when what is being spilled has left.  < 0: not
 * unless somebody releases something. */
int memory_make_room(struct worker_core *core, size_t bytes);
/* Takes the entry out of the store; who waits for it gets this error, or `missing`. */
void memory_drop(struct worker_core *core, struct store_entry *entry, int code,
                 const char *line);
void memory_forget_file(struct worker_core *core, uint64_t file);
void memory_unpin(struct worker_core *core, struct store_entry *entry);
/* Brings an entry back from disk: when there is room, or at once (room was made). */
void memory_load(struct worker_core *core, struct store_entry *entry);
void memory_load_now(struct worker_core *core, struct store_entry *entry);
void memory_answer(struct worker_core *core, struct attempt *attempt, int code,
                   const char *line);
/* Why memory cannot be made: an error code, and the line. */
int memory_reason(const struct worker_core *core, size_t bytes, struct err_text *text);
void memory_spill_to_target(struct worker_core *core);
void memory_advance(struct worker_core *core);
void memory_tick(struct worker_core *core);

#endif
