/* The task functions that a worker knows: tables that are built in, and plugins. */
#ifndef WORKER_REGISTRY_H
#define WORKER_REGISTRY_H

#include "common/err.h"
#include "worker/dusk_task.h"

#include <stddef.h>

struct registry_row {
    const struct dusk_function *function; /* borrowed */
    char *origin;                         /* "built in", or the plugin's path */
};

struct registry {
    struct registry_row *rows; /* sorted by name */
    size_t count;
    size_t capacity;
    void **plugins; /* never unloaded while the registry lives */
    size_t plugin_count;
};

void registry_init(struct registry *registry);
void registry_fini(struct registry *registry);

/* Adds a table that ends with an entry without a name; borrowed.  DUSK_E_PLUGIN with a
 * line when a name is there already, empty or too long; DUSK_E_NOMEM. */
int registry_add(struct registry *registry, const struct dusk_function *functions,
                 const char *origin, struct err_text *text);

/* Loads a shared object and adds its `dusk_functions`.  DUSK_E_PLUGIN with a line that
 * names the file and what is wrong with it. */
int registry_load(struct registry *registry, const char *path, struct err_text *text);

/* NULL when there is no function of that name. */
const struct dusk_function *registry_find(const struct registry *registry,
                                          const char *name);

#endif
