/* The scheduler's core alone: how many tasks a second go through it, from submit to
 * release, and what a task costs that it holds.  No sockets; the batches that come
 * out are decoded as peers would, which is timed apart.  Times are processor times,
 * since the machine may have other things to do.
 *
 *     bench_scheduler [tasks [inputs]] */
#include "common/clock.h"
#include "proto/limits.h"
#include "scheduler/scheduler.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#define WORKERS 2
#define CLIENT 100
#define TURN 500 /* submits a turn */

struct bench {
    struct scheduler *scheduler;
    uint64_t now_ns;
    uint64_t core_ns; /* in the core */
    uint64_t finished;
    struct task_key *done; /* finished in this turn, to be released */
    size_t done_count;
    struct {
        struct task_key key;
        uint64_t attempt;
        uint32_t worker;
    } * runs;
    size_t run_count;
};

static void give(struct bench *bench, uint32_t peer, const struct message *message)
{
    scheduler_message(bench->scheduler, (struct peer_id){peer}, message,
                      bench->now_ns += 1000);
}

static void take(struct bench *bench, struct outbox_lane *lane)
{
    struct batch_reader reader;
    struct message message;
    batch_reader_init(&reader, lane->batch.header.data, lane->batch.header.size, NULL,
                      0);
    while (batch_reader_next(&reader, &message, NULL) == 0) {
        if (message.type == MSG_run_task) {
            bench->runs[bench->run_count].key = message.run_task.key;
            bench->runs[bench->run_count].attempt = message.run_task.attempt;
            bench->runs[bench->run_count++].worker = lane->peer.number;
        } else if (message.type == MSG_finished) {
            bench->done[bench->done_count++] = message.finished.key;
            bench->finished++;
        }
    }
    batch_reader_fini(&reader);
    buf_reset(&lane->batch.header);
    for (size_t i = 0; i < lane->batch.payload_count; i++)
        payload_unref(lane->batch.payloads[i]);
    lane->batch.payload_count = lane->batch.frame_count = 0;
    lane->batch.message_count = lane->batch.bytes = 0;
}

/* One turn: what comes out is read, and answered in the next. */
static void turn(struct bench *bench, bool release)
{
    struct outbox *outbox = scheduler_outbox(bench->scheduler);
    struct outbox_lane *lane;
    while ((lane = outbox_next(outbox))) {
        do
            take(bench, lane);
        while (outbox_more(lane));
    }
    size_t runs = bench->run_count, done = bench->done_count;
    bench->run_count = bench->done_count = 0;
    uint64_t before = clock_cpu_ns();
    for (size_t i = 0; i < runs; i++)
        give(bench, bench->runs[i].worker,
             MESSAGE(done, .key = bench->runs[i].key, .attempt = bench->runs[i].attempt,
                     .nbytes = 8, .start_ns = 1, .stop_ns = 1001));
    if (release && done)
        give(bench, CLIENT, MESSAGE(release, .keys = {bench->done, done}));
    bench->core_ns += clock_cpu_ns() - before;
}

static void start(struct bench *bench, uint64_t tasks)
{
    *bench = (struct bench){.now_ns = 1};
    bench->done = calloc(tasks + 1, sizeof *bench->done);
    bench->runs = calloc(tasks + 1, sizeof *bench->runs);
    scheduler_create(&scheduler_defaults, 1, &bench->scheduler);
    static const char *const names[WORKERS] = {"w1", "w2"};
    for (uint32_t w = 0; w < WORKERS; w++)
        give(bench, 1 + w,
             MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                     .role = ROLE_WORKER, .epoch = 1 + w, .name = str_of(names[w]),
                     .address = str_of(names[w]), .nthreads = 1, .credits = 1000));
    give(bench, CLIENT,
         MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                 .role = ROLE_CLIENT, .epoch = 9, .client = 1));
}

static void stop(struct bench *bench)
{
    scheduler_destroy(bench->scheduler);
    free(bench->done);
    free(bench->runs);
}

static void submit(struct bench *bench, uint64_t count, unsigned inputs)
{
    struct task_key on[64];
    unsigned used = 0;
    for (unsigned i = 1; i <= inputs && i < count; i++)
        on[used++] = key_make(1, count - i);
    give(bench, CLIENT,
         MESSAGE(submit, .key = key_make(1, count), .function = str_of("noop"),
                 .dependencies = {on, used}));
}

/* Submitted, run and released, with few tasks in the scheduler at a time. */
static void flow(uint64_t tasks)
{
    struct bench bench;
    start(&bench, tasks);
    uint64_t begin = clock_cpu_ns();
    for (uint64_t count = 1; count <= tasks;) {
        uint64_t before = clock_cpu_ns();
        for (unsigned i = 0; i < TURN && count <= tasks; i++)
            submit(&bench, count++, 0);
        bench.core_ns += clock_cpu_ns() - before;
        turn(&bench, true);
    }
    while (bench.finished < tasks)
        turn(&bench, true);
    printf("flow:  %8" PRIu64
           " tasks, %9.0f tasks/s in the core, %9.0f with decoding\n",
           tasks, (double)tasks / (double)bench.core_ns * 1e9,
           (double)tasks / (double)(clock_cpu_ns() - begin) * 1e9);
    stop(&bench);
}

/* All tasks are submitted and held, then run. */
static void graph(uint64_t tasks, unsigned inputs)
{
    struct bench bench;
    start(&bench, tasks);
    size_t empty = mallinfo2().uordblks;
    uint64_t before = clock_cpu_ns();
    for (uint64_t count = 1; count <= tasks; count++)
        submit(&bench, count, inputs);
    uint64_t submit_ns = clock_cpu_ns() - before;
    bench.core_ns += submit_ns;
    size_t full = mallinfo2().uordblks;
    while (bench.finished < tasks)
        turn(&bench, false);
    struct outbox_lane *lane;
    while ((lane = outbox_next(scheduler_outbox(bench.scheduler))))
        take(&bench, lane);
    malloc_trim(0);
    size_t done = mallinfo2().uordblks;
    printf("graph: %8" PRIu64
           " tasks on %u, %9.0f tasks/s, submit %4.0f ns, %4.0f bytes "
           "a waiting task, %4.0f a finished one\n",
           tasks, inputs, (double)tasks / (double)bench.core_ns * 1e9,
           (double)submit_ns / (double)tasks, (double)(full - empty) / (double)tasks,
           (double)(done - empty) / (double)tasks);
    stop(&bench);
}

int main(int argc, char **argv)
{
    uint64_t tasks = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
    unsigned inputs = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
    flow(tasks);
    graph(tasks / 10, 0);
    graph(tasks, 0);
    graph(tasks, inputs < 64 ? inputs : 63);
    return 0;
}
