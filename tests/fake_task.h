/* Runs a task function in the test's own process: what the worker gives a task
 * function, without the worker. */
#ifndef TESTS_FAKE_TASK_H
#define TESTS_FAKE_TASK_H

#include "common/err.h"
#include "worker/dusk_task.h"

#define FAKE_MAX_ARGUMENTS 70
#define FAKE_MAX_ITEMS 70

/* A list of items: one argument, or a result. */
struct fake_items {
    int count;
    struct dusk_value items[FAKE_MAX_ITEMS];
};

/* Filled by the test before the run, looked at after it.  Borrows the data of its
 * arguments; owns what the function made. */
struct dusk_task {
    int argument_count;
    struct fake_items arguments[FAKE_MAX_ARGUMENTS];
    int cancelled;
    struct fake_items result;
    int returned;     /* how often a result was handed in */
    int64_t progress; /* as told last */
    struct err_text err;
    int allocation_count;
    void *allocations[2 * FAKE_MAX_ITEMS];
};

/* Adds arguments: letters as for dusk_task_return (l, d, s, a: int64_t, double,
 * const char *, const struct dusk_array *), and f: const struct fake_items *, all
 * items of a result. */
void fake_arguments(struct dusk_task *task, const char *format, ...);

/* Runs the function called `name` from a table that ends with {0}; ends the program
 * when there is none.  Returns what the function returned. */
int fake_run(struct dusk_task *task, const struct dusk_function *table,
             const char *name);

/* Frees what the function made, and makes the task ready for another use. */
void fake_fini(struct dusk_task *task);

/* An array over memory of the test's own; columns < 0 for a vector. */
struct dusk_array fake_array(const double *data, int64_t rows, int64_t columns);

#endif
