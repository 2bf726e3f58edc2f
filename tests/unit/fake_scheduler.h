/* A scheduler, and a worker's data socket, for tests of the client: a thread with
 * real sockets on loopback.  What it does with a task is in the function's name:
 *
 *   echo    finished, the arguments are the result
 *   away    the same, but the result must be fetched
 *   fail    failed
 *   hold    finished in reverse order when "open" comes
 *   mute    nothing */
#ifndef TESTS_UNIT_FAKE_SCHEDULER_H
#define TESTS_UNIT_FAKE_SCHEDULER_H

#include <stdatomic.h>
#include <stdbool.h>

struct fake_scheduler; /* opaque */

enum fake_manners { FAKE_POLITE, FAKE_REFUSING, FAKE_SILENT };

/* Port 0: any. */
struct fake_scheduler *fake_start(unsigned port, enum fake_manners manners);
void fake_stop(struct fake_scheduler *fake);

const char *fake_address(const struct fake_scheduler *fake);
unsigned fake_port(const struct fake_scheduler *fake);

/* What it has seen so far. */
struct fake_counts {
    atomic_int batches; /* ZeroMQ messages from clients */
    atomic_int submits;
    atomic_int cancels;  /* keys */
    atomic_int releases; /* keys */
    atomic_int byes;
    atomic_int heartbeats;
};
struct fake_counts *fake_counts(struct fake_scheduler *fake);

#endif
