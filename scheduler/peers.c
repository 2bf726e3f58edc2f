#include "scheduler/peers.h"

#include "proto/limits.h"

#include <stdlib.h>

/* One a turn, with some milliseconds between. */
#define PROBES 5

void peers_init(struct peers *peers)
{
    *peers = (struct peers){0};
    list_init(&peers->suspects);
    list_init(&peers->probed);
}

void peers_fini(struct peers *peers)
{
    size_t position = 0;
    struct peer_link *peer;
    while ((peer = map_next(&peers->by_id, &position)))
        free(peer);
    map_fini(&peers->by_id);
    map_fini(&peers->by_identity);
}

static struct peer_link *peers_add(struct peers *peers, const struct identity *identity)
{
    if (peers->by_id.count >= LIMIT_PEERS + LIMIT_STRANGERS)
        return NULL;
    struct peer_link *peer = calloc(1, sizeof *peer);
    if (!peer)
        return NULL;
    peer->id.number = ++peers->numbers;
    peer->identity = *identity;
    list_init(&peer->link);
    if (map_put(&peers->by_id, peer->id.number, peer) == 0) {
        if (map_put(&peers->by_identity, identity_hash(identity), peer) == 0)
            return peer;
        map_remove(&peers->by_id, peer->id.number);
    }
    free(peer);
    return NULL;
}

struct peer_link *peers_get(struct peers *peers, const struct identity *identity,
                            int fd)
{
    struct peer_link *peer = map_get(&peers->by_identity, identity_hash(identity));
    if (!peer && !(peer = peers_add(peers, identity)))
        return NULL;
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

void peers_forget(struct peers *peers, struct peer_link *peer)
{
    list_remove(&peer->link);
    map_remove(&peers->by_id, peer->id.number);
    map_remove(&peers->by_identity, identity_hash(&peer->identity));
    free(peer);
}

void peers_suspect_one(struct peers *peers, struct peer_link *peer)
{
    peer->probes = PROBES;
    list_remove(&peer->link);
    list_append(&peers->suspects, &peer->link);
}

void peers_suspect(struct peers *peers, int fd)
{
    size_t position = 0;
    struct peer_link *peer;
    while ((peer = map_next(&peers->by_id, &position)))
        if (peer->fd == fd)
            peers_suspect_one(peers, peer);
}

struct peer_link *peers_next_suspect(struct peers *peers)
{
    if (list_is_empty(&peers->suspects)) {
        LIST_FOREACH (link, &peers->probed) {
            list_remove(link);
            list_append(&peers->suspects, link);
        }
        return NULL;
    }
    struct peer_link *peer = CONTAINER_OF(peers->suspects.next, struct peer_link, link);
    list_remove(&peer->link);
    if (--peer->probes > 0)
        list_append(&peers->probed, &peer->link);
    return peer;
}
