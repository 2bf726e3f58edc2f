#include "tests/unit/scheduler_script.h"

#include "tests/test.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MS UINT64_C(1000000)

bool script_in_core;

#define IN_CORE(call)                                                                  \
    do {                                                                               \
        script_in_core = true;                                                         \
        call;                                                                          \
        script_in_core = false;                                                        \
    } while (0)

void script_init_with(struct script *script, const struct scheduler_config *config)
{
    *script = (struct script){.now_ns = 1000 * MS};
    ck_assert_int_eq(scheduler_create(config, script->now_ns, &script->scheduler), 0);
}

void script_init(struct script *script)
{
    script_init_with(script, &scheduler_defaults);
}

void script_fini(struct script *script)
{
    scheduler_destroy(script->scheduler);
}

static void add(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void add(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

#define ADD(...) add(script->out, sizeof script->out, __VA_ARGS__)

static uint64_t count_of(struct task_key key)
{
    return key.bits & KEY_COUNT_MAX;
}

static void add_sources(struct script *script, field_sources sources)
{
    for (size_t i = 0; i < sources.count; i++)
        ADD("%s%" PRIu64 "@" STR_FORMAT, i ? " " : " [", count_of(sources.items[i].key),
            STR_ARGS(sources.items[i].address));
    if (sources.count)
        ADD("]");
}

static void add_keys(struct script *script, field_keys keys)
{
    for (size_t i = 0; i < keys.count; i++)
        ADD(" %" PRIu64, count_of(keys.items[i]));
}

static void add_status(struct script *script, const struct msg_status *m)
{
    for (size_t i = 0; i < m->workers.count; i++) {
        const struct worker_row *row = &m->workers.items[i];
        ADD(" " STR_FORMAT "=" STR_FORMAT "/%" PRIu64 "p/%" PRIu64 "c/'" STR_FORMAT "'",
            STR_ARGS(row->name), STR_ARGS(row->state), row->processing, row->chunks,
            STR_ARGS(row->running));
    }
    for (size_t i = 0; i < m->states.count; i++)
        if (m->states.items[i].tasks)
            ADD(" " STR_FORMAT "=%" PRIu64, STR_ARGS(m->states.items[i].state),
                m->states.items[i].tasks);
    for (size_t i = 0; i < m->clients.count; i++)
        ADD(" client%" PRIu64 "=%" PRIu64, m->clients.items[i].client,
            m->clients.items[i].wanted);
    for (size_t i = 0; i < m->published.count; i++)
        ADD(" '" STR_FORMAT "'=%" PRIu64 "/%" PRIu64 "/%" PRIu64 "B",
            STR_ARGS(m->published.items[i].name), m->published.items[i].in_memory,
            m->published.items[i].tasks, m->published.items[i].nbytes);
}

static void add_message(struct script *script, const struct message *message)
{
    ADD("%s", message_name(message->type));
    switch (message->type) {
    case MSG_welcome:
        ADD(" %" PRIu64, message->welcome.number);
        break;
    case MSG_refuse:
        ADD(" %s: " STR_FORMAT, err_name((int)message->refuse.code),
            STR_ARGS(message->refuse.reason));
        break;
    case MSG_place:
        ADD(" %" PRIu64 "#%" PRIu64 " " STR_FORMAT, count_of(message->place.key),
            message->place.attempt, STR_ARGS(message->place.address));
        break;
    case MSG_finished:
        ADD(" %" PRIu64 " %" PRIu64 "B " STR_FORMAT "%s",
            count_of(message->finished.key), message->finished.nbytes,
            STR_ARGS(message->finished.address),
            message->finished.result ? " inline" : "");
        break;
    case MSG_failed:
        ADD(" %" PRIu64 " %s: " STR_FORMAT, count_of(message->failed.key),
            err_name((int)message->failed.code), STR_ARGS(message->failed.reason));
        break;
    case MSG_located:
        ADD(" %" PRIu64, count_of(message->located.key));
        add_sources(script, message->located.sources);
        break;
    case MSG_run_task:
        ADD(" %" PRIu64 "#%" PRIu64 " " STR_FORMAT, count_of(message->run_task.key),
            message->run_task.attempt, STR_ARGS(message->run_task.function));
        add_sources(script, message->run_task.inputs);
        break;
    case MSG_stop_task:
        ADD(" %" PRIu64 "#%" PRIu64, count_of(message->stop_task.key),
            message->stop_task.attempt);
        break;
    case MSG_free_data:
        add_keys(script, message->free_data.keys);
        break;
    case MSG_acquire:
        add_sources(script, message->acquire.sources);
        break;
    case MSG_retired:
        ADD(" %" PRIu64, message->retired.moved);
        break;
    case MSG_outcome:
        ADD(" %" PRIu64 " %s: " STR_FORMAT, message->outcome.request,
            err_name((int)message->outcome.code), STR_ARGS(message->outcome.reason));
        break;
    case MSG_members:
        for (size_t i = 0; i < message->members.members.count; i++)
            ADD(" " STR_FORMAT, STR_ARGS(message->members.members.items[i].name));
        break;
    case MSG_load_plugin:
        ADD(" " STR_FORMAT " %zuB", STR_ARGS(message->load_plugin.name),
            payload_bytes(message->load_plugin.plugin));
        break;
    case MSG_published:
        if (message->published.code)
            ADD(" %s: " STR_FORMAT, err_name((int)message->published.code),
                STR_ARGS(message->published.reason));
        for (size_t i = 0; i < message->published.tasks.count; i++)
            ADD(" %" PRIu64 "=" STR_FORMAT,
                count_of(message->published.tasks.items[i].key),
                STR_ARGS(message->published.tasks.items[i].what));
        break;
    case MSG_because:
        ADD(" " STR_FORMAT, STR_ARGS(message->because.reason));
        for (size_t i = 0; i < message->because.waiting.count; i++)
            ADD("%s%" PRIu64 "x " STR_FORMAT, i ? " | " : "",
                message->because.waiting.items[i].tasks,
                STR_ARGS(message->because.waiting.items[i].reason));
        break;
    case MSG_status:
        add_status(script, &message->status);
        break;
    default:
        break;
    }
}

static void add_peer(struct script *script, uint32_t number)
{
    bool client = number >= C1 && number <= C9;
    ADD("%s%c%u:", script->out[0] ? "; " : "", client ? 'c' : 'w',
        client ? number - 10 : number);
}

/* Batches are decoded as a shell would, so that the bytes are tested too. */
static void add_lane(struct script *script, struct outbox_lane *lane)
{
    struct frame frames[64] = {0};
    size_t frame_count = 0;
    struct batch *batch = &lane->batch;
    for (size_t i = 0; i < batch->payload_count; i++)
        for (unsigned f = 0; f < payload_frame_count(batch->payloads[i]); f++)
            frames[frame_count++] =
                (struct frame){.data = payload_frame(batch->payloads[i], f)->data,
                               .size = payload_frame(batch->payloads[i], f)->size};
    struct batch_reader reader;
    batch_reader_init(&reader, batch->header.data, batch->header.size, frames,
                      frame_count);
    struct message message;
    struct err_text text;
    int rc;
    while ((rc = batch_reader_next(&reader, &message, &text)) == 0) {
        add_peer(script, lane->peer.number);
        add_message(script, &message);
    }
    ck_assert_msg(rc > 0, "%s", text.line);
    batch_reader_fini(&reader);
    batch_fini(batch);
}

static const char *collect(struct script *script)
{
    struct err_text text;
    int rc = scheduler_check(script->scheduler, &text);
    ck_assert_msg(rc == 0, "%s", text.line);
    script->out[0] = script->notes[0] = '\0';
    struct outbox *outbox;
    IN_CORE(outbox = scheduler_outbox(script->scheduler));
    struct outbox_lane *lanes[64] = {0}, *lane;
    while ((lane = outbox_next(outbox)))
        lanes[lane->peer.number] = lane;
    for (size_t i = 0; i < sizeof lanes / sizeof *lanes; i++)
        if (lanes[i])
            add_lane(script, lanes[i]);
    struct peer_id closed;
    while (scheduler_next_closed(script->scheduler, &closed)) {
        add_peer(script, closed.number);
        ADD("closed");
    }
    struct note note;
    while (scheduler_next_note(script->scheduler, &note)) {
        add(script->notes, sizeof script->notes, "%s", note.event);
        for (unsigned i = 0; i < note.field_count; i++)
            add(script->notes, sizeof script->notes, " %s=%s", note.fields[i].key,
                note.fields[i].text);
        add(script->notes, sizeof script->notes, "\n");
    }
    return script->out;
}

const char *script_message(struct script *script, enum script_peer peer,
                           const struct message *message)
{
    IN_CORE(scheduler_message(script->scheduler, (struct peer_id){peer}, message,
                              script->now_ns));
    return collect(script);
}

const char *script_gone(struct script *script, enum script_peer peer)
{
    IN_CORE(
        scheduler_peer_gone(script->scheduler, (struct peer_id){peer}, script->now_ns));
    return collect(script);
}

const char *script_wait(struct script *script, uint64_t ms)
{
    uint64_t end_ns = script->now_ns + ms * MS;
    uint64_t next_ns;
    while ((next_ns = scheduler_next_deadline(script->scheduler)) <= end_ns) {
        if (next_ns > script->now_ns)
            script->now_ns = next_ns;
        IN_CORE(scheduler_tick(script->scheduler, script->now_ns));
    }
    script->now_ns = end_ns;
    return collect(script);
}

const char *script_worker(struct script *script, enum script_peer peer,
                          unsigned nthreads, unsigned credits)
{
    char name[8];
    snprintf(name, sizeof name, "w%d", peer);
    return script_message(
        script, peer,
        MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                .role = ROLE_WORKER, .name = str_of(name), .address = str_of(name),
                .epoch = 100 + (unsigned)peer, .nthreads = nthreads, .credits = credits,
                .memory_limit = UINT64_C(1) << 40));
}

const char *script_client(struct script *script, enum script_peer peer)
{
    return script_message(script, peer,
                          MESSAGE(hello, .magic = PROTOCOL_MAGIC,
                                  .major = PROTOCOL_MAJOR, .role = ROLE_CLIENT,
                                  .epoch = 100 + (unsigned)peer,
                                  .client = (unsigned)peer - 10));
}
