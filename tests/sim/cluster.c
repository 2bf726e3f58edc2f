#include "tests/sim/cluster.h"

#include "tests/sim/faults.h"
#include "tests/sim/invariants.h"
#include "tests/sim/network.h"
#include "tests/sim/workload.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_NS (1000 * NS_PER_S)
#define UNIX_START_NS (UINT64_C(1700000000) * NS_PER_S)

static struct world *the_world; /* for the clock, which knows of none */

void world_wrong(struct world *world, const char *format, ...)
{
    if (world->wrong)
        return;
    char line[460];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    world->wrong = true;
    err_set(&world->problem, DUSK_E_INTERNAL, "at %.6f s: %s",
            (double)(world->now_ns - START_NS) * 1e-9, line);
}

void world_say(struct world *world, const struct process *process, const char *format,
               ...)
{
    if (!world->plan.verbose)
        return;
    fprintf(stderr, "%11.6f %s ", (double)(world->now_ns - START_NS) * 1e-9,
            process ? process->name : "-");
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* ---- chance and trace ---- */

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t world_random(struct world *world, enum chance chance, uint64_t below)
{
    return mix(world->chance[chance] += UINT64_C(0x9E3779B97F4A7C15)) % below;
}

bool world_chance(struct world *world, enum chance chance, unsigned percent)
{
    return world_random(world, chance, 100) < percent;
}

void world_trace(struct world *world, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t *hash = &world->figures.hash;
    *hash = mix(*hash ^ a) + UINT64_C(0x9E3779B97F4A7C15);
    *hash = mix(*hash ^ b) + UINT64_C(0x9E3779B97F4A7C15);
    *hash = mix(*hash ^ c) + UINT64_C(0x9E3779B97F4A7C15);
}

/* ---- time ---- */

uint64_t process_now(const struct process *process)
{
    if (process->kind == &client_kind && program_is_killed(process))
        return UINT64_MAX; /* every wait is over */
    return process->world->now_ns + process->ahead_ns;
}

struct process *process_current(void)
{
    return the_world->current;
}

uint64_t clock_monotonic_ns(void)
{
    const struct process *process = the_world->current;
    return process ? process_now(process) : the_world->now_ns;
}

uint64_t clock_unix_ns(void)
{
    const struct process *process = the_world->current;
    int64_t skew_ns = process ? process->unix_skew_ns : 0;
    return UNIX_START_NS + the_world->now_ns + (uint64_t)skew_ns;
}

static void event_push(struct world *world, struct event *event, uint64_t at_ns)
{
    event->link.priority = (int64_t)at_ns;
    event->link.order = ++world->order;
    if (heap_push(&world->events, &event->link) < 0)
        abort();
}

struct event *world_after(struct world *world, uint64_t delay_ns,
                          void (*fire)(struct world *, struct event *),
                          struct process *process)
{
    struct world *scarce = faults_scarce(NULL);
    struct event *event = calloc(1, sizeof *event);
    if (!event)
        abort();
    event->fire = fire;
    event->process = process;
    event->life = process ? process->life : 0;
    event_push(world, event, world->now_ns + delay_ns);
    faults_scarce(scarce);
    return event;
}

/* ---- processes ---- */

struct process *world_scheduler(struct world *world)
{
    return &world->processes[0];
}

struct process *world_worker(struct world *world, unsigned index)
{
    return &world->processes[1 + index];
}

struct process *world_client(struct world *world, unsigned index)
{
    return &world->processes[1 + world->worker_count + index];
}

void core_begin(struct process *process)
{
    process->world->current = process;
    faults_scarce(process->scarce ? process->world : NULL);
}

void core_end(struct process *process)
{
    process->world->current = NULL;
    faults_scarce(NULL);
}

static void fire_tick(struct world *world, struct event *event);

static void tick_set(struct process *process)
{
    struct world *world = process->world;
    if (heap_holds(&process->tick.link))
        heap_remove(&world->events, &process->tick.link);
    if (!process->alive)
        return;
    uint64_t at_ns = process->kind->deadline(process);
    if (at_ns == UINT64_MAX)
        return;
    at_ns = at_ns > process->ahead_ns ? at_ns - process->ahead_ns : 0;
    process->tick.fire = fire_tick;
    process->tick.process = process;
    process->tick.life = process->life;
    event_push(world, &process->tick, at_ns > world->now_ns ? at_ns : world->now_ns);
}

/* Lanes that waited for a connection, or for it to take more. */
static void stuck_retry(struct process *process)
{
    LIST_FOREACH (link, &process->stuck) {
        list_remove(link);
        outbox_retry(process->kind->outbox(process),
                     CONTAINER_OF(link, struct outbox_lane, link));
    }
}

static void fire_retry(struct world *world, struct event *event)
{
    process_turn(event->process);
}

static void lane_send(struct process *process, struct outbox_lane *lane,
                      struct list *later)
{
    struct world *world = process->world;
    struct outbox *outbox = process->kind->outbox(process);
    struct peer_id peer = lane->peer;
    struct end *end = network_end(process, peer);
    if (!end || end->dead) {
        outbox_forget(outbox, peer);
        process->kind->gone(process, peer);
    } else if (!end->up || end->full_until_ns > world->now_ns) {
        list_append(later, &lane->link);
        if (end->up)
            world_after(world, end->full_until_ns - world->now_ns, fire_retry, process);
    } else {
        network_send(end, &lane->batch);
        batch_fini(&lane->batch);
        if (outbox->chained && outbox_more(lane))
            outbox_retry(outbox, lane);
        process->kind->sent(process, peer);
    }
}

void process_flush(struct process *process)
{
    struct outbox_lane *lane;
    stuck_retry(process);
    struct list later;
    list_init(&later);
    while (process->kind->act(process))
        ;
    if (process->alive && process->kind->fill)
        process->kind->fill(process);
    do {
        while (process->kind->act(process))
            ;
        if (!process->alive || !(lane = outbox_next(process->kind->outbox(process))))
            break;
        lane_send(process, lane, &later);
    } while (process->alive);
    LIST_FOREACH (link, &later) {
        list_remove(link);
        list_append(&process->stuck, link);
    }
}

void process_turn(struct process *process)
{
    core_begin(process);
    process_flush(process);
    core_end(process);
    if (process->alive && process->kind->turned)
        process->kind->turned(process);
    tick_set(process);
    invariants_process(process->world, process);
}

static void fire_tick(struct world *world, struct event *event)
{
    struct process *process = event->process;
    core_begin(process);
    process->kind->tick(process);
    core_end(process);
    process_turn(process);
}

void process_start(struct process *process)
{
    process->alive = true;
    process->life++;
    process->ahead_ns = 0;
    process->visitors = 0;
    process->scarce = false;
    list_init(&process->stuck);
    world_say(process->world, process, "starts");
    process->world->current = process;
    process->kind->start(process);
    process_turn(process);
}

void process_kill(struct process *process, bool noticed)
{
    if (!process->alive)
        return;
    struct world *scarce = faults_scarce(NULL);
    world_say(process->world, process, "ends");
    process->alive = false;
    process->scarce = false;
    process->paused_until_ns = 0;
    LIST_FOREACH (link, &process->stuck)
        list_remove(link);
    process->kind->stop(process);
    tick_set(process);
    size_t position = 0;
    struct end *end;
    while ((end = map_next(&process->ends, &position))) {
        network_close(end, noticed);
        position = 0;
    }
    faults_scarce(scarce);
}

/* ---- the run ---- */

static void process_add(struct world *world, const struct process_kind *kind,
                        unsigned number)
{
    struct process *process = &world->processes[world->process_count];
    process->kind = kind;
    process->world = world;
    process->index = world->process_count++;
    list_init(&process->stuck);
    snprintf(process->name, sizeof process->name, "%c%u", kind->letter, number);
}

static void world_init(struct world *world, const struct plan *plan)
{
    *world = (struct world){.plan = *plan, .now_ns = START_NS};
    the_world = world;
    for (unsigned i = 0; i < CHANCES; i++)
        world->chance[i] = mix(plan->seed * CHANCES + i + 1);
    heap_init(&world->events);
    map_init(&world->conns);
    world->worker_count = 2 + (unsigned)world_random(world, CHANCE_PLAN, 3);
    world->client_count = plan->workload->clients
                              ? plan->workload->clients
                              : 1 + (unsigned)world_random(world, CHANCE_PLAN, 3);
    uint64_t chaos_ns = NS_PER_S * (1 + world_random(world, CHANCE_PLAN, 25));
    if (plan->chaos_ns)
        chaos_ns = (uint64_t)plan->chaos_ns;
    world->heal_ns = START_NS + chaos_ns;
    /* Some seeds have all kinds of faults, some a few: together they hide much. */
    uint64_t kinds = world_random(world, CHANCE_PLAN, 1u << FAULTS);
    if (world_chance(world, CHANCE_PLAN, 70))
        world->plan.faults &= (uint32_t)kinds;
    process_add(world, &scheduler_kind, 0);
    for (unsigned i = 0; i < world->worker_count; i++)
        process_add(world, &worker_kind, i);
    for (unsigned i = 0; i < world->client_count; i++)
        process_add(world, &client_kind, i);
    for (unsigned i = 0; i < world->process_count; i++)
        map_init(&world->processes[i].ends);
    invariants_init(world);
}

/* An event of a process waits while that is paused. */
static void event_fire(struct world *world, struct event *event)
{
    struct process *process = event->process;
    if (process && (!process->alive || process->life != event->life))
        event->process = NULL;
    else if (process && process->paused_until_ns > world->now_ns) {
        event_push(world, event, process->paused_until_ns);
        return;
    } else
        event->fire(world, event);
    if (!process || event != &process->tick)
        free(event);
}

static void world_step(struct world *world)
{
    struct heap_link *first = heap_first(&world->events);
    struct event *event = CONTAINER_OF(first, struct event, link);
    heap_remove(&world->events, first);
    world->now_ns = (uint64_t)first->priority;
    world->figures.steps++;
    if (!world->healed && world->now_ns >= world->heal_ns)
        faults_heal(world);
    event_fire(world, event);
    if (world->plan.steps && world->figures.steps > (uint64_t)world->plan.steps)
        world_wrong(world, "more than %lld steps", (long long)world->plan.steps);
}

static bool programs_are_over(struct world *world)
{
    for (unsigned i = 0; i < world->client_count; i++)
        if (!client_process_is_over(world_client(world, i)))
            return false;
    return world->healed;
}

static void world_until(struct world *world, bool (*is_over)(struct world *),
                        void (*tell)(struct world *), uint64_t limit_ns)
{
    while (!world->wrong && heap_first(&world->events) && !is_over(world)) {
        world_step(world);
        if (world->now_ns > limit_ns)
            tell(world);
    }
    if (!world->wrong && !is_over(world))
        tell(world);
}

static void world_fini(struct world *world)
{
    for (unsigned i = world->process_count; i-- > 0;)
        process_kill(&world->processes[i], false);
    network_fini(world);
    struct heap_link *first;
    while ((first = heap_first(&world->events))) {
        heap_remove(&world->events, first);
        free(CONTAINER_OF(first, struct event, link));
    }
    heap_fini(&world->events);
    free(world->journal);
    for (unsigned i = 0; i < world->process_count; i++)
        map_fini(&world->processes[i].ends);
    invariants_fini(world);
}

int world_run(const struct plan *plan, struct figures *ret_figures,
              struct err_text *text)
{
    struct world *world = malloc(sizeof *world);
    if (!world)
        abort();
    world_init(world, plan);
    for (unsigned i = 0; i < world->process_count; i++)
        process_start(&world->processes[i]);
    faults_start(world);
    world_until(world, programs_are_over, invariants_tell_hang,
                world->heal_ns + plan->workload->limit_ns);
    world_until(world, invariants_all_is_free, invariants_tell_left,
                world->now_ns + QUIET_NS);
    world->figures.virtual_ns = world->now_ns - START_NS;
    int rc = world->wrong ? DUSK_E_INTERNAL : 0;
    if (rc < 0)
        err_set(text, rc, "%s", world->problem.line);
    world_fini(world);
    *ret_figures = world->figures;
    free(world);
    return rc;
}
