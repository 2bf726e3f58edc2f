#include "client/admm_trace.h"

#include <stdlib.h>
#include <string.h>

int trace_init(struct admm_trace *trace, int64_t columns, int64_t capacity)
{
    *trace = (struct admm_trace){.columns = columns, .capacity = capacity, .stride = 1};
    trace->points = calloc((size_t)capacity, sizeof *trace->points);
    trace->z = malloc((size_t)(capacity * columns) * sizeof *trace->z);
    return trace->points && trace->z ? 0 : DUSK_E_NOMEM;
}

void trace_fini(struct admm_trace *trace)
{
    free(trace->points);
    free(trace->z);
    *trace = (struct admm_trace){0};
}

static void put(struct admm_trace *trace, int64_t to, const struct admm_point *point,
                const double *z)
{
    trace->points[to] = *point;
    memmove(trace->z + to * trace->columns, z, (size_t)trace->columns * sizeof *z);
}

static void thin(struct admm_trace *trace)
{
    int64_t kept = 0;
    for (int64_t k = 0; k < trace->count; k += 2, kept++)
        put(trace, kept, &trace->points[k], trace->z + k * trace->columns);
    trace->count = kept;
    trace->stride *= 2;
}

void trace_add(struct admm_trace *trace, const struct admm_point *point)
{
    int64_t last = trace->count - 1;
    if (last >= 0 && trace->points[last].updates == point->updates) {
        put(trace, last, point, point->z);
        return;
    }
    if (trace->count == trace->capacity)
        thin(trace);
    put(trace, trace->count++, point, point->z);
    trace->due = point->updates + trace->stride;
}
