/* Addresses and their connections, and notes: what the core asks of its shell. */
#include "client/core_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

void client_note(struct client_core *core, enum dusk_log_level level,
                 const char *format, ...)
{
    char line[400];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    struct client_action *action = malloc(sizeof *action + strlen(line) + 1);
    if (!action)
        return;
    action->type = CLIENT_NOTE;
    action->level = level;
    memcpy(action->line, line, strlen(line) + 1);
    list_append(&core->actions, &action->link);
}

/* ---- sites ---- */

int client_site_get(struct client_core *core, struct str address,
                    struct client_site **ret_site)
{
    uint64_t hash = XXH3_64bits(address.text, address.size);
    struct client_site *site;
    while ((site = map_get(&core->sites, hash))) {
        if (strlen(site->address) == address.size &&
            memcmp(site->address, address.text, address.size) == 0) {
            *ret_site = site;
            return 0;
        }
        hash++;
    }
    site = calloc(1, sizeof *site);
    if (!site)
        return DUSK_E_NOMEM;
    list_init(&site->asked);
    site->hash = hash;
    site->address = str_copy(address);
    if (!site->address || map_put(&core->sites, hash, site) < 0) {
        free(site->address);
        free(site);
        return DUSK_E_NOMEM;
    }
    *ret_site = site;
    return 0;
}

int client_site_open(struct client_core *core, struct client_site *site,
                     uint64_t now_ns)
{
    if (site->peer.number)
        return 0;
    struct client_action *opening = calloc(1, sizeof *opening);
    struct client_action *closing = calloc(1, sizeof *closing);
    struct peer_id peer = {core->next_peer + 1};
    if (!opening || !closing || map_put(&core->peers, peer.number, site) < 0) {
        free(opening);
        free(closing);
        return DUSK_E_NOMEM;
    }
    core->next_peer++;
    opening->type = CLIENT_CONNECT;
    closing->type = CLIENT_CLOSE;
    opening->peer = closing->peer = site->peer = peer;
    opening->address = site->address;
    list_append(&core->actions, &opening->link);
    site->closing = closing;
    site->connected = false;
    site->opened_ns = site->used_ns = now_ns;
    return 0;
}

void client_site_close(struct client_core *core, struct client_site *site)
{
    if (!site->peer.number)
        return;
    outbox_forget(&core->outbox, site->peer);
    map_remove(&core->peers, site->peer.number);
    list_append(&core->actions, &site->closing->link);
    site->closing = NULL;
    site->peer.number = 0;
    site->connected = false;
}

void client_sites_fini(struct client_core *core)
{
    size_t position = 0;
    struct client_site *site;
    while ((site = map_next(&core->sites, &position))) {
        free(site->closing);
        free(site->address);
        free(site);
    }
    map_fini(&core->sites);
}
