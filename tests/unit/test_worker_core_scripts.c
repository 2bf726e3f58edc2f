/* Scripts for the worker's core: events in, messages and actions out. */
#include "proto/limits.h"
#include "tests/test.h"
#include "worker/core_state.h"

#include <string.h>

#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)
#define LIMIT (4u << 20)

static struct worker_core *core;
static uint64_t now;
static struct peer_id scheduler;
static struct worker_action *action;

/* The message that was sent last, with what keeps it alive. */
static struct batch_reader reader;
static bool reading;
static struct batch taken;
static struct frame frames[64];
static struct message message;
static struct peer_id to;

/* ---- looking at what comes out ---- */

static bool next_message(void)
{
    struct err_text text;
    for (;;) {
        if (reading && batch_reader_next(&reader, &message, &text) == 0)
            return true;
        if (reading) {
            batch_reader_fini(&reader);
            batch_fini(&taken);
        }
        struct outbox_lane *lane = outbox_next(worker_core_outbox(core));
        reading = lane != NULL;
        if (!reading)
            return false;
        size_t count = 0;
        taken = lane->batch;
        batch_init(&lane->batch);
        to = lane->peer;
        for (size_t i = 0; i < taken.payload_count; i++)
            for (unsigned f = 0; f < payload_frame_count(taken.payloads[i]); f++) {
                frames[count] = *payload_frame(taken.payloads[i], f);
                frames[count++].release = NULL;
            }
        batch_reader_init(&reader, taken.header.data, taken.header.size, frames, count);
    }
}

/* The next message of this type; others are passed over. */
static const struct message *sent(enum message_type type)
{
    while (next_message())
        if (message.type == type)
            return &message;
    return NULL;
}

static const struct message *expect_message(enum message_type type)
{
    ck_assert_msg(sent(type) != NULL, "no %s was sent", message_name(type));
    return &message;
}

/* expect_hello(), expect_done(), ... */
#define DEFINE_EXPECT(number, name)                                                    \
    static inline const struct msg_##name *expect_##name(void)                         \
    {                                                                                  \
        return &expect_message(MSG_##name)->name;                                      \
    }
MESSAGES(DEFINE_EXPECT)

/* The next action of this kind; others are passed over. */
static const struct worker_action *acted(enum worker_action_kind kind)
{
    for (;;) {
        worker_action_destroy(action);
        action = worker_core_action(core);
        if (!action || action->kind == kind)
            return action;
    }
}

static const struct worker_action *expect(enum worker_action_kind kind)
{
    ck_assert_msg(acted(kind) != NULL, "no action %d", kind);
    return action;
}

static void nothing_of(enum message_type type)
{
    ck_assert_msg(sent(type) == NULL, "%s was sent", message_name(type));
}

/* ---- events ---- */

static void start(void (*change)(struct worker_config *config))
{
    struct worker_config config;
    worker_config_init(&config);
    config.name = "w";
    config.address = "tcp://self:1";
    config.scheduler = "tcp://scheduler:1";
    config.directory = "/spill";
    config.epoch = 99;
    config.memory_limit = LIMIT;
    if (change)
        change(&config);
    now = S;
    core = worker_core_create(&config, now);
    scheduler = expect(WORKER_DIAL)->peer;
    expect_hello();
}

static void from_scheduler(const struct message *event)
{
    struct err_text text;
    worker_core_message(core, scheduler, event, now);
    ck_assert_msg(worker_core_check(core, &text) == 0, "%s", text.line);
}

static void welcome(void)
{
    from_scheduler(MESSAGE(welcome, .epoch = 5, .number = 1, .heartbeat_ms = 1000));
}

static void much_memory(struct worker_config *config)
{
    config->memory_limit = (size_t)4 << 30;
}

static void setup(void)
{
    start(NULL);
    welcome();
}

static void teardown(void)
{
    next_message();
    while (next_message()) {
    }
    worker_action_destroy(action);
    action = NULL;
    worker_core_destroy(core);
}

static struct task_key key_of(unsigned number)
{
    return key_make(1, number);
}

static struct payload *payload_of(size_t bytes)
{
    struct payload_builder builder;
    struct payload *payload;
    double *data = calloc(1, bytes + 8);
    struct dusk_value value = {
        .kind = DUSK_ARRAY,
        .array = {
            .dtype = DUSK_F64, .ndim = 1, .shape = {(int64_t)bytes / 8}, .data = data}};
    payload_builder_init(&builder);
    ck_assert_int_eq(payload_builder_value(&builder, &value, NULL), 0);
    ck_assert_int_eq(payload_builder_finish(&builder, &payload), 0);
    free(data);
    return payload;
}

static void run_with(unsigned number, int64_t priority, unsigned count,
                     const struct source *sources)
{
    from_scheduler(MESSAGE(run_task, .key = key_of(number), .attempt = 1,
                           .function = str_of("f"), .priority = priority,
                           .inputs = {sources, count}));
}

static void run(unsigned number)
{
    run_with(number, 0, 0, NULL);
}

static void finish(struct job *job, size_t bytes)
{
    struct err_text text;
    job->result = payload_of(bytes);
    job->start_ns = 1;
    job->stop_ns = 10 * MS;
    worker_core_finished(core, job, now);
    ck_assert_msg(worker_core_check(core, &text) == 0, "%s", text.line);
}

/* Puts data of so many bytes here, through a thread. */
static void make(unsigned number, size_t bytes)
{
    run(number);
    struct job *job = expect(WORKER_START)->job;
    if (bytes > job->room) {
        worker_core_room(core, job, bytes, now);
        while (expect(WORKER_ROOM)->job != job) {
        }
        ck_assert_int_eq(action->code, 0);
    }
    finish(job, bytes);
    expect_done();
}

static struct source source(unsigned number, size_t bytes, const char *address)
{
    return (struct source){key_of(number), bytes, str_of(address)};
}

static void bring(struct peer_id peer, uint64_t request, unsigned number, size_t bytes,
                  uint64_t spoil)
{
    struct payload *payload = payload_of(bytes);
    worker_core_message(core, peer,
                        MESSAGE(data, .request = request, .key = key_of(number),
                                .checksum = payload_checksum(payload) + spoil,
                                .data = payload),
                        now);
    payload_unref(payload);
}

static bool str_has(struct str str, const char *part)
{
    return memmem(str.text, str.size, part, strlen(part)) != NULL;
}

/* ---- the scheduler ---- */

START_TEST(a_refusal_ends_the_worker_with_its_reason)
{
    from_scheduler(
        MESSAGE(refuse, .code = DUSK_E_REFUSED, .reason = str_of("not dusk 1.0")));
    ck_assert_int_eq(expect(WORKER_END)->code, 1);
    ck_assert_ptr_nonnull(strstr(action->text, "not dusk 1.0"));
}
END_TEST

START_TEST(a_scheduler_without_memory_is_asked_again_to_take_a_worker_back)
{
    from_scheduler(
        MESSAGE(refuse, .code = DUSK_E_NOMEM, .reason = str_of("out of memory")));
    ck_assert_ptr_null(acted(WORKER_END));
    now += S;
    worker_core_tick(core, now);
    expect(WORKER_DIAL);
}
END_TEST

START_TEST(without_a_scheduler_the_worker_gives_up_in_time)
{
    teardown();
    start(NULL);
    for (now = S; now < 31 * S; now += S / 2) {
        worker_core_tick(core, now);
        if (now < 30 * S)
            ck_assert_uint_gt(worker_core_deadline(core), now);
    }
    worker_core_tick(core, now);
    ck_assert_int_eq(expect(WORKER_END)->code, 1);
    ck_assert_ptr_nonnull(strstr(action->text, "tcp://scheduler:1"));
}
END_TEST

START_TEST(waiting_for_the_scheduler_is_told_once)
{
    teardown();
    start(NULL);
    int notes = 0;
    for (; now < 20 * S; now += S / 2)
        worker_core_tick(core, now);
    while (acted(WORKER_NOTE))
        notes++;
    ck_assert_int_eq(notes, 1);
}
END_TEST

START_TEST(silence_leads_to_a_new_connection_with_all_that_is_here)
{
    make(1, 100);
    run(2);
    expect(WORKER_START);
    run(3);
    for (int i = 0; i < 6; i++)
        worker_core_tick(core, now += S);
    struct peer_id old = scheduler;
    ck_assert_uint_eq(expect(WORKER_HANGUP)->peer.number, old.number);
    scheduler = expect(WORKER_DIAL)->peer;
    ck_assert_uint_ne(scheduler.number, old.number);
    const struct msg_hello *hello = expect_hello();
    ck_assert_uint_eq(hello->epoch, 99);
    ck_assert_uint_eq(hello->inventory.count, 1);
    ck_assert_uint_eq(hello->inventory.items[0].key.bits, key_of(1).bits);
    ck_assert_uint_eq(hello->running.count, 2);
    ck_assert_uint_eq(hello->running.items[0].running + hello->running.items[1].running,
                      1);
    /* What comes over the old connection is not for this one. */
    worker_core_message(
        core, old,
        MESSAGE(run_task, .key = key_of(4), .attempt = 1, .function = str_of("f")),
        now);
    ck_assert(!worker_core_is_registered(core));
}
END_TEST

START_TEST(a_worker_that_was_stopped_asks_before_it_reconnects)
{
    now += 60 * S;
    worker_core_tick(core, now);
    expect_heartbeat();
    ck_assert_ptr_null(acted(WORKER_DIAL));
}
END_TEST

START_TEST(register_again_is_answered_once)
{
    now += S;
    from_scheduler(MESSAGE(register_again, .epoch = 6));
    from_scheduler(MESSAGE(register_again, .epoch = 6));
    expect_hello();
    nothing_of(MSG_hello);
    ck_assert_ptr_null(acted(WORKER_DIAL));
}
END_TEST

START_TEST(a_closed_connection_is_not_used_again)
{
    struct peer_id old = scheduler;
    worker_core_peer_gone(core, old, now);
    ck_assert_uint_eq(expect(WORKER_HANGUP)->peer.number, old.number);
    worker_core_message(core, old, MESSAGE(welcome, .epoch = 5, .number = 2), now);
    ck_assert(!worker_core_is_registered(core));
    now = worker_core_deadline(core);
    worker_core_tick(core, now);
    scheduler = expect(WORKER_DIAL)->peer;
    ck_assert_uint_ne(scheduler.number, old.number);
    expect_hello();
    ck_assert_ptr_null(acted(WORKER_END));
}
END_TEST

START_TEST(a_lost_scheduler_is_waited_for_so_long)
{
    worker_core_peer_gone(core, scheduler, now);
    uint64_t lost = now;
    for (; now < lost + 599 * S; now += S)
        worker_core_tick(core, now);
    ck_assert_ptr_null(acted(WORKER_END));
    now += 2 * S;
    worker_core_tick(core, now);
    ck_assert_int_eq(expect(WORKER_END)->code, 1);
}
END_TEST

/* The connection came back by itself before a new one was due. */
START_TEST(who_registers_again_in_time_goes_on)
{
    now += 10000 * S;
    worker_core_peer_gone(core, scheduler, now);
    scheduler = expect(WORKER_DIAL)->peer;
    worker_core_peer_gone(core, scheduler, now);
    worker_core_connected(core, scheduler, now);
    welcome();
    now += S;
    worker_core_tick(core, now);
    worker_core_tick(core, now);
    ck_assert_msg(!acted(WORKER_END), "%s", action->text);
}
END_TEST

static void without_end(struct worker_config *config)
{
    config->reconnect_timeout_ns = UINT64_MAX;
}

START_TEST(a_lost_scheduler_may_be_waited_for_without_end)
{
    teardown();
    start(without_end);
    welcome();
    worker_core_peer_gone(core, scheduler, now);
    for (int days = 0; days < 1000; days++, now += 86400 * S)
        worker_core_tick(core, now);
    ck_assert_ptr_null(acted(WORKER_END));
    ck_assert_uint_lt(worker_core_deadline(core), UINT64_MAX);
}
END_TEST

START_TEST(heartbeats_tell_what_runs)
{
    make(1, 1000);
    run(2);
    struct job *job = expect(WORKER_START)->job;
    atomic_store(&job->progress, 17);
    worker_core_resident(core, 12345, now);
    now = worker_core_deadline(core);
    worker_core_tick(core, now);
    const struct msg_heartbeat *beat = expect_heartbeat();
    ck_assert_uint_eq(beat->rss, 12345);
    ck_assert_uint_ge(beat->memory, 1000);
    ck_assert_uint_eq(beat->running.count, 1);
    ck_assert_uint_eq(beat->running.items[0].key.bits, key_of(2).bits);
    ck_assert_int_eq(beat->running.items[0].progress, 17);
}
END_TEST

START_TEST(retiring_gives_back_what_has_not_begun)
{
    run(1);
    struct job *job = expect(WORKER_START)->job;
    run(2);
    worker_core_retire(core, now);
    ck_assert_uint_eq(expect_retire()->deadline_ms, 10000);
    ck_assert_uint_eq(expect_erred()->key.bits, key_of(2).bits);
    ck_assert_int_eq(message.erred.code, DUSK_E_CANCELLED);
    run(3);
    ck_assert_uint_eq(expect_erred()->key.bits, key_of(3).bits);
    finish(job, 8);
    expect_done();
    from_scheduler(MESSAGE(retired, .moved = 1));
    expect_bye();
    ck_assert_int_eq(expect(WORKER_END)->code, 0);
}
END_TEST

START_TEST(retiring_ends_at_its_deadline)
{
    worker_core_retire(core, now);
    for (uint64_t until = now + 10 * S; now <= until; now += S / 2) {
        worker_core_tick(core, now);
        from_scheduler(MESSAGE(alive, .epoch = 5));
    }
    ck_assert_int_eq(expect(WORKER_END)->code, 0);
}
END_TEST

START_TEST(retiring_ends_when_the_scheduler_goes)
{
    worker_core_retire(core, now);
    worker_core_peer_gone(core, scheduler, now);
    ck_assert_int_eq(expect(WORKER_END)->code, 0);
}
END_TEST

/* ---- tasks ---- */

START_TEST(a_hello_that_waited_for_its_connection_tells_the_time)
{
    now += S;
    worker_core_peer_gone(core, scheduler, now);
    scheduler = expect(WORKER_DIAL)->peer;
    now += 100 * S;
    worker_core_set_clock(core, now + 7 * S, now);
    worker_core_connected(core, scheduler, now);
    ck_assert_uint_eq(expect_hello()->unix_ns, now + 7 * S);
    nothing_of(MSG_hello);
    worker_core_connected(core, scheduler, now);
    nothing_of(MSG_hello);
}
END_TEST

START_TEST(the_list_of_members_goes_to_the_shell)
{
    char long_key[100];
    memset(long_key, 'x', sizeof long_key);
    struct member_row rows[] = {
        {MEMBER_CLIENT, str_of("c"), str_of("key1")},
        {MEMBER_CLIENT, str_of("d"), {long_key, sizeof long_key}},
        {MEMBER_WORKER, str_of("w"), str_of("key2")},
    };
    from_scheduler(MESSAGE(members, .members = {rows, 3}));
    const struct members *members = &expect(WORKER_ADMIT)->members;
    ck_assert_int_eq(members->count, 2);
    ck_assert_str_eq(members->items[0].key, "key1");
    ck_assert_str_eq(members->items[1].name, "w");
    ck_assert_int_eq(members->items[1].role, MEMBER_WORKER);
}
END_TEST

START_TEST(keys_that_do_not_fit_end_the_worker)
{
    worker_core_fail(core, "wrong keys", now);
    ck_assert_int_eq(expect(WORKER_END)->code, 1);
    ck_assert_str_eq(action->text, "wrong keys");
}
END_TEST

START_TEST(too_long_a_function_name_is_an_error)
{
    char name[300];
    memset(name, 'x', sizeof name);
    from_scheduler(MESSAGE(run_task, .key = key_of(1), .attempt = 1,
                           .function = {name, sizeof name}));
    ck_assert_uint_eq(expect_erred()->attempt, 1);
}
END_TEST

START_TEST(the_same_attempt_is_accepted_once)
{
    run(1);
    run(1);
    finish(expect(WORKER_START)->job, 8);
    expect_done();
    ck_assert_ptr_null(acted(WORKER_START));
    nothing_of(MSG_done);
}
END_TEST

START_TEST(smaller_priorities_run_first_and_equal_ones_in_order)
{
    run_with(1, 5, 0, NULL);
    run_with(2, 5, 0, NULL);
    run_with(3, 5, 0, NULL);
    run_with(4, 1, 0, NULL);
    static const unsigned order[] = {1, 4, 2, 3};
    for (int i = 0; i < 4; i++) {
        struct job *job = expect(WORKER_START)->job;
        ck_assert_uint_eq(job->key.bits, key_of(order[i]).bits);
        finish(job, 8);
    }
}
END_TEST

START_TEST(small_results_ride_along_unless_they_should_stay)
{
    run(1);
    finish(expect(WORKER_START)->job, 800);
    ck_assert_ptr_nonnull(expect_done()->result);
    from_scheduler(MESSAGE(run_task, .key = key_of(2), .attempt = 1,
                           .function = str_of("f"), .flags = SUBMIT_KEEP));
    finish(expect(WORKER_START)->job, 800);
    ck_assert_ptr_null(expect_done()->result);
    ck_assert_uint_gt(message.done.nbytes, 800);
}
END_TEST

START_TEST(stopping_what_waits_answers_at_once)
{
    run(1);
    expect(WORKER_START);
    run(2);
    from_scheduler(MESSAGE(stop_task, .key = key_of(2), .attempt = 1));
    ck_assert_int_eq(expect_erred()->code, DUSK_E_CANCELLED);
    from_scheduler(MESSAGE(stop_task, .key = key_of(2), .attempt = 1));
    nothing_of(MSG_erred);
}
END_TEST

START_TEST(stopping_what_runs_answers_when_it_has_stopped)
{
    run(1);
    struct job *job = expect(WORKER_START)->job;
    from_scheduler(MESSAGE(stop_task, .key = key_of(1), .attempt = 1));
    ck_assert_int_eq(job->cancelled, 1);
    nothing_of(MSG_erred);
    finish(job,
           8); /* it did not look at the flag: the result is dropped all the same */
    ck_assert_int_eq(expect_erred()->code, DUSK_E_CANCELLED);
    nothing_of(MSG_done);
}
END_TEST

START_TEST(results_of_a_lost_connection_are_told_by_the_next_hello)
{
    run(1);
    struct job *job = expect(WORKER_START)->job;
    worker_core_peer_gone(core, scheduler, now);
    finish(job, 8);
    now += S;
    worker_core_tick(core, now);
    scheduler = expect(WORKER_DIAL)->peer;
    const struct msg_hello *hello = expect_hello();
    ck_assert_uint_eq(hello->inventory.count, 1);
    ck_assert_uint_eq(hello->running.count, 0);
}
END_TEST

/* ---- inputs ---- */

START_TEST(sources_are_tried_one_after_the_other)
{
    struct source rows[] = {source(9, 80, "tcp://self:1"), source(9, 80, "tcp://a:1"),
                            source(9, 80, "tcp://b:1")};
    run_with(1, 0, 3, rows);
    struct peer_id first = expect(WORKER_DIAL)->peer;
    ck_assert_str_eq(action->text, "tcp://a:1");
    uint64_t request = expect_get_data()->request;
    worker_core_message(core, first,
                        MESSAGE(no_data, .request = request, .key = key_of(9),
                                .code = DUSK_E_NOT_FOUND),
                        now);
    struct peer_id second = expect(WORKER_DIAL)->peer;
    expect_get_data();
    worker_core_peer_gone(core, second, now);
    const struct msg_missing *missing = expect_missing();
    ck_assert_uint_eq(missing->key.bits, key_of(1).bits);
    ck_assert_uint_eq(missing->input.bits, key_of(9).bits);
    ck_assert(str_has(missing->address, "tcp://b:1"));
    nothing_of(MSG_missing);
}
END_TEST

START_TEST(what_should_be_here_and_is_not_is_missing_from_here)
{
    struct source row = source(9, 80, "tcp://self:1");
    run_with(1, 0, 1, &row);
    ck_assert(str_has(expect_missing()->address, "tcp://self:1"));
}
END_TEST

START_TEST(a_wrong_checksum_is_not_believed)
{
    struct source row = source(9, 80, "tcp://a:1");
    run_with(1, 0, 1, &row);
    struct peer_id peer = expect(WORKER_DIAL)->peer;
    bring(peer, expect_get_data()->request, 9, 80, 1);
    expect_missing();
    nothing_of(MSG_have);
}
END_TEST

START_TEST(late_and_foreign_answers_are_ignored)
{
    struct source row = source(9, 80, "tcp://a:1");
    run_with(1, 0, 1, &row);
    struct peer_id peer = expect(WORKER_DIAL)->peer;
    uint64_t request = expect_get_data()->request;
    bring(peer, request + 1, 9, 80, 0);
    bring((struct peer_id){7}, request, 9, 80, 0);
    bring(peer, request, 8, 80, 0);
    nothing_of(MSG_have);
    bring(peer, request, 9, 80, 0);
    expect_have();
    ck_assert_uint_eq(expect(WORKER_START)->job->input_count, 1);
}
END_TEST

START_TEST(one_fetch_serves_all_who_wait)
{
    struct source row = source(9, 80, "tcp://a:1");
    run_with(1, 0, 1, &row);
    run_with(2, 0, 1, &row);
    struct peer_id peer = expect(WORKER_DIAL)->peer;
    uint64_t request = expect_get_data()->request;
    nothing_of(MSG_get_data);
    bring(peer, request, 9, 80, 0);
    finish(expect(WORKER_START)->job, 8);
    finish(expect(WORKER_START)->job, 8);
}
END_TEST

START_TEST(a_source_is_asked_for_a_few_at_a_time)
{
    struct source rows[5];
    for (unsigned i = 0; i < 5; i++) {
        rows[i] = source(20 + i, 80, "tcp://a:1");
        run_with(1 + i, (int64_t)(5 - i), 1, &rows[i]);
    }
    int asked = 0;
    while (sent(MSG_get_data))
        asked++;
    ck_assert_int_eq(asked, 2);
}
END_TEST

START_TEST(what_is_on_its_way_is_limited_in_bytes)
{
    struct source rows[2] = {source(20, LIMIT / 10, "tcp://a:1"),
                             source(21, LIMIT / 10, "tcp://b:1")};
    run_with(1, 0, 1, &rows[0]);
    run_with(2, 0, 1, &rows[1]);
    expect_get_data();
    nothing_of(MSG_get_data);
}
END_TEST

START_TEST(long_waits_are_told_once)
{
    struct source row = source(9, 80, "tcp://a:1");
    run_with(1, 0, 1, &row);
    for (uint64_t until = now + 9 * S; now < until; now += S / 2) {
        worker_core_tick(core, now);
        from_scheduler(MESSAGE(alive, .epoch = 5));
    }
    int told = 0;
    while (acted(WORKER_NOTE))
        told += strstr(action->text, "still waiting for 000001-9") != NULL;
    ck_assert_int_eq(told, 1);
}
END_TEST

START_TEST(a_host_that_does_not_answer_is_given_up)
{
    struct source row = source(9, 80, "tcp://a:1");
    run_with(1, 0, 1, &row);
    expect_get_data();
    for (uint64_t until = now + 11 * S; now < until; now += S / 2) {
        worker_core_tick(core, now);
        from_scheduler(MESSAGE(alive, .epoch = 5));
    }
    expect_missing();
    expect(WORKER_HANGUP);
}
END_TEST

START_TEST(idle_connections_are_closed)
{
    struct source row = source(9, 80, "tcp://a:1");
    run_with(1, 0, 1, &row);
    struct peer_id peer = expect(WORKER_DIAL)->peer;
    bring(peer, expect_get_data()->request, 9, 80, 0);
    for (uint64_t until = now + 40 * S; now < until; now += S / 2) {
        worker_core_tick(core, now);
        from_scheduler(MESSAGE(alive, .epoch = 5));
    }
    ck_assert_uint_eq(expect(WORKER_HANGUP)->peer.number, peer.number);
}
END_TEST

START_TEST(acquired_copies_are_kept_and_refusals_told)
{
    struct source rows[2] = {source(9, 80, "tcp://a:1"), source(10, 80, "tcp://a:1")};
    from_scheduler(MESSAGE(acquire, .sources = {rows, 2}));
    struct peer_id peer = expect(WORKER_DIAL)->peer;
    uint64_t first = expect_get_data()->request, second = expect_get_data()->request;
    bring(peer, first, 9, 80, 0);
    ck_assert_uint_eq(expect_have()->holdings.items[0].key.bits, key_of(9).bits);
    worker_core_message(core, peer,
                        MESSAGE(no_data, .request = second, .key = key_of(10)), now);
    ck_assert_uint_eq(expect_missing()->attempt, 0);
    ck_assert_uint_eq(message.missing.input.bits, key_of(10).bits);
}
END_TEST

/* The answer may cross with the word that frees it. */
START_TEST(what_was_acquired_here_is_told_gone_when_it_is_freed)
{
    make(9, 80);
    make(10, 80);
    struct task_key keys[2] = {key_of(9), key_of(10)};
    struct source row = source(9, 80, "tcp://a:1");
    from_scheduler(MESSAGE(acquire, .sources = {&row, 1}));
    ck_assert_uint_eq(expect_have()->holdings.items[0].key.bits, keys[0].bits);
    from_scheduler(MESSAGE(free_data, .keys = {keys, 2}));
    ck_assert_uint_eq(expect_dropped()->keys.items[0].bits, keys[0].bits);
    nothing_of(MSG_dropped);
}
END_TEST

START_TEST(freeing_an_input_makes_it_missing)
{
    make(9, 80);
    struct source rows[2] = {source(9, 80, "tcp://self:1"), source(8, 80, "tcp://a:1")};
    run_with(1, 0, 2, rows);
    struct task_key key = key_of(9);
    from_scheduler(MESSAGE(free_data, .keys = {&key, 1}));
    ck_assert_uint_eq(expect_missing()->input.bits, key.bits);
}
END_TEST

static bool has_after_free(uint64_t brought_by, uint64_t freed_after)
{
    struct task_key key = key_of(1);
    struct payload *payload = payload_of(80);
    worker_core_message(core, (struct peer_id){3},
                        MESSAGE(put_data, .request = 10, .key = key,
                                .checksum = payload_checksum(payload), .data = payload,
                                .attempt = brought_by),
                        now);
    payload_unref(payload);
    from_scheduler(MESSAGE(free_data, .keys = {&key, 1}, .attempt = freed_after));
    return store_get(&core->store, key) != NULL;
}

/* The data come another way than the word that frees those that were here before. */
START_TEST(data_brought_after_a_free_was_said_stay)
{
    const uint64_t life = UINT64_C(1) << ATTEMPT_COUNT_BITS;
    ck_assert(has_after_free(5 * life + 8, 5 * life + 7));
    ck_assert(has_after_free(5 * life + 3, 5 * life + 7)); /* brought again before */
    ck_assert(!has_after_free(5 * life + 8, 5 * life + 8));
    ck_assert(!has_after_free(6 * life + 8, 5 * life + 7));
    ck_assert(!has_after_free(0, 0));
}
END_TEST

/* ---- data for others ---- */

START_TEST(what_is_not_here_is_refused_by_name)
{
    worker_core_message(core, (struct peer_id){3},
                        MESSAGE(get_data, .request = 8, .key = key_make(0xc0ffee, 5)),
                        now);
    const struct msg_no_data *no = expect_no_data();
    ck_assert_uint_eq(to.number, 3);
    ck_assert_uint_eq(no->request, 8);
    ck_assert(str_has(no->reason, "c0ffee-5"));
    /* The scheduler has named this worker for it, by mistake. */
    ck_assert_uint_eq(expect_dropped()->keys.items[0].bits, key_make(0xc0ffee, 5).bits);
    ck_assert_uint_eq(to.number, scheduler.number);
}
END_TEST

static void get(unsigned peer, uint64_t request, unsigned number)
{
    worker_core_message(core, (struct peer_id){peer},
                        MESSAGE(get_data, .request = request, .key = key_of(number)),
                        now);
}

/* Counts the data in one batch, and tells the core that it was sent. */
static unsigned send_batch(unsigned peer)
{
    unsigned count = 0;
    struct outbox_lane *lane;
    while ((lane = outbox_next(worker_core_outbox(core)))) {
        bool own = lane->peer.number == peer;
        count += own ? (unsigned)lane->batch.payload_count : 0;
        batch_fini(&lane->batch);
        worker_core_sent(core, lane->peer, now);
        if (own)
            break;
    }
    return count;
}

START_TEST(data_beyond_what_may_wait_for_a_peer_follow_later)
{
    teardown();
    start(much_memory);
    welcome();
    make(1, (size_t)150 << 20);
    for (unsigned i = 0; i < 5; i++)
        get(3, i, 1);
    get(3, 9, 2); /* is refused at once, which needs no room */
    get(4, 1, 1);
    ck_assert_uint_eq(send_batch(3), 2);
    ck_assert_uint_eq(send_batch(4), 1);
    ck_assert_uint_eq(send_batch(3), 2);
    ck_assert_uint_eq(send_batch(3), 1);
    ck_assert_uint_eq(send_batch(3), 0);
    ck_assert_ptr_null(acted(WORKER_HANGUP));
}
END_TEST

START_TEST(what_was_held_back_may_be_gone)
{
    teardown();
    start(much_memory);
    welcome();
    make(1, (size_t)300 << 20);
    get(3, 1, 1);
    get(3, 2, 1);
    get(4, 1, 1);
    get(4, 2, 1);
    worker_core_peer_gone(core, (struct peer_id){4}, now);
    struct task_key key = key_of(1);
    from_scheduler(MESSAGE(free_data, .keys = {&key, 1}));
    ck_assert_uint_eq(send_batch(3), 1);
    ck_assert_uint_eq(expect_no_data()->request, 2);
    ck_assert_uint_eq(to.number, 3);
    nothing_of(MSG_no_data);
}
END_TEST

START_TEST(requests_that_wait_are_limited_and_end_with_who_asked)
{
    teardown();
    start(much_memory);
    welcome();
    make(1, (size_t)300 << 20);
    get(3, 0, 1);
    for (unsigned i = 1; i <= LIMIT_REQUESTS + 1; i++)
        get(3, i, 1);
    ck_assert_int_eq(expect_no_data()->code, DUSK_E_LIMIT);
    ck_assert_uint_eq(message.no_data.request, LIMIT_REQUESTS + 1);
    worker_core_peer_gone(core, (struct peer_id){3}, now);
    get(4, 1, 1);
    get(4, 2, 1);
    nothing_of(MSG_no_data);
}
END_TEST

/* Asks for what is not here until the answers fill the batch. */
static void flood(unsigned peer)
{
    for (unsigned i = 0; i < 65536; i++)
        get(peer, i, 1000);
}

START_TEST(a_peer_lost_by_the_answer_to_what_it_brings_is_forgotten_once)
{
    struct payload *payload = payload_of(80);
    flood(3);
    worker_core_message(core, (struct peer_id){3},
                        MESSAGE(put_data, .request = 10, .key = key_of(1),
                                .checksum = payload_checksum(payload), .data = payload),
                        now);
    payload_unref(payload);
    ck_assert_uint_eq(expect(WORKER_HANGUP)->peer.number, 3);
    make(2, 80);
}
END_TEST

START_TEST(a_retiring_worker_says_so_again_when_it_is_welcomed)
{
    worker_core_retire(core, now);
    ck_assert_uint_eq(expect_retire()->deadline_ms, 10000);
    now += 2 * S;
    welcome();
    ck_assert_uint_eq(expect_retire()->deadline_ms, 8000);
}
END_TEST

START_TEST(small_answers_wait_for_large_ones_from_the_same_host)
{
    struct source rows[2] = {source(20, 80, "tcp://a:1"),
                             source(21, 200 << 20, "tcp://a:1")};
    teardown();
    start(much_memory);
    welcome();
    run_with(1, 0, 1, &rows[0]);
    run_with(2, 0, 1, &rows[1]);
    for (uint64_t until = now + 100 * S; now < until; now += S / 2) {
        worker_core_tick(core, now);
        from_scheduler(MESSAGE(alive, .epoch = 5));
    }
    nothing_of(MSG_missing);
    ck_assert_ptr_null(acted(WORKER_HANGUP));
}
END_TEST

START_TEST(brought_data_is_checked)
{
    struct payload *payload = payload_of(80);
    worker_core_message(core, (struct peer_id){3},
                        MESSAGE(put_data, .request = 8, .key = key_of(1), .checksum = 1,
                                .data = payload),
                        now);
    ck_assert_int_eq(expect_no_data()->code, DUSK_E_DATA);
    worker_core_message(core, (struct peer_id){3},
                        MESSAGE(put_data, .request = 9, .key = key_of(1)), now);
    ck_assert_int_eq(expect_no_data()->code, DUSK_E_INVALID);
    worker_core_message(core, (struct peer_id){3},
                        MESSAGE(put_data, .request = 10, .key = key_of(1),
                                .checksum = payload_checksum(payload), .data = payload),
                        now);
    payload_unref(payload);
    bool have = false, stored = false;
    while (next_message()) {
        have |= message.type == MSG_have;
        stored |= message.type == MSG_stored && message.stored.request == 10;
    }
    ck_assert(have && stored);
}
END_TEST

START_TEST(brought_data_that_wait_for_room_make_the_worker_full)
{
    make(1, 1200000);
    make(2, 1200000);
    ck_assert(!worker_core_is_full(core));
    struct payload *payload = payload_of(1500000);
    worker_core_message(core, (struct peer_id){3},
                        MESSAGE(put_data, .request = 8, .key = key_of(9),
                                .checksum = payload_checksum(payload), .data = payload),
                        now);
    payload_unref(payload);
    nothing_of(MSG_stored);
    ck_assert(worker_core_is_full(core));
    while (acted(WORKER_WRITE)) {
        uint64_t file = action->file;
        worker_core_written(core, file, 0, "", now);
    }
    expect_stored();
    ck_assert(!worker_core_is_full(core));
}
END_TEST

START_TEST(brought_data_that_can_never_fit_is_refused)
{
    struct payload *payload = payload_of(LIMIT);
    worker_core_message(core, (struct peer_id){3},
                        MESSAGE(put_data, .request = 8, .key = key_of(1),
                                .checksum = payload_checksum(payload), .data = payload),
                        now);
    payload_unref(payload);
    ck_assert_int_eq(expect_no_data()->code, DUSK_E_MEMORY_LIMIT);
    ck_assert(str_has(message.no_data.reason, "the worker's limit is 4.00 MiB"));
}
END_TEST

/* ---- memory ---- */

START_TEST(inputs_that_can_never_fit_fail_the_task)
{
    struct source row = source(9, LIMIT, "tcp://a:1");
    run_with(1, 0, 1, &row);
    ck_assert_int_eq(expect_erred()->code, DUSK_E_MEMORY_LIMIT);
    ck_assert(str_has(message.erred.reason, "needs 4.0"));
    nothing_of(MSG_get_data);
}
END_TEST

START_TEST(a_result_that_can_never_fit_fails_the_task)
{
    run(1);
    struct job *job = expect(WORKER_START)->job;
    worker_core_room(core, job, 40u << 20, now);
    ck_assert_int_eq(expect(WORKER_ROOM)->code, DUSK_E_MEMORY_LIMIT);
    ck_assert_ptr_nonnull(strstr(action->text, " MiB, the worker's limit is 4.00"));
}
END_TEST

/* Two results of 1.2 MB each: above 60 % of the limit, the older one leaves. */
static uint64_t spill_one(void)
{
    make(1, 1200000);
    make(2, 1200000);
    make(3, 1200000);
    uint64_t file = expect(WORKER_WRITE)->file;
    worker_core_written(core, file, 0, "", now);
    return file;
}

START_TEST(spilled_data_come_back_for_a_task)
{
    uint64_t file = spill_one();
    struct source row = source(1, 1200000, "");
    run_with(4, 0, 1, &row);
    ck_assert_uint_eq(expect(WORKER_READ)->file, file);
    ck_assert_ptr_null(acted(WORKER_START));
    worker_core_read(core, file, payload_of(1200000), "", now);
    expect(WORKER_START);
}
END_TEST

START_TEST(spilled_data_come_back_for_a_peer)
{
    uint64_t file = spill_one();
    worker_core_message(core, (struct peer_id){3},
                        MESSAGE(get_data, .request = 8, .key = key_of(1)), now);
    nothing_of(MSG_data);
    ck_assert_uint_eq(expect(WORKER_READ)->file, file);
    worker_core_read(core, file, payload_of(1200000), "", now);
    ck_assert_uint_eq(expect_data()->request, 8);
}
END_TEST

START_TEST(spilled_data_that_cannot_be_read_are_told_lost)
{
    uint64_t file = spill_one();
    struct source row = source(1, 1200000, "");
    run_with(4, 0, 1, &row);
    expect(WORKER_READ);
    worker_core_read(core, file, NULL, "the disk is broken", now);
    bool missing = false, dropped = false;
    while (next_message()) {
        missing |= message.type == MSG_missing;
        dropped |= message.type == MSG_dropped;
    }
    ck_assert(missing && dropped);
}
END_TEST

START_TEST(a_full_disk_is_an_error_not_a_wait)
{
    make(1, 1200000);
    make(2, 1200000);
    make(3, 1200000);
    worker_core_written(core, expect(WORKER_WRITE)->file, DUSK_E_DISK_FULL,
                        "1.14 MiB could not be spilled to /spill: no space", now);
    run(4);
    struct job *job = expect(WORKER_START)->job;
    worker_core_room(core, job, 1200000, now);
    ck_assert_int_eq(expect(WORKER_ROOM)->code, DUSK_E_DISK_FULL);
    ck_assert_ptr_nonnull(strstr(action->text, "/spill: no space"));
}
END_TEST

START_TEST(copies_are_dropped_before_anything_is_spilled)
{
    struct source row = source(9, 1200000, "tcp://a:1");
    run_with(1, 0, 1, &row);
    struct peer_id peer = expect(WORKER_DIAL)->peer;
    bring(peer, expect_get_data()->request, 9, 1200000, 0);
    finish(expect(WORKER_START)->job, 8);
    make(2, 1200000);
    make(3, 1200000);
    ck_assert_uint_eq(expect_dropped()->keys.items[0].bits, key_of(9).bits);
    ck_assert_ptr_null(acted(WORKER_WRITE));
}
END_TEST

static void two_threads(struct worker_config *config)
{
    config->nthreads = 2;
}

START_TEST(two_that_wait_for_each_others_memory_run_one_after_the_other)
{
    teardown();
    start(two_threads);
    welcome();
    run(1);
    run(2);
    struct job *a = expect(WORKER_START)->job, *b = expect(WORKER_START)->job;
    worker_core_room(core, a, 1700000, now);
    ck_assert_int_eq(expect(WORKER_ROOM)->code, 0);
    worker_core_room(core, b, 1700000, now);
    ck_assert_int_eq(expect(WORKER_ROOM)->code, 0);
    worker_core_room(core, a, 1700000, now);
    ck_assert_ptr_null(acted(WORKER_ROOM));
    worker_core_room(core, b, 1700000, now);
    ck_assert_ptr_eq(expect(WORKER_ROOM)->job, b); /* the younger gives up */
    ck_assert_int_eq(action->code, DUSK_E_BUSY);
    b->code = DUSK_E_BUSY;
    worker_core_finished(core, b, now);
    ck_assert_ptr_eq(expect(WORKER_ROOM)->job, a);
    ck_assert_int_eq(action->code, 0);
    ck_assert_ptr_null(acted(WORKER_START)); /* not beside the other */
    nothing_of(MSG_erred);
    finish(a, 3000000);
    ck_assert_uint_eq(expect_done()->key.bits, key_of(1).bits);
    b = expect(WORKER_START)->job;
    ck_assert_uint_eq(b->key.bits, key_of(2).bits);
}
END_TEST

/* ---- uploads and the end ---- */

static void allow_upload(struct worker_config *config)
{
    config->allow_upload = true;
}

static void load_plugin(struct payload *plugin, uint64_t checksum)
{
    from_scheduler(MESSAGE(load_plugin, .name = str_of("p.so"), .checksum = checksum,
                           .plugin = plugin));
}

START_TEST(uploads_are_loaded_where_they_are_allowed)
{
    struct payload *plugin = payload_of(64);
    uint64_t checksum = payload_checksum(plugin);
    load_plugin(plugin, checksum);
    const struct msg_plugin_loaded *answer = expect_plugin_loaded();
    ck_assert_int_eq(answer->code, DUSK_E_FORBIDDEN);
    ck_assert_uint_eq(answer->checksum, checksum);
    ck_assert(strstr(answer->reason.text, "--allow-upload"));
    ck_assert_ptr_null(acted(WORKER_LOAD));
    teardown();
    start(allow_upload);
    welcome();
    load_plugin(plugin, checksum + 1);
    ck_assert_int_eq(expect_plugin_loaded()->code, DUSK_E_DATA);
    load_plugin(NULL, checksum);
    ck_assert_int_eq(expect_plugin_loaded()->code, DUSK_E_DATA);
    ck_assert_ptr_null(acted(WORKER_LOAD));
    /* Ahead of the task that may need it, and answered when it is done. */
    load_plugin(plugin, checksum);
    run(1);
    const struct worker_action *load = expect(WORKER_LOAD);
    ck_assert_ptr_eq(load->payload, plugin);
    ck_assert_str_eq(load->text, "p.so");
    uint64_t file = load->file;
    expect(WORKER_START);
    nothing_of(MSG_plugin_loaded);
    worker_core_loaded(core, file, DUSK_E_PLUGIN, "no ELF", now);
    answer = expect_plugin_loaded();
    ck_assert_int_eq(answer->code, DUSK_E_PLUGIN);
    ck_assert_uint_eq(answer->checksum, checksum);
    payload_unref(plugin);
}
END_TEST

START_TEST(a_task_without_its_function_says_where_and_what_to_do)
{
    run(1);
    struct job *job = expect(WORKER_START)->job;
    job->unknown = true;
    job->code =
        err_set(&job->reason, DUSK_E_NOT_FOUND, "there is no task function 'f'");
    worker_core_finished(core, job, now);
    const struct msg_erred *erred = expect_erred();
    ck_assert_int_eq(erred->code, DUSK_E_NOT_FOUND);
    static const char line[] = "worker w: there is no task function 'f'; load a plugin "
                               "that has it with --preload or dusk upload";
    ck_assert_uint_eq(erred->reason.size, strlen(line));
    ck_assert_mem_eq(erred->reason.text, line, strlen(line));
}
END_TEST

START_TEST(a_shut_down_cluster_is_left)
{
    ck_assert(!worker_core_is_shut_down(core));
    from_scheduler(MESSAGE(shutdown, .request = 0));
    expect_bye();
    ck_assert_int_eq(expect(WORKER_END)->code, 0);
    ck_assert(worker_core_is_shut_down(core));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker_core");
    TCase *tcase = tcase_create("scripts");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_refusal_ends_the_worker_with_its_reason);
    tcase_add_test(tcase,
                   a_scheduler_without_memory_is_asked_again_to_take_a_worker_back);
    tcase_add_test(tcase, without_a_scheduler_the_worker_gives_up_in_time);
    tcase_add_test(tcase, waiting_for_the_scheduler_is_told_once);
    tcase_add_test(tcase, silence_leads_to_a_new_connection_with_all_that_is_here);
    tcase_add_test(tcase, a_worker_that_was_stopped_asks_before_it_reconnects);
    tcase_add_test(tcase, register_again_is_answered_once);
    tcase_add_test(tcase, a_closed_connection_is_not_used_again);
    tcase_add_test(tcase, a_lost_scheduler_is_waited_for_so_long);
    tcase_add_test(tcase, who_registers_again_in_time_goes_on);
    tcase_add_test(tcase, a_lost_scheduler_may_be_waited_for_without_end);
    tcase_add_test(tcase, heartbeats_tell_what_runs);
    tcase_add_test(tcase, retiring_gives_back_what_has_not_begun);
    tcase_add_test(tcase, retiring_ends_at_its_deadline);
    tcase_add_test(tcase, retiring_ends_when_the_scheduler_goes);
    tcase_add_test(tcase, a_hello_that_waited_for_its_connection_tells_the_time);
    tcase_add_test(tcase, the_list_of_members_goes_to_the_shell);
    tcase_add_test(tcase, keys_that_do_not_fit_end_the_worker);
    tcase_add_test(tcase, too_long_a_function_name_is_an_error);
    tcase_add_test(tcase, the_same_attempt_is_accepted_once);
    tcase_add_test(tcase, smaller_priorities_run_first_and_equal_ones_in_order);
    tcase_add_test(tcase, small_results_ride_along_unless_they_should_stay);
    tcase_add_test(tcase, stopping_what_waits_answers_at_once);
    tcase_add_test(tcase, stopping_what_runs_answers_when_it_has_stopped);
    tcase_add_test(tcase, results_of_a_lost_connection_are_told_by_the_next_hello);
    tcase_add_test(tcase, sources_are_tried_one_after_the_other);
    tcase_add_test(tcase, what_should_be_here_and_is_not_is_missing_from_here);
    tcase_add_test(tcase, a_wrong_checksum_is_not_believed);
    tcase_add_test(tcase, late_and_foreign_answers_are_ignored);
    tcase_add_test(tcase, one_fetch_serves_all_who_wait);
    tcase_add_test(tcase, a_source_is_asked_for_a_few_at_a_time);
    tcase_add_test(tcase, what_is_on_its_way_is_limited_in_bytes);
    tcase_add_test(tcase, long_waits_are_told_once);
    tcase_add_test(tcase, a_host_that_does_not_answer_is_given_up);
    tcase_add_test(tcase, idle_connections_are_closed);
    tcase_add_test(tcase, acquired_copies_are_kept_and_refusals_told);
    tcase_add_test(tcase, what_was_acquired_here_is_told_gone_when_it_is_freed);
    tcase_add_test(tcase, freeing_an_input_makes_it_missing);
    tcase_add_test(tcase, data_brought_after_a_free_was_said_stay);
    tcase_add_test(tcase, a_retiring_worker_says_so_again_when_it_is_welcomed);
    tcase_add_test(tcase, what_is_not_here_is_refused_by_name);
    tcase_add_test(tcase, data_beyond_what_may_wait_for_a_peer_follow_later);
    tcase_add_test(tcase, what_was_held_back_may_be_gone);
    tcase_add_test(tcase, requests_that_wait_are_limited_and_end_with_who_asked);
    tcase_add_test(tcase,
                   a_peer_lost_by_the_answer_to_what_it_brings_is_forgotten_once);
    tcase_add_test(tcase, small_answers_wait_for_large_ones_from_the_same_host);
    tcase_add_test(tcase, brought_data_is_checked);
    tcase_add_test(tcase, brought_data_that_wait_for_room_make_the_worker_full);
    tcase_add_test(tcase, brought_data_that_can_never_fit_is_refused);
    tcase_add_test(tcase, inputs_that_can_never_fit_fail_the_task);
    tcase_add_test(tcase, a_result_that_can_never_fit_fails_the_task);
    tcase_add_test(tcase, spilled_data_come_back_for_a_task);
    tcase_add_test(tcase, spilled_data_come_back_for_a_peer);
    tcase_add_test(tcase, spilled_data_that_cannot_be_read_are_told_lost);
    tcase_add_test(tcase, a_full_disk_is_an_error_not_a_wait);
    tcase_add_test(tcase, copies_are_dropped_before_anything_is_spilled);
    tcase_add_test(tcase, two_that_wait_for_each_others_memory_run_one_after_the_other);
    tcase_add_test(tcase, uploads_are_loaded_where_they_are_allowed);
    tcase_add_test(tcase, a_task_without_its_function_says_where_and_what_to_do);
    tcase_add_test(tcase, a_shut_down_cluster_is_left);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
