/* The client's core: futures, what the scheduler was told of them, and the ways of
 * their results.  Pure: no socket, clock, thread or random source.  Events come in
 * with the time; messages go to the outbox, and the shell pulls actions.  One thread
 * at a time.
 *
 * The core numbers its connections itself, since it opens all of them: one to the
 * scheduler, and one to each worker that data are fetched from or brought to.  When
 * client_core_message fails, the shell says client_core_peer_gone for that peer: a
 * new connection starts from what the futures say. */
#ifndef CLIENT_CORE_H
#define CLIENT_CORE_H

#include "client/future.h"
#include "common/err.h"
#include "proto/outbox.h"

struct client_config {
    uint64_t epoch; /* random, of this life of the program */
    uint64_t seed;  /* of the client numbers that it proposes */
    uint64_t pid;
    const char *name;    /* copied */
    const char *address; /* of the scheduler, copied */
};

enum client_action_type { CLIENT_CONNECT, CLIENT_CLOSE, CLIENT_NOTE };

struct client_action {
    struct list link;
    enum client_action_type type;
    struct peer_id peer;
    const char *address; /* of CONNECT, borrowed from the core */
    enum dusk_log_level level;
    char line[]; /* of NOTE */
};

enum client_link {
    LINK_DOWN,    /* no connection is open */
    LINK_HELLO,   /* hello is on its way */
    LINK_UP,      /* welcome */
    LINK_REFUSED, /* for good */
    LINK_CLOSED,  /* the program left */
};

enum client_question_kind {
    ASK_STATUS,
    ASK_WHY,     /* is the task `key` where it is? */
    ASK_WHY_ALL, /* do those wait that do? */
    ASK_PUBLISH,
    ASK_UNPUBLISH,
    ASK_GET_PUBLISHED,
    ASK_SHUTDOWN, /* that the cluster end: has it? */
};

/* A question to the scheduler that has one answer. */
struct client_question {
    struct list link;
    uint64_t request;
    uint32_t session; /* in which it was asked; 0: not yet */
    enum client_question_kind kind;
    struct task_key key;
    const char *name; /* of what is published; borrowed like the keys */
    field_keys keys;
    bool answered;
    int code; /* of an answer that may be an error, with its line in `reason` */
    struct dusk_future **futures; /* owned by whoever asked, one reference each */
    size_t future_count;
    struct dusk_cluster *cluster; /* owned by whoever asked, like reason */
    char *reason;                 /* a line; of ASK_WHY_ALL lines */
};

/* A plugin for all workers.  Each scheduler is told once, in one session after the
 * other until it answers. */
struct client_upload {
    struct list link;
    uint64_t request;
    uint32_t session;       /* in which it was told; 0: not yet */
    uint64_t epoch;         /* of the scheduler that answered last */
    bool answered;          /* by any */
    int code;               /* the first answer */
    struct err_text text;   /* its line */
    char *name;             /* owned */
    struct payload *plugin; /* reference */
};

struct client_core {
    void *owner; /* the shell's, never looked at */
    uint64_t epoch, seed, pid;
    uint64_t unix_offset_ns; /* Unix time less now_ns */
    char *name;
    uint64_t number; /* the upper part of its keys */
    uint64_t key_count;
    uint64_t next_request;
    uint32_t next_peer;

    struct client_site *scheduler;
    enum client_link link;
    int refusal;
    struct err_text refusal_text;
    uint32_t session; /* counts welcomes */
    uint64_t scheduler_epoch;
    uint64_t heartbeat_ns;
    uint64_t tick_ns;
    uint64_t heard_ns;     /* last message of the scheduler */
    uint64_t alive_due_ns; /* next heartbeat */
    uint64_t reopen_ns;    /* when to try a new connection */
    uint64_t gone_ns;      /* since when the scheduler is gone; 0: it is there */
    uint64_t gone_note_ns; /* when to say so */
    bool blocked;          /* the outbox was full, or memory short */

    struct outbox outbox;
    struct list actions;
    struct map by_key;                 /* struct dusk_future */
    struct list futures;               /* the same, oldest first */
    struct list queues[FUTURE_QUEUES]; /* by enum future_queue */
    size_t queue_count;                /* in all of them */
    struct buf released[2]; /* keys, since the last heartbeat and since that before */
    uint64_t heartbeats;
    bool heartbeat_answered; /* the last one, in this session */
    struct list questions;
    struct list uploads; /* owned */
    struct list garbage; /* futures on their way to free() */

    struct map sites;    /* struct client_site, by hash of the address */
    struct map peers;    /* the same, by peer number */
    struct map requests; /* struct client_transfer, those ASKED */
    struct list waiting; /* struct client_transfer, by state */
    struct list looking;
    struct list resting;
    struct list stored;

    uint64_t late; /* messages about what is over */
};

/* ---- life ---- */

int client_core_create(const struct client_config *config, uint64_t now_ns,
                       struct client_core **ret_core);

/* Says bye and ends all futures: what remains is reading and releasing them. */
void client_core_close(struct client_core *core);

/* Once the last future was released. */
void client_core_destroy(struct client_core *core);

/* ---- events ---- */

int client_core_message(struct client_core *core, struct peer_id peer,
                        const struct message *message, uint64_t now_ns,
                        struct err_text *text);
void client_core_connected(struct client_core *core, struct peer_id peer,
                           uint64_t now_ns);
/* What time it is for people, whenever that may have changed; until then it is taken
 * for `now_ns`. */
void client_core_set_clock(struct client_core *core, uint64_t unix_ns, uint64_t now_ns);

/* The scheduler will not have this client, or cannot be reached whatever is tried: what
 * is not here fails, and no connection is tried again. */
void client_core_refuse(struct client_core *core, int code, const char *line);
void client_core_peer_gone(struct client_core *core, struct peer_id peer,
                           uint64_t now_ns);
void client_core_tick(struct client_core *core, uint64_t now_ns);
uint64_t client_core_next_deadline(const struct client_core *core);

/* Puts what is to be told into the outbox, as far as that has room: before the shell
 * looks into it, and again when it has sent something. */
void client_core_fill(struct client_core *core, uint64_t now_ns);

/* Returns an owned action, for free(), or NULL. */
struct client_action *client_core_next_action(struct client_core *core);

bool client_core_is_scheduler(const struct client_core *core, struct peer_id peer);

/* ---- what programs ask for ---- */

/* Makes a future with one reference of the program; takes the spec on success. */
int client_core_submit(struct client_core *core, struct future_spec *spec,
                       struct dusk_future **ret_future);
void client_core_cancel(struct client_core *core, struct dusk_future *future);

/* A future for a task that get_published has named, which the scheduler is told to want
 * for longer than this connection; what is held under that key gets one more reference.
 * `what` names it. */
int client_core_adopt(struct client_core *core, struct task_key key, struct str what,
                      struct dusk_future **ret_future);

/* Has so many copies of the result kept. */
void client_core_replicate(struct client_core *core, struct dusk_future *future,
                           unsigned copies);

/* Starts to bring the result here, unless it is here or on its way. */
int client_core_fetch(struct client_core *core, struct dusk_future *future,
                      uint64_t now_ns);

/* The address of the worker that has the result, borrowed; "" when none is known. */
const char *client_core_place(const struct dusk_future *future);

/* Asks; the question is the caller's until it is answered or taken back. */
void client_core_ask(struct client_core *core, struct client_question *question);
void client_core_take_back(struct client_core *core, struct client_question *question);

/* Uploads a plugin; takes the reference to it on success.  What was answered with
 * success stays until the core is closed, for schedulers that come after this one. */
int client_core_upload(struct client_core *core, const char *name,
                       struct payload *plugin, struct client_upload **ret_upload);
void client_core_upload_end(struct client_upload *upload);

/* Checks what must hold between the parts above; DUSK_E_INTERNAL with a line. */
int client_core_check(const struct client_core *core, struct err_text *text);

#endif
