#include "common/map.h"

#include "common/dusk_types.h"

#include <stdlib.h>

void map_init(struct map *map)
{
    *map = (struct map){0};
}

void map_fini(struct map *map)
{
    free(map->slots);
    map_init(map);
}

/* The finaliser of splitmix64: neighbouring keys land far apart. */
static uint64_t map_hash(uint64_t key)
{
    key = (key ^ (key >> 30)) * 0xBF58476D1CE4E5B9u;
    key = (key ^ (key >> 27)) * 0x94D049BB133111EBu;
    return key ^ (key >> 31);
}

static size_t map_find(const struct map *map, uint64_t key)
{
    size_t mask = map->capacity - 1;
    size_t at = map_hash(key) & mask;
    while (map->slots[at].value && map->slots[at].key != key)
        at = (at + 1) & mask;
    return at;
}

void *map_get(const struct map *map, uint64_t key)
{
    return map->capacity ? map->slots[map_find(map, key)].value : NULL;
}

static int map_grow(struct map *map)
{
    struct map larger = {.capacity = map->capacity ? 2 * map->capacity : 16,
                         .count = map->count};
    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (!larger.slots)
        return DUSK_E_NOMEM;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].value)
            larger.slots[map_find(&larger, map->slots[i].key)] = map->slots[i];
    free(map->slots);
    *map = larger;
    return 0;
}

int map_put(struct map *map, uint64_t key, void *value)
{
    if (4 * (map->count + 1) > 3 * map->capacity) {
        int rc = map_grow(map);
        if (rc < 0)
            return rc;
    }
    struct map_slot *slot = &map->slots[map_find(map, key)];
    if (!slot->value)
        map->count++;
    *slot = (struct map_slot){key, value};
    return 0;
}

/* Moves later members of the probe run back over the hole, so that look-ups
 * still find them and no marker is needed. */
static void map_close_hole(struct map *map, size_t hole)
{
    size_t mask = map->capacity - 1;
    for (size_t at = (hole + 1) & mask; map->slots[at].value; at = (at + 1) & mask) {
        size_t home = map_hash(map->slots[at].key) & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->slots[hole].value = NULL;
}

void *map_remove(struct map *map, uint64_t key)
{
    if (!map->capacity)
        return NULL;
    size_t at = map_find(map, key);
    void *value = map->slots[at].value;
    if (value) {
        map->count--;
        map_close_hole(map, at);
    }
    return value;
}

void *map_next(const struct map *map, size_t *position)
{
    while (*position < map->capacity) {
        void *value = map->slots[(*position)++].value;
        if (value)
            return value;
    }
    return NULL;
}
