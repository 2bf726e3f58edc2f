#include "scheduler/core.h"

#include <stdlib.h>

/* Copies named for one input: enough to try another when one cannot be reached. */
#define SOURCES_MAX 4
/* Copies from which these are chosen. */
#define HOLDERS_MAX 16

static int sources_reserve(struct scheduler *scheduler, size_t count)
{
    if (count <= scheduler->source_capacity)
        return 0;
    size_t capacity = scheduler->source_capacity ? scheduler->source_capacity : 16;
    while (capacity < count)
        capacity *= 2;
    void *sources = realloc(scheduler->sources, capacity * sizeof *scheduler->sources);
    if (!sources)
        return DUSK_E_NOMEM;
    scheduler->sources = sources;
    scheduler->source_capacity = capacity;
    return 0;
}

static size_t source_write(struct scheduler *scheduler, size_t at,
                           const struct task *task, const struct worker *worker)
{
    scheduler->sources[at] = (struct source){
        .key = task->key, .nbytes = task->nbytes, .address = str_of(worker->address)};
    return at + 1;
}

/* The asking worker itself comes first if it holds the data; then others, beginning
 * with a different one each time so that they share the load; silent ones last. */
static size_t sources_write(struct scheduler *scheduler, size_t at,
                            const struct task *task, const struct worker *asking)
{
    const struct worker *others[HOLDERS_MAX];
    size_t first = at, count = 0;
    if (asking && bond_find(task, &asking->held))
        at = source_write(scheduler, at, task, asking);
    BONDS_FOREACH (holder, task, BOND_HOLDER)
        if (holder_worker(holder) != asking && count < HOLDERS_MAX)
            others[count++] = holder_worker(holder);
    for (int silent = 0; silent <= 1; silent++) {
        for (size_t i = 0; i < count; i++) {
            const struct worker *worker = others[(i + scheduler->attempts) % count];
            if (worker->silent == (bool)silent && at - first < SOURCES_MAX)
                at = source_write(scheduler, at, task, worker);
        }
    }
    return at;
}

int sources_of_inputs(struct scheduler *scheduler, const struct task *task,
                      const struct worker *worker, field_sources *ret_sources)
{
    int rc = sources_reserve(scheduler, (size_t)task->edge_count * SOURCES_MAX);
    if (rc < 0)
        return rc;
    size_t count = 0;
    for (uint32_t i = 0; i < task->edge_count; i++)
        count = sources_write(scheduler, count, task->edges[i].dependency, worker);
    *ret_sources = (field_sources){scheduler->sources, count};
    return 0;
}

int sources_of(struct scheduler *scheduler, const struct task *task,
               const struct worker *worker, field_sources *ret_sources)
{
    int rc = sources_reserve(scheduler, SOURCES_MAX);
    if (rc < 0)
        return rc;
    *ret_sources =
        (field_sources){scheduler->sources, sources_write(scheduler, 0, task, worker)};
    return 0;
}
