/* The cluster's end, when a client asks for it: workers are told, and when they have
 * left the client is. */
#ifndef SCHEDULER_SHUTDOWN_H
#define SCHEDULER_SHUTDOWN_H

#include "scheduler/timers.h"

#include <stdbool.h>

struct client;
struct worker;

struct shutdown {
    bool begun, ended;
    uint64_t client, request; /* who is told */
    struct timer timer;       /* for workers that do not leave */
};

void shutdown_begin(struct scheduler *scheduler, const struct client *client,
                    uint64_t request);

/* Tells a worker that says hello meanwhile. */
void shutdown_tell(struct scheduler *scheduler, struct worker *worker);

/* A worker has left: the last one ends it. */
void shutdown_advance(struct scheduler *scheduler);

#endif
