#include "tests/bench/scheduler_flow.h"

#include "common/clock.h"

#include <stdlib.h>

#define WORKERS 2
#define CLIENT 100

static void give(struct flow *flow, uint32_t peer, const struct message *message)
{
    scheduler_message(flow->scheduler, (struct peer_id){peer}, message,
                      flow->now_ns += 1000);
}

static void take(struct flow *flow, struct outbox_lane *lane)
{
    struct batch_reader reader;
    struct message message;
    batch_reader_init(&reader, lane->batch.header.data, lane->batch.header.size, NULL,
                      0);
    while (batch_reader_next(&reader, &message, NULL) == 0) {
        if (message.type == MSG_run_task) {
            flow->runs[flow->run_count++] = (struct flow_run){
                message.run_task.key, message.run_task.attempt, lane->peer.number};
        } else if (message.type == MSG_finished) {
            flow->done[flow->done_count++] = message.finished.key;
            flow->finished++;
        }
    }
    batch_reader_fini(&reader);
    buf_reset(&lane->batch.header);
    for (size_t i = 0; i < lane->batch.payload_count; i++)
        payload_unref(lane->batch.payloads[i]);
    lane->batch.payload_count = lane->batch.frame_count = 0;
    lane->batch.message_count = lane->batch.bytes = 0;
}

void flow_turn(struct flow *flow, bool release)
{
    struct outbox *outbox = scheduler_outbox(flow->scheduler);
    struct outbox_lane *lane;
    while ((lane = outbox_next(outbox))) {
        do
            take(flow, lane);
        while (outbox_more(lane));
    }
    size_t runs = flow->run_count, done = flow->done_count;
    flow->run_count = flow->done_count = 0;
    uint64_t before = clock_cpu_ns();
    for (size_t i = 0; i < runs; i++)
        give(flow, flow->runs[i].worker,
             MESSAGE(done, .key = flow->runs[i].key, .attempt = flow->runs[i].attempt,
                     .nbytes = 8, .start_ns = 1, .stop_ns = 1001));
    if (release && done)
        give(flow, CLIENT, MESSAGE(release, .keys = {flow->done, done}));
    flow->core_ns += clock_cpu_ns() - before;
}

void flow_start(struct flow *flow, uint64_t tasks)
{
    *flow = (struct flow){.now_ns = 1};
    flow->done = calloc(tasks + 1, sizeof *flow->done);
    flow->runs = calloc(tasks + 1, sizeof *flow->runs);
    if (!flow->done || !flow->runs ||
        scheduler_create(&scheduler_defaults, 1, &flow->scheduler) < 0)
        abort();
    static const char *const names[WORKERS] = {"w1", "w2"};
    for (uint32_t w = 0; w < WORKERS; w++)
        give(flow, 1 + w,
             MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                     .role = ROLE_WORKER, .epoch = 1 + w, .name = str_of(names[w]),
                     .address = str_of(names[w]), .nthreads = 1, .credits = 1000));
    give(flow, CLIENT,
         MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                 .role = ROLE_CLIENT, .epoch = 9, .client = 1));
}

void flow_stop(struct flow *flow)
{
    scheduler_destroy(flow->scheduler);
    free(flow->done);
    free(flow->runs);
}

static void submit(struct flow *flow, unsigned inputs)
{
    struct task_key on[FLOW_INPUTS_MAX];
    uint64_t number = ++flow->submitted;
    unsigned used = 0;
    for (unsigned i = 1; i <= inputs && i < number; i++)
        on[used++] = key_make(1, number - i);
    give(flow, CLIENT,
         MESSAGE(submit, .key = key_make(1, number), .function = str_of("noop"),
                 .dependencies = {on, used}));
}

void flow_submit(struct flow *flow, uint64_t count, unsigned inputs)
{
    uint64_t before = clock_cpu_ns();
    for (uint64_t i = 0; i < count; i++)
        submit(flow, inputs);
    flow->core_ns += clock_cpu_ns() - before;
}
