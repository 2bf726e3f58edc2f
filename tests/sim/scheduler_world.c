#include "tests/sim/scheduler_world.h"
#include "scheduler/core.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

void world_wrong(struct world *world, const char *format, ...)
{
    if (world->wrong)
        return;
    char line[400];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    world->wrong = true;
    err_set(&world->problem, DUSK_E_INTERNAL, "seed %" PRIu64 " at %.3f s: %s",
            world->seed, (double)world->now_ns * 1e-9, line);
}

uint64_t world_random(struct world *world, uint64_t below)
{
    uint64_t z = world->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (z ^ (z >> 31)) % below;
}

bool world_chance(struct world *world, unsigned percent)
{
    return world_random(world, 100) < percent;
}

struct sim_task *world_task(struct world *world, struct task_key key)
{
    return &world->clients[key.bits >> KEY_COUNT_BITS].tasks[key.bits & KEY_COUNT_MAX];
}

struct sim_held *world_held(struct sim_worker *worker, struct task_key key)
{
    return &worker->store[key.bits >> KEY_COUNT_BITS][key.bits & KEY_COUNT_MAX];
}

/* ---- time ---- */

struct sim_event *world_after(struct world *world, uint64_t delay_ns,
                              void (*fire)(struct world *, struct sim_event *),
                              uint32_t who, uint32_t life)
{
    struct sim_event *event = calloc(1, sizeof *event);
    event->fire = fire;
    event->who = who;
    event->life = life;
    event->link.priority = (int64_t)(world->now_ns + delay_ns);
    event->link.order = ++world->order;
    batch_init(&event->batch);
    heap_push(&world->events, &event->link);
    return event;
}

/* ---- the network ---- */

static void deliver_batch(struct world *world, uint32_t peer, struct batch *batch,
                          void (*take)(struct world *, uint32_t,
                                       const struct message *))
{
    struct batch_reader reader;
    struct message message;
    struct err_text text = {""};
    batch_reader_init(&reader, batch->header.data, batch->header.size, NULL, 0);
    int rc;
    while ((rc = batch_reader_next(&reader, &message, &text)) == 0)
        take(world, peer, &message);
    if (rc < 0)
        world_wrong(world, "undecodable batch: %s", text.line);
    batch_reader_fini(&reader);
}

/* Messages of one direction of one connection arrive in their order. */
static uint64_t network_delay(struct world *world, uint64_t *last_ns)
{
    uint64_t delay_ns = world_chance(world, 5) ? world_random(world, 800 * MS)
                                               : world_random(world, 3 * MS);
    uint64_t at_ns = world->now_ns + delay_ns;
    if (at_ns < *last_ns)
        at_ns = *last_ns;
    *last_ns = at_ns;
    return at_ns - world->now_ns;
}

/* With SIM_VERBOSE, every message is shown as it arrives. */
static void show(const struct world *world, uint32_t peer, const char *direction,
                 const struct message *message)
{
    int worker = world->peers[peer].worker, client = world->peers[peer].client;
    if (!world->verbose)
        return;
    fprintf(stderr, "%8.3f %s %c%d/%u %s", (double)world->now_ns * 1e-9, direction,
            worker >= 0 ? 'w' : 'c', worker >= 0 ? worker : client, peer,
            message_name(message->type));
    /* The first field of most messages is a key, or a list of them. */
    if (message->type == MSG_release || message->type == MSG_cancel ||
        message->type == MSG_free_data || message->type == MSG_dropped)
        for (size_t i = 0; i < message->release.keys.count; i++)
            fprintf(stderr, " " KEY_FORMAT, KEY_ARGS(message->release.keys.items[i]));
    else if (message->type == MSG_have)
        for (size_t i = 0; i < message->have.holdings.count; i++)
            fprintf(stderr, " " KEY_FORMAT,
                    KEY_ARGS(message->have.holdings.items[i].key));
    else if (message->type == MSG_hello)
        for (size_t i = 0; i < message->hello.inventory.count; i++)
            fprintf(stderr, " " KEY_FORMAT,
                    KEY_ARGS(message->hello.inventory.items[i].key));
    else if (message->type != MSG_heartbeat && message->type != MSG_alive &&
             message->type != MSG_welcome && message->type != MSG_acquire)
        fprintf(stderr, " " KEY_FORMAT, KEY_ARGS(message->submit.key));
    if (message->type == MSG_run_task || message->type == MSG_done ||
        message->type == MSG_erred || message->type == MSG_missing)
        fprintf(stderr, " #%" PRIu64,
                message->type == MSG_run_task ? message->run_task.attempt
                                              : message->done.attempt);
    fputc('\n', stderr);
}

static void to_endpoint(struct world *world, uint32_t peer,
                        const struct message *message)
{
    show(world, peer, "<-", message);
    if (world->peers[peer].worker >= 0)
        sim_worker_message(world, (unsigned)world->peers[peer].worker, message);
    else
        sim_client_message(world, (uint32_t)world->peers[peer].client, message);
}

static void to_scheduler(struct world *world, uint32_t peer,
                         const struct message *message)
{
    struct err_text text;
    show(world, peer, "->", message);
    scheduler_message(world->scheduler, (struct peer_id){peer}, message, world->now_ns);
    if (scheduler_check(world->scheduler, &text) < 0)
        world_wrong(world, "after %s: %s", message_name(message->type), text.line);
}

static bool is_frozen(const struct world *world, uint32_t peer)
{
    int worker = world->peers[peer].worker;
    return worker >= 0 && world->workers[worker].frozen_until_ns > world->now_ns;
}

static void fire_to_endpoint(struct world *world, struct sim_event *event)
{
    if (!world->peers[event->who].open)
        return;
    if (is_frozen(world, event->who)) {
        uint64_t until_ns =
            world->workers[world->peers[event->who].worker].frozen_until_ns;
        struct sim_event *later = world_after(world, until_ns - world->now_ns,
                                              fire_to_endpoint, event->who, 0);
        later->batch = event->batch;
        batch_init(&event->batch);
        return;
    }
    deliver_batch(world, event->who, &event->batch, to_endpoint);
}

static void fire_to_scheduler(struct world *world, struct sim_event *event)
{
    if (world->peers[event->who].open)
        deliver_batch(world, event->who, &event->batch, to_scheduler);
}

static void fire_gone(struct world *world, struct sim_event *event)
{
    struct err_text text;
    scheduler_peer_gone(world->scheduler, (struct peer_id){event->who}, world->now_ns);
    if (scheduler_check(world->scheduler, &text) < 0)
        world_wrong(world, "after a closed connection: %s", text.line);
}

uint32_t world_connect(struct world *world, int worker, int client)
{
    if (world->peer_count == PEERS - 1) {
        world_wrong(world, "too many connections");
        return world->peer_count;
    }
    uint32_t peer = ++world->peer_count;
    world->peers[peer].open = true;
    world->peers[peer].worker = worker;
    world->peers[peer].client = client;
    return peer;
}

void world_disconnect(struct world *world, uint32_t peer, bool noticed)
{
    if (!peer || !world->peers[peer].open)
        return;
    world->peers[peer].open = false;
    if (noticed)
        world_after(world, world_random(world, 200 * MS), fire_gone, peer, 0);
}

void world_say(struct world *world, uint32_t peer, const struct message *message)
{
    if (!peer || !world->peers[peer].open)
        return;
    struct sim_event *event =
        world_after(world, network_delay(world, &world->peers[peer].from_ns),
                    fire_to_scheduler, peer, 0);
    batch_add(&event->batch, message);
}

static void fire_closed(struct world *world, struct sim_event *event)
{
    int worker = world->peers[event->who].worker;
    int client = world->peers[event->who].client;
    if (worker >= 0 && world->workers[worker].peer == event->who)
        sim_worker_cut(world, (unsigned)worker);
    if (client > 0 && world->clients[client].peer == event->who)
        sim_client_cut(world, (uint32_t)client);
}

/* What the scheduler has to say goes on its way. */
static void take_outbox(struct world *world)
{
    struct outbox *outbox = scheduler_outbox(world->scheduler);
    struct outbox_lane *lane;
    while ((lane = outbox_next(outbox))) {
        uint32_t peer = lane->peer.number;
        world->digest =
            XXH3_64bits_withSeed(lane->batch.header.data, lane->batch.header.size,
                                 world->digest ^ peer ^ world->now_ns);
        struct sim_event *event =
            world_after(world, network_delay(world, &world->peers[peer].to_ns),
                        fire_to_endpoint, peer, 0);
        event->batch = lane->batch;
        batch_init(&lane->batch);
        if (outbox_more(lane))
            outbox_retry(outbox, lane);
    }
    struct peer_id closed;
    while (scheduler_next_closed(world->scheduler, &closed)) {
        world->peers[closed.number].open = false;
        world_after(world, world_random(world, 50 * MS), fire_closed, closed.number, 0);
    }
    struct note note;
    while (scheduler_next_note(world->scheduler, &note))
        if (world->verbose)
            fprintf(stderr, "%8.3f %s %s=%s %s\n", (double)world->now_ns * 1e-9,
                    note.event, note.fields[0].key, note.fields[0].text,
                    note.field_count > 2 ? note.fields[2].text : "");
}

/* ---- what goes wrong ---- */

static void chaos_worker(struct world *world, unsigned index)
{
    struct sim_worker *worker = &world->workers[index];
    switch (world_random(world, 9)) {
    case 0:
        sim_worker_kill(world, index, 9);
        break;
    case 1:
        worker->vanished = worker->alive;
        sim_worker_kill(world, index, 9);
        break;
    case 2:
    case 3:
        sim_worker_cut(world, index);
        break;
    case 4:
        worker->frozen_until_ns = world->now_ns + world_random(world, 20000 * MS);
        break;
    case 5:
        sim_worker_retire(world, index);
        break;
    case 6:
        worker->paused = !worker->paused;
        break;
    default:
        sim_worker_drop_copies(world, index);
        break;
    }
}

static void fire_chaos(struct world *world, struct sim_event *event)
{
    if (world->now_ns >= world->chaos_until_ns)
        return;
    if (world_chance(world, 85))
        chaos_worker(world, (unsigned)world_random(world, WORKERS));
    else
        sim_client_cut(world, 1 + (uint32_t)world_random(world, CLIENTS));
    world_after(world, 100 * MS + world_random(world, 1500 * MS), fire_chaos, 0, 0);
}

/* ---- a run ---- */

static void world_step(struct world *world)
{
    uint64_t deadline_ns = scheduler_next_deadline(world->scheduler);
    struct heap_link *first = heap_first(&world->events);
    if (first && (uint64_t)first->priority <= deadline_ns) {
        struct sim_event *event = CONTAINER_OF(first, struct sim_event, link);
        heap_remove(&world->events, first);
        if ((uint64_t)event->link.priority > world->now_ns)
            world->now_ns = (uint64_t)event->link.priority;
        event->fire(world, event);
        batch_fini(&event->batch);
        free(event);
    } else {
        struct err_text text;
        if (deadline_ns > world->now_ns)
            world->now_ns = deadline_ns;
        scheduler_tick(world->scheduler, world->now_ns);
        if (scheduler_check(world->scheduler, &text) < 0)
            world_wrong(world, "after a tick: %s", text.line);
    }
    take_outbox(world);
}

static void run_until(struct world *world, uint64_t end_ns)
{
    while (!world->wrong && world->now_ns < end_ns)
        world_step(world);
}

static void never_resolved(struct world *world, struct task_key key)
{
    const struct task *task = task_find(world->scheduler, key);
    char line[300] = "the scheduler does not know it";
    if (task)
        why_line(world->scheduler, task, line, sizeof line);
    world_wrong(world, "future " KEY_FORMAT " never resolved: %s", KEY_ARGS(key), line);
}

/* The first future without an end; key 0 when there is none. */
static struct task_key first_pending(const struct world *world)
{
    for (uint32_t c = 1; c <= CLIENTS; c++) {
        for (unsigned t = 1; t <= TASKS; t++) {
            const struct sim_task *task = &world->clients[c].tasks[t];
            /* Who cancels does not wait for an answer, which may be lost. */
            if (t > world->clients[c].submitted ||
                (task->progress == PENDING && !task->released && !task->cancelled))
                return key_make(c, t);
        }
    }
    return (struct task_key){0};
}

/* Every future has an end within bounded time. */
static void run_to_the_end(struct world *world)
{
    run_until(world, world->chaos_until_ns);
    uint64_t limit_ns = world->chaos_until_ns + 150000 * MS;
    struct task_key pending;
    while ((pending = first_pending(world)).bits && !world->wrong) {
        if (world->now_ns >= limit_ns)
            never_resolved(world, pending);
        run_until(world, world->now_ns + 1000 * MS);
    }
}

/* When everybody has released everything, nobody holds anything. */
static void check_nothing_is_left(struct world *world)
{
    struct scheduler_counts counts;
    scheduler_count(world->scheduler, &counts);
    if (counts.tasks)
        world_wrong(world, "%" PRIu64 " tasks are left", counts.tasks);
    for (unsigned w = 0; w < WORKERS; w++)
        for (uint32_t c = 1; c <= CLIENTS; c++)
            for (unsigned t = 1; t <= TASKS; t++)
                if (world->workers[w].store[c][t].there)
                    world_wrong(world, "worker %u still holds %u-%u", w, c, t);
}

static void release_all(struct world *world)
{
    for (uint32_t c = 1; c <= CLIENTS; c++) {
        struct task_key keys[TASKS];
        size_t count = 0;
        for (unsigned t = 1; t <= world->clients[c].submitted; t++) {
            world->clients[c].tasks[t].released = true;
            keys[count++] = key_make(c, t);
        }
        world_say(world, world->clients[c].peer,
                  MESSAGE(release, .keys = {keys, count}));
    }
}

static void world_fini(struct world *world)
{
    struct heap_link *first;
    while ((first = heap_first(&world->events))) {
        struct sim_event *event = CONTAINER_OF(first, struct sim_event, link);
        heap_remove(&world->events, first);
        batch_fini(&event->batch);
        free(event);
    }
    heap_fini(&world->events);
    scheduler_destroy(world->scheduler);
    free(world);
}

int world_run(uint64_t seed, struct err_text *text, uint64_t *ret_digest)
{
    struct world *world = calloc(1, sizeof *world);
    world->seed = world->random = seed;
    world->now_ns = 1000 * MS;
    world->verbose = getenv("SIM_VERBOSE") != NULL;
    world->chaos_until_ns = world->now_ns + 5000 * MS + world_random(world, 25000 * MS);
    struct scheduler_config config = scheduler_defaults;
    config.wants_at_once = 3;
    config.wants_rest_ns = 100 * MS;
    scheduler_create(&config, world->now_ns, &world->scheduler);
    for (unsigned w = 0; w < WORKERS; w++)
        sim_worker_start(world, w);
    for (uint32_t c = 1; c <= CLIENTS; c++)
        sim_client_start(world, c);
    if (world_chance(world, 90))
        world_after(world, world_random(world, 2000 * MS), fire_chaos, 0, 0);
    run_to_the_end(world);
    /* Connections that are open for the scheduler only are found out by now. */
    run_until(world, world->now_ns + 20000 * MS);
    release_all(world);
    run_until(world, world->now_ns + 3000 * MS);
    check_nothing_is_left(world);
    int rc = world->wrong ? DUSK_E_INTERNAL : 0;
    *text = world->problem;
    if (ret_digest)
        *ret_digest = world->digest;
    if (world->verbose)
        fprintf(stderr, "seed %" PRIu64 ": %u runs, %u deaths, %u finishes, %u peers\n",
                seed, world->runs, world->deaths, world->finishes, world->peer_count);
    world_fini(world);
    return rc;
}
