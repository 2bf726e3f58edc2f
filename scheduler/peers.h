/* The shell's connections: routing ids on the socket's side, numbers on the core's. */
#ifndef SCHEDULER_PEERS_H
#define SCHEDULER_PEERS_H

#include "common/heap.h"
#include "common/map.h"
#include "proto/ids.h"
#include "proto/link.h"

struct peer_link {
    struct peer_id id;
    struct identity identity;
    int fd;                 /* over which its last message came, -1 if unknown */
    bool deaf;              /* nothing it says is listened to any more */
    bool admitted;          /* the core knows who it is */
    struct heap_link probe; /* in peers->suspects; priority: when it is probed, in ns */
    uint64_t pause_ns;      /* before that */
};

struct peers {
    struct map by_identity, by_id; /* owned by by_id */
    struct heap suspects;          /* whose connection may be closed */
    uint32_t numbers;
};

void peers_init(struct peers *peers);
void peers_fini(struct peers *peers);

/* The peer with this routing id, known or new; NULL when there are too many or there
 * is no memory: its message is ignored then.  A new one is a suspect: its connection
 * may have been closed, and that been told, before its first message was read. */
struct peer_link *peers_get(struct peers *peers, const struct identity *identity,
                            int fd, uint64_t now_ns);
struct peer_link *peers_by_id(const struct peers *peers, struct peer_id id);

/* Whoever was last heard over this connection, or NULL. */
struct peer_link *peers_by_fd(const struct peers *peers, int fd);
void peers_forget(struct peers *peers, struct peer_link *peer);

/* A connection was closed: whoever was last heard over it is to be probed for a while,
 * at longer and longer intervals, since the socket may learn of it later. */
void peers_suspect(struct peers *peers, int fd, uint64_t now_ns);
void peers_suspect_one(struct peers *peers, struct peer_link *peer, uint64_t now_ns);

/* One that is to be probed now; NULL when there is none. */
struct peer_link *peers_next_suspect(struct peers *peers, uint64_t now_ns);

/* When the next one is; UINT64_MAX when there are no suspects. */
uint64_t peers_next_probe_ns(const struct peers *peers);

#endif
