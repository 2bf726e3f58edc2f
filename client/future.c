#include "client/future.h"

#include "client/core_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What comes after the end changes nothing: a cancelled future stays cancelled when
 * its result comes all the same.  A result that is away can still be lost, and one that
 * is here can be cancelled with what it needed: the scheduler has forgotten it then. */
static const uint8_t transitions[FUTURE_STATES][FUTURE_EVENTS] = {
#define ROW(finished, arrived, fails, cancel, gone)                                    \
    {                                                                                  \
        FUTURE_##finished, FUTURE_##arrived, FUTURE_##fails, FUTURE_##cancel,          \
            FUTURE_##gone                                                              \
    }
    [FUTURE_PENDING] = ROW(AWAY, HERE, ERROR, CANCELLED, LOST),
    [FUTURE_AWAY] = ROW(AWAY, HERE, ERROR, CANCELLED, LOST),
    [FUTURE_HERE] = ROW(HERE, HERE, HERE, CANCELLED, HERE),
    [FUTURE_ERROR] = ROW(ERROR, ERROR, ERROR, ERROR, ERROR),
    [FUTURE_CANCELLED] = ROW(CANCELLED, CANCELLED, CANCELLED, CANCELLED, CANCELLED),
    [FUTURE_LOST] = ROW(LOST, LOST, LOST, LOST, LOST),
#undef ROW
};

static const enum dusk_status statuses[FUTURE_STATES] = {
    [FUTURE_PENDING] = DUSK_PENDING, [FUTURE_AWAY] = DUSK_FINISHED,
    [FUTURE_HERE] = DUSK_FINISHED,   [FUTURE_ERROR] = DUSK_ERROR,
    [FUTURE_LOST] = DUSK_LOST,       [FUTURE_CANCELLED] = DUSK_CANCELLED,
};

enum dusk_status future_status(const struct dusk_future *future)
{
    return statuses[future->state];
}

struct future_name future_name(const struct dusk_future *future)
{
    struct future_name name;
    const struct future_spec *spec = future->spec;
    snprintf(name.text, sizeof name.text, "%.80s (" KEY_FORMAT ")",
             spec->function ? spec->function : "scattered data", KEY_ARGS(future->key));
    return name;
}

/* ---- specs ---- */

/* ---- who needs it ---- */

static bool future_is_brought_for_others(const struct dusk_future *future)
{
    bool moves = future->state == FUTURE_PENDING ||
                 (future->transfer && future->transfer->brings);
    return !future->spec->function && moves && !future_has_failed(future) &&
           future->references > future->wanted;
}

bool future_is_needed(const struct dusk_future *future)
{
    return future->wanted > 0 || future_is_brought_for_others(future);
}

/* A task that the scheduler never heard of is forgotten, unless others depend on it;
 * one that waits to be submitted or cancelled is released after that. */
static void future_release(struct dusk_future *future)
{
    client_transfer_end(future);
    if (future->core->link == LINK_CLOSED)
        client_queue(future, QUEUE_NONE);
    else if (future->queued == QUEUE_CANCEL)
        return;
    else if (future->references == 0)
        client_queue(future, future->session ? QUEUE_RELEASE : QUEUE_NONE);
    else if (future->queued == QUEUE_NONE && future->session)
        client_queue(future, QUEUE_RELEASE);
}

struct future_spec *future_spec_create(const char *function, const char *worker,
                                       struct payload *payload,
                                       struct dusk_future *const *dependencies,
                                       unsigned count)
{
    size_t list = count * sizeof(struct dusk_future *);
    size_t function_size = function ? strlen(function) + 1 : 0;
    size_t worker_size = worker ? strlen(worker) + 1 : 0;
    struct future_spec *spec =
        malloc(sizeof *spec + list + function_size + worker_size);
    if (!spec)
        return NULL;
    *spec = (struct future_spec){.payload = payload, .dependency_count = count};
    char *text = (char *)&spec->dependencies[count];
    if (function)
        spec->function = memcpy(text, function, function_size);
    if (worker)
        spec->worker = memcpy(text + function_size, worker, worker_size);
    for (unsigned i = 0; i < count; i++) {
        spec->dependencies[i] = dependencies[i];
        dependencies[i]->references++;
    }
    return spec;
}

void future_brought(struct dusk_future *future)
{
    bool others = future_is_brought_for_others(future);
    client_transfer_end(future);
    if (others && !future_is_needed(future))
        future_release(future);
}

/* One reference of a spec less. */
static void future_unref(struct dusk_future *future)
{
    bool brought = future_is_brought_for_others(future);
    future->references--;
    if (brought && !future_is_needed(future))
        future_release(future);
}

void future_spec_destroy(struct future_spec *spec)
{
    for (unsigned i = 0; i < spec->dependency_count; i++) {
        future_unref(spec->dependencies[i]);
        future_collect(spec->dependencies[i]);
    }
    payload_unref(spec->payload);
    free(spec->resources);
    free(spec);
}

/* ---- the end of a future ---- */

void future_watch(struct future_watch *watch, struct dusk_future *future,
                  struct list *ready)
{
    watch->future = future;
    watch->ready = ready;
    list_append(future_is_done(future) ? ready : &future->watches, &watch->link);
}

static void watches_wake(struct dusk_future *future)
{
    LIST_FOREACH (link, &future->watches) {
        struct future_watch *watch = CONTAINER_OF(link, struct future_watch, link);
        list_remove(link);
        list_append(watch->ready, link);
    }
}

bool future_apply(struct dusk_future *future, enum future_event event)
{
    enum future_state after = transitions[future->state][event];
    bool again = future->state == FUTURE_AWAY && after == FUTURE_AWAY;
    if (after == future->state && !again) {
        future->core->late++;
        return false;
    }
    bool brought = future_is_brought_for_others(future);
    future->state = (uint8_t)after;
    if (brought && !future_is_needed(future))
        future_release(future);
    watches_wake(future);
    return true;
}

static enum future_event event_of_code(int code)
{
    switch (code) {
    case DUSK_E_CANCELLED:
        return FUTURE_CANCEL;
    case DUSK_E_DATA_LOST:
        return FUTURE_GONE;
    default:
        return FUTURE_FAILS;
    }
}

void future_reason_set(struct dusk_future *future, int code, struct str reason)
{
    future->code = code;
    free(future->line);
    future->line = str_copy(reason);
}

bool future_fail(struct dusk_future *future, int code, struct str reason)
{
    if (!future_apply(future, event_of_code(code)))
        return false;
    future_reason_set(future, code, reason);
    client_transfer_end(future);
    return true;
}

/* ---- references ---- */

void future_want(struct dusk_future *future)
{
    future->references++;
    future->wanted++;
}

void future_unwant(struct dusk_future *future)
{
    future->references--;
    if (--future->wanted == 0 && !future_is_needed(future))
        future_release(future);
    future_collect(future);
}

static void future_free(struct dusk_future *future)
{
    struct client_core *core = future->core;
    map_remove(&core->by_key, future->key.bits);
    list_remove(&future->all);
    payload_unref(future->spec->payload);
    free(future->spec->resources);
    free(future->spec);
    values_destroy(future->values);
    payload_unref(future->result);
    free(future->items);
    free(future->line);
    free(future);
}

static bool future_is_garbage(const struct dusk_future *future)
{
    return future->references == 0 && future->queued == QUEUE_NONE;
}

/* Chains of futures can be long, so this must not recurse: what has become garbage
 * waits in a list, through the link of the queue that it is not in. */
void future_collect(struct dusk_future *future)
{
    if (!future_is_garbage(future))
        return;
    struct list *garbage = &future->core->garbage;
    list_append(garbage, &future->queue);
    while (!list_is_empty(garbage)) {
        future = CONTAINER_OF(garbage->next, struct dusk_future, queue);
        list_remove(&future->queue);
        for (unsigned i = 0; i < future->spec->dependency_count; i++) {
            struct dusk_future *needed = future->spec->dependencies[i];
            future_unref(needed);
            if (future_is_garbage(needed))
                list_append(garbage, &needed->queue);
        }
        future_free(future);
    }
}
