#include "client/polish.h"
#include "client/polish_model.h"

#include <stdlib.h>
#include <string.h>

#define OPTIMAL 1e-14 /* relative KKT that counts as rounding */
#define NEAR 0.8      /* of l1: gradients beyond join the working set */
#define ARMIJO 1e-4
#define NOISE 1e-13 /* relative, of F */
#define HALVINGS 30

struct polish {
    struct penalised problem;
    bool constant_hessian;
    enum polish_want want;
    enum polish_outcome outcome;
    int round;
    bool started;
    double *b, *g;     /* (q): the point, the gradient of the loss there */
    double *trial, *d; /* (q): d is 0 outside of the working set */
    double *best;      /* (q) */
    double F, best_F;
    double relative, best_relative;
    double best_kkt;
    double slope; /* of the model along d, below 0 */
    double step;
    int halvings;
    int64_t *columns; /* the working set asked for, or that H is on */
    bool *member;     /* (q): in it before (constant Hessian) */
    int64_t count;
    double *H; /* (count x count) or NULL */
};

int polish_create(const struct penalised *problem, bool constant_hessian,
                  const double *z, struct polish **ret_polish)
{
    struct polish *p = calloc(1, sizeof *p);
    if (!p)
        return DUSK_E_NOMEM;
    size_t q = (size_t)problem->columns;
    p->problem = *problem;
    p->constant_hessian = constant_hessian;
    p->b = calloc(q, sizeof *p->b);
    p->g = calloc(q, sizeof *p->g);
    p->trial = calloc(q, sizeof *p->trial);
    p->d = calloc(q, sizeof *p->d);
    p->best = calloc(q, sizeof *p->best);
    p->columns = calloc(q, sizeof *p->columns);
    p->member = calloc(q, sizeof *p->member);
    bool vectors = p->b && p->g && p->trial && p->d && p->best;
    if (!vectors || !p->columns || !p->member) {
        polish_destroy(p);
        return DUSK_E_NOMEM;
    }
    memcpy(p->trial, z, q * sizeof *z);
    memcpy(p->best, z, q * sizeof *z);
    p->best_F = p->best_relative = p->best_kkt = INFINITY;
    *ret_polish = p;
    return 0;
}

void polish_destroy(struct polish *p)
{
    if (!p)
        return;
    free(p->b);
    free(p->g);
    free(p->trial);
    free(p->d);
    free(p->best);
    free(p->columns);
    free(p->member);
    free(p->H);
    free(p);
}

static int finish(struct polish *p, enum polish_outcome outcome)
{
    p->want = POLISH_DONE;
    p->outcome = outcome;
    return 0;
}

/* Remembers the best point: less F beyond noise, or nearer to optimal. */
static void remember(struct polish *p)
{
    bool less = p->F < p->best_F - NOISE * fabs(p->F);
    bool nearer =
        p->relative <= p->best_relative && p->F <= p->best_F + NOISE * fabs(p->F);
    if (!less && !nearer)
        return;
    p->best_F = p->F;
    p->best_relative = p->relative;
    p->best_kkt = penalised_kkt(&p->problem, p->b, p->g);
    memcpy(p->best, p->b, (size_t)p->problem.columns * sizeof *p->b);
}

static bool belongs(const struct polish *p, int64_t j)
{
    double pen = p->problem.penalty[j];
    double g = p->g[j] + p->problem.l2 * pen * p->b[j];
    return p->b[j] != 0 || pen == 0 || fabs(g) > NEAR * p->problem.l1 * pen;
}

/* Whether the Hessian at hand covers all columns that belong. */
static bool is_covered(const struct polish *p)
{
    int64_t k = 0;
    for (int64_t j = 0; j < p->problem.columns; j++) {
        while (k < p->count && p->columns[k] < j)
            k++;
        if (belongs(p, j) && (k == p->count || p->columns[k] != j))
            return false;
    }
    return true;
}

static int ask_trial(struct polish *p)
{
    for (int64_t j = 0; j < p->problem.columns; j++)
        p->trial[j] = p->b[j] + p->step * p->d[j];
    /* A full step lands on exact zeros. */
    for (int64_t k = 0; p->step == 1 && k < p->count; k++)
        if (p->d[p->columns[k]] == -p->b[p->columns[k]])
            p->trial[p->columns[k]] = 0;
    p->want = POLISH_EVALUATE;
    return 0;
}

static int make_step(struct polish *p)
{
    memset(p->d, 0, (size_t)p->problem.columns * sizeof *p->d);
    int rc = polish_model_solve(&p->problem, p->b, p->g, p->columns, p->count, p->H,
                                p->d, &p->slope);
    if (rc < 0)
        return rc;
    if (!isfinite(p->slope))
        return finish(p, POLISH_NONFINITE);
    if (p->slope >= 0)
        return finish(p, POLISH_FLOOR);
    p->round++;
    p->step = 1;
    p->halvings = 0;
    return ask_trial(p);
}

/* A constant Hessian keeps the columns it has, so that the set can only grow. */
static int ask_hessian(struct polish *p)
{
    for (int64_t k = 0; p->constant_hessian && k < p->count; k++)
        p->member[p->columns[k]] = true;
    free(p->H);
    p->H = NULL;
    p->count = 0;
    for (int64_t j = 0; j < p->problem.columns; j++)
        if (p->member[j] || belongs(p, j))
            p->columns[p->count++] = j;
    if (p->count > POLISH_MAX_WORKING_SET)
        return finish(p, POLISH_LIMIT);
    p->want = POLISH_HESSIAN;
    return 0;
}

/* The trial point becomes the point. */
static int move(struct polish *p, double F, const double *gradient)
{
    double before = p->F, relative_before = p->relative;
    size_t bytes = (size_t)p->problem.columns * sizeof(double);
    memcpy(p->b, p->trial, bytes);
    memcpy(p->g, gradient, bytes);
    p->F = F;
    p->relative = penalised_relative_kkt(&p->problem, p->b, p->g, F);
    remember(p);
    if (p->relative <= OPTIMAL)
        return finish(p, POLISH_OPTIMAL);
    if (p->started && p->relative > 0.5 * relative_before &&
        before - F <= NOISE * fabs(F))
        return finish(p, POLISH_FLOOR);
    p->started = true;
    if (p->round >= POLISH_ROUNDS)
        return finish(p, POLISH_LIMIT);
    return p->constant_hessian && p->H && is_covered(p) ? make_step(p) : ask_hessian(p);
}

int polish_evaluated(struct polish *p, double loss, const double *gradient)
{
    double F = loss + penalised_terms(&p->problem, p->trial);
    double sum = 0;
    for (int64_t j = 0; j < p->problem.columns; j++)
        sum += gradient[j] * 0.0;
    bool finite = isfinite(F) && sum == 0;
    if (!p->started)
        return finite ? move(p, F, gradient) : finish(p, POLISH_NONFINITE);
    if (finite && F <= p->F + ARMIJO * p->step * p->slope + NOISE * fabs(p->F))
        return move(p, F, gradient);
    if (++p->halvings > HALVINGS)
        return finish(p, POLISH_FLOOR);
    p->step /= 2;
    return ask_trial(p);
}

int polish_hessian(struct polish *p, const double *hessian)
{
    size_t count = (size_t)(p->count * p->count);
    double *H = malloc((count ? count : 1) * sizeof *H);
    if (!H)
        return DUSK_E_NOMEM;
    memcpy(H, hessian, count * sizeof *H);
    free(p->H);
    p->H = H;
    return make_step(p);
}

enum polish_want polish_want(const struct polish *p)
{
    return p->want;
}

const double *polish_point(const struct polish *p)
{
    if (p->want == POLISH_DONE)
        return p->best;
    return p->want == POLISH_HESSIAN ? p->b : p->trial;
}

const int64_t *polish_columns(const struct polish *p, int64_t *ret_count)
{
    *ret_count = p->count;
    return p->columns;
}

enum polish_outcome polish_outcome(const struct polish *p)
{
    return p->outcome;
}

double polish_objective(const struct polish *p)
{
    return p->best_F;
}

double polish_kkt(const struct polish *p)
{
    return p->best_kkt;
}

int polish_rounds(const struct polish *p)
{
    return p->round;
}
