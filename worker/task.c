#include "worker/task.h"

#include "worker/chunk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An array from dusk_task_array that has not become part of the result. */
struct task_array {
    struct task_array *next;
    struct frame frame;
};

int task_error(struct dusk_task *task, int code, const char *format, ...)
{
    struct err_text *reason = &task->job->reason;
    va_list args;
    va_start(args, format);
    vsnprintf(reason->line, sizeof reason->line, format, args);
    va_end(args);
    return code;
}

int dusk_task_fail(struct dusk_task *task, int code, const char *format, ...)
{
    struct err_text *reason = &task->job->reason;
    va_list args;
    va_start(args, format);
    vsnprintf(reason->line, sizeof reason->line, format, args);
    va_end(args);
    return code < 0 ? code : DUSK_E_TASK;
}

const volatile int *dusk_task_cancel_flag(const struct dusk_task *task)
{
    return &task->job->cancelled;
}

void dusk_task_progress(struct dusk_task *task, int64_t done)
{
    atomic_store_explicit(&task->job->progress, done, memory_order_relaxed);
}

/* ---- memory ---- */

void *dusk_task_scratch(struct dusk_task *task, size_t bytes)
{
    return scratch_get(task->scratch, bytes);
}

int task_charge(struct dusk_task *task, size_t bytes)
{
    if (bytes > task->room) {
        size_t more = bytes - task->room;
        struct err_text text;
        int rc = task->ask(task->ask_context, task->job, more, &text);
        if (rc < 0)
            return task_error(task, rc, "%s", text.line);
        task->room += more;
    }
    task->room -= bytes;
    return 0;
}

int dusk_task_array(struct dusk_task *task, struct dusk_array *array)
{
    size_t bytes;
    if (array_bytes(array, &bytes) < 0)
        return task_error(task, DUSK_E_LIMIT,
                          "asks for an array of %d dimensions and type %d that "
                          "dusk cannot carry",
                          array->ndim, (int)array->dtype);
    int rc = task_charge(task, bytes);
    if (rc < 0)
        return rc;
    struct task_array *kept = malloc(sizeof *kept);
    if (!kept || chunk_create(bytes, &kept->frame) < 0) {
        free(kept);
        return task_error(task, DUSK_E_NOMEM, "no memory for an array of %zu bytes",
                          bytes);
    }
    kept->next = task->arrays;
    task->arrays = kept;
    array->data = kept->frame.data;
    return 0;
}

/* The frame behind the array if it came from dusk_task_array and was not taken yet.
 * Borrowed: its owner forgets it when `release` is set to NULL. */
struct frame *task_take_array(struct dusk_task *task, const struct dusk_array *array)
{
    size_t bytes;
    if (array_bytes(array, &bytes) < 0)
        return NULL;
    for (struct task_array *kept = task->arrays; kept; kept = kept->next)
        if (kept->frame.data == array->data && kept->frame.size == bytes &&
            kept->frame.release)
            return &kept->frame;
    return NULL;
}

/* ---- running ---- */

static int task_open(struct dusk_task *task)
{
    struct job *job = task->job;
    if (job->input_count && !(task->results = calloc(job->input_count, sizeof(void *))))
        return task_error(task, DUSK_E_NOMEM, "no memory for the inputs");
    if (!job->arguments)
        return 0;
    struct err_text text;
    int rc = values_create(job->arguments, &text, &task->arguments);
    return rc < 0 ? task_error(task, rc, "arguments: %s", text.line) : 0;
}

static void task_close(struct dusk_task *task)
{
    while (task->arrays) {
        struct task_array *kept = task->arrays;
        task->arrays = kept->next;
        if (kept->frame.release)
            kept->frame.release(kept->frame.hint);
        free(kept);
    }
    if (task->results)
        for (unsigned i = 0; i < task->job->input_count; i++)
            values_destroy(task->results[i]);
    free(task->results);
    values_destroy(task->arguments);
    scratch_reset(task->scratch);
}

/* What the function returned is made into a result or an error with a line. */
static int task_verdict(struct dusk_task *task, int rc)
{
    struct job *job = task->job;
    if (task->unread < 0)
        return task_error(task, task->unread, "an argument cannot be read: %s",
                          err_sentence(task->unread));
    if (rc > 0)
        return task_error(task, DUSK_E_TASK, "returned %d: neither 0 nor an error", rc);
    if (rc < 0) {
        if (!job->reason.line[0])
            task_error(task, rc, "%s", err_sentence(rc));
        return rc;
    }
    if (job->result)
        return 0;
    if (job->reason.line[0])
        return DUSK_E_TASK;
    return task_error(task, DUSK_E_TASK, "ended without dusk_task_return");
}

void task_run(struct job *job, const struct dusk_function *function,
              struct scratch *scratch, task_room_fn *ask, void *ask_context)
{
    struct dusk_task task = {.job = job,
                             .scratch = scratch,
                             .ask = ask,
                             .ask_context = ask_context,
                             .room = job->room};
    int rc = task_open(&task);
    if (rc == 0 && __atomic_load_n(&job->cancelled, __ATOMIC_RELAXED))
        rc = DUSK_E_CANCELLED;
    else if (rc == 0 && (job->unknown = !function))
        rc = err_set(&job->reason, DUSK_E_NOT_FOUND, "there is no task function '%s'",
                     job->function);
    else if (rc == 0)
        rc = function->run(&task);
    job->code = task_verdict(&task, rc);
    if (job->code < 0) {
        payload_unref(job->result);
        job->result = NULL;
    }
    task_close(&task);
}
