#include "scheduler/core.h"

#include "common/units.h"
#include "proto/limits.h"

#include <stdlib.h>

/* ---- life ---- */

static void plugin_destroy(struct plugin *plugin)
{
    list_remove(&plugin->link);
    map_fini(&plugin->awaited);
    payload_unref(plugin->data);
    free(plugin->name);
    free(plugin);
}

static struct plugin *plugin_create(struct scheduler *scheduler,
                                    const struct client *client,
                                    const struct msg_upload *upload)
{
    struct plugin *plugin = calloc(1, sizeof *plugin);
    if (!plugin)
        return NULL;
    plugin->name = str_copy(upload->name);
    plugin->checksum = upload->checksum;
    plugin->data = payload_ref(upload->plugin);
    plugin->client = client->number;
    plugin->request = upload->request;
    map_init(&plugin->awaited);
    list_init(&plugin->link);
    int rc = plugin->name ? 0 : DUSK_E_NOMEM;
    LIST_FOREACH (link, &scheduler->workers) {
        struct worker *worker = CONTAINER_OF(link, struct worker, link);
        if (rc == 0)
            rc = map_put(&plugin->awaited, worker->number, worker);
    }
    if (rc == 0) {
        list_append(&scheduler->plugins, &plugin->link);
        return plugin;
    }
    plugin_destroy(plugin);
    return NULL;
}

void plugins_free(struct scheduler *scheduler)
{
    LIST_FOREACH (link, &scheduler->plugins)
        plugin_destroy(CONTAINER_OF(link, struct plugin, link));
}

/* ---- answers ---- */

static bool is_kept_already(const struct scheduler *scheduler,
                            const struct plugin *plugin)
{
    LIST_FOREACH (link, &scheduler->plugins) {
        const struct plugin *other = CONTAINER_OF(link, struct plugin, link);
        if (other == plugin)
            return false;
        if (other->checksum == plugin->checksum)
            return true;
    }
    return false;
}

/* When all have answered: the client is told, and the plugin kept or forgotten. */
static void plugin_settle(struct scheduler *scheduler, struct plugin *plugin)
{
    if (plugin->awaited.count)
        return;
    client_outcome(scheduler, plugin->client, plugin->request, plugin->code,
                   plugin->text.line);
    struct note *note =
        note_add(&scheduler->notes, plugin->code < 0 ? NOTE_WARNING : NOTE_INFO,
                 plugin->code < 0 ? "plugin not loaded" : "plugin loaded");
    note_field(note, "plugin", "%s", plugin->name);
    note_field(note, "client", "%06" PRIx64, plugin->client);
    note_field(note, "bytes", "%zu", payload_bytes(plugin->data));
    if (plugin->code < 0)
        note_field(note, "because", "%s", plugin->text.line);
    if (plugin->code < 0 || is_kept_already(scheduler, plugin))
        plugin_destroy(plugin);
}

static void plugin_failed(struct plugin *plugin, int code, const struct worker *worker,
                          struct str reason)
{
    if (plugin->code == 0)
        plugin->code = err_set(&plugin->text, code, "worker %s: " STR_FORMAT,
                               worker->name, STR_ARGS(reason));
}

void plugin_loaded(struct scheduler *scheduler, struct worker *worker,
                   const struct msg_plugin_loaded *loaded)
{
    bool awaited = false;
    LIST_FOREACH (link, &scheduler->plugins) {
        struct plugin *plugin = CONTAINER_OF(link, struct plugin, link);
        if (plugin->checksum != loaded->checksum ||
            !map_remove(&plugin->awaited, worker->number))
            continue;
        awaited = true;
        if (loaded->code)
            plugin_failed(plugin, failure_code(loaded->code, DUSK_E_PLUGIN), worker,
                          loaded->reason);
        plugin_settle(scheduler, plugin);
    }
    if (awaited || loaded->code == 0)
        return;
    struct note *note =
        note_add(&scheduler->notes, NOTE_WARNING, "worker without a plugin");
    note_field(note, "worker", "%s", worker->name);
    note_field(note, "because", STR_FORMAT, STR_ARGS(loaded->reason));
}

void plugins_worker_gone(struct scheduler *scheduler, const struct worker *worker,
                         bool lost)
{
    LIST_FOREACH (link, &scheduler->plugins) {
        struct plugin *plugin = CONTAINER_OF(link, struct plugin, link);
        if (!map_remove(&plugin->awaited, worker->number))
            continue;
        if (lost)
            plugin_failed(plugin, DUSK_E_PLUGIN, worker,
                          str_of("it was lost before it had loaded the plugin"));
        plugin_settle(scheduler, plugin);
    }
}

/* ---- telling ---- */

static void plugin_tell(struct scheduler *scheduler, const struct plugin *plugin,
                        struct worker *worker)
{
    worker_send(scheduler, worker,
                MESSAGE(load_plugin, .name = str_of(plugin->name),
                        .checksum = plugin->checksum, .plugin = plugin->data));
}

void plugins_tell(struct scheduler *scheduler, struct worker *worker)
{
    LIST_FOREACH (link, &scheduler->plugins)
        plugin_tell(scheduler, CONTAINER_OF(link, struct plugin, link), worker);
}

/* ---- uploading ---- */

static int check_room(const struct scheduler *scheduler, size_t bytes,
                      struct err_text *text)
{
    size_t count = 0, held = 0;
    LIST_FOREACH (link, &scheduler->plugins) {
        count++;
        held += payload_bytes(CONTAINER_OF(link, struct plugin, link)->data);
    }
    if (bytes > LIMIT_PLUGIN_BYTES)
        return err_set(text, DUSK_E_LIMIT,
                       "a plugin may take %u bytes, and this one takes %zu",
                       LIMIT_PLUGIN_BYTES, bytes);
    if (count == LIMIT_PLUGINS || held + bytes > LIMIT_PLUGINS_BYTES)
        return err_set(text, DUSK_E_LIMIT,
                       "the scheduler holds %zu plugins already, which take %s", count,
                       units_bytes((int64_t)held).text);
    return 0;
}

static int check_upload(const struct scheduler *scheduler, const struct client *client,
                        const struct msg_upload *upload, struct err_text *text)
{
    if (!(peer_rights(scheduler, client->peer) & RIGHT_UPLOAD))
        return err_set(text, DUSK_E_FORBIDDEN,
                       "the key of this client does not allow uploads");
    if (!scheduler->config.allow_upload)
        return err_set(text, DUSK_E_FORBIDDEN,
                       "the scheduler takes no uploads: it was started without "
                       "--allow-upload");
    if (!text_is_clean(upload->name, 1))
        return err_set(text, DUSK_E_INVALID,
                       "a plugin's name must be printable text of 1 to %u bytes",
                       LIMIT_NAME_BYTES);
    if (!upload->plugin || payload_frame_count(upload->plugin) != 1)
        return err_set(text, DUSK_E_INVALID, "a plugin must come in one frame");
    if (payload_checksum(upload->plugin) != upload->checksum)
        return err_set(text, DUSK_E_DATA, "it arrived with a wrong checksum");
    return check_room(scheduler, payload_bytes(upload->plugin), text);
}

/* The same upload, said again after a reconnection. */
static struct plugin *plugin_again(const struct scheduler *scheduler,
                                   const struct client *client,
                                   const struct msg_upload *upload)
{
    LIST_FOREACH (link, &scheduler->plugins) {
        struct plugin *plugin = CONTAINER_OF(link, struct plugin, link);
        if (plugin->client == client->number && plugin->request == upload->request &&
            plugin->checksum == upload->checksum)
            return plugin;
    }
    return NULL;
}

void plugin_upload(struct scheduler *scheduler, struct client *client,
                   const struct msg_upload *upload)
{
    struct err_text text;
    struct plugin *plugin = plugin_again(scheduler, client, upload);
    if (plugin) {
        plugin_settle(scheduler, plugin);
        return;
    }
    int rc = check_upload(scheduler, client, upload, &text);
    if (rc == 0 && !(plugin = plugin_create(scheduler, client, upload)))
        rc = err_set(&text, DUSK_E_NOMEM, "the scheduler is out of memory");
    if (rc < 0) {
        client_outcome(scheduler, client->number, upload->request, rc, text.line);
        return;
    }
    LIST_FOREACH (link, &scheduler->workers)
        plugin_tell(scheduler, plugin, CONTAINER_OF(link, struct worker, link));
    plugin_settle(scheduler, plugin);
}
