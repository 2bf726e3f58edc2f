/* The invariants of a cluster, all of them: a sentence each, and the function that
 * checks it.  The cores check most of what is inside one process; what lies between
 * processes is checked here.
 *
 * Each event is followed by the checks of the process that it happened to, by those
 * between it and the others, and by nothing else: what did not happen changed nothing.
 * Graphs are small enough for that. */
#include "tests/sim/invariants.h"

#include "client/core_parts.h"
#include "tests/sim/network.h"
#include "tests/sim/views.h"
#include "tests/sim/workload.h"

#include <stdio.h>
#include <stdlib.h>

struct invariants {
    struct map futures[PROCESSES_MAX]; /* last state + 1 by key, as a pointer */
};

typedef int check_fn(struct world *world, struct process *process,
                     struct err_text *text);

/* ---- inside one process ---- */

static int check_core(struct world *world, struct process *process,
                      struct err_text *text)
{
    return process->kind->check(process, text);
}

/* ---- between the scheduler and a worker ---- */

static int
check_worker(struct world *world, struct process *process, struct err_text *text,
             int (*check)(struct process *, struct process *, struct err_text *))
{
    struct process *scheduler = world_scheduler(world);
    for (unsigned i = 0; i < world->worker_count; i++) {
        struct process *worker = world_worker(world, i);
        if (process != scheduler && process != worker)
            continue;
        if (!view_is_settled(scheduler, worker))
            continue;
        int rc = check(scheduler, worker, text);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int check_who_has(struct world *world, struct process *process,
                         struct err_text *text)
{
    return check_worker(world, process, text, view_who_has);
}

static int check_processing(struct world *world, struct process *process,
                            struct err_text *text)
{
    return check_worker(world, process, text, view_processing);
}

/* ---- clients ---- */

static int check_wants(struct world *world, struct process *process,
                       struct err_text *text)
{
    struct process *scheduler = world_scheduler(world);
    for (unsigned i = 0; i < world->client_count; i++) {
        struct process *client = world_client(world, i);
        if (process != scheduler && process != client)
            continue;
        int rc = view_wants(scheduler, client, text);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Data that nobody here wants are opened again when all is told to a scheduler. */
static bool may_follow(unsigned before, const struct dusk_future *future)
{
    unsigned after = future->state;
    if (before == FUTURE_PENDING || (after == FUTURE_PENDING && future->wanted == 0))
        return true;
    if (before == FUTURE_HERE)
        return after == FUTURE_CANCELLED;
    return before == FUTURE_AWAY && after != FUTURE_PENDING;
}

/* What was released is not seen any more: the key may come again, as something that was
 * published. */
static void seen_prune(struct map *seen, const struct client_core *core)
{
    struct map left;
    map_init(&left);
    LIST_FOREACH (link, &core->futures) {
        struct task_key key = CONTAINER_OF(link, struct dusk_future, all)->key;
        void *known = map_get(seen, key.bits);
        if (known && map_put(&left, key.bits, known) < 0)
            abort();
    }
    map_fini(seen);
    *seen = left;
}

static int check_futures(struct world *world, struct process *process,
                         struct err_text *text)
{
    if (process->kind != &client_kind)
        return 0;
    struct map *seen = &world->invariants->futures[process->index];
    const struct client_core *core = client_core_of(process);
    if (!core) {
        map_fini(seen);
        map_init(seen);
        return 0;
    }
    if (seen->count > core->by_key.count)
        seen_prune(seen, core);
    LIST_FOREACH (link, &core->futures) {
        const struct dusk_future *future = CONTAINER_OF(link, struct dusk_future, all);
        void *known = map_get(seen, future->key.bits);
        unsigned before = known ? (unsigned)(uintptr_t)known - 1 : FUTURE_PENDING;
        if (before == future->state)
            continue;
        if (!may_follow(before, future))
            return err_set(text, DUSK_E_INTERNAL, "%s went from state %u to %u",
                           future_name(future).text, before, future->state);
        if (map_put(seen, future->key.bits, (void *)(uintptr_t)(future->state + 1u)) <
            0)
            abort();
    }
    return 0;
}

/* ---- the table ---- */

static const struct {
    const char *sentence;
    const char *where;
    check_fn *check; /* NULL: by the one before */
} table[] = {
    {"What is counted is there: inputs missing, dependents, processing, held bytes, "
     "wants, queues.",
     "scheduler_check", check_core},
    {"A task is in the state that the facts ask for, in one list of that state, and in "
     "no other.",
     "scheduler_check", NULL},
    {"A worker is sent no more than its threads and credits allow, and none idles "
     "while there is something for it.",
     "scheduler_check", NULL},
    {"Who holds what is told alike from both sides, inside the scheduler.",
     "scheduler_check", NULL},
    {"The memory that a store counts is that of the payloads it holds and of what is "
     "reserved.",
     "worker_core_check", NULL},
    {"An attempt is in one state, its inputs are here or wanted, and pins are counted.",
     "worker_core_check", NULL},
    {"A future is referred to as often as it counts, waits in the queue that it names, "
     "and nobody waits for one that is done.",
     "client_core_check", NULL},
    {"Who has what: with nothing in flight between them, the scheduler and a worker "
     "name the same data.",
     "view_who_has", check_who_has},
    {"Nothing is in processing on a worker that does not know of it, nor the reverse.",
     "view_processing", check_processing},
    {"With nothing in flight between them, the scheduler keeps for a client only what "
     "that wants.",
     "view_wants", check_wants},
    {"A future resolves once: from pending, from away to here or lost, or is "
     "cancelled.",
     "check_futures", check_futures},
    {"One result of a task is accepted, that of the current attempt.",
     "view_message_before, view_message_after", NULL},
    {"ADMM applies each (chunk, version) once.", "__wrap_admm_arrive", NULL},
    {"A finished future has the right value; a failed one a code that its history "
     "allows.",
     "the programs (workload_*.c)", NULL},
    {"What is published stays so until it is unpublished, and its copies are made "
     "anew, "
     "whoever dies.",
     "workload_keep.c", NULL},
    {"No worker runs more tasks that need a resource than it has of that.",
     "check_resources", NULL},
    {"A task fails as DEADLINE when its time is up, as KILLED when as many workers "
     "have "
     "died as its error names.",
     "workload_graph.c, program_may_fail", NULL},
    {"Once faults have ended every program comes to its end in bounded time.",
     "invariants_tell_hang", NULL},
    {"When all programs are over nothing is left: no task, no data, no file.",
     "invariants_all_is_free", NULL},
};

void invariants_print(void)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        printf("%2zu. %s\n    (%s)\n", i + 1, table[i].sentence, table[i].where);
}

void invariants_process(struct world *world, struct process *process)
{
    struct err_text text;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (process->alive && table[i].check &&
            table[i].check(world, process, &text) < 0)
            world_wrong(world, "%s: %s", process->name, text.line);
}

void invariants_init(struct world *world)
{
    world->invariants = calloc(1, sizeof *world->invariants);
    if (!world->invariants)
        abort();
    for (unsigned i = 0; i < PROCESSES_MAX; i++)
        map_init(&world->invariants->futures[i]);
}

void invariants_fini(struct world *world)
{
    for (unsigned i = 0; i < PROCESSES_MAX; i++)
        map_fini(&world->invariants->futures[i]);
    free(world->invariants);
}

/* ---- the end ---- */

bool invariants_all_is_free(struct world *world)
{
    if (!world_scheduler(world)->alive || view_task_count(world_scheduler(world)) > 0)
        return false;
    for (unsigned i = 0; i < world->worker_count; i++) {
        struct process *worker = world_worker(world, i);
        if (!worker->alive || !worker_process_is_idle(worker))
            return false;
    }
    return true;
}

void invariants_tell_hang(struct world *world)
{
    for (unsigned i = 0; i < world->client_count; i++) {
        struct process *client = world_client(world, i);
        const struct client_core *core = client->alive ? client_core_of(client) : NULL;
        if (client->alive && client_process_is_over(client))
            continue;
        char line[300] = "is not running";
        if (client->alive)
            snprintf(line, sizeof line, "%s", client_process_doing(client));
        if (core)
            LIST_FOREACH (link, &core->futures) {
                const struct dusk_future *future =
                    CONTAINER_OF(link, struct dusk_future, all);
                if (future->state > FUTURE_AWAY || !future->wanted)
                    continue;
                char why[160];
                view_why(world_scheduler(world), future->key, why, sizeof why);
                world_wrong(world, "%s hangs (%.100s): %s is %s; %s", client->name,
                            line, future_name(future).text,
                            future->state == FUTURE_AWAY ? "away" : "pending", why);
            }
        world_wrong(world, "%s hangs: %s", client->name, line);
    }
    world_wrong(world, "nothing happens any more");
}

void invariants_tell_left(struct world *world)
{
    view_tell_left(world);
}
