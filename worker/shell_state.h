/* What the two halves of the worker's shell share: shell.c runs the loop and does what
 * the core wants done here, shell_peers.c has the sockets. */
#ifndef WORKER_SHELL_STATE_H
#define WORKER_SHELL_STATE_H

#include "common/loop.h"
#include "proto/curve.h"
#include "proto/zap.h"
#include "worker/executor.h"
#include "worker/files.h"
#include "worker/shell.h"

/* A connection that the core asked for: a DEALER of its own. */
struct dialed {
    struct shell *shell;
    struct peer_id peer;
    void *socket;
    void *monitor;
    bool connected;
    bool lasting; /* to the scheduler: ZeroMQ connects again by itself */
};

/* Somebody who connected to the data socket. */
struct visitor {
    struct peer_id peer;
    struct identity identity;
    int fd;                   /* over which its last message came, -1 if unknown */
    char key[KEY_TEXT_BYTES]; /* that it has shown; "" without keys */
    uint64_t seen_ns;
};

struct shell {
    const struct shell_config *config;
    struct registry *registry;
    struct log *log;
    struct loop loop;
    void *context;
    void *data;
    void *data_monitor;
    struct members members; /* who may connect to it */
    struct zap zap;
    struct curve_record record; /* of connections to the scheduler */
    char address[300];
    struct worker_core *core;
    struct executor *executor;
    struct files *files;
    struct map dialed;   /* by peer number */
    struct map visitors; /* by peer number */
    struct map by_ident; /* visitors by identity */
    uint32_t last_visitor;
    uint64_t retry_at_ns; /* lanes wait for a full queue; 0: none */
    uint64_t resident_at_ns;
    uint64_t sweep_at_ns;
    struct list stuck;    /* lanes that could not be sent */
    struct list starting; /* jobs, for the executor */
    bool told_ready;
    bool retiring;
    bool ended;
    int status;
};

int peers_open(struct shell *shell, struct err_text *text);
void peers_close(struct shell *shell);

/* Connects; what fails is told to the core. */
void peers_dial(struct shell *shell, struct peer_id peer, const char *address);
void peers_hangup(struct shell *shell, struct peer_id peer);

/* Takes the list of those who may connect; whoever else is here has to go. */
void peers_admit(struct shell *shell, struct members *members);

/* Sends what waits for anybody; what cannot be sent now waits for a connection or for
 * a moment. */
void peers_flush(struct shell *shell);

/* Receives from the data socket, or not while brought data wait for room: then whoever
 * brings more has to wait too. */
void peers_listen(struct shell *shell);

/* Tries again what could not be sent, and forgets visitors that have long been quiet:
 * they are numbered anew when they come back. */
void peers_tick(struct shell *shell, uint64_t now_ns);

#endif
