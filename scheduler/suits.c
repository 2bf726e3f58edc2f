/* Which workers may run a task, or take scattered data, at all. */
#include "scheduler/core.h"

#include <string.h>

uint64_t placement_bytes(const struct task *task)
{
    uint64_t bytes = task->function ? 0 : task->nbytes;
    for (uint32_t i = 0; i < task->edge_count; i++)
        bytes += task->edges[i].dependency->nbytes;
    return bytes;
}

bool placement_fits(const struct worker *worker, uint64_t bytes)
{
    return worker->memory_limit == 0 || bytes <= worker->memory_limit;
}

bool placement_suits(const struct task *task, uint64_t bytes,
                     const struct worker *worker)
{
    const char *name = task_restriction(task);
    return (!name || strcmp(name, worker->name) == 0) &&
           placement_fits(worker, bytes) && demand_suits(task_demand(task), worker);
}

struct heap_link *placement_first_of(const struct demand *demand,
                                     const struct worker *worker)
{
    struct heap_link *first = heap_first(&demand->queue);
    if (!first || !demand_fits(demand, worker))
        return NULL;
    const struct task *task = CONTAINER_OF(first, struct task, queue);
    return placement_suits(task, placement_bytes(task), worker) ? first : NULL;
}

/* Most tasks suit every worker, and are not held against each of them. */
static bool suits_all(const struct scheduler *scheduler, const struct task *task,
                      uint64_t bytes)
{
    return !task_restriction(task) && !task_demand(task) &&
           bytes <= scheduler->least_memory;
}

static bool suits_one(const struct scheduler *scheduler, const struct task *task,
                      uint64_t bytes)
{
    LIST_FOREACH (link, &scheduler->workers) {
        const struct worker *worker = CONTAINER_OF(link, struct worker, link);
        if (worker_takes_work(worker) && placement_suits(task, bytes, worker))
            return true;
    }
    return false;
}

bool placement_possible(const struct scheduler *scheduler, const struct task *task)
{
    const char *name = task_restriction(task);
    uint64_t bytes = placement_bytes(task);
    if (scheduler->recovery.running && !task->worker)
        return false;
    if (!task->function && task->worker)
        return true;
    if (suits_all(scheduler, task, bytes))
        return task->function ? scheduler->worker_count > 0
                              : scheduler->working_count > 0;
    if (!name || task_demand(task))
        return suits_one(scheduler, task, bytes);
    /* One that is paused or silent may have to come back for its inputs' sake. */
    const struct worker *worker = worker_by_name(scheduler, str_of(name));
    return worker && placement_fits(worker, bytes);
}

void placement_measure(struct scheduler *scheduler)
{
    scheduler->least_memory = UINT64_MAX;
    LIST_FOREACH (link, &scheduler->workers) {
        const struct worker *worker = CONTAINER_OF(link, struct worker, link);
        if (worker->memory_limit && worker->memory_limit < scheduler->least_memory)
            scheduler->least_memory = worker->memory_limit;
    }
}
