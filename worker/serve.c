#include "common/log.h"
#include "common/units.h"
#include "proto/limits.h"
#include "worker/core_state.h"

#include <stdio.h>
#include <stdlib.h>

/* Brought data that may wait for room: at half the number, or beyond this part of the
 * memory, receiving pauses; more are turned away. */
#define ARRIVALS_MAX 64
#define ARRIVALS_FRACTION 4
/* The scheduler is told of data that are asked for and not here unless so much waits
 * for it already. */
#define ABSENT_BYTES 65536

static void send_no_data(struct worker_core *core, struct peer_id peer, uint64_t number,
                         struct task_key key, int code, const char *reason)
{
    core_send(core, peer,
              MESSAGE(no_data, .request = number, .key = key, .code = code,
                      .reason = str_of(reason)));
}

/* ---- giving ---- */

/* Keeps the request on the list, after those that came before. */
static void request_note(struct worker_core *core, struct list *list,
                         struct peer_id peer, uint64_t number, struct task_key key)
{
    if (core->request_count >= LIMIT_REQUESTS) {
        send_no_data(core, peer, number, key, DUSK_E_LIMIT,
                     "too many requests wait for data here");
        return;
    }
    struct request *request = calloc(1, sizeof *request);
    if (!request) {
        send_no_data(core, peer, number, key, DUSK_E_NOMEM,
                     "no memory to note the request");
        return;
    }
    *request = (struct request){.peer = peer, .number = number, .key = key};
    list_append(list, &request->link);
    core->request_count++;
}

static void request_destroy(struct worker_core *core, struct request *request)
{
    list_remove(&request->link);
    core->request_count--;
    free(request);
}

/* 0: sent; > 0: what waits for the peer must leave first. */
static int send_data(struct worker_core *core, struct peer_id peer, uint64_t number,
                     struct store_entry *entry)
{
    size_t waiting = outbox_waiting(&core->outbox, peer);
    if (waiting > LIMIT_OUTBOX_BYTES)
        return 1;
    int rc =
        outbox_add(&core->outbox, peer,
                   MESSAGE(data, .request = number, .key = entry->key,
                           .checksum = store_checksum(entry), .data = entry->payload));
    if (rc == DUSK_E_LIMIT && waiting)
        return 1;
    if (rc < 0)
        send_no_data(core, peer, number, entry->key, rc, "it cannot be sent");
    return 0;
}

/* Whoever asks for it was told that it is here.  A flood of such requests is not passed
 * on. */
static void tell_absent(struct worker_core *core, struct task_key key)
{
    if (outbox_waiting(&core->outbox, core->session.peer) < ABSENT_BYTES)
        session_send(core, MESSAGE(dropped, .keys = {&key, 1}));
}

/* As send_data, also for what is not here or on disk. */
static int answer(struct worker_core *core, struct peer_id peer, uint64_t number,
                  struct task_key key)
{
    struct store_entry *entry = store_get(&core->store, key);
    if (!entry) {
        char line[128];
        snprintf(line, sizeof line, KEY_FORMAT " is not here", KEY_ARGS(key));
        send_no_data(core, peer, number, key, DUSK_E_NOT_FOUND, line);
        tell_absent(core, key);
    } else if (entry->payload) {
        store_touch(&core->store, entry);
        return send_data(core, peer, number, entry);
    } else {
        request_note(core, &entry->requests, peer, number, key);
        memory_load(core, entry);
    }
    return 0;
}

void serve_get(struct worker_core *core, struct peer_id peer,
               const struct msg_get_data *message)
{
    if (answer(core, peer, message->request, message->key) > 0)
        request_note(core, &core->held_back, peer, message->request, message->key);
}

static struct request *next_held_back(struct worker_core *core, struct peer_id peer)
{
    LIST_FOREACH (link, &core->held_back) {
        struct request *request = CONTAINER_OF(link, struct request, link);
        if (request->peer.number == peer.number)
            return request;
    }
    return NULL;
}

/* An answer may lose the peer and with it all that is on the list. */
void serve_sent(struct worker_core *core, struct peer_id peer)
{
    struct request *request;
    while ((request = next_held_back(core, peer))) {
        list_remove(&request->link);
        if (answer(core, peer, request->number, request->key) > 0) {
            list_append(core->held_back.next, &request->link);
            return;
        }
        request_destroy(core, request);
        memory_advance(core);
    }
}

void serve_entry(struct worker_core *core, struct store_entry *entry, int code,
                 const char *line)
{
    while (!list_is_empty(&entry->requests)) {
        struct request *request =
            CONTAINER_OF(entry->requests.next, struct request, link);
        list_remove(&request->link);
        if (code < 0)
            send_no_data(core, request->peer, request->number, entry->key, code, line);
        else if (send_data(core, request->peer, request->number, entry) > 0) {
            list_append(&core->held_back, &request->link);
            continue;
        }
        request_destroy(core, request);
    }
    store_touch(&core->store, entry);
}

/* ---- taking ---- */

static void arrival_destroy(struct worker_core *core, struct arrival *arrival)
{
    list_remove(&arrival->link);
    core->arrival_count--;
    core->arrival_bytes -= arrival->bytes;
    payload_unref(arrival->payload);
    free(arrival);
}

static void arrival_keep(struct worker_core *core, struct arrival *arrival)
{
    struct store_entry *entry = store_get(&core->store, arrival->key);
    if (!entry &&
        store_add(&core->store, arrival->key, arrival->payload, false, &entry) < 0) {
        send_no_data(core, arrival->peer, arrival->number, arrival->key, DUSK_E_NOMEM,
                     "no memory to keep it");
        return;
    }
    entry->copy = false;
    entry->checksum = arrival->checksum;
    if (!attempt_is_later(entry->attempt, arrival->attempt))
        entry->attempt = arrival->attempt;
    gather_settled(core, entry);
    gather_tell_have(core, entry);
    core_send(core, arrival->peer,
              MESSAGE(stored, .request = arrival->number, .key = arrival->key));
}

/* Brought data waits here until there is room for it, which is at once as a rule. */
void serve_advance(struct worker_core *core)
{
    while (!list_is_empty(&core->arrivals)) {
        struct arrival *arrival =
            CONTAINER_OF(core->arrivals.next, struct arrival, link);
        bool here = store_get(&core->store, arrival->key) != NULL;
        int rc = here ? 0 : memory_make_room(core, arrival->bytes);
        if (rc > 0 || (rc < 0 && core_is_moving(core)))
            return;
        struct err_text text;
        /* The answer may lose the peer, which ends the arrivals on the list. */
        list_remove(&arrival->link);
        if (rc == 0)
            arrival_keep(core, arrival);
        else
            send_no_data(core, arrival->peer, arrival->number, arrival->key,
                         memory_reason(core, arrival->bytes, &text), text.line);
        arrival_destroy(core, arrival);
    }
}

static int put_check(struct worker_core *core, const struct msg_put_data *message,
                     struct err_text *text)
{
    if (!message->data)
        return err_set(text, DUSK_E_INVALID, KEY_FORMAT " comes without data",
                       KEY_ARGS(message->key));
    size_t bytes = payload_bytes(message->data);
    if (bytes > core->store.limit)
        return memory_reason(core, bytes, text);
    if (payload_checksum(message->data) != message->checksum)
        return err_set(text, DUSK_E_DATA, KEY_FORMAT " has a wrong checksum",
                       KEY_ARGS(message->key));
    struct values *values;
    int rc = values_create(message->data, text, &values);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; rc == 0 && i < values->count; i++)
        if (values->items[i].kind == VALUE_FUTURE)
            rc = err_set(text, DUSK_E_TYPE,
                         KEY_FORMAT " holds a future, which is no data",
                         KEY_ARGS(message->key));
    values_destroy(values);
    if (rc == 0 && core->arrival_count >= ARRIVALS_MAX)
        return err_set(text, DUSK_E_BUSY, "too much data is waiting for room here");
    return rc;
}

void serve_put(struct worker_core *core, struct peer_id peer,
               const struct msg_put_data *message)
{
    struct err_text text;
    int rc = put_check(core, message, &text);
    struct arrival *arrival = rc == 0 ? calloc(1, sizeof *arrival) : NULL;
    if (rc == 0 && !arrival)
        rc = err_set(&text, DUSK_E_NOMEM, "no memory to take it");
    if (rc < 0) {
        send_no_data(core, peer, message->request, message->key, rc, text.line);
        return;
    }
    *arrival = (struct arrival){.peer = peer,
                                .number = message->request,
                                .key = message->key,
                                .attempt = message->attempt,
                                .checksum = message->checksum,
                                .payload = payload_ref(message->data),
                                .bytes = payload_bytes(message->data)};
    list_append(&core->arrivals, &arrival->link);
    core->arrival_count++;
    core->arrival_bytes += arrival->bytes;
}

bool worker_core_is_full(const struct worker_core *core)
{
    return core->arrival_count >= ARRIVALS_MAX / 2 ||
           core->arrival_bytes > core->store.limit / ARRIVALS_FRACTION;
}

/* ---- life ---- */

static void requests_drop(struct worker_core *core, struct list *list,
                          struct peer_id peer)
{
    LIST_FOREACH (link, list) {
        struct request *request = CONTAINER_OF(link, struct request, link);
        if (request->peer.number == peer.number)
            request_destroy(core, request);
    }
}

void serve_peer_gone(struct worker_core *core, struct peer_id peer)
{
    requests_drop(core, &core->held_back, peer);
    LIST_FOREACH (link, &core->loads)
        requests_drop(core, &CONTAINER_OF(link, struct store_entry, load)->requests,
                      peer);
    LIST_FOREACH (link, &core->arrivals) {
        struct arrival *arrival = CONTAINER_OF(link, struct arrival, link);
        if (arrival->peer.number == peer.number)
            arrival_destroy(core, arrival);
    }
}

static void requests_free(struct worker_core *core, struct list *list)
{
    while (!list_is_empty(list))
        request_destroy(core, CONTAINER_OF(list->next, struct request, link));
}

void serve_destroy_all(struct worker_core *core)
{
    while (!list_is_empty(&core->arrivals))
        arrival_destroy(core, CONTAINER_OF(core->arrivals.next, struct arrival, link));
    requests_free(core, &core->held_back);
    size_t position = 0;
    struct store_entry *entry;
    while ((entry = map_next(&core->store.entries, &position)))
        requests_free(core, &entry->requests);
}
