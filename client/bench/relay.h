/* What tasks are measured against: a bare ZeroMQ relay with the same four hops,
 * client - relay - worker - relay - client, one message a hop, in as many processes,
 * without keys, and nothing else: no scheduling, no batches, nothing remembered. */
#ifndef CLIENT_BENCH_RELAY_H
#define CLIENT_BENCH_RELAY_H

#include "common/err.h"

struct relay;

/* Starts the relay and `workers` (from 1 to CLUSTER_WORKERS_MAX) as processes, which
 * end with this one; before its first thread, since they are forked.  DUSK_E_NOMEM,
 * DUSK_E_IO. */
int relay_start(int workers, struct relay **ret_relay, struct err_text *text);

/* Ends them; NULL is fine. */
void relay_stop(struct relay *relay);

/* Processor time that its processes have taken, and this one. */
double relay_cpu_us(const struct relay *relay);

/* One message after the other: how long each took to come back. */
int relay_round_trips(struct relay *relay, double *ret_us, int count,
                      struct err_text *text);

/* All at once, as many under way as a socket takes. */
int relay_stream(struct relay *relay, int messages, double *ret_per_second,
                 struct err_text *text);

#endif
