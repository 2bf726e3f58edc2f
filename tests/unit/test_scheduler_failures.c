/* How tasks fail: retries, deadlines, killed workers, resources, too many arguments. */
#include "tests/test.h"
#include "tests/unit/scheduler_script.h"

#include <string.h>

static struct script s;

static void setup(void)
{
    script_init(&s);
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
}

static void teardown(void)
{
    script_fini(&s);
}

#define ERRED(count_, attempt_, code_)                                                 \
    MESSAGE(erred, .key = KEY(count_), .attempt = attempt_, .code = code_,             \
            .reason = str_of("no luck"))
#define STOPPED(count_, attempt_) ERRED(count_, attempt_, DUSK_E_CANCELLED)

/* Both peers live on while time passes. */
static const char *pass(uint64_t ms)
{
    script_message(&s, C1, MESSAGE(alive));
    script_message(&s, W1, MESSAGE(heartbeat));
    return script_wait(&s, ms);
}

/* ---- retries ---- */

START_TEST(retries_come_before_failure)
{
    script_message(&s, C1, SUBMIT(1, "add", .retries = 2));
    expect("", script_message(&s, W1, ERRED(1, 1, DUSK_E_TASK)));
    expect(
        "task runs again task=000001-1 function=add retries_left=1 because=no luck\n",
        s.notes);
    /* The first attempt is over; a second answer changes nothing. */
    expect("", script_message(&s, W1, ERRED(1, 1, DUSK_E_TASK)));
    expect("w1:run_task 1#2 add", pass(100));
    expect("", script_message(&s, W1, ERRED(1, 2, DUSK_E_TASK)));
    expect("w1:run_task 1#3 add", pass(200));
    expect("c1:failed 1 TASK: task 000001-1 (add): no luck",
           script_message(&s, W1, ERRED(1, 3, DUSK_E_TASK)));
}
END_TEST

/* A scheduler before this one may have told the worker to stop it. */
START_TEST(what_is_given_back_runs_again_and_costs_no_retry)
{
    script_message(&s, C1, SUBMIT(1, "add"));
    expect("w1:run_task 1#2 add", script_message(&s, W1, STOPPED(1, 1)));
    expect("c1:failed 1 TASK: task 000001-1 (add): no luck",
           script_message(&s, W1, ERRED(1, 2, DUSK_E_TASK)));
}
END_TEST

START_TEST(rests_double_and_end)
{
    static const uint64_t rests_ms[] = {100,  200,  400,   800,  1600,
                                        3200, 6400, 10000, 10000};
    script_message(&s, C1, SUBMIT(1, "add", .retries = 100));
    for (uint64_t i = 0; i < sizeof rests_ms / sizeof rests_ms[0]; i++) {
        expect("", script_message(&s, W1, ERRED(1, i + 1, DUSK_E_TASK)));
        for (uint64_t left_ms = rests_ms[i] - 1, step; left_ms; left_ms -= step) {
            step = left_ms < 1000 ? left_ms : 1000;
            expect("", pass(step));
        }
        ck_assert_ptr_nonnull(strstr(pass(1), "run_task 1#"));
    }
}
END_TEST

START_TEST(a_resting_task_keeps_its_inputs)
{
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, W1, DONE(1, 1, 8));
    script_message(&s, C1, SUBMIT(2, "add", ON(KEY(1)), .retries = 1));
    expect("", script_message(&s, C1, MESSAGE(release, .keys = KEYS(KEY(1)))));
    expect("", script_message(&s, W1, ERRED(2, 2, DUSK_E_TASK)));
    expect("w1:run_task 2#3 add [1@w1]", pass(100));
}
END_TEST

START_TEST(a_resting_task_can_be_cancelled)
{
    script_message(&s, C1, SUBMIT(1, "add", .retries = 1));
    script_message(&s, W1, ERRED(1, 1, DUSK_E_TASK));
    expect("c1:failed 1 CANCELLED: task 000001-1 (add) was cancelled",
           script_message(&s, C1, MESSAGE(cancel, .keys = KEYS(KEY(1)))));
    expect("", pass(1000));
}
END_TEST

/* ---- deadlines ---- */

START_TEST(a_queued_task_runs_out_of_time)
{
    for (uint64_t i = 1; i <= 2; i++)
        script_message(&s, C1, SUBMIT(i, "add"));
    script_message(&s, C1, SUBMIT(3, "sum", .deadline_ms = 1500));
    script_message(&s, C1, SUBMIT(4, "scale", ON(KEY(3))));
    expect("", pass(1499));
#define LATE                                                                           \
    "task 000001-3 (sum) was not done within 1.50 s: queued behind 0 others: all "     \
    "workers that take work are busy (1)"
    expect("c1:failed 3 DEADLINE: " LATE
           "; c1:failed 4 DEADLINE: task 000001-4 (scale) "
           "depends on 000001-3 (sum): " LATE,
           pass(1));
}
END_TEST

START_TEST(a_running_task_is_stopped_at_its_deadline)
{
    script_message(&s, C1, SUBMIT(1, "sum", .deadline_ms = 2000));
    script_wait(&s, 1000);
    struct run run = {KEY(1), 1, 1, 900000000, 0};
    script_message(&s, W1, MESSAGE(heartbeat, .running = {&run, 1}));
    expect("w1:stop_task 1#1; c1:failed 1 DEADLINE: task 000001-1 (sum) was not done "
           "within 2.00 s: runs on worker w1 (running) for 1.9 s, attempt 1",
           script_wait(&s, 1000));
    /* Its place is free when the worker has answered. */
    script_message(&s, C1, SUBMIT(2, "next"));
    script_message(&s, C1, SUBMIT(3, "next"));
    expect("w1:run_task 3#3 next", script_message(&s, W1, STOPPED(1, 1)));
}
END_TEST

START_TEST(a_deadline_that_was_met_is_over)
{
    script_message(&s, C1, SUBMIT(1, "sum", .deadline_ms = 1000));
    expect("c1:finished 1 8B w1", script_message(&s, W1, DONE(1, 1, 8)));
    expect("", pass(2000));
    /* Lost, it is made again without one. */
    script_worker(&s, W2, 1, 1);
    expect("w2:run_task 1#2 sum",
           script_message(&s, W1, MESSAGE(bye, .reason = str_of(""))));
    script_message(&s, C1, MESSAGE(alive));
    expect("", script_wait(&s, 2000));
}
END_TEST

START_TEST(a_deadline_ends_with_its_task)
{
    script_message(&s, C1, SUBMIT(1, "sum", .deadline_ms = 1000));
    expect("w1:stop_task 1#1",
           script_message(&s, C1, MESSAGE(release, .keys = KEYS(KEY(1)))));
    script_message(&s, W1, STOPPED(1, 1));
    expect("w1:run_task 1#2 sum", script_message(&s, C1, SUBMIT(1, "sum")));
    expect("", pass(2000));
}
END_TEST

START_TEST(a_deadline_ends_a_rest)
{
    script_message(&s, C1, SUBMIT(1, "sum", .deadline_ms = 1050, .retries = 9));
    script_wait(&s, 1000);
    script_message(&s, W1, ERRED(1, 1, DUSK_E_TASK));
    expect(
        "c1:failed 1 DEADLINE: task 000001-1 (sum) was not done within 1.05 s: retry "
        "back-off: it failed 1 times and runs again in 50.0 ms; 8 retries are left "
        "after that",
        pass(50));
    expect("", pass(1000));
}
END_TEST

/* What one timer brings about is done before the next one fires. */
START_TEST(a_deadline_comes_when_a_rest_ends)
{
    script_message(&s, C1, SUBMIT(1, "sum", .deadline_ms = 210, .retries = 1));
    script_wait(&s, 100);
    script_message(&s, W1, ERRED(1, 1, DUSK_E_TASK));
    s.now_ns += 150 * UINT64_C(1000000);
    scheduler_tick(s.scheduler, s.now_ns);
    expect(
        "w1:run_task 1#2 sum; w1:stop_task 1#2; c1:failed 1 DEADLINE: task 000001-1 "
        "(sum) was not done within 210 ms: was sent to worker w1 (running) as attempt "
        "2; tasks there: 1, threads: 1",
        script_wait(&s, 0));
}
END_TEST

START_TEST(a_deadline_comes_when_the_worker_of_an_input_is_lost)
{
    script_worker(&s, W2, 1, 1);
    script_message(&s, C1, SUBMIT(1, "sum", .worker = str_of("w1")));
    script_message(&s, W1, DONE(1, 1, 8));
    script_message(
        &s, C1,
        SUBMIT(2, "sum", ON(KEY(1)), .worker = str_of("w2"), .deadline_ms = 1100));
    script_gone(&s, W1);
    s.now_ns += 1200 * UINT64_C(1000000);
    scheduler_tick(s.scheduler, s.now_ns);
    expect("w2:stop_task 2#2; c1:failed 2 DEADLINE: task 000001-2 (sum) was not done "
           "within 1.10 s: was sent to worker w2 (running) as attempt 2; tasks there: "
           "1, threads: 1",
           script_wait(&s, 0));
}
END_TEST

START_TEST(a_far_deadline_never_comes)
{
    script_message(&s, C1, SUBMIT(1, "sum", .deadline_ms = UINT64_MAX));
    expect("", pass(2000));
}
END_TEST

/* ---- deaths of workers ---- */

/* A life of worker 2, under a nanny that reports the death of the one before. */
static const char *life(uint64_t epoch, int status, struct task_key *ran, size_t count)
{
    return script_message(
        &s, (enum script_peer)(20 + epoch),
        MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                .role = ROLE_WORKER, .name = str_of("w2"), .address = str_of("w2"),
                .epoch = 200 + epoch, .nthreads = 1, .credits = 1,
                .previous_epoch = ran ? 199 + epoch : 0, .previous_status = status,
                .previous_running = {ran, count}));
}

START_TEST(clean_stops_do_not_count)
{
    script_message(&s, C1, SUBMIT(1, "calm", .worker = str_of("w2")));
    for (uint64_t epoch = 1; epoch <= 5; epoch++) {
        ck_assert_ptr_nonnull(strstr(life(epoch, 0, NULL, 0), "run_task 1"));
        ck_assert_ptr_null(strstr(s.notes, "worker died"));
        expect("", script_message(&s, (enum script_peer)(20 + epoch),
                                  MESSAGE(bye, .reason = str_of("stopped"))));
        expect("", pass(900));
    }
    expect("", (pass(2900), pass(2900), pass(2900), pass(2900)));
}
END_TEST

START_TEST(what_is_done_is_not_charged)
{
    struct task_key ran[] = {KEY(1), KEY(77)};
    script_message(&s, C1, SUBMIT(1, "done"));
    script_message(&s, W1, DONE(1, 1, 8));
    life(1, 0, NULL, 0);
    for (uint64_t epoch = 2; epoch <= 6; epoch++)
        life(epoch, 11, ran, 2);
    /* Lost, it is made again as if nothing had been. */
    ck_assert_ptr_nonnull(strstr(
        script_message(&s, W1, MESSAGE(bye, .reason = str_of(""))), "run_task 1#2"));
}
END_TEST

START_TEST(only_what_could_run_is_suspected)
{
    script_message(&s, W1, MESSAGE(bye, .reason = str_of("")));
    script_message(&s, C1, SUBMIT(1, "crash"));
    script_message(&s, C1, SUBMIT(2, "waits"));
    for (uint64_t epoch = 1; epoch <= 3; epoch++) {
        /* Both are sent to it; one thread runs the first. */
        ck_assert_ptr_nonnull(strstr(life(epoch, 0, NULL, 0), "run_task 2"));
        script_gone(&s, (enum script_peer)(20 + epoch));
        script_message(&s, C1, MESSAGE(alive));
        script_wait(&s, 1100);
    }
    script_message(&s, C1, MESSAGE(alive));
    expect("c1:failed 1 KILLED: task 000001-1 (crash) was running each time that 3 "
           "workers "
           "died: w2 (vanished), w2 (vanished), w2 (vanished)",
           script_wait(&s, 12000));
    ck_assert_ptr_nonnull(strstr(life(4, 0, NULL, 0), "run_task 2"));
}
END_TEST

/* ---- resources ---- */

#define GPU(count_) SUBMIT(count_, "train", .resources = str_of("GPU=1"))

static void gpu_worker(enum script_peer peer, const char *resources)
{
    char name[8] = {'w', (char)('0' + peer)};
    script_message(&s, peer,
                   MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                           .role = ROLE_WORKER, .name = str_of(name),
                           .address = str_of(name), .epoch = 100 + (unsigned)peer,
                           .nthreads = 4, .credits = 4,
                           .resources = str_of(resources)));
}

START_TEST(resources_are_shared_out)
{
    gpu_worker(W2, "GPU=2,disk=1");
    expect("w2:run_task 1#1 train", script_message(&s, C1, GPU(1)));
    expect("w2:run_task 2#2 train", script_message(&s, C1, GPU(2)));
    expect("", script_message(&s, C1, GPU(3)));
    /* Who needs nothing passes by. */
    expect("w1:run_task 4#3 add", script_message(&s, C1, SUBMIT(4, "add")));
    expect("w2:run_task 5#4 add", script_message(&s, C1, SUBMIT(5, "add")));
    expect("w2:run_task 6#5 write",
           script_message(&s, C1, SUBMIT(6, "write", .resources = str_of("disk=1"))));
    expect("w2:run_task 3#6 train; c1:finished 2 8B w2",
           script_message(&s, W2, DONE(2, 2, 8)));
}
END_TEST

START_TEST(a_stopped_task_uses_its_resources_until_it_has_ended)
{
    gpu_worker(W2, "GPU=1");
    script_message(&s, C1, GPU(1));
    script_message(&s, C1, GPU(2));
    expect("w2:stop_task 1#1",
           script_message(&s, C1, MESSAGE(release, .keys = KEYS(KEY(1)))));
    expect("w2:run_task 2#2 train", script_message(&s, W2, STOPPED(1, 1)));
}
END_TEST

START_TEST(resources_come_and_go_with_workers)
{
    gpu_worker(W2, "GPU=1");
    script_message(&s, C1, GPU(1));
    script_message(&s, C1, GPU(2));
    expect("", script_message(&s, W2, MESSAGE(bye, .reason = str_of(""))));
    gpu_worker(W3, "GPU=1,disk=3");
    expect("c1:because 000001-1 (train): was sent to worker w3 (running) as attempt 2; "
           "tasks there: 1, threads: 4",
           script_message(&s, C1, MESSAGE(why, .key = KEY(1))));
    /* The same worker over another connection still runs it. */
    struct run run = {KEY(1), 2, 1, 5, 0};
    script_gone(&s, W3);
    expect(
        "w4:welcome 3",
        script_message(&s, W4,
                       MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                               .role = ROLE_WORKER, .name = str_of("w3"),
                               .address = str_of("w3"), .epoch = 100 + W3,
                               .nthreads = 4, .credits = 4, .running = {&run, 1},
                               .resources = str_of("GPU=1,disk=3"))));
    expect("w4:run_task 2#3 train; c1:finished 1 8B w3",
           script_message(&s, W4, DONE(1, 2, 8)));
}
END_TEST

START_TEST(priorities_hold_between_those_who_need_and_those_who_do_not)
{
    script_message(&s, W1, MESSAGE(bye, .reason = str_of("")));
    script_message(&s, W2,
                   MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                           .role = ROLE_WORKER, .name = str_of("w2"),
                           .address = str_of("w2"), .epoch = 102, .nthreads = 1,
                           .credits = 1, .resources = str_of("GPU=9")));
    script_message(&s, C1, SUBMIT(1, "add"));
    script_message(&s, C1, SUBMIT(2, "add"));
    script_message(&s, C1, SUBMIT(3, "add"));
    script_message(&s, C1, GPU(4));
    script_message(&s, C1, SUBMIT(5, "add", .priority = 1));
    expect("w2:run_task 3#3 add; c1:finished 1 8B w2",
           script_message(&s, W2, DONE(1, 1, 8)));
    expect("w2:run_task 4#4 train; c1:finished 2 8B w2",
           script_message(&s, W2, DONE(2, 2, 8)));
    expect("w2:run_task 5#5 add; c1:finished 3 8B w2",
           script_message(&s, W2, DONE(3, 3, 8)));
}
END_TEST

START_TEST(who_has_the_resources_has_no_room)
{
    script_message(&s, W2,
                   MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                           .role = ROLE_WORKER, .name = str_of("w2"),
                           .address = str_of("w2"), .epoch = 102, .nthreads = 4,
                           .credits = 4, .memory_limit = 100,
                           .resources = str_of("GPU=9")));
    gpu_worker(W3, "GPU=1");
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, W1, DONE(1, 1, 1000));
    expect("w3:run_task 2#2 train [1@w1]",
           script_message(
               &s, C1, SUBMIT(2, "train", ON(KEY(1)), .resources = str_of("GPU=1"))));
    expect("",
           script_message(
               &s, C1, SUBMIT(3, "train", ON(KEY(1)), .resources = str_of("GPU=1"))));
    expect("w3:run_task 3#3 train [1@w1]; c1:finished 2 8B w3",
           script_message(&s, W3, DONE(2, 2, 8)));
}
END_TEST

START_TEST(queues_for_resources_are_noted)
{
    gpu_worker(W2, "GPU=1");
    script_message(&s, C1, GPU(1));
    script_message(&s, C1, GPU(2));
    for (int i = 0; i < 6; i++) {
        script_message(&s, W1, MESSAGE(alive));
        script_message(&s, W2, MESSAGE(alive));
        script_message(&s, C1, MESSAGE(alive));
        script_wait(&s, 2000);
        if (strstr(s.notes, "tasks wait"))
            break;
    }
    ck_assert_ptr_nonnull(strstr(s.notes, "tasks wait tasks=1 first=000001-2"));
}
END_TEST

static const char *const bad_resources[] = {
    "GPU",           "=1",      "GPU=0",  "GPU=-1", "GPU=1,", "GPU=x", ",",
    "GPU=1,,disk=1", "GPU=1.5", "GPU=1 ", "G U=1"};

START_TEST(bad_resources_are_one_line)
{
    struct message *submit = SUBMIT(1, "add", .resources = str_of(bad_resources[_i]));
    const char *out = script_message(&s, C1, submit);
    ck_assert_ptr_nonnull(strstr(out, "c1:failed 1 INVALID: '"));
    ck_assert_ptr_nonnull(strstr(out, "is no resource: write NAME=QUANTITY"));
    out = script_message(
        &s, W9,
        MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                .role = ROLE_WORKER, .name = str_of("w9"), .address = str_of("w9"),
                .epoch = 109, .nthreads = 1, .resources = str_of(bad_resources[_i])));
    ck_assert_ptr_nonnull(strstr(out, "w9:refuse INVALID: worker w9: '"));
}
END_TEST

START_TEST(demands_are_limited)
{
    char text[32];
    for (unsigned i = 1; i <= 256; i++) {
        snprintf(text, sizeof text, "GPU=%u", i);
        expect("", script_message(&s, C1, SUBMIT(i, "add", .resources = str_of(text))));
    }
    expect(
        "c1:failed 300 LIMIT: the scheduler knows 256 different needs of resources and "
        "takes no more",
        script_message(&s, C1, SUBMIT(300, "add", .resources = str_of("GPU=300"))));
    expect("",
           script_message(&s, C1, SUBMIT(301, "add", .resources = str_of("GPU=256"))));
    /* What no task needs any more makes room. */
    script_message(&s, C1, MESSAGE(release, .keys = KEYS(KEY(7))));
    expect("",
           script_message(&s, C1, SUBMIT(303, "add", .resources = str_of("GPU=300"))));
    expect(
        "c1:failed 302 INVALID: resource GPU stands there twice",
        script_message(&s, C1, SUBMIT(302, "add", .resources = str_of("GPU=1,GPU=2"))));
}
END_TEST

/* ---- arguments ---- */

START_TEST(arguments_are_limited)
{
    struct scheduler_config config = scheduler_defaults;
    config.argument_bytes = 1000;
    teardown();
    script_init_with(&s, &config);
    script_client(&s, C1);
    struct payload *payload;
    static const uint8_t head[400];
    ck_assert_int_eq(payload_create(head, sizeof head, NULL, 0, &payload), 0);
    for (uint64_t round = 0; round < 3; round++) {
        expect("", script_message(&s, C1, SUBMIT(1, "add", .arguments = payload)));
        expect("", script_message(&s, C1, SUBMIT(2, "add", .arguments = payload)));
        expect(
            "c1:failed 3 LIMIT: task 000001-3 (add) has arguments of 400 B: with those "
            "of other tasks, 800 B, the scheduler would hold more than 1000 B "
            "(--argument-memory)",
            script_message(&s, C1, SUBMIT(3, "add", .arguments = payload)));
        /* Known and argument-free tasks are always welcome. */
        expect("", script_message(&s, C1, SUBMIT(2, "add", .arguments = payload)));
        expect("", script_message(&s, C1, SUBMIT(4, "add")));
        script_message(&s, C1, MESSAGE(release, .keys = KEYS(KEY(1), KEY(2), KEY(4))));
    }
    payload_unref(payload);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scheduler failures");
    TCase *tests = tcase_create("failures");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, retries_come_before_failure);
    tcase_add_test(tests, what_is_given_back_runs_again_and_costs_no_retry);
    tcase_add_test(tests, rests_double_and_end);
    tcase_add_test(tests, a_resting_task_keeps_its_inputs);
    tcase_add_test(tests, a_resting_task_can_be_cancelled);
    tcase_add_test(tests, a_queued_task_runs_out_of_time);
    tcase_add_test(tests, a_running_task_is_stopped_at_its_deadline);
    tcase_add_test(tests, a_deadline_that_was_met_is_over);
    tcase_add_test(tests, a_deadline_ends_with_its_task);
    tcase_add_test(tests, a_deadline_ends_a_rest);
    tcase_add_test(tests, a_deadline_comes_when_a_rest_ends);
    tcase_add_test(tests, a_deadline_comes_when_the_worker_of_an_input_is_lost);
    tcase_add_test(tests, a_far_deadline_never_comes);
    tcase_add_test(tests, clean_stops_do_not_count);
    tcase_add_test(tests, what_is_done_is_not_charged);
    tcase_add_test(tests, only_what_could_run_is_suspected);
    tcase_add_test(tests, resources_are_shared_out);
    tcase_add_test(tests, a_stopped_task_uses_its_resources_until_it_has_ended);
    tcase_add_test(tests, resources_come_and_go_with_workers);
    tcase_add_test(tests, who_has_the_resources_has_no_room);
    tcase_add_test(tests, queues_for_resources_are_noted);
    tcase_add_test(tests, priorities_hold_between_those_who_need_and_those_who_do_not);
    tcase_add_loop_test(tests, bad_resources_are_one_line, 0,
                        sizeof bad_resources / sizeof bad_resources[0]);
    tcase_add_test(tests, demands_are_limited);
    tcase_add_test(tests, arguments_are_limited);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
