/* One daemon of an embedded cluster, as its parent, the keeper, sees it. */
#ifndef CLIENT_DAEMON_H
#define CLIENT_DAEMON_H

#include "common/err.h"

#include <stdbool.h>
#include <sys/types.h>

#define DAEMON_ARGS_MAX 64

struct daemon {
    char name[32]; /* "dusk-worker 3", for error lines */
    pid_t pid;     /* 0: not running; its process group has the same number */
    int ready_fd;  /* -1 once it is ready, or gone */
    bool ready;
    char address[128];    /* where it listens, once it is ready */
    const char *log_path; /* borrowed; NULL when it writes to our standard error */
};

/* The arguments of a daemon, put together piece by piece. */
struct daemon_args {
    int count;
    bool overflow;
    char *items[DAEMON_ARGS_MAX + 1]; /* owned */
};

void daemon_args_add(struct daemon_args *args, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void daemon_args_fini(struct daemon_args *args);

/* Runs `path` with standard error in the log, as the leader of a process group of
 * its own; it is killed when this process ends.  Adds --ready-fd. */
int daemon_start(struct daemon *daemon, const char *path, struct daemon_args *args,
                 struct err_text *error);

/* Reads the line "ready ADDRESS" when ready_fd can be read: 1 when it is complete,
 * 0 when more must come, DUSK_E_PROTOCOL for another line. */
int daemon_read_ready(struct daemon *daemon, struct err_text *error);

/* What the daemon's wait status and log say about its end: "dusk-worker 3 ended
 * with exit code 1: LAST LINES". */
void daemon_describe_end(const struct daemon *daemon, int status,
                         struct err_text *error);

/* Appends ": LAST LINES" of its log to a line about it. */
void daemon_append_log(const struct daemon *daemon, struct err_text *error);

#endif
