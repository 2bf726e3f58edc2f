#include "worker/store.h"

#include <stdlib.h>

void store_init(struct store *store, size_t limit)
{
    *store = (struct store){.limit = limit, .can_spill = true};
    map_init(&store->entries);
    map_init(&store->files);
    list_init(&store->copies);
    list_init(&store->owned);
    list_init(&store->removed);
}

static void entry_destroy(struct store_entry *entry)
{
    list_remove(&entry->link);
    list_remove(&entry->load);
    payload_unref(entry->payload);
    free(entry);
}

void store_fini(struct store *store)
{
    LIST_FOREACH (link, &store->removed)
        entry_destroy(CONTAINER_OF(link, struct store_entry, link));
    size_t position = 0;
    struct store_entry *entry;
    while ((entry = map_next(&store->entries, &position)))
        entry_destroy(entry);
    map_fini(&store->files);
    map_fini(&store->entries);
}

struct store_entry *store_get(const struct store *store, struct task_key key)
{
    return map_get(&store->entries, key.bits);
}

int store_add(struct store *store, struct task_key key, struct payload *payload,
              bool copy, struct store_entry **ret_entry)
{
    size_t bytes = payload_bytes(payload);
    if (!store_fits(store, bytes))
        return DUSK_E_MEMORY_LIMIT;
    struct store_entry *entry = calloc(1, sizeof *entry);
    if (!entry || map_put(&store->entries, key.bits, entry) < 0) {
        free(entry);
        return DUSK_E_NOMEM;
    }
    list_init(&entry->link);
    list_init(&entry->users);
    list_init(&entry->requests);
    list_init(&entry->load);
    entry->key = key;
    entry->payload = payload_ref(payload);
    entry->bytes = bytes;
    entry->copy = copy;
    store->used += bytes;
    store_touch(store, entry);
    *ret_entry = entry;
    return 0;
}

/* Lets a removed entry go unless somebody needs it; returns its file's number. */
static uint64_t entry_settle(struct store *store, struct store_entry *entry)
{
    if (!entry->removed || entry->pins || entry->state == STORE_SPILLING ||
        entry->state == STORE_LOADING)
        return 0;
    if (entry->state == STORE_MEMORY)
        store->used -= entry->bytes;
    else
        store->spilled -= entry->bytes;
    uint64_t file = entry->file;
    if (file)
        map_remove(&store->files, file);
    entry_destroy(entry);
    return file;
}

uint64_t store_remove(struct store *store, struct store_entry *entry)
{
    map_remove(&store->entries, entry->key.bits);
    entry->removed = true;
    list_remove(&entry->link);
    list_append(&store->removed, &entry->link);
    list_remove(&entry->load);
    return entry_settle(store, entry);
}

int store_reserve(struct store *store, size_t bytes)
{
    if (!store_fits(store, bytes))
        return DUSK_E_MEMORY_LIMIT;
    store->used += bytes;
    store->reserved += bytes;
    return 0;
}

void store_unreserve(struct store *store, size_t bytes)
{
    store->used -= bytes;
    store->reserved -= bytes;
}

void store_pin(struct store *store, struct store_entry *entry)
{
    entry->pins++;
    if (!entry->removed)
        list_remove(&entry->link);
}

uint64_t store_unpin(struct store *store, struct store_entry *entry)
{
    entry->pins--;
    store_touch(store, entry);
    return entry_settle(store, entry);
}

void store_touch(struct store *store, struct store_entry *entry)
{
    if (entry->removed)
        return;
    list_remove(&entry->link);
    if (entry->state != STORE_MEMORY || entry->pins)
        return;
    if (entry->copy && list_is_empty(&entry->users) && list_is_empty(&entry->requests))
        list_append(&store->copies, &entry->link);
    else if (entry->bytes >= STORE_SPILL_BYTES)
        list_append(&store->owned, &entry->link);
}

void store_allow_spilling(struct store *store, bool allowed)
{
    store->can_spill = allowed;
}

struct store_entry *store_victim(const struct store *store)
{
    const struct list *list = &store->copies;
    if (list_is_empty(list) && store->can_spill)
        list = &store->owned;
    return list_is_empty(list) ? NULL
                               : CONTAINER_OF(list->next, struct store_entry, link);
}

static void entry_leave(struct store *store, struct store_entry *entry)
{
    payload_unref(entry->payload);
    entry->payload = NULL;
    entry->state = STORE_DISK;
    store->used -= entry->bytes;
    store->spilled += entry->bytes;
}

int store_spill(struct store *store, struct store_entry *entry)
{
    if (!entry->file) {
        if (map_put(&store->files, store->last_file + 1, entry) < 0)
            return DUSK_E_NOMEM;
        entry->file = ++store->last_file;
    }
    list_remove(&entry->link);
    if (entry->written) {
        entry_leave(store, entry);
        return 0;
    }
    entry->state = STORE_SPILLING;
    store->leaving += entry->bytes;
    return 1;
}

struct store_entry *store_spilled(struct store *store, uint64_t file, bool written)
{
    struct store_entry *entry = map_get(&store->files, file);
    if (!entry || entry->state != STORE_SPILLING)
        return NULL;
    store->leaving -= entry->bytes;
    entry->state = STORE_MEMORY;
    entry->written = written;
    if (written && !entry->pins && list_is_empty(&entry->requests))
        entry_leave(store, entry);
    store_touch(store, entry);
    return entry_settle(store, entry) ? NULL : entry;
}

int store_load(struct store *store, struct store_entry *entry)
{
    if (!store_fits(store, entry->bytes))
        return DUSK_E_MEMORY_LIMIT;
    list_remove(&entry->load);
    entry->state = STORE_LOADING;
    store->used += entry->bytes;
    store->spilled -= entry->bytes;
    return 0;
}

struct store_entry *store_loaded(struct store *store, uint64_t file,
                                 struct payload *payload)
{
    struct store_entry *entry = map_get(&store->files, file);
    if (!entry || entry->state != STORE_LOADING) {
        payload_unref(payload);
        return NULL;
    }
    entry->payload = payload;
    if (payload) {
        entry->state = STORE_MEMORY;
        store_touch(store, entry);
    } else {
        entry_leave(store, entry);
    }
    return entry_settle(store, entry) ? NULL : entry;
}

uint64_t store_checksum(struct store_entry *entry)
{
    if (!entry->checksum)
        entry->checksum = payload_checksum(entry->payload);
    return entry->checksum;
}

struct tally {
    size_t used, leaving, spilled;
};

static int entry_check(const struct store *store, const struct store_entry *entry,
                       struct tally *tally, struct err_text *text)
{
    bool disk = entry->state == STORE_DISK;
    bool here = entry->state == STORE_MEMORY || entry->state == STORE_SPILLING;
    *(disk ? &tally->spilled : &tally->used) += entry->bytes;
    if (entry->state == STORE_SPILLING)
        tally->leaving += entry->bytes;
    const char *wrong = NULL;
    if (here != (entry->payload != NULL))
        wrong = "has a payload in the wrong state";
    else if (!here && !entry->written)
        wrong = "is on disk without a file";
    else if (entry->file && map_get(&store->files, entry->file) != entry)
        wrong = "is not under its file's number";
    else if (!entry->removed && !list_is_empty(&entry->link) &&
             (entry->pins || entry->state != STORE_MEMORY))
        wrong = "could be evicted while it is needed";
    return wrong ? err_set(text, DUSK_E_INTERNAL, "entry " KEY_FORMAT " %s",
                           KEY_ARGS(entry->key), wrong)
                 : 0;
}

int store_check(const struct store *store, struct err_text *text)
{
    struct tally tally = {.used = store->reserved};
    size_t position = 0;
    const struct store_entry *entry;
    int rc = 0;
    while (rc == 0 && (entry = map_next(&store->entries, &position)))
        rc = entry_check(store, entry, &tally, text);
    const struct list *link = store->removed.next;
    for (; rc == 0 && link != &store->removed; link = link->next)
        rc = entry_check(store, CONTAINER_OF(link, const struct store_entry, link),
                         &tally, text);
    if (rc < 0)
        return rc;
    if (tally.used != store->used || store->used > store->limit ||
        tally.leaving != store->leaving || tally.spilled != store->spilled)
        return err_set(text, DUSK_E_INTERNAL,
                       "store counts used %zu leaving %zu spilled %zu of %zu, "
                       "its entries make %zu %zu %zu",
                       store->used, store->leaving, store->spilled, store->limit,
                       tally.used, tally.leaving, tally.spilled);
    return 0;
}
