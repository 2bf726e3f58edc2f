/* The client's core in scripts: each step does one thing, and lists all that the core
 * then sends.  Tasks are called by the count in their keys. */
#include "client/core.h"
#include "common/clock.h"
#include "tests/test.h"

#include <stdio.h>
#include <string.h>

#define FUTURES 32
#define FOREIGN 20 /* from this count on keys are those of another client */
#define DATA_BYTES 16
#define LARGE 20000 /* doubles: more than rides along */

struct world {
    struct client_core *core;
    uint64_t now_ns;
    struct dusk_future *futures[FUTURES];
    char sent[4096];
    char notes[4096];
    uint64_t connects, closes;
    struct client_question question;
};

static struct payload *payload_of(double number, int64_t length)
{
    static double numbers[LARGE];
    for (int64_t i = 0; i < length; i++)
        numbers[i] = number;
    struct dusk_value value = {.kind = DUSK_ARRAY,
                               .array = dusk_vector(numbers, length)};
    struct payload_builder builder;
    struct payload *payload;
    payload_builder_init(&builder);
    ck_assert_int_eq(payload_builder_value(&builder, &value, NULL), 0);
    ck_assert_int_eq(payload_builder_finish(&builder, &payload), 0);
    return payload;
}

/* ---- what comes out ---- */

static void put(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void put(struct world *world, const char *format, ...)
{
    size_t length = strlen(world->sent);
    if (length)
        world->sent[length++] = ' ';
    va_list args;
    va_start(args, format);
    vsnprintf(world->sent + length, sizeof world->sent - length, format, args);
    va_end(args);
}

static unsigned count_of(struct task_key key)
{
    return (unsigned)(key.bits & KEY_COUNT_MAX);
}

static void put_keys(struct world *world, const char *name, field_keys keys)
{
    char list[200] = "";
    for (size_t i = 0; i < keys.count; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%u", i ? "," : "",
                 count_of(keys.items[i]));
    put(world, "%s:%s", name, list);
}

static void put_message(struct world *world, const struct message *message)
{
    switch (message->type) {
    case MSG_submit:
        if (message->submit.dependencies.count)
            put_keys(world, "needs", message->submit.dependencies);
        put(world, "submit:%u", count_of(message->submit.key));
        break;
    case MSG_scatter:
        put(world, "scatter:%u", count_of(message->scatter.key));
        break;
    case MSG_release:
        put_keys(world, "release", message->release.keys);
        break;
    case MSG_cancel:
        put_keys(world, "cancel", message->cancel.keys);
        break;
    case MSG_publish:
        put_keys(world, "publish", message->publish.keys);
        break;
    case MSG_want:
        put_keys(world, "want", message->want.keys);
        break;
    case MSG_replicate:
        put_keys(world, "replicate", message->replicate.keys);
        break;
    case MSG_locate:
        put(world, "locate:%u", count_of(message->locate.key));
        break;
    case MSG_get_data:
        put(world, "get:%u", count_of(message->get_data.key));
        break;
    case MSG_put_data:
        put(world, "put:%u", count_of(message->put_data.key));
        break;
    default:
        put(world, "%s", message_name(message->type));
    }
}

static void put_batch(struct world *world, struct batch *batch)
{
    struct frame frames[64] = {0};
    ck_assert_uint_le(batch->frame_count, 64);
    struct batch_reader reader;
    struct message message;
    struct err_text text;
    batch_reader_init(&reader, batch->header.data, batch->header.size, frames,
                      batch->frame_count);
    while (batch_reader_next(&reader, &message, &text) == 0)
        put_message(world, &message);
    batch_reader_fini(&reader);
    batch_fini(batch);
}

static void collect(struct world *world)
{
    struct client_action *action;
    client_core_fill(world->core, world->now_ns);
    while ((action = client_core_next_action(world->core))) {
        world->connects += action->type == CLIENT_CONNECT;
        world->closes += action->type == CLIENT_CLOSE;
        if (action->type == CLIENT_NOTE)
            strncat(world->notes, action->line,
                    sizeof world->notes - strlen(world->notes) - 1);
        free(action);
    }
    struct outbox_lane *lane;
    while ((lane = outbox_next(&world->core->outbox)))
        put_batch(world, &lane->batch);
}

/* ---- what goes in ---- */

static struct peer_id scheduler_peer(const struct world *world)
{
    for (uint32_t i = world->core->next_peer; i > 0; i--)
        if (client_core_is_scheduler(world->core, (struct peer_id){i}))
            return (struct peer_id){i};
    return (struct peer_id){0};
}

/* The worker's connection that was opened last. */
static struct peer_id worker_peer(const struct world *world)
{
    struct peer_id scheduler = scheduler_peer(world);
    for (uint32_t i = world->core->next_peer; i > 0; i--)
        if (i != scheduler.number && map_get(&world->core->peers, i))
            return (struct peer_id){i};
    return (struct peer_id){0};
}

static int feed(struct world *world, struct peer_id peer, const struct message *message)
{
    struct err_text text = {""};
    return client_core_message(world->core, peer, message, world->now_ns, &text);
}

#define FROM_SCHEDULER(world, ...)                                                     \
    feed(world, scheduler_peer(world), MESSAGE(__VA_ARGS__))
#define FROM_WORKER(world, ...) feed(world, worker_peer(world), MESSAGE(__VA_ARGS__))

static struct task_key key_of(const struct world *world, unsigned count)
{
    return key_make(count < FOREIGN ? world->core->number : 1, count);
}

static void make(struct world *world, const char *function, unsigned first,
                 unsigned second, int64_t length)
{
    struct dusk_future *needs[2];
    unsigned count = 0;
    if (first)
        needs[count++] = world->futures[first];
    if (second)
        needs[count++] = world->futures[second];
    struct future_spec *spec =
        future_spec_create(function, NULL, payload_of(1, length), needs, count);
    struct dusk_future *future;
    ck_assert_int_eq(client_core_submit(world->core, spec, &future), 0);
    world->futures[count_of(future->key)] = future;
}

static bool do_program(struct world *world, const char *what, unsigned a, unsigned b)
{
    struct client_core *core = world->core;
    if (strcmp(what, "submit") == 0)
        make(world, "score", a, b, 2);
    else if (strcmp(what, "scatter") == 0)
        make(world, NULL, 0, 0, 2);
    else if (strcmp(what, "scatter-large") == 0)
        make(world, NULL, 0, 0, LARGE);
    else if (strcmp(what, "cancel") == 0)
        client_core_cancel(core, world->futures[a]);
    else if (strcmp(what, "fetch") == 0)
        client_core_fetch(core, world->futures[a], world->now_ns);
    else if (strcmp(what, "want") == 0)
        future_want(world->futures[a]);
    else if (strcmp(what, "release") == 0) {
        bool last = world->futures[a]->wanted == 1;
        future_unwant(world->futures[a]);
        if (last)
            world->futures[a] = NULL;
    } else
        return false;
    return true;
}

/* What is published: `a` is the count of a key, or the code of an answer. */
static bool do_published(struct world *world, const char *what, unsigned a)
{
    struct client_core *core = world->core;
    struct client_question *question = &world->question;
    struct task_key key = key_of(world, a);
    struct task_row row = {key, str_of("load")};
    if (strcmp(what, "get") == 0) {
        *question = (struct client_question){.kind = ASK_GET_PUBLISHED, .name = "set"};
        client_core_ask(core, question);
    } else if (strcmp(what, "publish") == 0) {
        *question = (struct client_question){.kind = ASK_PUBLISH,
                                             .name = "set",
                                             .key = key,
                                             .keys = {&question->key, 1}};
        client_core_ask(core, question);
    } else if (strcmp(what, "give-up") == 0) {
        client_core_take_back(core, question);
    } else if (strcmp(what, "got") == 0) {
        FROM_SCHEDULER(world, published, .request = question->request,
                       .tasks = {&row, 1});
        if (question->answered)
            world->futures[a] = question->futures[0];
        free(question->futures);
        question->futures = NULL;
    } else if (strcmp(what, "replicate") == 0) {
        client_core_replicate(core, world->futures[a], 2);
    } else {
        return false;
    }
    return true;
}

static bool do_time(struct world *world, const char *what, unsigned ms)
{
    struct client_core *core = world->core;
    if (strcmp(what, "gone") == 0)
        client_core_peer_gone(core, scheduler_peer(world), world->now_ns);
    else if (strcmp(what, "worker-gone") == 0)
        client_core_peer_gone(core, worker_peer(world), world->now_ns);
    else if (strcmp(what, "worker-connected") == 0)
        client_core_connected(core, worker_peer(world), world->now_ns);
    else if (strcmp(what, "connected") == 0)
        client_core_connected(core, scheduler_peer(world), world->now_ns);
    else if (strcmp(what, "tick") == 0) {
        world->now_ns += ms * NS_PER_MS;
        client_core_tick(core, world->now_ns);
    } else
        return false;
    return true;
}

static bool do_scheduler(struct world *world, const char *what, unsigned a,
                         const char *address)
{
    struct task_key key = key_of(world, a);
    struct str at = str_of(address);
    if (strcmp(what, "welcome") == 0)
        FROM_SCHEDULER(world, welcome, .epoch = a, .number = world->core->number,
                       .heartbeat_ms = 1000);
    else if (strcmp(what, "register_again") == 0)
        FROM_SCHEDULER(world, register_again, .epoch = 0);
    else if (strcmp(what, "alive") == 0)
        FROM_SCHEDULER(world, alive, .number = a ? a : world->core->heartbeats);
    else if (strcmp(what, "busy") == 0)
        FROM_SCHEDULER(world, refuse, .code = DUSK_E_BUSY, .reason = str_of("taken"));
    else if (strcmp(what, "refuse") == 0)
        FROM_SCHEDULER(world, refuse, .code = DUSK_E_REFUSED, .reason = str_of("old"));
    else if (strcmp(what, "finished") == 0) {
        struct payload *result = at.size ? NULL : payload_of(7, 1);
        FROM_SCHEDULER(world, finished, .key = key, .nbytes = 8, .worker = 3,
                       .thread = 1, .start_ns = 10, .stop_ns = 20, .address = at,
                       .result = result);
        payload_unref(result);
    } else if (strcmp(what, "failed") == 0)
        FROM_SCHEDULER(world, failed, .key = key, .code = DUSK_E_TASK,
                       .reason = str_of("no luck"));
    else if (strcmp(what, "unknown") == 0)
        FROM_SCHEDULER(world, failed, .key = key, .code = DUSK_E_NOT_FOUND,
                       .reason = str_of("what it depends on is not known"));
    else if (strcmp(what, "cancelled") == 0)
        FROM_SCHEDULER(world, failed, .key = key, .code = DUSK_E_CANCELLED,
                       .reason = str_of("by somebody"));
    else if (strcmp(what, "lost") == 0)
        FROM_SCHEDULER(world, failed, .key = key, .code = DUSK_E_DATA_LOST,
                       .reason = str_of("gone"));
    else if (strcmp(what, "place") == 0)
        FROM_SCHEDULER(world, place, .key = key, .address = at);
    else if (strcmp(what, "located") == 0) {
        struct source source = {.key = key, .nbytes = 8, .address = at};
        FROM_SCHEDULER(world, located, .key = key, .sources = {&source, at.size > 0});
    } else
        return false;
    return true;
}

static bool do_worker(struct world *world, const char *what, unsigned a)
{
    struct task_key key = key_of(world, a);
    uint64_t request = world->core->next_request;
    if (strcmp(what, "data") == 0 || strcmp(what, "data-damaged") == 0) {
        struct payload *data = payload_of(7, 1);
        uint64_t sum = payload_checksum(data) + (what[4] == '-');
        FROM_WORKER(world, data, .request = request, .key = key, .checksum = sum,
                    .data = data);
        payload_unref(data);
    } else if (strcmp(what, "no_data") == 0)
        FROM_WORKER(world, no_data, .request = request, .key = key,
                    .code = DUSK_E_MEMORY_LIMIT, .reason = str_of("full"));
    else if (strcmp(what, "stored") == 0)
        FROM_WORKER(world, stored, .request = request, .key = key);
    else
        return false;
    return true;
}

static void step(struct world *world, const char *what)
{
    char name[32] = "", address[64] = "";
    unsigned a = 0, b = 0;
    sscanf(what, "%31s %u %u", name, &a, &b);
    sscanf(what, "%*s %*u %63[a-z:/0-9]", address);
    if (!strstr(address, "tcp"))
        address[0] = '\0';
    world->sent[0] = '\0';
    if (!do_program(world, name, a, b) && !do_published(world, name, a) &&
        !do_time(world, name, a) && !do_scheduler(world, name, a, address) &&
        !do_worker(world, name, a))
        ck_abort_msg("no step '%s'", what);
    collect(world);
    struct err_text text;
    if (client_core_check(world->core, &text) < 0)
        ck_abort_msg("after '%s': %s", what, text.line);
}

struct step {
    const char *what;
    const char *sent;
};

static void run(struct world *world, const struct step *steps)
{
    for (const struct step *at = steps; at->what; at++) {
        step(world, at->what);
        if (strcmp(world->sent, at->sent) != 0)
            ck_abort_msg("step %d, '%s', sends '%s' instead of '%s'", (int)(at - steps),
                         at->what, world->sent, at->sent);
    }
}

#define RUN(world, ...) run(world, (const struct step[]){__VA_ARGS__, {NULL, NULL}})

static struct world world_begin(void)
{
    struct world world = {.now_ns = NS_PER_S};
    struct client_config config = {.epoch = 5,
                                   .seed = 1,
                                   .pid = 1,
                                   .name = "test",
                                   .address = "tcp://127.0.0.1:8786"};
    ck_assert_int_eq(client_core_create(&config, world.now_ns, &world.core), 0);
    return world;
}

static struct world world_up(void)
{
    struct world world = world_begin();
    RUN(&world, {"tick 0", "hello"}, {"connected", ""}, {"welcome 1", ""});
    return world;
}

static void world_end(struct world *world)
{
    client_core_close(world->core);
    for (int i = 0; i < FUTURES; i++)
        while (world->futures[i] && world->futures[i]->wanted) {
            bool last = world->futures[i]->wanted == 1;
            future_unwant(world->futures[i]);
            if (last)
                break;
        }
    ck_assert_uint_eq(world->core->by_key.count, 0);
    client_core_destroy(world->core);
}

static enum dusk_status status_of(const struct world *world, unsigned count)
{
    return future_status(world->futures[count]);
}

/* ---- bad cases ---- */

START_TEST(what_a_scheduler_does_not_send_is_an_error)
{
    struct world world = world_up();
    ck_assert_int_eq(FROM_SCHEDULER(&world, retired, .moved = 1), DUSK_E_PROTOCOL);
    ck_assert_int_eq(FROM_SCHEDULER(&world, bye, .reason = str_of("")), DUSK_E_CLOSED);
    world_end(&world);
}
END_TEST

/* The client will make these keys itself. */
START_TEST(own_keys_that_are_not_made_cannot_be_published)
{
    struct world world = world_up();
    struct task_row rows[] = {{key_of(&world, 1), str_of("score")},
                              {key_of(&world, 2), str_of("score")}};
    RUN(&world, {"submit", "submit:1"}, {"get", "get_published"});
    ck_assert_int_eq(FROM_SCHEDULER(&world, published,
                                    .request = world.question.request,
                                    .tasks = {rows, 2}),
                     DUSK_E_PROTOCOL);
    ck_assert(!world.question.answered);
    ck_assert_uint_eq(world.core->by_key.count, 1);
    RUN(&world, {"give-up", ""}, {"submit", "submit:2"});
    world_end(&world);
}
END_TEST

START_TEST(a_refusal_without_a_code_of_ours_is_one_all_the_same)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"});
    FROM_SCHEDULER(&world, refuse, .code = INT64_MIN, .reason = str_of("odd"));
    ck_assert_int_eq(world.futures[1]->code, DUSK_E_REFUSED);
    world_end(&world);
}
END_TEST

/* Keys that others have published may bear the other number. */
START_TEST(a_number_changes_only_with_the_first_welcome)
{
    struct world world = world_up();
    uint64_t number = world.core->number;
    RUN(&world, {"get", "get_published"}, {"got 20", "want:20"}, {"gone", ""},
        {"tick 300", "hello"});
    FROM_SCHEDULER(&world, welcome, .epoch = 2, .number = 1, .heartbeat_ms = 1000);
    ck_assert_uint_eq(world.core->number, number);
    world_end(&world);
}
END_TEST

START_TEST(messages_about_nothing_are_counted_and_harm_nobody)
{
    struct world world = world_up();
    uint64_t late = world.core->late;
    RUN(&world, {"finished 9", ""}, {"failed 9", ""}, {"place 9 tcp://w:1", ""},
        {"located 9 tcp://w:1", ""}, {"welcome 1", ""});
    ck_assert_uint_eq(world.core->late, late + 4);
    world_end(&world);
}
END_TEST

START_TEST(a_result_that_comes_too_late_changes_nothing)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"submit", "submit:2"},
        {"cancel 1", "cancel:1"}, {"finished 1", ""}, {"cancelled 1", ""},
        {"release 2", "release:2"}, {"finished 2", ""});
    ck_assert_int_eq(status_of(&world, 1), DUSK_CANCELLED);
    ck_assert_int_eq(world.futures[1]->code, DUSK_E_CANCELLED);
    ck_assert_ptr_null(world.futures[1]->result);
    world_end(&world);
}
END_TEST

START_TEST(a_second_result_or_a_failure_after_it_changes_nothing)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"finished 1", ""}, {"finished 1", ""},
        {"failed 1", ""}, {"lost 1", ""}, {"cancel 1", ""});
    ck_assert_int_eq(status_of(&world, 1), DUSK_FINISHED);
    ck_assert_uint_eq(world.futures[1]->worker, 3);
    world_end(&world);
}
END_TEST

/* The scheduler has forgotten it, so what needs it can only be cancelled too. */
START_TEST(a_result_that_is_here_is_cancelled_all_the_same)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"finished 1", ""},
        {"submit 1", "needs:1 submit:2"}, {"cancelled 1", ""}, {"unknown 2", ""},
        {"submit 1", ""});
    const struct payload *result = world.futures[1]->result;
    ck_assert_int_eq(status_of(&world, 1), DUSK_CANCELLED);
    ck_assert_str_eq(world.futures[1]->line, "by somebody");
    ck_assert_ptr_nonnull(result); /* the program may have borrowed from it */
    ck_assert_int_eq(status_of(&world, 2), DUSK_CANCELLED);
    ck_assert_int_eq(status_of(&world, 3), DUSK_CANCELLED);
    RUN(&world, {"gone", ""}, {"tick 300", "hello"}, {"welcome 2", ""});
    world_end(&world);
}
END_TEST

/* Word of it was lost with a connection: what was cancelled says so. */
START_TEST(a_result_is_cancelled_with_what_it_needed)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"submit 1", "needs:1 submit:2"},
        {"finished 2", ""}, {"cancel 1", "cancel:1"}, {"gone", ""},
        {"tick 300", "hello"}, {"welcome 1", "cancel:1"}, {"submit 2", ""});
    ck_assert_int_eq(status_of(&world, 2), DUSK_CANCELLED);
    ck_assert_int_eq(status_of(&world, 3), DUSK_CANCELLED);
    world_end(&world);
}
END_TEST

START_TEST(failures_have_their_kind)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"submit", "submit:2"}, {"submit", "submit:3"},
        {"failed 1", ""}, {"cancelled 2", ""}, {"lost 3", ""});
    ck_assert_int_eq(status_of(&world, 1), DUSK_ERROR);
    ck_assert_str_eq(world.futures[1]->line, "no luck");
    ck_assert_int_eq(status_of(&world, 2), DUSK_CANCELLED);
    ck_assert_int_eq(status_of(&world, 3), DUSK_LOST);
    world_end(&world);
}
END_TEST

START_TEST(what_needs_a_failed_future_fails_without_a_message)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"failed 1", ""}, {"submit 1", ""});
    ck_assert_int_eq(status_of(&world, 2), DUSK_ERROR);
    ck_assert_ptr_nonnull(strstr(world.futures[2]->line, "no luck"));
    world_end(&world);
}
END_TEST

START_TEST(a_taken_number_is_replaced_and_another_refusal_is_final)
{
    struct world world = world_begin();
    uint64_t number = world.core->number;
    RUN(&world, {"tick 0", "hello"}, {"busy", ""}, {"tick 300", "hello"});
    ck_assert_uint_ne(world.core->number, number);
    RUN(&world, {"welcome 1", ""}, {"submit", "submit:1"}, {"gone", ""},
        {"tick 300", "hello"}, {"refuse", ""}, {"tick 9000", ""});
    ck_assert_int_eq(world.core->link, LINK_REFUSED);
    ck_assert_int_eq(status_of(&world, 1), DUSK_ERROR);
    ck_assert_ptr_nonnull(strstr(world.futures[1]->line, "old"));
    world_end(&world);
}
END_TEST

START_TEST(a_scheduler_without_memory_is_asked_again_to_take_a_client_back)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"gone", ""}, {"tick 300", "hello"});
    ck_assert_int_eq(
        FROM_SCHEDULER(&world, refuse, .code = DUSK_E_NOMEM, .reason = str_of("full")),
        DUSK_E_CLOSED);
    RUN(&world, {"gone", ""}, {"tick 9000", "hello"}, {"welcome 1", "submit:1"},
        {"finished 1", ""});
    ck_assert_int_eq(status_of(&world, 1), DUSK_FINISHED);
    world_end(&world);
}
END_TEST

/* ---- queues ---- */

START_TEST(what_was_never_told_is_never_sent)
{
    struct world world = world_begin();
    RUN(&world, {"submit", ""}, {"submit", ""}, {"submit", ""}, {"cancel 1", ""},
        {"release 2", ""}, {"tick 0", "hello"}, {"welcome 1", "submit:3"});
    ck_assert_int_eq(status_of(&world, 1), DUSK_CANCELLED);
    world_end(&world);
}
END_TEST

START_TEST(released_futures_live_on_in_what_needs_them)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"submit 1", "needs:1 submit:2"},
        {"release 1", "release:1"}, {"submit 2", "needs:2 submit:3"});
    ck_assert_uint_eq(world.core->by_key.count, 3);
    RUN(&world, {"release 2", "release:2"}, {"release 3", "release:3"});
    ck_assert_uint_eq(world.core->by_key.count, 0);
    world_end(&world);
}
END_TEST

START_TEST(long_chains_are_freed_without_recursion)
{
    struct world world = world_up();
    step(&world, "submit");
    for (unsigned i = 1; i <= 200000; i++) {
        struct dusk_future *before = world.futures[1];
        struct future_spec *spec =
            future_spec_create("next", NULL, payload_of(1, 1), &before, 1);
        ck_assert_int_eq(client_core_submit(world.core, spec, &world.futures[1]), 0);
        future_unwant(before);
    }
    ck_assert_uint_eq(world.core->by_key.count, 200001);
    world_end(&world);
}
END_TEST

START_TEST(a_full_outbox_is_filled_again_after_sending)
{
    struct world world = world_up();
    for (int i = 0; i < 70000; i++) {
        struct dusk_future *future;
        struct future_spec *spec =
            future_spec_create("f", NULL, payload_of(1, 1), NULL, 0);
        ck_assert_int_eq(client_core_submit(world.core, spec, &future), 0);
        world.futures[0] = future;
    }
    client_core_fill(world.core, world.now_ns);
    ck_assert(world.core->blocked);
    ck_assert_uint_gt(world.core->queue_count, 0);
    struct outbox_lane *lane = outbox_next(&world.core->outbox);
    batch_fini(&lane->batch);
    client_core_fill(world.core, world.now_ns);
    ck_assert(!world.core->blocked);
    ck_assert_uint_eq(world.core->queue_count, 0);
    client_core_close(world.core);
    LIST_FOREACH (link, &world.core->futures)
        future_unwant(CONTAINER_OF(link, struct dusk_future, all));
    client_core_destroy(world.core);
}
END_TEST

START_TEST(a_result_that_is_here_keeps_the_cause_for_what_needs_it)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"finished 1", ""},
        {"submit 1", "needs:1 submit:2"}, {"gone", ""}, {"tick 300", "hello"},
        {"welcome 2", "submit:1 needs:1 submit:2"}, {"failed 1", ""},
        {"unknown 2", ""});
    ck_assert_int_eq(status_of(&world, 1), DUSK_FINISHED);
    ck_assert_int_eq(status_of(&world, 2), DUSK_ERROR);
    ck_assert_int_eq(world.futures[2]->code, DUSK_E_TASK);
    world_end(&world);
}
END_TEST

/* ---- what others have published ---- */

START_TEST(a_foreign_future_is_like_any_other)
{
    struct world world = world_up();
    RUN(&world, {"get", "get_published"}, {"got 20", "want:20"},
        {"finished 20 tcp://w:1", ""}, {"submit 20", "needs:20 submit:1"},
        {"fetch 20", "get:20"}, {"data 20", ""});
    ck_assert_int_eq(future_status(world.futures[20]), DUSK_FINISHED);
    /* It is wanted again by its key: its recipe is not here. */
    RUN(&world, {"gone", ""}, {"tick 300", "hello"},
        {"welcome 2", "want:20 needs:20 submit:1"}, {"release 20", "release:20"});
    world_end(&world);
}
END_TEST

START_TEST(a_scheduler_may_not_know_it_any_more)
{
    struct world world = world_up();
    RUN(&world, {"get", "get_published"}, {"got 20", "want:20"}, {"gone", ""},
        {"tick 300", "hello"}, {"welcome 2", "want:20"}, {"failed 20", ""});
    ck_assert_int_eq(future_status(world.futures[20]), DUSK_ERROR);
    world_end(&world);
}
END_TEST

START_TEST(ones_own_come_back_as_they_are)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"get", "get_published"}, {"got 1", ""},
        {"release 1", ""}, {"submit 1", "needs:1 submit:2"});
    ck_assert_uint_eq(world.futures[1]->references, 2);
    /* A release may have crossed the answer. */
    struct dusk_future *kept = world.futures[1];
    RUN(&world, {"get", "get_published"}, {"release 1", "release:1"},
        {"got 1", "want:1"});
    ck_assert_ptr_eq(world.futures[1], kept);
    RUN(&world, {"finished 1 tcp://w:1", ""}, {"release 1", "release:1"});
    world_end(&world);
}
END_TEST

START_TEST(what_nobody_waits_for_any_more_is_released)
{
    struct world world = world_up();
    RUN(&world, {"get", "get_published"}, {"give-up", ""}, {"got 20", "release:20"});
    ck_assert_ptr_null(map_get(&world.core->by_key, key_of(&world, 20).bits));
    world_end(&world);
}
END_TEST

START_TEST(questions_and_copies_are_told_again)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"replicate 1", "replicate:1"},
        {"publish 1", "publish:1"}, {"gone", ""}, {"tick 300", "hello"},
        {"welcome 2", "submit:1 replicate:1 publish:1"});
    /* A task that the scheduler knows is not submitted for that. */
    RUN(&world, {"finished 1 tcp://w:1", ""}, {"replicate 1", "replicate:1"});
    client_core_take_back(world.core, &world.question);
    world_end(&world);
}
END_TEST

/* The scheduler sees to deadlines of tasks that it knows. */
START_TEST(copies_of_a_task_that_is_late)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"});
    world.futures[1]->spec->deadline_ns = world.now_ns + NS_PER_MS;
    RUN(&world, {"tick 10", ""}, {"replicate 1", "replicate:1"});
    ck_assert_int_eq(status_of(&world, 1), DUSK_PENDING);
    RUN(&world, {"gone", ""}, {"tick 300", "hello"}, {"welcome 2", ""});
    ck_assert_int_eq(status_of(&world, 1), DUSK_ERROR);
    ck_assert_int_eq(world.futures[1]->code, DUSK_E_DEADLINE);
    world_end(&world);
}
END_TEST

START_TEST(copies_of_what_depends_on_a_cancelled_task)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"submit 1", "needs:1 submit:2"},
        {"finished 2 tcp://w:1", ""}, {"cancel 1", "cancel:1"},
        {"replicate 2", "replicate:2"});
    ck_assert_int_eq(future_status(world.futures[2]), DUSK_FINISHED);
    world_end(&world);
}
END_TEST

/* ---- reconnection ---- */

START_TEST(a_new_scheduler_is_told_everything_in_order)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"submit 1", "needs:1 submit:2"},
        {"submit", "submit:3"}, {"submit", "submit:4"}, {"release 1", "release:1"},
        {"finished 2 tcp://w:1", ""}, {"finished 3", ""}, {"failed 4", ""},
        {"gone", ""}, {"submit 3", ""}, {"tick 300", "hello"},
        {"welcome 2", "submit:1 needs:1 submit:2 submit:3 needs:3 submit:5 release:1"});
    world_end(&world);
}
END_TEST

/* The answers to two heartbeats are under way when the release is sent. */
START_TEST(a_release_is_repeated_until_a_later_heartbeat_is_answered)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"submit", "submit:2"}, {"tick 1000", "alive"},
        {"tick 1000", "alive"}, {"release 1", "release:1"}, {"alive 1", ""},
        {"tick 1000", "alive"}, {"alive 2", ""}, {"tick 1000", "alive"}, {"gone", ""},
        {"tick 300", "hello"}, {"welcome 1", "release:1 submit:2"},
        {"tick 1000", "alive"}, {"alive", ""}, {"tick 1000", "alive"}, {"alive", ""},
        {"tick 1000", "alive"}, {"gone", ""}, {"tick 300", "hello"},
        {"welcome 1", "submit:2"});
    world_end(&world);
}
END_TEST

START_TEST(the_same_scheduler_is_told_everything_too)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"submit", "submit:2"}, {"submit", "submit:3"},
        {"finished 1", ""}, {"finished 2 tcp://w:1", ""}, {"register_again", "hello"},
        {"register_again", ""}, {"submit", ""},
        {"welcome 1", "submit:1 submit:2 submit:3 submit:4"});
    world_end(&world);
}
END_TEST

START_TEST(a_silent_scheduler_is_left_and_missed)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"tick 1000", "alive"}, {"alive", ""},
        {"tick 4900", "alive"}, {"tick 200", "hello"}, {"tick 3000", ""});
    ck_assert_ptr_nonnull(strstr(world.notes, "is silent"));
    ck_assert_ptr_nonnull(
        strstr(world.notes, "scheduler tcp://127.0.0.1:8786 gone for 3 s, waiting"));
    RUN(&world, {"connected", ""}, {"welcome 1", "submit:1"});
    ck_assert_ptr_nonnull(strstr(world.notes, "is back"));
    world_end(&world);
}
END_TEST

START_TEST(a_scheduler_without_a_welcome_is_tried_again)
{
    struct world world = world_begin();
    RUN(&world, {"tick 0", "hello"}, {"tick 9000", ""}, {"connected", ""},
        {"tick 4900", ""}, {"tick 200", "hello"});
    ck_assert_uint_eq(world.connects, 2);
    ck_assert_uint_eq(world.closes, 1);
    world_end(&world);
}
END_TEST

START_TEST(a_hello_that_waited_for_its_connection_tells_the_time)
{
    struct world world = world_begin();
    struct client_core *core = world.core;
    struct batch_reader reader;
    struct message message;
    client_core_tick(core, world.now_ns);
    world.now_ns += 100 * NS_PER_S;
    client_core_set_clock(core, world.now_ns + 7, world.now_ns);
    client_core_connected(core, scheduler_peer(&world), world.now_ns);
    struct outbox_lane *lane = outbox_next(&core->outbox);
    batch_reader_init(&reader, lane->batch.header.data, lane->batch.header.size, NULL,
                      0);
    ck_assert_int_eq(batch_reader_next(&reader, &message, NULL), 0);
    ck_assert_uint_eq(message.hello.unix_ns, world.now_ns + 7);
    ck_assert_int_eq(batch_reader_next(&reader, &message, NULL), 1);
    batch_reader_fini(&reader);
    world_end(&world);
}
END_TEST

START_TEST(keys_that_do_not_fit_are_final)
{
    struct world world = world_begin();
    RUN(&world, {"tick 0", "hello"}, {"connected", ""}, {"welcome 1", ""},
        {"submit", "submit:1"}, {"submit", "submit:2"}, {"finished 2 tcp://w:1", ""},
        {"fetch 2", "get:2"}, {"submit", "submit:3"}, {"finished 3", ""}, {"gone", ""},
        {"tick 300", "hello"});
    client_core_refuse(world.core, DUSK_E_KEYS, "wrong keys");
    RUN(&world, {"tick 9000", ""});
    ck_assert_int_eq(world.core->link, LINK_REFUSED);
    ck_assert_int_eq(world.core->refusal, DUSK_E_KEYS);
    ck_assert_int_eq(status_of(&world, 1), DUSK_ERROR);
    ck_assert_str_eq(world.futures[1]->line, "wrong keys");
    /* Nobody looks for it any more. */
    ck_assert_int_eq(status_of(&world, 2), DUSK_ERROR);
    ck_assert_ptr_null(world.futures[2]->transfer);
    ck_assert_int_eq(status_of(&world, 3), DUSK_FINISHED);
    world_end(&world);
}
END_TEST

/* ---- data ---- */

START_TEST(results_are_fetched_once)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"fetch 1", ""}, {"finished 1 tcp://w:1", ""},
        {"fetch 1", "get:1"}, {"fetch 1", ""}, {"data 1", ""}, {"fetch 1", ""});
    ck_assert_int_eq(world.futures[1]->state, FUTURE_HERE);
    world_end(&world);
}
END_TEST

START_TEST(a_result_is_looked_for_where_it_is_now)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"finished 1 tcp://w:1", ""},
        {"fetch 1", "get:1"}, {"worker-gone", ""}, {"tick 50", "locate:1"},
        {"located 1 tcp://v:2", "get:1"}, {"no_data 1", ""}, {"tick 100", "locate:1"},
        {"gone", ""}, {"tick 300", "hello"}, {"welcome 1", "submit:1 locate:1"},
        {"finished 1 tcp://u:3", "get:1"}, {"data-damaged 1", ""},
        {"tick 300", "locate:1"}, {"lost 1", ""});
    ck_assert_int_eq(status_of(&world, 1), DUSK_LOST);
    world_end(&world);
}
END_TEST

START_TEST(a_worker_that_answers_nothing_is_looked_around)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"finished 1 tcp://w:1", ""},
        {"fetch 1", "get:1"}, {"worker-connected", ""}, {"tick 3000", "alive"},
        {"alive", ""}, {"tick 2100", "alive locate:1"}, {"located 1 tcp://w:1", ""},
        {"tick 2500", "alive"}, {"alive", ""}, {"tick 2600", "alive locate:1"},
        {"located 1 tcp://v:2", "get:1"});
    world_end(&world);
}
END_TEST

START_TEST(an_answer_that_was_lost_is_asked_for_again)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"submit", "submit:2"},
        {"finished 1 tcp://w:1", ""}, {"finished 2 tcp://w:1", ""},
        {"fetch 1", "get:1"}, {"fetch 2", "get:2"}, {"worker-connected", ""});
    for (int i = 0; i < 39; i++) {
        step(&world, "tick 3000");
        step(&world, "alive");
        step(&world, "located 1 tcp://w:1");
        ck_assert_str_eq(world.sent, "");
    }
    uint64_t connects = world.connects;
    RUN(&world, {"tick 3000", "alive locate:1 locate:2"}, {"alive", ""},
        {"located 1 tcp://w:1", "get:1 get:2"}, {"located 2 tcp://w:1", ""},
        {"data 1", ""}, {"data 2", ""});
    ck_assert_uint_eq(world.connects, connects + 1);
    ck_assert_uint_eq(world.closes, 1);
    ck_assert_ptr_nonnull(strstr(world.notes, "tcp://w:1 does not answer"));
    ck_assert_int_eq(world.futures[2]->state, FUTURE_HERE);
    world_end(&world);
}
END_TEST

START_TEST(data_that_were_lost_on_their_way_are_brought_again)
{
    struct world world = world_up();
    RUN(&world, {"scatter", "scatter:1"}, {"place 1 tcp://w:1", "put:1"},
        {"worker-connected", ""});
    for (int i = 0; i < 39; i++) {
        step(&world, "tick 3000");
        step(&world, "alive");
        step(&world, "place 1 tcp://w:1");
        ck_assert_str_eq(world.sent, "");
    }
    RUN(&world, {"tick 3000", "alive scatter:1"}, {"alive", ""},
        {"place 1 tcp://w:1", "put:1"}, {"stored 1", ""}, {"finished 1 tcp://w:1", ""});
    ck_assert_uint_eq(world.closes, 1);
    ck_assert_int_eq(world.futures[1]->state, FUTURE_HERE);
    world_end(&world);
}
END_TEST

START_TEST(a_result_that_cannot_be_fetched_says_so)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"finished 1 tcp://w:1", ""},
        {"fetch 1", "get:1"}, {"no_data 1", ""});
    const uint64_t begin_ns = world.now_ns;
    for (int i = 0; world.futures[1]->code == 0; i++) {
        ck_assert_int_lt(i, 1000);
        step(&world, "tick 100");
        step(&world, "alive");
        if (list_is_empty(&world.core->looking))
            continue;
        step(&world, "located 1 tcp://w:1");
        step(&world, "no_data 1");
    }
    ck_assert_int_eq(world.futures[1]->code, DUSK_E_UNREACHABLE);
    ck_assert_uint_gt(world.now_ns - begin_ns, 15 * NS_PER_S);
    ck_assert_int_eq(status_of(&world, 1), DUSK_FINISHED);
    RUN(&world, {"fetch 1", "get:1"}, {"data 1", ""});
    world_end(&world);
}
END_TEST

START_TEST(scattered_data_are_brought_until_they_are_confirmed)
{
    struct world world = world_up();
    RUN(&world, {"scatter", "scatter:1"}, {"place 1 tcp://w:1", "put:1"},
        {"place 1 tcp://w:1", ""}, {"stored 1", ""}, {"finished 1 tcp://w:1", ""});
    ck_assert_int_eq(world.futures[1]->state, FUTURE_HERE);
    RUN(&world, {"scatter-large", "scatter:2"}, {"place 2 tcp://w:1", "put:2"},
        {"worker-gone", ""}, {"tick 50", "scatter:2"}, {"place 2 tcp://v:1", "put:2"},
        {"stored 2", ""}, {"tick 3100", "alive scatter:2"},
        {"finished 2 tcp://v:1", ""});
    ck_assert_int_eq(world.futures[2]->state, FUTURE_AWAY);
    ck_assert_ptr_null(world.futures[2]->spec->payload);
    RUN(&world, {"scatter", "scatter:3"}, {"place 3 tcp://v:1", "put:3"},
        {"no_data 3", "release:3"});
    ck_assert_int_eq(world.futures[3]->code, DUSK_E_MEMORY_LIMIT);
    world_end(&world);
}
END_TEST

/* ---- uploads and the end ---- */

static struct client_upload *upload_begin(struct world *world, const char *name)
{
    struct client_upload *upload;
    ck_assert_int_eq(client_core_upload(world->core, name, payload_of(1, 1), &upload),
                     0);
    return upload;
}

static void outcome(struct world *world, uint64_t request, int code)
{
    FROM_SCHEDULER(world, outcome, .request = request, .code = code,
                   .reason = str_of("says w"));
}

START_TEST(each_scheduler_is_told_of_uploads_ahead_of_tasks)
{
    struct world world = world_up();
    struct client_upload *first = upload_begin(&world, "p.so");
    RUN(&world, {"tick 1", "upload"}, {"tick 1", ""}, {"gone", ""},
        {"tick 1000", "hello"}, {"welcome 1", "upload"});
    ck_assert(!first->answered);
    outcome(&world, first->request + 100, 0);
    outcome(&world, first->request, 0);
    ck_assert(first->answered && first->code == 0);
    /* A scheduler that has answered keeps it. */
    RUN(&world, {"submit", "submit:1"}, {"gone", ""}, {"tick 1000", "hello"},
        {"welcome 1", "submit:1"});
    RUN(&world, {"gone", ""}, {"tick 1000", "hello"}, {"welcome 2", "upload submit:1"});
    world.notes[0] = '\0';
    outcome(&world, first->request, DUSK_E_FORBIDDEN);
    collect(&world);
    ck_assert(strstr(world.notes, "plugin p.so cannot be loaded again: says w"));
    ck_assert(first->answered && first->code == 0);
    RUN(&world, {"tick 1", ""});
    world_end(&world);
}
END_TEST

/* A new scheduler hears of this client before it hears of the worker. */
START_TEST(scattered_data_are_waited_for_with_their_worker)
{
    struct world world = world_up();
    RUN(&world, {"scatter-large", "scatter:1"}, {"place 1 tcp://w:1", "put:1"},
        {"stored 1", ""}, {"finished 1 tcp://w:1", ""}, {"place 1 tcp://v:1", ""},
        {"tick 3100", "alive scatter:1"}, {"finished 1 tcp://w:1", "get:1"},
        {"data 1", ""});
    ck_assert_int_eq(world.futures[1]->state, FUTURE_HERE);
    RUN(&world, {"scatter-large", "scatter:2"}, {"place 2 tcp://w:1", "put:2"},
        {"stored 2", ""}, {"finished 2 tcp://w:1", ""}, {"place 2 tcp://v:1", ""});
    for (int i = 0; i < 2; i++)
        RUN(&world, {"tick 3100", "alive scatter:2"}, {"place 2 tcp://v:1", ""},
            {"alive", ""});
    RUN(&world, {"tick 3100", "alive scatter:2"}, {"place 2 tcp://v:1", "release:2"});
    ck_assert_int_eq(status_of(&world, 2), DUSK_LOST);
    world_end(&world);
}
END_TEST

START_TEST(data_that_only_tasks_need_are_brought_all_the_same)
{
    struct world world = world_up();
    RUN(&world, {"scatter", "scatter:1"}, {"submit 1", "needs:1 submit:2"},
        {"release 1", ""}, {"place 1 tcp://w:1", "put:1"}, {"stored 1", ""},
        {"finished 1 tcp://w:1", "release:1"});
    RUN(&world, {"scatter", "scatter:3"}, {"submit 3", "needs:3 submit:4"},
        {"release 3", ""}, {"release 4", "release:4 release:3"});
    world_end(&world);
}
END_TEST

START_TEST(a_refused_upload_is_not_told_again)
{
    struct world world = world_up();
    struct client_upload *upload = upload_begin(&world, "p.so");
    RUN(&world, {"tick 1", "upload"});
    outcome(&world, upload->request, DUSK_E_PLUGIN);
    ck_assert_int_eq(upload->code, DUSK_E_PLUGIN);
    ck_assert_str_eq(upload->text.line, "says w");
    client_core_upload_end(upload);
    RUN(&world, {"gone", ""}, {"tick 1000", "hello"}, {"welcome 2", ""});
    world_end(&world);
}
END_TEST

START_TEST(a_shutdown_is_asked_for_until_it_is_answered)
{
    struct world world = world_up();
    struct client_question question = {.kind = ASK_SHUTDOWN};
    client_core_ask(world.core, &question);
    RUN(&world, {"tick 1", "shutdown"}, {"gone", ""}, {"tick 1000", "hello"},
        {"welcome 1", "shutdown"});
    outcome(&world, question.request, DUSK_E_TIMEOUT);
    ck_assert(question.answered && question.code == DUSK_E_TIMEOUT);
    ck_assert_str_eq(question.reason, "says w");
    free(question.reason);
    world_end(&world);
}
END_TEST

START_TEST(what_depends_on_a_forgotten_failure_fails_likewise)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"submit 1", "needs:1 submit:2"},
        {"cancelled 1", ""}, {"unknown 2", ""});
    ck_assert_int_eq(status_of(&world, 2), DUSK_CANCELLED);
    RUN(&world, {"submit", "submit:3"}, {"unknown 3", ""});
    ck_assert_int_eq(world.futures[3]->code, DUSK_E_NOT_FOUND);
    world_end(&world);
}
END_TEST

START_TEST(a_released_task_passes_on_why_it_was_never_known)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"submit 1", "needs:1 submit:2"},
        {"submit 2", "needs:2 submit:3"}, {"release 2", "release:2"},
        {"cancelled 1", ""}, {"unknown 2", ""}, {"unknown 3", ""});
    ck_assert_int_eq(status_of(&world, 3), DUSK_CANCELLED);
    world_end(&world);
}
END_TEST

START_TEST(a_released_task_that_fails_is_the_cause_of_what_needs_it)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"submit 1", "needs:1 submit:2"},
        {"release 1", "release:1"}, {"failed 1", ""}, {"unknown 2", ""});
    ck_assert_int_eq(world.futures[2]->code, DUSK_E_TASK);
    ck_assert_ptr_nonnull(strstr(world.futures[2]->line, "no luck"));
    world_end(&world);
}
END_TEST

/* A new scheduler is not told of 2, whose result is here, since 1 has failed. */
START_TEST(a_result_that_is_here_passes_on_why_nothing_can_be_built_on_it)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"submit 1", "needs:1 submit:2"},
        {"submit 2", "needs:2 submit:3"}, {"finished 2", ""}, {"failed 1", ""},
        {"gone", ""}, {"tick 300", "hello"}, {"welcome 2", ""});
    ck_assert_int_eq(world.futures[2]->state, FUTURE_HERE);
    ck_assert_int_eq(world.futures[3]->code, DUSK_E_TASK);
    ck_assert_ptr_nonnull(strstr(world.futures[3]->line, "no luck"));
    world_end(&world);
}
END_TEST

/* ---- watches ---- */

START_TEST(watches_come_in_the_order_of_the_ends)
{
    struct world world = world_up();
    RUN(&world, {"submit", "submit:1"}, {"submit", "submit:2"}, {"submit", "submit:3"},
        {"finished 3", ""});
    struct list ready;
    struct future_watch watches[3];
    list_init(&ready);
    for (unsigned i = 0; i < 3; i++)
        future_watch(&watches[i], world.futures[i + 1], &ready);
    RUN(&world, {"failed 2", ""}, {"finished 1 tcp://w:1", ""});
    unsigned order[3], count = 0;
    LIST_FOREACH (link, &ready) {
        struct future_watch *watch = CONTAINER_OF(link, struct future_watch, link);
        order[count++] = count_of(watch->future->key);
        list_remove(link);
    }
    ck_assert_uint_eq(count, 3);
    ck_assert(order[0] == 3 && order[1] == 2 && order[2] == 1);
    world_end(&world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client core");
    TCase *bad = tcase_create("bad");
    tcase_add_test(bad, what_a_scheduler_does_not_send_is_an_error);
    tcase_add_test(bad, own_keys_that_are_not_made_cannot_be_published);
    tcase_add_test(bad, a_refusal_without_a_code_of_ours_is_one_all_the_same);
    tcase_add_test(bad, a_number_changes_only_with_the_first_welcome);
    tcase_add_test(bad, messages_about_nothing_are_counted_and_harm_nobody);
    tcase_add_test(bad, a_result_that_comes_too_late_changes_nothing);
    tcase_add_test(bad, a_second_result_or_a_failure_after_it_changes_nothing);
    tcase_add_test(bad, a_result_that_is_here_is_cancelled_all_the_same);
    tcase_add_test(bad, a_result_is_cancelled_with_what_it_needed);
    tcase_add_test(bad, failures_have_their_kind);
    tcase_add_test(bad, what_needs_a_failed_future_fails_without_a_message);
    tcase_add_test(bad, a_taken_number_is_replaced_and_another_refusal_is_final);
    tcase_add_test(bad,
                   a_scheduler_without_memory_is_asked_again_to_take_a_client_back);
    suite_add_tcase(suite, bad);
    TCase *good = tcase_create("good");
    tcase_set_timeout(good, 60);
    tcase_add_test(good, what_was_never_told_is_never_sent);
    tcase_add_test(good, released_futures_live_on_in_what_needs_them);
    tcase_add_test(good, long_chains_are_freed_without_recursion);
    tcase_add_test(good, a_full_outbox_is_filled_again_after_sending);
    tcase_add_test(good, a_result_that_is_here_keeps_the_cause_for_what_needs_it);
    tcase_add_test(good, a_foreign_future_is_like_any_other);
    tcase_add_test(good, a_scheduler_may_not_know_it_any_more);
    tcase_add_test(good, ones_own_come_back_as_they_are);
    tcase_add_test(good, what_nobody_waits_for_any_more_is_released);
    tcase_add_test(good, questions_and_copies_are_told_again);
    tcase_add_test(good, copies_of_a_task_that_is_late);
    tcase_add_test(good, copies_of_what_depends_on_a_cancelled_task);
    tcase_add_test(good, a_new_scheduler_is_told_everything_in_order);
    tcase_add_test(good, the_same_scheduler_is_told_everything_too);
    tcase_add_test(good, a_release_is_repeated_until_a_later_heartbeat_is_answered);
    tcase_add_test(good, a_silent_scheduler_is_left_and_missed);
    tcase_add_test(good, a_scheduler_without_a_welcome_is_tried_again);
    tcase_add_test(good, a_hello_that_waited_for_its_connection_tells_the_time);
    tcase_add_test(good, keys_that_do_not_fit_are_final);
    tcase_add_test(good, results_are_fetched_once);
    tcase_add_test(good, a_result_is_looked_for_where_it_is_now);
    tcase_add_test(good, a_worker_that_answers_nothing_is_looked_around);
    tcase_add_test(good, an_answer_that_was_lost_is_asked_for_again);
    tcase_add_test(good, data_that_were_lost_on_their_way_are_brought_again);
    tcase_add_test(good, a_result_that_cannot_be_fetched_says_so);
    tcase_add_test(good, scattered_data_are_brought_until_they_are_confirmed);
    tcase_add_test(good, scattered_data_are_waited_for_with_their_worker);
    tcase_add_test(good, data_that_only_tasks_need_are_brought_all_the_same);
    tcase_add_test(good, what_depends_on_a_forgotten_failure_fails_likewise);
    tcase_add_test(good, a_released_task_passes_on_why_it_was_never_known);
    tcase_add_test(good, a_released_task_that_fails_is_the_cause_of_what_needs_it);
    tcase_add_test(good,
                   a_result_that_is_here_passes_on_why_nothing_can_be_built_on_it);
    tcase_add_test(good, watches_come_in_the_order_of_the_ends);
    tcase_add_test(good, each_scheduler_is_told_of_uploads_ahead_of_tasks);
    tcase_add_test(good, a_refused_upload_is_not_told_again);
    tcase_add_test(good, a_shutdown_is_asked_for_until_it_is_answered);
    suite_add_tcase(suite, good);
    return test_main(suite);
}
