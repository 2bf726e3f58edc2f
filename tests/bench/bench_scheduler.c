/* The scheduler's core alone: how many tasks a second go through it, from submit to
 * release, and what a task costs that it holds.
 *
 *     bench_scheduler [tasks [inputs]] */
#include "tests/bench/scheduler_flow.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TURN 500 /* submits a turn */

static double per_second(uint64_t tasks, uint64_t ns)
{
    return (double)tasks / (double)ns * 1e9;
}

/* Submitted, run and released, with few tasks in the scheduler at a time. */
static void measure_flow(uint64_t tasks)
{
    struct flow flow;
    flow_start(&flow, tasks);
    clock_t begin = clock();
    while (flow.submitted < tasks) {
        uint64_t left = tasks - flow.submitted;
        flow_submit(&flow, left < TURN ? left : TURN, 0);
        flow_turn(&flow, true);
    }
    while (flow.finished < tasks)
        flow_turn(&flow, true);
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    printf("flow:  %8" PRIu64
           " tasks, %9.0f tasks/s in the core, %9.0f with decoding\n",
           tasks, per_second(tasks, flow.core_ns), (double)tasks / seconds);
    flow_stop(&flow);
}

/* All tasks are submitted and held, then run. */
static void measure_graph(uint64_t tasks, unsigned inputs)
{
    struct flow flow;
    flow_start(&flow, tasks);
    struct mallinfo2 empty = mallinfo2();
    flow_submit(&flow, tasks, inputs);
    uint64_t submit_ns = flow.core_ns;
    struct mallinfo2 full = mallinfo2();
    while (flow.finished < tasks)
        flow_turn(&flow, false);
    flow_turn(&flow, false);
    malloc_trim(0);
    struct mallinfo2 done = mallinfo2();
    double each = 1 / (double)tasks;
    printf(
        "graph: %8" PRIu64 " tasks on %u, %9.0f tasks/s, submit %4.0f ns, %4.0f bytes "
        "a waiting task, %4.0f a finished one\n",
        tasks, inputs, per_second(tasks, flow.core_ns), (double)submit_ns * each,
        (double)(full.uordblks + full.hblkhd - empty.uordblks - empty.hblkhd) * each,
        (double)(done.uordblks + done.hblkhd - empty.uordblks - empty.hblkhd) * each);
    flow_stop(&flow);
}

int main(int argc, char **argv)
{
    uint64_t tasks = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
    unsigned inputs = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1;
    measure_flow(tasks);
    measure_graph(tasks / 10, 0);
    measure_graph(tasks, 0);
    measure_graph(tasks, inputs < FLOW_INPUTS_MAX ? inputs : FLOW_INPUTS_MAX);
    return 0;
}
