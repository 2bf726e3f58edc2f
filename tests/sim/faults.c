#include "tests/sim/faults.h"
#include "tests/failing_allocator.h"

#include "tests/sim/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BREAK_NS (20 * NS_PER_S) /* cut off for so long, connections break */

/* ---- which process, which connection ---- */

static uint64_t pick(struct world *world, uint64_t below)
{
    return world_random(world, CHANCE_HARM, below);
}

static struct process *some_process(struct world *world)
{
    return &world->processes[pick(world, world->process_count)];
}

static struct process *some_worker(struct world *world)
{
    return world_worker(world, (unsigned)pick(world, world->worker_count));
}

static struct conn *some_conn(struct world *world)
{
    if (world->conns.count == 0)
        return NULL;
    for (int i = 0; i < 20; i++) {
        struct conn *conn = map_get(&world->conns, 1 + pick(world, world->conn_count));
        if (conn)
            return conn;
    }
    return NULL;
}

/* Mostly short, sometimes long. */
static uint64_t some_time(struct world *world, uint64_t most_ns)
{
    return NS_PER_MS + pick(world, pick(world, 4) ? most_ns / 8 : most_ns);
}

/* ---- starting again ---- */

static void fire_start(struct world *world, struct event *event)
{
    struct process *process = &world->processes[event->a];
    if (!process->alive)
        process_start(process);
}

void faults_restart(struct process *process, uint64_t delay_ns)
{
    struct world *world = process->world;
    uint64_t more_ns = 200 * NS_PER_MS + pick(world, 2 * NS_PER_S);
    world_after(world, delay_ns + more_ns, fire_start, NULL)->a = process->index;
}

/* A nanny that saw the death tells it; a host that went down tells nothing. */
static bool kill_worker(struct world *world)
{
    struct process *process = some_worker(world);
    if (!process->alive)
        return false;
    if (pick(world, 2)) {
        worker_process_die(process, 9);
    } else {
        process_kill(process, pick(world, 2));
        faults_restart(process, some_time(world, 20 * NS_PER_S));
    }
    return true;
}

static bool kill_process(struct process *process)
{
    struct world *world = process->world;
    if (!process->alive)
        return false;
    process_kill(process, pick(world, 4));
    faults_restart(process, some_time(world, 10 * NS_PER_S));
    return true;
}

static bool kill_client(struct world *world)
{
    return kill_process(
        world_client(world, (unsigned)pick(world, world->client_count)));
}

static bool kill_scheduler(struct world *world)
{
    return kill_process(world_scheduler(world));
}

static bool retire(struct world *world)
{
    struct process *process = some_worker(world);
    if (!process->alive || process->paused_until_ns > world->now_ns)
        return false;
    worker_process_retire(process);
    return true;
}

/* ---- the network ---- */

static bool drop(struct world *world)
{
    struct conn *conn = some_conn(world);
    if (conn)
        network_cut(conn, false);
    return conn != NULL;
}

static bool mute(struct world *world)
{
    struct conn *conn = some_conn(world);
    if (conn)
        network_cut(conn, true);
    return conn != NULL;
}

static bool fill(struct world *world)
{
    struct conn *conn = some_conn(world);
    if (conn)
        conn->ends[pick(world, 2)].full_until_ns =
            world->now_ns + some_time(world, 5 * NS_PER_S);
    return conn != NULL;
}

static bool slow(struct world *world)
{
    world->slow_until_ns = world->now_ns + some_time(world, 10 * NS_PER_S);
    return true;
}

/* Connections over which nothing came for too long break. */
static void fire_break(struct world *world, struct event *event)
{
    struct process *process = &world->processes[event->a];
    size_t position = 0;
    struct end *end;
    while ((end = map_next(&process->ends, &position))) {
        struct end *other = network_other(end);
        if (other->process &&
            (world->cut_until_ns[process->index][other->process->index] >
                 world->now_ns ||
             world->cut_until_ns[other->process->index][process->index] >
                 world->now_ns))
            network_cut(end->conn, false);
    }
}

static void cut(struct process *from, struct process *to, uint64_t ns)
{
    struct world *world = from->world;
    world->cut_until_ns[from->index][to->index] = world->now_ns + ns;
    if (ns > BREAK_NS)
        world_after(world, BREAK_NS, fire_break, NULL)->a = from->index;
}

static bool one_way(struct world *world)
{
    struct process *from = some_process(world), *to = some_process(world);
    if (from == to)
        return false;
    cut(from, to, some_time(world, 40 * NS_PER_S));
    return true;
}

static bool partition(struct world *world)
{
    uint64_t side = pick(world, 1u << world->process_count);
    uint64_t ns = some_time(world, 40 * NS_PER_S);
    for (unsigned a = 0; a < world->process_count; a++)
        for (unsigned b = 0; b < world->process_count; b++)
            if ((side >> a & 1) != (side >> b & 1))
                cut(&world->processes[a], &world->processes[b], ns);
    return true;
}

/* ---- machines ---- */

static bool halt(struct world *world)
{
    struct process *process = some_process(world);
    if (!process->alive)
        return false;
    process->paused_until_ns = world->now_ns + some_time(world, 30 * NS_PER_S);
    return true;
}

/* The monotonic clock jumps forward only; the other one anywhere, but no further than
 * peers allow each other. */
static bool jump(struct world *world)
{
    struct process *process = some_process(world);
    if (!process->alive)
        return false;
    if (pick(world, 2))
        process->ahead_ns += some_time(world, 30 * NS_PER_S);
    process->unix_skew_ns =
        (int64_t)pick(world, 20 * NS_PER_S) - 10 * (int64_t)NS_PER_S;
    process_turn(process);
    return true;
}

static void fire_disk_well(struct world *world, struct event *event)
{
    worker_process_disk(event->process, false, false);
}

static bool disk(struct world *world, bool full)
{
    struct process *process = some_worker(world);
    if (!process->alive)
        return false;
    worker_process_disk(process, full, !full);
    world_after(world, some_time(world, 10 * NS_PER_S), fire_disk_well, process);
    return true;
}

static bool disk_full(struct world *world)
{
    return disk(world, true);
}

static bool disk_unreadable(struct world *world)
{
    return disk(world, false);
}

static bool journal_full(struct world *world)
{
    world->journal_full_until_ns = world->now_ns + some_time(world, 5 * NS_PER_S);
    return true;
}

static void fire_plenty(struct world *world, struct event *event)
{
    event->process->scarce = false;
}

static bool memory(struct world *world)
{
    struct process *process = some_process(world);
    if (!process->alive)
        return false;
    process->scarce = true;
    world_after(world, some_time(world, 2 * NS_PER_S), fire_plenty, process);
    return true;
}

/* ---- the table ---- */

static const struct {
    const char *name;
    unsigned weight;
    bool (*strike)(struct world *world); /* false: nothing was there to be struck */
} table[FAULTS] = {
    [FAULT_DROP] = {"drop", 10, drop},
    [FAULT_MUTE] = {"mute", 4, mute},
    [FAULT_FULL] = {"full", 6, fill},
    [FAULT_SLOW] = {"slow", 4, slow},
    [FAULT_DUPLICATE] = {"duplicate", 0, NULL}, /* by the network */
    [FAULT_ONE_WAY] = {"one-way", 6, one_way},
    [FAULT_PARTITION] = {"partition", 4, partition},
    [FAULT_KILL_WORKER] = {"kill-worker", 6, kill_worker},
    [FAULT_KILL_CLIENT] = {"kill-client", 2, kill_client},
    [FAULT_KILL_SCHEDULER] = {"kill-scheduler", 2, kill_scheduler},
    [FAULT_RETIRE] = {"retire", 4, retire},
    [FAULT_PAUSE] = {"pause", 6, halt},
    [FAULT_CLOCK] = {"clock", 3, jump},
    [FAULT_DISK] = {"disk", 3, disk_full},
    [FAULT_READ] = {"read", 2, disk_unreadable},
    [FAULT_MEMORY] = {"memory", 3, memory},
    [FAULT_JOURNAL] = {"journal", 2, journal_full},
    [FAULT_TEAR] = {"tear", 0, NULL}, /* by the scheduler's end */
};

const char *fault_name(enum fault_kind kind)
{
    return table[kind].name;
}

static bool fault_find(const char *word, size_t size, uint32_t *faults)
{
    for (unsigned kind = 0; kind < FAULTS; kind++)
        if (strlen(table[kind].name) == size &&
            memcmp(table[kind].name, word, size) == 0) {
            *faults |= UINT32_C(1) << kind;
            return true;
        }
    return false;
}

bool faults_parse(const char *list, uint32_t *ret_faults, char ret_word[32])
{
    uint32_t faults = 0;
    if (strcmp(list, "all") == 0 || strcmp(list, "none") == 0) {
        *ret_faults = list[0] == 'a' ? (UINT32_C(1) << FAULTS) - 1 : 0;
        return true;
    }
    while (*list) {
        size_t size = strcspn(list, ",");
        snprintf(ret_word, 32, "%.*s", (int)(size < 31 ? size : 31), list);
        if (!fault_find(list, size, &faults))
            return false;
        list += size + (list[size] == ',');
    }
    *ret_faults = faults;
    return true;
}

static unsigned table_weight(uint32_t faults)
{
    unsigned sum = 0;
    for (unsigned kind = 0; kind < FAULTS; kind++)
        if (faults >> kind & 1)
            sum += table[kind].weight;
    return sum;
}

/* The kind is chosen among all, wanted or not: with fewer kinds the others stay where
 * they were. */
static void strike(struct world *world)
{
    uint64_t at = world_random(world, CHANCE_FAULTS, table_weight(UINT32_MAX));
    unsigned kind = 0;
    while (at >= table[kind].weight)
        at -= table[kind++].weight;
    if (world->plan.faults >> kind & 1 && table[kind].strike(world)) {
        world->figures.faults[kind]++;
        world_say(world, NULL, "fault: %s", table[kind].name);
    }
}

static void fire_fault(struct world *world, struct event *event);

static void fault_later(struct world *world, uint64_t count)
{
    uint64_t most = (uint64_t)world->plan.faults_most;
    if (world->plan.faults_most < 0 || count < most)
        world_after(world, world_random(world, CHANCE_FAULTS, 1200 * NS_PER_MS),
                    fire_fault, NULL)
            ->a = count + 1;
}

static void fire_fault(struct world *world, struct event *event)
{
    if (world->healed)
        return;
    strike(world);
    fault_later(world, event->a);
}

static void fire_healed(struct world *world, struct event *event)
{
}

void faults_start(struct world *world)
{
    fault_later(world, 0);
    world_after(world, world->heal_ns - world->now_ns, fire_healed, NULL);
}

void faults_heal(struct world *world)
{
    world->healed = true;
    world->slow_until_ns = world->journal_full_until_ns = 0;
    memset(world->cut_until_ns, 0, sizeof world->cut_until_ns);
    world_say(world, NULL, "healed");
    for (unsigned i = 0; i < world->process_count; i++) {
        struct process *process = &world->processes[i];
        process->paused_until_ns = 0;
        process->scarce = false;
        if (process->alive && process->kind == &worker_kind)
            worker_process_disk(process, false, false);
    }
}

/* ---- memory that fails ---- */

static struct world *scarce;

struct world *faults_scarce(struct world *world)
{
    struct world *before = scarce;
    scarce = world;
    return before;
}

static bool allocation_fails(void)
{
    return scarce && world_random(scarce, CHANCE_MEMORY, 300) == 0;
}
