/* Ids that travel.  Each is a struct of its own, so that the compiler tells a
 * task from a peer. */
#ifndef PROTO_IDS_H
#define PROTO_IDS_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>

/* A task and its result.  Keys are made by clients without asking anybody: the
 * upper 24 bits are the client's number, the lower 40 its own count.  Zero is no
 * key. */
struct task_key {
    uint64_t bits;
};

#define KEY_COUNT_BITS 40
#define KEY_CLIENT_MAX ((UINT64_C(1) << 24) - 1)
#define KEY_COUNT_MAX ((UINT64_C(1) << KEY_COUNT_BITS) - 1)

/* Keys are shown to people as "c0ffee-17": client in hex, count in decimal. */
#define KEY_FORMAT "%06" PRIx64 "-%" PRIu64
#define KEY_ARGS(key) ((key).bits >> KEY_COUNT_BITS), ((key).bits & KEY_COUNT_MAX)

static inline struct task_key key_make(uint64_t client, uint64_t count)
{
    return (struct task_key){client << KEY_COUNT_BITS | count};
}

static inline bool key_equal(struct task_key a, struct task_key b)
{
    return a.bits == b.bits;
}

/* Reads what KEY_FORMAT writes; false when the text is no key. */
bool key_parse(const char *text, struct task_key *ret_key);

/* Attempts are numbered in their order; the upper bits tell the lives of schedulers
 * apart. */
#define ATTEMPT_COUNT_BITS 32

/* Whether `attempt` was begun after `other`, by the same scheduler. */
static inline bool attempt_is_later(uint64_t attempt, uint64_t other)
{
    return attempt > other &&
           attempt >> ATTEMPT_COUNT_BITS == other >> ATTEMPT_COUNT_BITS;
}

/* One connection, numbered by the shell that owns the socket.  Numbers are never
 * used twice in one life of a process.  Zero is nobody. */
struct peer_id {
    uint32_t number;
};

#endif
