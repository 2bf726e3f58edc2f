/* The worker without sockets, clocks and threads: which tasks it has accepted, what
 * their inputs are and where they come from, what runs next, and what the memory
 * holds.  An event comes in through one of the functions below; messages to others go
 * out through the outbox, everything else through the list of actions.  The same
 * events give the same messages and actions.
 *
 * A task that was accepted is waiting (for inputs), ready, loading (inputs come back
 * from disk), executing, or stopping (executing, and nobody wants the result); see
 * attempt.c for the table.  Each accepted attempt gets exactly one answer.
 *
 * Not thread-safe.  Time comes in as `now_ns` and never goes back. */
#ifndef WORKER_CORE_H
#define WORKER_CORE_H

#include "proto/keys.h"
#include "proto/outbox.h"
#include "worker/job.h"

#include <stdio.h>

/* Peers that the core asks the shell to dial have this bit; the shell numbers those
 * that connect to the worker's own socket without it. */
#define PEER_DIALED (UINT32_C(1) << 31)

struct worker_config {
    const char *name;      /* shown to people; "" takes the data address */
    const char *address;   /* of the data socket, as others reach it */
    const char *scheduler; /* the scheduler's address */
    const char *directory; /* where spilled data goes; for messages */
    uint64_t unix_ns;      /* what time it is for people; see worker_core_set_clock */
    uint64_t epoch;        /* random, of this life of the process */
    uint64_t pid;
    unsigned nthreads;
    unsigned credits;
    bool allow_upload;     /* of plugins */
    const char *resources; /* as proto/resources.h reads them, or NULL */
    size_t memory_limit;   /* what the user allows the process */
    size_t overhead;       /* what the process takes without any data */
    double target;         /* fractions of memory_limit, as in dask.distributed */
    double spill;
    double pause;
    uint64_t previous_epoch; /* what a nanny knows of the life before this one */
    int64_t previous_status;
    const struct task_key *previous_running;
    size_t previous_running_count;
    uint64_t connect_timeout_ns;   /* until the first welcome */
    uint64_t reconnect_timeout_ns; /* after a loss; UINT64_MAX: no end */
    uint64_t retire_timeout_ns;
};

/* Fills in what Dask's users expect; the pointers stay NULL. */
void worker_config_init(struct worker_config *config);

enum worker_action_kind {
    WORKER_DIAL,   /* connect `peer` to `text`, in place of nothing */
    WORKER_HANGUP, /* disconnect `peer`, which is never used again */
    WORKER_START,  /* execute `job`, which is the shell's until it comes back */
    WORKER_CANCEL, /* `job` should stop soon; its flag is set already */
    WORKER_ROOM,   /* answers worker_core_room of `job`: `code` and `text` */
    WORKER_WRITE,  /* write `payload` to file number `file` */
    WORKER_READ,   /* read file number `file` */
    WORKER_FORGET, /* nobody needs file number `file` any more */
    WORKER_LOAD,  /* load the plugin in `payload`, with the checksum `file` and the name
                   * `text`; ahead of jobs that are started after it */
    WORKER_ADMIT, /* `members` may connect from now on, and nobody else */
    WORKER_NOTE,  /* a line for the log: `level` of common/log.h and `text` */
    WORKER_END,   /* send what waits, then end with exit status `code`; if that is not
                   * 0, `text` tells why */
};

struct worker_action {
    struct list link;
    enum worker_action_kind kind;
    struct peer_id peer;
    struct job *job;
    uint64_t file;
    struct payload *payload; /* owned reference */
    struct members members;  /* owned */
    int level;
    int code;
    char *text; /* owned, or NULL */
};

struct worker_core;

/* Copies the configuration.  The first actions and messages (dial, hello) are there
 * at once.  NULL when there is no memory. */
struct worker_core *worker_core_create(const struct worker_config *config,
                                       uint64_t now_ns);

/* Jobs that have not come back must be gone from the executor before. */
void worker_core_destroy(struct worker_core *core);

struct outbox *worker_core_outbox(struct worker_core *core);

/* The next action, owned by the caller; NULL when there is none. */
struct worker_action *worker_core_action(struct worker_core *core);
bool worker_core_has_actions(const struct worker_core *core);
void worker_action_destroy(struct worker_action *action);

/* ---- events ---- */

/* Something came from a peer; everything in it is borrowed. */
void worker_core_message(struct worker_core *core, struct peer_id peer,
                         const struct message *message, uint64_t now_ns);

/* The connection stands: what waits for it can be sent. */
void worker_core_connected(struct worker_core *core, struct peer_id peer,
                           uint64_t now_ns);

/* The connection is closed, was refused, or broke the protocol. */
void worker_core_peer_gone(struct worker_core *core, struct peer_id peer,
                           uint64_t now_ns);

/* The batch that waited for a peer was sent. */
void worker_core_sent(struct worker_core *core, struct peer_id peer, uint64_t now_ns);

/* What time it is for people, whenever that may have changed; until then it is taken
 * for `now_ns`. */
void worker_core_set_clock(struct worker_core *core, uint64_t unix_ns, uint64_t now_ns);

/* The scheduler cannot be reached, whatever is tried: ends with exit status 1 and the
 * line. */
void worker_core_fail(struct worker_core *core, const char *line, uint64_t now_ns);

/* Call at worker_core_deadline, and at any other time. */
void worker_core_tick(struct worker_core *core, uint64_t now_ns);
uint64_t worker_core_deadline(const struct worker_core *core);

/* A job comes back, with its result.  The core owns it again. */
void worker_core_finished(struct worker_core *core, struct job *job, uint64_t now_ns);

/* A running job asks for `bytes` more for its result, and waits for WORKER_ROOM. */
void worker_core_room(struct worker_core *core, struct job *job, size_t bytes,
                      uint64_t now_ns);

/* File operations end.  `code` is 0 or an error with its line; the reference to the
 * payload is taken. */
void worker_core_written(struct worker_core *core, uint64_t file, int code,
                         const char *line, uint64_t now_ns);
void worker_core_read(struct worker_core *core, uint64_t file, struct payload *payload,
                      const char *line, uint64_t now_ns);

/* The plugin with this checksum is loaded, now or before; or `code` and `line` say why
 * not. */
void worker_core_loaded(struct worker_core *core, uint64_t checksum, int code,
                        const char *line, uint64_t now_ns);

/* What the operating system says the process takes. */
void worker_core_resident(struct worker_core *core, size_t bytes, uint64_t now_ns);

/* Leave in good order: data that only this worker has moves away first. */
void worker_core_retire(struct worker_core *core, uint64_t now_ns);

/* Leave now. */
void worker_core_leave(struct worker_core *core, const char *reason, uint64_t now_ns);

/* ---- looking ---- */

/* Whether the scheduler has said welcome since the last connection. */
bool worker_core_is_registered(const struct worker_core *core);

/* Whether it ends because the cluster does. */
bool worker_core_is_shut_down(const struct worker_core *core);

/* So much brought data waits for room that no more should be received for now. */
bool worker_core_is_full(const struct worker_core *core);

/* 0 when all invariants hold, else DUSK_E_INTERNAL and a line. */
int worker_core_check(const struct worker_core *core, struct err_text *text);

#endif
