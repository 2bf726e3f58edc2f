/* The socket around the scheduler's core: batches in, batches out, and the log.  One
 * thread; many messages are read a turn, and each peer is sent one. */
#ifndef SCHEDULER_SHELL_H
#define SCHEDULER_SHELL_H

#include "common/err.h"
#include "common/log.h"
#include "scheduler/scheduler.h"

struct shell_options {
    const char *host;
    unsigned port;    /* 0: any that is free */
    int ready_fd;     /* told the address when it is listened at; -1: nobody */
    bool check;       /* check all invariants after every event */
    const char *keys; /* the directory (proto/keys.h), read again on SIGHUP; or NULL */
    const char *journal; /* a file that outlives it; NULL: none */
    struct scheduler_config config;
};

/* Serves until SIGINT or SIGTERM: 0 then, an error with a line if it cannot start or
 * go on.  Borrows everything. */
int shell_run(const struct shell_options *options, struct log *log,
              struct err_text *text);

#endif
