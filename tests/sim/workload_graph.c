/* Random graphs of small tasks: dependencies, failures, retries, priorities,
 * cancellations and releases in between. */
#include "tests/sim/workload.h"

#include <stdio.h>
#include <stdlib.h>

#define TASKS_MAX 400
#define INPUTS_MAX 3

enum behaviour { WORKS, GPU, FLAKY, FAILS, CRASHES, MISSING };

struct node {
    struct dusk_future *future;
    int64_t value;
    bool must_fail;      /* it or something that it depends on fails always */
    bool may_fail;       /* likewise now and then */
    bool may_crash;      /* likewise kills its workers */
    bool may_cancel;     /* likewise was cancelled, perhaps before it was done */
    uint64_t expires_ns; /* likewise has a deadline, the first of them; 0: none has */
};

struct graph {
    struct process *process;
    struct dusk_client *client;
    int count;
    struct node nodes[TASKS_MAX];
};

static uint64_t pick(struct graph *graph, uint64_t below)
{
    return program_random(graph->process, below);
}

static bool is_alive(const struct graph *graph)
{
    return !program_is_killed(graph->process);
}

/* ---- building ---- */

static enum behaviour some_behaviour(struct graph *graph)
{
    uint64_t at = pick(graph, 100);
    return at < 80   ? WORKS
           : at < 88 ? GPU
           : at < 93 ? FLAKY
           : at < 97 ? FAILS
           : at < 98 ? CRASHES
                     : MISSING;
}

static void node_submit(struct graph *graph, struct node *node)
{
    static const char *const functions[] = {
        [WORKS] = "sim_mix",  [GPU] = "sim_gpu",       [FLAKY] = "sim_flaky",
        [FAILS] = "sim_fail", [CRASHES] = "sim_crash", [MISSING] = "sim_nothing"};
    enum behaviour behaviour = some_behaviour(graph);
    struct dusk_submit_options options = {
        .priority = (int64_t)pick(graph, 3),
        .retries = behaviour == FLAKY ? 2 : (int)pick(graph, 2),
        .keep_on_worker = pick(graph, 4) == 0,
        .resources = behaviour == GPU ? "GPU=1" : NULL,
        .deadline_s = pick(graph, 30) ? 0 : 0.01 + 0.01 * (double)pick(graph, 400)};
    int64_t seed = (int64_t)pick(graph, 1u << 30), values[INPUTS_MAX];
    struct dusk_argument arguments[1 + INPUTS_MAX] = {
        {.value = {.kind = DUSK_INT, .integer = seed}}};
    int inputs = 0;
    node->must_fail = behaviour >= FAILS;
    node->may_fail = behaviour >= FLAKY;
    if (options.deadline_s > 0)
        node->expires_ns =
            program_now(graph->process) + (uint64_t)(options.deadline_s * NS_PER_S);
    node->may_crash = behaviour == CRASHES;
    for (int i = 0; graph->count > 0 && i < (int)pick(graph, INPUTS_MAX + 1); i++) {
        struct node *input = &graph->nodes[pick(graph, (uint64_t)graph->count)];
        if (!input->future)
            continue;
        values[inputs++] = input->value;
        arguments[inputs].future = input->future;
        node->must_fail |= input->must_fail;
        node->may_fail |= input->may_fail;
        node->may_crash |= input->may_crash;
        node->may_cancel |= input->may_cancel;
        if (input->expires_ns &&
            (!node->expires_ns || input->expires_ns < node->expires_ns))
            node->expires_ns = input->expires_ns;
    }
    node->value = sim_value(seed, inputs, values);
    int rc = dusk_submit_arguments(graph->client, &options, &node->future,
                                   functions[behaviour], 1 + inputs, arguments);
    program_expect(graph->process,
                   rc == 0 || program_may_fail(graph->process, rc, dusk_last_error()),
                   "submit: %s", dusk_last_error());
}

/* ---- checking ---- */

/* By a clock that jumps ahead time is up sooner. */
static bool has_expired(const struct graph *graph, const struct node *node)
{
    return node->expires_ns && (program_now(graph->process) >= node->expires_ns ||
                                program_saw(graph->process, FAULT_CLOCK));
}

static bool code_is_allowed(const struct graph *graph, const struct node *node,
                            int code)
{
    return (node->may_fail && (code == DUSK_E_TASK || code == DUSK_E_NOT_FOUND)) ||
           (node->may_crash && code == DUSK_E_KILLED) ||
           (node->may_cancel && code == DUSK_E_CANCELLED) ||
           (code == DUSK_E_DEADLINE && has_expired(graph, node)) ||
           program_may_fail(graph->process, code, dusk_last_error());
}

static void node_check(struct graph *graph, struct node *node)
{
    int64_t value;
    program_doing(graph->process, "waits for %s", dusk_future_key(node->future));
    int rc;
    while ((rc = dusk_result(node->future, DUSK_FOREVER, "l", &value)) ==
               DUSK_E_UNREACHABLE &&
           is_alive(graph))
        program_sleep(graph->process, NS_PER_S / 2);
    if (rc == 0)
        program_expect(graph->process, value == node->value && !node->must_fail,
                       "%s is %lld instead of %lld", dusk_future_key(node->future),
                       (long long)value, (long long)node->value);
    else
        program_expect(graph->process, code_is_allowed(graph, node, rc), "%s: %s",
                       dusk_future_key(node->future), dusk_last_error());
}

/* ---- what a program does ---- */

static void some_deed(struct graph *graph)
{
    struct node *node = &graph->nodes[pick(graph, (uint64_t)graph->count)];
    switch (pick(graph, 12)) {
    case 0:
        program_doing(graph->process, "sleeps");
        program_sleep(graph->process, NS_PER_MS * pick(graph, 3000));
        break;
    case 1:
        /* What depends on it is cancelled, too. */
        if (node->future && pick(graph, 3) == 0) {
            for (struct node *other = node; other < graph->nodes + graph->count;
                 other++)
                other->may_cancel = true;
            dusk_cancel(&node->future, 1);
        }
        break;
    case 2:
    case 3:
        dusk_release(&node->future, 1);
        break;
    case 4:
        if (node->future)
            node_check(graph, node);
        break;
    case 5:
        if (node->future)
            dusk_persist(&node->future, 1, 0.5);
        break;
    default:
        break;
    }
}

static void graph_end(struct graph *graph)
{
    for (int i = 0; i < graph->count; i++)
        if (graph->nodes[i].future)
            node_check(graph, &graph->nodes[i]);
    for (int i = 0; i < graph->count; i++)
        dusk_release(&graph->nodes[i].future, 1);
    dusk_close(graph->client);
}

static void run(struct process *process)
{
    struct graph *graph = calloc(1, sizeof *graph);
    graph->process = process;
    graph->client = program_connect(process);
    int64_t tasks = program_tasks(process, 5 + (int64_t)pick(graph, 40));
    while (graph->client && is_alive(graph) && graph->count < tasks &&
           graph->count < TASKS_MAX) {
        node_submit(graph, &graph->nodes[graph->count]);
        graph->count++;
        program_count_tasks(process, 1);
        some_deed(graph);
    }
    if (graph->client)
        graph_end(graph);
    free(graph);
}

const struct workload workload_graph = {
    .name = "graph",
    .summary = "random graphs of small tasks",
    .limit_ns = 200 * NS_PER_S,
    .run = run,
};
