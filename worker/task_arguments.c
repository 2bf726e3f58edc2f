/* The task API: reading arguments and the results they stand for. */
#include "worker/task.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What is read, for error lines: "argument 3", or "item 2 of argument 3". */
struct place {
    int argument; /* from 1 */
    int item;     /* from 1; 0: the argument itself */
};

static const char *place_text(struct place place, char *text, size_t size)
{
    if (place.item)
        snprintf(text, size, "item %d of argument %d", place.item, place.argument);
    else
        snprintf(text, size, "argument %d", place.argument);
    return text;
}

static const char *kind_words(enum dusk_kind kind)
{
    static const char *const words[] = {
        [DUSK_NIL] = "nil",         [DUSK_BOOL] = "a boolean",
        [DUSK_INT] = "an integer",  [DUSK_FLOAT] = "a number",
        [DUSK_STRING] = "a string", [DUSK_ARRAY] = "an array",
    };
    return (unsigned)kind < sizeof words / sizeof words[0] ? words[kind] : "unknown";
}

static int type_error(struct dusk_task *task, struct place place, const char *must,
                      const struct dusk_value *value)
{
    char text[64];
    return task_error(task, DUSK_E_TYPE, "%s must be %s, is %s",
                      place_text(place, text, sizeof text), must,
                      kind_words(value->kind));
}

int dusk_task_count(const struct dusk_task *task)
{
    return task->arguments ? (int)task->arguments->count : 0;
}

/* Argument `index`, or NULL with the error's line written. */
static const struct value *argument_at(struct dusk_task *task, int index)
{
    if (index >= 0 && index < dusk_task_count(task))
        return &task->arguments->items[index];
    task_error(task, DUSK_E_INVALID, "reads argument %d, but has %d", index + 1,
               dusk_task_count(task));
    return NULL;
}

/* The items of the result that a future stands for, read once. */
static int result_of(struct dusk_task *task, int index, struct task_key key,
                     const struct values **ret_values)
{
    const struct job *job = task->job;
    struct err_text text;
    for (unsigned i = 0; i < job->input_count; i++) {
        if (!key_equal(job->inputs[i].key, key))
            continue;
        if (!task->results[i]) {
            int rc = values_create(job->inputs[i].payload, &text, &task->results[i]);
            if (rc < 0)
                return task_error(task, rc, "argument %d: %s", index + 1, text.line);
        }
        *ret_values = task->results[i];
        return 0;
    }
    return task_error(task, DUSK_E_NOT_FOUND,
                      "argument %d refers to " KEY_FORMAT
                      ", which is not among the task's inputs",
                      index + 1, KEY_ARGS(key));
}

/* Item `item` of a result, a plain value. */
static int item_of(struct dusk_task *task, int index, const struct values *values,
                   struct task_key key, int item, const struct dusk_value **ret_value)
{
    if (item < 0 || item >= (int)values->count)
        return task_error(task, DUSK_E_NOT_FOUND,
                          "argument %d refers to item %d of " KEY_FORMAT
                          ", which has %u",
                          index + 1, item + 1, KEY_ARGS(key), values->count);
    if (values->items[item].kind != VALUE_PLAIN)
        return task_error(task, DUSK_E_TYPE, "argument %d stands for a future",
                          index + 1);
    *ret_value = &values->items[item].plain;
    return 0;
}

static int argument_value(struct dusk_task *task, int index,
                          const struct dusk_value **ret_value)
{
    const struct value *value = argument_at(task, index);
    if (!value)
        return DUSK_E_INVALID;
    *ret_value = &value->plain;
    if (value->kind == VALUE_PLAIN)
        return 0;
    const struct values *values;
    int rc = result_of(task, index, value->key, &values);
    if (rc < 0)
        return rc;
    return item_of(task, index, values, value->key, (int)value->item, ret_value);
}

int dusk_task_item_count(const struct dusk_task *task, int index)
{
    /* Reading results writes into the task; the caller cannot tell. */
    struct dusk_task *writable = (struct dusk_task *)task;
    if (index < 0 || index >= dusk_task_count(task))
        return 0;
    const struct value *value = &task->arguments->items[index];
    const struct values *values;
    if (value->kind == VALUE_PLAIN)
        return 1;
    int rc = result_of(writable, index, value->key, &values);
    if (rc == 0)
        return (int)values->count;
    writable->unread = rc;
    return 0;
}

int dusk_task_item(struct dusk_task *task, int index, int item,
                   struct dusk_value *ret_value)
{
    const struct value *value = argument_at(task, index);
    if (!value)
        return DUSK_E_NOT_FOUND;
    const struct dusk_value *found = &value->plain;
    const struct values *values;
    int rc = 0;
    if (value->kind == VALUE_FUTURE) {
        rc = result_of(task, index, value->key, &values);
        if (rc == 0)
            rc = item_of(task, index, values, value->key, item, &found);
    } else if (item != 0) {
        rc = task_error(task, DUSK_E_NOT_FOUND,
                        "reads item %d of argument %d, which is a plain value",
                        item + 1, index + 1);
    }
    if (rc == 0)
        *ret_value = *found;
    return rc;
}

/* ---- formats ---- */

struct arguments {
    va_list list;
};

/* Writes one value where the next variadic pointer says. */
static int value_read(struct dusk_task *task, struct place place, char letter,
                      const struct dusk_value *value, struct arguments *to)
{
    switch (letter) {
    case 'l': {
        int64_t *integer = va_arg(to->list, int64_t *);
        if (value->kind != DUSK_INT)
            return type_error(task, place, "an integer", value);
        *integer = value->integer;
        return 0;
    }
    case 'd': {
        double *number = va_arg(to->list, double *);
        if (value->kind != DUSK_INT && value->kind != DUSK_FLOAT)
            return type_error(task, place, "a number", value);
        *number = value->kind == DUSK_INT ? (double)value->integer : value->number;
        return 0;
    }
    case 'b': {
        int *boolean = va_arg(to->list, int *);
        if (value->kind != DUSK_BOOL)
            return type_error(task, place, "a boolean", value);
        *boolean = value->integer != 0;
        return 0;
    }
    case 's': {
        const char **string = va_arg(to->list, const char **);
        if (value->kind != DUSK_STRING)
            return type_error(task, place, "a string", value);
        *string = value->string;
        return 0;
    }
    case 'a': {
        struct dusk_array *array = va_arg(to->list, struct dusk_array *);
        if (value->kind != DUSK_ARRAY)
            return type_error(task, place, "an array", value);
        *array = value->array;
        return 0;
    }
    }
    return task_error(task, DUSK_E_INVALID,
                      "reads with '%c', which is no letter of "
                      "l d b s a *",
                      letter);
}

int dusk_task_args(struct dusk_task *task, const char *format, ...)
{
    int wanted = (int)strlen(format), count = dusk_task_count(task);
    if (count != wanted)
        return task_error(task, DUSK_E_TYPE, "takes %d argument%s, got %d", wanted,
                          wanted == 1 ? "" : "s", count);
    struct arguments to;
    va_start(to.list, format);
    int rc = 0;
    for (int i = 0; rc == 0 && i < wanted; i++) {
        const struct dusk_value *value;
        if (format[i] == '*')
            continue;
        rc = argument_value(task, i, &value);
        if (rc == 0)
            rc = value_read(task, (struct place){.argument = i + 1}, format[i], value,
                            &to);
    }
    va_end(to.list);
    return rc;
}

static int items_read(struct dusk_task *task, int index, const char *format,
                      struct arguments *to)
{
    for (int i = 0; format[i]; i++) {
        struct dusk_value value;
        if (format[i] == '*')
            continue;
        int rc = dusk_task_item(task, index, i, &value);
        if (rc == 0)
            rc = value_read(task, (struct place){index + 1, i + 1}, format[i], &value,
                            to);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int dusk_task_items(struct dusk_task *task, int index, const char *format, ...)
{
    const struct value *value = argument_at(task, index);
    if (!value)
        return DUSK_E_INVALID;
    const struct values *values;
    int wanted = (int)strlen(format), count = 1;
    if (value->kind == VALUE_FUTURE) {
        int rc = result_of(task, index, value->key, &values);
        if (rc < 0)
            return rc;
        count = (int)values->count;
    }
    if (count != wanted)
        return task_error(task, DUSK_E_TYPE, "argument %d must have %d item%s, has %d",
                          index + 1, wanted, wanted == 1 ? "" : "s", count);
    struct arguments to;
    va_start(to.list, format);
    int rc = items_read(task, index, format, &to);
    va_end(to.list);
    return rc;
}
