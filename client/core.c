/* The core's life, and the way of each event to the part that knows what to do with
 * it. */
#include "client/core_parts.h"
#include "common/clock.h"
#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

#define IDLE_NS (30 * NS_PER_S) /* a worker's connection is kept unused */
#define RELEASED_BYTES (LIMIT_HEADER_BYTES / 4) /* keys of a heartbeat or two */
#define REST_NS (20 * NS_PER_MS)

/* ---- life ---- */

static void core_init(struct client_core *core, const struct client_config *config,
                      uint64_t now_ns)
{
    core->epoch = config->epoch;
    core->seed = config->seed;
    core->pid = config->pid;
    core->tick_ns = now_ns;
    outbox_init(&core->outbox);
    map_init(&core->by_key);
    map_init(&core->sites);
    map_init(&core->peers);
    map_init(&core->requests);
    struct list *lists[] = {&core->actions, &core->futures, &core->questions,
                            &core->uploads, &core->garbage, &core->waiting,
                            &core->looking, &core->resting, &core->stored};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        list_init(lists[i]);
    for (int i = 0; i < FUTURE_QUEUES; i++)
        list_init(&core->queues[i]);
    for (int i = 0; i < 2; i++)
        buf_init(&core->released[i], RELEASED_BYTES);
}

int client_core_create(const struct client_config *config, uint64_t now_ns,
                       struct client_core **ret_core)
{
    struct client_core *core = calloc(1, sizeof *core);
    if (!core)
        return DUSK_E_NOMEM;
    core_init(core, config, now_ns);
    client_link_init(core);
    core->name = strdup(config->name);
    int rc = core->name
                 ? client_site_get(core, str_of(config->address), &core->scheduler)
                 : DUSK_E_NOMEM;
    if (rc < 0) {
        client_core_destroy(core);
        return rc;
    }
    *ret_core = core;
    return 0;
}

static struct dusk_future *next_older(struct client_core *core,
                                      const struct dusk_future *future)
{
    struct list *link = future ? future->all.prev : core->futures.prev;
    return link == &core->futures ? NULL : CONTAINER_OF(link, struct dusk_future, all);
}

static void future_close(struct dusk_future *future)
{
    client_transfer_end(future);
    if (future->state <= FUTURE_AWAY)
        future_fail(future, DUSK_E_CANCELLED,
                    str_of("the connection to the scheduler was closed"));
    client_queue(future, QUEUE_NONE);
}

/* Futures that only waited to be released go at once.  A future may be all that
 * keeps an older one, which is held while the newer one goes. */
void client_core_close(struct client_core *core)
{
    if (core->link == LINK_UP) {
        client_core_fill(core, core->tick_ns);
        client_tell(core, MESSAGE(bye, .reason = str_of("the program is done")));
    }
    core->link = LINK_CLOSED;
    struct dusk_future *future = next_older(core, NULL);
    while (future) {
        struct dusk_future *older = next_older(core, future);
        if (older)
            older->references++;
        future_close(future);
        future_collect(future);
        if (older)
            older->references--;
        future = older;
    }
}

void client_core_destroy(struct client_core *core)
{
    if (!core)
        return;
    struct client_action *action;
    while ((action = client_core_next_action(core)))
        free(action);
    LIST_FOREACH (link, &core->uploads)
        client_core_upload_end(CONTAINER_OF(link, struct client_upload, link));
    client_sites_fini(core);
    outbox_fini(&core->outbox);
    map_fini(&core->by_key);
    map_fini(&core->peers);
    map_fini(&core->requests);
    for (int i = 0; i < 2; i++)
        buf_fini(&core->released[i]);
    free(core->name);
    free(core);
}

struct client_action *client_core_next_action(struct client_core *core)
{
    if (list_is_empty(&core->actions))
        return NULL;
    struct list *link = core->actions.next;
    list_remove(link);
    return CONTAINER_OF(link, struct client_action, link);
}

bool client_core_is_scheduler(const struct client_core *core, struct peer_id peer)
{
    return map_get(&core->peers, peer.number) == core->scheduler;
}

static int scheduler_message(struct client_core *core, const struct message *message,
                             uint64_t now_ns, struct err_text *text)
{
    switch (message->type) {
    case MSG_welcome:
        return client_link_welcome(core, &message->welcome, now_ns);
    case MSG_refuse:
        return client_link_refused(core, &message->refuse, text);
    case MSG_register_again:
        return client_link_register_again(core, now_ns);
    case MSG_alive:
        core->heartbeat_answered |= message->alive.number == core->heartbeats;
        return 0;
    case MSG_bye:
        return err_set(text, DUSK_E_CLOSED, "the scheduler says bye");
    case MSG_finished:
        return client_answer_finished(core, &message->finished, now_ns);
    case MSG_failed:
        return client_answer_failed(core, &message->failed);
    case MSG_place:
    case MSG_located:
        return client_transfer_message(core, message, now_ns, text);
    case MSG_status:
    case MSG_because:
    case MSG_published:
    case MSG_outcome:
        return client_question_message(core, message, text);
    default:
        return err_set(text, DUSK_E_PROTOCOL, "a scheduler does not send %s",
                       message_name(message->type));
    }
}

static int worker_message(struct client_core *core, const struct message *message,
                          uint64_t now_ns, struct err_text *text)
{
    switch (message->type) {
    case MSG_data:
    case MSG_no_data:
    case MSG_stored:
        return client_transfer_message(core, message, now_ns, text);
    case MSG_alive:
    case MSG_bye:
        return 0;
    default:
        return err_set(text, DUSK_E_PROTOCOL, "a worker does not send %s",
                       message_name(message->type));
    }
}

/* ---- events ---- */

int client_core_message(struct client_core *core, struct peer_id peer,
                        const struct message *message, uint64_t now_ns,
                        struct err_text *text)
{
    struct client_site *site = map_get(&core->peers, peer.number);
    if (!site || core->link == LINK_CLOSED) {
        core->late++;
        return 0;
    }
    site->used_ns = now_ns;
    if (site != core->scheduler)
        return worker_message(core, message, now_ns, text);
    core->heard_ns = now_ns;
    return scheduler_message(core, message, now_ns, text);
}

void client_core_connected(struct client_core *core, struct peer_id peer,
                           uint64_t now_ns)
{
    struct client_site *site = map_get(&core->peers, peer.number);
    if (!site)
        return;
    site->connected = true;
    site->opened_ns = now_ns;
    if (site == core->scheduler)
        client_link_connected(core, now_ns);
}

void client_core_set_clock(struct client_core *core, uint64_t unix_ns, uint64_t now_ns)
{
    core->unix_offset_ns = unix_ns - now_ns;
}

void client_core_peer_gone(struct client_core *core, struct peer_id peer,
                           uint64_t now_ns)
{
    struct client_site *site = map_get(&core->peers, peer.number);
    if (!site)
        return;
    if (site != core->scheduler) {
        client_transfer_site_gone(core, site, now_ns);
        return;
    }
    if (core->link == LINK_HELLO || core->link == LINK_UP)
        client_link_close(core, now_ns);
}

static void sites_tick(struct client_core *core, uint64_t now_ns)
{
    size_t position = 0;
    struct client_site *site;
    while ((site = map_next(&core->sites, &position))) {
        if (site == core->scheduler || !site->peer.number)
            continue;
        if (!site->connected && now_ns > site->opened_ns + CONNECT_NS)
            client_transfer_site_gone(core, site, now_ns);
        else if (list_is_empty(&site->asked) && now_ns > site->used_ns + IDLE_NS)
            client_site_close(core, site);
    }
}

void client_core_tick(struct client_core *core, uint64_t now_ns)
{
    core->tick_ns = now_ns;
    if (core->link == LINK_CLOSED)
        return;
    client_link_tick(core, now_ns);
    client_transfer_tick(core, now_ns);
    sites_tick(core, now_ns);
    client_core_fill(core, now_ns);
}

uint64_t client_core_next_deadline(const struct client_core *core)
{
    if (core->link == LINK_CLOSED || core->link == LINK_REFUSED)
        return UINT64_MAX;
    uint64_t due_ns = core->tick_ns + NS_PER_S;
    if (core->link == LINK_DOWN && core->reopen_ns < due_ns)
        due_ns = core->reopen_ns;
    if (core->link == LINK_UP && core->alive_due_ns < due_ns)
        due_ns = core->alive_due_ns;
    bool resting = core->blocked || !list_is_empty(&core->resting);
    if (resting && core->tick_ns + REST_NS < due_ns)
        due_ns = core->tick_ns + REST_NS;
    return due_ns;
}

/* The scheduler hears of tasks before it is asked where their results are. */
void client_core_fill(struct client_core *core, uint64_t now_ns)
{
    core->blocked = false;
    if (core->link == LINK_UP && client_upload_fill(core)) {
        client_submit_fill(core, now_ns);
        client_question_fill(core);
    }
    client_transfer_fill(core, now_ns);
}
