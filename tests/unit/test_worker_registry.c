/* The functions of a worker: added all or none, and looked up meanwhile. */
#include "tests/test.h"
#include "worker/registry.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#define TABLES 2000

static int run(struct dusk_task *task)
{
    return 0;
}

static struct registry registry;
static struct err_text text;

static void setup(void)
{
    registry_init(&registry);
    static const struct dusk_function table[] = {{"middle", run}, {0}};
    ck_assert_int_eq(registry_add(&registry, table, "built in", &text), 0);
}

static void teardown(void)
{
    registry_fini(&registry);
}

static void expect_only_middle(void)
{
    ck_assert_uint_eq(registry.count, 1);
    ck_assert_ptr_nonnull(registry_find(&registry, "middle"));
    ck_assert_ptr_null(registry_find(&registry, "a"));
    ck_assert_ptr_null(registry_find(&registry, "z"));
}

START_TEST(a_table_that_clashes_leaves_nothing)
{
    static const struct dusk_function others[] = {
        {"z", run}, {"a", run}, {"middle", run}, {"b", run}, {0}};
    static const struct dusk_function twice[] = {
        {"a", run}, {"z", run}, {"a", run}, {0}};
    static const struct dusk_function without_code[] = {{"a", run}, {"z", NULL}, {0}};
    ck_assert_int_eq(registry_add(&registry, others, "p.so", &text), DUSK_E_PLUGIN);
    ck_assert_str_eq(text.line, "p.so: function 'middle' is there already (built in)");
    expect_only_middle();
    ck_assert_int_eq(registry_add(&registry, twice, "p.so", &text), DUSK_E_PLUGIN);
    ck_assert_str_eq(text.line, "p.so: function 'a' is there already (p.so)");
    expect_only_middle();
    ck_assert_int_eq(registry_add(&registry, without_code, "p.so", &text),
                     DUSK_E_PLUGIN);
    expect_only_middle();
}
END_TEST

START_TEST(bytes_that_are_no_plugin_leave_nothing)
{
    ck_assert_int_eq(registry_load_bytes(&registry, "p.so", 1, "text", 4, &text),
                     DUSK_E_PLUGIN);
    ck_assert_str_eq(text.line, "plugin p.so cannot be loaded: file too short");
    ck_assert_int_eq(registry_load_bytes(&registry, "p.so", 1, "", 0, &text),
                     DUSK_E_PLUGIN);
    ck_assert_uint_eq(registry.plugin_count, 0);
    expect_only_middle();
}
END_TEST

static int load_file(const char *path, uint64_t checksum)
{
    static char data[1 << 20];
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    size_t size = fread(data, 1, sizeof data, file);
    ck_assert_uint_lt(size, sizeof data);
    fclose(file);
    return registry_load_bytes(&registry, "p.so", checksum, data, size, &text);
}

/* The loader knows objects by their paths. */
START_TEST(one_that_was_refused_and_stays_is_not_taken_for_the_next)
{
    ck_assert_int_eq(load_file(PLUGIN_STAYS, 1), DUSK_E_PLUGIN);
    ck_assert_str_eq(text.line, "p.so: function 'middle' is there already (built in)");
    ck_assert_int_eq(load_file(PLUGIN_EMPTY, 2), DUSK_E_PLUGIN);
    ck_assert_str_eq(text.line, "plugin p.so does not export the table dusk_functions");
    expect_only_middle();
}
END_TEST

/* ---- looked up meanwhile ---- */

static atomic_bool looking, done;

static void *look(void *arg)
{
    uintptr_t missed = 0;
    atomic_store(&looking, true);
    while (!atomic_load(&done))
        missed += registry_find(&registry, "middle") == NULL;
    return (void *)missed;
}

START_TEST(what_was_there_is_found_while_others_are_added)
{
    static char names[TABLES][16];
    static struct dusk_function tables[TABLES][2];
    pthread_t thread;
    void *missed;
    pthread_create(&thread, NULL, look, NULL);
    while (!atomic_load(&looking))
        sched_yield();
    for (int i = 0; i < TABLES; i++) {
        snprintf(names[i], sizeof names[i], "f%04d", i * 7919 % TABLES);
        tables[i][0] = (struct dusk_function){names[i], run};
        ck_assert_int_eq(registry_add(&registry, tables[i], "p.so", &text), 0);
    }
    atomic_store(&done, true);
    pthread_join(thread, &missed);
    ck_assert_uint_eq((uintptr_t)missed, 0);
    ck_assert_uint_eq(registry.count, TABLES + 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker registry");
    TCase *tests = tcase_create("registry");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_table_that_clashes_leaves_nothing);
    tcase_add_test(tests, bytes_that_are_no_plugin_leave_nothing);
    tcase_add_test(tests, one_that_was_refused_and_stays_is_not_taken_for_the_next);
    tcase_add_test(tests, what_was_there_is_found_while_others_are_added);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
