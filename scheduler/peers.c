#include "scheduler/peers.h"

#include "common/clock.h"
#include "common/list.h"
#include "proto/limits.h"

#include <stdlib.h>

/* The first pause before a probe, and the longest: each is twice the one before. */
#define PAUSE_NS (5 * NS_PER_MS)
#define LAST_PAUSE_NS (3 * NS_PER_S)

void peers_init(struct peers *peers)
{
    *peers = (struct peers){0};
    heap_init(&peers->suspects);
}

void peers_fini(struct peers *peers)
{
    size_t position = 0;
    struct peer_link *peer;
    while ((peer = map_next(&peers->by_id, &position)))
        free(peer);
    map_fini(&peers->by_id);
    map_fini(&peers->by_identity);
    heap_fini(&peers->suspects);
}

static struct peer_link *peers_add(struct peers *peers, const struct identity *identity)
{
    /* Who is suspected later needs no memory for that: there is a place for all. */
    if (peers->by_id.count >= LIMIT_PEERS + LIMIT_STRANGERS ||
        heap_reserve(&peers->suspects, peers->by_id.count + 1) < 0)
        return NULL;
    struct peer_link *peer = calloc(1, sizeof *peer);
    if (!peer)
        return NULL;
    peer->id.number = ++peers->numbers;
    peer->identity = *identity;
    if (map_put(&peers->by_id, peer->id.number, peer) == 0) {
        if (map_put(&peers->by_identity, identity_hash(identity), peer) == 0)
            return peer;
        map_remove(&peers->by_id, peer->id.number);
    }
    free(peer);
    return NULL;
}

struct peer_link *peers_get(struct peers *peers, const struct identity *identity,
                            int fd, uint64_t now_ns)
{
    struct peer_link *peer = map_get(&peers->by_identity, identity_hash(identity));
    if (!peer) {
        if (!(peer = peers_add(peers, identity)))
            return NULL;
        peers_suspect_one(peers, peer, now_ns);
    }
    peer->fd = fd;
    return peer;
}

struct peer_link *peers_by_id(const struct peers *peers, struct peer_id id)
{
    return map_get(&peers->by_id, id.number);
}

struct peer_link *peers_by_fd(const struct peers *peers, int fd)
{
    size_t position = 0;
    struct peer_link *peer;
    while ((peer = map_next(&peers->by_id, &position)) && peer->fd != fd)
        continue;
    return peer;
}

static void suspect_clear(struct peers *peers, struct peer_link *peer)
{
    if (heap_holds(&peer->probe))
        heap_remove(&peers->suspects, &peer->probe);
}

void peers_forget(struct peers *peers, struct peer_link *peer)
{
    suspect_clear(peers, peer);
    map_remove(&peers->by_id, peer->id.number);
    map_remove(&peers->by_identity, identity_hash(&peer->identity));
    free(peer);
}

static void probe_after(struct peers *peers, struct peer_link *peer, uint64_t now_ns,
                        uint64_t pause_ns)
{
    suspect_clear(peers, peer);
    peer->pause_ns = pause_ns;
    peer->probe.priority = (int64_t)(now_ns + pause_ns);
    if (pause_ns <= LAST_PAUSE_NS)
        heap_push(&peers->suspects, &peer->probe);
}

void peers_suspect_one(struct peers *peers, struct peer_link *peer, uint64_t now_ns)
{
    probe_after(peers, peer, now_ns, PAUSE_NS);
}

void peers_suspect(struct peers *peers, int fd, uint64_t now_ns)
{
    size_t position = 0;
    struct peer_link *peer;
    while ((peer = map_next(&peers->by_id, &position)))
        if (peer->fd == fd)
            peers_suspect_one(peers, peer, now_ns);
}

struct peer_link *peers_next_suspect(struct peers *peers, uint64_t now_ns)
{
    if (peers_next_probe_ns(peers) > now_ns)
        return NULL;
    struct peer_link *peer =
        CONTAINER_OF(heap_first(&peers->suspects), struct peer_link, probe);
    probe_after(peers, peer, now_ns, 2 * peer->pause_ns);
    return peer;
}

uint64_t peers_next_probe_ns(const struct peers *peers)
{
    const struct heap_link *first = heap_first(&peers->suspects);
    return first ? (uint64_t)first->priority : UINT64_MAX;
}
