/* Tasks through their states: submit, run, fail, retry, release, cancel, recompute. */
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

#define ERRED(count_, attempt_, code_, reason_)                                        \
    MESSAGE(erred, .key = KEY(count_), .attempt = attempt_, .code = code_,             \
            .reason = str_of(reason_))
#define RELEASE(...) MESSAGE(release, .keys = KEYS(__VA_ARGS__))
#define CANCEL(...) MESSAGE(cancel, .keys = KEYS(__VA_ARGS__))

/* ---- the straight way ---- */

START_TEST(one_task_from_submit_to_free)
{
    expect("w1:run_task 1#1 add", script_message(&s, C1, SUBMIT(1, "add")));
    expect("c1:finished 1 8B w1", script_message(&s, W1, DONE(1, 1, 8)));
    expect("w1:run_task 2#2 add [1@w1]",
           script_message(&s, C1, SUBMIT(2, "add", ON(KEY(1)))));
    expect("c1:finished 2 8B w1", script_message(&s, W1, DONE(2, 2, 8)));
    expect("w1:free_data 1 2", script_message(&s, C1, RELEASE(KEY(1), KEY(2))));
}
END_TEST

START_TEST(a_dependent_waits_for_all_inputs)
{
    script_message(&s, C1, SUBMIT(1, "add"));
    script_message(&s, C1, SUBMIT(2, "add"));
    expect("", script_message(&s, C1, SUBMIT(3, "sum", ON(KEY(1), KEY(2)))));
    expect("c1:finished 1 8B w1", script_message(&s, W1, DONE(1, 1, 8)));
    expect("w1:run_task 3#3 sum [1@w1 2@w1]; c1:finished 2 8B w1",
           script_message(&s, W1, DONE(2, 2, 8)));
}
END_TEST

START_TEST(small_results_ride_along_once)
{
    struct payload *payload;
    static const uint8_t head;
    ck_assert_int_eq(payload_create(&head, 1, NULL, 0, &payload), 0);
    script_message(&s, C1, SUBMIT(1, "add"));
    expect("c1:finished 1 1B w1 inline",
           script_message(&s, W1,
                          MESSAGE(done, .key = KEY(1), .attempt = 1, .nbytes = 1,
                                  .result = payload)));
    expect("c1:finished 1 1B w1", script_message(&s, C1, SUBMIT(1, "add")));
    payload_unref(payload);
}
END_TEST

START_TEST(a_known_key_is_only_wanted_again)
{
    script_message(&s, C1, SUBMIT(1, "add"));
    expect("", script_message(&s, C1, SUBMIT(1, "something else")));
    expect("c1:finished 1 8B w1", script_message(&s, W1, DONE(1, 1, 8)));
    expect("c1:finished 1 8B w1", script_message(&s, C1, SUBMIT(1, "add")));
    expect("w1:free_data 1", script_message(&s, C1, RELEASE(KEY(1))));
}
END_TEST

START_TEST(two_clients_share_a_task)
{
    script_client(&s, C2);
    script_message(&s, C1, SUBMIT(1, "add"));
    expect("", script_message(&s, C2, SUBMIT(1, "add")));
    expect("", script_message(&s, C1, RELEASE(KEY(1))));
    expect("c2:finished 1 8B w1", script_message(&s, W1, DONE(1, 1, 8)));
    expect("w1:free_data 1", script_message(&s, C2, RELEASE(KEY(1))));
}
END_TEST

START_TEST(inputs_are_kept_for_those_who_need_them)
{
    script_message(&s, C1, SUBMIT(1, "add"));
    script_message(&s, C1, SUBMIT(2, "add", ON(KEY(1))));
    script_message(&s, W1, DONE(1, 1, 8));
    expect("", script_message(&s, C1, RELEASE(KEY(1))));
    expect("w1:free_data 1; c1:finished 2 8B w1",
           script_message(&s, W1, DONE(2, 2, 8)));
}
END_TEST

/* ---- bad input ---- */

START_TEST(unknown_inputs_are_named)
{
    expect("c1:failed 2 NOT_FOUND: task 000001-2 (add) depends on 000001-1, which the "
           "scheduler does not know",
           script_message(&s, C1, SUBMIT(2, "add", ON(KEY(1)))));
    expect("c1:failed 1 NOT_FOUND: task 000001-1 (add) depends on 000001-1, which the "
           "scheduler does not know",
           script_message(&s, C1, SUBMIT(1, "add", ON(KEY(1)))));
}
END_TEST

START_TEST(bad_names_are_refused)
{
    expect("c1:failed 1 INVALID: names of functions, workers and resources must be "
           "printable text",
           script_message(&s, C1, SUBMIT(1, "")));
    expect("c1:failed 1 INVALID: names of functions, workers and resources must be "
           "printable text",
           script_message(&s, C1, SUBMIT(1, "a\nb")));
    expect("c1:failed 1 INVALID: names of functions, workers and resources must be "
           "printable text",
           script_message(&s, C1, SUBMIT(1, "add", .worker = str_of("\033[2J"))));
}
END_TEST

START_TEST(unknown_keys_are_ignored)
{
    expect("", script_message(&s, C1, RELEASE(KEY(7))));
    expect("", script_message(&s, C1, CANCEL(KEY(7))));
    expect("c1:failed 7 NOT_FOUND: the scheduler does not know this key",
           script_message(&s, C1, MESSAGE(locate, .key = KEY(7))));
    expect("w1:free_data 7", script_message(&s, W1, DONE(7, 3, 8)));
    expect("", script_message(&s, W1, ERRED(7, 3, DUSK_E_TASK, "x")));
}
END_TEST

/* ---- failures ---- */

START_TEST(an_error_travels_to_dependents)
{
#define DATA_ERROR "task 000001-1 load(f64[3], 7): row 7 of chunk 3 is NaN"
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, C1, SUBMIT(2, "add", ON(KEY(1))));
    script_message(&s, C1, SUBMIT(3, "sum", ON(KEY(2))));
    expect(
        "c1:failed 1 DATA: " DATA_ERROR "; c1:failed 2 DATA: task 000001-2 (add) "
        "depends on 000001-1 (load): " DATA_ERROR "; c1:failed 3 DATA: task 000001-3 "
        "(sum) depends on 000001-1 (load): " DATA_ERROR,
        script_message(&s, W1,
                       MESSAGE(erred, .key = KEY(1), .attempt = 1, .code = DUSK_E_DATA,
                               .reason = str_of("row 7 of\nchunk 3 is NaN"),
                               .call = str_of("load(f64[3], 7)"))));
    /* Whoever asks later is told the same. */
    expect(
        "c1:failed 4 DATA: task 000001-4 (add) depends on 000001-1 (load): " DATA_ERROR,
        script_message(&s, C1, SUBMIT(4, "add", ON(KEY(2)))));
    expect(
        "c1:failed 2 DATA: task 000001-2 (add) depends on 000001-1 (load): " DATA_ERROR,
        script_message(&s, C1, SUBMIT(2, "add")));
    /* Released, it may be tried anew. */
    script_message(&s, C1, RELEASE(KEY(1), KEY(2), KEY(3), KEY(4)));
    expect("w1:run_task 1#2 load", script_message(&s, C1, SUBMIT(1, "load")));
}
END_TEST

START_TEST(long_errors_are_cut)
{
    char text[4096];
    memset(text, 'x', sizeof text);
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, C1, SUBMIT(2, "add", ON(KEY(1))));
    const char *out = script_message(
        &s, W1,
        MESSAGE(erred, .key = KEY(1), .attempt = 1, .code = DUSK_E_DATA,
                .reason = {text, sizeof text}, .call = {text, sizeof text}));
    ck_assert_ptr_nonnull(strstr(out, "failed 1 DATA: task 000001-1 xxx"));
    ck_assert_ptr_nonnull(strstr(out, "xx...; c1:failed 2 DATA: task 000001-2 (add) "
                                      "depends on 000001-1 (load): task 000001-1 xxx"));
    ck_assert_str_eq(out + strlen(out) - 5, "xx...");
}
END_TEST

START_TEST(strange_codes_become_task)
{
    script_message(&s, C1, SUBMIT(1, "add"));
    expect("c1:failed 1 TASK: task 000001-1 (add): odd",
           script_message(&s, W1, ERRED(1, 1, 5, "odd")));
}
END_TEST

/* ---- fencing ---- */

START_TEST(late_results_are_dropped)
{
    script_worker(&s, W2, 1, 1);
    script_message(&s, C1, SUBMIT(1, "add"));
    /* Said to be done by a worker that never had it. */
    expect("w2:free_data 1", script_message(&s, W2, DONE(1, 1, 8)));
    expect("w1:free_data 1", (script_message(&s, C1, CANCEL(KEY(1))),
                              script_message(&s, W1, DONE(1, 1, 8))));
    script_message(&s, C1, SUBMIT(2, "add"));
    script_message(&s, W1, DONE(2, 2, 8));
    /* A second time, by the worker that holds it: a valid copy. */
    expect("", script_message(&s, W1, DONE(2, 2, 8)));
    struct scheduler_counts counts;
    scheduler_count(s.scheduler, &counts);
    ck_assert_uint_eq(counts.stale, 2);
}
END_TEST

START_TEST(stopped_attempts_keep_their_place_until_answered)
{
    script_message(&s, C1, SUBMIT(1, "add"));
    script_message(&s, C1, SUBMIT(2, "add"));
    script_message(&s, C1, SUBMIT(3, "add"));
    expect("w1:stop_task 1#1", script_message(&s, C1, RELEASE(KEY(1))));
    expect("w1:run_task 3#3 add",
           script_message(&s, W1, ERRED(1, 1, DUSK_E_CANCELLED, "stopped")));
    expect("", script_message(&s, W1, ERRED(1, 1, DUSK_E_CANCELLED, "stopped")));
}
END_TEST

/* ---- cancelling ---- */

START_TEST(cancelling_takes_dependents_along)
{
    script_client(&s, C2);
    script_message(&s, C1, SUBMIT(1, "add"));
    script_message(&s, C1, SUBMIT(2, "add", ON(KEY(1))));
    script_message(&s, C2, SUBMIT(3, "add", ON(KEY(2))));
    script_message(&s, C2, SUBMIT(4, "add"));
    expect(
        "w1:stop_task 1#1; c1:failed 1 CANCELLED: task 000001-1 (add) was cancelled; "
        "c1:failed 2 CANCELLED: task 000001-2 (add) depends on 000001-1 (add), "
        "which was cancelled; "
        "c2:failed 3 CANCELLED: task 000001-3 (add) depends on 000001-2 (add), "
        "which was cancelled",
        script_message(&s, C1, CANCEL(KEY(1))));
    struct scheduler_counts counts;
    scheduler_count(s.scheduler, &counts);
    ck_assert_uint_eq(counts.tasks, 1);
}
END_TEST

START_TEST(results_can_be_cancelled)
{
    script_message(&s, C1, SUBMIT(1, "add"));
    script_message(&s, W1, DONE(1, 1, 8));
    expect("w1:free_data 1; c1:failed 1 CANCELLED: task 000001-1 (add) was cancelled",
           script_message(&s, C1, CANCEL(KEY(1))));
}
END_TEST

/* ---- where is it ---- */

START_TEST(locate_answers_when_it_is_there)
{
    script_client(&s, C2);
    script_message(&s, C1, SUBMIT(1, "add"));
    expect("", script_message(&s, C2, MESSAGE(locate, .key = KEY(1))));
    expect("c1:finished 1 8B w1; c2:located 1 [1@w1]",
           script_message(&s, W1, DONE(1, 1, 8)));
    expect("c2:located 1 [1@w1]",
           script_message(&s, C2, MESSAGE(locate, .key = KEY(1))));
    /* Asking is no wanting. */
    expect("w1:free_data 1", script_message(&s, C1, RELEASE(KEY(1))));
}
END_TEST

START_TEST(locate_fails_when_it_never_will_be)
{
    script_client(&s, C2);
    script_message(&s, C1, SUBMIT(1, "add"));
    script_message(&s, C2, MESSAGE(locate, .key = KEY(1)));
    expect("c1:failed 1 TASK: task 000001-1 (add): no; "
           "c2:failed 1 TASK: task 000001-1 (add): no",
           script_message(&s, W1, ERRED(1, 1, DUSK_E_TASK, "no")));
    expect("c2:failed 1 TASK: task 000001-1 (add): no",
           script_message(&s, C2, MESSAGE(locate, .key = KEY(1))));
}
END_TEST

START_TEST(status_shows_everything)
{
    script_message(&s, C1, SUBMIT(1, "add"));
    script_message(&s, C1, SUBMIT(2, "add"));
    script_message(&s, C1, SUBMIT(3, "add"));
    script_message(&s, W1, DONE(1, 1, 8));
    struct run run = {KEY(2), 2, 1, 1500000000, 0};
    script_message(&s, W1, MESSAGE(heartbeat, .paused = 1, .running = {&run, 1}));
    expect("c1:status w1=paused/2p/1c/'add 000001-2 for 1.5 s' processing=2 memory=1 "
           "client1=3",
           script_message(&s, C1, MESSAGE(status_request, .request = 1)));
}
END_TEST

START_TEST(there_is_room_for_so_many_tasks)
{
    struct scheduler_config config = scheduler_defaults;
    config.tasks_allowed = 2;
    script_fini(&s);
    script_init_with(&s, &config);
    script_client(&s, C1);
    script_client(&s, C2);
    expect("", script_message(&s, C1, SUBMIT(1, "add")));
    expect("", script_message(&s, C1, SUBMIT(2, "add")));
    expect("c1:failed 3 LIMIT: the scheduler holds 2 tasks and takes no more",
           script_message(&s, C1, SUBMIT(3, "add")));
    expect("c1:failed 4 LIMIT: the scheduler holds 2 tasks and takes no more",
           script_message(&s, C1, MESSAGE(scatter, .key = KEY(4), .nbytes = 8)));
    script_message(&s, C1, MESSAGE(release, .keys = KEYS(KEY(1))));
    expect("", script_message(&s, C2, SUBMIT(3, "add")));
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, unknown_inputs_are_named);
    tcase_add_test(tests, bad_names_are_refused);
    tcase_add_test(tests, unknown_keys_are_ignored);
    tcase_add_test(tests, one_task_from_submit_to_free);
    tcase_add_test(tests, a_dependent_waits_for_all_inputs);
    tcase_add_test(tests, small_results_ride_along_once);
    tcase_add_test(tests, a_known_key_is_only_wanted_again);
    tcase_add_test(tests, two_clients_share_a_task);
    tcase_add_test(tests, inputs_are_kept_for_those_who_need_them);
    tcase_add_test(tests, an_error_travels_to_dependents);
    tcase_add_test(tests, long_errors_are_cut);
    tcase_add_test(tests, strange_codes_become_task);
    tcase_add_test(tests, late_results_are_dropped);
    tcase_add_test(tests, stopped_attempts_keep_their_place_until_answered);
    tcase_add_test(tests, cancelling_takes_dependents_along);
    tcase_add_test(tests, results_can_be_cancelled);
    tcase_add_test(tests, locate_answers_when_it_is_there);
    tcase_add_test(tests, locate_fails_when_it_never_will_be);
    tcase_add_test(tests, there_is_room_for_so_many_tasks);
    tcase_add_test(tests, status_shows_everything);
}

int main(void)
{
    Suite *suite = suite_create("scheduler tasks");
    TCase *tests = tcase_create("tasks");
    tcase_add_checked_fixture(tests, setup, teardown);
    add_tests(tests);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
