/* Nothing is lost: published tasks, replicas, and a scheduler that is started again. */
#include "tests/test.h"
#include "tests/unit/scheduler_script.h"

static struct script s;

static void setup(void)
{
    script_init(&s);
}

static void teardown(void)
{
    script_fini(&s);
}

#define RUNS(...)                                                                      \
    {                                                                                  \
        (const struct run[]){__VA_ARGS__},                                             \
            sizeof((const struct run[]){__VA_ARGS__}) / sizeof(struct run)             \
    }
#define PUBLISH(name_, request_, ...)                                                  \
    MESSAGE(publish, .request = request_, .name = str_of(name_),                       \
            .keys = KEYS(__VA_ARGS__))
#define GET(name_) MESSAGE(get_published, .name = str_of(name_))
#define HAVE(count_, nbytes_) MESSAGE(have, .holdings = HOLDS({KEY(count_), nbytes_}))
#define REPLICATE(copies_, ...)                                                        \
    MESSAGE(replicate, .copies = copies_, .keys = KEYS(__VA_ARGS__))

/* ---- clients that go ---- */

START_TEST(what_a_dead_client_wanted_is_freed_after_a_while)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, W1, DONE(1, 1, 8));
    script_message(&s, C1, SUBMIT(2, "load"));
    expect("", script_gone(&s, C1));
    expect("", script_wait(&s, 1000));
    script_message(&s, W1, MESSAGE(alive));
    expect("", script_wait(&s, 2900));
    script_message(&s, W1, MESSAGE(alive));
    expect("w1:stop_task 2#2; w1:free_data 1", script_wait(&s, 1200));
}
END_TEST

/* A client, by its number, with the epoch of its life; `welcomed`: not for the first
 * time. */
static const char *hello(enum script_peer peer, uint64_t number, uint64_t epoch,
                         bool welcomed)
{
    return script_message(&s, peer,
                          MESSAGE(hello, .magic = PROTOCOL_MAGIC,
                                  .major = PROTOCOL_MAJOR, .role = ROLE_CLIENT,
                                  .epoch = epoch, .client = number,
                                  .scheduler_epoch = welcomed));
}

/* Client 1 has five results, of which it has just given up two. */
static void leave_slowly(void)
{
    struct scheduler_config config = scheduler_defaults;
    config.wants_at_once = 2;
    config.wants_rest_ns = 1000000;
    script_fini(&s);
    script_init_with(&s, &config);
    script_worker(&s, W1, 1, 9);
    hello(C1, 1, 7, false);
    script_client(&s, C2);
    for (uint64_t i = 1; i <= 5; i++) {
        script_message(&s, C1, SUBMIT(i, "load"));
        script_message(&s, W1, DONE(i, i, 8));
    }
    expect("w1:free_data 5 4", script_message(&s, C1, MESSAGE(bye)));
    expect("c2:status w1=running/0p/3c/'' memory=3 client2=0",
           script_message(&s, C2, MESSAGE(status_request)));
}

START_TEST(many_wants_end_bit_by_bit)
{
    leave_slowly();
    expect("c3:refuse BUSY: the client number 000001 is taken", hello(C3, 1, 8, false));
    expect("w1:free_data 3 2", script_wait(&s, 1));
    expect("w1:free_data 1", script_wait(&s, 1));
    expect("", script_wait(&s, 100));
    expect("c3:welcome 1", hello(C3, 1, 8, false));
}
END_TEST

START_TEST(who_comes_back_meanwhile_keeps_the_rest)
{
    leave_slowly();
    expect("c3:welcome 1", hello(C3, 1, 7, true));
    expect("", script_wait(&s, 100));
    expect("c2:status w1=running/0p/3c/'' memory=3 client2=0 client1=3",
           script_message(&s, C2, MESSAGE(status_request)));
    expect("c3:finished 3 8B w1", script_message(&s, C3, SUBMIT(3, "load")));
    expect("w1:run_task 5#6 load", script_message(&s, C3, SUBMIT(5, "load")));
    expect("w1:stop_task 5#6; w1:free_data 3", script_message(&s, C3, MESSAGE(bye)));
    expect("w1:free_data 2 1", script_wait(&s, 1));
}
END_TEST

START_TEST(who_is_new_does_not_make_the_keys_that_have_stayed)
{
    hello(C1, 1, 7, false);
    script_message(&s, C1, SUBMIT(40, "load"));
    script_message(&s, C1, PUBLISH("set", 1, KEY(40)));
    script_message(&s, C1, MESSAGE(bye));
    expect("c3:refuse BUSY: the client number 000001 is taken", hello(C3, 1, 8, false));
    expect("c2:welcome 2", script_client(&s, C2));
    expect("c1:welcome 1", hello(C1, 1, 7, true));
    script_message(&s, C1, MESSAGE(bye));
    script_message(&s, C2, MESSAGE(unpublish, .name = str_of("set")));
    expect("c3:welcome 1", hello(C3, 1, 8, false));
}
END_TEST

START_TEST(what_is_published_stays)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, C1, SUBMIT(2, "scale", ON(KEY(1))));
    expect("c1:published", script_message(&s, C1, PUBLISH("set", 1, KEY(2))));
    script_message(&s, W1, DONE(1, 1, 8));
    script_message(&s, W1, DONE(2, 2, 8));
    expect("w1:free_data 1", script_message(&s, C1, MESSAGE(bye)));
    script_client(&s, C2);
    expect("c2:published 2=scale; c2:finished 2 8B w1",
           script_message(&s, C2, GET("set")));
    /* With the worker goes the result, which is made again as any other. */
    script_worker(&s, W2, 1, 1);
    expect("w2:run_task 1#3 load", script_message(&s, W1, MESSAGE(bye)));
    script_message(&s, W2, DONE(1, 3, 8));
    expect("w2:free_data 1; c2:finished 2 8B w2",
           script_message(&s, W2, DONE(2, 4, 8)));
    script_message(&s, C2, MESSAGE(release, .keys = KEYS(KEY(2))));
    expect("c2:status w2=running/0p/1c/'' released=1 memory=1 client2=0 "
           "'set'=1/1/8B",
           script_message(&s, C2, MESSAGE(status_request)));
    expect("w2:free_data 2; c2:published",
           script_message(&s, C2, MESSAGE(unpublish, .name = str_of("set"))));
    expect("c2:published NOT_FOUND: nothing is published as 'set'",
           script_message(&s, C2, GET("set")));
}
END_TEST

START_TEST(names_are_taken_once)
{
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, C1, SUBMIT(2, "load"));
    expect("c1:published", script_message(&s, C1, PUBLISH("set", 7, KEY(1))));
    expect("c1:published BUSY: 'set' is published already",
           script_message(&s, C1, PUBLISH("set", 8, KEY(1))));
    expect("c1:published BUSY: 'set' is published already",
           script_message(&s, C1, PUBLISH("set", 7, KEY(2))));
    /* A request that was repeated after a reconnection is no second one. */
    expect("c1:published", script_message(&s, C1, PUBLISH("set", 7, KEY(1))));
    expect("c1:published INVALID: a published name must be printable text of 1 to 255 "
           "bytes",
           script_message(&s, C1, PUBLISH("a\nb", 9, KEY(1))));
    expect("c1:published NOT_FOUND: 'other' cannot be published with 000001-3, which "
           "the scheduler does not know",
           script_message(&s, C1, PUBLISH("other", 9, KEY(1), KEY(3))));
    expect("c1:published",
           script_message(&s, C1, MESSAGE(unpublish, .name = str_of("none"))));
}
END_TEST

START_TEST(published_tasks_are_limited)
{
    enum { MANY = 800000, TOO_MANY = 1200000 };
    struct task_key *keys = malloc(TOO_MANY * sizeof *keys);
    char name[] = "set 0";
    ck_assert_ptr_nonnull(keys);
    for (size_t i = 0; i < TOO_MANY; i++)
        keys[i] = KEY(1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "load"));
    /* What one answer to get_published could not hold. */
    expect(
        "c1:published LIMIT: 'big' has 1200000 tasks: too many for one name, or "
        "with the 0 that are published",
        script_message(
            &s, C1, MESSAGE(publish, .name = str_of("big"), .keys = {keys, TOO_MANY})));
    for (; name[4] < '5'; name[4]++)
        expect("c1:published", script_message(&s, C1,
                                              MESSAGE(publish, .name = str_of(name),
                                                      .keys = {keys, MANY})));
    expect("c1:published LIMIT: 'set 5' has 800000 tasks: too many for one name, or "
           "with the 4000000 that are published",
           script_message(
               &s, C1, MESSAGE(publish, .name = str_of(name), .keys = {keys, MANY})));
    script_message(&s, C1, MESSAGE(unpublish, .name = str_of("set 0")));
    expect("c1:published",
           script_message(
               &s, C1, MESSAGE(publish, .name = str_of(name), .keys = {keys, MANY})));
    free(keys);
}
END_TEST

START_TEST(keys_of_others_are_wanted_by_name_and_by_key)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    script_client(&s, C2);
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, C1, PUBLISH("set", 1, KEY(1)));
    expect("c2:published 1=load", script_message(&s, C2, GET("set")));
    expect("c1:finished 1 8B w1; c2:finished 1 8B w1",
           script_message(&s, W1, DONE(1, 1, 8)));
    /* What get_published gave has been told. */
    expect("", script_message(&s, C2, MESSAGE(want, .keys = KEYS(KEY(1)))));
    expect("c2:finished 1 8B w1",
           script_message(&s, C2, MESSAGE(want, .keys = KEYS(KEY(1)))));
    expect("c2:failed 9 NOT_FOUND: the scheduler does not know this key",
           script_message(&s, C2, MESSAGE(want, .keys = KEYS(KEY(9)))));
    /* Cancelling is for everybody, a publication too. */
    expect("w1:free_data 1; c1:failed 1 CANCELLED: task 000001-1 (load) was cancelled; "
           "c2:failed 1 CANCELLED: task 000001-1 (load) was cancelled",
           script_message(&s, C1, MESSAGE(cancel, .keys = KEYS(KEY(1)))));
    expect("c2:published 1=cancelled; "
           "c2:failed 1 NOT_FOUND: the scheduler does not know this key",
           script_message(&s, C2, GET("set")));
}
END_TEST

/* The answer may be lost with its connection, and never be asked for again. */
START_TEST(what_a_name_gave_ends_with_the_connection_unless_it_is_wanted)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    script_client(&s, C2);
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, C1, SUBMIT(2, "load"));
    script_message(&s, C1, SUBMIT(3, "load"));
    script_message(&s, C1, PUBLISH("set", 1, KEY(1), KEY(2), KEY(3)));
    for (uint64_t i = 1; i <= 3; i++)
        script_message(&s, W1, DONE(i, i, 8));
    script_message(&s, C2, MESSAGE(want, .keys = KEYS(KEY(3))));
    script_message(&s, C2, GET("set"));
    script_message(&s, C2, MESSAGE(want, .keys = KEYS(KEY(2))));
    script_message(&s, C1, MESSAGE(bye));
    expect("c2:published",
           script_message(&s, C2, MESSAGE(unpublish, .name = str_of("set"))));
    expect("", script_gone(&s, C2));
    expect(
        "w1:free_data 1; c3:welcome 2",
        script_message(&s, C3,
                       MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                               .role = ROLE_CLIENT, .epoch = 100 + C2, .client = 2)));
    expect("w1:free_data 2 3",
           script_message(&s, C3, MESSAGE(release, .keys = KEYS(KEY(2), KEY(3)))));
}
END_TEST

/* ---- copies ---- */

static void scatter_one(void)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, MESSAGE(scatter, .key = KEY(1), .nbytes = 100));
    expect("c1:finished 1 100B w1", script_message(&s, W1, HAVE(1, 100)));
}

START_TEST(replicas_are_kept_at_their_number)
{
    scatter_one();
    expect("", script_message(&s, C1, REPLICATE(2, KEY(1))));
    expect("c1:because 000001-1 (scattered data): in memory: 100 bytes on worker w1 "
           "(running): 1 of 2 copies, no other worker can take one now",
           script_message(&s, C1, MESSAGE(why, .key = KEY(1))));
    expect("w2:welcome 2; w2:acquire [1@w1]", script_worker(&s, W2, 1, 1));
    script_worker(&s, W3, 1, 1);
    expect("", script_message(&s, W2, HAVE(1, 100)));
    expect("w3:acquire [1@w2]", script_message(&s, W1, MESSAGE(bye)));
    expect("", script_message(&s, W3, HAVE(1, 100)));
    /* One that was asked may go before it answers. */
    expect("", script_message(&s, W2, MESSAGE(bye)));
    expect("w1:welcome 4; w1:acquire [1@w3]", script_worker(&s, W1, 1, 1));
    expect("", script_message(&s, W1, MESSAGE(bye)));
    expect("c1:failed 1 DATA_LOST: scattered data 000001-1 (100 bytes) are lost: no "
           "worker that held a copy is left; the last were on w3, w2, w1",
           script_message(&s, W3, MESSAGE(bye)));
}
END_TEST

START_TEST(who_cannot_take_a_copy_is_not_asked_at_once)
{
    scatter_one();
    script_worker(&s, W2, 1, 1);
    expect("w2:acquire [1@w1]", script_message(&s, C1, REPLICATE(2, KEY(1))));
    expect("", script_message(&s, W2,
                              MESSAGE(missing, .key = KEY(1), .input = KEY(1),
                                      .address = str_of("w9"))));
    script_message(&s, W1, MESSAGE(alive));
    expect("", script_wait(&s, 2000));
    expect("w2:acquire [1@w1]; w3:welcome 3", script_worker(&s, W3, 1, 1));
    expect("w1:free_data 1",
           script_message(&s, C1, MESSAGE(release, .keys = KEYS(KEY(1)))));
}
END_TEST

START_TEST(replicas_of_results_too)
{
    script_worker(&s, W1, 1, 1);
    script_worker(&s, W2, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "load"));
    expect("", script_message(&s, C1, REPLICATE(2, KEY(1))));
    expect("w2:acquire [1@w1]; c1:finished 1 8B w1",
           script_message(&s, W1, DONE(1, 1, 8)));
    expect("", script_message(&s, W2, HAVE(1, 8)));
    expect("w1:free_data 1; w2:free_data 1",
           script_message(&s, C1, MESSAGE(release, .keys = KEYS(KEY(1)))));
}
END_TEST

START_TEST(the_last_copy_of_scattered_data_is_kept)
{
    scatter_one();
    script_worker(&s, W2, 1, 1);
    /* A copy that a task brought there. */
    script_message(&s, C1, SUBMIT(2, "sum", ON(KEY(1)), .worker = str_of("w2")));
    expect("", script_message(&s, W2, HAVE(1, 100)));
    expect("w2:acquire [1@w2]", script_message(&s, W1, MESSAGE(bye)));
    expect("", script_message(&s, W2, HAVE(1, 100)));
}
END_TEST

/* ---- a scheduler that is started again ---- */

static const struct scheduler_config *second_life(bool journal)
{
    static struct scheduler_config config;
    config = scheduler_defaults;
    config.epoch = 2;
    config.journal = journal;
    return &config;
}

static void start_again(void)
{
    script_fini(&s);
    script_init_with(&s, second_life(false));
}

/* What comes at the end of the time for coming back, and nothing before it. */
static const char *recovery_end(enum script_peer alive)
{
    expect("", script_wait(&s, 2900));
    script_message(&s, alive, MESSAGE(alive));
    return script_wait(&s, 200);
}

#define BACK(peer_, name_, ...)                                                        \
    script_message(&s, peer_,                                                          \
                   MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,    \
                           .role = ROLE_WORKER, .name = str_of(name_),                 \
                           .address = str_of(name_), .epoch = 100 + peer_,             \
                           .nthreads = 1, .credits = 1, .memory_limit = 1000000,       \
                           .scheduler_epoch = 1, __VA_ARGS__))

START_TEST(workers_and_clients_come_back_in_any_order)
{
    for (int client_first = 0; client_first <= 1; client_first++) {
        start_again();
        if (client_first)
            script_client(&s, C1);
        if (client_first) {
            expect("", script_message(&s, C1, SUBMIT(1, "load")));
            expect("", script_message(&s, C1, SUBMIT(2, "load")));
        }
        expect(client_first ? "w1:welcome 1; c1:finished 1 8B w1" : "w1:welcome 1",
               BACK(W1, "w1", .inventory = HOLDS({KEY(1), 8}),
                    .running = RUNS({KEY(2), 77, 1, 0, 0})));
        if (!client_first) {
            script_client(&s, C1);
            expect("c1:finished 1 8B w1", script_message(&s, C1, SUBMIT(1, "load")));
            expect("", script_message(&s, C1, SUBMIT(2, "load")));
        }
        expect("c1:because 000001-2 (load): was sent to worker w1 (running) as attempt "
               "77; tasks there: 1, threads: 1",
               script_message(&s, C1, MESSAGE(why, .key = KEY(2))));
        expect("", script_message(&s, C1, SUBMIT(3, "load")));
        expect("c1:because 000001-3 (load): the scheduler was started again and waits "
               "for workers and clients to come back",
               script_message(&s, C1, MESSAGE(why, .key = KEY(3))));
        expect("c1:finished 2 8B w1", script_message(&s, W1, DONE(2, 77, 8)));
        expect("w1:run_task 3#4294967297 load", recovery_end(W1));
        struct scheduler_counts counts;
        scheduler_count(s.scheduler, &counts);
        ck_assert_uint_eq(counts.repeated, 0);
    }
}
END_TEST

START_TEST(what_nobody_asks_for_is_freed_and_stopped)
{
    start_again();
    BACK(W1, "w1", .inventory = HOLDS({KEY(1), 8}, {KEY(2), 8}),
         .running = RUNS({KEY(3), 77, 1, 0, 0}, {KEY(4), 78, 1, 0, 0}));
    script_client(&s, C1);
    expect("c1:finished 1 8B w1", script_message(&s, C1, SUBMIT(1, "load")));
    /* A result that comes before its task is known is kept like the others. */
    expect("", script_message(&s, W1, DONE(4, 78, 8)));
    expect("w1:stop_task 3#77; w1:free_data 4 2", recovery_end(W1));
    expect("w1:run_task 2#4294967297 load", script_message(&s, C1, SUBMIT(2, "load")));
}
END_TEST

START_TEST(what_is_being_stopped_after_a_recovery_takes_its_place)
{
    start_again();
    BACK(W1, "w1", .running = RUNS({KEY(3), 77, 1, 0, 0}, {KEY(4), 78, 1, 0, 0}));
    script_client(&s, C1);
    expect("w1:stop_task 4#78; w1:stop_task 3#77", recovery_end(W1));
    expect("", script_message(&s, C1, SUBMIT(5, "load")));
    expect("w1:run_task 5#4294967297 load",
           script_message(
               &s, W1,
               MESSAGE(erred, .key = KEY(3), .attempt = 77, .code = DUSK_E_CANCELLED)));
}
END_TEST

START_TEST(more_than_a_worker_may_run_is_not_taken_over)
{
    start_again();
    BACK(W1, "w1",
         .running =
             RUNS({KEY(1), 77, 1, 0, 0}, {KEY(2), 78, 1, 0, 0}, {KEY(3), 79, 1, 0, 0}));
    script_client(&s, C1);
    for (uint64_t i = 1; i <= 3; i++)
        expect("", script_message(&s, C1, SUBMIT(i, "load")));
    expect("w1:stop_task 3#79", recovery_end(W1));
}
END_TEST

START_TEST(a_worker_may_be_lost_before_anybody_asks)
{
    start_again();
    BACK(W1, "w1", .inventory = HOLDS({KEY(1), 8}),
         .running = RUNS({KEY(3), 77, 1, 0, 0}));
    script_message(&s, W1, MESSAGE(bye));
    script_client(&s, C1);
    expect("", script_message(&s, C1, SUBMIT(1, "load")));
    script_worker(&s, W2, 1, 1);
    expect("w2:run_task 1#4294967297 load", recovery_end(W2));
}
END_TEST

START_TEST(recovery_is_for_the_beginning)
{
    start_again();
    script_worker(&s, W1, 1, 1);
    for (int i = 0; i < 8; i++) {
        script_message(&s, W1, MESSAGE(alive));
        script_wait(&s, 2000);
    }
    script_message(&s, W1, MESSAGE(alive));
    script_client(&s, C1);
    expect("w2:welcome 2; w2:free_data 5",
           BACK(W2, "w2", .inventory = HOLDS({KEY(5), 8})));
    expect("w1:run_task 1#4294967297 load", script_message(&s, C1, SUBMIT(1, "load")));
}
END_TEST

/* Workers that died with the scheduler tell nothing of it, and no other may come. */
START_TEST(recovery_ends_when_only_a_client_comes_back)
{
    start_again();
    script_worker(&s, W1, 1, 1);
    script_message(&s, C1,
                   MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                           .role = ROLE_CLIENT, .name = str_of("c1"), .epoch = 200,
                           .client = 1, .scheduler_epoch = 1));
    expect("", script_message(&s, C1, SUBMIT(1, "load")));
    expect("w1:run_task 1#4294967297 load", recovery_end(W1));
}
END_TEST

START_TEST(scattered_data_come_back_with_their_worker)
{
    start_again();
    script_client(&s, C1);
    script_worker(&s, W2, 1, 1);
    BACK(W1, "w1", );
    expect("", script_message(&s, C1, MESSAGE(scatter, .key = KEY(1), .nbytes = 100)));
    /* Not to be brought to w2 before w3 may have come back. */
    expect("w3:welcome 3; w3:acquire [1@w3]; c1:finished 1 100B w3",
           BACK(W3, "w3", .inventory = HOLDS({KEY(1), 100})));
}
END_TEST

/* ---- the journal ---- */

/* The records of the last event, read back into another scheduler, as texts. */
static size_t records_take(struct scheduler *from, struct scheduler *to)
{
    size_t count = 0;
    const struct batch *batch;
    while ((batch = scheduler_next_record(from))) {
        struct batch_reader reader;
        struct message message;
        struct err_text text;
        batch_reader_init(&reader, batch->header.data, batch->header.size, NULL, 0);
        int rc;
        while ((rc = batch_reader_next(&reader, &message, &text)) == 0) {
            count++;
            if (to)
                ck_assert_msg(scheduler_restore(to, &message, &text) == 0, "%s",
                              text.line);
        }
        ck_assert_int_gt(rc, 0);
        batch_reader_fini(&reader);
    }
    return count;
}

/* A scheduler in its second life with what the first has recorded. */
static struct scheduler *restored;

static void journal_setup(void)
{
    struct scheduler_config config = scheduler_defaults;
    config.journal = true;
    script_init_with(&s, &config);
    ck_assert_int_eq(scheduler_create(second_life(true), s.now_ns, &restored), 0);
}

static void journal_teardown(void)
{
    script_fini(&s);
    scheduler_destroy(restored);
}

static void recorded(int code, const char *line)
{
    scheduler_recorded(s.scheduler, code, line, s.now_ns);
}

/* Changes over to the second life. */
static void journal_start_again(void)
{
    scheduler_destroy(s.scheduler);
    s.scheduler = restored;
    restored = NULL;
    ck_assert_int_eq(scheduler_restored(s.scheduler, s.now_ns), 0);
}

static void publish_two(void)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, C1, SUBMIT(2, "scale", ON(KEY(1)), .retries = 3));
    script_message(&s, C1, MESSAGE(scatter, .key = KEY(3), .nbytes = 100));
    script_message(&s, W1, HAVE(3, 100));
    script_message(&s, W1, DONE(1, 1, 8));
    script_message(&s, W1, DONE(2, 3, 8));
    script_message(&s, C1, SUBMIT(4, "load"));
    expect("", script_message(&s, C1, PUBLISH("set", 1, KEY(2), KEY(3))));
    ck_assert_uint_eq(records_take(s.scheduler, restored), 4);
    recorded(0, "");
    expect("c1:published", script_wait(&s, 0));
}

START_TEST(published_results_outlive_the_scheduler)
{
    publish_two();
    journal_start_again();
    ck_assert_uint_eq(records_take(s.scheduler, NULL), 4);
    script_client(&s, C2);
    expect("c2:published 2=scale 3=scattered data", script_message(&s, C2, GET("set")));
    expect("w1:welcome 1; w1:acquire [3@w1]; c2:finished 2 8B w1; c2:finished 3 100B "
           "w1",
           BACK(W1, "w1", .inventory = HOLDS({KEY(2), 8}, {KEY(3), 100}, {KEY(4), 8})));
    expect("w1:free_data 4", recovery_end(W1));
}
END_TEST

START_TEST(published_results_are_made_again_after_a_restart)
{
    publish_two();
    journal_start_again();
    script_client(&s, C2);
    script_message(&s, C2, GET("set"));
    expect("w2:welcome 1", BACK(W2, "w2", ));
    expect("w2:run_task 1#4294967297 load; c2:failed 3 DATA_LOST: scattered data "
           "000001-3 (100 bytes) are lost: no worker that held a copy is left",
           recovery_end(W2));
    expect("w2:run_task 2#4294967298 scale [1@w2]",
           script_message(&s, W2, DONE(1, UINT64_C(4294967297), 8)));
}
END_TEST

START_TEST(what_is_not_on_disk_is_not_published)
{
    publish_two();
    expect("", script_message(&s, C1, PUBLISH("full", 2, KEY(4))));
    ck_assert_uint_eq(records_take(s.scheduler, NULL), 2);
    recorded(DUSK_E_DISK_FULL, "the disk is full");
    expect("c1:published DISK_FULL: the disk is full", script_wait(&s, 0));
    expect("c1:published NOT_FOUND: nothing is published as 'full'",
           script_message(&s, C1, GET("full")));
    /* An end that is not on disk is none either. */
    expect("", script_message(&s, C1, MESSAGE(unpublish, .name = str_of("set"))));
    ck_assert_uint_eq(records_take(s.scheduler, NULL), 1);
    recorded(DUSK_E_DISK_FULL, "the disk is full");
    expect("c1:published DISK_FULL: the disk is full", script_wait(&s, 0));
    expect("c1:published 2=scale 3=scattered data; c1:finished 2 8B w1; c1:finished 3 "
           "100B w1",
           script_message(&s, C1, GET("set")));
}
END_TEST

START_TEST(ends_and_copies_are_recorded)
{
    publish_two();
    expect("", script_message(&s, C1, REPLICATE(2, KEY(2))));
    ck_assert_uint_eq(records_take(s.scheduler, restored), 1);
    recorded(0, "");
    /* Of what is not published the client will tell. */
    expect("", script_message(&s, C1, REPLICATE(2, KEY(4))));
    ck_assert_uint_eq(records_take(s.scheduler, restored), 0);
    script_message(&s, C1, PUBLISH("other", 5, KEY(2)));
    ck_assert_uint_eq(records_take(s.scheduler, restored), 4);
    recorded(0, "");
    script_message(&s, C1, MESSAGE(unpublish, .name = str_of("set")));
    ck_assert_uint_eq(records_take(s.scheduler, restored), 1);
    recorded(0, "");
    journal_start_again();
    ck_assert_uint_eq(records_take(s.scheduler, NULL), 4);
    expect("w1:welcome 1; w1:acquire [2@w1]",
           BACK(W1, "w1", .inventory = HOLDS({KEY(2), 8})));
    expect("w2:welcome 2; w2:acquire [2@w1]", script_worker(&s, W2, 1, 1));
    script_client(&s, C2);
    expect("c2:status w1=running/0p/1c/'' w2=running/0p/0c/'' released=1 memory=1 "
           "client2=0 'other'=1/1/8B",
           script_message(&s, C2, MESSAGE(status_request)));
}
END_TEST

/* A second life with room for few tasks. */
static void restored_allows(unsigned tasks)
{
    struct scheduler_config config = *second_life(true);
    config.tasks_allowed = tasks;
    scheduler_destroy(restored);
    ck_assert_int_eq(scheduler_create(&config, s.now_ns, &restored), 0);
}

START_TEST(what_is_unpublished_takes_no_room_in_the_next_life)
{
    restored_allows(3);
    script_client(&s, C1);
    for (uint64_t i = 1; i < 20; i += 2) {
        script_message(&s, C1, SUBMIT(i, "load"));
        script_message(&s, C1, SUBMIT(i + 1, "scale", ON(KEY(i))));
        script_message(&s, C1, PUBLISH("set", i, KEY(i + 1)));
        ck_assert_uint_eq(records_take(s.scheduler, restored), 3);
        recorded(0, "");
        script_message(&s, C1, MESSAGE(unpublish, .name = str_of("set")));
        ck_assert_uint_eq(records_take(s.scheduler, restored), 1);
        recorded(0, "");
    }
    journal_start_again();
    ck_assert_uint_eq(records_take(s.scheduler, NULL), 0);
}
END_TEST

START_TEST(what_several_names_share_is_recorded_once)
{
    publish_two();
    script_message(&s, C1, PUBLISH("other", 5, KEY(2)));
    ck_assert_uint_eq(records_take(s.scheduler, restored), 3);
    recorded(0, "");
    journal_start_again();
    ck_assert_uint_eq(records_take(s.scheduler, NULL), 5);
}
END_TEST

START_TEST(a_number_of_copies_is_recorded_once)
{
    publish_two();
    script_message(&s, C1, REPLICATE(2, KEY(2)));
    ck_assert_uint_eq(records_take(s.scheduler, NULL), 1);
    recorded(0, "");
    script_message(&s, C1, REPLICATE(2, KEY(2)));
    ck_assert_uint_eq(records_take(s.scheduler, NULL), 0);
}
END_TEST

START_TEST(what_was_cancelled_stays_so)
{
    publish_two();
    script_message(&s, C1, MESSAGE(cancel, .keys = KEYS(KEY(1))));
    ck_assert_uint_eq(records_take(s.scheduler, restored), 1);
    recorded(0, "");
    journal_start_again();
    ck_assert_uint_eq(records_take(s.scheduler, NULL), 2);
    script_client(&s, C2);
    expect("c2:published 2=cancelled 3=scattered data; c2:failed 2 NOT_FOUND: the "
           "scheduler does not know this key",
           script_message(&s, C2, GET("set")));
}
END_TEST

START_TEST(a_deadline_holds_in_the_next_life)
{
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "load", .deadline_ms = 5000));
    script_message(&s, C1, PUBLISH("set", 1, KEY(1)));
    records_take(s.scheduler, restored);
    recorded(0, "");
    journal_start_again();
    hello(C1, 1, 100 + C1, true);
    expect("", script_message(&s, C1, SUBMIT(1, "load", .deadline_ms = 3000)));
    script_wait(&s, 2900);
    script_message(&s, C1, MESSAGE(alive));
    expect("c1:failed 1 DEADLINE: task 000001-1 (load) was not done within 3.00 s: the "
           "scheduler was started again and waits for workers and clients to come back",
           script_wait(&s, 200));
}
END_TEST

START_TEST(a_journal_with_other_things_is_an_error)
{
    struct err_text text;
    ck_assert_int_eq(scheduler_restore(restored, MESSAGE(bye), &text), DUSK_E_DATA);
    ck_assert_str_eq(text.line, "a journal does not hold bye");
    ck_assert_int_eq(scheduler_restore(restored, SUBMIT(2, "scale", ON(KEY(1))), &text),
                     DUSK_E_NOT_FOUND);
    ck_assert_int_eq(scheduler_restore(restored, PUBLISH("", 1, KEY(1)), &text),
                     DUSK_E_DATA);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scheduler keep");
    TCase *tests = tcase_create("keep");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, what_a_dead_client_wanted_is_freed_after_a_while);
    tcase_add_test(tests, many_wants_end_bit_by_bit);
    tcase_add_test(tests, who_comes_back_meanwhile_keeps_the_rest);
    tcase_add_test(tests, who_is_new_does_not_make_the_keys_that_have_stayed);
    tcase_add_test(tests, what_is_published_stays);
    tcase_add_test(tests, names_are_taken_once);
    tcase_add_test(tests, published_tasks_are_limited);
    tcase_add_test(tests, keys_of_others_are_wanted_by_name_and_by_key);
    tcase_add_test(tests,
                   what_a_name_gave_ends_with_the_connection_unless_it_is_wanted);
    tcase_add_test(tests, replicas_are_kept_at_their_number);
    tcase_add_test(tests, who_cannot_take_a_copy_is_not_asked_at_once);
    tcase_add_test(tests, replicas_of_results_too);
    tcase_add_test(tests, the_last_copy_of_scattered_data_is_kept);
    tcase_add_test(tests, workers_and_clients_come_back_in_any_order);
    tcase_add_test(tests, what_nobody_asks_for_is_freed_and_stopped);
    tcase_add_test(tests, more_than_a_worker_may_run_is_not_taken_over);
    tcase_add_test(tests, a_worker_may_be_lost_before_anybody_asks);
    tcase_add_test(tests, what_is_being_stopped_after_a_recovery_takes_its_place);
    tcase_add_test(tests, recovery_is_for_the_beginning);
    tcase_add_test(tests, recovery_ends_when_only_a_client_comes_back);
    tcase_add_test(tests, scattered_data_come_back_with_their_worker);
    suite_add_tcase(suite, tests);
    TCase *journal = tcase_create("journal");
    tcase_add_checked_fixture(journal, journal_setup, journal_teardown);
    tcase_add_test(journal, published_results_outlive_the_scheduler);
    tcase_add_test(journal, published_results_are_made_again_after_a_restart);
    tcase_add_test(journal, what_is_not_on_disk_is_not_published);
    tcase_add_test(journal, ends_and_copies_are_recorded);
    tcase_add_test(journal, what_is_unpublished_takes_no_room_in_the_next_life);
    tcase_add_test(journal, what_several_names_share_is_recorded_once);
    tcase_add_test(journal, a_number_of_copies_is_recorded_once);
    tcase_add_test(journal, what_was_cancelled_stays_so);
    tcase_add_test(journal, a_deadline_holds_in_the_next_life);
    tcase_add_test(journal, a_journal_with_other_things_is_an_error);
    suite_add_tcase(suite, journal);
    return test_main(suite);
}
