#include "worker/registry.h"

#include "proto/limits.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void registry_init(struct registry *registry)
{
    *registry = (struct registry){0};
}

void registry_fini(struct registry *registry)
{
    for (size_t i = 0; i < registry->count; i++)
        free(registry->rows[i].origin);
    free(registry->rows);
    for (size_t i = 0; i < registry->plugin_count; i++)
        dlclose(registry->plugins[i]);
    free(registry->plugins);
    registry_init(registry);
}

/* The place of `name`, or where it would go. */
static size_t registry_place(const struct registry *registry, const char *name)
{
    size_t low = 0, high = registry->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(registry->rows[middle].function->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct registry_row *registry_row(const struct registry *registry,
                                               const char *name)
{
    size_t place = registry_place(registry, name);
    if (place == registry->count ||
        strcmp(registry->rows[place].function->name, name) != 0)
        return NULL;
    return &registry->rows[place];
}

const struct dusk_function *registry_find(const struct registry *registry,
                                          const char *name)
{
    const struct registry_row *row = registry_row(registry, name);
    return row ? row->function : NULL;
}

static int registry_reserve(struct registry *registry)
{
    if (registry->count < registry->capacity)
        return 0;
    size_t capacity = registry->capacity ? 2 * registry->capacity : 32;
    void *rows = realloc(registry->rows, capacity * sizeof *registry->rows);
    if (!rows)
        return DUSK_E_NOMEM;
    registry->rows = rows;
    registry->capacity = capacity;
    return 0;
}

static int registry_add_one(struct registry *registry,
                            const struct dusk_function *function, const char *origin,
                            struct err_text *text)
{
    const char *name = function->name;
    if (!*name || strlen(name) > LIMIT_NAME_BYTES || !function->run)
        return err_set(text, DUSK_E_PLUGIN, "%s: function '%.60s' %s", origin, name,
                       function->run ? "has no proper name" : "has no code");
    const struct registry_row *other = registry_row(registry, name);
    if (other)
        return err_set(text, DUSK_E_PLUGIN, "%s: function '%s' is there already (%s)",
                       origin, name, other->origin);
    char *copy = strdup(origin);
    if (!copy || registry_reserve(registry) < 0) {
        free(copy);
        return err_set(text, DUSK_E_NOMEM, "no memory for function '%s'", name);
    }
    size_t place = registry_place(registry, name);
    memmove(&registry->rows[place + 1], &registry->rows[place],
            (registry->count - place) * sizeof *registry->rows);
    registry->rows[place] = (struct registry_row){function, copy};
    registry->count++;
    return 0;
}

int registry_add(struct registry *registry, const struct dusk_function *functions,
                 const char *origin, struct err_text *text)
{
    int rc = 0;
    for (; rc == 0 && functions->name; functions++)
        rc = registry_add_one(registry, functions, origin, text);
    return rc;
}

static int plugin_open(const char *path, void **ret_handle, struct err_text *text)
{
    char *real = realpath(path, NULL);
    if (!real || access(real, R_OK) < 0) {
        free(real);
        return err_set(text, DUSK_E_PLUGIN, "plugin %s cannot be read: %s", path,
                       strerror(errno));
    }
    *ret_handle = dlopen(real, RTLD_NOW | RTLD_LOCAL);
    free(real);
    if (!*ret_handle)
        return err_set(text, DUSK_E_PLUGIN, "plugin %s cannot be loaded: %s", path,
                       dlerror());
    return 0;
}

int registry_load(struct registry *registry, const char *path, struct err_text *text)
{
    void *plugins =
        realloc(registry->plugins, (registry->plugin_count + 1) * sizeof(void *));
    if (!plugins)
        return err_set(text, DUSK_E_NOMEM, "no memory for plugin %s", path);
    registry->plugins = plugins;
    void *handle;
    int rc = plugin_open(path, &handle, text);
    if (rc < 0)
        return rc;
    registry->plugins[registry->plugin_count++] = handle;
    const struct dusk_function *functions = dlsym(handle, "dusk_functions");
    if (!functions)
        return err_set(text, DUSK_E_PLUGIN,
                       "plugin %s does not export the table dusk_functions", path);
    return registry_add(registry, functions, path, text);
}
