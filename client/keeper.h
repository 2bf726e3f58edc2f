/* The keeper of an embedded cluster (client/cluster.h): what runs in the process
 * between the program and the daemons. */
#ifndef CLIENT_KEEPER_H
#define CLIENT_KEEPER_H

#include "client/cluster.h"

/* What the program says before the fork. */
struct keeper_plan {
    const struct cluster_options *options; /* with all defaults filled in */
    const char *scheduler_path, *worker_path;
    const char
        *keys_directory; /* to be removed in the end, if it is still there; or "" */
    int control_fd;      /* a SOCK_SEQPACKET; the end of its input means: stop */
};

/* What the keeper says to the program, one packet each. */
enum keeper_event {
    KEEPER_STARTED, /* a daemon runs: index, pid */
    KEEPER_READY,   /* all are ready: text is the scheduler's address */
    KEEPER_FAILED,  /* they did not come up: code, text is the error line */
    KEEPER_ENDED,   /* a daemon ended before it was asked to: index, text */
    KEEPER_STOPPED, /* all are gone: index is how many had to be killed */
};

struct keeper_message {
    enum keeper_event event;
    int index; /* 0 is the scheduler, worker i is i + 1 */
    int code;
    pid_t pid;
    char text[512];
};

/* Turns the calling process, fresh from fork(), into the keeper. */
_Noreturn void keeper_run(const struct keeper_plan *plan);

#endif
