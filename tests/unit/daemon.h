/* Real dusk-worker processes under a scheduler that the test plays itself: one ROUTER,
 * and messages written and read one by one. */
#ifndef TESTS_UNIT_DAEMON_H
#define TESTS_UNIT_DAEMON_H

#include "proto/link.h"

#include <sys/types.h>

#define DAEMON_WORKERS 4

/* The scheduler's end of one worker, by its data address. */
struct daemon_peer {
    struct identity identity;
    char address[128];
    uint64_t epoch;
};

struct daemon_play {
    void *context;
    void *router;
    char address[128];
    struct daemon_peer peers[DAEMON_WORKERS];
    int peer_count;
    pid_t pids[DAEMON_WORKERS];
    int pid_count;
    struct batch out;
    /* The message that daemon_expect found; borrowed until the next call. */
    struct delivery delivery;
    bool has_delivery;
    struct message message;
    int from; /* which peer sent it */
};

void daemon_start(struct daemon_play *play);
/* The scheduler dies, and another comes up at the same address. */
void daemon_leave(struct daemon_play *play);
void daemon_return(struct daemon_play *play);
void daemon_restart(struct daemon_play *play); /* both */
/* Kills what still runs. */
void daemon_stop(struct daemon_play *play);

/* Starts a worker with these further arguments (ending with NULL); returns its pid. */
pid_t daemon_worker(struct daemon_play *play, const char *const *arguments);

/* Reads messages until one of this type comes, answering hellos and heartbeats; fails
 * the test after 20 s. */
const struct message *daemon_expect(struct daemon_play *play, enum message_type type);

void daemon_send(struct daemon_play *play, int peer, const struct message *message);

/* The exit status of a worker as wait(2) tells it; fails the test after 20 s. */
int daemon_wait(struct daemon_play *play, pid_t pid);

#endif
