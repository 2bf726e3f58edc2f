/* The form as first published (White & Rocklin 2017), kept faithful, weaknesses
 * included: chunks are drawn at random with repetition, a dual variable advances
 * whenever its chunk is submitted, even with an answer still out, and z is inflated
 * by N / (count + 1) while fewer than N answers have come.  Symbols:
 *
 *     sum = sum_i (x_i + u_i)  (q),     Sx = sum_i x_i  (q)
 *     xx = sum_i ||x_i||^2,             uu = sum_i ||u_i||^2
 *
 * Divergence: without delay, ||x - z||^2 + N ||z - z_previous||^2 never grows (He &
 * Yuan, "On non-ergodic convergence rate of Douglas-Rachford alternating direction
 * method of multipliers", 2015).  Delays and random choice were measured to lift its
 * root by no more than a tenth above the first two sweeps where runs converge, so
 * ten times as much is growth without end.  Numbers that are not finite count as
 * well.
 */
#include "client/admm_state.h"

#include <stdlib.h>
#include <string.h>

#define GROWTH_LIMIT 10.0
#define REFRESH_SWEEPS 16
#define WINDOW 64 /* versions of one chunk that can be out at once */

struct classic_chunk {
    int64_t version; /* issued so far */
    uint64_t flying; /* bit v mod 64: version v is in flight */
    uint64_t lost;   /* bit v mod 64: version v waits to be handed out again */
    bool reported;   /* has answered at least once */
};

struct admm_classic {
    struct classic_chunk *chunk; /* (N) */
    double *x;                   /* (N x q) */
    double *u;                   /* (N x q) */
    double *sum, *Sx;            /* (q) */
    double xx, uu;
    struct admm_ticket *lost; /* a ring of `slots` */
    int64_t lost_first, lost_count;
    int64_t in_flight;
    int64_t to_go; /* synchronous: chunks of this sweep not yet submitted */
    int64_t reported;
    double reference; /* the largest residual of the first two sweeps */
    uint64_t random;
};

static uint64_t version_bit(int64_t version)
{
    return (uint64_t)1 << (version % WINDOW);
}

/* splitmix64; the high half of a product maps it to a chunk. */
static int64_t draw_chunk(struct admm *admm)
{
    uint64_t z = admm->classic->random += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return (int64_t)(((unsigned __int128)z * (uint64_t)admm->N) >> 64);
}

static void sum_mirrors(struct admm *admm)
{
    struct admm_classic *c = admm->classic;
    memset(c->sum, 0, (size_t)admm->q * sizeof(double));
    memset(c->Sx, 0, (size_t)admm->q * sizeof(double));
    c->xx = c->uu = 0;
    for (int64_t i = 0; i < admm->N; i++) {
        const double *x = c->x + i * admm->q;
        const double *u = c->u + i * admm->q;
        for (int64_t j = 0; j < admm->q; j++) {
            c->sum[j] += x[j] + u[j];
            c->Sx[j] += x[j];
            c->xx += x[j] * x[j];
            c->uu += u[j] * u[j];
        }
    }
}

static double primal_residual(const struct admm *admm)
{
    const struct admm_classic *c = admm->classic;
    double sum = c->xx;
    for (int64_t j = 0; j < admm->q; j++)
        sum += admm->z[j] * ((double)admm->N * admm->z[j] - 2 * c->Sx[j]);
    return sqrt(fmax(sum, 0));
}

/* sqrt(N) ||z - z of a sweep ago||. */
static double step_of_z(const struct admm *admm)
{
    double sum = 0;
    for (int64_t j = 0; j < admm->q; j++)
        sum += (admm->z[j] - admm->mark[j]) * (admm->z[j] - admm->mark[j]);
    return sqrt((double)admm->N * sum);
}

static double classic_scale(const struct admm_classic *c)
{
    return sqrt(fmax(fmax(c->xx, c->uu), 0));
}

double classic_primal(const struct admm *admm)
{
    double scale = classic_scale(admm->classic);
    return scale > 0 ? primal_residual(admm) / scale : 0;
}

int64_t classic_in_flight(const struct admm *admm)
{
    return admm->classic->in_flight;
}

/* Boyd et al. (2011), section 3.3.1. */
static bool has_converged(const struct admm *admm, double primal, double step)
{
    const struct admm_classic *c = admm->classic;
    const struct admm_options *options = &admm->options;
    double rho = options->rho, N = (double)admm->N, zz = 0;
    for (int64_t j = 0; j < admm->q; j++)
        zz += N * admm->z[j] * admm->z[j];
    double absolute = sqrt(N * (double)admm->q) * options->abstol;
    double x_norm = sqrt(fmax(c->xx, 0)), u_norm = sqrt(fmax(c->uu, 0));
    return (options->abstol > 0 || options->reltol > 0) &&
           primal <= absolute + options->reltol * fmax(x_norm, sqrt(zz)) &&
           rho * step <= absolute + options->reltol * rho * u_norm;
}

static void end_sweep(struct admm *admm)
{
    struct admm_classic *c = admm->classic;
    admm->sweeps++;
    admm->since_mark = 0;
    if (admm->sweeps % REFRESH_SWEEPS == 0)
        sum_mirrors(admm);
    double primal = primal_residual(admm);
    double step = step_of_z(admm);
    double scale = classic_scale(c);
    memcpy(admm->mark, admm->z, (size_t)admm->q * sizeof(double));
    admm->counts.dual = scale > 0 ? step / scale : 0;
    double residual = hypot(primal, step);
    if (admm->sweeps <= 2)
        c->reference = fmax(c->reference, residual);
    if (!isfinite(residual) || residual > GROWTH_LIMIT * c->reference)
        admm_diverge(admm,
                     "the residual is %.2e after %lld sweeps, %.2e at the beginning",
                     residual, (long long)admm->sweeps, c->reference);
    else if (c->reported == admm->N && has_converged(admm, primal, step))
        admm->status = ADMM_CONVERGED;
}

static void combine(struct admm *admm)
{
    struct admm_classic *c = admm->classic;
    double N = (double)admm->N;
    double count = (double)admm->counts.accepted;
    bool sync = admm->options.variant == ADMM_SYNC;
    double inflation = !sync && count < N ? N / (count + 1) : 1;
    if (sync)
        sum_mirrors(admm);
    for (int64_t j = 0; j < admm->q; j++)
        admm->z[j] =
            soft_threshold(inflation * c->sum[j] / N,
                           admm->l1 * admm->penalty[j] / (admm->options.rho * N));
    admm->pending = 0;
    c->to_go = admm->N;
    admm->counts.combines++;
    if (!admm_is_finite(admm->z, admm->q))
        admm_diverge(admm, "the consensus is not finite");
    else if (admm->since_mark >= admm->N)
        end_sweep(admm);
    admm_snapshot(admm, admm->status != ADMM_RUNNING);
}

/* u_i += x_i - z, with whatever answer of chunk i is the last. */
static void advance_dual(struct admm *admm, int64_t i)
{
    struct admm_classic *c = admm->classic;
    const double *x = c->x + i * admm->q;
    double *u = c->u + i * admm->q;
    for (int64_t j = 0; j < admm->q; j++) {
        double step = x[j] - admm->z[j];
        c->sum[j] += step;
        c->uu += step * (2 * u[j] + step);
        u[j] += step;
    }
}

static bool take_lost(struct admm_classic *c, int64_t slots, struct admm_ticket *ret)
{
    while (c->lost_count > 0) {
        struct admm_ticket ticket = c->lost[c->lost_first];
        c->lost_first = (c->lost_first + 1) % slots;
        c->lost_count--;
        struct classic_chunk *chunk = &c->chunk[ticket.chunk];
        if (chunk->lost & version_bit(ticket.version)) {
            chunk->lost &= ~version_bit(ticket.version);
            ticket.copy++;
            *ret = ticket;
            return true;
        }
    }
    return false;
}

/* A version 64 launches ago that is still out is given up. */
static struct admm_ticket issue(struct admm *admm)
{
    struct admm_classic *c = admm->classic;
    bool sync = admm->options.variant == ADMM_SYNC;
    int64_t i = sync ? admm->N - c->to_go-- : draw_chunk(admm);
    struct classic_chunk *chunk = &c->chunk[i];
    advance_dual(admm, i);
    struct admm_ticket ticket = {.chunk = i, .version = ++chunk->version};
    uint64_t bit = version_bit(ticket.version);
    if (chunk->flying & bit) {
        struct admm_ticket old = {.chunk = i, .version = ticket.version - WINDOW};
        admm_give_up(admm, &old);
        c->in_flight--;
    }
    chunk->lost &= ~bit;
    return ticket;
}

int classic_next(struct admm *admm, struct admm_update *ret_update)
{
    struct admm_classic *c = admm->classic;
    bool sync = admm->options.variant == ADMM_SYNC;
    if (admm->options.variant == ADMM_BATCHED && admm->pending > 0 &&
        admm->status == ADMM_RUNNING)
        combine(admm);
    if (admm->status != ADMM_RUNNING || c->in_flight >= admm->options.slots)
        return ADMM_NOTHING;
    struct admm_ticket ticket;
    if (!take_lost(c, admm->options.slots, &ticket)) {
        if (sync && c->to_go == 0)
            return ADMM_NOTHING;
        ticket = issue(admm);
    }
    c->chunk[ticket.chunk].flying |= version_bit(ticket.version);
    c->in_flight++;
    const double *u = c->u + ticket.chunk * admm->q;
    for (int64_t j = 0; j < admm->q; j++)
        admm->v[j] = admm->z[j] - u[j];
    *ret_update = (struct admm_update){
        .ticket = ticket, .v = admm->v, .x0 = c->x + ticket.chunk * admm->q};
    return 0;
}

static void apply(struct admm *admm, int64_t i, const double *answer)
{
    struct admm_classic *c = admm->classic;
    double *x = c->x + i * admm->q;
    for (int64_t j = 0; j < admm->q; j++) {
        double step = answer[j] - x[j];
        c->sum[j] += step;
        c->Sx[j] += step;
        c->xx += step * (2 * x[j] + step);
        x[j] = answer[j];
    }
}

/* The bits that say whether this version is out; 0 when it is not. */
static uint64_t expected_bit(const struct admm *admm, const struct admm_ticket *ticket)
{
    if (ticket->chunk < 0 || ticket->chunk >= admm->N || ticket->version < 1)
        return 0;
    const struct classic_chunk *chunk = &admm->classic->chunk[ticket->chunk];
    if (ticket->version > chunk->version || ticket->version <= chunk->version - WINDOW)
        return 0;
    return (chunk->flying | chunk->lost) & version_bit(ticket->version);
}

int classic_arrive(struct admm *admm, const struct admm_ticket *ticket, const double *x)
{
    struct admm_classic *c = admm->classic;
    uint64_t bit = expected_bit(admm, ticket);
    if (!bit)
        return ADMM_DROPPED;
    struct classic_chunk *chunk = &c->chunk[ticket->chunk];
    c->in_flight -= (chunk->flying & bit) != 0;
    chunk->flying &= ~bit;
    chunk->lost &= ~bit;
    if (!x) {
        admm_diverge(admm, "the local answer of chunk %lld is not finite",
                     (long long)ticket->chunk);
        return 0;
    }
    c->reported += !chunk->reported;
    chunk->reported = true;
    apply(admm, ticket->chunk, x);
    admm->counts.accepted++;
    admm->pending++;
    admm->since_mark++;
    bool sync = admm->options.variant == ADMM_SYNC;
    if (admm->status == ADMM_RUNNING &&
        (sync ? admm->pending >= admm->N : admm->options.variant == ADMM_ASYNC))
        combine(admm);
    return 0;
}

int classic_lose(struct admm *admm, const struct admm_ticket *ticket)
{
    struct admm_classic *c = admm->classic;
    uint64_t bit = expected_bit(admm, ticket);
    if (!bit || !(c->chunk[ticket->chunk].flying & bit))
        return ADMM_DROPPED;
    c->chunk[ticket->chunk].flying &= ~bit;
    c->chunk[ticket->chunk].lost |= bit;
    c->in_flight--;
    int64_t slots = admm->options.slots;
    c->lost[(c->lost_first + c->lost_count++) % slots] = *ticket;
    return 0;
}

int classic_create(struct admm *admm)
{
    struct admm_classic *c = calloc(1, sizeof *c);
    if (!c)
        return DUSK_E_NOMEM;
    admm->classic = c;
    c->chunk = calloc((size_t)admm->N, sizeof *c->chunk);
    c->x = admm_vector(admm->N * admm->q);
    c->u = admm_vector(admm->N * admm->q);
    c->sum = admm_vector(admm->q);
    c->Sx = admm_vector(admm->q);
    c->lost = calloc((size_t)admm->options.slots, sizeof *c->lost);
    c->to_go = admm->N;
    c->random = admm->options.seed;
    bool all = c->chunk && c->x && c->u && c->sum && c->Sx && c->lost;
    return all ? 0 : DUSK_E_NOMEM;
}

void classic_destroy(struct admm_classic *c)
{
    if (!c)
        return;
    free(c->chunk);
    free(c->x);
    free(c->u);
    free(c->sum);
    free(c->Sx);
    free(c->lost);
    free(c);
}
