/* The worker's core among a scheduler, other workers, threads and a disk that all do
 * what they may do, in any order: a seed decides.  After each step all invariants hold,
 * memory stays below its limit and each accepted attempt has at most one answer; when
 * the mischief ends, each has exactly one. */
#include "tests/test.h"
#include "worker/core.h"
#include "worker/core_state.h"

#include <string.h>

#define KEYS 40
#define HOSTS 3
#define VISITORS 2
#define ATTEMPTS_MAX 4096
#define THREADS 2
#define LIMIT (1u << 20)

/* Built with TORTURE, allocations inside the core fail now and then; the worker may
 * then end, but never with its books in disorder. */
#ifdef TORTURE
#include "tests/failing_allocator.h"

static struct sim *sim_in_core;

#define CORE(call)                                                                     \
    do {                                                                               \
        sim_in_core = sim;                                                             \
        call;                                                                          \
        sim_in_core = NULL;                                                            \
    } while (0)
#define MAY_END true
#else
#define CORE(call) call
#define MAY_END false
#endif

struct sim_job {
    struct job *job;
    size_t room;
    bool asked;
};

struct sim_file {
    uint64_t file;
    struct payload *payload; /* reference: what is being written */
    bool read;
};

struct sim_flight {
    struct peer_id peer;
    uint64_t request;
    struct task_key key;
};

struct sim {
    uint64_t random;
    uint64_t now;
    uint64_t digest; /* of all that the core did */
    struct worker_core *core;
    struct peer_id scheduler;
    struct peer_id hosts[256]; /* dialed, open */
    unsigned host_count;
    struct sim_job jobs[128]; /* in the order of their starts */
    unsigned job_count;
    struct sim_file operations[512]; /* in the order in which they were asked for */
    unsigned operation_count;
    struct payload *disk[65536]; /* references by file number */
    struct sim_flight flights[512];
    unsigned flight_count;
    struct run outstanding[ATTEMPTS_MAX]; /* accepted, not answered */
    unsigned outstanding_count;
    uint64_t next_attempt;
    bool calm; /* everything succeeds */
    bool registered;
    unsigned answers, spills, ended;
};

static unsigned below(struct sim *sim, unsigned limit);

#ifdef TORTURE
static unsigned failures;

static bool allocation_fails(void)
{
    struct sim *sim = sim_in_core;
    if (!sim || sim->calm || below(sim, 1500) != 0)
        return false;
    failures++;
    return true;
}
#endif

static uint64_t next(struct sim *sim)
{
    sim->random ^= sim->random << 13;
    sim->random ^= sim->random >> 7;
    sim->random ^= sim->random << 17;
    return sim->random;
}

static unsigned below(struct sim *sim, unsigned limit)
{
    return (unsigned)(next(sim) >> 33) % limit;
}

static bool mishap(struct sim *sim, unsigned percent)
{
    return !sim->calm && below(sim, 100) < percent;
}

static void digest(struct sim *sim, uint64_t number)
{
    sim->digest = (sim->digest ^ number) * UINT64_C(0x100000001b3);
}

/* ---- data ---- */

static struct task_key key_of(unsigned index)
{
    return key_make(7, index + 1);
}

/* From a few bytes to a quarter of the memory. */
static int64_t doubles_of(struct task_key key)
{
    static const int64_t sizes[] = {1, 100, 1000, 9000, 12000, 20000, 30000};
    return sizes[key.bits % 7];
}

static struct payload *payload_of(struct task_key key)
{
    struct payload_builder builder;
    struct payload *payload;
    static double zeros[30000];
    struct dusk_value value = {
        .kind = DUSK_ARRAY,
        .array = {
            .dtype = DUSK_F64, .ndim = 1, .shape = {doubles_of(key)}, .data = zeros}};
    payload_builder_init(&builder);
    ck_assert_int_eq(payload_builder_value(&builder, &value, NULL), 0);
    ck_assert_int_eq(payload_builder_finish(&builder, &payload), 0);
    return payload;
}

static size_t bytes_of(struct task_key key)
{
    struct payload *payload = payload_of(key);
    size_t bytes = payload_bytes(payload);
    payload_unref(payload);
    return bytes;
}

/* ---- what the core says ---- */

static void answered(struct sim *sim, struct task_key key, uint64_t attempt)
{
    for (unsigned i = 0; i < sim->outstanding_count; i++) {
        const struct run *run = &sim->outstanding[i];
        if (!key_equal(run->key, key) || run->attempt != attempt)
            continue;
        sim->outstanding[i] = sim->outstanding[--sim->outstanding_count];
        sim->answers++;
        return;
    }
    ck_abort_msg("attempt %llu of " KEY_FORMAT " is answered, and is not outstanding",
                 (unsigned long long)attempt, KEY_ARGS(key));
}

static bool is_outstanding(const struct sim *sim, struct task_key key, uint64_t attempt)
{
    for (unsigned i = 0; i < sim->outstanding_count; i++)
        if (key_equal(sim->outstanding[i].key, key) &&
            sim->outstanding[i].attempt == attempt)
            return true;
    return false;
}

/* After a new connection the scheduler believes the worker's list. */
static void greeted(struct sim *sim, const struct msg_hello *hello)
{
    for (size_t i = 0; i < hello->running.count; i++) {
        const struct run *run = &hello->running.items[i];
        ck_assert_msg(is_outstanding(sim, run->key, run->attempt),
                      "the worker claims a task that it was not given");
    }
    sim->outstanding_count = (unsigned)hello->running.count;
    for (size_t i = 0; i < hello->running.count; i++)
        sim->outstanding[i] = hello->running.items[i];
    sim->registered = false;
}

static void heard(struct sim *sim, struct peer_id peer, const struct message *message)
{
    digest(sim, message->type);
    switch (message->type) {
    case MSG_hello:
        greeted(sim, &message->hello);
        break;
    case MSG_done:
        digest(sim, message->done.key.bits);
        answered(sim, message->done.key, message->done.attempt);
        break;
    case MSG_erred:
        digest(sim, message->erred.key.bits);
        ck_assert_int_ne(message->erred.code, DUSK_E_BUSY); /* never leaves the core */
        answered(sim, message->erred.key, message->erred.attempt);
        break;
    case MSG_missing:
        if (message->missing.attempt)
            answered(sim, message->missing.key, message->missing.attempt);
        break;
    case MSG_get_data:
        ck_assert_uint_lt(sim->flight_count, 512);
        sim->flights[sim->flight_count++] =
            (struct sim_flight){peer, message->get_data.request, message->get_data.key};
        break;
    default:
        break;
    }
}

/* Some lanes stay full for a while, as with a slow network. */
static void take_messages(struct sim *sim)
{
    struct outbox_lane *lane;
    while ((lane = outbox_next(worker_core_outbox(sim->core)))) {
        struct frame frames[1024];
        size_t count = 0;
        for (size_t i = 0; i < lane->batch.payload_count; i++)
            for (unsigned f = 0; f < payload_frame_count(lane->batch.payloads[i]);
                 f++) {
                frames[count] = *payload_frame(lane->batch.payloads[i], f);
                frames[count++].release = NULL;
            }
        struct batch_reader reader;
        struct message message;
        struct err_text text;
        batch_reader_init(&reader, lane->batch.header.data, lane->batch.header.size,
                          frames, count);
        while (batch_reader_next(&reader, &message, &text) == 0)
            if (!(lane->peer.number & PEER_DIALED) ||
                lane->peer.number == sim->scheduler.number ||
                message.type == MSG_get_data)
                heard(sim, lane->peer, &message);
        batch_reader_fini(&reader);
        batch_fini(&lane->batch);
    }
}

static void hung_up(struct sim *sim, struct peer_id peer)
{
    for (unsigned i = 0; i < sim->host_count; i++)
        if (sim->hosts[i].number == peer.number)
            sim->hosts[i--] = sim->hosts[--sim->host_count];
    for (unsigned i = 0; i < sim->flight_count; i++)
        if (sim->flights[i].peer.number == peer.number)
            sim->flights[i--] = sim->flights[--sim->flight_count];
}

static void room_answered(struct sim *sim, const struct job *job, int code)
{
    for (unsigned i = 0; i < sim->job_count; i++) {
        struct sim_job *at = &sim->jobs[i];
        if (at->job != job)
            continue;
        ck_assert(at->asked);
        at->asked = false;
        if (code == 0)
            at->room = SIZE_MAX;
        else
            at->job->code = code;
        return;
    }
    ck_abort_msg("room for a job that does not run");
}

static void operate(struct sim *sim, const struct worker_action *action)
{
    ck_assert_uint_lt(sim->operation_count, 512);
    sim->operations[sim->operation_count++] = (struct sim_file){
        action->file, payload_ref(action->payload), action->kind == WORKER_READ};
    sim->spills += action->kind == WORKER_WRITE;
}

static void take_actions(struct sim *sim)
{
    struct worker_action *action;
    while ((action = worker_core_action(sim->core))) {
        digest(sim, action->kind);
        switch (action->kind) {
        case WORKER_DIAL:
            if (!action->text) {
                break;
            } else if (strcmp(action->text, "tcp://scheduler:1") == 0) {
                sim->scheduler = action->peer;
            } else {
                ck_assert_uint_lt(sim->host_count, 256);
                sim->hosts[sim->host_count++] = action->peer;
            }
            break;
        case WORKER_HANGUP:
            hung_up(sim, action->peer);
            break;
        case WORKER_START:
            ck_assert_uint_lt(sim->job_count, 128);
            sim->jobs[sim->job_count++] =
                (struct sim_job){.job = action->job, .room = action->job->room};
            for (unsigned i = 0; i < action->job->input_count; i++)
                ck_assert_ptr_nonnull(action->job->inputs[i].payload);
            break;
        case WORKER_ROOM:
            room_answered(sim, action->job, action->code);
            break;
        case WORKER_WRITE:
        case WORKER_READ:
            operate(sim, action);
            break;
        case WORKER_FORGET:
            payload_unref(sim->disk[action->file]);
            sim->disk[action->file] = NULL;
            break;
        case WORKER_END:
            sim->ended++;
            break;
        default:
            break;
        }
        worker_action_destroy(action);
    }
}

/* Actions that are taken may come before messages that were added earlier: a hang-up
 * forgets them, so their order does not matter. */
static void settle(struct sim *sim)
{
    struct err_text text;
    take_actions(sim);
    take_messages(sim);
    take_actions(sim);
    ck_assert_msg(worker_core_check(sim->core, &text) == 0, "%s", text.line);
    ck_assert_uint_le(sim->core->store.used, sim->core->store.limit);
    ck_assert(MAY_END || !sim->ended);
    digest(sim, sim->core->store.used);
}

/* ---- what others do ---- */

static void from_scheduler(struct sim *sim, const struct message *message)
{
    CORE(worker_core_message(sim->core, sim->scheduler, message, sim->now));
}

static void do_submit(struct sim *sim)
{
    static const char *const addresses[] = {"tcp://a:1", "tcp://b:1", "tcp://c:1", "",
                                            "tcp://self:1"};
    struct source sources[8];
    unsigned count = below(sim, 5);
    if (sim->outstanding_count >= ATTEMPTS_MAX / 2)
        return;
    for (unsigned i = 0; i < count; i++) {
        struct task_key input = key_of(below(sim, KEYS));
        unsigned at = sim->calm ? below(sim, 3) : below(sim, 5);
        sources[i] = (struct source){input, bytes_of(input), str_of(addresses[at])};
    }
    struct task_key key = key_of(below(sim, KEYS));
    uint64_t attempt = ++sim->next_attempt;
    sim->outstanding[sim->outstanding_count++] =
        (struct run){.key = key, .attempt = attempt};
    const struct message *message =
        MESSAGE(run_task, .key = key, .attempt = attempt, .function = str_of("f"),
                .priority = (int64_t)below(sim, 3), .flags = below(sim, 2),
                .inputs = {sources, count});
    from_scheduler(sim, message);
    settle(sim);
    if (mishap(sim, 10) && is_outstanding(sim, key, attempt))
        from_scheduler(sim, message); /* delivered twice */
}

static void do_stop(struct sim *sim)
{
    if (!sim->outstanding_count)
        return;
    struct run run = sim->outstanding[below(sim, sim->outstanding_count)];
    if (mishap(sim, 10))
        run.attempt += 1000000;
    from_scheduler(sim, MESSAGE(stop_task, .key = run.key, .attempt = run.attempt));
}

static void do_free(struct sim *sim)
{
    struct task_key keys[2] = {key_of(below(sim, KEYS)), key_of(below(sim, KEYS))};
    from_scheduler(sim, MESSAGE(free_data, .keys = {keys, 2}));
}

static void do_acquire(struct sim *sim)
{
    struct task_key key = key_of(below(sim, KEYS));
    struct source rows[2] = {{key, bytes_of(key), str_of("tcp://a:1")},
                             {key, bytes_of(key), str_of("tcp://b:1")}};
    from_scheduler(sim, MESSAGE(acquire, .sources = {rows, 1 + below(sim, 2)}));
}

static void do_fly(struct sim *sim)
{
    if (!sim->flight_count)
        return;
    unsigned at = below(sim, sim->flight_count);
    struct sim_flight flight = sim->flights[at];
    sim->flights[at] = sim->flights[--sim->flight_count];
    if (mishap(sim, 10)) {
        CORE(worker_core_peer_gone(sim->core, flight.peer, sim->now));
        return;
    }
    if (mishap(sim, 15)) {
        CORE(worker_core_message(sim->core, flight.peer,
                                 MESSAGE(no_data, .request = flight.request,
                                         .key = flight.key, .code = DUSK_E_NOT_FOUND),
                                 sim->now));
        return;
    }
    struct payload *payload = payload_of(flight.key);
    uint64_t sum = payload_checksum(payload) + mishap(sim, 5);
    CORE(worker_core_message(sim->core, flight.peer,
                             MESSAGE(data, .request = flight.request, .key = flight.key,
                                     .checksum = sum, .data = payload),
                             sim->now));
    payload_unref(payload);
}

static void do_get(struct sim *sim)
{
    CORE(worker_core_message(
        sim->core, (struct peer_id){1 + below(sim, VISITORS)},
        MESSAGE(get_data, .request = next(sim) >> 1, .key = key_of(below(sim, KEYS))),
        sim->now));
}

static void do_put(struct sim *sim)
{
    struct task_key key = key_of(below(sim, KEYS));
    struct payload *payload = payload_of(key);
    uint64_t sum = payload_checksum(payload) + mishap(sim, 10);
    CORE(worker_core_message(
        sim->core, (struct peer_id){1 + below(sim, VISITORS)},
        MESSAGE(put_data, .request = 5, .key = key, .checksum = sum, .data = payload),
        sim->now));
    payload_unref(payload);
}

/* One of the jobs that a thread has begun asks for memory or ends. */
static void do_compute(struct sim *sim)
{
    unsigned begun = sim->job_count < THREADS ? sim->job_count : THREADS;
    if (!begun)
        return;
    unsigned at = below(sim, begun);
    struct sim_job *running = &sim->jobs[at];
    struct job *job = running->job;
    if (running->asked)
        return;
    size_t needs = bytes_of(job->key);
    if (job->code == 0 && needs > running->room) {
        running->asked = true;
        CORE(worker_core_room(sim->core, job, needs - running->room, sim->now));
        return;
    }
    if (job->code == 0 && mishap(sim, 10))
        job->code = err_set(&job->reason, DUSK_E_TASK, "mishap");
    if (job->code == 0)
        job->result = payload_of(job->key);
    job->start_ns = sim->now;
    job->stop_ns = sim->now + (uint64_t)below(sim, 3) * 100000;
    for (unsigned i = at; i + 1 < sim->job_count; i++)
        sim->jobs[i] = sim->jobs[i + 1];
    sim->job_count--;
    CORE(worker_core_finished(sim->core, job, sim->now));
}

/* The oldest file operation ends. */
static void do_disk(struct sim *sim)
{
    if (!sim->operation_count)
        return;
    struct sim_file operation = sim->operations[0];
    sim->operation_count--;
    memmove(sim->operations, sim->operations + 1,
            sim->operation_count * sizeof operation);
    ck_assert_uint_lt(operation.file, 65536);
    if (operation.read) {
        struct payload *payload =
            mishap(sim, 5) ? NULL : payload_ref(sim->disk[operation.file]);
        CORE(worker_core_read(sim->core, operation.file, payload, "unreadable",
                              sim->now));
    } else if (mishap(sim, 10)) {
        payload_unref(operation.payload);
        CORE(worker_core_written(sim->core, operation.file, DUSK_E_DISK_FULL,
                                 "disk full", sim->now));
    } else {
        payload_unref(sim->disk[operation.file]);
        sim->disk[operation.file] = operation.payload;
        CORE(worker_core_written(sim->core, operation.file, 0, "", sim->now));
    }
}

static void do_network(struct sim *sim)
{
    if (mishap(sim, 20))
        CORE(worker_core_peer_gone(sim->core, sim->scheduler, sim->now));
    else if (mishap(sim, 20))
        from_scheduler(sim, MESSAGE(register_again, .epoch = 5));
    else if (mishap(sim, 20))
        CORE(worker_core_peer_gone(
            sim->core, (struct peer_id){1 + below(sim, VISITORS)}, sim->now));
    else if (sim->host_count && mishap(sim, 20))
        CORE(worker_core_peer_gone(sim->core, sim->hosts[below(sim, sim->host_count)],
                                   sim->now));
}

static void do_time(struct sim *sim)
{
    sim->now += (uint64_t)below(sim, 1000) * NS_PER_MS;
    if (mishap(sim, 5))
        sim->now += 20 * NS_PER_S;
    CORE(worker_core_resident(sim->core, below(sim, LIMIT), sim->now));
    if (sim->now >= worker_core_deadline(sim->core))
        CORE(worker_core_tick(sim->core, sim->now));
}

static void do_alive(struct sim *sim)
{
    if (!sim->registered)
        from_scheduler(sim, MESSAGE(welcome, .epoch = 1 + below(sim, 2), .number = 1,
                                    .heartbeat_ms = 1000));
    else
        from_scheduler(sim, MESSAGE(alive, .epoch = 1));
    sim->registered = true;
}

typedef void step_fn(struct sim *sim);

static step_fn *const mischief[] = {
    do_submit,  do_submit,  do_submit, do_submit,  do_stop, do_free,  do_acquire,
    do_fly,     do_fly,     do_fly,    do_get,     do_put,  do_disk,  do_compute,
    do_compute, do_compute, do_disk,   do_network, do_time, do_alive, do_alive};
static step_fn *const healing[] = {do_fly,  do_fly,   do_disk, do_compute,
                                   do_time, do_alive, do_alive};

static void sim_start(struct sim *sim, uint64_t seed)
{
    memset(sim, 0, sizeof *sim);
    sim->random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    sim->now = NS_PER_S;
    struct worker_config config;
    worker_config_init(&config);
    config.name = "w";
    config.address = "tcp://self:1";
    config.scheduler = "tcp://scheduler:1";
    config.epoch = seed;
    config.nthreads = THREADS;
    config.memory_limit = LIMIT;
    sim->core = worker_core_create(&config, sim->now);
    ck_assert_ptr_nonnull(sim->core);
    settle(sim);
}

static void sim_stop(struct sim *sim)
{
    worker_core_destroy(sim->core);
    for (unsigned i = 0; i < sim->operation_count; i++)
        payload_unref(sim->operations[i].payload);
    for (unsigned i = 0; i < 65536; i++)
        payload_unref(sim->disk[i]);
}

/* Mischief, then healing until nothing is outstanding; returns the digest. */
static uint64_t sim_run(uint64_t seed, unsigned steps, struct sim *sim)
{
    sim_start(sim, seed);
    for (unsigned i = 0; i < steps && !sim->ended; i++) {
        mischief[below(sim, sizeof mischief / sizeof mischief[0])](sim);
        settle(sim);
    }
    sim->calm = true;
    for (unsigned i = 0; i < 20000 && sim->outstanding_count && !sim->ended; i++) {
        healing[below(sim, sizeof healing / sizeof healing[0])](sim);
        settle(sim);
    }
    ck_assert_msg(sim->outstanding_count == 0 || sim->ended,
                  "seed %llu: %u attempts were never answered, first " KEY_FORMAT,
                  (unsigned long long)seed, sim->outstanding_count,
                  KEY_ARGS(sim->outstanding[0].key));
    ck_assert(sim->core->attempt_count == 0 || sim->ended);
    uint64_t result = sim->digest;
    sim_stop(sim);
    return result;
}

static struct sim sims[1];

START_TEST(whatever_happens_each_attempt_has_one_answer)
{
    uint64_t seed = (uint64_t)_i + 1;
    sim_run(seed, 1500, &sims[0]);
    ck_assert(MAY_END || sims[0].answers > 20);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_run)
{
    uint64_t first = sim_run(4711, 1500, &sims[0]);
    ck_assert_uint_eq(sim_run(4711, 1500, &sims[0]), first);
    ck_assert_uint_ne(sim_run(4712, 1500, &sims[0]), first);
}
END_TEST

START_TEST(memory_is_short_enough_to_spill)
{
    unsigned spills = 0;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        sim_run(seed, 1500, &sims[0]);
        spills += sims[0].spills;
    }
    ck_assert(MAY_END || spills > 20);
#ifdef TORTURE
    ck_assert_uint_gt(failures, 5); /* or the wrapping does not work */
#endif
}
END_TEST

int main(void)
{
    const char *runs = getenv("DUSK_SIM_RUNS"), *divisor = getenv("DUSK_TEST_DIVISOR");
    Suite *suite = suite_create("worker_core_sim");
    TCase *tcase = tcase_create("sim");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, whatever_happens_each_attempt_has_one_answer, 0,
                        runs ? atoi(runs) : 60 / (divisor ? atoi(divisor) : 1));
    tcase_add_test(tcase, the_same_seed_gives_the_same_run);
    tcase_add_test(tcase, memory_is_short_enough_to_spill);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
