/* What a worker holds: payloads under keys, counted to the byte, in memory or on
 * disk.  Part of the worker's pure core: it decides what is dropped and what is
 * spilled, and somebody else writes and reads the files.
 *
 * An entry that nobody pins and no accepted task needs can be evicted, the least
 * recently used first: copies of what other workers have are dropped, the rest is
 * spilled.  Payloads never change, so the file of an entry that came back is kept
 * and evicting it again costs nothing.
 *
 * `used` counts entries in memory and what was reserved for data to come.  It never
 * passes `limit`: who adds or loads makes room first. */
#ifndef WORKER_STORE_H
#define WORKER_STORE_H

#include "common/list.h"
#include "common/map.h"
#include "proto/payload.h"

/* Smaller payloads stay in memory: a file each is not worth it. */
#define STORE_SPILL_BYTES (64u << 10)

enum store_state {
    STORE_MEMORY,
    STORE_SPILLING, /* in memory, being written */
    STORE_DISK,
    STORE_LOADING, /* on disk, being read; its memory is counted */
};

struct store_entry {
    struct list link;     /* in the list it can be evicted from, or in `removed` */
    struct list users;    /* accepted tasks that will read it; the core's */
    struct list requests; /* peers that wait for it to be loaded; the core's */
    struct list load;     /* in the core's queue of loads, or alone */
    struct task_key key;
    struct payload *payload; /* owned reference; NULL on disk */
    size_t bytes;
    uint64_t checksum; /* 0: not computed yet */
    uint64_t attempt;  /* the last one to bring it here, 0: nobody brought it */
    uint64_t file;     /* number of its file, 0: none was ever asked for */
    unsigned pins;
    enum store_state state;
    bool copy;    /* another worker has it */
    bool told;    /* a `have` named it to the scheduler */
    bool written; /* the file is complete */
    bool removed; /* no longer under its key; goes when nobody needs it */
};

struct store {
    struct map entries;  /* by key */
    struct map files;    /* by file number: entries being written, on disk, loading */
    struct list copies;  /* evictable by dropping, least recently used first */
    struct list owned;   /* evictable by spilling, least recently used first */
    struct list removed; /* not under their keys any more, but still needed */
    size_t limit;
    size_t used;
    size_t reserved; /* part of used */
    size_t leaving;  /* part of used: being spilled */
    size_t spilled;  /* bytes on disk only */
    uint64_t last_file;
    bool can_spill;
};

void store_init(struct store *store, size_t limit);
void store_fini(struct store *store);

/* The entry of a key, borrowed until it is removed; NULL when there is none. */
struct store_entry *store_get(const struct store *store, struct task_key key);

static inline bool store_fits(const struct store *store, size_t bytes)
{
    return bytes <= store->limit && store->used <= store->limit - bytes;
}

/* Adds a payload under a key that has no entry; takes a reference.
 * DUSK_E_MEMORY_LIMIT when it does not fit, DUSK_E_NOMEM; nothing changed then. */
int store_add(struct store *store, struct task_key key, struct payload *payload,
              bool copy, struct store_entry **ret_entry);

/* Takes the entry out of the table.  It and its bytes go now, or when the last pin
 * and the running file operation are gone.  Returns the number of a file that can be
 * forgotten, or 0. */
uint64_t store_remove(struct store *store, struct store_entry *entry);

/* Room for data to come. */
int store_reserve(struct store *store, size_t bytes); /* DUSK_E_MEMORY_LIMIT */
void store_unreserve(struct store *store, size_t bytes);

/* A pinned entry stays in memory, or is on its way there.  Unpinning returns the
 * number of a file that can be forgotten, or 0. */
void store_pin(struct store *store, struct store_entry *entry);
uint64_t store_unpin(struct store *store, struct store_entry *entry);

/* To be called after use, and after `users`, `copy` or `can_spill` changed: puts the
 * entry at the end of the list it can be evicted from now. */
void store_touch(struct store *store, struct store_entry *entry);

void store_allow_spilling(struct store *store, bool allowed);

/* What to evict next, NULL when nothing can be.  A copy is to be removed; anything
 * else goes to store_spill. */
struct store_entry *store_victim(const struct store *store);

/* Evicts an entry of `owned`.  0: gone from memory already; > 0: its payload is to
 * be written to file `entry->file`, then store_spilled; DUSK_E_NOMEM. */
int store_spill(struct store *store, struct store_entry *entry);

/* The file is written, or could not be (written = false).  Returns the entry, or
 * NULL when the file can be forgotten since the entry was removed meanwhile. */
struct store_entry *store_spilled(struct store *store, uint64_t file, bool written);

/* An entry on disk comes back: counts its memory; read `entry->file`, then
 * store_loaded.  DUSK_E_MEMORY_LIMIT. */
int store_load(struct store *store, struct store_entry *entry);

/* Takes the reference to the payload; NULL: it could not be read, and the entry is
 * on disk again.  Returns as store_spilled does. */
struct store_entry *store_loaded(struct store *store, uint64_t file,
                                 struct payload *payload);

/* Checksum of an entry in memory, computed once. */
uint64_t store_checksum(struct store_entry *entry);

/* Counts everything again: 0, or DUSK_E_INTERNAL with a line.  For tests. */
int store_check(const struct store *store, struct err_text *text);

#endif
