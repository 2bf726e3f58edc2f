/* The scheduler as a process: its core, with a shell that the simulation plays. */
#include "scheduler/core.h"
#include "scheduler/journal.h"
#include "tests/sim/cluster.h"
#include "tests/sim/network.h"
#include "tests/sim/views.h"

#include <stdlib.h>
#include <string.h>

struct scheduler *scheduler_of(const struct process *process)
{
    return process->state;
}

/* ---- the journal ---- */

static void disk_write(struct world *world, const void *bytes, size_t size)
{
    struct world *scarce = faults_scarce(NULL);
    world->journal = realloc(world->journal, world->journal_size + size);
    if (!world->journal)
        abort();
    memcpy(world->journal + world->journal_size, bytes, size);
    world->journal_size += size;
    world->journal_last = size;
    faults_scarce(scarce);
}

static int record_write(struct world *world, const struct batch *batch)
{
    uint8_t *bytes;
    size_t size;
    int rc = world->journal_full_until_ns > world->now_ns
                 ? DUSK_E_DISK_FULL
                 : journal_encode(batch, &bytes, &size);
    if (rc < 0)
        return rc;
    disk_write(world, bytes, size);
    free(bytes);
    return 0;
}

/* All of an event's records are written, or none. */
static void records_write(struct process *process)
{
    struct world *world = process->world;
    size_t before = world->journal_size, last = world->journal_last;
    const struct batch *batch;
    int rc = 0;
    if (!scheduler_has_records(process->state))
        return;
    while (rc == 0 && (batch = scheduler_next_record(process->state)))
        rc = record_write(world, batch);
    if (rc < 0) {
        world->journal_size = before;
        world->journal_last = last;
    }
    scheduler_recorded(process->state, rc, rc < 0 ? err_sentence(rc) : "",
                       process_now(process));
}

static int record_read(struct process *process, const struct journal_record *record,
                       struct err_text *text)
{
    struct batch_reader reader;
    struct frame *frames;
    struct message message;
    if (journal_open_batch(record, &reader, &frames) < 0)
        abort();
    int rc;
    while ((rc = batch_reader_next(&reader, &message, text)) == 0)
        if ((rc = scheduler_restore(process->state, &message, text)) < 0)
            break;
    batch_reader_fini(&reader);
    free(frames);
    return rc < 0 ? rc : 0;
}

/* Reads what the former life has written, and begins a new journal in its place. */
static void journal_begin(struct process *process)
{
    struct world *world = process->world;
    struct journal_record record;
    struct err_text text = {.line = ""};
    size_t offset = 0;
    int rc = world->journal_size ? 0 : JOURNAL_END;
    while (rc == 0 && (rc = journal_read(world->journal, world->journal_size, &offset,
                                         &record, &text)) == JOURNAL_RECORD)
        rc = record_read(process, &record, &text);
    if (rc < 0) {
        world_wrong(world, "the journal cannot be read: %s", text.line);
        return;
    }
    if (rc == JOURNAL_TORN)
        world_say(world, process, "the journal's last record is torn");
    uint8_t *old = world->journal;
    world->journal = NULL;
    world->journal_size = world->journal_last = 0;
    disk_write(world, JOURNAL_MAGIC, JOURNAL_MAGIC_BYTES);
    world->journal_last = 0;
    if (scheduler_restored(process->state, process_now(process)) < 0)
        abort();
    records_write(process);
    if (world->journal_full_until_ns > world->now_ns && old) {
        free(world->journal);
        world->journal = old;
        world->journal_size = offset;
        world->journal_last = 0;
    } else {
        free(old);
    }
}

/* A record that was being written when the process was killed. */
static void journal_tear(struct world *world)
{
    size_t last = world->journal_last;
    if (last < 2 || world->healed || !(world->plan.faults >> FAULT_TEAR & 1) ||
        world_random(world, CHANCE_HARM, 2))
        return;
    uint8_t record[1024];
    size_t size = 1 + world_random(world, CHANCE_HARM, last - 1);
    size = size < sizeof record ? size : sizeof record;
    memcpy(record, world->journal + world->journal_size - last, size);
    disk_write(world, record, size);
    world->figures.faults[FAULT_TEAR]++;
}

/* ---- life ---- */

static void start(struct process *process)
{
    struct world *world = process->world;
    struct scheduler_config config = scheduler_defaults;
    struct scheduler *scheduler;
    config.journal = true;
    config.wants_at_once = 3;
    config.wants_rest_ns = 100 * NS_PER_MS;
    config.epoch = 1 + world_random(world, CHANCE_PLAN, UINT64_C(1) << 60);
    snprintf(process->address, sizeof process->address, "%s", SCHEDULER_ADDRESS);
    if (scheduler_create(&config, process_now(process), &scheduler) < 0)
        abort();
    process->state = scheduler;
    journal_begin(process);
}

static void stop(struct process *process)
{
    journal_tear(process->world);
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
    records_write(process);
}

static void broken(struct process *process, struct peer_id peer, const char *line)
{
    scheduler_peer_broken(process->state, peer, line, process_now(process));
    records_write(process);
}

static void up(struct process *process, struct peer_id peer)
{
}

static void gone(struct process *process, struct peer_id peer)
{
    struct end *end = network_end(process, peer);
    outbox_forget(scheduler_outbox(process->state), peer);
    scheduler_peer_gone(process->state, peer, process_now(process));
    records_write(process);
    if (end)
        network_close(end, true);
}

static void tick(struct process *process)
{
    scheduler_tick(process->state, process_now(process));
    records_write(process);
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
