/* Everything that must hold, in words and in code: invariants.c has the table. */
#ifndef TESTS_SIM_INVARIANTS_H
#define TESTS_SIM_INVARIANTS_H

#include "tests/sim/cluster.h"

#define QUIET_NS (120 * NS_PER_S) /* until all is free once the programs are over */

void invariants_init(struct world *world);
void invariants_fini(struct world *world);

/* After each event of a process: its own invariants, and those that it shares with
 * others. */
void invariants_process(struct world *world, struct process *process);

/* Whether nothing is left: no task, no data, no wish. */
bool invariants_all_is_free(struct world *world);

/* Notes what hangs, or what is left, with the scheduler's reason. */
void invariants_tell_hang(struct world *world);
void invariants_tell_left(struct world *world);

/* Writes the table for people. */
void invariants_print(void);

#endif
