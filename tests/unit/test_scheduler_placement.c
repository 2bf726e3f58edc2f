/* Who gets which task, and when. */
#include "tests/test.h"
#include "tests/unit/scheduler_script.h"

#include <stdio.h>
#include <string.h>

static struct script s;

static void setup(void)
{
    script_init(&s);
    script_client(&s, C1);
}

static void teardown(void)
{
    script_fini(&s);
}

static const char *name_of(enum script_peer worker)
{
    static char name[8];
    snprintf(name, sizeof name, "w%d", worker);
    return name;
}

/* A result of `nbytes` at a worker, made by task `count`, attempt `count`. */
static void make_data(enum script_peer worker, uint64_t count, uint64_t nbytes)
{
    script_message(&s, C1, SUBMIT(count, "load", .worker = str_of(name_of(worker))));
    script_message(&s, worker, DONE(count, count, nbytes));
}

/* A run of the function that took `ms`. */
static const struct message *took(uint64_t count, uint64_t attempt, uint64_t ms)
{
    static struct message message;
    message = *DONE(count, attempt, 8);
    message.done.stop_ns = message.done.start_ns + ms * 1000000;
    return &message;
}

START_TEST(tasks_go_to_the_least_loaded)
{
    script_worker(&s, W1, 1, 1);
    script_worker(&s, W2, 2, 1);
    expect("w1:run_task 1#1 f", script_message(&s, C1, SUBMIT(1, "f")));
    expect("w2:run_task 2#2 f", script_message(&s, C1, SUBMIT(2, "f")));
    expect("w2:run_task 3#3 f", script_message(&s, C1, SUBMIT(3, "f")));
    /* All threads are busy: one more each waits at the workers, the rest here. */
    expect("w1:run_task 4#4 f", script_message(&s, C1, SUBMIT(4, "f")));
    expect("w2:run_task 5#5 f", script_message(&s, C1, SUBMIT(5, "f")));
    expect("", script_message(&s, C1, SUBMIT(6, "f")));
}
END_TEST

START_TEST(tasks_go_to_their_data)
{
    script_worker(&s, W1, 1, 1);
    script_worker(&s, W2, 1, 1);
    make_data(W1, 1, 1000);
    make_data(W2, 2, 5000);
    make_data(W1, 3, 3000);
    expect("w2:run_task 4#4 f [1@w1 2@w2]",
           script_message(&s, C1, SUBMIT(4, "f", ON(KEY(1), KEY(2)))));
    expect("w2:run_task 5#5 f [1@w1 2@w2 3@w1]",
           script_message(&s, C1, SUBMIT(5, "f", ON(KEY(1), KEY(2), KEY(3)))));
    /* Its home is full, and the other could run it: but the data are there. */
    expect("w1:run_task 6#6 f [1@w1 3@w1]",
           script_message(&s, C1, SUBMIT(6, "f", ON(KEY(1), KEY(3)))));
}
END_TEST

START_TEST(priority_goes_before_order)
{
    script_worker(&s, W1, 1, 0);
    script_message(&s, C1, SUBMIT(1, "f"));
    script_message(&s, C1, SUBMIT(2, "f", .priority = 5));
    script_message(&s, C1, SUBMIT(3, "f", .priority = 5));
    script_message(&s, C1, SUBMIT(4, "f", .priority = -5));
    script_message(&s, C1, SUBMIT(5, "f", .priority = 0, .worker = str_of("w1")));
    const char *order[] = {"w1:run_task 4", "w1:run_task 5", "w1:run_task 2",
                           "w1:run_task 3"};
    const uint64_t keys[] = {1, 4, 5, 2};
    for (uint64_t i = 0; i < 4; i++)
        ck_assert_ptr_nonnull(
            strstr(script_message(&s, W1, DONE(keys[i], i + 1, 8)), order[i]));
}
END_TEST

START_TEST(short_tasks_are_sent_ahead)
{
    script_worker(&s, W1, 1, 10);
    script_message(&s, C1, SUBMIT(1, "f"));
    script_message(&s, W1, took(1, 1, 0));
    for (uint64_t i = 2; i < 40; i++)
        script_message(&s, C1, SUBMIT(i, "f"));
    struct scheduler_counts counts;
    scheduler_count(s.scheduler, &counts);
    ck_assert_uint_eq(counts.assigned, 1 + 1 + 10);
}
END_TEST

START_TEST(very_short_tasks_go_out_in_bunches)
{
    script_worker(&s, W1, 1, 100);
    script_worker(&s, W2, 1, 100);
    script_message(&s, C1, SUBMIT(1, "f"));
    script_message(&s, W1, took(1, 1, 0));
    script_message(&s, C1, SUBMIT(2, "g"));
    script_message(&s, W1, took(2, 2, 1000));
    expect("w1:run_task 3#3 f", script_message(&s, C1, SUBMIT(3, "f")));
    expect("w1:run_task 4#4 f", script_message(&s, C1, SUBMIT(4, "f")));
    expect("w1:run_task 5#5 f", script_message(&s, C1, SUBMIT(5, "f")));
    /* One that takes long goes to the worker that idles, and ends the bunch. */
    expect("w2:run_task 6#6 g", script_message(&s, C1, SUBMIT(6, "g")));
    expect("w2:run_task 7#7 f", script_message(&s, C1, SUBMIT(7, "f")));
}
END_TEST

START_TEST(long_tasks_are_not)
{
    script_worker(&s, W1, 2, 10);
    script_message(&s, C1, SUBMIT(1, "f"));
    script_message(&s, W1, took(1, 1, 1000));
    for (uint64_t i = 2; i < 40; i++)
        script_message(&s, C1, SUBMIT(i, "f"));
    struct scheduler_counts counts;
    scheduler_count(s.scheduler, &counts);
    ck_assert_uint_eq(counts.assigned, 1 + 2 + 1);
}
END_TEST

/* Chunk 1 of `nbytes` is at w1, which has a queue of runs of f of 10 ms on it. */
static void queue_at_w1(uint64_t nbytes, uint64_t queued)
{
    script_worker(&s, W1, 1, 1);
    make_data(W1, 1, nbytes);
    script_message(&s, C1, SUBMIT(2, "f", ON(KEY(1))));
    script_message(&s, W1, took(2, 2, 10));
    for (uint64_t i = 0; i < queued + 2; i++)
        script_message(&s, C1, SUBMIT(10 + i, "f", ON(KEY(1))));
}

START_TEST(an_idle_worker_steals_what_would_wait_long)
{
    /* 5 MB take 11 ms to bring over; the last of six waits 50 ms. */
    queue_at_w1(5000000, 4);
    expect("w2:welcome 2; w2:run_task 15#5 f [1@w1]", script_worker(&s, W2, 1, 1));
}
END_TEST

START_TEST(what_is_dear_to_move_stays)
{
    /* 500 MB take a second; waiting takes less. */
    queue_at_w1(500000000, 4);
    expect("w2:welcome 2", script_worker(&s, W2, 1, 1));
    /* Unless the new one has a copy. */
    struct holding holding = {KEY(1), 500000000};
    expect("", script_message(&s, W2, MESSAGE(have, .holdings = {&holding, 1})));
    expect("w2:alive; w2:run_task 15#5 f [1@w2 1@w1]",
           script_message(&s, W2, MESSAGE(heartbeat, .memory = 1)));
}
END_TEST

/* A worker as busy as it can be, with runs of f that nobody else may take. */
static void occupy(enum script_peer worker, unsigned threads)
{
    for (unsigned i = 0; i < threads + 1; i++)
        script_message(
            &s, C1,
            SUBMIT(500 + 10 * worker + i, "f", .worker = str_of(name_of(worker))));
}

/* So many runs of f, on this chunk. */
static void queue_on(uint64_t data, uint64_t queued)
{
    for (uint64_t i = 0; i < queued; i++)
        script_message(&s, C1, SUBMIT(100 * data + i, "f", ON(KEY(data))));
}

/* w2's queue is the one that would end last. */
static const struct {
    struct {
        unsigned threads;
        uint64_t run_ms, queued;
    } w1, w2;
} queues[] = {
    {{1, 10, 2}, {1, 10, 3}},
    /* w1 has more threads, and then w2 is slower. */
    {{4, 10, 6}, {1, 10, 3}},
    {{1, 10, 21}, {1, 1000, 20}},
};

START_TEST(an_idle_worker_steals_from_the_queue_that_ends_last)
{
    script_worker(&s, W1, queues[_i].w1.threads, 1);
    script_worker(&s, W2, queues[_i].w2.threads, 1);
    make_data(W1, 1, 1000);
    make_data(W2, 2, 1000);
    script_message(&s, C1, SUBMIT(3, "f", .worker = str_of("w1")));
    script_message(&s, W1, took(3, 3, queues[_i].w1.run_ms));
    script_message(&s, C1, SUBMIT(4, "f", .worker = str_of("w2")));
    script_message(&s, W2, took(4, 4, queues[_i].w2.run_ms));
    occupy(W1, queues[_i].w1.threads);
    occupy(W2, queues[_i].w2.threads);
    queue_on(1, queues[_i].w1.queued);
    queue_on(2, queues[_i].w2.queued);
    const char *out = script_worker(&s, W3, 1, 1);
    ck_assert_msg(strstr(out, "w3:run_task 2") && strstr(out, "[2@w2]"), "%s", out);
}
END_TEST

START_TEST(of_several_holders_the_idle_one_is_home)
{
    script_worker(&s, W1, 1, 1);
    script_worker(&s, W2, 1, 1);
    make_data(W1, 1, 20000000);
    struct holding holding = {KEY(1), 20000000};
    script_message(&s, W2, MESSAGE(have, .holdings = {&holding, 1}));
    expect("w1:run_task 2#2 f [1@w1 1@w2]",
           script_message(&s, C1, SUBMIT(2, "f", ON(KEY(1)), .worker = str_of("w1"))));
    expect("w2:run_task 3#3 f [1@w2 1@w1]",
           script_message(&s, C1, SUBMIT(3, "f", ON(KEY(1)))));
}
END_TEST

START_TEST(restricted_tasks_are_not_stolen)
{
    script_worker(&s, W1, 1, 1);
    for (uint64_t i = 1; i < 9; i++)
        script_message(&s, C1, SUBMIT(i, "f", .worker = str_of("w1")));
    expect("w2:welcome 2", script_worker(&s, W2, 1, 1));
}
END_TEST

START_TEST(a_slow_worker_loses_its_queue)
{
    /* f takes 10 ms at w2 and 100 ms at w1; to bring the data over, another 100 ms. */
    script_worker(&s, W1, 1, 1);
    script_worker(&s, W2, 1, 1);
    make_data(W1, 1, 50000000);
    uint64_t attempt = 1, key = 2;
    for (; key < 40; key++) {
        const char *name = key % 4 ? "w2" : "w1";
        script_message(&s, C1, SUBMIT(key, "f", ON(KEY(1)), .worker = str_of(name)));
        attempt++;
        script_message(&s, key % 4 ? W2 : W1, took(key, attempt, key % 4 ? 10 : 100));
    }
    /* Two there and one behind: 3 x 30 ms on average, but 3 x 60 ms at w1. */
    script_message(&s, C1, SUBMIT(50, "f", ON(KEY(1))));
    script_message(&s, C1, SUBMIT(51, "f", ON(KEY(1))));
    const char *third = script_message(&s, C1, SUBMIT(52, "f", ON(KEY(1))));
    ck_assert_msg(strstr(third, "w2:run_task 52"), "%s", third);
}
END_TEST

START_TEST(a_paused_worker_gets_nothing_new)
{
    script_worker(&s, W1, 1, 1);
    make_data(W1, 1, 1000);
    script_message(&s, W1, MESSAGE(heartbeat, .paused = 1));
    expect("", script_message(&s, C1, SUBMIT(2, "f", ON(KEY(1)))));
    expect("c1:because 000001-2 (f): of 1 workers 1 could take it, and none takes "
           "new work: worker w1 is paused",
           script_message(&s, C1, MESSAGE(why, .key = KEY(2))));
    expect(
        "c1:because 000001-3 (scattered data): of 1 workers 1 could take it, and none "
        "takes new work: worker w1 is paused",
        (script_message(&s, C1, MESSAGE(scatter, .key = KEY(3))),
         script_message(&s, C1, MESSAGE(why, .key = KEY(3)))));
    /* Others may fetch from it meanwhile. */
    expect("w2:welcome 2; w2:run_task 2#3 f [1@w1]; c1:place 3#2 w2",
           script_worker(&s, W2, 1, 1));
    script_message(&s, C1, SUBMIT(4, "g", .worker = str_of("w1")));
    expect("w1:alive; w1:run_task 4#4 g",
           script_message(&s, W1, MESSAGE(heartbeat, .paused = 0)));
}
END_TEST

START_TEST(a_pause_sends_the_queue_elsewhere)
{
    queue_at_w1(500000000, 3);
    script_worker(&s, W2, 1, 1);
    expect("w1:alive; w2:run_task 12#5 f [1@w1]; w2:run_task 13#6 f [1@w1]",
           script_message(&s, W1, MESSAGE(heartbeat, .paused = 1)));
}
END_TEST

START_TEST(sources_are_spread)
{
    for (enum script_peer peer = W1; peer <= W4; peer++)
        script_worker(&s, peer, 1, 1);
    make_data(W1, 1, 1000);
    struct holding holding = {KEY(1), 1000};
    for (enum script_peer peer = W2; peer <= W3; peer++)
        script_message(&s, peer, MESSAGE(have, .holdings = {&holding, 1}));
    /* Each copy is named, beginning with another one each time. */
    char seen[4] = "";
    for (uint64_t i = 2; i < 5; i++) {
        const char *out =
            script_message(&s, C1, SUBMIT(i, "f", ON(KEY(1)), .worker = str_of("w4")));
        const char *first = strstr(out, "[1@w");
        script_message(&s, W4, DONE(i, i, 8));
        if (first)
            seen[i - 2] = first[4];
    }
    ck_assert_msg(strchr(seen, '1') && strchr(seen, '2') && strchr(seen, '3'),
                  "first sources: %s", seen);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scheduler placement");
    TCase *tests = tcase_create("placement");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, tasks_go_to_the_least_loaded);
    tcase_add_test(tests, tasks_go_to_their_data);
    tcase_add_test(tests, priority_goes_before_order);
    tcase_add_test(tests, short_tasks_are_sent_ahead);
    tcase_add_test(tests, very_short_tasks_go_out_in_bunches);
    tcase_add_test(tests, long_tasks_are_not);
    tcase_add_test(tests, an_idle_worker_steals_what_would_wait_long);
    tcase_add_test(tests, what_is_dear_to_move_stays);
    tcase_add_loop_test(tests, an_idle_worker_steals_from_the_queue_that_ends_last, 0,
                        sizeof queues / sizeof *queues);
    tcase_add_test(tests, of_several_holders_the_idle_one_is_home);
    tcase_add_test(tests, restricted_tasks_are_not_stolen);
    tcase_add_test(tests, a_slow_worker_loses_its_queue);
    tcase_add_test(tests, a_paused_worker_gets_nothing_new);
    tcase_add_test(tests, a_pause_sends_the_queue_elsewhere);
    tcase_add_test(tests, sources_are_spread);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
