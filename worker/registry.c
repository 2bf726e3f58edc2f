#include "worker/registry.h"

#include "proto/limits.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void registry_init(struct registry *registry)
{
    *registry = (struct registry){.lock = PTHREAD_RWLOCK_INITIALIZER};
}

#define FD_PATH_BYTES 32

static void fd_path(int fd, char path[FD_PATH_BYTES])
{
    snprintf(path, FD_PATH_BYTES, "/proc/self/fd/%d", fd);
}

/* The loader knows objects by their paths, and keeps some whatever is asked, as for the
 * static variables of C++: such a one keeps its descriptor, lest the next one with that
 * number be taken for it. */
static void plugin_close(const struct registry_plugin *plugin)
{
    char path[FD_PATH_BYTES];
    void *staying = NULL;
    fd_path(plugin->fd, path);
    if (plugin->handle)
        dlclose(plugin->handle);
    if (plugin->handle && plugin->fd >= 0)
        staying = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
    if (staying)
        dlclose(staying);
    else if (plugin->fd >= 0)
        close(plugin->fd);
}

void registry_fini(struct registry *registry)
{
    for (size_t i = 0; i < registry->count; i++)
        free(registry->rows[i].origin);
    free(registry->rows);
    for (size_t i = 0; i < registry->plugin_count; i++)
        plugin_close(&registry->plugins[i]);
    free(registry->plugins);
    pthread_rwlock_destroy(&registry->lock);
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

const struct dusk_function *registry_find(struct registry *registry, const char *name)
{
    pthread_rwlock_rdlock(&registry->lock);
    const struct registry_row *row = registry_row(registry, name);
    const struct dusk_function *function = row ? row->function : NULL;
    pthread_rwlock_unlock(&registry->lock);
    return function;
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

static void registry_remove_one(struct registry *registry,
                                const struct dusk_function *function)
{
    size_t place = registry_place(registry, function->name);
    free(registry->rows[place].origin);
    memmove(&registry->rows[place], &registry->rows[place + 1],
            (--registry->count - place) * sizeof *registry->rows);
}

int registry_add(struct registry *registry, const struct dusk_function *functions,
                 const char *origin, struct err_text *text)
{
    int rc = 0;
    size_t added = 0;
    pthread_rwlock_wrlock(&registry->lock);
    while (functions[added].name &&
           (rc = registry_add_one(registry, &functions[added], origin, text)) == 0)
        added++;
    while (rc < 0 && added > 0)
        registry_remove_one(registry, &functions[--added]);
    pthread_rwlock_unlock(&registry->lock);
    return rc;
}

/* ---- plugins ---- */

/* Opens the object at `path`, which lines call `name`, and keeps it when all of it
 * fits. */
static int plugin_add(struct registry *registry, struct registry_plugin *plugin,
                      const char *path, const char *name, struct err_text *text)
{
    plugin->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!plugin->handle) {
        const char *why = dlerror();
        size_t skip = strlen(path);
        bool prefixed = strncmp(why, path, skip) == 0 && why[skip] == ':';
        return err_set(text, DUSK_E_PLUGIN, "plugin %s cannot be loaded: %s", name,
                       prefixed ? why + skip + 2 : why);
    }
    const struct dusk_function *functions = dlsym(plugin->handle, "dusk_functions");
    if (!functions)
        return err_set(text, DUSK_E_PLUGIN,
                       "plugin %s does not export the table dusk_functions", name);
    void *plugins = realloc(registry->plugins,
                            (registry->plugin_count + 1) * sizeof *registry->plugins);
    if (!plugins)
        return err_set(text, DUSK_E_NOMEM, "no memory for plugin %s", name);
    registry->plugins = plugins;
    int rc = registry_add(registry, functions, name, text);
    if (rc == 0)
        registry->plugins[registry->plugin_count++] = *plugin;
    return rc;
}

int registry_load(struct registry *registry, const char *path, struct err_text *text)
{
    struct registry_plugin plugin = {.fd = -1};
    char *real = realpath(path, NULL);
    int rc;
    if (real && access(real, R_OK) == 0)
        rc = plugin_add(registry, &plugin, real, path, text);
    else
        rc = err_set(text, DUSK_E_PLUGIN, "plugin %s cannot be read: %s", path,
                     strerror(errno));
    if (rc < 0)
        plugin_close(&plugin);
    free(real);
    return rc;
}

static bool write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, data, size);
        if (written <= 0)
            return false;
        data += written;
        size -= (size_t)written;
    }
    return true;
}

static bool is_loaded(const struct registry *registry, uint64_t checksum)
{
    for (size_t i = 0; i < registry->plugin_count; i++)
        if (registry->plugins[i].fd >= 0 && registry->plugins[i].checksum == checksum)
            return true;
    return false;
}

/* A file without a name: nothing is left of it, and no file system forbids to run it.
 */
int registry_load_bytes(struct registry *registry, const char *name, uint64_t checksum,
                        const void *data, size_t size, struct err_text *text)
{
    if (is_loaded(registry, checksum))
        return 0;
    struct registry_plugin plugin = {.fd = memfd_create("dusk-plugin", MFD_CLOEXEC),
                                     .checksum = checksum};
    char path[FD_PATH_BYTES];
    int rc;
    if (plugin.fd >= 0 && write_all(plugin.fd, data, size)) {
        fd_path(plugin.fd, path);
        rc = plugin_add(registry, &plugin, path, name, text);
    } else {
        rc = err_set(text, DUSK_E_PLUGIN, "plugin %s cannot be kept: %s", name,
                     strerror(errno));
    }
    if (rc < 0)
        plugin_close(&plugin);
    return rc;
}
