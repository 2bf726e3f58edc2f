/* Fixed workloads whose instructions valgrind counts (instructions.py):
 *
 *     instructions WORKLOAD
 *     instructions --list
 *
 * Only what happens below counted() is counted.  OpenBLAS is left out: its kernels are
 * not ours. */
#include "client/admm.h"
#include "client/core_parts.h"
#include "tests/bench/scheduler_flow.h"
#include "worker/glm.h"
#include "worker/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TASKS 5000
#define TURN 500
#define MESSAGE_COUNT 10000
#define CHUNKS 500
#define COLUMNS 100
#define ARRIVALS 2000
#define ROWS 1000
#define NUMBERS 102400

void counted(void (*run)(void)); /* known to valgrind by name */

/* Nothing may be left to do after the call, or it would be a jump out of here. */
__attribute__((noinline)) void counted(void (*run)(void))
{
    run();
    __asm__ volatile("");
}

static void must(int rc, const char *what)
{
    if (rc == 0)
        return;
    fprintf(stderr, "instructions: %s: %s\n", what, err_sentence(rc));
    exit(1);
}

static double *doubles(int64_t count)
{
    double *numbers = calloc((size_t)count, sizeof *numbers);
    for (int64_t k = 0; numbers && k < count; k++)
        numbers[k] = 1 + (double)(k % 7);
    must(numbers ? 0 : DUSK_E_NOMEM, "numbers");
    return numbers;
}

/* ---- the scheduler's core ---- */

static struct flow flow;

static void prepare_flow(void)
{
    flow_start(&flow, TASKS);
}

static void end_flow(void)
{
    must(flow.finished == TASKS ? 0 : DUSK_E_INTERNAL, "not all tasks have finished");
    flow_stop(&flow);
}

static void run_flow(void)
{
    while (flow.submitted < TASKS) {
        flow_submit(&flow, TURN, 0);
        flow_turn(&flow, true);
    }
    while (flow.finished < TASKS)
        flow_turn(&flow, true);
}

static void run_graph(void)
{
    flow_submit(&flow, TASKS, 2);
    while (flow.finished < TASKS)
        flow_turn(&flow, false);
}

/* ---- messages ---- */

static void encode(struct batch *batch)
{
    struct task_key inputs[] = {key_make(1, 1), key_make(1, 2)};
    struct source sources[] = {{inputs[0], 800, str_of("tcp://127.0.0.1:40000")}};
    for (uint64_t i = 0; i < MESSAGE_COUNT / 4; i++) {
        struct task_key key = key_make(1, i + 3);
        batch_add(batch, MESSAGE(submit, .key = key, .function = str_of("noop"),
                                 .dependencies = {inputs, 2}));
        batch_add(batch, MESSAGE(run_task, .key = key, .attempt = i,
                                 .inputs = {sources, 1}, .function = str_of("noop")));
        batch_add(batch, MESSAGE(done, .key = key, .attempt = i, .nbytes = 8,
                                 .start_ns = 1000000 + i, .stop_ns = 2000000 + i));
        batch_add(batch, MESSAGE(finished, .key = key, .nbytes = 8, .worker = 3,
                                 .address = str_of("tcp://127.0.0.1:40000")));
    }
}

static void run_messages(void)
{
    struct batch batch;
    struct batch_reader reader;
    struct message message;
    struct err_text text;
    size_t count = 0;
    batch_init(&batch);
    encode(&batch);
    batch_reader_init(&reader, batch.header.data, batch.header.size, NULL, 0);
    while (batch_reader_next(&reader, &message, &text) == 0)
        count++;
    must(count == MESSAGE_COUNT ? 0 : DUSK_E_INTERNAL, "not all messages were read");
    batch_reader_fini(&reader);
    batch_fini(&batch);
}

/* ---- the client's core ---- */

static struct {
    struct client_core *core;
    struct dusk_future *futures[TASKS];
    size_t submitted;
} client;

static void client_gets(const struct message *message)
{
    struct err_text text;
    must(client_core_message(client.core, client.core->scheduler->peer, message, 2,
                             &text),
         message_name(message->type));
}

static void client_take_all(void)
{
    struct outbox_lane *lane;
    struct client_action *action;
    client_core_fill(client.core, 2);
    while ((lane = outbox_next(&client.core->outbox))) {
        client.submitted += lane->batch.message_count;
        batch_fini(&lane->batch);
    }
    while ((action = client_core_next_action(client.core)))
        free(action);
}

static void prepare_client(void)
{
    struct client_config config = {1, 1, 1, "counted", "tcp://127.0.0.1:8786"};
    must(client_core_create(&config, 1, &client.core), "a client");
    client_core_tick(client.core, 1);
    client_take_all();
    client_core_connected(client.core, client.core->scheduler->peer, 1);
    client_gets(MESSAGE(welcome, .epoch = 1, .number = client.core->number,
                        .heartbeat_ms = 1000));
    client.submitted = 0;
}

static void run_client(void)
{
    for (size_t i = 0; i < TASKS; i++)
        must(client_core_submit(client.core,
                                future_spec_create("noop", NULL, NULL, NULL, 0),
                                &client.futures[i]),
             "submit");
    client_take_all();
    for (size_t i = 0; i < TASKS; i++) {
        client_gets(MESSAGE(finished, .key = client.futures[i]->key, .nbytes = 8,
                            .worker = 3, .address = str_of("tcp://127.0.0.1:40000")));
        future_unwant(client.futures[i]);
    }
    client_take_all();
}

static void end_client(void)
{
    must(client.submitted >= TASKS ? 0 : DUSK_E_INTERNAL, "not all were submitted");
    client_core_close(client.core);
    client_core_destroy(client.core);
}

/* ---- numerics ---- */

static struct {
    double *x, *y, *b, *result;
    struct admm *admm;
} numbers;

static void prepare_numbers(void)
{
    numbers.x = doubles(NUMBERS);
    numbers.y = doubles(ROWS);
    numbers.b = doubles(COLUMNS);
    numbers.result = doubles(COLUMNS);
    for (int64_t i = 0; i < ROWS; i++)
        numbers.y[i] = (double)(i % 2);
    for (int64_t j = 0; j < COLUMNS; j++)
        numbers.b[j] = 0.01 * (double)(j % 5 - 2);
}

static void end_numbers(void)
{
    free(numbers.x);
    free(numbers.y);
    free(numbers.b);
    free(numbers.result);
}

static void evaluate(enum glm_family family)
{
    struct glm_chunk chunk = {ROWS, COLUMNS, numbers.x, numbers.y, NULL, family, false};
    struct glm_value value;
    glm_evaluate(&chunk, numbers.b, NULL, numbers.result, &value);
}

static void run_normal(void)
{
    evaluate(GLM_NORMAL);
}

static void run_logistic(void)
{
    evaluate(GLM_LOGISTIC);
}

static void run_random(void)
{
    struct random_stream stream = random_stream(1, 0, 0);
    random_normal(&stream, 0, NUMBERS, numbers.x);
}

static void prepare_admm(void)
{
    numbers.x = doubles(CHUNKS * COLUMNS);
    numbers.result = doubles(COLUMNS);
    struct admm_problem problem = {
        .chunks = CHUNKS, .columns = COLUMNS, .l1 = 1, .metric = numbers.x};
    struct admm_options options;
    admm_options_default(&options);
    options.slots = 64;
    options.tolerance = 0;
    must(admm_create(&problem, &options, 0, &numbers.admm, NULL), "admm");
}

/* Answers come in the order in which they were asked for. */
static void run_admm(void)
{
    struct admm_ticket flying[2 * CHUNKS];
    size_t first = 0, count = 0;
    for (int64_t done = 0; done < ARRIVALS; done++) {
        struct admm_update update;
        while (admm_next(numbers.admm, &update) == 0)
            flying[(first + count++) % (2 * CHUNKS)] = update.ticket;
        struct admm_ticket ticket = flying[first];
        first = (first + 1) % (2 * CHUNKS);
        count--;
        numbers.result[0] = (double)(ticket.chunk % 13);
        must(admm_arrive(numbers.admm, &ticket, numbers.result, 1, 0, done), "arrival");
    }
}

static void end_admm(void)
{
    admm_destroy(numbers.admm);
    end_numbers();
}

/* ---- the table ---- */

static const struct workload {
    const char *name;
    void (*prepare)(void), (*run)(void), (*end)(void);
} workloads[] = {
    {"scheduler_flow", prepare_flow, run_flow, end_flow},
    {"scheduler_graph", prepare_flow, run_graph, end_flow},
    {"messages", NULL, run_messages, NULL},
    {"client_core", prepare_client, run_client, end_client},
    {"admm_arrivals", prepare_admm, run_admm, end_admm},
    {"loss_gradient_normal", prepare_numbers, run_normal, end_numbers},
    {"loss_gradient_logistic", prepare_numbers, run_logistic, end_numbers},
    {"random_normal", prepare_numbers, run_random, end_numbers},
};
#define WORKLOADS (sizeof workloads / sizeof *workloads)

int main(int argc, char **argv)
{
    for (size_t i = 0; i < WORKLOADS; i++) {
        const struct workload *workload = &workloads[i];
        if (argc == 2 && strcmp(argv[1], "--list") == 0)
            puts(workload->name);
        if (argc != 2 || strcmp(argv[1], workload->name) != 0)
            continue;
        if (workload->prepare)
            workload->prepare();
        counted(workload->run);
        if (workload->end)
            workload->end();
        return 0;
    }
    return argc == 2 && strcmp(argv[1], "--list") == 0 ? 0 : 2;
}
