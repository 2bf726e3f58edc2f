/* Workers and clients coming, going, dying and coming back. */
#include "tests/test.h"
#include "tests/unit/scheduler_script.h"

#include <string.h>

static struct script s;

static void setup(void)
{
    script_init(&s);
}

static void teardown(void)
{
    script_fini(&s);
}

/* Worker "w1" in one of its lives. */
#define HELLO(epoch_, credits_, ...)                                                   \
    MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,                   \
            .role = ROLE_WORKER, .name = str_of("w1"), .address = str_of("w1"),        \
            .nthreads = 1, .epoch = epoch_, .credits = credits_, __VA_ARGS__)

/* ---- hello ---- */

static const struct {
    struct message hello;
    const char *answer;
} bad_hellos[] = {
    {{MSG_hello, .hello = {.magic = 7, .major = PROTOCOL_MAJOR, .epoch = 1}},
     "w9:refuse PROTOCOL: this is not dusk's protocol"},
    {{MSG_hello, .hello = {.magic = PROTOCOL_MAGIC,
                           .major = PROTOCOL_MAJOR + 1,
                           .minor = 5,
                           .epoch = 1}},
     "w9:refuse REFUSED: the scheduler (dusk " DUSK_VERSION
     ") speaks protocol 2.0, the peer 3.5"},
    {{MSG_hello,
      .hello = {.magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR, .role = ROLE_CLIENT}},
     "w9:refuse INVALID: an epoch must not be 0"},
    {{MSG_hello, .hello = {.magic = PROTOCOL_MAGIC,
                           .major = PROTOCOL_MAJOR,
                           .epoch = 1,
                           .role = 3}},
     "w9:refuse INVALID: a peer's role must be 1 (worker) or 2 (client), not 3"},
    {{MSG_hello, .hello = {.magic = PROTOCOL_MAGIC,
                           .major = PROTOCOL_MAJOR,
                           .epoch = 1,
                           .role = ROLE_WORKER,
                           .name = {"w5", 2},
                           .address = {"w5", 2}}},
     "w9:refuse INVALID: worker w5 says it has 0 threads; it must have 1 to 65536"},
    {{MSG_hello, .hello = {.magic = PROTOCOL_MAGIC,
                           .major = PROTOCOL_MAJOR,
                           .epoch = 1,
                           .role = ROLE_WORKER,
                           .nthreads = 1}},
     "w9:refuse INVALID: a worker's name and address must be printable text of at most "
     "255 bytes, and the address not empty"},
    {{MSG_hello, .hello = {.magic = PROTOCOL_MAGIC,
                           .major = PROTOCOL_MAJOR,
                           .epoch = 1,
                           .role = ROLE_CLIENT}},
     "w9:refuse INVALID: a client's number must be from 1 to 16777215, not 0"},
    {{MSG_hello, .hello = {.magic = PROTOCOL_MAGIC,
                           .major = PROTOCOL_MAJOR,
                           .epoch = 1,
                           .role = ROLE_CLIENT,
                           .client = 1 << 24}},
     "w9:refuse INVALID: a client's number must be from 1 to 16777215, not 16777216"},
    {{MSG_hello, .hello = {.magic = PROTOCOL_MAGIC,
                           .major = PROTOCOL_MAJOR,
                           .epoch = 1,
                           .role = ROLE_WORKER,
                           .nthreads = 1,
                           .name = {"w1", 2},
                           .address = {"w5", 2}}},
     "w9:refuse BUSY: a worker named w1 is registered and alive"},
    {{MSG_hello, .hello = {.magic = PROTOCOL_MAGIC,
                           .major = PROTOCOL_MAJOR,
                           .epoch = 1,
                           .role = ROLE_WORKER,
                           .nthreads = 1,
                           .name = {"w5", 2},
                           .address = {"w1", 2}}},
     "w9:refuse BUSY: a worker at w1 is registered and alive"},
    {{MSG_hello, .hello = {.magic = PROTOCOL_MAGIC,
                           .major = PROTOCOL_MAJOR,
                           .epoch = 1,
                           .role = ROLE_CLIENT,
                           .client = 1}},
     "w9:refuse BUSY: the client number 000001 is taken"},
};

START_TEST(bad_hellos_are_refused)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    expect(bad_hellos[_i].answer, script_message(&s, W9, &bad_hellos[_i].hello));
    /* Refused is not registered. */
    expect("w9:register_again",
           script_message(&s, W9, MESSAGE(heartbeat, .memory = 1)));
}
END_TEST

START_TEST(strangers_are_asked_to_register)
{
    expect("w9:register_again", script_message(&s, W9, MESSAGE(alive, .epoch = 1)));
    expect("w9:register_again", script_message(&s, W9, DONE(1, 1, 8)));
    expect("", script_message(&s, W9, MESSAGE(bye, .reason = str_of(""))));
    expect("", script_gone(&s, W9));
}
END_TEST

START_TEST(there_is_room_for_so_many_and_a_place_is_kept)
{
    struct scheduler_config config = scheduler_defaults;
    config.peers_allowed = 2;
    script_fini(&s);
    script_init_with(&s, &config);
    script_message(&s, W1, HELLO(5, 1));
    script_client(&s, C1);
    expect("c2:refuse LIMIT: the scheduler has 2 workers and clients and takes no more",
           script_client(&s, C2));
    expect("w2:refuse LIMIT: the scheduler has 2 workers and clients and takes no more",
           script_worker(&s, W2, 1, 1));
    expect("w3:welcome 1; w1:closed", script_message(&s, W3, HELLO(5, 1)));
    script_message(&s, C1, MESSAGE(bye));
    expect("w2:welcome 2", script_worker(&s, W2, 1, 1));
}
END_TEST

START_TEST(roles_are_kept)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    expect("w1:closed", script_message(&s, W1, SUBMIT(1, "add")));
    expect("c1:closed", script_message(&s, C1, DONE(1, 1, 8)));
    script_worker(&s, W1, 1, 1);
    expect("w1:closed", script_message(&s, W1, MESSAGE(welcome, .epoch = 1)));
    script_worker(&s, W1, 1, 1);
    expect("w1:closed", script_message(&s, W1, HELLO(7, 1, .previous_epoch = 5)));
}
END_TEST

/* ---- silence and loss ---- */

START_TEST(a_connection_belongs_to_one_process)
{
    struct message hello = *HELLO(5, 1);
    script_message(&s, W1, &hello);
    hello.hello.address = str_of("elsewhere");
    expect("w1:closed", script_message(&s, W1, &hello));
    script_client(&s, C1);
    expect(
        "c1:closed",
        script_message(&s, C1,
                       MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                               .role = ROLE_CLIENT, .epoch = 111, .client = 2)));
}
END_TEST

START_TEST(an_attempt_that_is_claimed_before_it_is_given_counts_once)
{
    const struct run run = {.key = KEY(9), .attempt = 1};
    script_client(&s, C1);
    script_message(&s, W1, HELLO(5, 4, .running = {&run, 1}));
    script_message(&s, C1, SUBMIT(1, "add"));
    expect("w1:stop_task 1#1",
           script_message(&s, C1, MESSAGE(release, .keys = KEYS(KEY(1)))));
}
END_TEST

START_TEST(attempts_of_another_life_have_other_numbers)
{
    struct scheduler_config config = scheduler_defaults;
    config.epoch = 3;
    script_fini(&s);
    script_init_with(&s, &config);
    script_client(&s, C1);
    script_worker(&s, W1, 1, 1);
    expect("w1:run_task 1#8589934593 add", script_message(&s, C1, SUBMIT(1, "add")));
}
END_TEST

START_TEST(silence_is_not_death)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    expect("w1:run_task 1#1 add", script_message(&s, C1, SUBMIT(1, "add")));
    script_wait(&s, 2900);
    ck_assert_str_eq(s.notes, "");
    script_wait(&s, 200);
    ck_assert_ptr_nonnull(strstr(s.notes, "worker silent worker=w1"));
    /* Nothing new goes there; when it is heard again, all is as before. */
    expect("", script_message(&s, C1, SUBMIT(2, "add")));
    expect("w1:alive; w1:run_task 2#2 add", script_message(&s, W1, MESSAGE(heartbeat)));
    expect("c1:finished 1 8B w1", script_message(&s, W1, DONE(1, 1, 8)));
}
END_TEST

START_TEST(after_long_silence_the_work_goes_elsewhere)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "add"));
    script_wait(&s, 10000);
    script_worker(&s, W2, 1, 1);
    script_message(&s, C1, MESSAGE(alive));
    expect("", script_wait(&s, 2500));
    script_message(&s, W2, MESSAGE(heartbeat));
    expect("w2:run_task 1#2 add; w1:closed", script_wait(&s, 2600));
    ck_assert_ptr_nonnull(strstr(s.notes, "because=nothing was heard of it"));
    /* Its late result is not wanted; over a new connection it must register again. */
    expect("w3:register_again", script_message(&s, W3, DONE(1, 1, 8)));
    struct run run = {KEY(1), 1, 1, 0, 0};
    expect("w3:welcome 3; w3:stop_task 1#1",
           script_message(&s, W3, HELLO(101, 1, .running = {&run, 1})));
}
END_TEST

START_TEST(a_closed_connection_is_a_short_silence)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "add"));
    script_gone(&s, W1);
    ck_assert_ptr_nonnull(strstr(s.notes, "worker silent worker=w1"));
    script_worker(&s, W2, 1, 1);
    expect("", script_wait(&s, 900));
    expect("w2:run_task 1#2 add", script_wait(&s, 200));
}
END_TEST

START_TEST(a_reconnection_keeps_the_work)
{
    script_worker(&s, W1, 1, 3);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "add"));
    script_message(&s, C1, SUBMIT(2, "add"));
    script_message(&s, W1, DONE(1, 1, 8));
    script_message(&s, C1, SUBMIT(3, "add"));
    script_gone(&s, W1);
    script_wait(&s, 500);
    /* It runs 2, has never heard of 3, holds 1, and 9 is nobody's. */
    struct run run = {KEY(2), 2, 1, 0, 0};
    expect("w3:welcome 1; w3:free_data 9; w3:run_task 3#4 add",
           script_message(&s, W3,
                          HELLO(101, 3, .running = {&run, 1},
                                .inventory = HOLDS({KEY(1), 8}, {KEY(9), 8}))));
    expect("", script_wait(&s, 2000));
    expect("c1:finished 2 8B w1", script_message(&s, W3, DONE(2, 2, 8)));
}
END_TEST

START_TEST(what_was_done_meanwhile_counts)
{
    script_worker(&s, W1, 1, 3);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "add"));
    /* The answer was lost with the connection, the result was not. */
    expect("w3:welcome 1; c1:finished 1 8B w1; w1:closed",
           (script_message(&s, W3, HELLO(101, 1, .inventory = HOLDS({KEY(1), 8})))));
}
END_TEST

START_TEST(what_is_no_longer_held_is_made_again)
{
    script_worker(&s, W1, 1, 3);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "add"));
    script_message(&s, W1, DONE(1, 1, 8));
    expect("w3:welcome 1; w3:run_task 1#2 add; w1:closed",
           script_message(&s, W3, HELLO(101, 3, .pid = 1)));
}
END_TEST

/* All of them idle, so that no heap of workers grows by use; the check after each
 * step looks at their room. */
START_TEST(there_is_room_for_many_idle_workers)
{
    for (int peer = 20; peer < 59; peer++)
        script_worker(&s, (enum script_peer)peer, 1, 1);
    expect("w59:welcome 40", script_worker(&s, (enum script_peer)59, 1, 1));
}
END_TEST

START_TEST(goodbye_is_at_once)
{
    script_worker(&s, W1, 1, 1);
    script_worker(&s, W2, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "add", .worker = str_of("w2")));
    script_message(&s, C1, SUBMIT(2, "add", .worker = str_of("")));
    expect("", script_message(&s, W2, MESSAGE(bye, .reason = str_of("done"))));
    expect("w2:welcome 3; w2:run_task 1#3 add", script_worker(&s, W2, 1, 1));
}
END_TEST

START_TEST(a_namesake_takes_the_place_of_the_silent)
{
    script_worker(&s, W1, 1, 1);
    script_wait(&s, 4000);
    expect("w9:welcome 2", script_message(&s, W9, HELLO(55, 1, .pid = 1)));
    ck_assert_ptr_nonnull(strstr(s.notes, "another worker has its name or address"));
}
END_TEST

/* ---- deaths ---- */

/* Worker 1 dies of `status` while task 1 runs; its nanny's next one takes over. */
static const char *die(uint64_t epoch, int status)
{
    static const struct task_key running[] = {{1ull << 40 | 1}};
    return script_message(&s, (enum script_peer)(W1 + epoch - 100),
                          HELLO(epoch + 1, 1, .previous_epoch = epoch,
                                .previous_status = status,
                                .previous_running = {running, 1}));
}

START_TEST(a_task_that_kills_is_stopped)
{
    script_client(&s, C1);
    script_message(&s, W1, HELLO(101, 1, .pid = 1));
    expect("w1:run_task 1#1 crash", script_message(&s, C1, SUBMIT(1, "crash")));
    expect("w2:welcome 2; w2:run_task 1#2 crash", die(101, 11));
    expect("w3:welcome 3; w3:run_task 1#3 crash", die(102, 3 << 8));
    expect("w4:welcome 4; c1:failed 1 KILLED: task 000001-1 (crash) was running each "
           "time that 3 workers died: w1 (SIGSEGV), w1 (exit status 3), w1 (SIGKILL)",
           die(103, 9));
}
END_TEST

START_TEST(a_death_counts_once)
{
    script_client(&s, C1);
    script_message(&s, W1, HELLO(101, 1, .pid = 1));
    script_message(&s, C1, SUBMIT(1, "innocent"));
    /* The same report comes with every hello of the next life. */
    for (int i = 0; i < 5; i++) {
        script_message(&s, C1, MESSAGE(alive));
        ck_assert_ptr_nonnull(strstr(die(101, 11), "run_task 1"));
        script_gone(&s, W2);
        script_wait(&s, 1100);
    }
}
END_TEST

/* A nanny reports no end that was meant, so a status of 0 is a task that exits. */
START_TEST(a_task_that_exits_with_0_is_stopped)
{
    script_client(&s, C1);
    script_message(&s, W1, HELLO(101, 1, .pid = 1));
    script_message(&s, C1, SUBMIT(1, "exit"));
    for (uint64_t epoch = 101; epoch < 103; epoch++)
        ck_assert_ptr_nonnull(strstr(die(epoch, 0), "run_task 1"));
    ck_assert_ptr_nonnull(strstr(die(103, 0), "failed 1 KILLED"));
    ck_assert_ptr_nonnull(strstr(s.out, "3 workers died: w1 (exit status 0)"));
}
END_TEST

START_TEST(deaths_without_a_nanny_are_guessed)
{
    script_client(&s, C1);
    for (enum script_peer peer = W1; peer <= W3; peer++) {
        script_worker(&s, peer, 1, 1);
        if (peer == W1)
            script_message(&s, C1, SUBMIT(1, "crash"));
        script_gone(&s, peer);
        script_message(&s, C1, MESSAGE(alive));
        expect("", script_wait(&s, 1100));
    }
    script_message(&s, C1, MESSAGE(alive));
    script_wait(&s, 9000);
    expect("c1:alive", script_message(&s, C1, MESSAGE(alive)));
    expect("c1:failed 1 KILLED: task 000001-1 (crash) was running each time that 3 "
           "workers died: w1 (vanished), w2 (vanished), w3 (vanished)",
           script_wait(&s, 3000));
}
END_TEST

START_TEST(who_comes_back_was_not_dead)
{
    script_client(&s, C1);
    script_worker(&s, W1, 1, 1);
    script_message(&s, C1, SUBMIT(1, "innocent"));
    for (int i = 0; i < 5; i++) {
        script_gone(&s, W1);
        script_message(&s, C1, MESSAGE(alive));
        script_wait(&s, 1100);
        ck_assert_ptr_nonnull(strstr(script_worker(&s, W1, 1, 1), "run_task 1"));
    }
    script_message(&s, C1, MESSAGE(alive));
    script_wait(&s, 2000);
    script_message(&s, W1, MESSAGE(heartbeat));
    expect("c1:finished 1 8B w1", script_message(&s, W1, DONE(1, 6, 8)));
}
END_TEST

/* ---- clients ---- */

START_TEST(a_client_that_stays_away_is_forgotten)
{
    script_client(&s, C1);
    script_worker(&s, W1, 1, 1);
    script_message(&s, C1, SUBMIT(1, "add"));
    script_gone(&s, C1);
    script_wait(&s, 2500);
    script_message(&s, W1, MESSAGE(heartbeat));
    expect("", script_wait(&s, 2400));
    script_message(&s, W1, MESSAGE(heartbeat));
    expect("w1:stop_task 1#1", script_wait(&s, 200));
}
END_TEST

START_TEST(a_client_that_comes_back_finds_its_work)
{
    script_client(&s, C1);
    script_worker(&s, W1, 1, 1);
    script_message(&s, C1, SUBMIT(1, "add"));
    script_gone(&s, C1);
    expect("", script_message(&s, W1, DONE(1, 1, 8)));
    expect(
        "c3:welcome 1",
        script_message(&s, C3,
                       MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                               .role = ROLE_CLIENT, .epoch = 111, .client = 1)));
    expect("c3:finished 1 8B w1", script_message(&s, C3, SUBMIT(1, "add")));
}
END_TEST

START_TEST(a_client_says_goodbye)
{
    script_client(&s, C1);
    script_worker(&s, W1, 1, 1);
    script_message(&s, C1, SUBMIT(1, "add"));
    expect("w1:stop_task 1#1", script_message(&s, C1, MESSAGE(bye)));
}
END_TEST

START_TEST(a_client_that_takes_nothing_is_parted_with)
{
    static char data[16 << 20];
    struct frame frame = {.data = data, .size = sizeof data};
    struct payload *payload;
    ck_assert_int_eq(payload_create((uint8_t *)data, 1, &frame, 1, &payload), 0);
    script_client(&s, C1);
    script_client(&s, C2);
    script_worker(&s, W1, 1, 100);
    for (uint64_t i = 1; i <= 20; i++) {
        scheduler_message(s.scheduler, (struct peer_id){C1}, SUBMIT(i, "f"), s.now_ns);
        scheduler_message(s.scheduler, (struct peer_id){W1},
                          MESSAGE(done, .key = KEY(i), .attempt = i, .result = payload),
                          s.now_ns);
    }
    payload_unref(payload);
    const char *out = script_message(&s, C2, MESSAGE(alive));
    ck_assert_ptr_nonnull(strstr(out, "c1:closed"));
    ck_assert_ptr_nonnull(strstr(out, "c2:alive"));
    ck_assert_ptr_nonnull(strstr(s.notes, "too much waits for it"));
}
END_TEST

START_TEST(everybody_is_told_when_it_ends)
{
    script_client(&s, C1);
    script_worker(&s, W1, 1, 1);
    scheduler_stop(s.scheduler, "the end");
    expect("w1:bye; w1:alive; c1:bye", script_message(&s, W1, MESSAGE(heartbeat)));
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_loop_test(tests, bad_hellos_are_refused, 0,
                        sizeof bad_hellos / sizeof *bad_hellos);
    tcase_add_test(tests, strangers_are_asked_to_register);
    tcase_add_test(tests, there_is_room_for_so_many_and_a_place_is_kept);
    tcase_add_test(tests, roles_are_kept);
    tcase_add_test(tests, a_connection_belongs_to_one_process);
    tcase_add_test(tests, an_attempt_that_is_claimed_before_it_is_given_counts_once);
    tcase_add_test(tests, attempts_of_another_life_have_other_numbers);
    tcase_add_test(tests, silence_is_not_death);
    tcase_add_test(tests, after_long_silence_the_work_goes_elsewhere);
    tcase_add_test(tests, a_closed_connection_is_a_short_silence);
    tcase_add_test(tests, a_reconnection_keeps_the_work);
    tcase_add_test(tests, what_was_done_meanwhile_counts);
    tcase_add_test(tests, what_is_no_longer_held_is_made_again);
    tcase_add_test(tests, there_is_room_for_many_idle_workers);
    tcase_add_test(tests, goodbye_is_at_once);
    tcase_add_test(tests, a_namesake_takes_the_place_of_the_silent);
    tcase_add_test(tests, a_task_that_kills_is_stopped);
    tcase_add_test(tests, a_death_counts_once);
    tcase_add_test(tests, a_task_that_exits_with_0_is_stopped);
    tcase_add_test(tests, deaths_without_a_nanny_are_guessed);
    tcase_add_test(tests, who_comes_back_was_not_dead);
    tcase_add_test(tests, a_client_that_stays_away_is_forgotten);
    tcase_add_test(tests, a_client_that_comes_back_finds_its_work);
    tcase_add_test(tests, a_client_says_goodbye);
    tcase_add_test(tests, a_client_that_takes_nothing_is_parted_with);
    tcase_add_test(tests, everybody_is_told_when_it_ends);
}

int main(void)
{
    Suite *suite = suite_create("scheduler workers");
    TCase *tests = tcase_create("workers");
    tcase_add_checked_fixture(tests, setup, teardown);
    add_tests(tests);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
