/* The public functions that make futures. */
#include "client/client.h"
#include "client/format.h"
#include "common/clock.h"
#include "proto/resources.h"

#include <stdlib.h>
#include <string.h>

/* So many submits are sent at once even if the program never waits; what comes
 * meanwhile is read, since the scheduler keeps only so much for a client. */
#define SUBMITS_AT_ONCE 256

#define DEADLINE_MOST_S 1e9

static int conditions_check(const char *function,
                            const struct dusk_submit_options *options)
{
    struct err_text text;
    struct resources resources;
    if (!(options->deadline_s >= 0) || options->deadline_s > DEADLINE_MOST_S)
        return client_fail(DUSK_E_INVALID,
                           "%s: a deadline of %g s is not between 0 and %g", function,
                           options->deadline_s, DEADLINE_MOST_S);
    if (!options->resources)
        return 0;
    if (strlen(options->resources) > LIMIT_NAME_BYTES)
        return client_fail(DUSK_E_LIMIT,
                           "%s: resources '%.40s...' are longer than %u "
                           "bytes",
                           function, options->resources, LIMIT_NAME_BYTES);
    if (resources_parse(str_of(options->resources), &text, &resources) < 0)
        return client_fail(DUSK_E_INVALID, "%s: resources: %s", function, text.line);
    return 0;
}

static int texts_check(const char *function, const struct dusk_submit_options *options)
{
    if (!function || !*function)
        return client_fail(DUSK_E_INVALID, "a task needs the name of a function");
    if (strlen(function) > LIMIT_NAME_BYTES)
        return client_fail(DUSK_E_LIMIT, "'%.40s...' is longer than %u bytes", function,
                           LIMIT_NAME_BYTES);
    if (options && options->worker && strlen(options->worker) > LIMIT_NAME_BYTES)
        return client_fail(DUSK_E_LIMIT, "worker '%.40s...' is longer than %u bytes",
                           options->worker, LIMIT_NAME_BYTES);
    if (options && options->retries < 0)
        return client_fail(DUSK_E_INVALID, "%s: %d retries are fewer than none",
                           function, options->retries);
    return options ? conditions_check(function, options) : 0;
}

/* The end of every submit: a call with all its arguments becomes a future. */
static int call_submit(struct dusk_client *client, struct call *call,
                       const struct dusk_submit_options *options,
                       struct dusk_future **ret_future)
{
    struct future_spec *spec;
    const struct client_core *core = client->core;
    if (core->link == LINK_REFUSED)
        return client_fail(core->refusal, "%s", core->refusal_text.line);
    int rc = call_finish(call, options, &spec);
    if (rc < 0)
        return rc;
    if (spec->deadline_s > 0)
        spec->deadline_ns = clock_monotonic_ns() + (uint64_t)(spec->deadline_s * 1e9);
    rc = client_core_submit(client->core, spec, ret_future);
    if (rc < 0) {
        future_spec_destroy(spec);
        return client_fail(rc, "no memory for another future");
    }
    if (client->core->queue_count >= SUBMITS_AT_ONCE)
        client_turn(client, 0);
    return 0;
}

static int submit_list(struct dusk_client *client,
                       const struct dusk_submit_options *options,
                       struct dusk_future **ret_future, const char *function,
                       const char *format, va_list *args)
{
    int rc = function ? texts_check(function, options) : 0;
    if (rc == 0)
        rc = client_enter(client, true);
    if (rc < 0)
        return rc;
    struct call call;
    call_init(&call, client->core, function);
    rc = call_add_format(&call, format, args);
    if (rc == 0)
        rc = call_submit(client, &call, options, ret_future);
    call_fini(&call);
    client_leave(client);
    return rc;
}

int dusk_submit(struct dusk_client *client, struct dusk_future **ret_future,
                const char *function, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int rc =
        submit_list(client, NULL, ret_future, function ? function : "", format, &args);
    va_end(args);
    return rc;
}

int dusk_submit_with(struct dusk_client *client,
                     const struct dusk_submit_options *options,
                     struct dusk_future **ret_future, const char *function,
                     const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int rc = submit_list(client, options, ret_future, function ? function : "", format,
                         &args);
    va_end(args);
    return rc;
}

int dusk_scatter(struct dusk_client *client, struct dusk_future **ret_future,
                 const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int rc = submit_list(client, NULL, ret_future, NULL, format, &args);
    va_end(args);
    return rc;
}

int dusk_submit_arguments(struct dusk_client *client,
                          const struct dusk_submit_options *options,
                          struct dusk_future **ret_future, const char *function,
                          int count, const struct dusk_argument *arguments)
{
    int rc = texts_check(function, options);
    if (rc == 0 && (count < 0 || (count > 0 && !arguments)))
        rc = client_fail(DUSK_E_INVALID, "%s: %d arguments that are not there",
                         function, count);
    if (rc == 0)
        rc = client_enter(client, true);
    if (rc < 0)
        return rc;
    struct call call;
    call_init(&call, client->core, function);
    for (int i = 0; rc == 0 && i < count; i++)
        rc = call_add(&call, &arguments[i]);
    if (rc == 0)
        rc = call_submit(client, &call, options, ret_future);
    call_fini(&call);
    client_leave(client);
    return rc;
}

static int map_submit(struct dusk_client *client, struct dusk_future **ret_futures,
                      int n, const char *function, const struct columns *columns)
{
    int rc = 0, made = 0;
    while (rc == 0 && made < n) {
        struct call call;
        call_init(&call, client->core, function);
        rc = call_add_columns(&call, columns, made);
        if (rc == 0)
            rc = call_submit(client, &call, NULL, &ret_futures[made]);
        call_fini(&call);
        made += rc == 0;
    }
    for (int i = 0; rc < 0 && i < made; i++) {
        future_unwant(ret_futures[i]);
        ret_futures[i] = NULL;
    }
    return rc;
}

int dusk_map(struct dusk_client *client, struct dusk_future **ret_futures, int n,
             const char *function, const char *format, ...)
{
    int rc = texts_check(function, NULL);
    if (rc == 0 && n < 0)
        rc = client_fail(DUSK_E_INVALID, "%s: %d tasks are fewer than none", function,
                         n);
    if (rc == 0)
        rc = client_enter(client, true);
    if (rc < 0)
        return rc;
    struct columns *columns;
    va_list args;
    va_start(args, format);
    rc = columns_create(client->core, function, format, &args, &columns);
    va_end(args);
    if (rc == 0) {
        rc = map_submit(client, ret_futures, n, function, columns);
        columns_destroy(columns);
    }
    client_leave(client);
    return rc;
}
