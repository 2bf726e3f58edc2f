#include "proto/outbox.h"

#include "proto/limits.h"

#include <stdlib.h>

void outbox_init(struct outbox *outbox)
{
    map_init(&outbox->lanes);
    list_init(&outbox->dirty);
}

static void lane_destroy(struct outbox_lane *lane)
{
    if (!lane)
        return;
    list_remove(&lane->link);
    batch_fini(&lane->batch);
    free(lane);
}

void outbox_fini(struct outbox *outbox)
{
    size_t position = 0;
    struct outbox_lane *lane;
    while ((lane = map_next(&outbox->lanes, &position)))
        lane_destroy(lane);
    map_fini(&outbox->lanes);
}

static struct outbox_lane *lane_get(struct outbox *outbox, struct peer_id peer)
{
    struct outbox_lane *lane = map_get(&outbox->lanes, peer.number);
    if (lane || !(lane = malloc(sizeof *lane)))
        return lane;
    lane->peer = peer;
    list_init(&lane->link);
    batch_init(&lane->batch);
    if (map_put(&outbox->lanes, peer.number, lane) < 0) {
        lane_destroy(lane);
        return NULL;
    }
    return lane;
}

int outbox_send(struct outbox *outbox, struct peer_id peer,
                const struct message *message)
{
    struct outbox_lane *lane = lane_get(outbox, peer);
    if (!lane)
        return DUSK_E_NOMEM;
    if (lane->batch.bytes > LIMIT_OUTBOX_BYTES)
        return DUSK_E_LIMIT;
    int rc = batch_add(&lane->batch, message);
    if (rc == 0 && list_is_empty(&lane->link))
        list_append(&outbox->dirty, &lane->link);
    return rc;
}

struct outbox_lane *outbox_next(struct outbox *outbox)
{
    if (list_is_empty(&outbox->dirty))
        return NULL;
    struct list *link = outbox->dirty.next;
    list_remove(link);
    return CONTAINER_OF(link, struct outbox_lane, link);
}

void outbox_retry(struct outbox *outbox, struct outbox_lane *lane)
{
    if (list_is_empty(&lane->link))
        list_append(&outbox->dirty, &lane->link);
}

void outbox_forget(struct outbox *outbox, struct peer_id peer)
{
    lane_destroy(map_remove(&outbox->lanes, peer.number));
}
