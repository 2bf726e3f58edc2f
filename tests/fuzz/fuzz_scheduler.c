/* The scheduler's core between workers and clients that say anything: the input is a
 * session, a list of events with the peer they come from. */
#include "common/err.h"
#include "scheduler/journal.h"
#include "scheduler/scheduler.h"
#include "tests/fuzz/feed_message.h"

#include <stdlib.h>

#define PEERS 8 /* the first half are workers */
#define TASKS 8 /* that are remembered, of those sent to workers */
#define STEPS 400
#define S UINT64_C(1000000000)

struct given {
    struct peer_id peer;
    struct task_key key;
    uint64_t attempt;
};

struct session {
    struct feed *feed;
    struct scheduler *scheduler;
    struct scheduler_config config;
    struct buf journal; /* the records, as a file has them */
    uint64_t now_ns;
    struct peer_id peer; /* that the event comes from */
    uint32_t stalled;
    struct given given[TASKS];
    unsigned given_count;
};

static void deliver(void *context, const struct message *message)
{
    struct session *session = context;
    scheduler_message(session->scheduler, session->peer, message, session->now_ns);
}

static void broken(void *context, const char *line)
{
    struct session *session = context;
    scheduler_peer_broken(session->scheduler, session->peer, line, session->now_ns);
}

static void tell(struct session *session, const struct message *message, bool damaged)
{
    feed_send(session->feed, message, damaged,
              &(struct feed_wire){deliver, broken, session});
}

static void heard(void *context, struct peer_id peer, const struct message *message)
{
    struct session *session = context;
    if (message->type == MSG_run_task)
        session->given[session->given_count++ % TASKS] =
            (struct given){peer, message->run_task.key, message->run_task.attempt};
}

/* ---- events ---- */

static bool is_worker(struct peer_id peer)
{
    return peer.number <= PEERS / 2;
}

/* A hello that nothing is wrong with, but for what the input chooses to be. */
static void greet(struct session *session)
{
    struct message message;
    feed_message(session->feed, MSG_hello, &message);
    message.hello.magic = PROTOCOL_MAGIC;
    message.hello.major = PROTOCOL_MAJOR;
    message.hello.epoch = 1 + feed_below(session->feed, 16);
    message.hello.role = is_worker(session->peer) ? ROLE_WORKER : ROLE_CLIENT;
    message.hello.client = 1 + feed_below(session->feed, 3);
    message.hello.address = str_of(feed_address(session->feed));
    message.hello.nthreads = 1 + message.hello.nthreads % 4;
    message.hello.unix_ns = 0;
    message.hello.scheduler_epoch = 1 + feed_below(session->feed, 3);
    tell(session, &message, false);
}

/* The worker does what it was told, in one of the ways there are. */
static void answer(struct session *session)
{
    static const enum message_type ways[] = {MSG_done,  MSG_done,    MSG_done,
                                             MSG_erred, MSG_missing, MSG_have};
    struct given given = session->given[feed_below(session->feed, TASKS)];
    struct message message;
    if (!given.peer.number)
        return;
    enum message_type way = ways[feed_below(session->feed, sizeof ways / sizeof *ways)];
    struct payload *payload = feed_message(session->feed, way, &message);
    session->peer = given.peer;
    if (way == MSG_done) {
        message.done.key = given.key;
        message.done.attempt = given.attempt;
    } else if (way == MSG_erred) {
        message.erred.key = given.key;
        message.erred.attempt = given.attempt;
    } else if (way == MSG_missing) {
        message.missing.key = given.key;
        message.missing.attempt = given.attempt;
    }
    tell(session, &message, false);
    payload_unref(payload);
}

/* What its role may say, or anything at all. */
static enum message_type some_type(struct session *session)
{
    static const enum message_type of_workers[] = {
        MSG_heartbeat, MSG_done,  MSG_erred,  MSG_missing,       MSG_have, MSG_dropped,
        MSG_bye,       MSG_alive, MSG_retire, MSG_plugin_loaded, 0};
    static const enum message_type of_clients[] = {MSG_submit,
                                                   MSG_scatter,
                                                   MSG_release,
                                                   MSG_cancel,
                                                   MSG_locate,
                                                   MSG_why,
                                                   MSG_bye,
                                                   MSG_alive,
                                                   MSG_upload,
                                                   MSG_status_request,
                                                   MSG_get_published,
                                                   MSG_publish,
                                                   MSG_publish,
                                                   MSG_want,
                                                   MSG_unpublish,
                                                   MSG_replicate,
                                                   0};
    enum {
        OF_WORKERS = sizeof of_workers / sizeof *of_workers,
        OF_CLIENTS = sizeof of_clients / sizeof *of_clients
    };
    if (is_worker(session->peer))
        return of_workers[feed_below(session->feed, OF_WORKERS)];
    return of_clients[feed_below(session->feed, OF_CLIENTS)];
}

static void say(struct session *session, enum message_type type, bool damaged)
{
    struct message message;
    struct payload *payload = feed_message(session->feed, type, &message);
    if (type == MSG_upload && payload)
        message.upload.checksum = payload_checksum(payload);
    tell(session, &message, damaged);
    payload_unref(payload);
}

static void let_time_pass(struct session *session)
{
    session->now_ns += feed_pause_ns(session->feed);
    scheduler_tick(session->scheduler, session->now_ns);
}

/* ---- the journal ---- */

static void record(struct session *session, const struct batch *batch)
{
    uint8_t *bytes;
    size_t size;
    FUZZ_CHECK(journal_encode(batch, &bytes, &size) == 0);
    FUZZ_CHECK(buf_append(&session->journal, bytes, size) == 0);
    free(bytes);
}

/* All records of an event are written, or none. */
static void take_records(struct session *session, bool fails)
{
    size_t before = session->journal.size;
    const struct batch *batch;
    while ((batch = scheduler_next_record(session->scheduler)))
        record(session, batch);
    if (fails)
        session->journal.size = before;
    scheduler_recorded(session->scheduler, fails ? DUSK_E_DISK_FULL : 0, "disk full",
                       session->now_ns);
}

static void journal_start(struct session *session)
{
    buf_fini(&session->journal);
    buf_init(&session->journal, 256 << 20);
    FUZZ_CHECK(buf_append(&session->journal, "duskjrn1", 8) == 0);
}

/* What a scheduler has written, the next one takes. */
static void restore_record(struct session *session, const struct journal_record *record)
{
    struct batch_reader reader;
    struct frame *frames;
    struct message message;
    struct err_text text;
    int rc;
    FUZZ_CHECK(journal_open_batch(record, &reader, &frames) == 0);
    while ((rc = batch_reader_next(&reader, &message, &text)) == 0)
        if (scheduler_restore(session->scheduler, &message, &text) < 0)
            fuzz_fail("%s", text.line);
    FUZZ_CHECK(rc > 0);
    batch_reader_fini(&reader);
    free(frames);
}

static void begin(struct session *session)
{
    struct journal_record record;
    struct err_text text;
    size_t offset = 0;
    int rc;
    FUZZ_CHECK(
        scheduler_create(&session->config, session->now_ns, &session->scheduler) == 0);
    while ((rc = journal_read(session->journal.data, session->journal.size, &offset,
                              &record, &text)) == JOURNAL_RECORD)
        restore_record(session, &record);
    FUZZ_CHECK(rc == JOURNAL_END);
    FUZZ_CHECK(scheduler_restored(session->scheduler, session->now_ns) == 0);
    journal_start(session);
    take_records(session, false);
}

/* The scheduler dies and comes back. */
static void restart(struct session *session)
{
    scheduler_destroy(session->scheduler);
    session->config.epoch++;
    begin(session);
}

/* Everybody's first hello. */
static void greet_all(struct session *session)
{
    for (session->peer.number = 1; session->peer.number <= PEERS;
         session->peer.number++)
        greet(session);
}

static void step(struct session *session)
{
    unsigned choice = feed_below(session->feed, 16);
    session->peer.number = 1 + feed_below(session->feed, PEERS);
    switch (choice) {
    case 0:
        greet(session);
        break;
    case 1:
        scheduler_peer_gone(session->scheduler, session->peer, session->now_ns);
        break;
    case 2:
        let_time_pass(session);
        break;
    case 3:
    case 4:
    case 5:
        answer(session);
        break;
    case 6:
    case 7:
        say(session, MSG_submit, false);
        break;
    case 8:
        say(session, some_type(session), true);
        break;
    case 9:
        session->stalled ^= 1u << session->peer.number;
        if (feed_rarely(session->feed, 64)) {
            restart(session);
            greet_all(session);
        }
        break;
    default:
        say(session, some_type(session), false);
    }
}

static void settle(struct session *session)
{
    struct note note;
    struct peer_id closed;
    if (scheduler_has_records(session->scheduler))
        take_records(session, feed_rarely(session->feed, 16));
    FUZZ_HOLDS(scheduler_check, session->scheduler);
    feed_drain(scheduler_outbox(session->scheduler), session->stalled, heard, session);
    while (scheduler_next_note(session->scheduler, &note)) {
    }
    while (scheduler_next_closed(session->scheduler, &closed)) {
        outbox_forget(scheduler_outbox(session->scheduler), closed);
        scheduler_peer_gone(session->scheduler, closed, session->now_ns);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed feed = {data, size, 0};
    struct session session = {.feed = &feed, .now_ns = S, .config = scheduler_defaults};
    session.config.allow_upload = session.config.journal = true;
    session.config.wants_at_once = 3;
    journal_start(&session);
    begin(&session);
    greet_all(&session);
    for (unsigned i = 0;
         i < STEPS && !feed_is_empty(&feed) && !scheduler_has_ended(session.scheduler);
         i++) {
        step(&session);
        settle(&session);
    }
    scheduler_stop(session.scheduler, "the input ends");
    settle(&session);
    scheduler_destroy(session.scheduler);
    buf_fini(&session.journal);
    return 0;
}

void fuzz_seeds(fuzz_take_fn *take, void *context)
{
    fuzz_random_seeds(take, context);
}
