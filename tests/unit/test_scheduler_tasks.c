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

START_TEST(one_task_from_submit_to_free)
{
    expect("w1:welcome 1", script_worker(&s, W1, 1, 1));
    expect("c1:welcome 1", script_client(&s, C1));
    expect("w1:run_task 1#1 add", script_message(&s, C1, SUBMIT(1, "add")));
    expect("c1:finished 1 8B w1", script_message(&s, W1, DONE(1, 1, 8)));
    expect("w1:run_task 2#2 add [1@w1]",
           script_message(&s, C1, SUBMIT(2, "add", .dependencies = KEYS(KEY(1)))));
    expect("c1:finished 2 8B w1", script_message(&s, W1, DONE(2, 2, 8)));
    expect("w1:free_data 1 2",
           script_message(&s, C1, MESSAGE(release, .keys = KEYS(KEY(1), KEY(2)))));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scheduler tasks");
    TCase *tests = tcase_create("tasks");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, one_task_from_submit_to_free);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
