/* Bringing data here from other workers.  A want is queued at one of its sources, the
 * least busy one; each source is asked for a few at a time, and what is on its way
 * altogether is limited.  A source that fails is not tried again for that want; when
 * none is left, those who wait are told. */
#include "common/log.h"
#include "common/units.h"
#include "worker/core_state.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define HOST_FLIGHTS 2
#define FLIGHTS_MAX 32
#define FLIGHT_FRACTION 8 /* of the data limit may be on its way, or one want */
#define IDLE_NS (30 * NS_PER_S)
/* How long an answer may take: some seconds, and the time on a slow network. */
#define ANSWER_NS (10 * NS_PER_S)
#define SLOW_BYTES_PER_S (UINT64_C(2) << 20)

/* ---- hosts ---- */

static struct host *host_get(struct worker_core *core, struct str address)
{
    uint64_t hash = XXH3_64bits(address.text, address.size);
    struct host *first = map_get(&core->hosts, hash), *host = first;
    while (host && (strlen(host->address) != address.size ||
                    memcmp(host->address, address.text, address.size) != 0))
        host = host->next;
    if (host || !(host = calloc(1, sizeof *host + address.size + 1)))
        return host;
    heap_init(&host->queue);
    list_init(&host->flights);
    list_init(&host->link);
    memcpy(host->address, address.text, address.size);
    host->hash = hash;
    host->next = first;
    if (map_put(&core->hosts, hash, host) < 0) {
        free(host);
        return NULL;
    }
    return host;
}

static void host_destroy(struct worker_core *core, struct host *host)
{
    struct host *first = map_get(&core->hosts, host->hash);
    if (first != host) {
        while (first->next != host)
            first = first->next;
        first->next = host->next;
    } else if (host->next) {
        map_put(&core->hosts, host->hash, host->next);
    } else {
        map_remove(&core->hosts, host->hash);
    }
    list_remove(&host->link);
    heap_fini(&host->queue);
    free(host);
}

/* Forgets a host that nothing refers to. */
static void host_settle(struct worker_core *core, struct host *host)
{
    if (!host->references && !host->peer.number)
        host_destroy(core, host);
}

/* Keeps the list of hosts that can be asked for something. */
static void host_place(struct worker_core *core, struct host *host)
{
    bool able = host->queue.count && host->flight_count < HOST_FLIGHTS;
    if (able && list_is_empty(&host->link))
        list_append(&core->hosts_able, &host->link);
    else if (!able)
        list_remove(&host->link);
}

static int host_dial(struct worker_core *core, struct host *host)
{
    if (host->peer.number)
        return 0;
    struct peer_id peer = peer_dial(core, host->address);
    if (map_put(&core->dialed, peer.number, host) < 0) {
        peer_hangup(core, peer);
        return DUSK_E_NOMEM;
    }
    host->peer = peer;
    return 0;
}

/* ---- wants ---- */

static struct host *want_host(const struct want *want)
{
    return want->places[want->place].host;
}

static void want_dequeue(struct worker_core *core, struct want *want)
{
    if (!heap_holds(&want->queued))
        return;
    heap_remove(&want_host(want)->queue, &want->queued);
    host_place(core, want_host(want));
}

/* Ends the flight, if any: what was reserved for it is free again. */
static void want_land(struct worker_core *core, struct want *want)
{
    if (!want->flying)
        return;
    struct host *host = want_host(want);
    want->flying = false;
    list_remove(&want->link);
    host->flight_count--;
    host->used_ns = core->now_ns;
    core->flight_count--;
    core->flight_bytes -= want->nbytes;
    store_unreserve(&core->store, want->nbytes);
    host_place(core, host);
}

static void want_destroy(struct worker_core *core, struct want *want)
{
    want_dequeue(core, want);
    want_land(core, want);
    list_remove(&want->link);
    map_remove(&core->wants, want->key.bits);
    for (unsigned i = 0; i < want->place_count; i++) {
        want->places[i].host->references--;
        host_settle(core, want->places[i].host);
    }
    free(want->places);
    free(want);
}

static size_t host_load(const struct host *host)
{
    return host->flight_count + host->queue.count;
}

/* Queues the want at the least busy source that has not failed it; without one it
 * is lost. */
static void want_enqueue(struct worker_core *core, struct want *want)
{
    const struct host *best = NULL;
    for (unsigned i = 0; i < want->place_count; i++) {
        const struct source_place *place = &want->places[i];
        if (place->tried || (best && host_load(best) <= host_load(place->host)))
            continue;
        best = place->host;
        want->place = i;
    }
    if (best && heap_push(&want_host(want)->queue, &want->queued) == 0)
        host_place(core, want_host(want));
    else
        list_append(&core->wants_lost, &want->link);
}

/* The source it was queued at, or flew from, has failed. */
static void want_next_place(struct worker_core *core, struct want *want)
{
    want_dequeue(core, want);
    want_land(core, want);
    want->places[want->place].tried = true;
    want_enqueue(core, want);
}

static bool want_knows(const struct want *want, const struct host *host)
{
    for (unsigned i = 0; i < want->place_count; i++)
        if (want->places[i].host == host)
            return true;
    return false;
}

static int want_add_place(struct worker_core *core, struct want *want,
                          const struct source *source)
{
    struct str own = str_of(core->config.address);
    struct str address = source->address;
    if (!address.size ||
        (address.size == own.size && memcmp(address.text, own.text, own.size) == 0))
        return 0;
    struct host *host = host_get(core, address);
    if (!host)
        return DUSK_E_NOMEM;
    if (want_knows(want, host))
        return 0;
    void *places =
        realloc(want->places, (want->place_count + 1) * sizeof *want->places);
    if (!places) {
        host_settle(core, host);
        return DUSK_E_NOMEM;
    }
    want->places = places;
    want->places[want->place_count++] = (struct source_place){.host = host};
    host->references++;
    return 0;
}

static struct want *want_create(struct worker_core *core, struct task_key key)
{
    struct want *want = calloc(1, sizeof *want);
    if (!want || map_put(&core->wants, key.bits, want) < 0) {
        free(want);
        return NULL;
    }
    list_init(&want->link);
    list_init(&want->users);
    want->key = key;
    want->queued.priority = INT64_MAX;
    want->queued.order = ++core->want_order;
    return want;
}

/* A queued want moves when its priority rises. */
static void want_hurry(struct worker_core *core, struct want *want, int64_t priority)
{
    if (priority >= want->queued.priority)
        return;
    bool queued = heap_holds(&want->queued);
    want_dequeue(core, want);
    want->queued.priority = priority;
    if (queued)
        want_enqueue(core, want);
}

int want_add(struct worker_core *core, struct task_key key, field_sources sources,
             struct attempt_input *user, bool acquire)
{
    struct want *want = map_get(&core->wants, key.bits);
    if (!want && !(want = want_create(core, key)))
        return DUSK_E_NOMEM;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sources.count; i++) {
        if (!key_equal(sources.items[i].key, key))
            continue;
        if (!want->flying)
            want->nbytes = sources.items[i].nbytes;
        rc = want_add_place(core, want, &sources.items[i]);
    }
    if (rc < 0 && list_is_empty(&want->users) && !want->acquire) {
        want_destroy(core, want);
        return rc;
    }
    want->acquire |= acquire;
    if (user) {
        user->want = want;
        list_append(&want->users, &user->link);
        want_hurry(core, want, user->attempt->ready.priority);
    }
    if (!want->flying && !heap_holds(&want->queued)) {
        list_remove(&want->link);
        want_enqueue(core, want);
    }
    return 0;
}

void want_forget_user(struct worker_core *core, struct attempt_input *user)
{
    struct want *want = user->want;
    list_remove(&user->link);
    user->want = NULL;
    if (list_is_empty(&want->users) && !want->acquire && !want->closing)
        want_destroy(core, want);
}

static const char *want_address(const struct worker_core *core, const struct want *want)
{
    return want->place_count ? want_host(want)->address : core->config.address;
}

static struct attempt_input *want_first_user(const struct want *want)
{
    return CONTAINER_OF(want->users.next, struct attempt_input, link);
}

/* Nobody has it: everyone who waits is told which source was the last to fail. */
static void want_give_up(struct worker_core *core, struct want *want)
{
    want->closing = true;
    const char *address = want_address(core, want);
    while (!list_is_empty(&want->users))
        attempt_input_missing(core, want_first_user(want), address);
    if (want->acquire)
        session_send(core, MESSAGE(missing, .key = want->key, .input = want->key,
                                   .address = str_of(address)));
    want_destroy(core, want);
}

/* Memory cannot take it, now or later. */
static void want_fail(struct worker_core *core, struct want *want)
{
    struct err_text text;
    int code = memory_reason(core, want->nbytes, &text);
    want->closing = true;
    while (!list_is_empty(&want->users)) {
        struct attempt *attempt = want_first_user(want)->attempt;
        attempt_fail(core, attempt, code, "%s (%s on worker %s)", text.line,
                     attempt->function, core->config.name);
    }
    want_give_up(core, want);
}

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
    peer_send(core, host->peer,
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

static void tell_have(struct worker_core *core, const struct store_entry *entry)
{
    struct holding row = {entry->key, entry->bytes};
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
    tell_have(core, entry);
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
    peer_hangup(core, peer);
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
    while ((host = map_next(&core->dialed, &position)))
        LIST_FOREACH (link, &host->flights) {
            struct want *want = CONTAINER_OF(link, struct want, link);
            if (want->told || core->now_ns < want->asked_ns + LONG_WAIT_NS)
                continue;
            want->told = true;
            note(core, LOG_WARNING,
                 "still waiting for " KEY_FORMAT " (%s) from %s, which may be busy",
                 KEY_ARGS(want->key), units_bytes((int64_t)want->nbytes).text,
                 host->address);
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
            tell_have(core, entry);
        } else if (want_add(core, key, (field_sources){all.items + i, next - i}, NULL,
                            true) < 0) {
            session_send(core, MESSAGE(missing, .key = key, .input = key,
                                       .address = all.items[i].address));
        }
    }
}

void gather_free(struct worker_core *core, struct task_key key)
{
    struct want *want = map_get(&core->wants, key.bits);
    if (want) {
        want->acquire = false;
        if (list_is_empty(&want->users))
            want_destroy(core, want);
    }
    struct store_entry *entry = store_get(&core->store, key);
    if (entry)
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
