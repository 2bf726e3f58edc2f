/* What the clients of a simulated cluster do, and whether they got what they must. */
#ifndef TESTS_SIM_WORKLOAD_H
#define TESTS_SIM_WORKLOAD_H

#include "client/dusk.h"
#include "tests/sim/cluster.h"
#include "worker/dusk_task.h"

struct workload {
    const char *name;
    const char *summary;
    unsigned clients;  /* 0: as the seed says */
    uint64_t limit_ns; /* all is done so long after the faults have ended */
    void (*run)(struct process *process); /* the program of each client */
};

extern const struct workload workload_graph, workload_data, workload_admm,
    workload_mixed;

/* ---- for programs ---- */

/* Connects, however long that takes; NULL: the process was killed. */
struct dusk_client *program_connect(struct process *process);

/* Notes what is wrong unless `fine`, or the process was killed. */
void program_expect(struct process *process, bool fine, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether a program may be told this code, given what has gone wrong so far. */
bool program_may_fail(const struct process *process, int code);

/* ---- task functions for the simulation ---- */

extern const struct dusk_function sim_functions[];

/* How long a task with this seed takes. */
uint64_t sim_duration_ns(uint64_t seed);

/* What `sim_mix` makes of its seed and of the values of its inputs. */
int64_t sim_value(int64_t seed, int count, const int64_t *inputs);

#endif
