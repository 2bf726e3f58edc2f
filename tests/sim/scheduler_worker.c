/* A model of a worker: a store, some runs, one thread or two. */
#include "tests/sim/scheduler_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 2
#define CREDITS 8
#define NBYTES(key) (1000 * (1 + (key).bits % 7))

static const char *const names[WORKERS] = {"w0", "w1", "w2", "w3"};

unsigned sim_worker_of(struct str address)
{
    return address.size == 2 ? (unsigned)(address.text[1] - '0') : WORKERS;
}

bool sim_worker_reachable(const struct world *world, unsigned index)
{
    const struct sim_worker *worker = &world->workers[index];
    return worker->alive && !worker->vanished &&
           worker->frozen_until_ns <= world->now_ns;
}

static void say(struct world *world, unsigned index, const struct message *message)
{
    world_say(world, world->workers[index].peer, message);
}

/* Events of a life that is over, or of a frozen process, wait or vanish. */
static bool is_due(struct world *world, struct sim_event *event)
{
    struct sim_worker *worker = &world->workers[event->who];
    if (worker->life != event->life || !worker->alive)
        return false;
    if (worker->frozen_until_ns <= world->now_ns)
        return true;
    struct sim_event *later =
        world_after(world, worker->frozen_until_ns - world->now_ns, event->fire,
                    event->who, event->life);
    later->a = event->a;
    later->b = event->b;
    return false;
}

/* ---- hello ---- */

static void say_hello(struct world *world, unsigned index)
{
    struct sim_worker *worker = &world->workers[index];
    worker->welcome = false;
    worker->greeting = true;
    struct holding inventory[CLIENTS * TASKS];
    struct run running[RUNS];
    size_t held = 0, runs = 0;
    for (uint32_t c = 1; c <= CLIENTS; c++)
        for (unsigned t = 1; t <= TASKS; t++)
            if (worker->store[c][t].there)
                inventory[held++] =
                    (struct holding){key_make(c, t), NBYTES(key_make(c, t))};
    for (unsigned r = 0; r < RUNS; r++)
        if (worker->runs[r].state != RUN_FREE)
            running[runs++] =
                (struct run){.key = worker->runs[r].key,
                             .attempt = worker->runs[r].attempt,
                             .running = worker->runs[r].state == RUN_RUNNING};
    say(world, index,
        MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                .role = ROLE_WORKER, .name = str_of(names[index]),
                .address = str_of(names[index]), .epoch = worker->epoch,
                .nthreads = THREADS, .credits = CREDITS, .memory_limit = 1000000,
                .previous_epoch = worker->previous_epoch,
                .previous_status = worker->previous_status,
                .previous_running = {worker->previous_running, worker->previous_count},
                .inventory = {inventory, held}, .running = {running, runs},
                .resources = str_of(index < 2 ? "GPU=1" : "")));
}

static void fire_heartbeat(struct world *world, struct sim_event *event)
{
    if (!is_due(world, event))
        return;
    struct sim_worker *worker = &world->workers[event->who];
    if (worker->paused && world->now_ns >= world->chaos_until_ns)
        worker->paused = false;
    if (worker->welcome)
        say(world, event->who,
            MESSAGE(heartbeat, .memory = 1000, .paused = worker->paused));
    world_after(world, 1000 * MS, fire_heartbeat, event->who, event->life);
}

static void connect_and_hello(struct world *world, unsigned index)
{
    world->workers[index].peer = world_connect(world, (int)index, -1);
    world->workers[index].welcome = false;
    say_hello(world, index);
}

void sim_worker_start(struct world *world, unsigned index)
{
    struct sim_worker *worker = &world->workers[index];
    memset(worker->store, 0, sizeof worker->store);
    memset(worker->runs, 0, sizeof worker->runs);
    worker->alive = true;
    worker->retiring = worker->paused = worker->vanished = false;
    worker->frozen_until_ns = 0;
    worker->epoch = 1 + world_random(world, UINT64_MAX - 1);
    connect_and_hello(world, index);
    world_after(world, 1000 * MS, fire_heartbeat, index, worker->life);
}

static void fire_restart(struct world *world, struct sim_event *event)
{
    if (world->workers[event->who].life == event->life)
        sim_worker_start(world, event->who);
}

static void fire_reconnect(struct world *world, struct sim_event *event)
{
    if (is_due(world, event) && world->workers[event->who].peer == 0)
        connect_and_hello(world, event->who);
}

void sim_worker_cut(struct world *world, unsigned index)
{
    struct sim_worker *worker = &world->workers[index];
    if (!worker->alive)
        return;
    world->deaths++; /* may be taken for one */
    world_disconnect(world, worker->peer, world_chance(world, 80));
    worker->peer = 0;
    worker->welcome = false;
    world_after(world, world_random(world, 3000 * MS), fire_reconnect, index,
                worker->life);
}

/* The process ends; a nanny reports it, or nobody does. */
void sim_worker_kill(struct world *world, unsigned index, int status)
{
    struct sim_worker *worker = &world->workers[index];
    if (!worker->alive)
        return;
    worker->previous_epoch = 0;
    worker->previous_count = 0;
    if (status >= 0 && world_chance(world, 70)) {
        worker->previous_epoch = worker->epoch;
        worker->previous_status = status;
        for (unsigned r = 0; r < RUNS; r++)
            if (worker->runs[r].state == RUN_RUNNING)
                worker->previous_running[worker->previous_count++] =
                    worker->runs[r].key;
    }
    world->deaths++;
    worker->alive = false;
    worker->life++;
    world_disconnect(world, worker->peer, !worker->vanished);
    worker->peer = 0;
    memset(worker->store, 0, sizeof worker->store);
    world_after(world, 200 * MS + world_random(world, 6000 * MS), fire_restart, index,
                worker->life);
}

void sim_worker_retire(struct world *world, unsigned index)
{
    struct sim_worker *worker = &world->workers[index];
    if (!worker->alive || !worker->welcome || worker->retiring)
        return;
    worker->retiring = true;
    say(world, index, MESSAGE(retire, .deadline_ms = world_random(world, 5000)));
}

static void fire_leave(struct world *world, struct sim_event *event)
{
    struct sim_worker *worker = &world->workers[event->who];
    if (!is_due(world, event))
        return;
    world_disconnect(world, worker->peer, true);
    worker->peer = 0;
    worker->alive = false;
    worker->life++;
    worker->previous_epoch = 0;
    worker->previous_count = 0;
    world_after(world, 500 * MS + world_random(world, 5000 * MS), fire_restart,
                event->who, worker->life);
}

/* ---- data ---- */

static void keep(struct world *world, unsigned index, struct task_key key, bool cached)
{
    struct sim_held *held = world_held(&world->workers[index], key);
    held->cached = held->there ? held->cached && cached : cached;
    held->there = true;
    held->value = world_task(world, key)->value;
}

static void say_have(struct world *world, unsigned index, struct task_key key)
{
    struct holding holding = {key, NBYTES(key)};
    say(world, index, MESSAGE(have, .holdings = {&holding, 1}));
}

bool sim_worker_put(struct world *world, unsigned index, struct task_key key)
{
    if (index >= WORKERS || !sim_worker_reachable(world, index))
        return false;
    keep(world, index, key, false);
    say_have(world, index, key);
    return true;
}

bool sim_worker_get(struct world *world, unsigned index, struct task_key key,
                    uint64_t *ret_value)
{
    if (index >= WORKERS || !sim_worker_reachable(world, index))
        return false;
    struct sim_held *held = world_held(&world->workers[index], key);
    if (held->there)
        *ret_value = held->value;
    else
        say(world, index, MESSAGE(dropped, .keys = {&key, 1}));
    return held->there;
}

void sim_worker_drop_copies(struct world *world, unsigned index)
{
    struct sim_worker *worker = &world->workers[index];
    for (uint32_t c = 1; worker->alive && c <= CLIENTS; c++) {
        for (unsigned t = 1; t <= TASKS; t++) {
            struct sim_held *held = &worker->store[c][t];
            if (!held->there || !held->cached || !world_chance(world, 50))
                continue;
            held->there = false;
            struct task_key key = key_make(c, t);
            say(world, index, MESSAGE(dropped, .keys = {&key, 1}));
        }
    }
}

/* Brings the data here, from the first place that has them; false when none does. */
static bool fetch(struct world *world, unsigned index, const struct sim_run *run,
                  struct task_key key, unsigned *ret_tried)
{
    *ret_tried = WORKERS;
    uint64_t value;
    if (world_held(&world->workers[index], key)->there)
        return true;
    for (unsigned i = 0; i < run->row_count; i++) {
        unsigned from = run->rows[i].worker;
        if (!key_equal(run->rows[i].key, key))
            continue;
        *ret_tried = from;
        if (from != index && sim_worker_get(world, from, key, &value)) {
            keep(world, index, key, true);
            say_have(world, index, key);
            return true;
        }
    }
    return false;
}

static void rows_read(struct sim_run *run, field_sources sources)
{
    for (size_t i = 0; i < sources.count && run->row_count < ROWS; i++) {
        run->rows[run->row_count].key = sources.items[i].key;
        run->rows[run->row_count++].worker = sim_worker_of(sources.items[i].address);
    }
}

static void acquire(struct world *world, unsigned index, const struct msg_acquire *m)
{
    struct sim_run run = {.row_count = 0};
    rows_read(&run, m->sources);
    for (unsigned i = 0; i < run.row_count; i++) {
        struct task_key key = run.rows[i].key;
        unsigned tried;
        if (fetch(world, index, &run, key, &tried)) {
            world_held(&world->workers[index], key)->cached = false;
            say_have(world, index, key);
        } else {
            say(world, index,
                MESSAGE(missing, .key = key, .attempt = 0, .input = key,
                        .address = str_of(names[tried < WORKERS ? tried : 0])));
        }
    }
}

/* ---- tasks ---- */

static struct sim_run *run_find(struct sim_worker *worker, uint64_t attempt)
{
    for (unsigned r = 0; r < RUNS; r++)
        if (worker->runs[r].state != RUN_FREE && worker->runs[r].attempt == attempt)
            return &worker->runs[r];
    return NULL;
}

static void fire_finish(struct world *world, struct sim_event *event);

/* Threads take what has its inputs, first come, first served. */
static void start_ready(struct world *world, unsigned index)
{
    struct sim_worker *worker = &world->workers[index];
    unsigned running = 0;
    for (unsigned r = 0; r < RUNS; r++)
        running += worker->runs[r].state == RUN_RUNNING;
    while (running < THREADS) {
        struct sim_run *first = NULL;
        for (unsigned r = 0; r < RUNS; r++)
            if (worker->runs[r].state == RUN_READY &&
                (!first || worker->runs[r].order < first->order))
                first = &worker->runs[r];
        if (!first)
            return;
        first->state = RUN_RUNNING;
        running++;
        bool slow = world_task(world, first->key)->behaviour == SLOW;
        uint64_t ns = slow ? 2000 * MS + world_random(world, 6000 * MS)
                           : 1 * MS + world_random(world, 50 * MS);
        struct sim_event *event =
            world_after(world, ns, fire_finish, index, worker->life);
        event->a = first->attempt;
        event->b = ns;
    }
}

static void finish_done(struct world *world, unsigned index, struct sim_run *run,
                        uint64_t ns)
{
    keep(world, index, run->key, false);
    const struct message *done = MESSAGE(
        done, .key = run->key, .attempt = run->attempt, .nbytes = NBYTES(run->key),
        .start_ns = world->now_ns - ns, .stop_ns = world->now_ns);
    say(world, index, done);
    if (world_chance(world, 3)) /* a second time: must change nothing */
        say(world, index, done);
    world->finishes++;
}

static void fire_finish(struct world *world, struct sim_event *event)
{
    if (!is_due(world, event))
        return;
    struct sim_worker *worker = &world->workers[event->who];
    struct sim_run *run = run_find(worker, event->a);
    if (!run || run->state != RUN_RUNNING)
        return;
    enum behaviour behaviour = world_task(world, run->key)->behaviour;
    if (behaviour == CRASH) {
        sim_worker_kill(world, event->who, 11);
        return;
    }
    world->runs++;
    if (behaviour == FAIL || (behaviour == FLAKY && world_chance(world, 50)))
        say(world, event->who,
            MESSAGE(erred, .key = run->key, .attempt = run->attempt,
                    .code = DUSK_E_TASK, .reason = str_of("it fails")));
    else
        finish_done(world, event->who, run, event->b);
    run->state = RUN_FREE;
    start_ready(world, event->who);
}

static void fire_fetched(struct world *world, struct sim_event *event)
{
    if (!is_due(world, event))
        return;
    struct sim_run *run = run_find(&world->workers[event->who], event->a);
    if (!run || run->state != RUN_FETCHING)
        return;
    const struct sim_task *task = world_task(world, run->key);
    for (unsigned i = 0; i < task->input_count; i++) {
        unsigned tried;
        if (fetch(world, event->who, run, task->inputs[i], &tried))
            continue;
        say(world, event->who,
            MESSAGE(missing, .key = run->key, .attempt = run->attempt,
                    .input = task->inputs[i],
                    .address = str_of(tried < WORKERS ? names[tried] : "")));
        run->state = RUN_FREE;
        return;
    }
    run->state = RUN_READY;
    start_ready(world, event->who);
}

static void run_task(struct world *world, unsigned index, const struct msg_run_task *m)
{
    struct sim_worker *worker = &world->workers[index];
    struct sim_run *run = NULL;
    for (unsigned r = 0; r < RUNS; r++)
        if (worker->runs[r].state == RUN_FREE)
            run = &worker->runs[r];
    if (!run) {
        world_wrong(world, "worker %u was sent more than %d tasks", index, RUNS);
        return;
    }
    *run = (struct sim_run){.state = RUN_FETCHING,
                            .key = m->key,
                            .attempt = m->attempt,
                            .order = ++world->order};
    rows_read(run, m->inputs);
    struct sim_event *event = world_after(world, world_random(world, 20 * MS),
                                          fire_fetched, index, worker->life);
    event->a = m->attempt;
}

static void stop_task(struct world *world, unsigned index,
                      const struct msg_stop_task *m)
{
    struct sim_run *run = run_find(&world->workers[index], m->attempt);
    if (!run)
        return;
    say(world, index,
        MESSAGE(erred, .key = m->key, .attempt = m->attempt, .code = DUSK_E_CANCELLED,
                .reason = str_of("stopped")));
    run->state = RUN_FREE;
    start_ready(world, index);
}

void sim_worker_message(struct world *world, unsigned index,
                        const struct message *message)
{
    struct sim_worker *worker = &world->workers[index];
    switch (message->type) {
    case MSG_welcome:
        worker->welcome = true;
        worker->greeting = false;
        break;
    case MSG_register_again:
        if (!worker->greeting)
            say_hello(world, index);
        break;
    case MSG_refuse:
        /* A namesake is still thought alive: comes again later. */
        sim_worker_cut(world, index);
        break;
    case MSG_run_task:
        run_task(world, index, &message->run_task);
        break;
    case MSG_stop_task:
        stop_task(world, index, &message->stop_task);
        break;
    case MSG_free_data:
        for (size_t i = 0; i < message->free_data.keys.count; i++)
            world_held(worker, message->free_data.keys.items[i])->there = false;
        break;
    case MSG_acquire:
        acquire(world, index, &message->acquire);
        break;
    case MSG_retired:
        say(world, index, MESSAGE(bye, .reason = str_of("retired")));
        world_after(world, 1000 * MS, fire_leave, index, worker->life);
        break;
    default:
        break;
    }
}
