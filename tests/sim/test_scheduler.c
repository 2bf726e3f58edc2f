/* The scheduler's core under random faults: whatever happens, every future resolves
 * with the right end, and nothing is left behind.  SIM_SEEDS and SIM_FIRST choose the
 * seeds; a failing one is printed. */
#include "tests/sim/scheduler_world.h"
#include "tests/test.h"

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

START_TEST(every_future_resolves)
{
    uint64_t first = number_from("SIM_FIRST", 1);
    uint64_t count =
        number_from("SIM_SEEDS", 400 / number_from("DUSK_TEST_DIVISOR", 1));
    for (uint64_t seed = first; seed < first + count; seed++) {
        struct err_text text;
        int rc = world_run(seed, &text, NULL);
        ck_assert_msg(rc == 0, "%s", text.line);
    }
}
END_TEST

START_TEST(the_same_seed_gives_the_same_run)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct err_text text;
        uint64_t once, again, other;
        ck_assert_int_eq(world_run(seed, &text, &once), 0);
        ck_assert_int_eq(world_run(seed, &text, &again), 0);
        ck_assert_int_eq(world_run(seed + 1000, &text, &other), 0);
        ck_assert_uint_eq(once, again);
        ck_assert_uint_ne(once, other);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scheduler under faults");
    TCase *tests = tcase_create("every");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, every_future_resolves);
    TCase *again = tcase_create("again");
    suite_add_tcase(suite, again);
    tcase_add_test(again, the_same_seed_gives_the_same_run);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
