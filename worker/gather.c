/* Bringing here what is wanted: each host is asked for a few at a time, and what is on
 * its way altogether is limited. */
#include "common/log.h"
#include "proto/address.h"
#include "worker/core_state.h"

#include <stdlib.h>
#include <string.h>

#define FLIGHTS_MAX 32
#define FLIGHT_FRACTION 8 /* of the data limit may be on its way, or one want */
#define IDLE_NS (30 * NS_PER_S)
/* How long an answer may take: some seconds, and the time on a slow network. */
#define ANSWER_NS (10 * NS_PER_S)
#define SLOW_BYTES_PER_S (UINT64_C(2) << 20)

/* ---- asking ---- */

/* 0: asked; > 0: not now. */
static int want_ask(struct worker_core *core, struct want *want)
{
    struct host *host = want_host(want);
    int rc = memory_make_room(core, want->nbytes);
    if (rc < 0 && !core_is_moving(core)) {
        want_fail(core, want);
        return 0;
    }
    if (rc != 0 || host_dial(core, host) < 0)
        return 1;
    want_dequeue(core, want);
    store_reserve(&core->store, want->nbytes);
    want->flying = true;
    want->request = ++core->last_request;
    want->deadline_ns =
        core->now_ns + ANSWER_NS + want->nbytes / SLOW_BYTES_PER_S * NS_PER_S;
    /* What comes from one host shares the way: each waits for the others too. */
    LIST_FOREACH (link, &host->flights) {
        struct want *other = CONTAINER_OF(link, struct want, link);
        other->deadline_ns += want->nbytes / SLOW_BYTES_PER_S * NS_PER_S;
        want->deadline_ns += other->nbytes / SLOW_BYTES_PER_S * NS_PER_S;
    }
    list_append(&host->flights, &want->link);
    host->flight_count++;
    host->used_ns = core->now_ns;
    core->flight_count++;
    core->flight_bytes += want->nbytes;
    host_place(core, host);
    core_send(core, host->peer,
              MESSAGE(get_data, .request = want->request, .key = want->key));
    return 0;
}

void gather_advance(struct worker_core *core)
{
    while (!list_is_empty(&core->wants_lost))
        want_give_up(core, CONTAINER_OF(core->wants_lost.next, struct want, link));
    while (!list_is_empty(&core->hosts_able) && core->flight_count < FLIGHTS_MAX) {
        struct host *host = CONTAINER_OF(core->hosts_able.next, struct host, link);
        struct want *want = CONTAINER_OF(heap_first(&host->queue), struct want, queued);
        size_t limit = core->store.limit / FLIGHT_FRACTION;
        if (core->flight_count && core->flight_bytes + want->nbytes > limit)
            return;
        if (want_ask(core, want) > 0)
            return;
    }
}

/* ---- answers ---- */

/* The want that this answer belongs to; NULL when it came too late. */
static struct want *want_answered(const struct worker_core *core, struct peer_id peer,
                                  struct task_key key, uint64_t request)
{
    struct want *want = map_get(&core->wants, key.bits);
    if (!want || !want->flying || want->request != request ||
        want_host(want)->peer.number != peer.number)
        return NULL;
    return want;
}

void gather_settled(struct worker_core *core, struct store_entry *entry)
{
    struct want *want = map_get(&core->wants, entry->key.bits);
    if (!want)
        return;
    want->closing = true;
    if (want->acquire)
        entry->copy = false;
    while (!list_is_empty(&want->users)) {
        struct attempt_input *input = want_first_user(want);
        attempt_input_arrived(core, input, entry);
    }
    want_destroy(core, want);
    store_touch(&core->store, entry);
}

void gather_tell_have(struct worker_core *core, struct store_entry *entry)
{
    struct holding row = {entry->key, entry->bytes};
    entry->told = true;
    session_send(core, MESSAGE(have, .holdings = {&row, 1}));
}

static const char *data_fault(const struct msg_data *message)
{
    struct values *values;
    if (!message->data)
        return "brings nothing";
    if (payload_checksum(message->data) != message->checksum)
        return "has a wrong checksum";
    if (values_create(message->data, NULL, &values) < 0)
        return "cannot be read";
    values_destroy(values);
    return NULL;
}

void gather_data(struct worker_core *core, struct peer_id peer,
                 const struct msg_data *message)
{
    struct want *want = want_answered(core, peer, message->key, message->request);
    if (!want)
        return;
    const char *fault = data_fault(message);
    struct store_entry *entry = NULL;
    if (!fault) {
        want_land(core, want);
        if (memory_make_room(core, payload_bytes(message->data)) != 0)
            fault = "is larger than the scheduler said";
        else if (store_add(&core->store, want->key, message->data, !want->acquire,
                           &entry) < 0)
            fault = "finds no memory";
    }
    if (fault) {
        note(core, LOG_WARNING, "data " KEY_FORMAT " from %s %s", KEY_ARGS(want->key),
             want_host(want)->address, fault);
        want_next_place(core, want);
        return;
    }
    entry->checksum = message->checksum;
    gather_tell_have(core, entry);
    gather_settled(core, entry);
}

void gather_no_data(struct worker_core *core, struct peer_id peer,
                    const struct msg_no_data *message)
{
    struct want *want = want_answered(core, peer, message->key, message->request);
    if (want)
        want_next_place(core, want);
}

void gather_peer_gone(struct worker_core *core, struct peer_id peer)
{
    struct host *host = map_remove(&core->dialed, peer.number);
    if (!host)
        return;
    host->peer = (struct peer_id){0};
    host->references++; /* stays until all of its wants have left */
    while (!list_is_empty(&host->flights))
        want_next_place(core, CONTAINER_OF(host->flights.next, struct want, link));
    while (heap_first(&host->queue))
        want_next_place(core,
                        CONTAINER_OF(heap_first(&host->queue), struct want, queued));
    host->references--;
    host_settle(core, host);
}

static void host_close(struct worker_core *core, struct host *host)
{
    struct peer_id peer = host->peer;
    core_hangup(core, peer);
    gather_peer_gone(core, peer);
}

/* A host that owes an answer for too long, or has had nothing to do. */
static struct host *host_to_close(const struct worker_core *core)
{
    size_t position = 0;
    struct host *host;
    while ((host = map_next(&core->dialed, &position))) {
        if (host->flight_count == 0 && core->now_ns >= host->used_ns + IDLE_NS)
            return host;
        LIST_FOREACH (link, &host->flights)
            if (core->now_ns >= CONTAINER_OF(link, struct want, link)->deadline_ns)
                return host;
    }
    return NULL;
}

static void tell_long_flights(struct worker_core *core)
{
    size_t position = 0;
    const struct host *host;
    while ((host = map_next(&core->dialed, &position))) {
        unsigned count = 0;
        struct task_key first = {0};
        LIST_FOREACH (link, &host->flights) {
            struct want *want = CONTAINER_OF(link, struct want, link);
            if (want->told || core->now_ns < want->asked_ns + LONG_WAIT_NS)
                continue;
            want->told = true;
            first = count++ ? first : want->key;
        }
        if (count)
            note(core, LOG_WARNING,
                 "still waiting for " KEY_FORMAT
                 ", the first of %u, from " ADDRESS_FORMAT ", which may be busy",
                 KEY_ARGS(first), count, ADDRESS_ARGS(host->address));
    }
}

void gather_tick(struct worker_core *core)
{
    tell_long_flights(core);
    struct host *host;
    while ((host = host_to_close(core))) {
        if (host->flight_count)
            note(core, LOG_WARNING, "%s does not answer; looking elsewhere",
                 host->address);
        host_close(core, host);
    }
}

/* ---- the scheduler's wishes ---- */

void gather_acquire(struct worker_core *core, const struct msg_acquire *message)
{
    const field_sources all = message->sources;
    for (size_t i = 0, next; i < all.count; i = next) {
        struct task_key key = all.items[i].key;
        for (next = i + 1; next < all.count && key_equal(all.items[next].key, key);)
            next++;
        struct store_entry *entry = store_get(&core->store, key);
        if (entry) {
            entry->copy = false;
            store_touch(&core->store, entry);
            gather_tell_have(core, entry);
        } else if (want_add(core, key, (field_sources){all.items + i, next - i}, NULL,
                            true) < 0) {
            session_send(core, MESSAGE(missing, .key = key, .input = key,
                                       .address = all.items[i].address));
        }
    }
}

void gather_free(struct worker_core *core, struct task_key key, uint64_t attempt)
{
    struct want *want = map_get(&core->wants, key.bits);
    if (want) {
        want->acquire = false;
        if (list_is_empty(&want->users))
            want_destroy(core, want);
    }
    struct store_entry *entry = store_get(&core->store, key);
    if (!entry || attempt_is_later(entry->attempt, attempt))
        return;
    /* The scheduler may have freed it before it read that it is here. */
    if (entry->told)
        session_send(core, MESSAGE(dropped, .keys = {&key, 1}));
    memory_drop(core, entry, DUSK_E_NOT_FOUND, "freed");
}

/* ---- life ---- */

void gather_destroy_all(struct worker_core *core)
{
    size_t position = 0;
    struct want *want;
    while ((want = map_next(&core->wants, &position))) {
        want_destroy(core, want);
        position = 0;
    }
    struct host *host;
    position = 0;
    while ((host = map_next(&core->hosts, &position))) {
        host->references = 0;
        host_destroy(core, host);
        position = 0;
    }
    map_fini(&core->wants);
    map_fini(&core->hosts);
    map_fini(&core->dialed);
}

int gather_check(const struct worker_core *core, struct err_text *text)
{
    size_t position = 0, bytes = 0;
    unsigned flights = 0;
    const struct want *want;
    while ((want = map_next(&core->wants, &position))) {
        bool queued = heap_holds(&want->queued);
        const char *wrong = NULL;
        if (list_is_empty(&want->users) && !want->acquire)
            wrong = "is wanted by nobody";
        else if (store_get(&core->store, want->key))
            wrong = "is wanted and here";
        else if (queued && want->flying)
            wrong = "is queued and flying";
        else if (!queued && list_is_empty(&want->link))
            wrong = "is nowhere";
        if (wrong)
            return err_set(text, DUSK_E_INTERNAL, "data " KEY_FORMAT " %s",
                           KEY_ARGS(want->key), wrong);
        flights += want->flying;
        bytes += want->flying ? want->nbytes : 0;
    }
    if (flights != core->flight_count || bytes != core->flight_bytes)
        return err_set(text, DUSK_E_INTERNAL,
                       "%u flights of %zu bytes, counted %u, %zu", flights, bytes,
                       core->flight_count, core->flight_bytes);
    return 0;
}
