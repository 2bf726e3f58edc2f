/* Connections that were accepted and of whose owners nothing is known yet.  They cost a
 * descriptor and memory of ZeroMQ's, so that they have STRANGER_NS to say a hello that
 * is welcome, and there are LIMIT_STRANGERS of them at most: the oldest make room. */
#ifndef SCHEDULER_STRANGERS_H
#define SCHEDULER_STRANGERS_H

#include "proto/limits.h"

#include <stdbool.h>
#include <stdint.h>

#define STRANGER_NS UINT64_C(15000000000) /* longer than a handshake may take */

struct strangers {
    struct stranger {
        int fd;
        uint64_t since_ns;
    } items[LIMIT_STRANGERS]; /* the oldest first */
    unsigned count;
};

/* Whoever is the oldest is to be taken out before there are too many. */
static inline bool strangers_are_full(const struct strangers *strangers)
{
    return strangers->count == LIMIT_STRANGERS;
}

void strangers_add(struct strangers *strangers, int fd, uint64_t now_ns);

/* The connection is gone; harmless when it is not among them. */
void strangers_remove(struct strangers *strangers, int fd);

/* When the time of the oldest is over; UINT64_MAX when there is none. */
uint64_t strangers_deadline(const struct strangers *strangers);

/* Takes out the oldest. */
int strangers_take(struct strangers *strangers);

#endif
