#include "tests/sim/network.h"

#include "tests/sim/faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUTE_NS (20 * NS_PER_S) /* TCP_MAXRT: until a silent peer is given up */

static struct conn *conn_find(struct world *world, uint64_t id)
{
    return map_get(&world->conns, id);
}

static unsigned side_of(const struct end *end)
{
    return (unsigned)(end - end->conn->ends);
}

struct end *network_end(const struct process *process, struct peer_id peer)
{
    return map_get(&process->ends, peer.number);
}

struct end *network_other(struct end *end)
{
    return &end->conn->ends[1 - side_of(end)];
}

/* ---- packets ---- */

static void packet_destroy(struct packet *packet)
{
    list_remove(&packet->link);
    for (size_t i = 0; i < packet->frame_count; i++)
        if (packet->frames[i].release)
            packet->frames[i].release(packet->frames[i].hint);
    free(packet->frames);
    free(packet->header);
    free(packet);
}

static void *copy_of(const void *data, size_t size)
{
    void *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    return copy;
}

static struct packet *packet_create(const struct batch *batch)
{
    struct world *scarce = faults_scarce(NULL);
    struct packet *packet = calloc(1, sizeof *packet);
    list_init(&packet->link);
    packet->header = copy_of(batch->header.data, batch->header.size);
    packet->size = batch->header.size;
    packet->frames = calloc(batch->frame_count + 1, sizeof *packet->frames);
    for (size_t i = 0; i < batch->payload_count; i++)
        for (unsigned f = 0; f < payload_frame_count(batch->payloads[i]); f++) {
            const struct frame *frame = payload_frame(batch->payloads[i], f);
            void *copy = copy_of(frame->data, frame->size);
            packet->frames[packet->frame_count++] =
                (struct frame){copy, frame->size, free, copy};
        }
    faults_scarce(scarce);
    return packet;
}

static void inbox_clear(struct end *end)
{
    LIST_FOREACH (link, &end->inbox)
        packet_destroy(CONTAINER_OF(link, struct packet, link));
}

/* ---- life ---- */

static struct conn *conn_create(struct world *world, const char *address)
{
    struct conn *conn = calloc(1, sizeof *conn);
    conn->id = ++world->conn_count;
    snprintf(conn->address, sizeof conn->address, "%s", address);
    for (int side = 0; side < 2; side++) {
        conn->ends[side].conn = conn;
        list_init(&conn->ends[side].inbox);
    }
    if (map_put(&world->conns, conn->id, conn) < 0)
        abort();
    return conn;
}

static void conn_destroy(struct world *world, struct conn *conn)
{
    inbox_clear(&conn->ends[0]);
    inbox_clear(&conn->ends[1]);
    map_remove(&world->conns, conn->id);
    free(conn);
}

void network_fini(struct world *world)
{
    size_t position = 0;
    struct conn *conn;
    while ((conn = map_next(&world->conns, &position))) {
        conn_destroy(world, conn);
        position = 0;
    }
    map_fini(&world->conns);
}

static void end_open(struct end *end, struct process *process, struct peer_id peer)
{
    end->process = process;
    end->peer = peer;
    end->open = true;
    if (map_put(&process->ends, peer.number, end) < 0)
        abort();
}

/* ---- delays ---- */

static uint64_t network_delay(struct world *world)
{
    if (world->now_ns < world->slow_until_ns)
        return world_random(world, CHANCE_NETWORK, 2 * NS_PER_S);
    if (world_chance(world, CHANCE_NETWORK, 2))
        return world_random(world, CHANCE_NETWORK, 300 * NS_PER_MS);
    return 20000 + world_random(world, CHANCE_NETWORK, 2 * NS_PER_MS);
}

static uint64_t blocked_until(const struct world *world, const struct process *from,
                              const struct process *to)
{
    return world->cut_until_ns[from->index][to->index];
}

static void fire_arrival(struct world *world, struct event *event);

/* Puts the packet behind those that are on their way already. */
static void packet_post(struct end *to, struct packet *packet, uint64_t delay_ns)
{
    struct world *world = to->process->world;
    uint64_t at_ns = world->now_ns + delay_ns;
    if (at_ns < to->last_ns)
        at_ns = to->last_ns;
    to->last_ns = at_ns;
    list_append(&to->inbox, &packet->link);
    struct event *event = world_after(world, at_ns - world->now_ns, fire_arrival, NULL);
    event->a = to->conn->id;
    event->b = side_of(to);
}

static void post_last(struct end *to, uint64_t delay_ns)
{
    struct world *scarce = faults_scarce(NULL);
    struct packet *packet = calloc(1, sizeof *packet);
    faults_scarce(scarce);
    list_init(&packet->link);
    packet->last = true;
    packet_post(to, packet, delay_ns);
}

void network_send(struct end *end, const struct batch *batch)
{
    struct end *to = network_other(end);
    struct world *world = end->process->world;
    if (end->conn->cut || !to->open)
        return;
    packet_post(to, packet_create(batch), network_delay(world));
    bool twice = !world->healed && world->plan.faults & 1 << FAULT_DUPLICATE &&
                 world_chance(world, CHANCE_NETWORK, 1);
    if (!twice)
        return;
    packet_post(to, packet_create(batch), 0);
    world->figures.faults[FAULT_DUPLICATE]++;
}

/* ---- arrivals ---- */

/* Of messages that are about one task: their first field; of others the first key. */
static struct task_key key_of(const struct message *message)
{
    switch (message->type) {
    case MSG_submit:
    case MSG_scatter:
    case MSG_locate:
    case MSG_place:
    case MSG_finished:
    case MSG_failed:
    case MSG_located:
    case MSG_run_task:
    case MSG_stop_task:
    case MSG_done:
    case MSG_erred:
    case MSG_missing:
        return message->submit.key;
    case MSG_free_data:
    case MSG_dropped:
    case MSG_release:
        return message->free_data.keys.count ? message->free_data.keys.items[0]
                                             : (struct task_key){0};
    case MSG_have:
        return message->have.holdings.count ? message->have.holdings.items[0].key
                                            : (struct task_key){0};
    case MSG_acquire:
        return message->acquire.sources.count ? message->acquire.sources.items[0].key
                                              : (struct task_key){0};
    default:
        return (struct task_key){0};
    }
}

static void packet_read(struct end *to, struct packet *packet)
{
    struct process *process = to->process;
    struct world *world = process->world;
    uint64_t conn = to->conn->id;
    struct peer_id peer = to->peer;
    struct batch_reader reader;
    struct message message;
    struct err_text text;
    world_trace(world, conn, process->index, packet->size);
    batch_reader_init(&reader, packet->header, packet->size, packet->frames,
                      packet->frame_count);
    int rc;
    core_begin(process);
    while ((rc = batch_reader_next(&reader, &message, &text)) == 0) {
        struct task_key key = key_of(&message);
        world_trace(world, message.type, key.bits, world->now_ns);
        world->figures.messages++;
        world_say(world, process, "from p%u: %s " KEY_FORMAT, peer.number,
                  message_name(message.type), KEY_ARGS(key));
        process->kind->message(process, peer, &message);
        if (network_end(process, peer) != to)
            break;
    }
    if (rc < 0)
        process->kind->broken(process, peer, text.line);
    core_end(process);
    batch_reader_fini(&reader);
    packet->frame_count = 0; /* the reader has taken or released them */
    if (rc < 0 && !process->scarce)
        world_wrong(world, "%s cannot read a batch: %s", process->name, text.line);
}

/* The other side is gone.  A worker's shell finds out about its visitors only when it
 * sends them something. */
static void end_lost(struct end *end)
{
    struct process *process = end->process;
    end->dead = true;
    end->up = false;
    world_trace(process->world, end->conn->id, process->index, UINT64_MAX);
    world_say(process->world, process, "p%u is gone", end->peer.number);
    if (side_of(end) == 1 && process->kind == &worker_kind)
        return;
    core_begin(process);
    process->kind->gone(process, end->peer);
    core_end(process);
}

static void packet_arrive(struct end *to)
{
    struct process *process = to->process;
    struct packet *packet = CONTAINER_OF(to->inbox.next, struct packet, link);
    bool last = packet->last;
    list_remove(&packet->link);
    if (last)
        end_lost(to);
    else
        packet_read(to, packet);
    packet_destroy(packet);
    if (process->alive)
        process_turn(process);
}

static void fire_arrival(struct world *world, struct event *event)
{
    struct conn *conn = conn_find(world, event->a);
    struct end *to = conn ? &conn->ends[event->b] : NULL;
    if (!to || !to->open || list_is_empty(&to->inbox))
        return;
    const struct packet *first = CONTAINER_OF(to->inbox.next, struct packet, link);
    struct process *from = network_other(to)->process;
    uint64_t at_ns = to->process->paused_until_ns;
    if (!first->last && !conn->cut && blocked_until(world, from, to->process) > at_ns)
        at_ns = blocked_until(world, from, to->process);
    if (at_ns > world->now_ns) {
        struct event *later =
            world_after(world, at_ns - world->now_ns, fire_arrival, NULL);
        later->a = event->a;
        later->b = event->b;
        return;
    }
    packet_arrive(to);
}

/* ---- connecting ---- */

static struct process *listener_find(struct world *world, const char *address)
{
    for (unsigned i = 0; i < world->process_count; i++)
        if (world->processes[i].alive && !strcmp(world->processes[i].address, address))
            return &world->processes[i];
    return NULL;
}

static void fire_up(struct world *world, struct event *event)
{
    struct conn *conn = conn_find(world, event->a);
    if (!conn || !conn->ends[0].open || conn->ends[0].dead)
        return;
    struct end *end = &conn->ends[0];
    struct process *process = end->process;
    end->up = true;
    core_begin(process);
    process->kind->up(process, end->peer);
    core_end(process);
    process_turn(process);
}

static void fire_dial(struct world *world, struct event *event);

static void dial_later(struct conn *conn, uint64_t delay_ns)
{
    struct process *process = conn->ends[0].process;
    struct event *event = world_after(process->world, delay_ns, fire_dial, process);
    event->a = conn->id;
}

static void conn_accept(struct conn *conn, struct process *listener)
{
    struct process *dialer = conn->ends[0].process;
    struct world *world = dialer->world;
    end_open(&conn->ends[1], listener, (struct peer_id){++listener->visitors});
    conn->ends[1].up = true;
    struct event *event = world_after(world, network_delay(world), fire_up, dialer);
    event->a = conn->id;
}

static void fire_dial(struct world *world, struct event *event)
{
    struct conn *conn = conn_find(world, event->a);
    if (!conn || !conn->ends[0].open)
        return;
    struct process *dialer = conn->ends[0].process;
    struct process *listener = listener_find(world, conn->address);
    bool cut = listener && (blocked_until(world, dialer, listener) > world->now_ns ||
                            blocked_until(world, listener, dialer) > world->now_ns ||
                            listener->paused_until_ns > world->now_ns);
    if (listener && !cut) {
        conn_accept(conn, listener);
    } else if (listener || conn->lasting) {
        dial_later(conn, NS_PER_MS * (100 + world_random(world, CHANCE_NETWORK, 200)));
    } else {
        end_lost(&conn->ends[0]);
        process_turn(dialer);
    }
}

void network_dial(struct process *process, struct peer_id peer, const char *address,
                  bool lasting)
{
    struct world *scarce = faults_scarce(NULL);
    struct conn *conn = conn_create(process->world, address);
    conn->lasting = lasting;
    end_open(&conn->ends[0], process, peer);
    faults_scarce(scarce);
    dial_later(conn, network_delay(process->world));
}

/* ---- the end of connections ---- */

void network_close(struct end *end, bool noticed)
{
    struct process *process = end->process;
    struct end *other = network_other(end);
    struct world *world = process->world;
    map_remove(&process->ends, end->peer.number);
    end->open = end->up = false;
    inbox_clear(end);
    if (!other->open)
        conn_destroy(world, end->conn);
    else if (!other->dead && !end->conn->cut)
        post_last(other, noticed ? network_delay(world) : MUTE_NS);
}

static void tail_lose(struct world *world, struct end *to)
{
    while (!list_is_empty(&to->inbox) && world_chance(world, CHANCE_HARM, 60))
        packet_destroy(CONTAINER_OF(to->inbox.prev, struct packet, link));
}

void network_cut(struct conn *conn, bool mute)
{
    struct world *world = conn->ends[0].process->world;
    if (conn->cut || !conn->ends[1].open || !conn->ends[0].open)
        return;
    conn->cut = true;
    unsigned deaf = (unsigned)world_random(world, CHANCE_HARM, 2);
    for (unsigned side = 0; side < 2; side++) {
        struct end *end = &conn->ends[side];
        tail_lose(world, end);
        if (!end->dead)
            post_last(end, mute && side == deaf ? MUTE_NS : network_delay(world));
    }
}

bool network_is_idle(const struct end *end)
{
    const struct conn *conn = end->conn;
    return end->up && !end->dead && !conn->cut && list_is_empty(&conn->ends[0].inbox) &&
           list_is_empty(&conn->ends[1].inbox);
}
