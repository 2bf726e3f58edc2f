/* What the clients of a simulated cluster do, and whether they got what they must.  A
 * program is an ordinary one against dusk.h; the functions below are all that it knows
 * of the simulation. */
#ifndef TESTS_SIM_WORKLOAD_H
#define TESTS_SIM_WORKLOAD_H

#include "client/dusk.h"
#include "common/clock.h"
#include "tests/sim/faults.h"
#include "worker/dusk_task.h"

struct workload {
    const char *name;
    const char *summary;
    unsigned clients;  /* 0: as the seed says */
    uint64_t limit_ns; /* all is done so long after the faults have ended */
    void (*run)(struct process *process); /* the program of each client */
};

extern const struct workload workload_graph, workload_data, workload_admm,
    workload_keep, workload_mixed;

/* ---- for programs ---- */

/* Whose code runs; NULL: the simulation's own. */
struct process *process_current(void);

/* From 0 to below - 1. */
uint64_t program_random(struct process *process, uint64_t below);

/* How many tasks, when the plan tells; else `usual`. */
int64_t program_tasks(const struct process *process, int64_t usual);
void program_count_tasks(struct process *process, int64_t count);

/* Its number among the programs, from 0; and how many there are. */
unsigned program_number(const struct process *process);
unsigned program_count(const struct process *process);

/* Whether this program's set is published for certain.  The number grows with each
 * change, and is odd while it is. */
void program_keeps(struct process *process, bool keeps);
uint64_t program_kept(const struct process *process, unsigned number);

/* How many workers have the result with this key. */
unsigned program_copies(const struct process *process, const char *key);

/* Virtual time. */
uint64_t program_now(const struct process *process);

/* Connects, however long that takes; NULL: the process was killed. */
struct dusk_client *program_connect(struct process *process);

/* Every call of a process that was killed fails: its program is to come to its end. */
bool program_is_killed(const struct process *process);

/* Lets virtual time pass. */
void program_sleep(struct process *process, uint64_t ns);

/* What the program is about, for the line of a failure. */
void program_doing(struct process *process, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Notes what is wrong unless `fine`, or the process was killed. */
void program_expect(struct process *process, bool fine, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether such a fault has happened in this run; or any, or a worker's death. */
bool program_saw(const struct process *process, enum fault_kind kind);
bool program_saw_any(const struct process *process);

/* Whether any program may be told this code, with this line, given what has gone wrong
 * so far. */
bool program_may_fail(const struct process *process, int code, const char *line);

/* ---- task functions for the simulation ---- */

extern const struct dusk_function sim_functions[];
int sim_case_chunk(struct dusk_task *task);

/* How long a task with this seed takes. */
uint64_t sim_duration_ns(uint64_t seed);

/* What `sim_mix` makes of its seed and of the values of its inputs. */
int64_t sim_value(int64_t seed, int count, const int64_t *inputs);

#endif
