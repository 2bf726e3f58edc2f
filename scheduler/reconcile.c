/* After a hello, scheduler and worker agree again on what it runs and holds. */
#include "scheduler/core.h"

struct said {
    struct map runs;      /* by attempt */
    struct map inventory; /* by key */
};

static int said_init(struct said *said, const struct msg_hello *hello, void *mark)
{
    map_init(&said->runs);
    map_init(&said->inventory);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < hello->running.count; i++)
        rc = map_put(&said->runs, hello->running.items[i].attempt, mark);
    for (size_t i = 0; rc == 0 && i < hello->inventory.count; i++)
        rc = map_put(&said->inventory, hello->inventory.items[i].key.bits, mark);
    return rc;
}

static void said_fini(struct said *said)
{
    map_fini(&said->runs);
    map_fini(&said->inventory);
}

/* What the worker runs and nobody wants is stopped (again). */
static void stop_unwanted(struct scheduler *scheduler, struct worker *worker,
                          const struct msg_hello *hello)
{
    worker_forget_stopped(worker);
    for (size_t i = 0; i < hello->running.count; i++) {
        const struct run *run = &hello->running.items[i];
        struct task *task = task_find(scheduler, run->key);
        if ((task && task->state == TASK_PROCESSING && task->worker == worker &&
             task->attempt == run->attempt) ||
            map_get(&worker->stopping, run->attempt))
            continue;
        if (!recovery_keep(scheduler, worker, run->key, run->attempt, 0))
            worker_stop_attempt(scheduler, worker, run->key, run->attempt);
    }
}

void worker_reconcile(struct scheduler *scheduler, struct worker *worker,
                      const struct msg_hello *hello)
{
    struct said said;
    if (said_init(&said, hello, worker) < 0) {
        said_fini(&said);
        peer_violated(scheduler, worker->peer, "no memory for what the worker holds");
        return;
    }
    recovery_forget(scheduler, worker);
    replicas_worker_gone(scheduler, worker);
    LIST_FOREACH (link, &worker->processing) {
        struct task *task = CONTAINER_OF(link, struct task, link);
        /* What it holds from an earlier attempt is in its inventory, and useful. */
        task->flags &= (uint8_t)~TASK_STALE_DATA;
        if (!map_get(&said.runs, task->attempt))
            task_attempt_over(scheduler, task);
    }
    stop_unwanted(scheduler, worker, hello);
    LIST_FOREACH (link, &worker->held.bonds) {
        struct bond *holder = CONTAINER_OF(link, struct bond, link);
        struct task *task = bond_task(holder);
        if (!map_get(&said.inventory, task->key.bits))
            task_not_located(scheduler, task, holder);
    }
    worker_inventory(scheduler, worker, hello->inventory);
    said_fini(&said);
    retire_heir_gone(scheduler, worker); /* what it was asked to fetch, too */
    if (worker->retirement)
        retire_begin(scheduler, worker, 0); /* and what it was told */
    placement_refill(scheduler, worker);
}
