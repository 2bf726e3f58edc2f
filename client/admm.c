#include "client/admm_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double *admm_vector(int64_t count)
{
    return calloc((size_t)count, sizeof(double));
}

/* The sum of x * 0 is 0 unless one of them is infinite or not a number. */
bool admm_is_finite(const double *x, int64_t count)
{
    double sum = 0;
    for (int64_t j = 0; j < count; j++)
        sum += x[j] * 0.0;
    return sum == 0;
}

void admm_diverge(struct admm *admm, const char *format, ...)
{
    admm->status = ADMM_DIVERGED;
    va_list args;
    va_start(args, format);
    vsnprintf(admm->reason, sizeof admm->reason, format, args);
    va_end(args);
}

void admm_give_up(struct admm *admm, const struct admm_ticket *ticket)
{
    admm->obsolete[admm->obsolete_end++ % OBSOLETE_MAX] = *ticket;
    if (admm->obsolete_end - admm->obsolete_first > OBSOLETE_MAX)
        admm->obsolete_first++;
}

double admm_primal(const struct admm *admm)
{
    return admm->robust ? robust_primal(admm) : classic_primal(admm);
}

void admm_snapshot(struct admm *admm, bool forced)
{
    if (!forced && !trace_is_due(&admm->trace, admm->counts.accepted))
        return;
    struct admm_point point = {
        .time_ns = admm->now_ns - admm->start_ns,
        .updates = admm->counts.accepted,
        .primal = admm_primal(admm),
        .dual = admm->counts.dual,
        .z = admm->z,
    };
    trace_add(&admm->trace, &point);
}

void admm_options_default(struct admm_options *options)
{
    *options = (struct admm_options){
        .form = ADMM_ROBUST,
        .variant = ADMM_ASYNC,
        .tolerance = 1e-3,
        .alpha = 1.7,
        .staleness = 3,
        .rho = 1.2,
        .abstol = 1e-4,
        .reltol = 1e-2,
        .seed = 1,
        .snapshots = 256,
    };
}

static int check_problem(const struct admm_problem *problem, bool robust,
                         struct err_text *error)
{
    if (problem->chunks < 1 || problem->columns < 1)
        return err_set(error, DUSK_E_INVALID,
                       "ADMM needs chunks and columns, not %lld and %lld",
                       (long long)problem->chunks, (long long)problem->columns);
    if (!(problem->l1 >= 0) || isinf(problem->l1))
        return err_set(error, DUSK_E_INVALID, "l1 must be a number >= 0, not %g",
                       problem->l1);
    if (!(problem->l2 >= 0) || isinf(problem->l2) || (!robust && problem->l2 != 0))
        return err_set(error, DUSK_E_INVALID, "l2 must be %s, not %g",
                       robust ? "a number >= 0" : "0 in the classic form", problem->l2);
    for (int64_t j = 0; problem->penalty && j < problem->columns; j++)
        if (!(problem->penalty[j] >= 0) || isinf(problem->penalty[j]))
            return err_set(error, DUSK_E_INVALID,
                           "the penalty of column %lld must be a number >= 0, not %g",
                           (long long)j, problem->penalty[j]);
    if (!robust)
        return 0;
    int64_t count = problem->chunks * problem->columns;
    for (int64_t k = 0; problem->metric && k < count; k++)
        if (!(problem->metric[k] > 0) || isinf(problem->metric[k]))
            return err_set(error, DUSK_E_INVALID,
                           "the metric of chunk %lld, column %lld must be > 0, not %g",
                           (long long)(k / problem->columns),
                           (long long)(k % problem->columns), problem->metric[k]);
    if (!problem->metric)
        return err_set(error, DUSK_E_INVALID, "the robust form needs a metric");
    return 0;
}

static int check_options(const struct admm_options *options, struct err_text *error)
{
    const struct {
        const char *name;
        double value, least, most;
    } ranges[] = {
        {"slots", (double)options->slots, 0, 1e9},
        {"alpha", options->alpha, 0.1, 1.95},
        {"staleness", options->staleness, 0, 1e9},
        {"tolerance", options->tolerance, 0, 1},
        {"rho", options->rho, 1e-300, 1e300},
        {"abstol", options->abstol, 0, 1e300},
        {"reltol", options->reltol, 0, 1e300},
        {"snapshots", (double)options->snapshots, 8, 1e6},
    };
    for (size_t k = 0; k < sizeof ranges / sizeof *ranges; k++)
        if (!(ranges[k].value >= ranges[k].least && ranges[k].value <= ranges[k].most))
            return err_set(error, DUSK_E_INVALID, "%s must be from %g to %g, not %g",
                           ranges[k].name, ranges[k].least, ranges[k].most,
                           ranges[k].value);
    return 0;
}

static int64_t slots_in_force(const struct admm *admm)
{
    int64_t slots = admm->options.slots;
    if (admm->options.form == ADMM_ROBUST || admm->options.variant == ADMM_SYNC)
        return slots > 0 && slots < admm->N ? slots : admm->N;
    return slots > 0 ? slots : 2;
}

static int admm_fill(struct admm *admm, const struct admm_problem *problem)
{
    admm->z = admm_vector(admm->q);
    admm->mark = admm_vector(admm->q);
    admm->v = admm_vector(admm->q);
    admm->penalty = admm_vector(admm->q);
    if (!admm->z || !admm->mark || !admm->v || !admm->penalty)
        return DUSK_E_NOMEM;
    for (int64_t j = 0; j < admm->q; j++)
        admm->penalty[j] = problem->penalty ? problem->penalty[j] : 1;
    int rc = trace_init(&admm->trace, admm->q, admm->options.snapshots);
    if (rc < 0)
        return rc;
    bool robust = admm->options.form == ADMM_ROBUST;
    return robust ? robust_create(admm, problem->metric) : classic_create(admm);
}

int admm_create(const struct admm_problem *problem, const struct admm_options *options,
                int64_t now_ns, struct admm **ret_admm, struct err_text *error)
{
    int rc = check_options(options, error);
    if (rc == 0)
        rc = check_problem(problem, options->form == ADMM_ROBUST, error);
    if (rc < 0)
        return rc;
    struct admm *admm = calloc(1, sizeof *admm);
    if (admm) {
        admm->N = problem->chunks;
        admm->q = problem->columns;
        admm->l1 = problem->l1;
        admm->l2 = problem->l2;
        admm->options = *options;
        admm->options.slots = slots_in_force(admm);
        admm->start_ns = admm->now_ns = now_ns;
    }
    if (!admm || admm_fill(admm, problem) < 0) {
        admm_destroy(admm);
        return err_set(error, DUSK_E_NOMEM,
                       "no memory for %lld chunks of %lld coefficients",
                       (long long)problem->chunks, (long long)problem->columns);
    }
    admm_snapshot(admm, true);
    *ret_admm = admm;
    return 0;
}

void admm_destroy(struct admm *admm)
{
    if (!admm)
        return;
    robust_destroy(admm->robust);
    classic_destroy(admm->classic);
    trace_fini(&admm->trace);
    free(admm->z);
    free(admm->mark);
    free(admm->v);
    free(admm->penalty);
    free(admm);
}

int admm_next(struct admm *admm, struct admm_update *ret_update)
{
    int rc =
        admm->robust ? robust_next(admm, ret_update) : classic_next(admm, ret_update);
    admm->counts.submitted += rc == 0;
    return rc;
}

/* Answers that come after convergence still count, so that a resumed run has lost
 * nothing; after divergence nothing matters any more. */
int admm_arrive(struct admm *admm, const struct admm_ticket *ticket, const double *x,
                int64_t evaluations, int64_t status, int64_t now_ns)
{
    admm->now_ns = now_ns;
    if (status == ADMM_LOCAL_CANCELLED)
        return admm_lose(admm, ticket);
    bool finite = status != ADMM_LOCAL_NONFINITE && admm_is_finite(x, admm->q);
    int rc = ADMM_DROPPED;
    if (admm->status != ADMM_DIVERGED)
        rc = admm->robust ? robust_arrive(admm, ticket, finite ? x : NULL)
                          : classic_arrive(admm, ticket, finite ? x : NULL);
    if (rc == ADMM_DROPPED) {
        admm->counts.dropped++;
        return rc;
    }
    admm->counts.evaluations += evaluations;
    admm->counts.unfinished += status != ADMM_LOCAL_CONVERGED;
    return rc;
}

int admm_lose(struct admm *admm, const struct admm_ticket *ticket)
{
    int rc = admm->robust ? robust_lose(admm, ticket) : classic_lose(admm, ticket);
    admm->counts.lost += rc == 0;
    return rc;
}

int admm_obsolete(struct admm *admm, struct admm_ticket *ret_ticket)
{
    if (admm->obsolete_first == admm->obsolete_end)
        return ADMM_NOTHING;
    *ret_ticket = admm->obsolete[admm->obsolete_first++ % OBSOLETE_MAX];
    return 0;
}

enum admm_status admm_status(const struct admm *admm)
{
    return admm->status;
}

const char *admm_reason(const struct admm *admm)
{
    return admm->reason;
}

void admm_resume(struct admm *admm, double tolerance)
{
    if (admm->status != ADMM_CONVERGED)
        return;
    admm->status = ADMM_RUNNING;
    if (admm->robust)
        admm->options.tolerance = tolerance;
    else
        admm->options.reltol = tolerance;
}

const double *admm_z(const struct admm *admm)
{
    return admm->z;
}

void admm_counts(const struct admm *admm, struct admm_counts *ret_counts)
{
    *ret_counts = admm->counts;
    ret_counts->in_flight =
        admm->robust ? robust_in_flight(admm) : classic_in_flight(admm);
    ret_counts->primal = admm_primal(admm);
}

int64_t admm_trace_count(const struct admm *admm)
{
    return admm->trace.count;
}

void admm_trace_point(const struct admm *admm, int64_t index,
                      struct admm_point *ret_point)
{
    *ret_point = admm->trace.points[index];
    ret_point->z = admm->trace.z + index * admm->q;
}
