/* The task functions that a worker knows: tables that are built in, and plugins.
 * Functions are added by one thread, and looked up by any meanwhile. */
#ifndef WORKER_REGISTRY_H
#define WORKER_REGISTRY_H

#include "common/err.h"
#include "worker/dusk_task.h"

#include <pthread.h>
#include <stddef.h>

struct registry_row {
    const struct dusk_function *function; /* borrowed */
    char *origin;                         /* "built in", or the plugin's path */
};

/* Never unloaded while the registry lives. */
struct registry_plugin {
    void *handle;
    /* Of one that came as bytes: its path /proc/self/fd/N stays its own; or -1. */
    int fd;
    uint64_t checksum;
};

struct registry {
    pthread_rwlock_t lock;     /* over the rows */
    struct registry_row *rows; /* sorted by name */
    size_t count;
    size_t capacity;
    struct registry_plugin *plugins;
    size_t plugin_count;
};

void registry_init(struct registry *registry);
void registry_fini(struct registry *registry);

/* Adds a table that ends with an entry without a name; borrowed.  All of it or nothing:
 * DUSK_E_PLUGIN with a line when a name is there already, empty or too long;
 * DUSK_E_NOMEM. */
int registry_add(struct registry *registry, const struct dusk_function *functions,
                 const char *origin, struct err_text *text);

/* Loads a shared object and adds its `dusk_functions`.  DUSK_E_PLUGIN with a line that
 * names the file and what is wrong with it. */
int registry_load(struct registry *registry, const char *path, struct err_text *text);

/* The same for a shared object in memory; `name` stands for it in lines.  Nothing is to
 * be done when one with this checksum was loaded from memory before. */
int registry_load_bytes(struct registry *registry, const char *name, uint64_t checksum,
                        const void *data, size_t size, struct err_text *text);

/* NULL when there is no function of that name. */
const struct dusk_function *registry_find(struct registry *registry, const char *name);

#endif
