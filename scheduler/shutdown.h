/* The cluster's end, when a client asks for it: workers are told, when they have left
 * the client is, and when that has left too the scheduler ends. */
#ifndef SCHEDULER_SHUTDOWN_H
#define SCHEDULER_SHUTDOWN_H

#include "scheduler/timers.h"

#include <stdbool.h>

struct client;
struct worker;

struct shutdown {
    bool begun, answered, ended;
    uint64_t client, request; /* who is answered */
    struct timer timer;       /* for those who do not leave */
};

void shutdown_begin(struct scheduler *scheduler, const struct client *client,
                    uint64_t request);

/* Tells a worker that says hello meanwhile. */
void shutdown_tell(struct scheduler *scheduler, struct worker *worker);

/* After every event: somebody may have left. */
void shutdown_advance(struct scheduler *scheduler);

#endif
