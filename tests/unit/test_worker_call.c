/* How calls are shown in errors. */
#include "tests/test.h"
#include "worker/call.h"

#include <stdio.h>
#include <string.h>

static struct store store;
static struct payload_builder builder;
static char text[CALL_BYTES];

static void setup(void)
{
    store_init(&store, 1 << 20);
    payload_builder_init(&builder);
}

static void teardown(void)
{
    payload_builder_fini(&builder);
    store_fini(&store);
}

static void add(struct dusk_value value)
{
    ck_assert_int_eq(payload_builder_value(&builder, &value, NULL), 0);
}

static void add_string(const char *string)
{
    add((struct dusk_value){.kind = DUSK_STRING, .string = string});
}

static void add_array(enum dusk_dtype dtype, int64_t rows, int64_t columns)
{
    static const double zeros[100];
    add((struct dusk_value){
        .kind = DUSK_ARRAY,
        .array = {dtype, columns ? 2 : 1, {rows, columns}, (void *)zeros}});
}

static struct payload *finish(void)
{
    struct payload *payload;
    ck_assert_int_eq(payload_builder_finish(&builder, &payload), 0);
    return payload;
}

/* The call with what was added. */
static const char *call(const char *function)
{
    struct payload *arguments = finish();
    call_write(text, function, arguments, &store);
    payload_unref(arguments);
    return text;
}

START_TEST(scalars_are_shown_and_arrays_by_shape)
{
    add((struct dusk_value){.kind = DUSK_NIL});
    add((struct dusk_value){.kind = DUSK_INT, .integer = -3});
    add((struct dusk_value){.kind = DUSK_FLOAT, .number = 0.25});
    add((struct dusk_value){.kind = DUSK_BOOL, .integer = 1});
    add_string("normal");
    add_array(DUSK_F64, 20, 5);
    add_array(DUSK_F32, 7, 0);
    ck_assert_str_eq(call("f"),
                     "f(nil, -3, 0.25, true, \"normal\", f64[20x5], f32[7])");
}
END_TEST

START_TEST(calls_without_arguments)
{
    call_write(text, "noop", NULL, &store);
    ck_assert_str_eq(text, "noop()");
    ck_assert_str_eq(call("noop"), "noop()");
}
END_TEST

START_TEST(futures_are_what_they_resolved_to)
{
    struct task_key here = key_make(0xc0ffee, 5), away = key_make(0xc0ffee, 6);
    struct store_entry *entry;
    add_array(DUSK_F64, 20, 5);
    add_string("two");
    struct payload *result = finish();
    ck_assert_int_eq(store_add(&store, here, result, false, &entry), 0);
    payload_unref(result);
    payload_builder_future(&builder, here, 0);
    payload_builder_future(&builder, here, 1);
    payload_builder_future(&builder, here, 2); /* has no such item */
    payload_builder_future(&builder, away, 0);
    ck_assert_str_eq(call("f"), "f(f64[20x5], \"two\", c0ffee-5, c0ffee-6)");
}
END_TEST

START_TEST(what_is_long_is_cut)
{
    add_string("a string of twenty-four.");
    add_string("a string of twenty-five!!");
    add_string("zwölf Boxkämpfer jagen Ährenfelder");
    ck_assert_str_eq(call("f"), "f(\"a string of twenty-four.\", "
                                "\"a string of twenty-five!...\", "
                                "\"zwölf Boxkämpfer jagen...\")");
    for (int i = 0; i < 200; i++)
        add((struct dusk_value){.kind = DUSK_INT, .integer = 7});
    ck_assert_uint_eq(strlen(call("f")), CALL_BYTES - 1);
    ck_assert_str_eq(text + CALL_BYTES - 9, " 7, ...)");
}
END_TEST

START_TEST(names_are_cut)
{
    char name[300];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    ck_assert_uint_eq(strlen(call(name)), 82);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker call");
    TCase *tests = tcase_create("call");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, scalars_are_shown_and_arrays_by_shape);
    tcase_add_test(tests, calls_without_arguments);
    tcase_add_test(tests, futures_are_what_they_resolved_to);
    tcase_add_test(tests, what_is_long_is_cut);
    tcase_add_test(tests, names_are_cut);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
