/* Plugins that the program uploads, told to each scheduler that it meets. */
#include "client/core_parts.h"

#include <stdlib.h>
#include <string.h>

int client_core_upload(struct client_core *core, const char *name,
                       struct payload *plugin, struct client_upload **ret_upload)
{
    struct client_upload *upload = calloc(1, sizeof *upload);
    if (!upload || !(upload->name = strdup(name))) {
        free(upload);
        return DUSK_E_NOMEM;
    }
    upload->plugin = plugin;
    upload->request = ++core->next_request;
    list_append(&core->uploads, &upload->link);
    *ret_upload = upload;
    return 0;
}

void client_core_upload_end(struct client_upload *upload)
{
    list_remove(&upload->link);
    payload_unref(upload->plugin);
    free(upload->name);
    free(upload);
}

bool client_upload_fill(struct client_core *core)
{
    LIST_FOREACH (link, &core->uploads) {
        struct client_upload *upload = CONTAINER_OF(link, struct client_upload, link);
        if (upload->session == core->session || upload->epoch == core->scheduler_epoch)
            continue;
        if (!client_tell(core, MESSAGE(upload, .request = upload->request,
                                       .name = str_of(upload->name),
                                       .checksum = payload_checksum(upload->plugin),
                                       .plugin = upload->plugin)))
            return false;
        upload->session = core->session;
    }
    return true;
}

bool client_upload_outcome(struct client_core *core, const struct msg_outcome *outcome)
{
    LIST_FOREACH (link, &core->uploads) {
        struct client_upload *upload = CONTAINER_OF(link, struct client_upload, link);
        if (upload->request != outcome->request)
            continue;
        upload->epoch = core->scheduler_epoch;
        if (upload->answered && outcome->code < 0)
            client_note(core, DUSK_LOG_WARNING,
                        "the scheduler is new, and plugin %s cannot be loaded "
                        "again: " STR_FORMAT,
                        upload->name, STR_ARGS(outcome->reason));
        if (!upload->answered && outcome->code)
            upload->code =
                err_set(&upload->text, failure_code(outcome->code, DUSK_E_PROTOCOL),
                        STR_FORMAT, STR_ARGS(outcome->reason));
        upload->answered = true;
        return true;
    }
    return false;
}
