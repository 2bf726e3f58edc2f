/* The client's core between a program that asks for anything, a scheduler that comes,
 * goes and forgets, and workers that lose data; now and then an allocation fails.  A
 * seed decides.  All invariants hold after each step; when the mischief ends every
 * future ends, each result is the right one, and releasing them all leaves nothing.
 *
 * CLIENT_SEED=N runs one seed. */
#include "client/core.h"
#include "common/clock.h"
#include "tests/failing_allocator.h"
#include "tests/test.h"

#include <stdio.h>
#include <string.h>

#define SEEDS 150
#define STEPS 1500
#define KEYS 400
#define WORKERS 4
#define REPLIES 65536
#define HELD 24 /* futures that the program holds at a time */
#define CALM_TURNS 20000
#define LAST_TURNS 300 /* some heartbeats */

#define REQUIRE(holds, format, ...)                                                    \
    ck_assert_msg(holds, "CLIENT_SEED=%llu: " format,                                  \
                  (unsigned long long)seed __VA_OPT__(, ) __VA_ARGS__)

/* ---- chance ---- */

static uint64_t state, seed;
static bool scarce; /* an allocation in a hundred fails */

static uint64_t chance(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 11) % below;
}

static bool allocation_fails(void)
{
    return scarce && chance(100) == 0;
}

/* ---- the world around the core ---- */

enum task_state { UNKNOWN, RUNNING, DONE, FAILED };

/* What the scheduler and the workers know of a task. */
struct task {
    enum task_state state;
    bool known; /* to this life of the scheduler */
    bool wanted;
    bool looked_for; /* locate waits for an answer */
    bool data;
    unsigned holder;
    int code;
};

struct reply {
    struct peer_id peer;
    enum message_type type;
    uint64_t count;
    uint64_t request;
    unsigned worker;
};

struct world {
    struct client_core *core;
    uint64_t now_ns;
    uint64_t digest;
    bool mischief;
    uint64_t scheduler_epoch;
    bool registered;
    struct peer_id scheduler;
    struct peer_id connections[WORKERS]; /* 0: none */
    struct task tasks[KEYS + 1];
    struct reply replies[REPLIES];
    unsigned reply_count;
    struct dusk_future *held[HELD];
};

static const char *const addresses[WORKERS] = {"tcp://w:1", "tcp://w:2", "tcp://w:3",
                                               "tcp://w:4"};

static struct task_key key_of(const struct world *world, uint64_t count)
{
    return key_make(world->core->number, count);
}

static uint64_t count_of(struct task_key key)
{
    uint64_t count = key.bits & KEY_COUNT_MAX;
    ck_assert_uint_ge(count, 1);
    ck_assert_uint_le(count, KEYS);
    return count;
}

/* The result of task `count` is the number `count`. */
static struct payload *payload_of(uint64_t count)
{
    struct dusk_value value = {.kind = DUSK_INT, .integer = (int64_t)count};
    struct payload_builder builder;
    struct payload *payload = NULL;
    bool before = scarce;
    scarce = false;
    payload_builder_init(&builder);
    payload_builder_value(&builder, &value, NULL);
    payload_builder_finish(&builder, &payload);
    scarce = before;
    return payload;
}

static void reply(struct world *world, struct peer_id peer, enum message_type type,
                  uint64_t count, uint64_t request, unsigned worker)
{
    if (!peer.number)
        return;
    ck_assert_uint_lt(world->reply_count, REPLIES);
    world->replies[world->reply_count++] =
        (struct reply){peer, type, count, request, worker};
}

static void tell(struct world *world, enum message_type type, uint64_t count)
{
    if (world->registered)
        reply(world, world->scheduler, type, count, 0, world->tasks[count].holder);
}

static void tell_end(struct world *world, uint64_t count)
{
    struct task *task = &world->tasks[count];
    if (task->wanted)
        tell(world, task->state == FAILED ? MSG_failed : MSG_finished, count);
    if (task->looked_for && task->state == DONE)
        tell(world, MSG_located, count);
    task->looked_for = false;
}

static void task_end(struct world *world, uint64_t count, enum task_state ended,
                     int code)
{
    struct task *task = &world->tasks[count];
    task->state = ended;
    task->code = code;
    if (ended == DONE && !task->data)
        task->holder = (unsigned)chance(WORKERS);
    tell_end(world, count);
}

/* ---- what the core sends ---- */

static void on_submit(struct world *world, const struct msg_submit *submit)
{
    uint64_t count = count_of(submit->key);
    struct task *task = &world->tasks[count];
    for (size_t i = 0; i < submit->dependencies.count; i++)
        REQUIRE(world->tasks[count_of(submit->dependencies.items[i])].known,
                "a task is submitted before what it needs");
    task->known = task->wanted = true;
    if (task->state == UNKNOWN)
        task->state = RUNNING;
    if (task->state != RUNNING)
        tell_end(world, count);
}

static void on_scatter(struct world *world, uint64_t count)
{
    struct task *task = &world->tasks[count];
    task->known = task->wanted = task->data = true;
    if (task->state == DONE || task->state == FAILED) {
        tell_end(world, count);
        return;
    }
    task->state = RUNNING;
    task->holder = (unsigned)chance(WORKERS);
    tell(world, MSG_place, count);
}

static void on_keys(struct world *world, field_keys keys, bool cancel)
{
    for (size_t i = 0; i < keys.count; i++) {
        uint64_t count = count_of(keys.items[i]);
        if (!cancel)
            world->tasks[count].wanted = false;
        else if (world->tasks[count].known && world->tasks[count].state == RUNNING)
            task_end(world, count, FAILED, DUSK_E_CANCELLED);
    }
}

static void on_locate(struct world *world, uint64_t count)
{
    struct task *task = &world->tasks[count];
    REQUIRE(task->known, "the place of an unknown task is asked");
    task->looked_for = true;
    if (task->state == DONE)
        tell_end(world, count);
    else if (task->state == FAILED)
        tell(world, MSG_failed, count);
}

static void to_scheduler(struct world *world, const struct message *message)
{
    if (message->type == MSG_hello) {
        world->registered = true;
        tell(world, MSG_welcome, 0);
    } else if (!world->registered)
        reply(world, world->scheduler, MSG_register_again, 0, 0, 0);
    else if (message->type == MSG_submit)
        on_submit(world, &message->submit);
    else if (message->type == MSG_scatter)
        on_scatter(world, count_of(message->scatter.key));
    else if (message->type == MSG_release)
        on_keys(world, message->release.keys, false);
    else if (message->type == MSG_cancel)
        on_keys(world, message->cancel.keys, true);
    else if (message->type == MSG_locate)
        on_locate(world, count_of(message->locate.key));
    else if (message->type == MSG_alive)
        reply(world, world->scheduler, MSG_alive, 0, message->alive.number, 0);
    else
        ck_abort_msg("the client sends %s", message_name(message->type));
}

static void to_worker(struct world *world, unsigned worker,
                      const struct message *message)
{
    struct peer_id peer = world->connections[worker];
    if (message->type == MSG_get_data) {
        uint64_t count = count_of(message->get_data.key);
        const struct task *task = &world->tasks[count];
        bool there = task->state == DONE && task->holder == worker;
        reply(world, peer, there ? MSG_data : MSG_no_data, count,
              message->get_data.request, worker);
        return;
    }
    ck_assert_int_eq(message->type, MSG_put_data);
    uint64_t count = count_of(message->put_data.key);
    struct task *task = &world->tasks[count];
    reply(world, peer, MSG_stored, count, message->put_data.request, worker);
    if (task->known && task->state == RUNNING) {
        task->holder = worker;
        task_end(world, count, DONE, 0);
    }
}

static void lane_read(struct world *world, struct outbox_lane *lane)
{
    struct frame frames[1];
    struct batch_reader reader;
    struct message message;
    struct err_text text;
    batch_reader_init(&reader, lane->batch.header.data, lane->batch.header.size, frames,
                      0);
    while (batch_reader_next(&reader, &message, &text) == 0) {
        world->digest = (world->digest ^ message.type) * UINT64_C(0x100000001b3);
        if (lane->peer.number == world->scheduler.number)
            to_scheduler(world, &message);
        for (unsigned i = 0; i < WORKERS; i++)
            if (lane->peer.number == world->connections[i].number)
                to_worker(world, i, &message);
    }
    batch_reader_fini(&reader);
    batch_fini(&lane->batch);
}

static void connected(struct world *world, const struct client_action *action)
{
    if (client_core_is_scheduler(world->core, action->peer)) {
        world->scheduler = action->peer;
        world->registered = false;
    }
    for (unsigned i = 0; i < WORKERS; i++)
        if (strcmp(action->address, addresses[i]) == 0)
            world->connections[i] = action->peer;
    client_core_connected(world->core, action->peer, world->now_ns);
}

static void collect(struct world *world)
{
    struct client_action *action;
    client_core_fill(world->core, world->now_ns);
    while ((action = client_core_next_action(world->core))) {
        if (action->type == CLIENT_CONNECT)
            connected(world, action);
        free(action);
    }
    /* A socket may take nothing for a while. */
    if (world->mischief && chance(3) == 0)
        return;
    bool before = scarce;
    scarce = false;
    struct outbox_lane *lane;
    while ((lane = outbox_next(&world->core->outbox)))
        lane_read(world, lane);
    scarce = before;
}

/* ---- what the core is told ---- */

static const struct message *message_of(const struct world *world,
                                        const struct reply *reply,
                                        struct payload *payload, struct source *source,
                                        struct message *message)
{
    const struct task *task = &world->tasks[reply->count];
    struct task_key key = key_of(world, reply->count);
    struct str address = str_of(addresses[reply->worker]);
    bool here = reply->type == MSG_finished && !task->data && reply->count % 2;
    bool damaged = world->mischief && chance(20) == 0;
    *source = (struct source){key, 8, address};
    message->type = reply->type;
    if (reply->type == MSG_welcome)
        *message = *MESSAGE(welcome, .epoch = world->scheduler_epoch,
                            .number = world->core->number, .heartbeat_ms = 1000);
    else if (reply->type == MSG_finished)
        *message = *MESSAGE(finished, .key = key, .nbytes = 8, .worker = 1,
                            .address = here ? str_of("") : address,
                            .result = here ? payload : NULL);
    else if (reply->type == MSG_failed)
        *message = *MESSAGE(failed, .key = key, .code = task->code ? task->code : -9,
                            .reason = str_of("chance"));
    else if (reply->type == MSG_alive)
        *message = *MESSAGE(alive, .number = reply->request);
    else if (reply->type == MSG_place)
        *message = *MESSAGE(place, .key = key, .address = address);
    else if (reply->type == MSG_located)
        *message = *MESSAGE(located, .key = key, .sources = {source, 1});
    else if (reply->type == MSG_data)
        *message =
            *MESSAGE(data, .request = reply->request, .key = key,
                     .checksum = payload_checksum(payload) + damaged, .data = payload);
    else if (reply->type == MSG_no_data)
        *message = *MESSAGE(no_data, .request = reply->request, .key = key,
                            .code = DUSK_E_NOT_FOUND, .reason = str_of("not here"));
    else if (reply->type == MSG_stored)
        *message = *MESSAGE(stored, .request = reply->request, .key = key);
    return message;
}

/* The first message of some connection: each keeps its order. */
static void deliver(struct world *world)
{
    if (world->reply_count == 0)
        return;
    struct peer_id peer = world->replies[chance(world->reply_count)].peer;
    unsigned first = 0;
    while (world->replies[first].peer.number != peer.number)
        first++;
    struct reply it = world->replies[first];
    world->reply_count--;
    memmove(&world->replies[first], &world->replies[first + 1],
            (world->reply_count - first) * sizeof world->replies[0]);
    struct payload *payload = payload_of(it.count);
    struct source source;
    struct message message = {0};
    struct err_text text;
    scarce = world->mischief;
    if (client_core_message(world->core, peer,
                            message_of(world, &it, payload, &source, &message),
                            world->now_ns, &text) < 0)
        client_core_peer_gone(world->core, peer, world->now_ns);
    scarce = false;
    payload_unref(payload);
}

static void scheduler_lost(struct world *world, bool forgets)
{
    if (forgets) {
        world->scheduler_epoch++;
        for (unsigned i = 1; i <= KEYS; i++) {
            struct task *task = &world->tasks[i];
            bool kept = task->state == DONE && chance(2);
            *task = (struct task){.state = kept ? DONE : UNKNOWN,
                                  .data = task->data,
                                  .holder = task->holder};
        }
    }
    for (unsigned i = 1; i <= KEYS; i++)
        world->tasks[i].looked_for = false;
    struct peer_id peer = world->scheduler;
    world->registered = false;
    if (!forgets && chance(2))
        return; /* it has only lost sight of us: register_again */
    world->scheduler.number = 0;
    client_core_peer_gone(world->core, peer, world->now_ns);
}

static void worker_lost(struct world *world, unsigned worker)
{
    for (unsigned i = 1; i <= KEYS; i++) {
        struct task *task = &world->tasks[i];
        if (task->state != DONE || task->holder != worker)
            continue;
        if (task->data)
            task_end(world, i, FAILED, DUSK_E_DATA_LOST);
        else
            task->state = task->known ? RUNNING : UNKNOWN;
    }
    struct peer_id peer = world->connections[worker];
    world->connections[worker].number = 0;
    if (peer.number)
        client_core_peer_gone(world->core, peer, world->now_ns);
}

static void some_task_ends(struct world *world, bool fails)
{
    unsigned at = (unsigned)chance(KEYS) + 1;
    for (unsigned i = 0; i < KEYS; i++, at = at % KEYS + 1) {
        const struct task *task = &world->tasks[at];
        if (task->state != RUNNING || task->data || !task->known)
            continue;
        task_end(world, at, fails ? FAILED : DONE, fails ? DUSK_E_TASK : 0);
        return;
    }
}

/* ---- what the program does ---- */

static struct dusk_future **some_place(struct world *world)
{
    return &world->held[chance(HELD)];
}

static void submit(struct world *world)
{
    struct dusk_future **place = some_place(world), *needs[2];
    unsigned count = 0;
    if (*place || world->core->key_count >= KEYS)
        return;
    struct dusk_future *some = *some_place(world), *other = *some_place(world);
    bool data = chance(5) == 0;
    if (some && !data)
        needs[count++] = some;
    if (other && other != some && !data)
        needs[count++] = other;
    struct payload *payload = payload_of(world->core->key_count + 1);
    struct future_spec *spec =
        future_spec_create(data ? NULL : "f", NULL, payload, needs, count);
    if (!spec)
        payload_unref(payload);
    else if (client_core_submit(world->core, spec, place) < 0)
        future_spec_destroy(spec);
}

static void program(struct world *world)
{
    struct dusk_future **place = some_place(world);
    if (!*place)
        return;
    switch (chance(4)) {
    case 0:
        client_core_cancel(world->core, *place);
        break;
    case 1:
        client_core_fetch(world->core, *place, world->now_ns);
        break;
    default:
        future_unwant(*place);
        *place = NULL;
    }
}

static void step(struct world *world)
{
    switch (chance(16)) {
    case 0:
    case 1:
    case 2:
        scarce = true;
        submit(world);
        break;
    case 3:
        scarce = true;
        program(world);
        break;
    case 4:
    case 5:
        some_task_ends(world, chance(8) == 0);
        break;
    case 6:
        if (chance(10) == 0)
            scheduler_lost(world, chance(2));
        break;
    case 7:
        if (chance(10) == 0)
            worker_lost(world, (unsigned)chance(WORKERS));
        break;
    case 8:
    case 9:
        world->now_ns += chance(chance(20) ? 100 : 8000) * NS_PER_MS;
        scarce = true;
        client_core_tick(world->core, world->now_ns);
        break;
    default:
        deliver(world);
    }
    scarce = world->mischief;
    collect(world);
    scarce = false;
}

static void check(const struct world *world)
{
    struct err_text text;
    if (client_core_check(world->core, &text) < 0)
        REQUIRE(false, "%s", text.line);
}

/* ---- the end ---- */

static bool is_over(const struct dusk_future *future)
{
    return future->state == FUTURE_HERE || future_has_failed(future);
}

static void calm_turn(struct world *world)
{
    world->now_ns += 20 * NS_PER_MS;
    client_core_tick(world->core, world->now_ns);
    some_task_ends(world, false);
    for (int i = 0; i < HELD; i++)
        if (world->held[i])
            client_core_fetch(world->core, world->held[i], world->now_ns);
    for (int i = 0; i < 20; i++)
        deliver(world);
    collect(world);
}

static bool all_over(const struct world *world)
{
    for (int i = 0; i < HELD; i++)
        if (world->held[i] && !is_over(world->held[i]))
            return false;
    return true;
}

static void result_check(const struct dusk_future *future)
{
    struct values *values;
    struct err_text text;
    if (future->state != FUTURE_HERE)
        return;
    ck_assert_int_eq(values_create(future->result, &text, &values), 0);
    REQUIRE(values->count == 1 && (uint64_t)values->items[0].plain.integer ==
                                      (future->key.bits & KEY_COUNT_MAX),
            "a wrong result");
    values_destroy(values);
}

static void settle(struct world *world)
{
    world->mischief = scarce = false;
    for (int turn = 0; !all_over(world); turn++) {
        REQUIRE(turn < CALM_TURNS, "a future does not end");
        calm_turn(world);
        check(world);
    }
    for (int i = 0; i < HELD; i++)
        if (world->held[i]) {
            result_check(world->held[i]);
            future_unwant(world->held[i]);
            world->held[i] = NULL;
        }
    for (int turn = 0; world->core->by_key.count > 0; turn++) {
        REQUIRE(turn < CALM_TURNS, "%zu futures are left", world->core->by_key.count);
        calm_turn(world);
    }
    /* A release that was never read is told again when a heartbeat finds out. */
    for (int turn = 0; turn < LAST_TURNS; turn++)
        calm_turn(world);
    for (unsigned i = 1; i <= KEYS; i++)
        REQUIRE(!world->tasks[i].wanted, "the scheduler keeps %u for nobody", i);
}

static uint64_t run(uint64_t of_seed)
{
    seed = of_seed;
    static struct world world;
    struct client_config config = {
        .epoch = 1, .seed = seed, .name = "sim", .address = "tcp://s:1"};
    memset(&world, 0, sizeof world);
    state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    world.now_ns = NS_PER_S;
    world.scheduler_epoch = 1;
    world.mischief = true;
    ck_assert_int_eq(client_core_create(&config, world.now_ns, &world.core), 0);
    for (int i = 0; i < STEPS; i++) {
        step(&world);
        check(&world);
    }
    settle(&world);
    client_core_close(world.core);
    client_core_destroy(world.core);
    return world.digest;
}

START_TEST(every_future_ends_as_it_should)
{
    const char *one = getenv("CLIENT_SEED");
    if (one)
        run(strtoull(one, NULL, 10));
    for (uint64_t i = 1; !one && i <= SEEDS; i++)
        run(i);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_run)
{
    for (uint64_t i = 1; !getenv("CLIENT_SEED") && i <= 5; i++)
        ck_assert_uint_eq(run(i), run(i));
    ck_assert_uint_ne(run(1), run(2));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client core sim");
    TCase *tcase = tcase_create("sim");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, every_future_ends_as_it_should);
    tcase_add_test(tcase, the_same_seed_gives_the_same_run);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
