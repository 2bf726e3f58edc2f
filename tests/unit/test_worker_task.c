#include "tests/test.h"
#include "worker/functions.h"
#include "worker/task.h"

#include <string.h>

static struct job *job;
static struct scratch scratch;
static struct payload_builder builder;
static size_t asked;
static int answer;

static void setup(void)
{
    scratch_init(&scratch);
    payload_builder_init(&builder);
    job = job_create("probe", NULL, 2);
    job->room = 4096;
    asked = 0;
    answer = 0;
}

static void teardown(void)
{
    job_destroy(job);
    payload_builder_fini(&builder);
    scratch_fini(&scratch);
}

static int ask(void *context, struct job *asking, size_t bytes, struct err_text *text)
{
    asked += bytes;
    return answer < 0 ? err_set(text, answer, "no room") : 0;
}

static void give(const struct dusk_value *value)
{
    ck_assert_int_eq(payload_builder_value(&builder, value, NULL), 0);
}

static void give_int(int64_t integer)
{
    give(&(struct dusk_value){.kind = DUSK_INT, .integer = integer});
}

static void give_array(double *data, int64_t count)
{
    give(&(struct dusk_value){
        .kind = DUSK_ARRAY,
        .array = {.dtype = DUSK_F64, .ndim = 1, .shape = {count}, .data = data}});
}

static struct payload *taken(void)
{
    struct payload *payload;
    ck_assert_int_eq(payload_builder_finish(&builder, &payload), 0);
    return payload;
}

/* Runs a function with the values given so far as its arguments. */
static void run(int (*function)(struct dusk_task *task))
{
    job->arguments = taken();
    task_run(job, &(struct dusk_function){"probe", function}, &scratch, ask, NULL);
}

static void run_basic(const char *name)
{
    const struct dusk_function *function = basic_functions;
    while (strcmp(function->name, name) != 0)
        function++;
    free(job->function);
    job->function = strdup(name);
    run(function->run);
}

static void expect_error(int code, const char *line)
{
    ck_assert_str_eq(job->reason.line, line);
    ck_assert_int_eq(job->code, code);
    ck_assert_ptr_null(job->result);
}

static struct values *result(void)
{
    struct values *values;
    ck_assert_msg(job->code == 0, "%s", job->reason.line);
    ck_assert_int_eq(values_create(job->result, NULL, &values), 0);
    return values;
}

/* ---- arguments ---- */

static int takes_l(struct dusk_task *task)
{
    int64_t integer = 0;
    int rc = dusk_task_args(task, "l", &integer);
    return rc < 0 ? rc : dusk_task_return(task, "l", integer);
}

static int takes_lda(struct dusk_task *task)
{
    int64_t integer;
    double number;
    struct dusk_array array;
    int rc = dusk_task_args(task, "lda", &integer, &number, &array);
    return rc < 0 ? rc : dusk_task_return(task, "");
}

static int takes_sb(struct dusk_task *task)
{
    const char *string;
    int boolean;
    int rc = dusk_task_args(task, "sb", &string, &boolean);
    return rc < 0 ? rc : dusk_task_return(task, "sb", string, !boolean);
}

static int takes_x(struct dusk_task *task)
{
    return dusk_task_args(task, "x", NULL);
}

START_TEST(the_number_of_arguments_must_be_right)
{
    run(takes_l);
    expect_error(DUSK_E_TYPE, "takes 1 argument, got 0");
}
END_TEST

START_TEST(too_many_arguments_are_an_error)
{
    give_int(1);
    give_int(2);
    run(takes_l);
    expect_error(DUSK_E_TYPE, "takes 1 argument, got 2");
}
END_TEST

START_TEST(the_wrong_argument_is_named)
{
    give_int(1);
    give_int(2);
    give_int(3);
    run(takes_lda);
    expect_error(DUSK_E_TYPE, "argument 3 must be an array, is an integer");
}
END_TEST

START_TEST(a_number_is_no_integer)
{
    give(&(struct dusk_value){.kind = DUSK_FLOAT, .number = 1});
    run(takes_l);
    expect_error(DUSK_E_TYPE, "argument 1 must be an integer, is a number");
}
END_TEST

START_TEST(an_integer_is_no_boolean)
{
    give(&(struct dusk_value){.kind = DUSK_STRING, .string = "x"});
    give_int(1);
    run(takes_sb);
    expect_error(DUSK_E_TYPE, "argument 2 must be a boolean, is an integer");
}
END_TEST

START_TEST(unknown_letters_are_named)
{
    give_int(1);
    run(takes_x);
    expect_error(DUSK_E_INVALID, "reads with 'x', which is no letter of l d b s a *");
}
END_TEST

START_TEST(strings_and_booleans_arrive)
{
    give(&(struct dusk_value){.kind = DUSK_STRING, .string = "hello"});
    give(&(struct dusk_value){.kind = DUSK_BOOL, .integer = 1});
    run(takes_sb);
    struct values *values = result();
    ck_assert_uint_eq(values->count, 2);
    ck_assert_str_eq(values->items[0].plain.string, "hello");
    ck_assert_int_eq(values->items[1].plain.kind, DUSK_BOOL);
    ck_assert_int_eq(values->items[1].plain.integer, 0);
    values_destroy(values);
}
END_TEST

START_TEST(malformed_arguments_are_an_error)
{
    static const uint8_t nonsense[] = {0x92, 0x01};
    payload_create(nonsense, sizeof nonsense, NULL, 0, &job->arguments);
    task_run(job, &(struct dusk_function){"probe", takes_l}, &scratch, ask, NULL);
    ck_assert_int_eq(job->code, DUSK_E_PROTOCOL);
    ck_assert_ptr_nonnull(strstr(job->reason.line, "arguments: "));
}
END_TEST

/* ---- futures ---- */

/* Makes the values given so far the result behind `key`. */
static void input(unsigned place, struct task_key key)
{
    job->inputs[place] = (struct job_input){key, taken()};
    job->input_count = 2;
}

static int takes_a(struct dusk_task *task)
{
    struct dusk_array array;
    int rc = dusk_task_args(task, "a", &array);
    if (rc < 0)
        return rc;
    ck_assert_uint_eq((uintptr_t)array.data % 8, 0);
    return dusk_task_return(task, "dl", ((const double *)array.data)[0],
                            array.shape[0]);
}

static int takes_items(struct dusk_task *task)
{
    int64_t integer;
    struct dusk_array array;
    int rc = dusk_task_items(task, 0, "la", &integer, &array);
    return rc < 0 ? rc : dusk_task_return(task, "l", integer + array.shape[0]);
}

START_TEST(a_future_stands_for_the_item_that_was_named)
{
    struct task_key key = key_make(1, 5);
    give_int(7);
    give_array((double[]){2.5, 3}, 2);
    input(0, key);
    payload_builder_future(&builder, key, 1);
    run(takes_a);
    struct values *values = result();
    ck_assert_double_eq(values->items[0].plain.number, 2.5);
    ck_assert_int_eq(values->items[1].plain.integer, 2);
    values_destroy(values);
}
END_TEST

START_TEST(a_future_of_the_wrong_type_is_named_as_the_argument)
{
    struct task_key key = key_make(1, 5);
    give_int(7);
    input(0, key);
    payload_builder_future(&builder, key, 0);
    run(takes_a);
    expect_error(DUSK_E_TYPE, "argument 1 must be an array, is an integer");
}
END_TEST

START_TEST(an_item_that_is_not_there_is_named)
{
    struct task_key key = key_make(0xc0ffee, 5);
    give_int(7);
    input(0, key);
    payload_builder_future(&builder, key, 3);
    run(takes_a);
    expect_error(DUSK_E_NOT_FOUND,
                 "argument 1 refers to item 4 of c0ffee-5, which has 1");
}
END_TEST

START_TEST(an_input_that_was_not_sent_is_named)
{
    payload_builder_future(&builder, key_make(0xc0ffee, 6), 0);
    run(takes_a);
    expect_error(DUSK_E_NOT_FOUND,
                 "argument 1 refers to c0ffee-6, which is not among the task's inputs");
}
END_TEST

START_TEST(all_items_can_be_read_at_once)
{
    struct task_key key = key_make(1, 5);
    give_int(40);
    give_array((double[]){1, 2}, 2);
    input(0, key);
    payload_builder_future(&builder, key, 0);
    run(takes_items);
    struct values *values = result();
    ck_assert_int_eq(values->items[0].plain.integer, 42);
    values_destroy(values);
}
END_TEST

START_TEST(the_number_of_items_must_be_right)
{
    give_int(40);
    run(takes_items);
    expect_error(DUSK_E_TYPE, "argument 1 must have 2 items, has 1");
}
END_TEST

START_TEST(a_wrong_item_is_named)
{
    struct task_key key = key_make(1, 5);
    give_int(40);
    give_int(41);
    input(0, key);
    payload_builder_future(&builder, key, 0);
    run(takes_items);
    expect_error(DUSK_E_TYPE, "item 2 of argument 1 must be an array, is an integer");
}
END_TEST

/* ---- results ---- */

static int returns_nothing(struct dusk_task *task)
{
    return 0;
}

static int returns_seven(struct dusk_task *task)
{
    return 7;
}

static int fails_silently(struct dusk_task *task)
{
    return DUSK_E_DATA;
}

static int returns_twice(struct dusk_task *task)
{
    dusk_task_return(task, "l", (int64_t)1);
    return dusk_task_return(task, "l", (int64_t)2);
}

static int returns_null(struct dusk_task *task)
{
    return dusk_task_return(task, "s", (char *)NULL);
}

static int fails_with_zero(struct dusk_task *task)
{
    return dusk_task_fail(task, 0, "row %d", 17);
}

START_TEST(a_function_must_return_a_result)
{
    run(returns_nothing);
    expect_error(DUSK_E_TASK, "ended without dusk_task_return");
}
END_TEST

START_TEST(positive_codes_are_errors)
{
    run(returns_seven);
    expect_error(DUSK_E_TASK, "returned 7: neither 0 nor an error");
}
END_TEST

START_TEST(an_error_without_a_line_gets_one)
{
    run(fails_silently);
    expect_error(DUSK_E_DATA, "bad data");
}
END_TEST

START_TEST(a_result_is_returned_once)
{
    run(returns_twice);
    expect_error(DUSK_E_INVALID, "returns a result twice");
}
END_TEST

START_TEST(null_is_no_string)
{
    run(returns_null);
    expect_error(DUSK_E_INVALID, "item 1 of the result is NULL");
}
END_TEST

START_TEST(fail_keeps_the_line_and_makes_the_code_an_error)
{
    run(fails_with_zero);
    expect_error(DUSK_E_TASK, "row 17");
}
END_TEST

START_TEST(an_unknown_function_is_named)
{
    task_run(job, NULL, &scratch, ask, NULL);
    expect_error(DUSK_E_NOT_FOUND, "there is no task function 'probe'");
}
END_TEST

START_TEST(a_cancelled_job_does_not_begin)
{
    job_cancel(job);
    run(returns_seven);
    ck_assert_int_eq(job->code, DUSK_E_CANCELLED);
}
END_TEST

static const void *array_seen;

static int makes_array(struct dusk_task *task)
{
    struct dusk_array array = {.dtype = DUSK_F64, .ndim = 2, .shape = {1000, 100}};
    int rc = dusk_task_array(task, &array);
    if (rc < 0)
        return rc;
    ck_assert_uint_eq((uintptr_t)array.data % 64, 0);
    ck_assert_double_eq(((double *)array.data)[99999], 0);
    array_seen = array.data;
    return dusk_task_return(task, "aa", &array, &array);
}

START_TEST(an_array_is_returned_without_a_copy_and_a_second_time_with_one)
{
    run(makes_array);
    struct values *values = result();
    ck_assert_ptr_eq(values->items[0].plain.array.data, array_seen);
    ck_assert_ptr_ne(values->items[1].plain.array.data, array_seen);
    values_destroy(values);
    /* Beyond what the job came with, every byte was asked for. */
    ck_assert_uint_ge(asked + 4096, payload_bytes(job->result));
}
END_TEST

START_TEST(memory_that_is_refused_fails_the_task_with_the_workers_line)
{
    answer = DUSK_E_MEMORY_LIMIT;
    run(makes_array);
    expect_error(DUSK_E_MEMORY_LIMIT, "no room");
}
END_TEST

static int makes_bad_array(struct dusk_task *task)
{
    struct dusk_array array = {.dtype = DUSK_F64, .ndim = 9};
    return dusk_task_array(task, &array);
}

START_TEST(impossible_arrays_are_refused)
{
    run(makes_bad_array);
    ck_assert_int_eq(job->code, DUSK_E_LIMIT);
}
END_TEST

static int leaves_array(struct dusk_task *task)
{
    struct dusk_array array = {.dtype = DUSK_F32, .ndim = 1, .shape = {10}};
    int rc = dusk_task_array(task, &array);
    return rc < 0 ? rc : dusk_task_return(task, "l", (int64_t)1);
}

START_TEST(arrays_that_are_not_returned_are_freed)
{
    run(leaves_array); /* the address sanitizer looks for the leak */
    values_destroy(result());
}
END_TEST

START_TEST(scratch_is_aligned_and_used_again)
{
    char *first = scratch_get(&scratch, 100);
    char *second = scratch_get(&scratch, 1);
    ck_assert_uint_eq((uintptr_t)first % 64, 0);
    ck_assert_ptr_eq(second, first + 128);
    ck_assert_ptr_nonnull(scratch_get(&scratch, 3 << 20));
    ck_assert_ptr_null(scratch_get(&scratch, SIZE_MAX));
    scratch_reset(&scratch);
    ck_assert_ptr_nonnull(scratch_get(&scratch, 3 << 20));
}
END_TEST

/* ---- basic functions ---- */

START_TEST(identity_hands_everything_on)
{
    struct task_key a = key_make(1, 5), b = key_make(1, 6);
    give_int(1);
    give_array((double[]){1, 2}, 2);
    input(0, a);
    give(&(struct dusk_value){.kind = DUSK_FLOAT, .number = 0.5});
    input(1, b);
    payload_builder_future(&builder, a, 0);
    payload_builder_future(&builder, b, 0);
    run_basic("identity");
    struct values *values = result();
    ck_assert_uint_eq(values->count, 3);
    ck_assert_int_eq(values->items[0].plain.integer, 1);
    ck_assert_double_eq(((const double *)values->items[1].plain.array.data)[1], 2);
    ck_assert_double_eq(values->items[2].plain.number, 0.5);
    values_destroy(values);
}
END_TEST

/* The function itself cannot tell them from none. */
START_TEST(items_that_cannot_be_counted_fail_the_task)
{
    ck_assert_int_eq(payload_builder_future(&builder, key_make(3, 3), 0), 0);
    run_basic("identity");
    expect_error(DUSK_E_NOT_FOUND, "an argument cannot be read: not found");
}
END_TEST

START_TEST(max_of_names_the_place)
{
    give_int(3);
    give(&(struct dusk_value){.kind = DUSK_FLOAT, .number = 4.5});
    give_int(4);
    run_basic("max_of");
    struct values *values = result();
    ck_assert_double_eq(values->items[0].plain.number, 4.5);
    ck_assert_int_eq(values->items[1].plain.integer, 1);
    values_destroy(values);
}
END_TEST

START_TEST(integers_add_up_to_an_integer_unless_they_overflow)
{
    give_int(INT64_MAX);
    give_int(1);
    run_basic("add");
    struct values *values = result();
    ck_assert_int_eq(values->items[0].plain.kind, DUSK_FLOAT);
    values_destroy(values);
}
END_TEST

START_TEST(fill_makes_no_negative_array)
{
    give_int(-1);
    give_int(1);
    run_basic("fill");
    ck_assert_int_eq(job->code, DUSK_E_LIMIT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker_task");
    TCase *tcase = tcase_create("task");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_number_of_arguments_must_be_right);
    tcase_add_test(tcase, too_many_arguments_are_an_error);
    tcase_add_test(tcase, the_wrong_argument_is_named);
    tcase_add_test(tcase, a_number_is_no_integer);
    tcase_add_test(tcase, an_integer_is_no_boolean);
    tcase_add_test(tcase, unknown_letters_are_named);
    tcase_add_test(tcase, strings_and_booleans_arrive);
    tcase_add_test(tcase, malformed_arguments_are_an_error);
    tcase_add_test(tcase, a_future_stands_for_the_item_that_was_named);
    tcase_add_test(tcase, a_future_of_the_wrong_type_is_named_as_the_argument);
    tcase_add_test(tcase, an_item_that_is_not_there_is_named);
    tcase_add_test(tcase, an_input_that_was_not_sent_is_named);
    tcase_add_test(tcase, all_items_can_be_read_at_once);
    tcase_add_test(tcase, the_number_of_items_must_be_right);
    tcase_add_test(tcase, a_wrong_item_is_named);
    tcase_add_test(tcase, a_function_must_return_a_result);
    tcase_add_test(tcase, positive_codes_are_errors);
    tcase_add_test(tcase, an_error_without_a_line_gets_one);
    tcase_add_test(tcase, a_result_is_returned_once);
    tcase_add_test(tcase, null_is_no_string);
    tcase_add_test(tcase, fail_keeps_the_line_and_makes_the_code_an_error);
    tcase_add_test(tcase, an_unknown_function_is_named);
    tcase_add_test(tcase, a_cancelled_job_does_not_begin);
    tcase_add_test(tcase,
                   an_array_is_returned_without_a_copy_and_a_second_time_with_one);
    tcase_add_test(tcase, memory_that_is_refused_fails_the_task_with_the_workers_line);
    tcase_add_test(tcase, impossible_arrays_are_refused);
    tcase_add_test(tcase, arrays_that_are_not_returned_are_freed);
    tcase_add_test(tcase, scratch_is_aligned_and_used_again);
    tcase_add_test(tcase, identity_hands_everything_on);
    tcase_add_test(tcase, items_that_cannot_be_counted_fail_the_task);
    tcase_add_test(tcase, max_of_names_the_place);
    tcase_add_test(tcase, integers_add_up_to_an_integer_unless_they_overflow);
    tcase_add_test(tcase, fill_makes_no_negative_array);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
