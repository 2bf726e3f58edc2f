/* What a task function may use.  A plugin includes this header alone, is built
 * with `cc -shared -fPIC`, and is given to workers with --preload, or by dusk
 * upload; the worker provides the functions below.  They may be called from the
 * thread that runs the task function, until the function returns.
 *
 *     static int score(struct dusk_task *task)
 *     {
 *         int64_t seed;
 *         int rc = dusk_task_args(task, "l", &seed);
 *         return rc < 0 ? rc : dusk_task_return(task, "d", 1.0 / (double)seed);
 *     }
 *     DUSK_EXPORT const struct dusk_function dusk_functions[] = {
 *         {"score", score},
 *         {0},
 *     };
 *
 * A task function is a pure function of its arguments: it may be run twice, on
 * two workers at once, and whichever answer comes first counts. */
#ifndef DUSK_TASK_H
#define DUSK_TASK_H

#include "dusk_types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DUSK_EXPORT __attribute__((visibility("default")))

struct dusk_task;

struct dusk_function {
    const char *name;                   /* what clients submit */
    int (*run)(struct dusk_task *task); /* 0, or the negative code of an error */
};

/* Reads all arguments.  One letter of `format` for each:
 *   l int64_t *              d double * (integers are converted)
 *   b int *                  s const char ** (ends with NUL)
 *   a struct dusk_array *    * nothing: the argument is left unread
 * An argument that is a future stands for the first item of its result, or for
 * the item that the client named.  Strings and array data are borrowed until
 * the function returns and must not be written.  Too few, too many or other
 * types: DUSK_E_TYPE with a line that names the argument; lines for people count
 * arguments and items from 1. */
DUSK_EXPORT int dusk_task_args(struct dusk_task *task, const char *format, ...);

/* Reads all items of the result that argument `index` (from 0) stands for, with
 * the same letters. */
DUSK_EXPORT int dusk_task_items(struct dusk_task *task, int index, const char *format,
                                ...);

/* The number of arguments, and of items behind argument `index`: 0 when they cannot be
 * read, and then the task fails, whatever the function returns. */
DUSK_EXPORT int dusk_task_count(const struct dusk_task *task);
DUSK_EXPORT int dusk_task_item_count(const struct dusk_task *task, int index);

/* Item `item` behind argument `index`; DUSK_E_NOT_FOUND when there is none. */
DUSK_EXPORT int dusk_task_item(struct dusk_task *task, int index, int item,
                               struct dusk_value *ret_value);

/* Room for an array of the result: the memory that the worker will keep, aligned
 * to 64 bytes and zeroed, so that returning it copies nothing.  `dtype`, `ndim`
 * and `shape` are read from `array`; `data` is set.  Waits while the worker makes
 * room.  After an error the function returns it: the worker may have decided to
 * run the task again when there is more memory. */
DUSK_EXPORT int dusk_task_array(struct dusk_task *task, struct dusk_array *array);

/* Memory for the duration of the call, aligned to 64 bytes, not zeroed; NULL
 * when there is none.  The worker's memory limit does not know of it. */
DUSK_EXPORT void *dusk_task_scratch(struct dusk_task *task, size_t bytes);

/* Hands in the result: one item a letter of `format`, l int64_t, d double,
 * b int, s const char *, a const struct dusk_array *.  Strings are copied, and so
 * are arrays that did not come from dusk_task_array.  Called once; returns 0 or
 * an error, to be returned from the task function. */
DUSK_EXPORT int dusk_task_return(struct dusk_task *task, const char *format, ...);

/* The same for results whose number of items is known at run time only. */
DUSK_EXPORT int dusk_task_return_values(struct dusk_task *task, int count,
                                        const struct dusk_value *values);

/* Fails the task with this line; returns `code`, or DUSK_E_TASK if that is not
 * negative. */
DUSK_EXPORT int dusk_task_fail(struct dusk_task *task, int code, const char *format,
                               ...) __attribute__((format(printf, 3, 4)));

/* A flag that becomes non-zero when nobody wants the result any more.  A long
 * computation looks at it now and then, with dusk_flag(), and returns
 * DUSK_E_CANCELLED. */
DUSK_EXPORT const volatile int *dusk_task_cancel_flag(const struct dusk_task *task);

/* Tells how far the computation is, in units of its own choice; shown by
 * `dusk status`. */
DUSK_EXPORT void dusk_task_progress(struct dusk_task *task, int64_t done);

#ifdef __cplusplus
}
#endif
#endif
