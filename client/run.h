/* One fit of a model by one variant of ADMM: the state machine of admm.h, driven
 * over futures, then polish and certificate.  The driver submits what the machine
 * asks for and feeds it what comes back; it decides nothing about the numbers. */
#ifndef CLIENT_RUN_H
#define CLIENT_RUN_H

#include "client/admm.h"
#include "client/finish.h"
#include "client/stream.h"

enum local_solver { LOCAL_LBFGS, LOCAL_GRAM };

struct run_options {
    enum admm_form form;
    enum admm_variant variant;
    enum local_solver local; /* LOCAL_GRAM: normal family only */
    int threads;             /* of all workers: for each, some updates in flight */
    double tolerance;        /* relative gap to certify, > 0 */
    double staleness;        /* see admm.h */
    double handover;         /* relative residual at which polish begins; 0: as usual */
    double rho;              /* classic */
    uint64_t seed;           /* classic */
    double max_time_s;       /* 0: no limit */
    bool pinned;             /* chunks to their workers; the data set needs homes */
    int64_t max_updates;     /* 0: no limit */
};

enum run_status {
    RUN_CERTIFIED,
    RUN_NOT_CONVERGED, /* at a limit, or the certificate does not hold */
    RUN_DIVERGED,
};

struct run_point {
    double seconds;
    int64_t updates;
    double primal, dual; /* relative residuals, NaN after the polish */
};

struct run {
    struct run_options options;
    enum run_status status;
    char reason[256];    /* why it diverged, or "" */
    double seconds;      /* until certified, or stopped */
    double admm_seconds; /* until polish began */
    struct admm_counts counts;
    struct answer answer;
    struct stream stream;
    struct run_point *points; /* the trace */
    double *z;                /* (points x q) of the centred model, beside them */
    int64_t point_count;
};

/* Runs to its end.  Not converging and diverging are outcomes, not errors; an error
 * is what the cluster could not do, or DUSK_E_CANCELLED. */
int run_execute(struct model *model, const struct run_options *options,
                struct run *ret_run, struct err_text *text);
void run_fini(struct run *run);

const char *run_form_name(enum admm_form form);
const char *run_variant_name(enum admm_variant variant);
const char *run_local_name(enum local_solver local);
const char *run_status_name(enum run_status status);

#endif
