#include "tests/numeric/fit.h"
#include "common/heap.h"
#include "common/list.h"
#include "worker/dense.h"
#include "worker/lbfgs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000

static double *doubles(int64_t count)
{
    return calloc((size_t)(count > 0 ? count : 1), sizeof(double));
}

double fit_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53;
}

static void must(int rc, const char *what, const struct err_text *error)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, error ? error->line : err_sentence(rc));
    abort();
}

/* Set-up, as a cluster does it. */

static void cut_rows(struct fit *fit)
{
    const struct fit_data *data = &fit->data;
    int64_t at = 0;
    for (int64_t i = 0; i < data->chunks; i++) {
        int64_t rows = data->chunk_rows ? data->chunk_rows[i]
                                        : data->rows * (i + 1) / data->chunks - at;
        fit->chunk[i] = (struct glm_chunk){
            .rows = rows,
            .columns = data->columns,
            .x = data->x + at * data->columns,
            .y = data->y + at,
            .mu = fit->mu,
            .family = data->family,
            .intercept = data->intercept,
        };
        at += rows;
    }
}

static void find_means(struct fit *fit)
{
    const struct fit_data *data = &fit->data;
    for (int64_t i = 0; data->intercept && i < data->rows; i++)
        for (int64_t j = 0; j < data->columns; j++)
            fit->mu[j] += data->x[i * data->columns + j] / (double)data->rows;
}

static void make_factor(struct fit *fit, int64_t i, double *G)
{
    struct err_text error;
    int64_t q = fit->q;
    double curvature = glm_curvature(fit->data.family);
    const double *R = metric_row(&fit->metric, i);
    for (int64_t k = 0; k < q * q; k++)
        G[k] *= curvature;
    for (int64_t j = 0; j < q; j++)
        G[j * q + j] += R[j];
    must(dense_cholesky(G, q, &error), "factor", &error);
}

void fit_prepare(struct fit *fit, const struct fit_data *data, double c)
{
    dense_init();
    int64_t N = data->chunks, q = data->columns + data->intercept;
    *fit = (struct fit){.data = *data, .q = q};
    fit->chunk = calloc((size_t)N, sizeof *fit->chunk);
    fit->mu = doubles(data->columns);
    fit->factor = doubles(N * q * q);
    fit->c = doubles(N * q);
    fit->scale = doubles(q);
    fit->penalty = doubles(q);
    find_means(fit);
    cut_rows(fit);
    must(metric_init(&fit->metric, N, q), "metric", NULL);
    double *diag = doubles(q);
    for (int64_t i = 0; i < N; i++) {
        struct glm_gram totals;
        double *G = fit->factor + i * q * q;
        must(glm_gram(&fit->chunk[i], G, fit->c + i * q, &totals), "gram", NULL);
        for (int64_t j = 0; j < q; j++)
            diag[j] = G[j * q + j];
        metric_set(&fit->metric, i, fit->chunk[i].rows, diag);
    }
    free(diag);
    double curvature = glm_curvature(data->family);
    metric_finish(&fit->metric, curvature, c);
    for (int64_t i = 0; i < N; i++)
        make_factor(fit, i, fit->factor + i * q * q);
    for (int64_t j = 0; j < q; j++) {
        fit->scale[j] = curvature * fit->metric.total[j];
        fit->penalty[j] = data->penalty ? data->penalty[j] : j < data->columns;
    }
    fit->problem = (struct penalised){.columns = q,
                                      .l1 = data->l1,
                                      .l2 = data->l2,
                                      .penalty = fit->penalty,
                                      .scale = fit->scale};
}

void fit_destroy(struct fit *fit)
{
    free(fit->chunk);
    free(fit->mu);
    free(fit->factor);
    free(fit->c);
    free(fit->scale);
    free(fit->penalty);
    metric_fini(&fit->metric);
}

/* What the task functions do. */

static void prox_gram(const struct fit *fit, int64_t i, const double *v, double *x)
{
    const double *L = fit->factor + i * fit->q * fit->q;
    const double *R = metric_row(&fit->metric, i);
    for (int64_t j = 0; j < fit->q; j++)
        x[j] = 2 * fit->c[i * fit->q + j] + R[j] * v[j];
    dense_solve_lower(L, fit->q, x);
    dense_solve_upper(L, fit->q, x);
}

static int prox_rows(const struct fit *fit, const struct fit_run *run, int64_t i,
                     const double *v, const double *x0, double *x, int64_t *ret_status)
{
    bool classic = run->options.form == ADMM_CLASSIC;
    struct glm_chunk plain = fit->chunk[i];
    plain.mu = NULL;
    double *rho = doubles(fit->q);
    for (int64_t j = 0; j < fit->q; j++)
        rho[j] = run->options.rho;
    struct lbfgs_problem problem = {
        .chunk = classic ? &plain : &fit->chunk[i],
        .v = v,
        .metric = classic ? rho : metric_row(&fit->metric, i),
        .factor = classic ? NULL : fit->factor + i * fit->q * fit->q,
    };
    struct lbfgs_options options = {
        .max_iterations = classic           ? 200
                          : run->iterations ? run->iterations
                                            : 2,
        .max_evaluations = classic ? 250 : 0,
    };
    double *room = malloc(lbfgs_workspace(plain.rows, fit->q, 0) * sizeof *room);
    struct lbfgs solver;
    lbfgs_init(&solver, &problem, &options, x0, room);
    *ret_status = lbfgs_run(&solver);
    memcpy(x, solver.x, (size_t)fit->q * sizeof *x);
    int evaluations = solver.evaluations;
    free(room);
    free(rho);
    return evaluations;
}

static void total_at(const struct fit *fit, const double *b,
                     struct certificate_sums *sums, double *gradient)
{
    double *part = doubles(fit->q);
    *sums = (struct certificate_sums){.rows = (double)fit->data.rows};
    memset(gradient, 0, (size_t)fit->q * sizeof *gradient);
    for (int64_t i = 0; i < fit->data.chunks; i++) {
        struct glm_value value;
        glm_evaluate(&fit->chunk[i], b, NULL, part, &value);
        sums->loss += value.loss;
        sums->r_y += value.r_y;
        sums->r_r += value.r_r;
        sums->sum_r += value.sum_r;
        sums->sum_y += value.sum_y;
        for (int64_t j = 0; j < fit->q; j++)
            gradient[j] += part[j];
    }
    free(part);
}

double fit_objective(const struct fit *fit, const double *b)
{
    double loss = penalised_terms(&fit->problem, b);
    for (int64_t i = 0; i < fit->data.chunks; i++) {
        struct glm_value value;
        glm_evaluate(&fit->chunk[i], b, NULL, NULL, &value);
        loss += value.loss;
    }
    return loss;
}

static double *total_hessian(const struct fit *fit, const double *b,
                             const int64_t *columns, int64_t count)
{
    double *total = doubles(count * count), *part = doubles(count * count);
    for (int64_t i = 0; count > 0 && i < fit->data.chunks; i++) {
        must(glm_hessian(&fit->chunk[i], b, columns, count, part), "hessian", NULL);
        for (int64_t k = 0; k < count * count; k++)
            total[k] += part[k];
    }
    free(part);
    return total;
}

/* The cluster: answers on their way, by time of arrival. */

struct answer {
    struct heap_link link;
    struct admm_ticket ticket;
    bool lost;
    int64_t evaluations, status;
    double x[];
};

struct cluster {
    struct heap answers;
    uint64_t random, order;
    int64_t now;
};

static void send(struct cluster *cluster, const struct answer *answer, int64_t q,
                 int64_t delay, bool lost)
{
    size_t bytes = sizeof *answer + (size_t)q * sizeof(double);
    struct answer *copy = malloc(bytes);
    memcpy(copy, answer, bytes);
    copy->lost = lost;
    copy->link.priority = cluster->now + delay;
    copy->link.order = cluster->order++;
    must(heap_push(&cluster->answers, &copy->link), "heap", NULL);
}

static void compute(struct fit *fit, const struct fit_run *run, struct cluster *cluster,
                    const struct admm_update *update)
{
    const struct fit_faults *faults = &run->faults;
    struct answer *answer = calloc(1, sizeof *answer + (size_t)fit->q * sizeof(double));
    answer->ticket = update->ticket;
    int64_t i = update->ticket.chunk;
    answer->evaluations = 1;
    if (run->gram && run->options.form == ADMM_ROBUST)
        prox_gram(fit, i, update->v, answer->x);
    else
        answer->evaluations =
            prox_rows(fit, run, i, update->v, update->x0, answer->x, &answer->status);
    double time = 1 + faults->spread * fit_random(&cluster->random);
    if (i == 0 && faults->slow > 1 && update->ticket.copy == 0)
        time *= faults->slow;
    if (fit_random(&cluster->random) < faults->straggle)
        time *= 50;
    int64_t delay = (int64_t)(time * MS);
    bool lost = fit_random(&cluster->random) < faults->lose;
    send(cluster, answer, fit->q, delay, lost);
    if (lost && fit_random(&cluster->random) < faults->zombie)
        send(cluster, answer, fit->q, 3 * delay, false);
    if (fit_random(&cluster->random) < faults->twice)
        send(cluster, answer, fit->q,
             delay + (int64_t)(20 * fit_random(&cluster->random) * MS), false);
    free(answer);
}

static void deliver(struct cluster *cluster, struct admm *admm)
{
    struct answer *answer =
        CONTAINER_OF(heap_first(&cluster->answers), struct answer, link);
    heap_remove(&cluster->answers, &answer->link);
    cluster->now = answer->link.priority;
    if (answer->lost)
        admm_lose(admm, &answer->ticket);
    else
        admm_arrive(admm, &answer->ticket, answer->x, answer->evaluations,
                    answer->status, cluster->now);
    free(answer);
}

/* A batch is what arrives within a fifth of a millisecond. */
static void deliver_some(const struct fit_run *run, struct cluster *cluster,
                         struct admm *admm)
{
    deliver(cluster, admm);
    int64_t until = cluster->now + MS / 5;
    while (run->options.variant == ADMM_BATCHED && heap_first(&cluster->answers) &&
           heap_first(&cluster->answers)->priority <= until)
        deliver(cluster, admm);
}

static void measure(struct fit *fit, struct fit_run *run, const struct admm *admm)
{
    static const double levels[4] = {1e-4, 1e-6, 1e-8, 1e-10};
    struct admm_counts counts;
    admm_counts(admm, &counts);
    double F = fit_objective(fit, admm_z(admm));
    run->stop_gap = (F - run->least) / run->least;
    for (int k = 0; k < 4; k++)
        if (run->stop_gap > levels[k])
            run->sweeps_to[k] = NAN;
        else if (isnan(run->sweeps_to[k]))
            run->sweeps_to[k] = (double)counts.accepted / (double)fit->data.chunks;
}

void fit_run_default(struct fit_run *run)
{
    *run = (struct fit_run){.gram = true, .max_sweeps = 2000, .least = NAN};
    admm_options_default(&run->options);
    run->faults.seed = 7;
    run->faults.spread = 1;
}

static void run_admm(struct fit *fit, struct fit_run *run, struct admm *admm)
{
    struct cluster cluster = {.random = run->faults.seed};
    struct admm_update update;
    struct admm_counts counts;
    struct admm_ticket ticket;
    int64_t seen = 0, N = fit->data.chunks;
    heap_init(&cluster.answers);
    for (;;) {
        while (admm_next(admm, &update) == 0)
            compute(fit, run, &cluster, &update);
        while (admm_obsolete(admm, &ticket) == 0)
            ;
        admm_counts(admm, &counts);
        if (!isnan(run->least) && counts.accepted - seen >= N) {
            seen = counts.accepted;
            measure(fit, run, admm);
        }
        if (admm_status(admm) != ADMM_RUNNING || counts.accepted > run->max_sweeps * N)
            break;
        if (!heap_first(&cluster.answers)) {
            fprintf(stderr, "nothing in flight and nothing to do\n");
            abort();
        }
        deliver_some(run, &cluster, admm);
    }
    run->seconds = (double)cluster.now / 1e9;
    while (heap_first(&cluster.answers))
        deliver(&cluster, admm);
    heap_fini(&cluster.answers);
}

static void polish(struct fit *fit, const double *z, struct fit_run *run)
{
    struct polish *p;
    double *gradient = doubles(fit->q);
    must(polish_create(&fit->problem, fit->data.family == GLM_NORMAL, z, &p), "polish",
         NULL);
    while (polish_want(p) != POLISH_DONE) {
        if (polish_want(p) == POLISH_EVALUATE) {
            struct certificate_sums sums;
            total_at(fit, polish_point(p), &sums, gradient);
            must(polish_evaluated(p, sums.loss, gradient), "polish", NULL);
        } else {
            int64_t count;
            const int64_t *columns = polish_columns(p, &count);
            double *H = total_hessian(fit, polish_point(p), columns, count);
            must(polish_hessian(p, H), "polish", NULL);
            free(H);
        }
    }
    run->polish_rounds = polish_rounds(p);
    run->polish_outcome = polish_outcome(p);
    memcpy(run->b, polish_point(p), (size_t)fit->q * sizeof *run->b);
    polish_destroy(p);
    free(gradient);
}

static void certify(struct fit *fit, struct fit_run *run)
{
    struct certificate *c = &run->certificate;
    struct certificate_sums sums;
    double *array = doubles(fit->q), *total = doubles(fit->q);
    certificate_init(c, &fit->problem, fit->data.family == GLM_LOGISTIC,
                     fit->data.intercept, run->b);
    while (c->want != CERTIFICATE_DONE) {
        if (c->want == CERTIFICATE_EVALUATE) {
            total_at(fit, run->b, &sums, array);
            certificate_evaluated(c, &sums, array);
            continue;
        }
        double value = 0, part;
        memset(total, 0, (size_t)fit->q * sizeof *total);
        for (int64_t i = 0; i < fit->data.chunks; i++) {
            glm_dual(&fit->chunk[i], run->b, c->dual_scale, &part, array);
            value += part;
            for (int64_t j = 0; j < fit->q; j++)
                total[j] += array[j];
        }
        certificate_dual(c, value, total);
    }
    free(array);
    free(total);
}

void fit_finish(struct fit *fit, const double *z, struct fit_run *run)
{
    polish(fit, z, run);
    certify(fit, run);
    int64_t p = fit->data.columns;
    memcpy(run->uncentred, run->b, (size_t)fit->q * sizeof *run->b);
    for (int64_t j = 0; fit->data.intercept && j < p; j++)
        run->uncentred[p] -= fit->mu[j] * run->b[j];
}

void fit_run(struct fit *fit, struct fit_run *run, bool finish)
{
    struct err_text error;
    struct admm *admm;
    struct admm_problem problem = {
        .chunks = fit->data.chunks,
        .columns = fit->q,
        .l1 = fit->data.l1,
        .l2 = fit->data.l2,
        .penalty = fit->penalty,
        .metric = run->options.form == ADMM_ROBUST ? fit->metric.R : NULL,
    };
    run->admm_z = doubles(fit->q);
    run->b = doubles(fit->q);
    run->uncentred = doubles(fit->q);
    for (int k = 0; k < 4; k++)
        run->sweeps_to[k] = NAN;
    must(admm_create(&problem, &run->options, 0, &admm, &error), "admm", &error);
    run_admm(fit, run, admm);
    run->status = admm_status(admm);
    admm_counts(admm, &run->counts);
    memcpy(run->admm_z, admm_z(admm), (size_t)fit->q * sizeof(double));
    snprintf(run->reason, sizeof run->reason, "%s", admm_reason(admm));
    admm_destroy(admm);
    if (finish)
        fit_finish(fit, run->admm_z, run);
}

void fit_run_destroy(struct fit_run *run)
{
    free(run->admm_z);
    free(run->b);
    free(run->uncentred);
    run->admm_z = run->b = run->uncentred = NULL;
}
