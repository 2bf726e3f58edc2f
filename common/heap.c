#include "common/heap.h"

#include "common/dusk_types.h"

#include <stdlib.h>

void heap_init(struct heap *heap)
{
    *heap = (struct heap){0};
}

void heap_fini(struct heap *heap)
{
    free(heap->links);
    heap_init(heap);
}

static bool heap_before(const struct heap_link *a, const struct heap_link *b)
{
    return a->priority != b->priority ? a->priority < b->priority : a->order < b->order;
}

static void heap_set(struct heap *heap, size_t index, struct heap_link *link)
{
    heap->links[index] = link;
    link->place = index + 1;
}

static void heap_rise(struct heap *heap, size_t index)
{
    struct heap_link *link = heap->links[index];
    while (index > 0 && heap_before(link, heap->links[(index - 1) / 2])) {
        heap_set(heap, index, heap->links[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    heap_set(heap, index, link);
}

static void heap_sink(struct heap *heap, size_t index)
{
    struct heap_link *link = heap->links[index];
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count &&
            heap_before(heap->links[child + 1], heap->links[child]))
            child++;
        if (!heap_before(heap->links[child], link))
            break;
        heap_set(heap, index, heap->links[child]);
        index = child;
    }
    heap_set(heap, index, link);
}

int heap_reserve(struct heap *heap, size_t count)
{
    size_t capacity = heap->capacity ? heap->capacity : 16;
    while (capacity < count)
        capacity *= 2;
    if (capacity == heap->capacity)
        return 0;
    void *links = realloc(heap->links, capacity * sizeof *heap->links);
    if (!links)
        return DUSK_E_NOMEM;
    heap->links = links;
    heap->capacity = capacity;
    return 0;
}

int heap_push(struct heap *heap, struct heap_link *link)
{
    if (heap_reserve(heap, heap->count + 1) < 0)
        return DUSK_E_NOMEM;
    heap->links[heap->count++] = link;
    heap_rise(heap, heap->count - 1);
    return 0;
}

void heap_remove(struct heap *heap, struct heap_link *link)
{
    size_t index = link->place - 1;
    struct heap_link *last = heap->links[--heap->count];
    link->place = 0;
    if (last == link)
        return;
    heap_set(heap, index, last);
    heap_rise(heap, index);
    heap_sink(heap, last->place - 1);
}
