#include "worker/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAME_SHOWN 80 /* bytes of the function's name */
#define TEXT_SHOWN 24 /* bytes of a string */

static void add(char text[CALL_BYTES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(char text[CALL_BYTES], const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, CALL_BYTES - used, format, args);
    va_end(args);
}

static void add_array(char text[CALL_BYTES], const struct dusk_array *array)
{
    add(text, "%s[", array->dtype == DUSK_F32 ? "f32" : "f64");
    for (int i = 0; i < array->ndim; i++)
        add(text, "%s%lld", i ? "x" : "", (long long)array->shape[i]);
    add(text, "]");
}

/* A long one is cut between two characters of UTF-8. */
static void add_string(char text[CALL_BYTES], const char *string)
{
    size_t size = strlen(string), shown = size;
    if (size > TEXT_SHOWN)
        for (shown = TEXT_SHOWN;
             shown && ((unsigned char)string[shown] & 0xc0) == 0x80;)
            shown--;
    add(text, "\"%.*s%s\"", (int)shown, string, shown < size ? "..." : "");
}

static void add_value(char text[CALL_BYTES], const struct dusk_value *value)
{
    switch (value->kind) {
    case DUSK_NIL:
        add(text, "nil");
        break;
    case DUSK_BOOL:
        add(text, "%s", value->integer ? "true" : "false");
        break;
    case DUSK_INT:
        add(text, "%lld", (long long)value->integer);
        break;
    case DUSK_FLOAT:
        add(text, "%g", value->number);
        break;
    case DUSK_STRING:
        add_string(text, value->string);
        break;
    case DUSK_ARRAY:
        add_array(text, &value->array);
        break;
    }
}

/* One item of a result that is here, or the key. */
static void add_future(char text[CALL_BYTES], const struct value *future,
                       const struct store *store)
{
    const struct store_entry *entry = store_get(store, future->key);
    struct values *values = NULL;
    bool here =
        entry && entry->payload && values_create(entry->payload, NULL, &values) == 0 &&
        future->item < values->count && values->items[future->item].kind == VALUE_PLAIN;
    if (here)
        add_value(text, &values->items[future->item].plain);
    else
        add(text, KEY_FORMAT, KEY_ARGS(future->key));
    values_destroy(values);
}

static void add_arguments(char text[CALL_BYTES], const struct values *values,
                          const struct store *store)
{
    for (unsigned i = 0; i < values->count && strlen(text) < CALL_BYTES - 1; i++) {
        const struct value *value = &values->items[i];
        add(text, "%s", i ? ", " : "");
        if (value->kind == VALUE_FUTURE)
            add_future(text, value, store);
        else
            add_value(text, &value->plain);
    }
}

void call_write(char text[CALL_BYTES], const char *function, struct payload *arguments,
                const struct store *store)
{
    static const char cut[] = "...)";
    struct values *values = NULL;
    snprintf(text, CALL_BYTES, "%.*s(", NAME_SHOWN, function);
    if (arguments && values_create(arguments, NULL, &values) == 0)
        add_arguments(text, values, store);
    add(text, ")");
    if (strlen(text) == CALL_BYTES - 1)
        memcpy(text + CALL_BYTES - sizeof cut, cut, sizeof cut);
    values_destroy(values);
}
