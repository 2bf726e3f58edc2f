/* phi, g    value and gradient at x; eta = X~x
 * d         direction -H g, slope = g'd < 0; step = X~d
 * s, y      differences of x and g over the last `pairs` iterations, a ring */
#include "worker/lbfgs.h"
#include "worker/dense.h"
#include <float.h>
#include <math.h>
#include <string.h>

#define DEFAULT_MEMORY 7
#define DEFAULT_TOLERANCE 1e-18
#define ARMIJO 1e-4
#define WOLFE 0.9
/* Differences of phi below this share of |phi| are rounding. */
#define FLOOR (64 * DBL_EPSILON)
#define MAX_TRIALS 40

/* Inside one call of lbfgs_run. */
enum { GO_ON = -1, REFUSED = -2 };

static int memory_of(const struct lbfgs *solver)
{
    int memory = solver->options.memory;
    return memory < 1                  ? DEFAULT_MEMORY
           : memory > LBFGS_MAX_MEMORY ? LBFGS_MAX_MEMORY
                                       : memory;
}

size_t lbfgs_workspace(int64_t rows, int64_t unknowns, int memory)
{
    struct lbfgs sizes = {.options = {.memory = memory}};
    return 2 * (size_t)rows + (size_t)unknowns * (size_t)(5 + 2 * memory_of(&sizes));
}

void lbfgs_init(struct lbfgs *solver, const struct lbfgs_problem *problem,
                const struct lbfgs_options *options, const double *x0,
                double *workspace)
{
    int64_t n = problem->chunk->rows, q = glm_unknowns(problem->chunk);
    *solver = (struct lbfgs){.problem = *problem, .options = *options};
    double **vectors[] = {&solver->x, &solver->g, &solver->x_trial, &solver->g_trial,
                          &solver->d};
    for (size_t k = 0; k < sizeof vectors / sizeof *vectors; k++, workspace += q)
        *vectors[k] = workspace;
    solver->s = workspace;
    solver->y = solver->s + q * memory_of(solver);
    solver->eta = solver->y + q * memory_of(solver);
    solver->eta_trial = solver->eta + n;
    for (int64_t j = 0; j < q; j++) {
        solver->bad_start |= !isfinite(x0[j]);
        solver->x[j] = isfinite(x0[j]) ? x0[j] : 0.0;
    }
}

static int64_t unknowns(const struct lbfgs *solver)
{
    return glm_unknowns(solver->problem.chunk);
}

static bool cancelled(const struct lbfgs *solver)
{
    return dusk_flag(solver->options.cancel);
}

/* 1/2 (x - v)'R(x - v), and its gradient added to `gradient` unless that is NULL. */
static double proximal(const struct lbfgs *solver, const double *x, double *gradient)
{
    const double *v = solver->problem.v, *metric = solver->problem.metric;
    double total = 0;
    for (int64_t j = 0; j < unknowns(solver); j++) {
        double pull = metric[j] * (x[j] - v[j]);
        total += pull * (x[j] - v[j]);
        if (gradient)
            gradient[j] += pull;
    }
    return 0.5 * total;
}

static double evaluate(struct lbfgs *solver, const double *x, double *eta,
                       double *gradient)
{
    struct glm_value value;
    glm_evaluate(solver->problem.chunk, x, eta, gradient, &value);
    solver->evaluations++;
    return value.loss + proximal(solver, x, gradient);
}

static bool finite_vector(const double *x, int64_t count)
{
    for (int64_t j = 0; j < count; j++)
        if (!isfinite(x[j]))
            return false;
    return true;
}

/* r = H0 r / gamma */
static void precondition(const struct lbfgs *solver, double *r)
{
    int64_t q = unknowns(solver);
    if (solver->problem.factor) {
        dense_solve_lower(solver->problem.factor, q, r);
        dense_solve_upper(solver->problem.factor, q, r);
    } else if (solver->scaled) {
        for (int64_t j = 0; j < q; j++)
            r[j] /= solver->problem.metric[j];
    }
}

/* Two-loop recursion, newest pair first, then back. */
static void find_direction(struct lbfgs *solver)
{
    int64_t q = unknowns(solver);
    int memory = memory_of(solver);
    double alpha[LBFGS_MAX_MEMORY], *d = solver->d;
    for (int64_t j = 0; j < q; j++)
        d[j] = -solver->g[j];
    for (int k = 0; k < solver->pairs; k++) {
        int at = (solver->newest - k + memory) % memory;
        alpha[at] = dense_dot(solver->s + at * q, d, q) / solver->ys[at];
        dense_add(d, -alpha[at], solver->y + at * q, q, d);
    }
    precondition(solver, d);
    for (int64_t j = 0; j < q; j++)
        d[j] *= solver->gamma;
    for (int k = solver->pairs - 1; k >= 0; k--) {
        int at = (solver->newest - k + memory) % memory;
        double beta = dense_dot(solver->y + at * q, d, q) / solver->ys[at];
        dense_add(d, alpha[at] - beta, solver->s + at * q, q, d);
    }
}

static void forget_pairs(struct lbfgs *solver)
{
    solver->pairs = 0;
    solver->gamma = 1.0;
}

/* Remembers the move from (x, g) to (x_trial, g_trial), unless its curvature is
 * too close to zero to be told from rounding. */
static void remember_pair(struct lbfgs *solver)
{
    int64_t q = unknowns(solver);
    int at = (solver->newest + 1) % memory_of(solver);
    double *s = solver->s + at * q, *y = solver->y + at * q;
    dense_add(solver->x_trial, -1.0, solver->x, q, s);
    dense_add(solver->g_trial, -1.0, solver->g, q, y);
    double ys = dense_dot(s, y, q), ss = dense_dot(s, s, q), yy = dense_dot(y, y, q);
    if (!(ys > 1e-10 * sqrt(ss) * sqrt(yy)))
        return;
    solver->newest = at;
    solver->ys[at] = ys;
    if (solver->pairs < memory_of(solver))
        solver->pairs++;
    /* d is free here: it holds H0 y / gamma. */
    memcpy(solver->d, y, (size_t)q * sizeof *y);
    precondition(solver, solver->d);
    solver->gamma = ys / dense_dot(y, solver->d, q);
}

static void swap(double **a, double **b)
{
    double *keep = *a;
    *a = *b;
    *b = keep;
}

/* The trial point becomes the point. */
static void accept(struct lbfgs *solver, double phi)
{
    remember_pair(solver);
    swap(&solver->x, &solver->x_trial);
    swap(&solver->g, &solver->g_trial);
    swap(&solver->eta, &solver->eta_trial);
    solver->phi = phi;
    solver->iterations++;
}

/* Armijo's rule; or, where phi has not changed visibly, slopes: the new one must
 * have shrunk and must not have turned upwards too far. */
static bool acceptable(const struct lbfgs *solver, double t, double slope, double phi,
                       double new_slope)
{
    if (phi <= solver->phi + ARMIJO * t * slope)
        return true;
    return phi <= solver->phi + FLOOR * fabs(solver->phi) &&
           new_slope <= (2 * ARMIJO - 1) * slope && new_slope >= WOLFE * slope;
}

/* The minimiser of the parabola through phi, slope and the refused trial, kept
 * within [t / 10, t / 2]. */
static double interpolate(double phi0, double slope, double t, double phi)
{
    double best = -slope * t * t / (2 * (phi - phi0 - slope * t));
    if (!(best > 0.1 * t))
        return 0.1 * t;
    return best < 0.5 * t ? best : 0.5 * t;
}

static int before_evaluation(const struct lbfgs *solver, int evaluations_end)
{
    if (cancelled(solver))
        return LBFGS_CANCELLED;
    if (evaluations_end > 0 && solver->evaluations >= evaluations_end)
        return LBFGS_MAXIT;
    return GO_ON;
}

/* phi, its slope and its curvature at x + t d, given step = X~d in eta_trial. */
static struct glm_line evaluate_line(struct lbfgs *solver, double t)
{
    int64_t q = unknowns(solver);
    const double *v = solver->problem.v, *metric = solver->problem.metric;
    struct glm_line line;
    glm_line(solver->problem.chunk, solver->eta, solver->eta_trial, t, &line);
    solver->evaluations++;
    dense_add(solver->x, t, solver->d, q, solver->x_trial);
    for (int64_t j = 0; j < q; j++) {
        double away = solver->x_trial[j] - v[j];
        line.loss += 0.5 * metric[j] * away * away;
        line.slope += metric[j] * away * solver->d[j];
        line.curvature += metric[j] * solver->d[j] * solver->d[j];
    }
    return line;
}

/* Trials t, then shorter ones, at O(n + q) each; eta_trial holds X~d. */
static int search_line(struct lbfgs *solver, double slope, double t,
                       int evaluations_end)
{
    int64_t n = solver->problem.chunk->rows, q = unknowns(solver);
    for (int trial = 0; trial < MAX_TRIALS; trial++) {
        int stop = before_evaluation(solver, evaluations_end);
        if (stop != GO_ON)
            return stop;
        struct glm_line line = evaluate_line(solver, t);
        if (memcmp(solver->x, solver->x_trial, (size_t)q * sizeof(double)) == 0)
            return REFUSED;
        if (acceptable(solver, t, slope, line.loss, line.slope) &&
            finite_vector(solver->x_trial, q)) {
            dense_add(solver->eta, t, solver->eta_trial, n, solver->eta_trial);
            glm_gradient(solver->problem.chunk, solver->eta_trial, solver->g_trial);
            proximal(solver, solver->x_trial, solver->g_trial);
            if (!finite_vector(solver->g_trial, q))
                return REFUSED;
            accept(solver, line.loss);
            return GO_ON;
        }
        t = isfinite(line.loss) ? interpolate(solver->phi, slope, t, line.loss)
                                : t / 10;
    }
    return REFUSED;
}

/* Without curvature from pairs or a factor, the length of d means nothing: the
 * second derivative along d gives the first trial. */
static int search_from_curvature(struct lbfgs *solver, double slope,
                                 int evaluations_end)
{
    int stop = before_evaluation(solver, evaluations_end);
    if (stop != GO_ON)
        return stop;
    glm_predict(solver->problem.chunk, solver->d, solver->eta_trial);
    struct glm_line line = evaluate_line(solver, 0.0);
    double t = -slope / line.curvature;
    if (!isfinite(t) || t <= 0.0)
        t = 1.0 / sqrt(dense_dot(solver->d, solver->d, unknowns(solver)));
    return search_line(solver, slope, t, evaluations_end);
}

/* The first trial, x + d: one pass gives eta, loss and gradient. */
static int search_from_one(struct lbfgs *solver, double slope, int evaluations_end)
{
    int64_t n = solver->problem.chunk->rows, q = unknowns(solver);
    int stop = before_evaluation(solver, evaluations_end);
    if (stop != GO_ON)
        return stop;
    dense_add(solver->x, 1.0, solver->d, q, solver->x_trial);
    double phi = evaluate(solver, solver->x_trial, solver->eta_trial, solver->g_trial);
    double new_slope = dense_dot(solver->g_trial, solver->d, q);
    if (acceptable(solver, 1.0, slope, phi, new_slope) &&
        finite_vector(solver->x_trial, q) && finite_vector(solver->g_trial, q)) {
        accept(solver, phi);
        return GO_ON;
    }
    if (isfinite(phi))
        dense_add(solver->eta_trial, -1.0, solver->eta, n, solver->eta_trial);
    else
        glm_predict(solver->problem.chunk, solver->d, solver->eta_trial);
    double t = isfinite(phi) ? interpolate(solver->phi, slope, 1.0, phi) : 0.1;
    return search_line(solver, slope, t, evaluations_end);
}

static int search(struct lbfgs *solver, double slope, int evaluations_end)
{
    if (solver->pairs == 0 && !solver->problem.factor)
        return search_from_curvature(solver, slope, evaluations_end);
    return search_from_one(solver, slope, evaluations_end);
}

/* One iteration from a new direction to an accepted point. */
static int iterate(struct lbfgs *solver, int evaluations_end)
{
    int64_t q = unknowns(solver);
    double tolerance =
        solver->options.tolerance > 0 ? solver->options.tolerance : DEFAULT_TOLERANCE;
    for (;;) {
        find_direction(solver);
        double slope = dense_dot(solver->g, solver->d, q);
        if (-slope >= 0.0 && -slope / 2 <= tolerance * fabs(solver->phi))
            return LBFGS_CONVERGED;
        int outcome =
            slope < 0.0 ? search(solver, slope, evaluations_end) : (int)REFUSED;
        if (outcome != REFUSED)
            return outcome;
        if (solver->pairs == 0)
            return LBFGS_FLOOR;
        forget_pairs(solver);
    }
}

static int start(struct lbfgs *solver, int evaluations_end)
{
    int64_t q = unknowns(solver);
    int stop = before_evaluation(solver, evaluations_end);
    if (stop != GO_ON)
        return stop;
    solver->scaled = true;
    for (int64_t j = 0; j < q; j++)
        solver->scaled &= solver->problem.metric[j] > 0.0;
    forget_pairs(solver);
    solver->phi = evaluate(solver, solver->x, solver->eta, solver->g);
    if (solver->bad_start || !isfinite(solver->phi) || !finite_vector(solver->g, q))
        return LBFGS_NONFINITE;
    solver->started = true;
    return GO_ON;
}

enum lbfgs_status lbfgs_run(struct lbfgs *solver)
{
    const struct lbfgs_options *options = &solver->options;
    int evaluations_end = options->max_evaluations > 0
                              ? solver->evaluations + options->max_evaluations
                              : 0;
    int outcome = solver->started ? (int)GO_ON : start(solver, evaluations_end);
    for (int k = 0; outcome == GO_ON; k++) {
        if (options->max_iterations > 0 && k == options->max_iterations)
            return LBFGS_MAXIT;
        outcome = iterate(solver, evaluations_end);
    }
    return (enum lbfgs_status)outcome;
}

const char *lbfgs_status_name(enum lbfgs_status status)
{
    static const char *const names[] = {"converged", "iteration limit",
                                        "rounding floor", "cancelled", "not finite"};
    return status <= LBFGS_NONFINITE ? names[status] : "unknown";
}
