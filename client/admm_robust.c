/* The robust form.  Symbols as in client/admm.h, and
 *
 *     V = sum_i R_i w_i,  Rs = sum_i R_i,  Rx = sum_i R_i x_i          (q each)
 *     xx = sum_i ||x_i||^2_{R_i},          uu = sum_i ||w_i - x_i||^2_{R_i}
 *
 * An arrival changes the five sums by its own difference, O(q).  While the barrier
 * is N they are summed afresh from the mirrors, in chunk order, at every combine:
 * that costs as little per arrival and makes the run repeatable whatever the order
 * of the arrivals.  Otherwise they are summed afresh every REFRESH_SWEEPS sweeps,
 * so that rounding cannot drift. */
#include "client/admm_flight.h"
#include "client/admm_state.h"
#include "common/plant.h"

#include <stdlib.h>
#include <string.h>

#define REFRESH_SWEEPS 16
#define GUARD_GROWTH 10.0 /* times its minimum the residual may be */
#define GUARD_SYNC 3      /* acts of the guard after which S = N */
#define GUARD_LAST 12     /* and after which the run counts as diverged */
#define FLOOR 1e-7        /* below this, rounding of the sums is what is left */

struct admm_robust {
    const double *R; /* (N x q), borrowed */
    double *w;       /* (N x q) */
    double *x;       /* (N x q) */
    double *V, *Rs, *Rx;
    double xx, uu;
    int64_t *version;   /* (N) applied */
    int64_t *snapshot;  /* (N) z with which the version in flight was launched */
    int64_t *z_version; /* (N) number of that z */
    int64_t z_now;      /* number of the current z */
    double *pool;       /* (slots + 1) x q: the values of z still referred to */
    int64_t *references;
    int64_t *unused; /* a stack of places in the pool */
    int64_t unused_count;
    int64_t current; /* place of the current z, or -1 */
    int64_t reported;
    double least; /* residual at its minimum */
    struct flight flight;
};

static bool is_synchronous(const struct admm *admm)
{
    return admm->counts.barrier == admm->N;
}

/* Summed in chunk order. */
static void sum_mirrors(struct admm *admm)
{
    struct admm_robust *r = admm->robust;
    size_t bytes = (size_t)admm->q * sizeof(double);
    memset(r->V, 0, bytes);
    memset(r->Rx, 0, bytes);
    r->xx = r->uu = 0;
    for (int64_t i = 0; i < admm->N; i++) {
        const double *R = r->R + i * admm->q;
        const double *w = r->w + i * admm->q;
        const double *x = r->x + i * admm->q;
        double xx = 0, uu = 0;
        for (int64_t j = 0; j < admm->q; j++) {
            r->V[j] += R[j] * w[j];
            r->Rx[j] += R[j] * x[j];
            xx += R[j] * x[j] * x[j];
            uu += R[j] * (w[j] - x[j]) * (w[j] - x[j]);
        }
        r->xx += xx;
        r->uu += uu;
    }
}

static double metric_scale(const struct admm_robust *r)
{
    return sqrt(fmax(fmax(r->xx, r->uu), 0));
}

/* sum_i ||x_i - z||^2_{R_i} from the sums; what cancellation makes negative is 0. */
static double primal_residual(const struct admm *admm)
{
    const struct admm_robust *r = admm->robust;
    double sum = r->xx;
    for (int64_t j = 0; j < admm->q; j++)
        sum += admm->z[j] * (r->Rs[j] * admm->z[j] - 2 * r->Rx[j]);
    return sqrt(fmax(sum, 0));
}

static double dual_residual(const struct admm *admm)
{
    double sum = 0;
    for (int64_t j = 0; j < admm->q; j++) {
        double step = admm->z[j] - admm->mark[j];
        sum += admm->robust->Rs[j] * step * step;
    }
    return sqrt(sum);
}

double robust_primal(const struct admm *admm)
{
    double scale = metric_scale(admm->robust);
    return scale > 0 ? primal_residual(admm) / scale : 0;
}

int64_t robust_in_flight(const struct admm *admm)
{
    return admm->robust->flight.in_flight;
}

/* The places in the pool: the current z gets one when a chunk is launched with it. */
static int64_t snapshot_take(struct admm *admm)
{
    struct admm_robust *r = admm->robust;
    if (r->current < 0) {
        r->current = r->unused[--r->unused_count];
        r->references[r->current] = 0;
        memcpy(r->pool + r->current * admm->q, admm->z,
               (size_t)admm->q * sizeof(double));
    }
    r->references[r->current]++;
    return r->current;
}

static void snapshot_release(struct admm_robust *r, int64_t place)
{
    if (--r->references[place] == 0 && place != r->current)
        r->unused[r->unused_count++] = place;
}

static void snapshot_retire(struct admm_robust *r)
{
    if (r->current >= 0 && r->references[r->current] == 0)
        r->unused[r->unused_count++] = r->current;
    r->current = -1;
}

/* Growth of the residual means that answers are too old for this relaxation: less
 * of it, and larger combines, in the end synchronous ones, which cannot grow. */
static void guard(struct admm *admm, double residual)
{
    struct admm_robust *r = admm->robust;
    struct admm_counts *counts = &admm->counts;
    double floor = FLOOR * metric_scale(r);
    if (residual <= GUARD_GROWTH * fmax(r->least, floor)) {
        r->least = fmin(r->least, residual);
        return;
    }
    counts->guards++;
    counts->alpha = fmax(1, 0.8 * counts->alpha);
    counts->barrier = 2 * counts->barrier < admm->N ? 2 * counts->barrier : admm->N;
    if (counts->guards >= GUARD_SYNC)
        counts->barrier = admm->N;
    r->least = residual;
    if (counts->guards >= GUARD_LAST)
        admm_diverge(admm, "the residual has grown tenfold %d times", GUARD_LAST);
}

/* A sweep is N arrivals; the residuals are judged once a sweep, because the step of
 * z in a single asynchronous combine is small by nature. */
static void end_sweep(struct admm *admm)
{
    struct admm_robust *r = admm->robust;
    admm->sweeps++;
    admm->since_mark = 0;
    if (!is_synchronous(admm) && admm->sweeps % REFRESH_SWEEPS == 0)
        sum_mirrors(admm);
    double scale = metric_scale(r);
    double primal = primal_residual(admm);
    double dual = dual_residual(admm);
    memcpy(admm->mark, admm->z, (size_t)admm->q * sizeof(double));
    admm->counts.dual = scale > 0 ? dual / scale : 0;
    if (r->reported < admm->N)
        return;
    double limit = admm->options.tolerance * scale;
    if (admm->options.tolerance > 0 && primal <= limit && dual <= limit)
        admm->status = ADMM_CONVERGED;
    else
        guard(admm, hypot(primal, dual));
}

static void combine(struct admm *admm)
{
    struct admm_robust *r = admm->robust;
    if (is_synchronous(admm))
        sum_mirrors(admm);
    for (int64_t j = 0; j < admm->q; j++) {
        double pen = admm->penalty[j];
        admm->z[j] =
            soft_threshold(r->V[j], admm->l1 * pen) / (r->Rs[j] + admm->l2 * pen);
    }
    snapshot_retire(r);
    r->z_now++;
    admm->pending = 0;
    admm->counts.combines++;
    if (!admm_is_finite(admm->z, admm->q))
        admm_diverge(admm, "the consensus is not finite");
    else if (admm->since_mark >= admm->N)
        end_sweep(admm);
    admm_snapshot(admm, admm->status != ADMM_RUNNING);
}

/* True while some update is so old that z must not run away from it. */
static bool is_held(const struct admm *admm)
{
    int64_t accepted = admm->counts.accepted;
    int64_t oldest = flight_oldest(&admm->robust->flight, accepted);
    double limit = 2 * admm->options.staleness * (double)admm->N;
    return limit > 0 && (double)(accepted - oldest) > limit;
}

static void combine_if_due(struct admm *admm)
{
    if (admm->status == ADMM_RUNNING && admm->pending >= admm->counts.barrier &&
        !is_held(admm))
        combine(admm);
}

/* Lost ones first, then a second copy of one that is overdue, then the idle chunk
 * least recently launched, unless z has not moved since then. */
static int64_t pick(const struct admm *admm)
{
    const struct admm_robust *r = admm->robust;
    int64_t chunk = flight_first_lost(&r->flight);
    if (chunk != FLIGHT_NONE)
        return chunk;
    chunk = flight_first_once(&r->flight);
    double limit = admm->options.staleness * (double)admm->N;
    if (limit > 0 && chunk != FLIGHT_NONE &&
        (double)(admm->counts.accepted - r->flight.chunk[chunk].since) > limit)
        return chunk;
    chunk = flight_first_idle(&r->flight);
    if (chunk != FLIGHT_NONE && r->z_version[chunk] < r->z_now)
        return chunk;
    return FLIGHT_NONE;
}

int robust_next(struct admm *admm, struct admm_update *ret_update)
{
    struct admm_robust *r = admm->robust;
    if (admm->options.variant == ADMM_BATCHED)
        combine_if_due(admm);
    if (admm->status != ADMM_RUNNING || r->flight.in_flight >= admm->options.slots)
        return ADMM_NOTHING;
    int64_t i = pick(admm);
    if (i == FLIGHT_NONE)
        return ADMM_NOTHING;
    enum flight_state state = r->flight.chunk[i].state;
    if (state == FLIGHT_IDLE) {
        r->snapshot[i] = snapshot_take(admm);
        r->z_version[i] = r->z_now;
    }
    admm->counts.copies += state == FLIGHT_ONCE;
    int64_t copy = flight_launch(&r->flight, i, admm->counts.accepted);
    const double *z = r->pool + r->snapshot[i] * admm->q;
    const double *w = r->w + i * admm->q;
    for (int64_t j = 0; j < admm->q; j++)
        admm->v[j] = 2 * z[j] - w[j];
    *ret_update = (struct admm_update){
        .ticket = {.chunk = i, .version = r->version[i] + 1, .copy = copy},
        .v = admm->v,
        .x0 = r->x + i * admm->q,
    };
    return 0;
}

/* Moves chunk i to its new answer and the sums with it. */
static void apply(struct admm *admm, int64_t i, const double *answer)
{
    struct admm_robust *r = admm->robust;
    const double *restrict R = r->R + i * admm->q;
    const double *restrict z = r->pool + r->snapshot[i] * admm->q;
    double *restrict w = r->w + i * admm->q;
    double *restrict x = r->x + i * admm->q;
    bool afresh = is_synchronous(admm);
    double xx = 0, uu = 0;
    for (int64_t j = 0; j < admm->q; j++) {
        double w_new = w[j] + admm->counts.alpha * (answer[j] - z[j]);
        double u_new = w_new - answer[j], u = w[j] - x[j];
        if (!afresh) {
            r->V[j] += R[j] * (w_new - w[j]);
            r->Rx[j] += R[j] * (answer[j] - x[j]);
        }
        xx += R[j] * (answer[j] * answer[j] - x[j] * x[j]);
        uu += R[j] * (u_new * u_new - u * u);
        w[j] = w_new;
        x[j] = answer[j];
    }
    if (!afresh) {
        r->xx += xx;
        r->uu += uu;
    }
}

static void give_up_copies(struct admm *admm, const struct admm_ticket *ticket,
                           uint32_t copies)
{
    copies &= ~((uint32_t)1 << (ticket->copy & 31));
    for (struct admm_ticket other = *ticket; copies; copies &= copies - 1) {
        int64_t issued = admm->robust->flight.chunk[ticket->chunk].issued;
        other.copy = __builtin_ctz(copies);
        while (other.copy + 32 < issued)
            other.copy += 32;
        admm_give_up(admm, &other);
    }
}

static bool is_expected(const struct admm *admm, const struct admm_ticket *ticket)
{
    const struct admm_robust *r = admm->robust;
    int64_t i = ticket->chunk;
    return i >= 0 && i < admm->N && r->flight.chunk[i].state != FLIGHT_IDLE &&
           ticket->version == r->version[i] + 1 && ticket->copy >= 0 &&
           ticket->copy < r->flight.chunk[i].issued;
}

/* An answer that was given up as lost is as good as any other. */
int robust_arrive(struct admm *admm, const struct admm_ticket *ticket, const double *x)
{
    struct admm_robust *r = admm->robust;
    int64_t i = ticket->chunk;
    if (!is_expected(admm, ticket))
        return ADMM_DROPPED;
    give_up_copies(admm, ticket, flight_land(&r->flight, i));
    if (!x) {
        admm_diverge(admm, "the local answer of chunk %lld is not finite",
                     (long long)i);
        return 0;
    }
    apply(admm, i, x);
    if (PLANTED(double_step))
        apply(admm, i, x);
    snapshot_release(r, r->snapshot[i]);
    r->reported += r->version[i]++ == 0;
    admm->counts.accepted++;
    admm->pending++;
    admm->since_mark++;
    if (admm->options.variant != ADMM_BATCHED)
        combine_if_due(admm);
    return 0;
}

int robust_lose(struct admm *admm, const struct admm_ticket *ticket)
{
    if (!is_expected(admm, ticket))
        return ADMM_DROPPED;
    if (!flight_lose(&admm->robust->flight, ticket->chunk, ticket->copy))
        return ADMM_DROPPED;
    return 0;
}

static int allocate(struct admm *admm, struct admm_robust *r)
{
    int64_t N = admm->N, q = admm->q, places = admm->options.slots + 1;
    r->w = admm_vector(N * q);
    r->x = admm_vector(N * q);
    r->V = admm_vector(q);
    r->Rs = admm_vector(q);
    r->Rx = admm_vector(q);
    r->version = calloc((size_t)N, sizeof *r->version);
    r->snapshot = calloc((size_t)N, sizeof *r->snapshot);
    r->z_version = calloc((size_t)N, sizeof *r->z_version);
    r->pool = admm_vector(places * q);
    r->references = calloc((size_t)places, sizeof *r->references);
    r->unused = calloc((size_t)places, sizeof *r->unused);
    bool all = r->w && r->x && r->V && r->Rs && r->Rx && r->version && r->snapshot &&
               r->z_version && r->pool && r->references && r->unused;
    return all ? flight_init(&r->flight, N) : DUSK_E_NOMEM;
}

int robust_create(struct admm *admm, const double *metric)
{
    struct admm_robust *r = calloc(1, sizeof *r);
    if (!r)
        return DUSK_E_NOMEM;
    admm->robust = r;
    r->R = metric;
    r->current = -1;
    r->least = INFINITY;
    r->z_now = 1; /* later than every chunk's, so that all may go */
    int rc = allocate(admm, r);
    if (rc < 0)
        return rc;
    for (int64_t place = admm->options.slots; place >= 0; place--)
        r->unused[r->unused_count++] = place;
    for (int64_t i = 0; i < admm->N; i++)
        for (int64_t j = 0; j < admm->q; j++)
            r->Rs[j] += metric[i * admm->q + j];
    admm->counts.barrier = admm->options.variant == ADMM_SYNC ? admm->N : 1;
    admm->counts.alpha = admm->options.alpha;
    return 0;
}

void robust_destroy(struct admm_robust *r)
{
    if (!r)
        return;
    flight_fini(&r->flight);
    free(r->w);
    free(r->x);
    free(r->V);
    free(r->Rs);
    free(r->Rx);
    free(r->version);
    free(r->snapshot);
    free(r->z_version);
    free(r->pool);
    free(r->references);
    free(r->unused);
    free(r);
}
