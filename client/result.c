/* The public functions that look at futures, wait for them and read their results. */
#include "client/client.h"
#include "client/format.h"
#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- what a future is ---- */

enum dusk_status dusk_future_status(struct dusk_future *future)
{
    struct dusk_client *client = client_of(future);
    if (client_enter(client, false) < 0)
        return future_status(future);
    if (!future_is_done(future) && client->open)
        client_turn(client, 0);
    enum dusk_status status = future_status(future);
    client_leave(client);
    return status;
}

/* A future that has failed keeps its line until its end, so the line may leave the
 * lock. */
int dusk_future_error(struct dusk_future *future, const char **ret_line)
{
    struct dusk_client *client = client_of(future);
    bool entered = client_enter(client, false) == 0;
    bool failed = future_has_failed(future);
    int code = failed ? future->code : 0;
    if (ret_line)
        *ret_line = failed && future->line ? future->line : "";
    if (entered)
        client_leave(client);
    return code;
}

const char *dusk_future_key(struct dusk_future *future)
{
    snprintf(future->key_text, sizeof future->key_text, KEY_FORMAT,
             KEY_ARGS(future->key));
    return future->key_text;
}

int dusk_future_timing(struct dusk_future *future, struct dusk_timing *ret_timing)
{
    struct dusk_client *client = client_of(future);
    int rc = client_enter(client, false);
    if (rc < 0)
        return rc;
    if (future_status(future) == DUSK_FINISHED)
        *ret_timing = (struct dusk_timing){
            .worker = (int64_t)future->worker,
            .thread = (int64_t)future->thread,
            .start_ns = (int64_t)future->start_ns,
            .stop_ns = (int64_t)future->stop_ns,
        };
    else
        rc = client_fail(DUSK_E_NOT_FOUND, "%s is not finished",
                         future_name(future).text);
    client_leave(client);
    return rc;
}

void dusk_future_set_tag(struct dusk_future *future, void *tag)
{
    future->tag = tag;
}

void *dusk_future_tag(struct dusk_future *future)
{
    return future->tag;
}

/* ---- references ---- */

struct dusk_future *dusk_future_ref(struct dusk_future *future)
{
    if (future && client_enter(client_of(future), false) == 0) {
        struct dusk_client *client = client_of(future);
        future_want(future);
        client_leave(client);
    }
    return future;
}

void dusk_future_unref(struct dusk_future *future)
{
    dusk_release(&future, 1);
}

void dusk_release(struct dusk_future **futures, int n)
{
    for (int i = 0; i < n; i++) {
        struct dusk_future *future = futures[i];
        futures[i] = NULL;
        if (!future)
            continue;
        struct dusk_client *client = client_of(future);
        if (client_enter(client, false) < 0)
            continue;
        future_unwant(future);
        client_leave(client);
    }
}

/* ---- many futures ---- */

int dusk_cancel(struct dusk_future *const *futures, int n)
{
    struct dusk_client *client;
    int rc = client_enter_all(futures, n, true, false, &client);
    if (rc < 0 || !client)
        return rc;
    for (int i = 0; i < n; i++)
        if (futures[i])
            client_core_cancel(client->core, futures[i]);
    client_leave(client);
    return 0;
}

/* ---- waiting ---- */

static int future_failure(const struct dusk_future *future)
{
    return client_fail(future->code, "%s",
                       future->line ? future->line : err_sentence(future->code));
}

static int done_wait(struct dusk_client *client, const struct dusk_future *future,
                     struct client_wait *wait)
{
    while (!future_is_done(future))
        if (!client_wait_turn(client, wait))
            return client_fail(DUSK_E_TIMEOUT, "%s is not done%s",
                               future_name(future).text,
                               client_wait_text(client, wait).text);
    return 0;
}

/* Waits until the result is here. */
static int here_wait(struct dusk_client *client, struct dusk_future *future,
                     struct client_wait *wait)
{
    int rc = done_wait(client, future, wait);
    if (rc == 0 && client_core_fetch(client->core, future, clock_monotonic_ns()) < 0)
        return client_fail(DUSK_E_NOMEM, "no memory to fetch %s",
                           future_name(future).text);
    while (rc == 0 && future->state == FUTURE_AWAY && future->transfer)
        if (!client_wait_turn(client, wait))
            return client_fail(DUSK_E_TIMEOUT,
                               "the result of %s did not come from %s%s",
                               future_name(future).text, client_core_place(future),
                               client_wait_text(client, wait).text);
    if (rc == 0 && future->state != FUTURE_HERE)
        rc = future_failure(future);
    return rc;
}

static int all_wait(struct dusk_client *client, struct dusk_future *const *futures,
                    int n, struct client_wait *wait)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < n; i++)
        rc = done_wait(client, futures[i], wait);
    return rc;
}

/* Watches on all of the futures; `ready` gets those that are done. */
static struct future_watch *watches_create(struct dusk_future *const *futures, int n,
                                           struct list *ready)
{
    struct future_watch *watches = calloc((size_t)n, sizeof *watches);
    list_init(ready);
    for (int i = 0; watches && i < n; i++)
        future_watch(&watches[i], futures[i], ready);
    return watches;
}

static void watches_destroy(struct future_watch *watches, int n)
{
    for (int i = 0; watches && i < n; i++)
        list_remove(&watches[i].link);
    free(watches);
}

static int first_wait(struct dusk_client *client, struct dusk_future *const *futures,
                      int n, struct client_wait *wait)
{
    struct list ready;
    struct future_watch *watches = watches_create(futures, n, &ready);
    int rc = watches ? 0 : client_fail(DUSK_E_NOMEM, "no memory to wait for %d", n);
    while (rc == 0 && list_is_empty(&ready))
        if (!client_wait_turn(client, wait))
            rc = client_fail(
                DUSK_E_TIMEOUT, "none of %d futures, from %s on, is done%s", n,
                future_name(futures[0]).text, client_wait_text(client, wait).text);
    watches_destroy(watches, n);
    return rc;
}

static int persist_wait(struct dusk_client *client, struct dusk_future *const *futures,
                        int n, struct client_wait *wait)
{
    int rc = all_wait(client, futures, n, wait);
    for (int i = 0; rc == 0 && i < n; i++)
        if (future_has_failed(futures[i]))
            rc = future_failure(futures[i]);
    return rc;
}

/* Waits for futures of one client in one of these ways. */
typedef int wait_fn(struct dusk_client *client, struct dusk_future *const *futures,
                    int n, struct client_wait *wait);

static int futures_wait(struct dusk_future *const *futures, int n, double timeout_s,
                        wait_fn *wait_how)
{
    struct dusk_client *client;
    struct client_wait wait = client_wait_for(timeout_s);
    int rc = client_enter_all(futures, n, false, false, &client);
    if (rc < 0 || !client)
        return rc;
    rc = wait_how(client, futures, n, &wait);
    client_leave(client);
    return rc;
}

int dusk_wait(struct dusk_future *const *futures, int n, enum dusk_wait_mode mode,
              double timeout_s)
{
    return futures_wait(futures, n, timeout_s,
                        mode == DUSK_FIRST ? first_wait : all_wait);
}

int dusk_persist(struct dusk_future *const *futures, int n, double timeout_s)
{
    return futures_wait(futures, n, timeout_s, persist_wait);
}

/* ---- results ---- */

/* Fetches each result as soon as it is there, not one after the other. */
static int fetch_as_done(struct dusk_client *client, struct list *ready)
{
    int rc = 0;
    LIST_FOREACH (link, ready) {
        struct future_watch *watch = CONTAINER_OF(link, struct future_watch, link);
        list_remove(link);
        if (rc == 0)
            rc = client_core_fetch(client->core, watch->future, clock_monotonic_ns());
    }
    return rc < 0 ? client_fail(rc, "no memory to fetch results") : 0;
}

static int gather_wait(struct dusk_client *client, struct dusk_future *const *futures,
                       int n, struct client_wait *wait)
{
    struct list ready;
    struct future_watch *watches = watches_create(futures, n, &ready);
    int rc = watches ? 0 : client_fail(DUSK_E_NOMEM, "no memory to wait for %d", n);
    for (int i = 0; rc == 0 && i < n; i++) {
        while (rc == 0 && !future_is_done(futures[i])) {
            rc = fetch_as_done(client, &ready);
            if (rc == 0 && !client_wait_turn(client, wait))
                rc = done_wait(client, futures[i], wait);
        }
    }
    if (rc == 0)
        rc = fetch_as_done(client, &ready);
    for (int i = 0; rc == 0 && i < n; i++)
        rc = here_wait(client, futures[i], wait);
    watches_destroy(watches, n);
    return rc;
}

int dusk_gather(struct dusk_future *const *futures, int n, double timeout_s)
{
    return futures_wait(futures, n, timeout_s, gather_wait);
}

static int values_read(struct dusk_future *future)
{
    if (future->values)
        return 0;
    struct err_text text;
    struct values *values;
    int rc = values_create(future->result, &text, &values);
    if (rc < 0)
        return client_fail(rc, "the result of %s: %s", future_name(future).text,
                           text.line);
    for (unsigned i = 0; i < values->count; i++)
        if (values->items[i].kind != VALUE_PLAIN) {
            values_destroy(values);
            return client_fail(DUSK_E_PROTOCOL, "item %u of %s is a future", i,
                               future_name(future).text);
        }
    future->values = values;
    return 0;
}

static int result_wait(struct dusk_client *client, struct dusk_future *future,
                       double timeout_s)
{
    struct client_wait wait = client_wait_for(timeout_s);
    int rc = here_wait(client, future, &wait);
    return rc < 0 ? rc : values_read(future);
}

int dusk_result(struct dusk_future *future, double timeout_s, const char *format, ...)
{
    if (!future)
        return client_fail(DUSK_E_INVALID, "the future is NULL");
    struct dusk_client *client = client_of(future);
    int rc = client_enter(client, false);
    if (rc < 0)
        return rc;
    va_list args;
    va_start(args, format);
    rc = result_wait(client, future, timeout_s);
    if (rc == 0)
        rc = values_scan(future, future->values, format, &args);
    va_end(args);
    client_leave(client);
    return rc;
}

static int items_make(struct dusk_future *future)
{
    unsigned count = future->values->count;
    if (future->items)
        return 0;
    future->items = calloc(count + 1, sizeof *future->items);
    if (!future->items)
        return client_fail(DUSK_E_NOMEM, "no memory for %u items", count);
    for (unsigned i = 0; i < count; i++)
        future->items[i] = future->values->items[i].plain;
    return 0;
}

int dusk_result_values(struct dusk_future *future, double timeout_s,
                       const struct dusk_value **ret_values, int *ret_count)
{
    if (!future)
        return client_fail(DUSK_E_INVALID, "the future is NULL");
    struct dusk_client *client = client_of(future);
    int rc = client_enter(client, false);
    if (rc < 0)
        return rc;
    rc = result_wait(client, future, timeout_s);
    if (rc == 0)
        rc = items_make(future);
    if (rc == 0) {
        *ret_values = future->items;
        *ret_count = (int)future->values->count;
    }
    client_leave(client);
    return rc;
}
