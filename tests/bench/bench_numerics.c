/* The kernels against what the machine can do, measured in the same run: reading
 * the rows once, and OpenBLAS's matrix product.  Prints medians; asserts nothing.
 *
 *     bench_numerics [ROWS [COLUMNS]] */
#include "worker/dense.h"
#include "worker/lbfgs.h"
#include "worker/random.h"
#include "worker/simd.h"
#include <cblas.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define REPEATS 15

struct bench {
    struct glm_chunk chunk;
    int64_t q;
    double *x, *y, *b, *gradient, *eta, *gram, *c;
    volatile double sink;
};

static double *doubles(int64_t count)
{
    double *room = aligned_alloc(64, ((size_t)count * 8 + 64) / 64 * 64);
    if (!room)
        abort();
    return room;
}

SIMD_CLONES
static double read_once(const double *x, int64_t count)
{
    v4 a = {0}, b = {0}, c = {0}, d = {0};
    for (int64_t i = 0; i + 16 <= count; i += 16) {
        a += v4_load(x + i);
        b += v4_load(x + i + 4);
        c += v4_load(x + i + 8);
        d += v4_load(x + i + 12);
    }
    return v4_sum(a + b + c + d);
}

static void run_read(struct bench *m)
{
    m->sink = read_once(m->x, m->chunk.rows * m->chunk.columns);
}

static void run_evaluate(struct bench *m)
{
    struct glm_value value;
    glm_evaluate(&m->chunk, m->b, NULL, m->gradient, &value);
    m->sink = value.loss;
}

static void run_predict(struct bench *m)
{
    glm_predict(&m->chunk, m->b, m->eta);
}

static void run_gradient(struct bench *m)
{
    glm_gradient(&m->chunk, m->eta, m->gradient);
}

static void run_line(struct bench *m)
{
    struct glm_line line;
    glm_line(&m->chunk, m->eta, m->eta, 0.5, &line);
    m->sink = line.loss;
}

static void run_moments(struct bench *m)
{
    glm_moments(&m->chunk, 0, m->gradient, m->c, NULL);
}

static void run_gram(struct bench *m)
{
    struct glm_gram totals;
    glm_gram(&m->chunk, m->gram, m->c, &totals);
}

static void run_dgemm(struct bench *m)
{
    blasint n = (blasint)m->chunk.rows, p = (blasint)m->chunk.columns;
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, p, p, n, 1.0, m->x, p, m->x, p,
                0.0, m->gram, p);
}

static void run_dsyrk(struct bench *m)
{
    blasint n = (blasint)m->chunk.rows, p = (blasint)m->chunk.columns;
    cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, p, n, 1.0, m->x, p, 0.0, m->gram,
                p);
}

static void run_normal(struct bench *m)
{
    struct random_stream stream = random_stream(1, 0, 0);
    random_normal(&stream, 0, m->chunk.rows * m->chunk.columns, m->x);
}

static void run_uniform(struct bench *m)
{
    struct random_stream stream = random_stream(1, 0, 0);
    random_uniform(&stream, 0, m->chunk.rows, m->eta);
}

static int compare(const void *a, const void *b)
{
    double l = *(const double *)a, r = *(const double *)b;
    return (l > r) - (l < r);
}

/* Time on a processor, so that whatever else runs here counts less. */
static double thread_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Median seconds of one run. */
static double measure(struct bench *m, void (*run)(struct bench *))
{
    double seconds[REPEATS];
    run(m);
    for (int k = 0; k < REPEATS; k++) {
        double start = thread_seconds();
        run(m);
        seconds[k] = thread_seconds() - start;
    }
    qsort(seconds, REPEATS, sizeof *seconds, compare);
    return seconds[REPEATS / 2];
}

static void report_passes(struct bench *m, const char *family)
{
    static const struct {
        const char *name;
        void (*run)(struct bench *);
    } passes[] = {
        {"loss and gradient, one pass", run_evaluate},
        {"eta = X b", run_predict},
        {"gradient from eta", run_gradient},
        {"moments and validation", run_moments},
    };
    double bytes = 8.0 * (double)(m->chunk.rows * m->chunk.columns);
    for (size_t k = 0; k < sizeof passes / sizeof *passes; k++) {
        double read = measure(m, run_read), pass = measure(m, passes[k].run);
        printf("%-9s %-28s %8.3f ms %7.2f GB/s  %.2f of the read loop's %.2f\n", family,
               passes[k].name, pass * 1e3, bytes / pass / 1e9, read / pass,
               bytes / read / 1e9);
    }
    printf("%-9s %-28s %8.3f ms %7.2f ns a row\n", family, "trial step",
           measure(m, run_line) * 1e3,
           measure(m, run_line) / (double)m->chunk.rows * 1e9);
}

static void report_products(struct bench *m)
{
    double gram = measure(m, run_gram), gemm = measure(m, run_dgemm),
           syrk = measure(m, run_dsyrk);
    printf("%-9s %-28s %8.3f ms; dgemm %.3f ms, dsyrk %.3f ms: %.2f and %.2f of it\n",
           "", "centred gram", gram * 1e3, gemm * 1e3, syrk * 1e3, gram / gemm,
           gram / syrk);
}

static void report_random(struct bench *m)
{
    printf("%-9s %-28s %8.2f ns a number\n", "random", "normal",
           measure(m, run_normal) / (double)(m->chunk.rows * m->chunk.columns) * 1e9);
    printf("%-9s %-28s %8.2f ns a number\n", "random", "uniform",
           measure(m, run_uniform) / (double)m->chunk.rows * 1e9);
}

int main(int argc, char **argv)
{
    int64_t n = argc > 1 ? atoll(argv[1]) : 50000, p = argc > 2 ? atoll(argv[2]) : 100;
    if (n < 1 || p < 1)
        return EXIT_FAILURE;
    dense_init();
    struct bench m = {.q = p + 1};
    double **vectors[] = {&m.x, &m.y, &m.b, &m.gradient, &m.eta, &m.gram, &m.c};
    int64_t sizes[] = {n * p, n, m.q, m.q, n, m.q * m.q, m.q};
    for (int k = 0; k < 7; k++)
        *vectors[k] = doubles(sizes[k]);
    run_normal(&m);
    double *mu = doubles(p);
    for (int64_t j = 0; j < m.q; j++)
        m.b[j] = 0.01 * (double)(j % 7 - 3);
    for (int64_t j = 0; j < p; j++)
        mu[j] = 0.1;
    for (int64_t i = 0; i < n; i++)
        m.y[i] = m.x[i * p] > 0;
    m.chunk = (struct glm_chunk){n, p, m.x, m.y, mu, GLM_NORMAL, true};
    run_predict(&m);
    printf("%" PRId64 " rows x %" PRId64 " columns\n", n, p);
    report_random(&m);
    report_passes(&m, "normal");
    m.chunk.family = GLM_LOGISTIC;
    report_passes(&m, "logistic");
    report_products(&m);
    for (int k = 0; k < 7; k++)
        free(*vectors[k]);
    free(mu);
    return EXIT_SUCCESS;
}
