#include "proto/outbox.h"

#include "proto/limits.h"

#include <stdlib.h>

void outbox_init(struct outbox *outbox)
{
    map_init(&outbox->lanes);
    list_init(&outbox->dirty);
    outbox->chained = false;
}

struct later {
    struct list link;
    struct batch batch;
};

bool outbox_more(struct outbox_lane *lane)
{
    if (list_is_empty(&lane->later))
        return false;
    struct later *later = CONTAINER_OF(lane->later.next, struct later, link);
    list_remove(&later->link);
    lane->later_bytes -= later->batch.bytes;
    batch_fini(&lane->batch);
    lane->batch = later->batch;
    free(later);
    return true;
}

static void lane_destroy(struct outbox_lane *lane)
{
    if (!lane)
        return;
    list_remove(&lane->link);
    while (outbox_more(lane))
        ;
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
    list_init(&lane->later);
    lane->later_bytes = 0;
    batch_init(&lane->batch);
    if (map_put(&outbox->lanes, peer.number, lane) < 0) {
        lane_destroy(lane);
        return NULL;
    }
    return lane;
}

static int lane_add_later(struct outbox_lane *lane, const struct message *message)
{
    struct later *later = malloc(sizeof *later);
    if (!later)
        return DUSK_E_NOMEM;
    batch_init(&later->batch);
    int rc = batch_add(&later->batch, message);
    if (rc < 0) {
        batch_fini(&later->batch);
        free(later);
        return rc;
    }
    list_init(&later->link);
    list_append(&lane->later, &later->link);
    lane->later_bytes += later->batch.bytes;
    return 0;
}

/* Into the last batch, or a new one behind it. */
static int lane_add(struct outbox_lane *lane, const struct message *message)
{
    struct batch *last = &lane->batch;
    if (!list_is_empty(&lane->later))
        last = &CONTAINER_OF(lane->later.prev, struct later, link)->batch;
    size_t before = last->bytes;
    int rc = batch_add(last, message);
    if (rc == 0 && last != &lane->batch)
        lane->later_bytes += last->bytes - before;
    return rc == DUSK_E_LIMIT ? lane_add_later(lane, message) : rc;
}

size_t outbox_waiting(const struct outbox *outbox, struct peer_id peer)
{
    const struct outbox_lane *lane = map_get(&outbox->lanes, peer.number);
    return lane ? lane->batch.bytes + lane->later_bytes : 0;
}

int outbox_send(struct outbox *outbox, struct peer_id peer,
                const struct message *message)
{
    if (outbox_waiting(outbox, peer) > LIMIT_OUTBOX_BYTES)
        return DUSK_E_LIMIT;
    return outbox_add(outbox, peer, message);
}

int outbox_add(struct outbox *outbox, struct peer_id peer,
               const struct message *message)
{
    struct outbox_lane *lane = lane_get(outbox, peer);
    if (!lane)
        return DUSK_E_NOMEM;
    int rc =
        outbox->chained ? lane_add(lane, message) : batch_add(&lane->batch, message);
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
