/* The scheduler as a process: its core, with a shell that the simulation plays. */
#include "scheduler/core.h"
#include "tests/sim/cluster.h"
#include "tests/sim/network.h"
#include "tests/sim/views.h"

#include <stdlib.h>

struct scheduler *scheduler_of(const struct process *process)
{
    return process->state;
}

static void start(struct process *process)
{
    struct world *world = process->world;
    struct scheduler_config config = scheduler_defaults;
    struct scheduler *scheduler;
    config.epoch = 1 + world_random(world, CHANCE_PLAN, UINT64_C(1) << 60);
    snprintf(process->address, sizeof process->address, "%s", SCHEDULER_ADDRESS);
    if (scheduler_create(&config, process_now(process), &scheduler) < 0)
        abort();
    process->state = scheduler;
}

static void stop(struct process *process)
{
    scheduler_destroy(process->state);
    process->state = NULL;
}

static void message(struct process *process, struct peer_id peer,
                    const struct message *message)
{
    scheduler_set_clock(process->state, clock_unix_ns(), process_now(process));
    view_message_before(process, peer, message);
    scheduler_message(process->state, peer, message, process_now(process));
    view_message_after(process, message);
}

static void broken(struct process *process, struct peer_id peer, const char *line)
{
    scheduler_peer_broken(process->state, peer, line, process_now(process));
}

static void up(struct process *process, struct peer_id peer)
{
}

static void gone(struct process *process, struct peer_id peer)
{
    struct end *end = network_end(process, peer);
    outbox_forget(scheduler_outbox(process->state), peer);
    scheduler_peer_gone(process->state, peer, process_now(process));
    if (end)
        network_close(end, true);
}

static void tick(struct process *process)
{
    scheduler_tick(process->state, process_now(process));
}

static uint64_t deadline(const struct process *process)
{
    return scheduler_next_deadline(process->state);
}

static struct outbox *outbox(struct process *process)
{
    return scheduler_outbox(process->state);
}

static void note_say(struct process *process, const struct note *note)
{
    char line[1200] = "";
    size_t used = 0;
    for (unsigned i = 0; i < note->field_count && used < sizeof line; i++)
        used += (size_t)snprintf(line + used, sizeof line - used, " %s=%s",
                                 note->fields[i].key, note->fields[i].text);
    world_say(process->world, process, "note: %s%s", note->event, line);
}

/* What waits for a peer leaves before its connection is closed. */
static bool act(struct process *process)
{
    struct note note;
    while (scheduler_next_note(process->state, &note))
        note_say(process, &note);
    struct peer_id closed;
    if (!list_is_empty(&scheduler_outbox(process->state)->dirty) ||
        !scheduler_next_closed(process->state, &closed))
        return false;
    struct end *end = network_end(process, closed);
    outbox_forget(scheduler_outbox(process->state), closed);
    if (end)
        network_close(end, true);
    return true;
}

static void sent(struct process *process, struct peer_id peer)
{
}

static int check(const struct process *process, struct err_text *text)
{
    return scheduler_check(process->state, text);
}

const struct process_kind scheduler_kind = {
    .letter = 's',
    .start = start,
    .stop = stop,
    .message = message,
    .broken = broken,
    .up = up,
    .gone = gone,
    .tick = tick,
    .deadline = deadline,
    .outbox = outbox,
    .act = act,
    .sent = sent,
    .check = check,
};
