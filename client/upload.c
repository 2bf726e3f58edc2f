/* Bringing a plugin to the workers. */
#include "client/client.h"
#include "proto/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The whole file in memory of its own; longer ones than a plugin may be are cut, and
 * refused by their size. */
static int file_read(const char *path, struct frame *ret_frame)
{
    FILE *file = fopen(path, "rb");
    char *data = file ? malloc(LIMIT_PLUGIN_BYTES + 1) : NULL;
    size_t size = data ? fread(data, 1, LIMIT_PLUGIN_BYTES + 1, file) : 0;
    int rc = 0;
    if (!file || (data && ferror(file)))
        rc = client_fail(DUSK_E_IO, "%s cannot be read: %s", path, strerror(errno));
    else if (!data)
        rc = client_fail(DUSK_E_NOMEM, "no memory for %s", path);
    else if (size > LIMIT_PLUGIN_BYTES)
        rc = client_fail(DUSK_E_LIMIT, "%s has more than %u bytes", path,
                         LIMIT_PLUGIN_BYTES);
    if (file)
        fclose(file);
    if (rc < 0) {
        free(data);
        return rc;
    }
    char *fitting = realloc(data, size ? size : 1);
    data = fitting ? fitting : data;
    *ret_frame = (struct frame){data, size, free, data};
    return 0;
}

/* A payload without values: the file is its one frame. */
static int plugin_read(const char *path, struct payload **ret_plugin)
{
    static const uint8_t no_values = 0x90;
    struct frame frame;
    int rc = file_read(path, &frame);
    if (rc < 0)
        return rc;
    rc = payload_create(&no_values, sizeof no_values, &frame, 1, ret_plugin);
    return rc < 0 ? client_fail(rc, "no memory for %s", path) : 0;
}

static int upload_wait(struct dusk_client *client, const struct client_upload *upload,
                       struct client_wait *wait)
{
    const struct client_core *core = client->core;
    while (!upload->answered) {
        if (core->link == LINK_REFUSED)
            return client_fail(core->refusal, "%s", core->refusal_text.line);
        if (!client_wait_turn(client, wait))
            return client_fail(
                DUSK_E_TIMEOUT, "%s did not say that all workers have %s%s",
                client->address, upload->name, client_wait_text(client, wait).text);
    }
    return upload->code < 0
               ? client_fail(upload->code, "%s: %s", upload->name, upload->text.line)
               : 0;
}

int dusk_upload_plugin(struct dusk_client *client, const char *path, double timeout_s)
{
    struct client_wait wait = client_wait_for(timeout_s);
    struct payload *plugin;
    struct client_upload *upload;
    int rc = plugin_read(path, &plugin);
    if (rc < 0)
        return rc;
    rc = client_enter(client, true);
    if (rc < 0) {
        payload_unref(plugin);
        return rc;
    }
    rc = client_core_upload(client->core, basename(path), plugin, &upload);
    if (rc < 0) {
        payload_unref(plugin);
        rc = client_fail(rc, "no memory for %s", path);
    } else if ((rc = upload_wait(client, upload, &wait)) < 0)
        client_core_upload_end(upload);
    client_leave(client);
    return rc;
}
