/* A hash table from uint64_t keys to pointers: open addressing, linear probing,
 * deletion without tombstones.  The order of map_next depends on the keys and on
 * the history of insertions alone, so that simulated runs repeat. */
#ifndef COMMON_MAP_H
#define COMMON_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_slot {
    uint64_t key;
    void *value; /* NULL marks a free slot */
};

struct map {
    struct map_slot *slots;
    size_t count;
    size_t capacity; /* a power of two, or 0 */
};

void map_init(struct map *map);
void map_fini(struct map *map);

/* The value of `key`, borrowed; NULL when there is none. */
void *map_get(const struct map *map, uint64_t key);

/* Adds or replaces; `value` must not be NULL.  DUSK_E_NOMEM changes nothing. */
int map_put(struct map *map, uint64_t key, void *value);

/* Removes and returns the value, NULL when there was none. */
void *map_remove(struct map *map, uint64_t key);

/* Walks: start with *position = 0; NULL at the end.  The map must not change
 * meanwhile. */
void *map_next(const struct map *map, size_t *position);

#endif
