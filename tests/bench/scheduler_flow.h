/* The scheduler's core driven without sockets: two workers that answer each task in the
 * next turn, and one client.  What the core sends is decoded as peers would. */
#ifndef BENCH_SCHEDULER_FLOW_H
#define BENCH_SCHEDULER_FLOW_H

#include "scheduler/scheduler.h"

#define FLOW_INPUTS_MAX 64u

struct flow_run {
    struct task_key key;
    uint64_t attempt;
    uint32_t worker;
};

struct flow {
    struct scheduler *scheduler;
    uint64_t now_ns;
    uint64_t core_ns; /* processor time in the core, without the decoding */
    uint64_t submitted, finished;
    struct task_key *done; /* finished in this turn */
    size_t done_count;
    struct flow_run *runs; /* sent to workers and not yet answered */
    size_t run_count;
};

/* For at most so many tasks; ends the program when there is no memory. */
void flow_start(struct flow *flow, uint64_t tasks);
void flow_stop(struct flow *flow);

/* Submits so many tasks that do nothing, each on the `inputs` before it. */
void flow_submit(struct flow *flow, uint64_t count, unsigned inputs);

/* Reads what comes out, then answers it, and releases the finished if asked to. */
void flow_turn(struct flow *flow, bool release);

#endif
