/* The published ADMM on dask.distributed, in processes of its own, on the chunks of a
 * data set of ours: a Python script that is part of this program. */
#ifndef CLIENT_BENCH_PEER_H
#define CLIENT_BENCH_PEER_H

#include "client/dataset.h"
#include "client/run.h"

#define PEER_WORKERS 2 /* of one thread each */

struct peer;

/* What the peer did in one run: a point a combine. */
struct peer_trace {
    int64_t count;
    double *seconds, *updates; /* (count), since the first submit */
    double *z;                 /* (count x p) */
};

/* Writes the chunks to files, starts the peer and waits until it has read them. */
int peer_start(const struct dataset *data, const struct watch *watch, double l1,
               double rho, uint64_t seed, struct peer **ret_peer,
               struct err_text *text);
void peer_stop(struct peer *peer); /* takes NULL too */

int peer_run(struct peer *peer, enum admm_variant variant, int64_t updates,
             struct peer_trace *ret_trace, struct err_text *text);
void peer_trace_fini(struct peer_trace *trace);

#endif
