/* The worker's core between a scheduler, other workers, threads and a disk that do
 * anything: the input is a session, a list of events. */
#include "tests/fuzz/feed_message.h"
#include "worker/core.h"

#include <stdlib.h>
#include <string.h>

#define VISITORS 3 /* that connect to its data socket */
#define DIALED 4   /* connections of its own that are remembered, the latest ones */
#define THREADS 2
#define FLIGHTS 8
#define STEPS 400
#define LIMIT (400u << 10)
#define S UINT64_C(1000000000)

/* A job that was started: the first THREADS of them run. */
struct running {
    struct job *job;
    size_t room;
    bool asks; /* for more room, and waits */
};

struct operation {
    uint64_t file;
    struct payload *payload; /* reference: what is written; NULL: to be read */
};

struct session {
    struct feed *feed;
    struct worker_core *core;
    uint64_t now_ns;
    struct peer_id peer; /* that the event comes from */
    struct peer_id scheduler;
    struct peer_id dialed[DIALED];
    unsigned dialed_count;
    uint32_t stalled;
    struct running jobs[STEPS];
    unsigned job_count;
    struct operation operations[2 * STEPS]; /* oldest first */
    unsigned operation_count;
    struct payload *disk[2 * STEPS]; /* references, by file number */
    struct {
        struct peer_id peer;
        uint64_t request;
        struct task_key key;
    } flights[FLIGHTS]; /* data it asked for, the latest ones */
    unsigned flight_count;
    bool ended;
};

/* ---- what the core does ---- */

static void heard(void *context, struct peer_id peer, const struct message *message)
{
    struct session *session = context;
    if (message->type != MSG_get_data)
        return;
    unsigned at = session->flight_count++ % FLIGHTS;
    session->flights[at].peer = peer;
    session->flights[at].request = message->get_data.request;
    session->flights[at].key = message->get_data.key;
}

static void dial(struct session *session, const struct worker_action *action)
{
    if (action->text && strcmp(action->text, "tcp://scheduler:1") == 0)
        session->scheduler = action->peer;
    else
        session->dialed[session->dialed_count++ % DIALED] = action->peer;
}

static void room_given(struct session *session, const struct job *job, int code)
{
    for (unsigned i = 0; i < session->job_count; i++) {
        struct running *running = &session->jobs[i];
        if (running->job != job)
            continue;
        FUZZ_CHECK(running->asks);
        running->asks = false;
        if (code == 0)
            running->room = SIZE_MAX;
        return;
    }
    fuzz_fail("room for a job that does not run");
}

static void operate(struct session *session, const struct worker_action *action)
{
    FUZZ_CHECK(session->operation_count < 2 * STEPS && action->file < 2 * STEPS);
    session->operations[session->operation_count++] =
        (struct operation){action->file, payload_ref(action->payload)};
}

static void forget(struct session *session, uint64_t file)
{
    FUZZ_CHECK(file < 2 * STEPS);
    payload_unref(session->disk[file]);
    session->disk[file] = NULL;
}

static void act(struct session *session, const struct worker_action *action)
{
    switch (action->kind) {
    case WORKER_DIAL:
        dial(session, action);
        break;
    case WORKER_START:
        FUZZ_CHECK(session->job_count < STEPS);
        session->jobs[session->job_count++] =
            (struct running){action->job, action->job->room, false};
        break;
    case WORKER_ROOM:
        room_given(session, action->job, action->code);
        break;
    case WORKER_FORGET:
        forget(session, action->file);
        break;
    case WORKER_WRITE:
    case WORKER_READ:
        operate(session, action);
        break;
    case WORKER_LOAD:
        worker_core_loaded(session->core, action->file,
                           action->file % 2 ? DUSK_E_PLUGIN : 0, "no plugin",
                           session->now_ns);
        break;
    case WORKER_END:
        session->ended = true;
        break;
    default:
        break;
    }
}

static void settle(struct session *session)
{
    struct worker_action *action;
    feed_drain(worker_core_outbox(session->core), session->stalled, heard, session);
    while ((action = worker_core_action(session->core))) {
        act(session, action);
        worker_action_destroy(action);
    }
    FUZZ_HOLDS(worker_core_check, session->core);
}

/* ---- events ---- */

static void deliver(void *context, const struct message *message)
{
    struct session *session = context;
    worker_core_message(session->core, session->peer, message, session->now_ns);
}

static void broken(void *context, const char *line)
{
    struct session *session = context;
    worker_core_peer_gone(session->core, session->peer, session->now_ns);
}

static void tell(struct session *session, const struct message *message, bool damaged)
{
    feed_send(session->feed, message, damaged,
              &(struct feed_wire){deliver, broken, session});
}

static struct peer_id some_peer(struct session *session)
{
    unsigned choice = feed_below(session->feed, 8 + DIALED + VISITORS);
    if (choice < 8)
        return session->scheduler;
    if (choice < 8 + DIALED)
        return session->dialed[choice - 8];
    return (struct peer_id){1 + choice - 8 - DIALED};
}

static void say(struct session *session, enum message_type type, bool damaged)
{
    struct message message;
    struct payload *payload = feed_message(session->feed, type, &message);
    if (type == MSG_run_task) /* nothing that was given before is given again */
        message.run_task.attempt += feed_byte(session->feed) * UINT64_C(256);
    if (type == MSG_load_plugin && payload)
        message.load_plugin.checksum = payload_checksum(payload);
    tell(session, &message, damaged);
    payload_unref(payload);
}

/* Data that it asked for come, or do not. */
static void land(struct session *session)
{
    unsigned at = feed_below(session->feed, FLIGHTS);
    struct payload *payload = feed_payload(session->feed);
    uint64_t request = session->flights[at].request;
    struct task_key key = session->flights[at].key;
    session->peer = session->flights[at].peer;
    if (payload && key.bits)
        tell(session,
             MESSAGE(data, .request = request, .key = key,
                     .checksum =
                         payload_checksum(payload) + feed_rarely(session->feed, 8),
                     .data = payload),
             false);
    else if (key.bits)
        tell(session,
             MESSAGE(no_data, .request = request, .key = key, .code = DUSK_E_NOT_FOUND,
                     .reason = str_of("not here")),
             false);
    payload_unref(payload);
}

static struct running *some_running(struct session *session)
{
    unsigned begun = session->job_count < THREADS ? session->job_count : THREADS;
    if (!begun)
        return NULL;
    struct running *running = &session->jobs[feed_below(session->feed, begun)];
    return running->asks ? NULL : running;
}

/* Ends with a result that fits into its room, or fails. */
static void finish(struct session *session)
{
    struct running *running = some_running(session);
    if (!running)
        return;
    struct job *job = running->job;
    struct payload *result = feed_payload(session->feed);
    if (result && payload_bytes(result) <= running->room) {
        job->result = result;
    } else {
        payload_unref(result);
        job->code = feed_below(session->feed, 2) ? DUSK_E_TASK : DUSK_E_CANCELLED;
    }
    job->stop_ns = feed_number(session->feed);
    struct running *end = &session->jobs[--session->job_count];
    memmove(running, running + 1, (size_t)(end - running) * sizeof *running);
    worker_core_finished(session->core, job, session->now_ns);
}

static void ask_for_room(struct session *session)
{
    struct running *running = some_running(session);
    if (!running)
        return;
    uint64_t bytes = feed_number(session->feed);
    running->asks = true;
    worker_core_room(session->core, running->job, bytes ? bytes : 1, session->now_ns);
}

/* The oldest file operation ends. */
static void end_operation(struct session *session)
{
    if (!session->operation_count)
        return;
    struct operation operation = session->operations[0];
    memmove(session->operations, session->operations + 1,
            --session->operation_count * sizeof operation);
    bool fails = feed_rarely(session->feed, 32);
    if (!operation.payload) {
        struct payload *payload =
            fails ? NULL : payload_ref(session->disk[operation.file]);
        worker_core_read(session->core, operation.file, payload, "disk broken",
                         session->now_ns);
        return;
    }
    if (fails) {
        payload_unref(operation.payload);
    } else {
        forget(session, operation.file);
        session->disk[operation.file] = operation.payload;
    }
    worker_core_written(session->core, operation.file, fails ? DUSK_E_DISK_FULL : 0,
                        fails ? "disk full" : "", session->now_ns);
}

static void let_time_pass(struct session *session)
{
    session->now_ns += feed_pause_ns(session->feed);
    worker_core_tick(session->core, session->now_ns);
}

/* Rare things. */
static void disturb(struct session *session)
{
    switch (feed_below(session->feed, 8)) {
    case 0:
        worker_core_retire(session->core, session->now_ns);
        break;
    case 1:
        worker_core_leave(session->core, "told to", session->now_ns);
        break;
    case 2:
        worker_core_resident(session->core, feed_number(session->feed),
                             session->now_ns);
        break;
    case 3:
        session->stalled ^= 1u << feed_below(session->feed, 32);
        break;
    default:
        worker_core_peer_gone(session->core, session->peer, session->now_ns);
    }
}

static void step(struct session *session)
{
    static const enum message_type types[] = {
        MSG_run_task,  MSG_run_task, MSG_run_task, MSG_stop_task,
        MSG_free_data, MSG_acquire,  MSG_welcome,  MSG_get_data,
        MSG_put_data,  MSG_data,     MSG_retired,  0};
    unsigned choice = feed_below(session->feed, 16);
    enum message_type type =
        types[feed_below(session->feed, sizeof types / sizeof *types)];
    session->peer = some_peer(session);
    switch (choice) {
    case 0:
        let_time_pass(session);
        break;
    case 1:
    case 2:
        land(session);
        break;
    case 3:
    case 4:
        finish(session);
        break;
    case 5:
        ask_for_room(session);
        break;
    case 6:
    case 7:
        end_operation(session);
        break;
    case 8:
        disturb(session);
        break;
    case 9:
        say(session, type, true);
        break;
    default:
        say(session, type, false);
    }
}

/* ---- life ---- */

static void start(struct session *session)
{
    struct worker_config config;
    worker_config_init(&config);
    config.name = "w";
    config.address = "tcp://self:1";
    config.scheduler = "tcp://scheduler:1";
    config.epoch = 7;
    config.nthreads = THREADS;
    config.memory_limit = LIMIT;
    config.allow_upload = true;
    session->core = worker_core_create(&config, session->now_ns);
    FUZZ_CHECK(session->core);
    settle(session);
    session->peer = session->scheduler;
    tell(session, MESSAGE(welcome, .epoch = 1, .number = 1, .heartbeat_ms = 1000),
         false);
    settle(session);
}

static void stop(struct session *session)
{
    worker_core_destroy(session->core);
    for (unsigned i = 0; i < session->operation_count; i++)
        payload_unref(session->operations[i].payload);
    for (unsigned i = 0; i < 2 * STEPS; i++)
        payload_unref(session->disk[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed feed = {data, size, 0};
    struct session session = {.feed = &feed, .now_ns = S};
    start(&session);
    for (unsigned i = 0; i < STEPS && !feed_is_empty(&feed) && !session.ended; i++) {
        step(&session);
        settle(&session);
    }
    stop(&session);
    return 0;
}

void fuzz_seeds(fuzz_take_fn *take, void *context)
{
    fuzz_random_seeds(take, context);
}
