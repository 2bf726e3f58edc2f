/* One daemon of an embedded cluster, as its parent, the keeper, sees it. */
#ifndef CLIENT_DAEMON_H
#define CLIENT_DAEMON_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DAEMON_ARGS_MAX 64
#define DAEMON_TAIL_BYTES 1024

struct daemon {
    char name[32];      /* "dusk-worker 3", for error lines */
    pid_t pid;          /* 0: not running; its process group has the same number */
    int64_t data_limit; /* bytes that the kernel lets it allocate; 0: as many as us */
    int ready_fd;       /* -1 once it is ready, or gone */
    bool ready;
    char address[128]; /* where it listens, once it is ready */
    int log_fd;        /* its standard error; -1 when that is ours, or closed */
    size_t tail_length;
    char tail[DAEMON_TAIL_BYTES]; /* the end of what it wrote there */
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

/* Runs `path` as the leader of a process group of its own, with --ready-fd, and with
 * its output in a pipe (or, with `show_log`, its standard error as ours).  It gets
 * SIGINT when this process ends. */
int daemon_start(struct daemon *daemon, const char *path, struct daemon_args *args,
                 bool show_log, struct err_text *error);

/* Reads the line "ready ADDRESS" when ready_fd can be read: 1 when it is complete,
 * 0 when more must come, DUSK_E_PROTOCOL for another line. */
int daemon_read_ready(struct daemon *daemon, struct err_text *error);

/* Reads what there is when log_fd can be read, and keeps the end of it. */
void daemon_read_log(struct daemon *daemon);

/* "dusk-worker 3 ended with exit code 1: LAST LINES", from its wait status and what
 * it wrote last. */
void daemon_describe_end(struct daemon *daemon, int status, struct err_text *error);

/* Appends ": LAST LINES" to a line about the daemon. */
void daemon_append_log(struct daemon *daemon, struct err_text *error);

#endif
