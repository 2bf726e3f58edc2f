/* What is wanted from other workers.  A want is queued at one of its sources, the least
 * busy one.  A source that fails is not tried again for that want; when none is left,
 * those who wait are told. */
#include "common/log.h"
#include "worker/core_state.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define HOST_FLIGHTS 2 /* what one host is asked for at a time */

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

void host_destroy(struct worker_core *core, struct host *host)
{
    struct host *first = map_get(&core->hosts, host->hash);
    if (first != host) {
        while (first->next != host)
            first = first->next;
        first->next = host->next;
    } else {
        /* In the place that has become free, which cannot fail. */
        map_remove(&core->hosts, host->hash);
        if (host->next)
            map_put(&core->hosts, host->hash, host->next);
    }
    list_remove(&host->link);
    heap_fini(&host->queue);
    free(host);
}

void host_settle(struct worker_core *core, struct host *host)
{
    if (!host->references && !host->peer.number)
        host_destroy(core, host);
}

void host_place(struct worker_core *core, struct host *host)
{
    bool able = host->queue.count && host->flight_count < HOST_FLIGHTS;
    if (able && list_is_empty(&host->link))
        list_append(&core->hosts_able, &host->link);
    else if (!able)
        list_remove(&host->link);
}

int host_dial(struct worker_core *core, struct host *host)
{
    if (host->peer.number)
        return 0;
    struct peer_id peer = core_dial(core, host->address);
    if (map_put(&core->dialed, peer.number, host) < 0) {
        core_hangup(core, peer);
        return DUSK_E_NOMEM;
    }
    host->peer = peer;
    return 0;
}

/* ---- wants ---- */

struct host *want_host(const struct want *want)
{
    return want->places[want->place].host;
}

void want_dequeue(struct worker_core *core, struct want *want)
{
    if (!heap_holds(&want->queued))
        return;
    heap_remove(&want_host(want)->queue, &want->queued);
    host_place(core, want_host(want));
}

void want_land(struct worker_core *core, struct want *want)
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

void want_destroy(struct worker_core *core, struct want *want)
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

void want_next_place(struct worker_core *core, struct want *want)
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

struct attempt_input *want_first_user(const struct want *want)
{
    return CONTAINER_OF(want->users.next, struct attempt_input, link);
}

/* Nobody has it: everyone who waits is told which source was the last to fail. */
void want_give_up(struct worker_core *core, struct want *want)
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

void want_fail(struct worker_core *core, struct want *want)
{
    struct err_text text;
    int code = memory_reason(core, want->nbytes, &text);
    want->closing = true;
    while (!list_is_empty(&want->users)) {
        struct attempt *attempt = want_first_user(want)->attempt;
        attempt_fail(core, attempt, code, "%s (worker %s)", text.line,
                     core->config.name);
    }
    want_give_up(core, want);
}
