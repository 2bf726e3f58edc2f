/* Data: lost and made again, scattered, moved away from workers that leave. */
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

/* ---- lost data ---- */

START_TEST(lost_results_are_made_again_from_their_recipes)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, C1, SUBMIT(2, "scale", ON(KEY(1))));
    script_message(&s, W1, DONE(1, 1, 8));
    script_message(&s, C1, MESSAGE(release, .keys = KEYS(KEY(1))));
    expect("w1:free_data 1; c1:finished 2 8B w1",
           script_message(&s, W1, DONE(2, 2, 8)));
    script_worker(&s, W2, 1, 1);
    /* Both are gone; the second is wanted, so the first is needed again. */
    expect("w2:run_task 1#3 load", script_message(&s, W1, MESSAGE(bye)));
    expect("w2:run_task 2#4 scale [1@w2]", script_message(&s, W2, DONE(1, 3, 8)));
    expect("w2:free_data 1; c1:finished 2 8B w2",
           script_message(&s, W2, DONE(2, 4, 8)));
}
END_TEST

START_TEST(a_copy_saves_the_work)
{
    script_worker(&s, W1, 1, 1);
    script_worker(&s, W2, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, W1, DONE(1, 1, 8));
    expect("", script_message(&s, W2, MESSAGE(have, .holdings = HOLDS({KEY(1), 8}))));
    expect("", script_message(&s, W1, MESSAGE(bye)));
    expect("w2:run_task 1#2 load",
           script_message(&s, W2, MESSAGE(dropped, .keys = KEYS(KEY(1)))));
}
END_TEST

START_TEST(missing_inputs_are_made_again)
{
    script_worker(&s, W1, 1, 1);
    script_worker(&s, W2, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, W1, DONE(1, 1, 8));
    expect(
        "w2:run_task 2#2 scale [1@w1]",
        script_message(&s, C1, SUBMIT(2, "scale", ON(KEY(1)), .worker = str_of("w2"))));
    expect("w1:free_data 1; w2:run_task 1#3 load",
           script_message(&s, W2,
                          MESSAGE(missing, .key = KEY(2), .attempt = 2, .input = KEY(1),
                                  .address = str_of("w1"))));
    expect("w2:run_task 2#4 scale [1@w2]; c1:finished 1 8B w2",
           script_message(&s, W2, DONE(1, 3, 8)));
}
END_TEST

START_TEST(what_a_silent_worker_holds_is_not_missing)
{
    script_worker(&s, W1, 1, 1);
    script_worker(&s, W2, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, W1, DONE(1, 1, 100));
    expect(
        "w2:run_task 2#2 sum [1@w1]",
        script_message(&s, C1, SUBMIT(2, "sum", ON(KEY(1)), .worker = str_of("w2"))));
    script_gone(&s, W1);
    expect("", script_message(&s, W2,
                              MESSAGE(missing, .key = KEY(2), .attempt = 2,
                                      .input = KEY(1), .address = str_of("w1"))));
    expect("c1:because 000001-2 (sum): queued: one of its inputs is on worker w1 only, "
           "which is silent",
           script_message(&s, C1, MESSAGE(why, .key = KEY(2))));
    expect(
        "w1:welcome 1; w2:run_task 2#3 sum [1@w1]",
        script_message(&s, W1,
                       MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                               .role = ROLE_WORKER, .name = str_of("w1"),
                               .address = str_of("w1"), .epoch = 101, .nthreads = 1,
                               .inventory = HOLDS({KEY(1), 100}))));
}
END_TEST

/* A late result, which the worker was about to make anew: its answer was lost with the
 * connection, and the inventory names what it has. */
START_TEST(a_late_result_in_an_inventory_is_not_freed)
{
    struct message hello = *MESSAGE(
        hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR, .role = ROLE_WORKER,
        .name = str_of("w1"), .address = str_of("w1"), .epoch = 101, .nthreads = 1);
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "load"));
    expect("w1:welcome 1; w1:run_task 1#2 load", script_message(&s, W1, &hello));
    expect("", script_message(&s, W1, DONE(1, 1, 8)));
    script_gone(&s, W1);
    hello.hello.inventory = (field_holdings)HOLDS({KEY(1), 8});
    expect("w1:welcome 1; c1:finished 1 8B w1", script_message(&s, W1, &hello));
}
END_TEST

START_TEST(what_a_silent_worker_holds_is_waited_for)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, W1, DONE(1, 1, 8));
    script_worker(&s, W2, 1, 1);
    script_gone(&s, W1);
    expect("", script_message(&s, C1, SUBMIT(2, "scale", ON(KEY(1)))));
    expect("c1:because 000001-2 (scale): queued: one of its inputs is on worker w1 "
           "only, which is silent",
           script_message(&s, C1, MESSAGE(why, .key = KEY(2))));
    expect("w2:run_task 1#2 load", script_wait(&s, 1100));
}
END_TEST

/* ---- scattered data ---- */

START_TEST(scatter_places_and_finishes)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    expect("c1:place 1#1 w1",
           script_message(&s, C1, MESSAGE(scatter, .key = KEY(1), .nbytes = 100)));
    expect("c1:place 1#1 w1",
           script_message(&s, C1, MESSAGE(scatter, .key = KEY(1), .nbytes = 100)));
    expect("c1:finished 1 100B w1",
           script_message(&s, W1, MESSAGE(have, .holdings = HOLDS({KEY(1), 100}))));
    expect("c1:finished 1 100B w1",
           script_message(&s, C1, MESSAGE(scatter, .key = KEY(1), .nbytes = 100)));
    expect("w1:free_data 1",
           script_message(&s, C1, MESSAGE(release, .keys = KEYS(KEY(1)))));
    /* What arrives when nobody wants it goes at once. */
    expect("w1:free_data 1",
           script_message(&s, W1, MESSAGE(have, .holdings = HOLDS({KEY(1), 100}))));
}
END_TEST

START_TEST(scatter_goes_to_the_emptiest)
{
    script_worker(&s, W1, 1, 1);
    script_worker(&s, W2, 1, 1);
    script_client(&s, C1);
    script_message(&s, W1, MESSAGE(heartbeat, .memory = 1000));
    expect("c1:place 1#1 w2",
           script_message(&s, C1, MESSAGE(scatter, .key = KEY(1), .nbytes = 2000)));
    expect("c1:place 2#2 w1",
           script_message(&s, C1, MESSAGE(scatter, .key = KEY(2), .nbytes = 5)));
}
END_TEST

START_TEST(scatter_of_any_size_goes_to_a_worker_without_a_limit)
{
    script_message(&s, W1,
                   MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                           .role = ROLE_WORKER, .name = str_of("w1"), .epoch = 100,
                           .address = str_of("w1"), .nthreads = 1));
    script_client(&s, C1);
    expect(
        "c1:place 1#1 w1",
        script_message(&s, C1, MESSAGE(scatter, .key = KEY(1), .nbytes = UINT64_MAX)));
}
END_TEST

/* Who wants data and has them not cannot bring them. */
START_TEST(only_who_scatters_is_told_the_place)
{
    script_client(&s, C1);
    script_client(&s, C2);
    script_message(&s, C1, MESSAGE(scatter, .key = KEY(1), .nbytes = 100));
    script_message(&s, C2, MESSAGE(want, .keys = KEYS(KEY(1))));
    expect("w1:welcome 1; c1:place 1#1 w1", script_worker(&s, W1, 1, 1));
}
END_TEST

START_TEST(scatter_moves_on_when_the_worker_dies)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, MESSAGE(scatter, .key = KEY(1), .nbytes = 100));
    expect("", script_message(&s, W1, MESSAGE(bye)));
    expect("w2:welcome 2; c1:place 1#2 w2", script_worker(&s, W2, 1, 1));
}
END_TEST

START_TEST(scattered_data_can_be_lost)
{
    script_worker(&s, W1, 1, 1);
    script_worker(&s, W2, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, MESSAGE(scatter, .key = KEY(1), .nbytes = 100));
    script_message(&s, W1, MESSAGE(have, .holdings = HOLDS({KEY(1), 100})));
    script_message(&s, C1, SUBMIT(2, "sum", ON(KEY(1))));
    expect(
        "c1:failed 1 DATA_LOST: scattered data 000001-1 (100 bytes) are lost: no "
        "worker that held a copy is left; the last were on w1; "
        "c1:failed 2 DATA_LOST: task 000001-2 (sum) depends on 000001-1 (scattered "
        "data): scattered data "
        "000001-1 (100 bytes) are lost: no worker that held a copy is left; the last "
        "were on w1",
        script_message(&s, W1, MESSAGE(bye)));
}
END_TEST

START_TEST(a_key_is_data_or_a_task)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "add"));
    expect("c1:failed 1 INVALID: task 000001-1 is no scattered data",
           script_message(&s, C1, MESSAGE(scatter, .key = KEY(1), .nbytes = 100)));
}
END_TEST

/* ---- retirement ---- */

START_TEST(a_retiring_worker_leaves_nothing_behind)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, W1, DONE(1, 1, 8));
    script_message(&s, C1, SUBMIT(2, "load"));
    script_worker(&s, W2, 1, 1);
    expect("w2:acquire [1@w1]",
           script_message(&s, W1, MESSAGE(retire, .deadline_ms = 10000)));
    expect("w2:run_task 3#3 load", script_message(&s, C1, SUBMIT(3, "load")));
    /* What it still runs must move, too. */
    expect("w2:acquire [2@w1]; c1:finished 2 8B w1",
           script_message(&s, W1, DONE(2, 2, 8)));
    expect("", script_message(&s, W2, MESSAGE(have, .holdings = HOLDS({KEY(1), 8}))));
    expect("w1:retired 2",
           script_message(&s, W2, MESSAGE(have, .holdings = HOLDS({KEY(2), 8}))));
    expect("", script_message(&s, W1, MESSAGE(bye)));
}
END_TEST

START_TEST(retirement_ends_at_its_deadline)
{
    script_worker(&s, W1, 1, 1);
    script_worker(&s, W2, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, W1, DONE(1, 1, 8));
    expect("w2:acquire [1@w1]",
           script_message(&s, W1, MESSAGE(retire, .deadline_ms = 500)));
    expect("", script_wait(&s, 400));
    expect("w1:retired 0", script_wait(&s, 200));
}
END_TEST

START_TEST(the_last_worker_retires_at_once)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, W1, DONE(1, 1, 8));
    expect("w1:retired 0",
           script_message(&s, W1, MESSAGE(retire, .deadline_ms = 10000)));
}
END_TEST

START_TEST(a_refused_copy_goes_to_another)
{
    script_worker(&s, W1, 1, 1);
    script_worker(&s, W2, 1, 1);
    script_worker(&s, W3, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, W1, DONE(1, 1, 8));
    expect("w2:acquire [1@w1]",
           script_message(&s, W1, MESSAGE(retire, .deadline_ms = 10000)));
    expect("w3:acquire [1@w1]", script_message(&s, W2, MESSAGE(bye)));
    expect("w1:retired 1",
           script_message(&s, W3, MESSAGE(have, .holdings = HOLDS({KEY(1), 8}))));
}
END_TEST

START_TEST(a_copy_at_another_that_leaves_is_none)
{
    script_worker(&s, W1, 1, 1);
    script_worker(&s, W2, 1, 1);
    script_worker(&s, W3, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, W1, DONE(1, 1, 8));
    script_message(&s, W2, MESSAGE(have, .holdings = HOLDS({KEY(1), 8})));
    /* Who has a copy shall keep it; it may have thought it could drop it. */
    expect("w1:acquire [1@w1 1@w2]",
           script_message(&s, W2, MESSAGE(retire, .deadline_ms = 10000)));
    expect("w2:retired 1",
           script_message(&s, W1, MESSAGE(have, .holdings = HOLDS({KEY(1), 8}))));
    expect("w3:acquire [1@w2 1@w1]",
           script_message(&s, W1, MESSAGE(retire, .deadline_ms = 10000)));
}
END_TEST

START_TEST(retired_is_said_again_after_a_reconnection)
{
    script_worker(&s, W1, 1, 1);
    expect("w1:retired 0",
           script_message(&s, W1, MESSAGE(retire, .deadline_ms = 10000)));
    expect("w1:welcome 1; w1:retired 0", script_worker(&s, W1, 1, 1));
}
END_TEST

START_TEST(a_result_that_came_late_stays_if_it_is_needed)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "load"));
    expect("w1:welcome 1; w1:run_task 1#2 load", script_worker(&s, W1, 1, 1));
    expect("", script_message(&s, W1, DONE(1, 1, 8)));
    expect("w1:stop_task 1#2; c1:finished 1 8B w1",
           script_message(&s, W1, MESSAGE(have, .holdings = HOLDS({KEY(1), 8}))));
}
END_TEST

START_TEST(a_result_that_came_late_goes_if_it_is_not)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, SUBMIT(1, "load"));
    script_worker(&s, W1, 1, 1);
    script_message(&s, W1, DONE(1, 1, 8));
    expect("w1:stop_task 1#2; w1:free_data 1",
           script_message(&s, C1, MESSAGE(release, .keys = KEYS(KEY(1)))));
}
END_TEST

START_TEST(data_that_are_released_and_not_there_are_lost)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    script_message(&s, C1, MESSAGE(scatter, .key = KEY(1), .nbytes = 100));
    script_message(&s, C1, SUBMIT(2, "sum", ON(KEY(1))));
    expect("c1:failed 2 DATA_LOST: task 000001-2 (sum) depends on 000001-1 (scattered "
           "data): scattered data "
           "000001-1 (100 bytes) never arrived: whoever has them no longer wants them",
           script_message(&s, C1, MESSAGE(release, .keys = KEYS(KEY(1)))));
}
END_TEST

START_TEST(data_that_never_arrive_are_lost_with_their_client)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    script_client(&s, C2);
    script_message(&s, C1, MESSAGE(scatter, .key = KEY(1), .nbytes = 100));
    script_message(&s, C2, SUBMIT(2, "sum", ON(KEY(1))));
    expect("c2:failed 2 DATA_LOST: task 000001-2 (sum) depends on 000001-1 (scattered "
           "data): scattered data "
           "000001-1 (100 bytes) never arrived: whoever has them no longer wants them",
           script_message(&s, C1, MESSAGE(bye)));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scheduler data");
    TCase *tests = tcase_create("data");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, lost_results_are_made_again_from_their_recipes);
    tcase_add_test(tests, a_copy_saves_the_work);
    tcase_add_test(tests, missing_inputs_are_made_again);
    tcase_add_test(tests, what_a_silent_worker_holds_is_not_missing);
    tcase_add_test(tests, a_late_result_in_an_inventory_is_not_freed);
    tcase_add_test(tests, what_a_silent_worker_holds_is_waited_for);
    tcase_add_test(tests, scatter_places_and_finishes);
    tcase_add_test(tests, scatter_of_any_size_goes_to_a_worker_without_a_limit);
    tcase_add_test(tests, only_who_scatters_is_told_the_place);
    tcase_add_test(tests, scatter_goes_to_the_emptiest);
    tcase_add_test(tests, scatter_moves_on_when_the_worker_dies);
    tcase_add_test(tests, scattered_data_can_be_lost);
    tcase_add_test(tests, a_key_is_data_or_a_task);
    tcase_add_test(tests, a_retiring_worker_leaves_nothing_behind);
    tcase_add_test(tests, retirement_ends_at_its_deadline);
    tcase_add_test(tests, the_last_worker_retires_at_once);
    tcase_add_test(tests, a_refused_copy_goes_to_another);
    tcase_add_test(tests, a_copy_at_another_that_leaves_is_none);
    tcase_add_test(tests, retired_is_said_again_after_a_reconnection);
    tcase_add_test(tests, a_result_that_came_late_stays_if_it_is_needed);
    tcase_add_test(tests, a_result_that_came_late_goes_if_it_is_not);
    tcase_add_test(tests, data_that_are_released_and_not_there_are_lost);
    tcase_add_test(tests, data_that_never_arrive_are_lost_with_their_client);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
