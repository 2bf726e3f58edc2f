/* Snapshots of z over a run in bounded memory: when the room is used up, every
 * second one goes and the next ones are taken half as often. */
#ifndef CLIENT_ADMM_TRACE_H
#define CLIENT_ADMM_TRACE_H

#include "client/admm.h"

#include <stdbool.h>

struct admm_trace {
    int64_t columns;
    int64_t capacity;
    int64_t count;
    int64_t stride;            /* updates between two snapshots */
    int64_t due;               /* updates at which the next one is taken */
    struct admm_point *points; /* z unset: snapshot k is at z + k * columns */
    double *z;
};

int trace_init(struct admm_trace *trace, int64_t columns, int64_t capacity);
void trace_fini(struct admm_trace *trace);

static inline bool trace_is_due(const struct admm_trace *trace, int64_t updates)
{
    return updates >= trace->due;
}

/* Keeps a copy of the point, due or not; a second one at the same number of
 * updates replaces the first. */
void trace_add(struct admm_trace *trace, const struct admm_point *point);

#endif
