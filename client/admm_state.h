/* The inside of client/admm.h: what both forms share, and the two of them. */
#ifndef CLIENT_ADMM_STATE_H
#define CLIENT_ADMM_STATE_H

#include "client/admm.h"
#include "client/admm_trace.h"
#include "client/penalised.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#define OBSOLETE_MAX 64

struct admm_robust;
struct admm_classic;

struct admm {
    int64_t N;
    int64_t q;
    double l1;
    double l2;
    double *penalty; /* (q) */
    struct admm_options options;
    enum admm_status status;
    char reason[160];
    int64_t start_ns;
    int64_t now_ns;
    double *z;          /* (q) */
    double *mark;       /* (q): z at the end of the last sweep */
    double *v;          /* (q): handed out by admm_next */
    int64_t pending;    /* arrivals since the last combine */
    int64_t since_mark; /* arrivals since the last sweep ended */
    int64_t sweeps;     /* of N arrivals each */
    struct admm_counts counts;
    struct admm_trace trace;
    struct admm_ticket obsolete[OBSOLETE_MAX]; /* a ring; the oldest are forgotten */
    int64_t obsolete_first;
    int64_t obsolete_end;
    struct admm_robust *robust; /* one of the two */
    struct admm_classic *classic;
};

double *admm_vector(int64_t count); /* calloc'd */
bool admm_is_finite(const double *x, int64_t count);
void admm_diverge(struct admm *admm, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void admm_give_up(struct admm *admm, const struct admm_ticket *ticket);

/* After each refresh of z: adds a point to the trace if one is due or forced. */
void admm_snapshot(struct admm *admm, bool forced);

/* The relative primal residual at this moment, O(q). */
double admm_primal(const struct admm *admm);

/* In both forms `x` is NULL for an answer that is not finite. */
int robust_create(struct admm *admm, const double *metric);
void robust_destroy(struct admm_robust *robust);
int robust_next(struct admm *admm, struct admm_update *ret_update);
int robust_arrive(struct admm *admm, const struct admm_ticket *ticket, const double *x);
int robust_lose(struct admm *admm, const struct admm_ticket *ticket);
double robust_primal(const struct admm *admm);
int64_t robust_in_flight(const struct admm *admm);

int classic_create(struct admm *admm);
void classic_destroy(struct admm_classic *classic);
int classic_next(struct admm *admm, struct admm_update *ret_update);
int classic_arrive(struct admm *admm, const struct admm_ticket *ticket,
                   const double *x);
int classic_lose(struct admm *admm, const struct admm_ticket *ticket);
double classic_primal(const struct admm *admm);
int64_t classic_in_flight(const struct admm *admm);

#endif
