/* The shell's connections: routing ids on the socket's side, numbers on the core's. */
#ifndef SCHEDULER_PEERS_H
#define SCHEDULER_PEERS_H

#include "common/list.h"
#include "common/map.h"
#include "proto/ids.h"
#include "proto/link.h"

struct peer_link {
    struct peer_id id;
    struct identity identity;
    int fd;           /* over which its last message came, -1 if unknown */
    bool deaf;        /* nothing it says is listened to any more */
    bool admitted;    /* the core knows who it is */
    unsigned probes;  /* left, while it is a suspect */
    struct list link; /* in peers->suspects */
};

struct peers {
    struct map by_identity, by_id; /* owned by by_id */
    struct list suspects;          /* whose connection may be closed */
    struct list probed;            /* of them, those probed this turn */
    uint32_t numbers;
};

void peers_init(struct peers *peers);
void peers_fini(struct peers *peers);

/* The peer with this routing id, known or new; NULL when there are too many or there
 * is no memory: its message is ignored then. */
struct peer_link *peers_get(struct peers *peers, const struct identity *identity,
                            int fd);
struct peer_link *peers_by_id(const struct peers *peers, struct peer_id id);

/* Whoever was last heard over this connection, or NULL. */
struct peer_link *peers_by_fd(const struct peers *peers, int fd);
void peers_forget(struct peers *peers, struct peer_link *peer);

/* A connection was closed: whoever was last heard over it is to be probed a few
 * times, since the socket may learn of it a moment later. */
void peers_suspect(struct peers *peers, int fd);
void peers_suspect_one(struct peers *peers, struct peer_link *peer);

/* The next one to probe this turn; NULL ends the turn. */
struct peer_link *peers_next_suspect(struct peers *peers);
static inline bool peers_have_suspects(const struct peers *peers)
{
    return !list_is_empty(&peers->suspects);
}

#endif
