/* Every reason for which a task is where it is, reached by what leads there. */
#include "tests/test.h"
#include "tests/unit/scheduler_script.h"

#include <string.h>

static struct script s;

static void setup(void)
{
    script_init(&s);
    script_client(&s, C1);
}

static void setup_with_worker(void)
{
    setup();
    script_worker(&s, W1, 1, 1);
}

static void teardown(void)
{
    script_fini(&s);
}

#define BYE MESSAGE(bye, .reason = str_of(""))
#define PAUSE MESSAGE(heartbeat, .paused = 1)
#define ERRED(count_, attempt_)                                                        \
    MESSAGE(erred, .key = KEY(count_), .attempt = attempt_, .code = DUSK_E_DATA,       \
            .reason = str_of("bad row"), .call = str_of("add(3)"))
#define BECAUSE(count_, line_)                                                         \
    expect("c1:because 000001-" #count_ " " line_,                                     \
           script_message(&s, C1, MESSAGE(why, .key = KEY(count_))))

/* A worker with memory and resources. */
static const char *worker(enum script_peer peer, uint64_t memory, const char *resources)
{
    char name[8] = {'w', (char)('0' + peer)};
    return script_message(
        &s, peer,
        MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                .role = ROLE_WORKER, .name = str_of(name), .address = str_of(name),
                .epoch = 100 + (unsigned)peer, .nthreads = 2, .credits = 1,
                .memory_limit = memory, .resources = str_of(resources)));
}

/* ---- nobody to run it ---- */

START_TEST(no_worker_ever_came)
{
    script_message(&s, C1, SUBMIT(1, "add"));
    script_message(&s, C1, MESSAGE(alive));
    script_wait(&s, 2500);
    BECAUSE(1, "(add): no worker has come since the scheduler started 2.50 s ago");
}
END_TEST

START_TEST(all_workers_are_lost)
{
    script_message(&s, C1, SUBMIT(1, "add"));
    script_message(&s, C1, MESSAGE(scatter, .key = KEY(2), .nbytes = 9));
    script_message(&s, W1, BYE);
    script_wait(&s, 2500);
    BECAUSE(1, "(add): all workers are lost: the last of 1 went 2.50 s ago");
    BECAUSE(2, "(scattered data): all workers are lost: the last of 1 went 2.50 s ago");
    script_message(&s, C1, MESSAGE(alive));
    script_wait(&s, 3500);
    ck_assert_ptr_nonnull(strstr(s.notes,
                                 "tasks wait tasks=2 first=000001-2 "
                                 "because=all workers are lost: the last of 1"));
    expect("w1:welcome 2; w1:run_task 1#4 add; c1:place 2#3 w1",
           script_worker(&s, W1, 1, 1));
}
END_TEST

START_TEST(the_worker_that_it_is_bound_to_is_absent)
{
    script_message(&s, C1, SUBMIT(1, "add", .worker = str_of("w7")));
    BECAUSE(1, "(add): may run on worker w7 only, and no such worker is registered");
}
END_TEST

START_TEST(no_worker_has_the_resource)
{
    worker(W2, 0, "GPU=1,disk=4");
    script_message(&s, C1, SUBMIT(1, "add", .resources = str_of("GPU=2")));
    BECAUSE(1, "(add): needs GPU=2, and none of the 2 workers has that");
    script_message(
        &s, C1, SUBMIT(2, "add", .resources = str_of("GPU=1"), .worker = str_of("w1")));
    BECAUSE(2, "(add): needs GPU=1 on worker w1, which does not have that");
    expect("w3:welcome 3; w3:run_task 1#1 add", worker(W3, 0, "GPU=2"));
}
END_TEST

START_TEST(no_worker_has_the_memory)
{
    script_message(&s, W1, BYE);
    worker(W2, 1 << 20, "");
    worker(W3, 2 << 20, "");
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, C1, SUBMIT(2, "load"));
    script_message(&s, W2, DONE(1, 1, 3 << 19));
    script_message(&s, W3, DONE(2, 2, 3 << 19));
    script_message(&s, C1, SUBMIT(3, "sum", ON(KEY(1), KEY(2))));
    BECAUSE(3, "(sum): needs room for 3.00 MiB of inputs, and the largest worker that "
               "could take it has a memory limit of 2.00 MiB");
    script_message(&s, C1, MESSAGE(scatter, .key = KEY(4), .nbytes = 9 << 20));
    BECAUSE(4, "(scattered data): needs room for 9.00 MiB, and the largest worker that "
               "could take it has a memory limit of 2.00 MiB");
    /* What fits some goes to them, though they have none of it. */
    expect("w1:welcome 4; w1:run_task 3#3 sum [1@w2 2@w3]", worker(W1, 4 << 20, ""));
}
END_TEST

START_TEST(workers_are_paused)
{
    script_worker(&s, W2, 1, 1);
    script_message(&s, W1, PAUSE);
    script_message(&s, W2, PAUSE);
    script_message(&s, C1, SUBMIT(1, "add"));
    BECAUSE(1,
            "(add): of 2 workers 2 could take it, and none takes new work: worker w1 "
            "is paused");
    script_message(&s, C1, SUBMIT(2, "add", .worker = str_of("w2")));
    BECAUSE(2,
            "(add): queued behind 0 tasks at worker w2 (paused), the only one that may "
            "run it");
    worker(W3, 0, "GPU=1");
    script_message(&s, W3, PAUSE);
    script_message(&s, C1, SUBMIT(3, "add", .resources = str_of("GPU=1")));
    BECAUSE(3,
            "(add): of 3 workers 1 could take it, and none takes new work: worker w3 "
            "is paused");
    expect("w3:alive; w3:run_task 3#2 add", script_message(&s, W3, MESSAGE(heartbeat)));
}
END_TEST

/* ---- queued ---- */

START_TEST(others_come_first)
{
    for (uint64_t i = 1; i <= 5; i++)
        script_message(&s, C1, SUBMIT(i, "add"));
    script_message(&s, C1, SUBMIT(6, "add", .priority = -1));
    BECAUSE(4,
            "(add): queued behind 2 others: all workers that take work are busy (1)");
    BECAUSE(6,
            "(add): queued behind 0 others: all workers that take work are busy (1)");
    script_message(&s, C1, SUBMIT(7, "add", .worker = str_of("w1")));
    BECAUSE(
        7, "(add): queued behind 2 tasks at worker w1 (running), the only one that may "
           "run it");
    script_message(&s, W1, DONE(1, 1, 8));
    script_message(&s, C1, SUBMIT(8, "sum", ON(KEY(1))));
    BECAUSE(
        8, "(sum): queued behind 3 tasks at worker w1 (running), which has most of its "
           "inputs");
}
END_TEST

START_TEST(the_resource_is_in_use)
{
    worker(W2, 0, "GPU=1");
    for (uint64_t i = 1; i <= 3; i++)
        script_message(&s, C1, SUBMIT(i, "add", .resources = str_of("GPU=1")));
    BECAUSE(3,
            "(add): queued behind 1 others that need GPU=1: those who have it use it, "
            "or have no free thread");
}
END_TEST

START_TEST(the_only_copy_is_at_a_silent_worker)
{
    script_message(&s, C1, SUBMIT(1, "add"));
    script_message(&s, W1, DONE(1, 1, 8));
    script_gone(&s, W1);
    script_worker(&s, W2, 1, 1);
    script_message(&s, C1, SUBMIT(2, "sum", ON(KEY(1))));
    BECAUSE(2,
            "(sum): queued: one of its inputs is on worker w1 only, which is silent");
}
END_TEST

/* ---- inputs ---- */

START_TEST(inputs_are_not_there)
{
    script_message(&s, C1, SUBMIT(1, "load", .worker = str_of("w7")));
    script_message(&s, C1, SUBMIT(2, "add", ON(KEY(1))));
    script_message(&s, C1, SUBMIT(3, "sum", ON(KEY(1), KEY(2))));
    BECAUSE(
        2, "(add): waits for 1 of its 1 inputs; the first is 000001-1 (load), which is "
           "no-worker: may run on worker w7 only, and no such worker is registered");
    BECAUSE(
        3, "(sum): waits for 2 of its 2 inputs; the first is 000001-1 (load), which is "
           "no-worker: may run on worker w7 only, and no such worker is registered");
    script_message(&s, C1, SUBMIT(4, "sum", ON(KEY(2))));
    BECAUSE(
        4, "(sum): waits for 1 of its 1 inputs, in the end for 000001-1 (load), which "
           "is no-worker: may run on worker w7 only, and no such worker is registered");
}
END_TEST

START_TEST(scattered_data_are_on_their_way)
{
    script_message(&s, C1, MESSAGE(scatter, .key = KEY(1), .nbytes = 9));
    script_wait(&s, 1500);
    BECAUSE(1,
            "(scattered data): waits for its data to arrive at worker w1, for 1.50 s");
}
END_TEST

START_TEST(its_worker_fetches_inputs)
{
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, W1, DONE(1, 1, 3 << 20));
    script_worker(&s, W2, 1, 1);
    script_message(&s, C1, SUBMIT(2, "sum", ON(KEY(1)), .worker = str_of("w2")));
    BECAUSE(
        2, "(sum): transferring: worker w2 (running) fetches its input 000001-1 (load, "
           "3.00 MiB) from worker w1 (running)");
    struct holding have = {KEY(1), 3 << 20};
    script_message(&s, W2, MESSAGE(have, .holdings = {&have, 1}));
    BECAUSE(2, "(sum): was sent to worker w2 (running) as attempt 2; tasks there: 1, "
               "threads: 1");
}
END_TEST

START_TEST(two_workers_could_send_the_input)
{
    script_message(&s, C1, SUBMIT(1, "load"));
    script_message(&s, W1, DONE(1, 1, 3 << 20));
    script_worker(&s, W3, 1, 1);
    struct holding have = {KEY(1), 3 << 20};
    script_message(&s, W3, MESSAGE(have, .holdings = {&have, 1}));
    script_worker(&s, W2, 1, 1);
    script_message(&s, C1, SUBMIT(2, "sum", ON(KEY(1)), .worker = str_of("w2")));
    BECAUSE(
        2, "(sum): transferring: worker w2 (running) fetches its input 000001-1 (load, "
           "3.00 MiB) from worker w1 (running) or another that has it");
}
END_TEST

/* ---- under way, and done ---- */

START_TEST(it_rests_after_an_error)
{
    script_message(&s, C1, SUBMIT(1, "add", .retries = 2));
    script_message(&s, W1, ERRED(1, 1));
    script_wait(&s, 30);
    BECAUSE(1, "(add): retry back-off: it failed 1 times and runs again in 70.0 ms; 1 "
               "retries are left after that");
}
END_TEST

START_TEST(it_was_sent_and_runs)
{
    script_message(&s, C1, SUBMIT(1, "add"));
    script_message(&s, C1, SUBMIT(2, "add"));
    BECAUSE(2, "(add): was sent to worker w1 (running) as attempt 2; tasks there: 2, "
               "threads: 1");
    struct run run = {KEY(1), 1, 1, 1500000000, 0};
    script_message(&s, W1, MESSAGE(heartbeat, .running = {&run, 1}));
    script_wait(&s, 500);
    BECAUSE(1, "(add): runs on worker w1 (running) for 2.0 s, attempt 1");
    run.progress = 17;
    script_message(&s, W1, MESSAGE(heartbeat, .running = {&run, 1}));
    BECAUSE(1, "(add): runs on worker w1 (running) for 1.5 s, attempt 1, progress 17");
}
END_TEST

START_TEST(it_is_in_memory)
{
    script_message(&s, C1, SUBMIT(1, "add"));
    script_message(&s, W1, DONE(1, 1, 8));
    BECAUSE(1, "(add): in memory: 8 bytes on worker w1 (running)");
    script_worker(&s, W2, 1, 1);
    struct holding have = {KEY(1), 8};
    script_message(&s, W2, MESSAGE(have, .holdings = {&have, 1}));
    BECAUSE(1, "(add): in memory: 8 bytes on worker w1 (running) and 1 more");
}
END_TEST

START_TEST(it_erred)
{
    script_message(&s, C1, SUBMIT(1, "add"));
    script_message(&s, C1, SUBMIT(2, "sum", ON(KEY(1))));
    script_message(&s, W1, ERRED(1, 1));
    BECAUSE(1, "(add): erred (DATA): task 000001-1 add(3): bad row");
    BECAUSE(2, "(sum): erred (DATA): task 000001-1 add(3): bad row");
}
END_TEST

START_TEST(nobody_wants_it)
{
    script_message(&s, C1, SUBMIT(1, "add"));
    script_message(&s, C1, SUBMIT(2, "sum", ON(KEY(1))));
    script_message(&s, W1, DONE(1, 1, 8));
    script_message(&s, C1, MESSAGE(release, .keys = KEYS(KEY(1))));
    script_message(&s, W1, DONE(2, 2, 8));
    BECAUSE(1, "(add): released or cancelled: nobody wants it now; it is a recipe for "
               "others");
}
END_TEST

START_TEST(it_is_not_known)
{
    expect("c1:because 000001-1: not known: it was never submitted, or was released or "
           "cancelled",
           script_message(&s, C1, MESSAGE(why, .key = KEY(1))));
    script_message(&s, C1, SUBMIT(1, "add"));
    script_message(&s, C1, MESSAGE(cancel, .keys = KEYS(KEY(1))));
    expect("c1:because 000001-1: not known: it was never submitted, or was released or "
           "cancelled",
           script_message(&s, C1, MESSAGE(why, .key = KEY(1))));
}
END_TEST

/* ---- all ---- */

START_TEST(all_that_wait_are_told_by_reason)
{
    expect("c1:because ", script_message(&s, C1, MESSAGE(why_all)));
    for (uint64_t i = 1; i <= 7; i++)
        script_message(&s, C1, SUBMIT(i, "add"));
    for (uint64_t i = 8; i <= 10; i++)
        script_message(&s, C1, SUBMIT(i, "sum", ON(KEY(1)), .worker = str_of("w7")));
    struct run run = {KEY(1), 1, 1, 1500000000, 0};
    script_message(&s, W1, MESSAGE(heartbeat, .running = {&run, 1}));
#define ROOT                                                                           \
    "waits for 1 of its 1 inputs; the first is 000001-1 (add), which is processing: "  \
    "runs on worker w1 (running) for 1.5 s, attempt 1"
    expect("c1:because 1x 000001-8 (sum): " ROOT " | 1x 000001-9 (sum): " ROOT
           " | 1x 000001-10 (sum): " ROOT
           " | 5x 000001-3 (add), 000001-4 (add), 000001-5 "
           "(add) and 2 more: queued behind "
           "0 others: all workers that take work are busy (1) | 1x 000001-2 (add): was "
           "sent "
           "to worker w1 (running) as attempt 2; tasks there: 2, threads: 1",
           script_message(&s, C1, MESSAGE(why_all)));
}
END_TEST

START_TEST(waits_are_noted_while_others_go_on)
{
    script_message(&s, C1, SUBMIT(1, "add", .worker = str_of("w7")));
    script_message(&s, C1, MESSAGE(scatter, .key = KEY(2), .nbytes = 9));
    for (uint64_t i = 0; i < 4; i++) {
        script_message(&s, C1, SUBMIT(10 + i, "add"));
        script_message(&s, W1, DONE(10 + i, 1 + i, 8));
        script_wait(&s, 1300);
    }
    ck_assert_ptr_nonnull(strstr(s.notes, "first=000001-1 because=may run on worker w7 "
                                          "only, and no such worker is registered"));
    ck_assert_ptr_nonnull(strstr(s.notes,
                                 "first=000001-2 because=waits for its data to "
                                 "arrive at worker w1"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scheduler why");
    TCase *alone = tcase_create("without a worker");
    tcase_add_checked_fixture(alone, setup, teardown);
    tcase_add_test(alone, no_worker_ever_came);
    TCase *tests = tcase_create("with a worker");
    tcase_add_checked_fixture(tests, setup_with_worker, teardown);
    tcase_add_test(tests, all_workers_are_lost);
    tcase_add_test(tests, the_worker_that_it_is_bound_to_is_absent);
    tcase_add_test(tests, no_worker_has_the_resource);
    tcase_add_test(tests, no_worker_has_the_memory);
    tcase_add_test(tests, workers_are_paused);
    tcase_add_test(tests, others_come_first);
    tcase_add_test(tests, the_resource_is_in_use);
    tcase_add_test(tests, the_only_copy_is_at_a_silent_worker);
    tcase_add_test(tests, inputs_are_not_there);
    tcase_add_test(tests, scattered_data_are_on_their_way);
    tcase_add_test(tests, its_worker_fetches_inputs);
    tcase_add_test(tests, two_workers_could_send_the_input);
    tcase_add_test(tests, it_rests_after_an_error);
    tcase_add_test(tests, it_was_sent_and_runs);
    tcase_add_test(tests, it_is_in_memory);
    tcase_add_test(tests, it_erred);
    tcase_add_test(tests, nobody_wants_it);
    tcase_add_test(tests, it_is_not_known);
    tcase_add_test(tests, all_that_wait_are_told_by_reason);
    tcase_add_test(tests, waits_are_noted_while_others_go_on);
    suite_add_tcase(suite, alone);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
