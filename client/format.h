/* The letters of dusk.h: arguments on their way out, items on their way in. */
#ifndef CLIENT_FORMAT_H
#define CLIENT_FORMAT_H

#include "client/future.h"
#include "proto/limits.h"

#include <stdarg.h>

/* A call that is being put together.  Borrows the futures. */
struct call {
    const char *function; /* what error lines call it; NULL: data */
    struct client_core *core;
    struct payload_builder builder;
    struct dusk_future *dependencies[LIMIT_ARGUMENTS];
    unsigned dependency_count;
};

void call_init(struct call *call, struct client_core *core, const char *function);
void call_fini(struct call *call);

/* Adds one argument; an error sets the thread's line. */
int call_add(struct call *call, const struct dusk_argument *argument);

/* Adds one argument for each letter. */
int call_add_format(struct call *call, const char *format, va_list *args);

/* Makes the spec; the call is empty afterwards. */
int call_finish(struct call *call, const struct dusk_submit_options *options,
                struct future_spec **ret_spec);

/* The arguments of dusk_map. */
struct columns;
int columns_create(struct client_core *core, const char *function, const char *format,
                   va_list *args, struct columns **ret_columns);
void columns_destroy(struct columns *columns);
int call_add_columns(struct call *call, const struct columns *columns, int index);

/* Reads all items of a result. */
int values_scan(const struct dusk_future *future, const struct values *values,
                const char *format, va_list *args);

#endif
