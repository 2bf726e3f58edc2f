/* Consensus ADMM over N chunks of rows, as a state machine without I/O, clock or
 * thread: answers of local updates go in, the next updates to submit come out.
 *
 *     minimise  sum_i f_i(b) + l1 sum_j pen_j |b_j| + (l2/2) sum_j pen_j b_j^2
 *
 *     z    (q)      the consensus, the answer          R_i  (q)  metric of chunk i
 *     w_i  (q)      x_i + u_i: all the state of chunk i, x_i its last local answer
 *
 * Robust form (Douglas-Rachford, relaxed by alpha, diagonal metric per chunk):
 *     z_j = S(sum_i R_ij w_ij, l1 pen_j) / (sum_i R_ij + l2 pen_j)
 *     x_i = argmin f_i(x) + 1/2 ||x - (2z - w_i)||^2_{R_i},   w_i += alpha (x_i - z)
 * Classic form (White & Rocklin 2017; u_i advances when an update is submitted):
 *     z   = S(mean_i(x_i + u_i), l1 / (rho N))
 *     u_i += x_i - z,   x_i = argmin f_i(x) + rho/2 ||x - (z - u_i)||^2
 *
 * Every arrival costs O(q).  Events are fed by one thread; the same events in the
 * same order give the same bits, and in the robust synchronous variant any order
 * of the arrivals within a sweep does. */
#ifndef CLIENT_ADMM_H
#define CLIENT_ADMM_H

#include "common/err.h"

#include <stdint.h>

enum admm_form { ADMM_ROBUST, ADMM_CLASSIC };

enum admm_variant {
    ADMM_SYNC,    /* all chunks are updated, then one combine */
    ADMM_ASYNC,   /* every arrival is a combine */
    ADMM_BATCHED, /* all that has arrived since admm_next is one combine */
};

enum admm_status { ADMM_RUNNING, ADMM_CONVERGED, ADMM_DIVERGED };

/* Outcomes (> 0). */
enum {
    ADMM_NOTHING = 1, /* nothing to submit, or to give up, at present */
    ADMM_DROPPED = 2, /* late, duplicate or never issued: counted, without effect */
};

/* What the item `status` of a local answer says, as far as it matters here. */
enum {
    ADMM_LOCAL_CONVERGED = 0,
    ADMM_LOCAL_CANCELLED = 3, /* no answer: counts as lost */
    ADMM_LOCAL_NONFINITE = 4, /* the local loss was not finite: diverged */
};

struct admm_problem {
    int64_t chunks;        /* N >= 1 */
    int64_t columns;       /* q >= 1 */
    double l1;             /* >= 0 */
    double l2;             /* >= 0; robust form only */
    const double *penalty; /* pen (q), >= 0; NULL for all ones; copied */
    const double *metric;  /* R (N x q), > 0, see client/metric.h; borrowed for the
                              life of the admm; the classic form takes NULL */
};

struct admm_options {
    enum admm_form form;
    enum admm_variant variant;
    int64_t slots;     /* updates in flight at most; the synchronous variant may
                          be given fewer than N, too; 0: N (the classic form, unless
                          synchronous: 2) */
    double tolerance;  /* robust: relative residuals to stop at, >= 1e-7; 0: never */
    double alpha;      /* robust: relaxation, 1 to 1.9 */
    double staleness;  /* robust: tau; an update in flight for more than tau N
                          arrivals is submitted a second time, and beyond 2 tau N
                          z waits for it; 0: no limit */
    double rho;        /* classic */
    double abstol;     /* classic: Boyd's test, with sqrt(N) in the dual residual; */
    double reltol;     /* both 0: never stop */
    uint64_t seed;     /* classic: of the random choice of chunks */
    int64_t snapshots; /* points of the trace kept at most, >= 8 */
};

/* Names one submitted update.  Copies of one (chunk, version) are the same
 * computation, so that whichever answer comes first is the answer. */
struct admm_ticket {
    int64_t chunk;
    int64_t version; /* from 1 */
    int64_t copy;    /* 0, or more for a retry or a speculative copy */
};

/* What to submit: glm_prox or glm_prox_gram (robust; with R_i), glm_prox_plain
 * (classic; with rho).  v and x0 (q) are borrowed until the next call. */
struct admm_update {
    struct admm_ticket ticket;
    const double *v;
    const double *x0;
};

struct admm_counts {
    int64_t submitted;   /* updates handed out, copies included */
    int64_t accepted;    /* answers that took effect */
    int64_t dropped;     /* late, duplicate or never issued */
    int64_t lost;        /* reported by admm_lose while they mattered */
    int64_t copies;      /* speculative copies among the submitted */
    int64_t combines;    /* refreshes of z */
    int64_t evaluations; /* of the local losses, summed over accepted answers */
    int64_t unfinished;  /* accepted answers whose local status was not 0 */
    int64_t in_flight;
    int64_t guards;  /* times the guard has acted */
    int64_t barrier; /* arrivals a combine waits for (robust) */
    double alpha;    /* in force */
    double primal;   /* residuals as of the last combine (primal) and the last */
    double dual;     /* sweep (dual), relative */
};

struct admm_point {
    int64_t time_ns; /* since admm_create */
    int64_t updates; /* accepted so far */
    double primal;   /* relative residuals */
    double dual;
    const double *z; /* (q), borrowed until the next event */
};

struct admm;

/* What the robust form takes: alpha 1.7, staleness 3, tolerance 1e-3; rho 1.2,
 * abstol 1e-4, reltol 1e-2; 256 snapshots; robust, asynchronous, slots 0. */
void admm_options_default(struct admm_options *options);

/* Starts at z = 0.  DUSK_E_INVALID names what is wrong with a value. */
int admm_create(const struct admm_problem *problem, const struct admm_options *options,
                int64_t now_ns, struct admm **ret_admm, struct err_text *error);
void admm_destroy(struct admm *admm);

/* The next update to submit: 0, or ADMM_NOTHING until something arrives or is lost.
 * Call it until then after every arrival (batched: after a batch of arrivals). */
int admm_next(struct admm *admm, struct admm_update *ret_update);

/* An answer x (q) has come, copied; `status` as above, other numbers are counted as
 * unfinished.  0, or ADMM_DROPPED.  An answer that is not finite makes the run
 * ADMM_DIVERGED. */
int admm_arrive(struct admm *admm, const struct admm_ticket *ticket, const double *x,
                int64_t evaluations, int64_t status, int64_t now_ns);

/* No answer will come for this ticket (failed, cancelled): the update is handed
 * out again.  0, or ADMM_DROPPED when it did not matter. */
int admm_lose(struct admm *admm, const struct admm_ticket *ticket);

/* A submitted update whose answer no longer matters and may be cancelled: 0, or
 * ADMM_NOTHING. */
int admm_obsolete(struct admm *admm, struct admm_ticket *ret_ticket);

enum admm_status admm_status(const struct admm *admm);

/* One line on why the run diverged, borrowed; "" otherwise. */
const char *admm_reason(const struct admm *admm);

/* Goes on after ADMM_CONVERGED with a smaller tolerance (classic: reltol). */
void admm_resume(struct admm *admm, double tolerance);

/* z (q), borrowed until the next event. */
const double *admm_z(const struct admm *admm);

void admm_counts(const struct admm *admm, struct admm_counts *ret_counts);

/* The trace: at most `snapshots` points, thinned evenly, first and last kept. */
int64_t admm_trace_count(const struct admm *admm);
void admm_trace_point(const struct admm *admm, int64_t index,
                      struct admm_point *ret_point);

#endif
