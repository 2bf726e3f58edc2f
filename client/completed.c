/* Futures in the order in which they are done. */
#include "client/client.h"

#include <stdlib.h>

/* A future that is in it: on its future's watches, then in `ready`, then handed out
 * until the next call. */
struct entry {
    struct future_watch watch;
    struct list all;
};

struct dusk_as_completed {
    struct dusk_client *client;
    struct list entries; /* all but those handed out */
    struct list ready;
    struct list handed;
    int count;
    struct dusk_future **batch; /* owned; what was handed out last */
    int batch_capacity;
};

static void entry_destroy(struct entry *entry)
{
    list_remove(&entry->watch.link);
    list_remove(&entry->all);
    future_unwant(entry->watch.future);
    free(entry);
}

static void handed_release(struct dusk_as_completed *completed)
{
    LIST_FOREACH (link, &completed->handed)
        entry_destroy(CONTAINER_OF(link, struct entry, all));
}

static int entry_add(struct dusk_as_completed *completed, struct dusk_future *future)
{
    if (!future)
        return client_fail(DUSK_E_INVALID, "the future is NULL");
    if (future->core != completed->client->core)
        return client_fail(DUSK_E_INVALID, "%s is of another client",
                           future_name(future).text);
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return client_fail(DUSK_E_NOMEM, "no memory to wait for %s",
                           future_name(future).text);
    future_want(future);
    list_append(&completed->entries, &entry->all);
    future_watch(&entry->watch, future, &completed->ready);
    completed->count++;
    return 0;
}

static void completed_free(struct dusk_as_completed *completed)
{
    LIST_FOREACH (link, &completed->entries)
        entry_destroy(CONTAINER_OF(link, struct entry, all));
    handed_release(completed);
    free(completed->batch);
    free(completed);
}

int dusk_as_completed_create(struct dusk_client *client,
                             struct dusk_future *const *futures, int n,
                             struct dusk_as_completed **ret_completed)
{
    int rc = client_enter(client, true);
    if (rc < 0)
        return rc;
    struct dusk_as_completed *completed = calloc(1, sizeof *completed);
    if (!completed)
        rc = client_fail(DUSK_E_NOMEM, "no memory to wait for %d futures", n);
    if (rc == 0) {
        completed->client = client;
        list_init(&completed->entries);
        list_init(&completed->ready);
        list_init(&completed->handed);
    }
    for (int i = 0; rc == 0 && i < n; i++)
        rc = entry_add(completed, futures[i]);
    if (rc == 0)
        *ret_completed = completed;
    else if (completed)
        completed_free(completed);
    client_leave(client);
    return rc;
}

void dusk_as_completed_destroy(struct dusk_as_completed *completed)
{
    if (!completed || client_enter(completed->client, false) < 0)
        return;
    struct dusk_client *client = completed->client;
    completed_free(completed);
    client_leave(client);
}

int dusk_as_completed_add(struct dusk_as_completed *completed,
                          struct dusk_future *future)
{
    int rc = client_enter(completed->client, true);
    if (rc < 0)
        return rc;
    rc = entry_add(completed, future);
    client_leave(completed->client);
    return rc;
}

/* Waits until something is in `ready`. */
static int ready_wait(struct dusk_as_completed *completed, double timeout_s)
{
    struct client_wait wait = client_wait_for(timeout_s);
    handed_release(completed);
    while (list_is_empty(&completed->ready)) {
        if (completed->count == 0)
            return DUSK_END;
        if (!client_wait_turn(completed->client, &wait))
            return client_fail(DUSK_E_TIMEOUT, "none of %d futures is done%s",
                               completed->count,
                               client_wait_text(completed->client, &wait).text);
    }
    return 0;
}

static struct dusk_future *hand_out(struct dusk_as_completed *completed)
{
    struct list *link = completed->ready.next;
    struct future_watch *watch = CONTAINER_OF(link, struct future_watch, link);
    struct entry *entry = CONTAINER_OF(watch, struct entry, watch);
    list_remove(&watch->link);
    list_remove(&entry->all);
    list_append(&completed->handed, &entry->all);
    completed->count--;
    return watch->future;
}

int dusk_as_completed_next(struct dusk_as_completed *completed, double timeout_s,
                           struct dusk_future **ret_future)
{
    int rc = client_enter(completed->client, false);
    if (rc < 0)
        return rc;
    rc = ready_wait(completed, timeout_s);
    if (rc == 0)
        *ret_future = hand_out(completed);
    client_leave(completed->client);
    return rc;
}

/* Room for one more in the batch. */
static int batch_reserve(struct dusk_as_completed *completed, int count)
{
    if (count < completed->batch_capacity)
        return 0;
    int capacity = completed->batch_capacity ? 2 * completed->batch_capacity : 64;
    void *batch =
        realloc(completed->batch, (size_t)capacity * sizeof *completed->batch);
    if (!batch)
        return DUSK_E_NOMEM;
    completed->batch = batch;
    completed->batch_capacity = capacity;
    return 0;
}

int dusk_as_completed_next_batch(struct dusk_as_completed *completed, double timeout_s,
                                 struct dusk_future *const **ret_futures,
                                 int *ret_count)
{
    int rc = client_enter(completed->client, false);
    if (rc < 0)
        return rc;
    /* What lies in the socket has come, too; a wait looks there itself. */
    if (completed->client->open && !list_is_empty(&completed->ready))
        client_turn(completed->client, 0);
    int count = 0;
    rc = ready_wait(completed, timeout_s);
    while (rc == 0 && !list_is_empty(&completed->ready) &&
           batch_reserve(completed, count) == 0)
        completed->batch[count++] = hand_out(completed);
    if (rc == 0 && count == 0)
        rc = client_fail(DUSK_E_NOMEM, "no memory for a batch of futures");
    if (rc == 0) {
        *ret_futures = completed->batch;
        *ret_count = count;
    }
    client_leave(completed->client);
    return rc;
}

int dusk_as_completed_count(struct dusk_as_completed *completed)
{
    return completed->count;
}

int dusk_as_completed_is_empty(struct dusk_as_completed *completed)
{
    return completed->count == 0;
}
