/* Which chunk goes next, and which updates are in flight since when (robust form).
 * A chunk is idle, in flight once, in flight twice (a speculative copy), or lost:
 * handed out, unanswered and in nobody's hands.  All operations are O(log N); a copy
 * that is in flight once again also passes those that are older, and what is lost or
 * copied those that are younger. */
#ifndef CLIENT_ADMM_FLIGHT_H
#define CLIENT_ADMM_FLIGHT_H

#include "common/heap.h"
#include "common/list.h"

#include <stdbool.h>
#include <stdint.h>

enum flight_state { FLIGHT_IDLE, FLIGHT_ONCE, FLIGHT_TWICE, FLIGHT_LOST };

struct flight_chunk {
    struct heap_link idle; /* priority: the number of its last launch */
    struct list link;      /* in the list of its state, unless idle */
    enum flight_state state;
    int64_t since;   /* arrivals when this version was launched */
    int64_t launch;  /* number of this launch, over all chunks */
    uint32_t copies; /* bit c mod 32: copy c is in flight */
    int64_t issued;  /* copies of this version so far */
};

struct flight {
    int64_t chunks;
    struct flight_chunk *chunk;
    struct heap idle;
    struct list once, twice, lost; /* oldest first */
    int64_t launches;
    int64_t in_flight; /* copies counted */
};

#define FLIGHT_NONE ((int64_t)-1)

int flight_init(struct flight *flight, int64_t chunks);
void flight_fini(struct flight *flight);

/* The chunk that is lost and oldest, in flight once and longest, or idle and least
 * recently launched; FLIGHT_NONE where there is none. */
int64_t flight_first_lost(const struct flight *flight);
int64_t flight_first_once(const struct flight *flight);
int64_t flight_first_idle(const struct flight *flight);

/* Arrivals at the launch of the update that is in flight longest, or was before it was
 * lost; `otherwise` when none is. */
int64_t flight_oldest(const struct flight *flight, int64_t otherwise);

/* A copy of the chunk's update leaves; returns its number, from 0. */
int64_t flight_launch(struct flight *flight, int64_t chunk, int64_t arrivals);

/* The update is answered: the chunk is idle.  Returns the copies that were in
 * flight, as bits. */
uint32_t flight_land(struct flight *flight, int64_t chunk);

/* A copy will not come back.  False when it was not in flight. */
bool flight_lose(struct flight *flight, int64_t chunk, int64_t copy);

#endif
