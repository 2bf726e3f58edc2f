/* What goes wrong, from the plan's seed; until the cluster is healed. */
#ifndef TESTS_SIM_FAULTS_H
#define TESTS_SIM_FAULTS_H

#include "tests/sim/cluster.h"

/* "drop", "kill-worker" and so on. */
const char *fault_name(enum fault_kind kind);

/* Bits of "all", "none", or names with commas between them; false: there is another
 * word, which `ret_word` is then. */
bool faults_parse(const char *list, uint32_t *ret_faults, char ret_word[32]);

/* Faults come from now on, one after the other. */
void faults_start(struct world *world);

/* All is well again from now on: networks, disks and memory work, who was killed is
 * started. */
void faults_heal(struct world *world);

/* Allocations fail now and then while `world` is not NULL; returns what was there
 * before. */
struct world *faults_scarce(struct world *world);

/* A worker or client starts again after a while. */
void faults_restart(struct process *process, uint64_t delay_ns);

#endif
