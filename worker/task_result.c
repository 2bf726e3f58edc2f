/* The task API: handing in the result. */
#include "worker/task.h"

#include <stdarg.h>
#include <string.h>

static int result_error(struct dusk_task *task, int item, int rc)
{
    if (rc == DUSK_E_NOMEM)
        return task_error(task, rc, "no memory for item %d of the result", item + 1);
    return task_error(task, rc, "item %d of the result is not one that dusk can carry",
                      item + 1);
}

/* An array that the worker made is moved; any other is copied, which takes memory. */
static int result_add_array(struct dusk_task *task, struct payload_builder *builder,
                            const struct dusk_value *value)
{
    struct frame *frame = task_take_array(task, &value->array);
    size_t bytes;
    int rc = array_bytes(&value->array, &bytes);
    if (rc == 0 && !frame)
        rc = task_charge(task, bytes);
    if (rc == 0)
        rc = payload_builder_value(builder, value, frame);
    if (rc == 0 && frame)
        frame->release = NULL;
    return rc;
}

static int result_add(struct dusk_task *task, struct payload_builder *builder, int item,
                      const struct dusk_value *value)
{
    int rc;
    if (value->kind == DUSK_STRING && !value->string)
        return task_error(task, DUSK_E_INVALID, "item %d of the result is NULL",
                          item + 1);
    if (value->kind == DUSK_ARRAY) {
        rc = result_add_array(task, builder, value);
        if (rc < 0 && task->job->reason.line[0])
            return rc; /* the worker's own line about memory */
    } else {
        rc = payload_builder_value(builder, value, NULL);
    }
    return rc < 0 ? result_error(task, item, rc) : 0;
}

static int result_begin(struct dusk_task *task)
{
    if (task->returned)
        return task_error(task, DUSK_E_INVALID, "returns a result twice");
    task->returned = 1;
    return 0;
}

static int result_finish(struct dusk_task *task, struct payload_builder *builder,
                         int rc)
{
    if (rc == 0)
        rc = task_charge(task, builder->head.size + 8);
    if (rc == 0 && (rc = payload_builder_finish(builder, &task->job->result)) < 0)
        task_error(task, rc, "no memory for the result");
    if (rc < 0)
        payload_builder_fini(builder);
    return rc;
}

int dusk_task_return_values(struct dusk_task *task, int count,
                            const struct dusk_value *values)
{
    struct payload_builder builder;
    int rc = result_begin(task);
    if (rc < 0)
        return rc;
    payload_builder_init(&builder);
    for (int i = 0; rc == 0 && i < count; i++)
        rc = result_add(task, &builder, i, &values[i]);
    return result_finish(task, &builder, rc);
}

struct arguments {
    va_list list;
};

/* One value from the variadic arguments; false for an unknown letter. */
static int value_next(char letter, struct arguments *from, struct dusk_value *value)
{
    switch (letter) {
    case 'l':
        value->kind = DUSK_INT;
        value->integer = va_arg(from->list, int64_t);
        return 1;
    case 'd':
        value->kind = DUSK_FLOAT;
        value->number = va_arg(from->list, double);
        return 1;
    case 'b':
        value->kind = DUSK_BOOL;
        value->integer = va_arg(from->list, int) != 0;
        return 1;
    case 's':
        value->kind = DUSK_STRING;
        value->string = va_arg(from->list, const char *);
        return 1;
    case 'a':
        value->kind = DUSK_ARRAY;
        value->array = *va_arg(from->list, const struct dusk_array *);
        return 1;
    }
    return 0;
}

int dusk_task_return(struct dusk_task *task, const char *format, ...)
{
    struct payload_builder builder;
    int rc = result_begin(task);
    if (rc < 0)
        return rc;
    payload_builder_init(&builder);
    struct arguments from;
    va_start(from.list, format);
    for (int i = 0; rc == 0 && format[i]; i++) {
        struct dusk_value value = {0};
        rc = value_next(format[i], &from, &value)
                 ? result_add(task, &builder, i, &value)
                 : task_error(task, DUSK_E_INVALID,
                              "returns with '%c', which is no letter of l d b s a",
                              format[i]);
    }
    va_end(from.list);
    return result_finish(task, &builder, rc);
}
