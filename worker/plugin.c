#include "worker/core_state.h"

#include <string.h>

static void answer(struct worker_core *core, uint64_t checksum, int code,
                   const char *line)
{
    session_send(core, MESSAGE(plugin_loaded, .checksum = checksum, .code = code,
                               .reason = str_of(line)));
}

void plugin_accept(struct worker_core *core, const struct msg_load_plugin *message)
{
    struct payload *plugin = message->plugin;
    if (!core->config.allow_upload) {
        answer(core, message->checksum, DUSK_E_FORBIDDEN,
               "it takes no uploads: it was started without --allow-upload");
    } else if (!plugin || payload_frame_count(plugin) != 1 ||
               payload_checksum(plugin) != message->checksum) {
        answer(core, message->checksum, DUSK_E_DATA,
               "the plugin arrived with a wrong checksum");
    } else {
        struct worker_action *action = action_add(core, WORKER_LOAD);
        action->file = message->checksum;
        action->payload = payload_ref(plugin);
        action->text = str_copy(message->name);
    }
}

void worker_core_loaded(struct worker_core *core, uint64_t checksum, int code,
                        const char *line, uint64_t now_ns)
{
    core->now_ns = now_ns;
    answer(core, checksum, code, line);
}
