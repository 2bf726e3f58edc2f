/* Task functions for tutorials, tests and benchmarks.
 *
 *     noop(...)              nothing
 *     identity(x, ...)       the items behind each argument, one after the other
 *     add(x, y)              x + y
 *     sum(f, f, ...)         items of 2 to 64 results added item by item
 *     max_of(x, ...)         the largest number, and the place of its argument (from 0)
 *     fill(n, x)             an array of n times x
 *     total(a)               the sum of an array
 *     sleep(seconds)         the seconds; stops when it is cancelled
 *     fail(line)             an error with this line
 *     crash()                kills the worker with SIGSEGV */
#include "worker/functions.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int run_noop(struct dusk_task *task)
{
    return dusk_task_return(task, "");
}

static int run_identity(struct dusk_task *task)
{
    int arguments = dusk_task_count(task), count = 0;
    for (int i = 0; i < arguments; i++)
        count += dusk_task_item_count(task, i);
    struct dusk_value *values =
        dusk_task_scratch(task, (size_t)(count + 1) * sizeof *values);
    if (!values)
        return DUSK_E_NOMEM;
    int rc = 0;
    for (int i = 0, at = 0; rc == 0 && i < arguments; i++)
        for (int k = 0; rc == 0 && k < dusk_task_item_count(task, i); k++)
            rc = dusk_task_item(task, i, k, &values[at++]);
    return rc < 0 ? rc : dusk_task_return_values(task, count, values);
}

static int run_add(struct dusk_task *task)
{
    struct dusk_value x, y;
    double a, b;
    int rc = dusk_task_args(task, "dd", &a, &b);
    if (rc == 0)
        rc = dusk_task_item(task, 0, 0, &x);
    if (rc == 0)
        rc = dusk_task_item(task, 1, 0, &y);
    int64_t whole;
    if (rc == 0 && x.kind == DUSK_INT && y.kind == DUSK_INT &&
        !__builtin_add_overflow(x.integer, y.integer, &whole))
        return dusk_task_return(task, "l", whole);
    return rc < 0 ? rc : dusk_task_return(task, "d", a + b);
}

static int64_t array_count(const struct dusk_array *array)
{
    int64_t count = 1;
    for (int i = 0; i < array->ndim; i++)
        count *= array->shape[i];
    return count;
}

static int run_max_of(struct dusk_task *task)
{
    int count = dusk_task_count(task);
    double best = -INFINITY;
    int64_t place = -1;
    for (int i = 0; i < count; i++) {
        struct dusk_value value;
        int rc = dusk_task_item(task, i, 0, &value);
        if (rc < 0)
            return rc;
        if (value.kind != DUSK_INT && value.kind != DUSK_FLOAT)
            return dusk_task_fail(task, DUSK_E_TYPE,
                                  "max_of: argument %d is not a number", i + 1);
        double number = value.kind == DUSK_INT ? (double)value.integer : value.number;
        if (place < 0 || number > best) {
            best = number;
            place = i;
        }
    }
    if (place < 0)
        return dusk_task_fail(task, DUSK_E_TYPE, "max_of: takes at least 1 argument");
    return dusk_task_return(task, "dl", best, place);
}

static int run_fill(struct dusk_task *task)
{
    int64_t count;
    double value;
    int rc = dusk_task_args(task, "ld", &count, &value);
    if (rc < 0)
        return rc;
    struct dusk_array array = {.dtype = DUSK_F64, .ndim = 1, .shape = {count}};
    rc = dusk_task_array(task, &array);
    if (rc < 0)
        return rc;
    double *data = array.data;
    for (int64_t i = 0; i < count; i++)
        data[i] = value;
    return dusk_task_return(task, "a", &array);
}

static int run_total(struct dusk_task *task)
{
    struct dusk_array array;
    int rc = dusk_task_args(task, "a", &array);
    if (rc < 0)
        return rc;
    double total = 0;
    int64_t count = array_count(&array);
    for (int64_t i = 0; i < count; i++)
        total += array.dtype == DUSK_F64 ? ((const double *)array.data)[i]
                                         : (double)((const float *)array.data)[i];
    return dusk_task_return(task, "d", total);
}

#define SLICE_NS 5000000 /* between two looks at the cancel flag */

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int run_sleep(struct dusk_task *task)
{
    double seconds;
    int rc = dusk_task_args(task, "d", &seconds);
    if (rc < 0)
        return rc;
    if (!(seconds >= 0))
        return dusk_task_fail(task, DUSK_E_INVALID, "sleep: %g seconds", seconds);
    const volatile int *cancelled = dusk_task_cancel_flag(task);
    double begin = seconds_now(), left;
    while ((left = begin + seconds - seconds_now()) > 0) {
        if (dusk_flag(cancelled))
            return DUSK_E_CANCELLED;
        dusk_task_progress(task, (int64_t)(1000 * (seconds - left)));
        long slice = left < 1e-9 * SLICE_NS ? (long)(1e9 * left) : SLICE_NS;
        nanosleep(&(struct timespec){.tv_nsec = slice}, NULL);
    }
    return dusk_task_return(task, "d", seconds);
}

static int run_fail(struct dusk_task *task)
{
    const char *line;
    int rc = dusk_task_args(task, "s", &line);
    return rc < 0 ? rc : dusk_task_fail(task, DUSK_E_TASK, "%s", line);
}

static int run_crash(struct dusk_task *task)
{
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
    abort();
}

const struct dusk_function basic_functions[] = {
    {"noop", run_noop},     {"identity", run_identity},
    {"add", run_add},       {"fill", run_fill},
    {"max_of", run_max_of}, {"total", run_total},
    {"sleep", run_sleep},   {"fail", run_fail},
    {"crash", run_crash},   {0},
};
