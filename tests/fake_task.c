#include "tests/fake_task.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dusk_array fake_array(const double *data, int64_t rows, int64_t columns)
{
    return (struct dusk_array){
        .dtype = DUSK_F64,
        .ndim = columns < 0 ? 1 : 2,
        .shape = {rows, columns < 0 ? 0 : columns},
        .data = (void *)(uintptr_t)data,
    };
}

static struct dusk_value next_value(char letter, va_list *list)
{
    switch (letter) {
    case 'l':
        return (struct dusk_value){.kind = DUSK_INT, .integer = va_arg(*list, int64_t)};
    case 'd':
        return (struct dusk_value){.kind = DUSK_FLOAT, .number = va_arg(*list, double)};
    case 's':
        return (struct dusk_value){.kind = DUSK_STRING,
                                   .string = va_arg(*list, const char *)};
    case 'a':
        return (struct dusk_value){.kind = DUSK_ARRAY,
                                   .array = *va_arg(*list, const struct dusk_array *)};
    default:
        fprintf(stderr, "letter '%c'\n", letter);
        abort();
    }
}

void fake_arguments(struct dusk_task *task, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    for (; *format; format++) {
        struct fake_items *argument = &task->arguments[task->argument_count++];
        if (*format == 'f')
            *argument = *va_arg(list, const struct fake_items *);
        else
            *argument = (struct fake_items){1, {next_value(*format, &list)}};
    }
    va_end(list);
}

int fake_run(struct dusk_task *task, const struct dusk_function *table,
             const char *name)
{
    for (; table->name; table++)
        if (strcmp(table->name, name) == 0)
            return table->run(task);
    fprintf(stderr, "no function %s\n", name);
    abort();
}

void fake_fini(struct dusk_task *task)
{
    for (int k = 0; k < task->allocation_count; k++)
        free(task->allocations[k]);
    memset(task, 0, sizeof *task);
}

/* Stores a value where the caller wants it; 0 when the letter does not fit it. */
static int give(char letter, const struct dusk_value *value, va_list *list)
{
    switch (letter) {
    case 'l':
        *va_arg(*list, int64_t *) = value->integer;
        return value->kind == DUSK_INT;
    case 'd':
        *va_arg(*list, double *) =
            value->kind == DUSK_INT ? (double)value->integer : value->number;
        return value->kind == DUSK_FLOAT || value->kind == DUSK_INT;
    case 's':
        *va_arg(*list, const char **) = value->string;
        return value->kind == DUSK_STRING;
    case 'a':
        *va_arg(*list, struct dusk_array *) = value->array;
        return value->kind == DUSK_ARRAY;
    default:
        return letter == '*';
    }
}

int dusk_task_args(struct dusk_task *task, const char *format, ...)
{
    va_list list;
    int fits = (int)strlen(format) == task->argument_count;
    va_start(list, format);
    for (int k = 0; fits && format[k]; k++)
        fits = give(format[k], &task->arguments[k].items[0], &list);
    va_end(list);
    return fits ? 0 : err_set(&task->err, DUSK_E_TYPE, "arguments");
}

int dusk_task_items(struct dusk_task *task, int index, const char *format, ...)
{
    va_list list;
    const struct fake_items *argument = &task->arguments[index];
    int fits = (int)strlen(format) == argument->count;
    va_start(list, format);
    for (int k = 0; fits && format[k]; k++)
        fits = give(format[k], &argument->items[k], &list);
    va_end(list);
    return fits ? 0 : err_set(&task->err, DUSK_E_TYPE, "items of argument %d", index);
}

int dusk_task_count(const struct dusk_task *task)
{
    return task->argument_count;
}

int dusk_task_item_count(const struct dusk_task *task, int index)
{
    return index < task->argument_count ? task->arguments[index].count
                                        : DUSK_E_NOT_FOUND;
}

int dusk_task_item(struct dusk_task *task, int index, int item,
                   struct dusk_value *ret_value)
{
    if (index >= task->argument_count || item >= task->arguments[index].count)
        return err_set(&task->err, DUSK_E_NOT_FOUND, "item %d", item);
    *ret_value = task->arguments[index].items[item];
    return 0;
}

void *dusk_task_scratch(struct dusk_task *task, size_t bytes)
{
    void *room = aligned_alloc(64, (bytes + 64) / 64 * 64);
    task->allocations[task->allocation_count++] = room;
    return room;
}

int dusk_task_array(struct dusk_task *task, struct dusk_array *array)
{
    size_t bytes = sizeof(double);
    for (int k = 0; k < array->ndim; k++)
        bytes *= (size_t)array->shape[k];
    array->data = dusk_task_scratch(task, bytes);
    if (!array->data)
        return DUSK_E_NOMEM;
    memset(array->data, 0, bytes);
    return 0;
}

int dusk_task_return(struct dusk_task *task, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    task->result.count = 0;
    for (; *format; format++)
        task->result.items[task->result.count++] = next_value(*format, &list);
    va_end(list);
    task->returned++;
    return 0;
}

int dusk_task_return_values(struct dusk_task *task, int count,
                            const struct dusk_value *values)
{
    task->result.count = count;
    memcpy(task->result.items, values, (size_t)count * sizeof *values);
    task->returned++;
    return 0;
}

int dusk_task_fail(struct dusk_task *task, int code, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(task->err.line, sizeof task->err.line, format, list);
    va_end(list);
    return code < 0 ? code : DUSK_E_TASK;
}

const volatile int *dusk_task_cancel_flag(const struct dusk_task *task)
{
    return &task->cancelled;
}

void dusk_task_progress(struct dusk_task *task, int64_t done)
{
    task->progress = done;
}
