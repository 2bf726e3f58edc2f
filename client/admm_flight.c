#include "client/admm_flight.h"
#include "common/err.h"

#include <stdlib.h>

static uint32_t copy_bit(int64_t copy)
{
    return (uint32_t)1 << (copy & 31);
}

static int64_t index_of(const struct flight *flight, const struct list *list)
{
    if (list_is_empty(list))
        return FLIGHT_NONE;
    return CONTAINER_OF(list->next, struct flight_chunk, link) - flight->chunk;
}

/* All chunks begin idle, which also makes the heap's room: later pushes cannot
 * fail. */
int flight_init(struct flight *flight, int64_t chunks)
{
    *flight = (struct flight){.chunks = chunks};
    heap_init(&flight->idle);
    list_init(&flight->once);
    list_init(&flight->twice);
    list_init(&flight->lost);
    flight->chunk = calloc((size_t)chunks, sizeof *flight->chunk);
    if (!flight->chunk)
        return DUSK_E_NOMEM;
    for (int64_t i = 0; i < chunks; i++) {
        struct flight_chunk *chunk = &flight->chunk[i];
        list_init(&chunk->link);
        chunk->idle.order = (uint64_t)i;
        if (heap_push(&flight->idle, &chunk->idle) < 0)
            return DUSK_E_NOMEM;
    }
    return 0;
}

void flight_fini(struct flight *flight)
{
    heap_fini(&flight->idle);
    free(flight->chunk);
    flight->chunk = NULL;
}

int64_t flight_first_lost(const struct flight *flight)
{
    return index_of(flight, &flight->lost);
}

int64_t flight_first_once(const struct flight *flight)
{
    return index_of(flight, &flight->once);
}

int64_t flight_first_idle(const struct flight *flight)
{
    struct heap_link *link = heap_first(&flight->idle);
    if (!link)
        return FLIGHT_NONE;
    return CONTAINER_OF(link, struct flight_chunk, idle) - flight->chunk;
}

int64_t flight_oldest(const struct flight *flight, int64_t otherwise)
{
    const struct list *lists[] = {&flight->once, &flight->twice, &flight->lost};
    int64_t oldest = otherwise;
    for (int k = 0; k < 3; k++) {
        int64_t chunk = index_of(flight, lists[k]);
        if (chunk != FLIGHT_NONE && flight->chunk[chunk].since < oldest)
            oldest = flight->chunk[chunk].since;
    }
    return oldest;
}

/* By age.  What joins these lists is mostly younger than what they have. */
static void insert(struct list *list, struct flight_chunk *chunk)
{
    struct list *older = list->prev;
    while (older != list &&
           CONTAINER_OF(older, struct flight_chunk, link)->since > chunk->since)
        older = older->prev;
    list_append(older->next, &chunk->link);
}

/* What has been under way before goes in front of all that was launched later: near
 * the head, since few are as old. */
static void once_again(struct flight *flight, struct flight_chunk *chunk)
{
    struct list *place = flight->once.next;
    while (place != &flight->once &&
           CONTAINER_OF(place, struct flight_chunk, link)->since < chunk->since)
        place = place->next;
    list_append(place, &chunk->link);
}

int64_t flight_launch(struct flight *flight, int64_t index, int64_t arrivals)
{
    struct flight_chunk *chunk = &flight->chunk[index];
    if (chunk->state == FLIGHT_IDLE) {
        heap_remove(&flight->idle, &chunk->idle);
        chunk->launch = ++flight->launches;
        chunk->since = arrivals;
        chunk->issued = 0;
        chunk->copies = 0;
    }
    list_remove(&chunk->link);
    if (chunk->state == FLIGHT_LOST)
        once_again(flight, chunk);
    else
        insert(chunk->state == FLIGHT_ONCE ? &flight->twice : &flight->once, chunk);
    chunk->state = chunk->state == FLIGHT_ONCE ? FLIGHT_TWICE : FLIGHT_ONCE;
    chunk->copies |= copy_bit(chunk->issued);
    flight->in_flight++;
    return chunk->issued++;
}

uint32_t flight_land(struct flight *flight, int64_t index)
{
    struct flight_chunk *chunk = &flight->chunk[index];
    uint32_t copies = chunk->copies;
    flight->in_flight -= __builtin_popcount(copies);
    list_remove(&chunk->link);
    chunk->state = FLIGHT_IDLE;
    chunk->copies = 0;
    chunk->idle.priority = chunk->launch;
    (void)heap_push(&flight->idle, &chunk->idle);
    return copies;
}

/* The survivor of two copies is again one of those in flight once. */
bool flight_lose(struct flight *flight, int64_t index, int64_t copy)
{
    struct flight_chunk *chunk = &flight->chunk[index];
    if (!(chunk->copies & copy_bit(copy)))
        return false;
    chunk->copies &= ~copy_bit(copy);
    flight->in_flight--;
    list_remove(&chunk->link);
    if (chunk->state == FLIGHT_TWICE) {
        chunk->state = FLIGHT_ONCE;
        once_again(flight, chunk);
    } else {
        chunk->state = FLIGHT_LOST;
        insert(&flight->lost, chunk);
    }
    return true;
}
