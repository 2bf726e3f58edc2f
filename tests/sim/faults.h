/* What goes wrong, from the plan's seed; until the cluster is healed. */
#ifndef TESTS_SIM_FAULTS_H
#define TESTS_SIM_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

struct process;
struct world;

enum fault_kind {
    FAULT_DROP,      /* a connection breaks, with what is in flight */
    FAULT_MUTE,      /* the same, and one end does not notice for long */
    FAULT_FULL,      /* a connection takes nothing for a while */
    FAULT_SLOW,      /* the network has large delays for a while */
    FAULT_DUPLICATE, /* a batch arrives twice */
    FAULT_ONE_WAY,   /* one process does not reach another for a while */
    FAULT_PARTITION, /* processes are cut off from the others for a while */
    FAULT_KILL_WORKER,
    FAULT_KILL_CLIENT,
    FAULT_KILL_SCHEDULER,
    FAULT_RETIRE,  /* SIGTERM for a worker */
    FAULT_PAUSE,   /* a process stands still for a while */
    FAULT_CLOCK,   /* a process's clocks jump */
    FAULT_DISK,    /* a worker's disk is full for a while */
    FAULT_READ,    /* a worker's disk cannot be read for a while */
    FAULT_MEMORY,  /* allocations of a process fail for a while */
    FAULT_JOURNAL, /* the scheduler's disk is full for a while */
    FAULT_TEAR,    /* a scheduler that is killed leaves a torn record */
    FAULTS
};

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
