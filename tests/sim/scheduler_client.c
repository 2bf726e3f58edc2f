/* A model of a client: submits a random graph bit by bit, and changes its mind. */
#include "tests/sim/scheduler_world.h"

#include <string.h>

static void say(struct world *world, uint32_t number, const struct message *message)
{
    world_say(world, world->clients[number].peer, message);
}

/* ---- the graph ---- */

static enum behaviour random_behaviour(struct world *world)
{
    uint64_t dice = world_random(world, 100);
    return dice < 62   ? OK
           : dice < 75 ? SLOW
           : dice < 85 ? FLAKY
           : dice < 89 ? FAIL
           : dice < 91 ? CRASH
                       : DATA;
}

/* Every eleventh task must be done soon, and may be late with all that need it. */
#define HURRIES(count) ((count) % 11 == 0)
#define LATE (1u << 31)

/* A new task on up to three earlier ones that are still wanted. */
static void make_task(struct world *world, uint32_t number, unsigned count)
{
    struct sim_client *client = &world->clients[number];
    struct sim_task *task = &client->tasks[count];
    *task = (struct sim_task){.behaviour = random_behaviour(world),
                              .progress = PENDING,
                              .restricted = world_chance(world, 5)};
    task->value = key_make(number, count).bits * UINT64_C(0x9E3779B97F4A7C15);
    task->may_end = 1u << task->behaviour | (HURRIES(count) ? LATE : 0);
    unsigned wanted =
        task->behaviour == DATA ? 0 : (unsigned)world_random(world, INPUTS + 1);
    for (unsigned i = 0; i < wanted && count > 1; i++) {
        unsigned input = 1 + (unsigned)world_random(world, count - 1);
        if (client->tasks[input].released || client->tasks[input].cancelled ||
            client->tasks[input].progress == FAILED)
            continue;
        task->inputs[task->input_count++] = key_make(number, input);
        task->value = task->value * 31 + client->tasks[input].value;
        task->may_end |= client->tasks[input].may_end;
    }
}

static void submit(struct world *world, uint32_t number, unsigned count)
{
    static const char *const functions[] = {"ok", "slow", "flaky", "fail", "crash"};
    const struct sim_task *task = &world->clients[number].tasks[count];
    struct task_key key = key_make(number, count);
    if (task->behaviour == DATA) {
        say(world, number, MESSAGE(scatter, .key = key, .nbytes = 1000));
        return;
    }
    say(world, number,
        MESSAGE(submit, .key = key, .function = str_of(functions[task->behaviour]),
                .dependencies = {task->inputs, task->input_count},
                .priority = (int64_t)(count % 3), .retries = 4,
                .worker = str_of(task->restricted ? "w0" : ""),
                .resources = str_of(count % 7 == 0 ? "GPU=1" : ""),
                .deadline_ms = HURRIES(count) ? 3000 : 0));
}

static void release(struct world *world, uint32_t number, unsigned count)
{
    struct task_key key = key_make(number, count);
    world->clients[number].tasks[count].released = true;
    say(world, number, MESSAGE(release, .keys = {&key, 1}));
}

/* What depends on a cancelled task is cancelled, too. */
static void cancel(struct world *world, uint32_t number, unsigned count)
{
    struct sim_client *client = &world->clients[number];
    struct task_key key = key_make(number, count);
    client->tasks[count].cancelled = true;
    for (unsigned t = count + 1; t <= client->submitted; t++)
        for (unsigned i = 0; i < client->tasks[t].input_count; i++)
            client->tasks[t].cancelled |=
                world_task(world, client->tasks[t].inputs[i])->cancelled;
    say(world, number, MESSAGE(cancel, .keys = {&key, 1}));
}

static void fire_act(struct world *world, struct sim_event *event)
{
    struct sim_client *client = &world->clients[event->who];
    if (client->welcome && client->submitted < TASKS) {
        unsigned count = ++client->submitted;
        make_task(world, event->who, count);
        submit(world, event->who, count);
    }
    unsigned some =
        client->submitted ? 1 + (unsigned)world_random(world, client->submitted) : 0;
    if (some && world->now_ns < world->chaos_until_ns && client->welcome) {
        if (world_chance(world, 10) && !client->tasks[some].released)
            release(world, event->who, some);
        else if (world_chance(world, 3) && !client->tasks[some].released)
            cancel(world, event->who, some);
        else if (world_chance(world, 10))
            say(world, event->who,
                MESSAGE(locate,
                        .key = key_make(1 + world_random(world, CLIENTS), some)));
        else if (world_chance(world, 5))
            say(world, event->who,
                MESSAGE(why, .request = 1, .key = key_make(event->who, some)));
        else if (world_chance(world, 5))
            say(world, event->who, MESSAGE(status_request, .request = 2));
    }
    if (client->submitted < TASKS || world->now_ns < world->chaos_until_ns)
        world_after(world, world_random(world, 400 * MS), fire_act, event->who, 0);
}

/* ---- connection ---- */

static void fire_alive(struct world *world, struct sim_event *event)
{
    if (world->clients[event->who].welcome)
        say(world, event->who, MESSAGE(alive, .epoch = 1));
    world_after(world, 1000 * MS, fire_alive, event->who, 0);
}

static void say_hello(struct world *world, uint32_t number)
{
    say(world, number,
        MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                .role = ROLE_CLIENT, .epoch = world->clients[number].epoch,
                .client = number,
                .scheduler_epoch = world->clients[number].scheduler_epoch));
}

static void connect_and_hello(struct world *world, uint32_t number)
{
    world->clients[number].peer = world_connect(world, -1, (int)number);
    world->clients[number].welcome = false;
    say_hello(world, number);
}

static void fire_reconnect(struct world *world, struct sim_event *event)
{
    if (world->clients[event->who].peer == 0)
        connect_and_hello(world, event->who);
}

void sim_client_cut(struct world *world, uint32_t number)
{
    struct sim_client *client = &world->clients[number];
    world_disconnect(world, client->peer, world_chance(world, 80));
    client->peer = 0;
    client->welcome = false;
    world_after(world, world_random(world, 8000 * MS), fire_reconnect, number, 0);
}

void sim_client_start(struct world *world, uint32_t number)
{
    world->clients[number].epoch = 1 + world_random(world, 1000000);
    connect_and_hello(world, number);
    world_after(world, 0, fire_act, number, 0);
    world_after(world, 1000 * MS, fire_alive, number, 0);
}

/* Everything that is still wanted is asked for again, after what it was made from;
 * what was only needed for that is released once more. */
static void submit_again(struct world *world, uint32_t number)
{
    struct sim_client *client = &world->clients[number];
    bool needed[TASKS + 1] = {false};
    for (unsigned t = client->submitted; t >= 1; t--) {
        const struct sim_task *task = &client->tasks[t];
        needed[t] |= !task->released && !task->cancelled && task->progress != FAILED;
        for (unsigned i = 0; needed[t] && i < task->input_count; i++)
            needed[task->inputs[i].bits & KEY_COUNT_MAX] = true;
    }
    for (unsigned t = 1; t <= client->submitted; t++)
        if (needed[t])
            submit(world, number, t);
    for (unsigned t = 1; t <= client->submitted; t++)
        if (client->tasks[t].released)
            release(world, number, t);
}

/* ---- answers ---- */

static void fetch(struct world *world, uint32_t number, struct task_key key,
                  struct str address)
{
    struct sim_task *task = world_task(world, key);
    uint64_t value;
    if (task->released || task->cancelled)
        return;
    if (!sim_worker_get(world, sim_worker_of(address), key, &value))
        say(world, number, MESSAGE(locate, .key = key));
    else if (value != task->value)
        world_wrong(world, "a result has the wrong value");
}

static void finished(struct world *world, uint32_t number, const struct msg_finished *m)
{
    struct sim_task *task = world_task(world, m->key);
    task->progress = FINISHED;
    if (task->may_end & (1u << FAIL | 1u << CRASH) && !task->cancelled)
        world_wrong(world, "a task that must fail has finished");
    fetch(world, number, m->key, m->address);
}

static bool code_is_right(const struct world *world, const struct sim_task *task,
                          int code)
{
    switch (code) {
    case DUSK_E_TASK:
        return task->may_end & (1u << FAIL | 1u << FLAKY);
    case DUSK_E_KILLED:
        return world->deaths >= 3;
    case DUSK_E_DEADLINE:
        return task->may_end & LATE;
    case DUSK_E_DATA_LOST:
        return task->may_end & 1u << DATA;
    case DUSK_E_CANCELLED:
        return task->cancelled;
    case DUSK_E_NOT_FOUND:
        /* Asked for what was given up, or what had failed before a reconnection. */
        return task->released || task->cancelled || task->progress == FAILED;
    default:
        return false;
    }
}

static void failed(struct world *world, uint32_t number, const struct msg_failed *m)
{
    if (m->key.bits >> KEY_COUNT_BITS != number)
        return;
    struct sim_task *task = world_task(world, m->key);
    if (!code_is_right(world, task, (int)m->code))
        world_wrong(world, "future %u-%u failed with %s: " STR_FORMAT, number,
                    (unsigned)(m->key.bits & KEY_COUNT_MAX), err_name((int)m->code),
                    STR_ARGS(m->reason));
    if (task->progress == PENDING || m->code != DUSK_E_NOT_FOUND)
        task->progress = FAILED;
    task->code = (int)m->code;
}

static void fire_put(struct world *world, struct sim_event *event)
{
    struct task_key key = {event->a};
    if (sim_worker_put(world, (unsigned)event->b, key) ||
        world->now_ns > world->chaos_until_ns + 60000 * MS)
        return;
    struct sim_event *again = world_after(world, 500 * MS, fire_put, event->who, 0);
    again->a = event->a;
    again->b = event->b;
}

void sim_client_message(struct world *world, uint32_t number,
                        const struct message *message)
{
    struct sim_client *client = &world->clients[number];
    struct sim_event *event;
    switch (message->type) {
    case MSG_welcome:
        client->welcome = true;
        client->scheduler_epoch = message->welcome.epoch;
        submit_again(world, number);
        break;
    case MSG_register_again:
        say_hello(world, number);
        break;
    case MSG_refuse:
        sim_client_cut(world, number);
        break;
    case MSG_finished:
        finished(world, number, &message->finished);
        break;
    case MSG_failed:
        failed(world, number, &message->failed);
        break;
    case MSG_located:
        if (message->located.key.bits >> KEY_COUNT_BITS == number &&
            message->located.sources.count)
            fetch(world, number, message->located.key,
                  message->located.sources.items[0].address);
        break;
    case MSG_place:
        event = world_after(world, world_random(world, 30 * MS), fire_put, number, 0);
        event->a = message->place.key.bits;
        event->b = sim_worker_of(message->place.address);
        break;
    default:
        break;
    }
}
