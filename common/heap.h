/* An intrusive priority queue (binary heap): the smallest (priority, order) comes
 * first.  Elements know their place, so that any of them can be removed. */
#ifndef COMMON_HEAP_H
#define COMMON_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_link {
    int64_t priority;
    uint64_t order; /* breaks ties: first come, first served */
    size_t place;   /* 1-based; 0 when in no heap */
};

struct heap {
    struct heap_link **links;
    size_t count;
    size_t capacity;
};

void heap_init(struct heap *heap);
void heap_fini(struct heap *heap);

/* Makes room for `count` links in all, so that pushing the first `count` cannot fail.
 * DUSK_E_NOMEM changes nothing. */
int heap_reserve(struct heap *heap, size_t count);

/* Adds a link whose priority and order are set.  DUSK_E_NOMEM changes nothing. */
int heap_push(struct heap *heap, struct heap_link *link);

/* The first link, borrowed, or NULL. */
static inline struct heap_link *heap_first(const struct heap *heap)
{
    return heap->count ? heap->links[0] : NULL;
}

static inline bool heap_holds(const struct heap_link *link)
{
    return link->place != 0;
}

/* Takes a link out of the heap that holds it. */
void heap_remove(struct heap *heap, struct heap_link *link);

#endif
