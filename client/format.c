#include "client/format.h"

#include "client/client.h"

#include <stdlib.h>
#include <string.h>

/* The next letter that counts, or 0 at the end. */
static char letter_next(const char **format)
{
    while (**format == ' ')
        (*format)++;
    return **format ? *(*format)++ : '\0';
}

static size_t letters_count(const char *format)
{
    size_t count = 0;
    char letter;
    while ((letter = letter_next(&format)))
        count += letter != '=';
    return count;
}

static const char *call_name(const struct call *call)
{
    return call->function ? call->function : "scattered data";
}

/* ---- arguments ---- */

void call_init(struct call *call, struct client_core *core, const char *function)
{
    call->function = function;
    call->core = core;
    call->dependency_count = 0;
    payload_builder_init(&call->builder);
}

void call_fini(struct call *call)
{
    payload_builder_fini(&call->builder);
}

static int call_future(struct call *call, struct dusk_future *future, int item)
{
    if (!call->function)
        return client_fail(DUSK_E_INVALID, "scattered data cannot hold a future");
    if (future->core != call->core)
        return client_fail(DUSK_E_INVALID, "%s: argument %u, %s, is another client's",
                           call_name(call), call->builder.count,
                           future_name(future).text);
    if (item < 0 || (unsigned)item >= LIMIT_ARGUMENTS)
        return client_fail(DUSK_E_INVALID, "%s: argument %u: there is no item %d",
                           call_name(call), call->builder.count, item);
    int rc = payload_builder_future(&call->builder, future->key, (uint32_t)item);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < call->dependency_count; i++)
        if (call->dependencies[i] == future)
            return 0;
    call->dependencies[call->dependency_count++] = future;
    return 0;
}

static const char *value_mistake(const struct dusk_value *value)
{
    size_t bytes;
    switch (value->kind) {
    case DUSK_NIL:
    case DUSK_BOOL:
    case DUSK_INT:
    case DUSK_FLOAT:
        return NULL;
    case DUSK_STRING:
        return value->string ? NULL : "a NULL for a string";
    case DUSK_ARRAY:
        if (array_bytes(&value->array, &bytes) < 0)
            return "an array of no type or shape that dusk knows";
        return bytes && !value->array.data ? "an array without data" : NULL;
    }
    return "a value of no kind that dusk knows";
}

/* A task goes by way of the scheduler, scattered data do not. */
static int array_travels(const struct call *call, const struct dusk_value *value)
{
    size_t bytes;
    if (!call->function || value->kind != DUSK_ARRAY ||
        array_bytes(&value->array, &bytes) < 0 || bytes <= LIMIT_TASK_FRAME_BYTES)
        return 0;
    return client_fail(DUSK_E_LIMIT,
                       "%s: argument %u is an array of %zu bytes; more than %u must be "
                       "scattered first",
                       call->function, call->builder.count, bytes,
                       LIMIT_TASK_FRAME_BYTES);
}

int call_add(struct call *call, const struct dusk_argument *argument)
{
    unsigned index = call->builder.count;
    int rc;
    if (argument->future) {
        rc = call_future(call, argument->future, argument->item);
        if (rc == DUSK_E_INVALID)
            return rc;
    } else {
        const char *mistake = value_mistake(&argument->value);
        if (mistake)
            return client_fail(DUSK_E_INVALID, "%s: argument %u is %s", call_name(call),
                               index, mistake);
        rc = array_travels(call, &argument->value);
        if (rc < 0)
            return rc;
        rc = payload_builder_value(&call->builder, &argument->value, NULL);
    }
    if (rc == DUSK_E_LIMIT && index < LIMIT_ARGUMENTS)
        return client_fail(rc,
                           "%s: argument %u: more than %u bytes of arguments that are "
                           "no arrays",
                           call_name(call), index, LIMIT_HEAD_BYTES);
    if (rc < 0)
        return client_fail(rc, "%s: argument %u: %s (at most %u arguments)",
                           call_name(call), index, err_sentence(rc), LIMIT_ARGUMENTS);
    return 0;
}

/* Reads what stands for one letter; arrays may be NULL here, and are found out. */
static int argument_read(const char *function, char letter, va_list *args,
                         struct dusk_argument *ret)
{
    const struct dusk_array *array;
    *ret = (struct dusk_argument){0};
    struct dusk_value *value = &ret->value;
    switch (letter) {
    case 'l':
        value->kind = DUSK_INT;
        value->integer = va_arg(*args, int64_t);
        return 0;
    case 'd':
        value->kind = DUSK_FLOAT;
        value->number = va_arg(*args, double);
        return 0;
    case 'b':
        value->kind = DUSK_BOOL;
        value->integer = va_arg(*args, int) != 0;
        return 0;
    case 's':
        value->kind = DUSK_STRING;
        value->string = va_arg(*args, const char *);
        return 0;
    case 'a':
        value->kind = DUSK_ARRAY;
        if ((array = va_arg(*args, const struct dusk_array *)))
            value->array = *array;
        return 0;
    case 'f':
    case 'F':
        ret->future = va_arg(*args, struct dusk_future *);
        ret->item = letter == 'F' ? va_arg(*args, int) : 0;
        if (ret->future)
            return 0;
        return client_fail(DUSK_E_INVALID, "%s: the future for '%c' is NULL", function,
                           letter);
    default:
        return client_fail(DUSK_E_INVALID, "%s: '%c' is no letter for an argument",
                           function, letter);
    }
}

int call_add_format(struct call *call, const char *format, va_list *args)
{
    struct dusk_argument argument;
    char letter;
    int rc = 0;
    while (rc == 0 && (letter = letter_next(&format))) {
        rc = argument_read(call_name(call), letter, args, &argument);
        if (rc == 0)
            rc = call_add(call, &argument);
    }
    return rc;
}

int call_finish(struct call *call, const struct dusk_submit_options *options,
                struct future_spec **ret_spec)
{
    /* Data are a payload even when they are empty; calls without arguments are many. */
    struct payload *payload = NULL;
    if ((call->builder.count || !call->function) &&
        payload_builder_finish(&call->builder, &payload) < 0)
        return client_fail(DUSK_E_NOMEM, "%s: no memory", call_name(call));
    struct future_spec *spec =
        future_spec_create(call->function, options ? options->worker : NULL, payload,
                           call->dependencies, call->dependency_count);
    if (!spec) {
        payload_unref(payload);
        return client_fail(DUSK_E_NOMEM, "%s: no memory", call_name(call));
    }
    if (options) {
        spec->priority = options->priority;
        spec->retries = options->retries > 0 ? (uint64_t)options->retries : 0;
        spec->flags = options->keep_on_worker ? SUBMIT_KEEP : 0;
        spec->deadline_s = options->deadline_s;
        if (options->resources && !(spec->resources = strdup(options->resources))) {
            future_spec_destroy(spec);
            return client_fail(DUSK_E_NOMEM, "%s: no memory", call_name(call));
        }
    }
    *ret_spec = spec;
    return 0;
}

/* ---- arguments of many calls ---- */

/* One letter of dusk_map: an array, or one value that all calls share. */
struct column {
    char letter;
    bool shared;
    struct dusk_argument argument; /* shared */
    const void *array;
    int item;
};

struct columns {
    size_t count;
    struct column items[];
};

static int column_read(const char *function, char letter, va_list *args,
                       struct column *column)
{
    column->letter = letter;
    if (!letter || !strchr("ldbsafF", letter))
        return client_fail(DUSK_E_INVALID, "%s: '%c' is no letter for an argument",
                           function, letter ? letter : '=');
    if (column->shared)
        return argument_read(function, letter, args, &column->argument);
    column->array = va_arg(*args, const void *);
    column->item = letter == 'F' ? va_arg(*args, int) : 0;
    if (!column->array)
        return client_fail(DUSK_E_INVALID, "%s: the array for '%c' is NULL", function,
                           letter);
    return 0;
}

int columns_create(struct client_core *core, const char *function, const char *format,
                   va_list *args, struct columns **ret_columns)
{
    size_t count = letters_count(format);
    struct columns *columns =
        calloc(1, sizeof *columns + (count + 1) * sizeof columns->items[0]);
    if (!columns)
        return client_fail(DUSK_E_NOMEM, "%s: no memory", function);
    int rc = 0;
    char letter;
    while (rc == 0 && (letter = letter_next(&format))) {
        struct column *column = &columns->items[columns->count++];
        column->shared = letter == '=';
        if (column->shared)
            letter = letter_next(&format);
        rc = column_read(function, letter, args, column);
    }
    if (rc < 0)
        columns_destroy(columns);
    else
        *ret_columns = columns;
    return rc;
}

void columns_destroy(struct columns *columns)
{
    free(columns);
}

static struct dusk_argument column_at(const struct column *column, int index)
{
    struct dusk_argument argument = {.item = column->item};
    struct dusk_value *value = &argument.value;
    switch (column->letter) {
    case 'l':
        value->kind = DUSK_INT;
        value->integer = ((const int64_t *)column->array)[index];
        break;
    case 'd':
        value->kind = DUSK_FLOAT;
        value->number = ((const double *)column->array)[index];
        break;
    case 'b':
        value->kind = DUSK_BOOL;
        value->integer = ((const int *)column->array)[index] != 0;
        break;
    case 's':
        value->kind = DUSK_STRING;
        value->string = ((const char *const *)column->array)[index];
        break;
    case 'a':
        value->kind = DUSK_ARRAY;
        value->array = ((const struct dusk_array *)column->array)[index];
        break;
    default:
        argument.future = ((struct dusk_future *const *)column->array)[index];
    }
    return argument;
}

int call_add_columns(struct call *call, const struct columns *columns, int index)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < columns->count; i++) {
        const struct column *column = &columns->items[i];
        struct dusk_argument argument =
            column->shared ? column->argument : column_at(column, index);
        bool future = column->letter == 'f' || column->letter == 'F';
        if (future && !argument.future)
            return client_fail(DUSK_E_INVALID, "%s: future %d for '%c' is NULL",
                               call->function, index, column->letter);
        rc = call_add(call, &argument);
    }
    return rc;
}

/* ---- results ---- */

static const char *kind_name(enum dusk_kind kind)
{
    static const char *const names[] = {"nothing",  "true or false", "an integer",
                                        "a number", "a string",      "an array"};
    return names[kind];
}

static int wrong_type(const struct dusk_future *future, unsigned index, char letter,
                      enum dusk_kind kind)
{
    return client_fail(DUSK_E_TYPE, "item %u of %s is %s, which '%c' does not read",
                       index, future_name(future).text, kind_name(kind), letter);
}

static int item_scan(const struct dusk_future *future, unsigned index,
                     const struct dusk_value *value, char letter, va_list *args)
{
    enum dusk_kind kind = value->kind;
    switch (letter) {
    case '*':
        return 0;
    case 'l':
        if (kind != DUSK_INT)
            return wrong_type(future, index, letter, kind);
        *va_arg(*args, int64_t *) = value->integer;
        return 0;
    case 'd':
        if (kind != DUSK_INT && kind != DUSK_FLOAT)
            return wrong_type(future, index, letter, kind);
        *va_arg(*args, double *) =
            kind == DUSK_INT ? (double)value->integer : value->number;
        return 0;
    case 'b':
        if (kind != DUSK_BOOL)
            return wrong_type(future, index, letter, kind);
        *va_arg(*args, int *) = value->integer != 0;
        return 0;
    case 's':
        if (kind != DUSK_STRING)
            return wrong_type(future, index, letter, kind);
        *va_arg(*args, const char **) = value->string;
        return 0;
    case 'a':
        if (kind != DUSK_ARRAY)
            return wrong_type(future, index, letter, kind);
        *va_arg(*args, struct dusk_array *) = value->array;
        return 0;
    default:
        return client_fail(DUSK_E_INVALID, "'%c' is no letter for an item of a result",
                           letter);
    }
}

int values_scan(const struct dusk_future *future, const struct values *values,
                const char *format, va_list *args)
{
    size_t wanted = letters_count(format);
    if (wanted != values->count)
        return client_fail(DUSK_E_TYPE, "%s has %u items, and '%s' reads %zu",
                           future_name(future).text, values->count, format, wanted);
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < values->count; i++)
        rc = item_scan(future, i, &values->items[i].plain, letter_next(&format), args);
    return rc;
}
