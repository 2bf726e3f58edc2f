/* How fast the kernels are on this processor, each in turn with what bounds it: reading
 * the rows once, or OpenBLAS's product of matrices. */
#include "worker/dense.h"
#include "worker/functions.h"
#include "worker/functions_args.h"
#include "worker/random.h"
#include "worker/simd.h"
#include <cblas.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define REPEATS_MAX 1000

struct bench {
    struct glm_chunk chunk;
    int64_t n, p, q;
    void *x;
    double *y, *b, *eta, *gradient;
    double *g, *l;        /* q x q */
    volatile double sink; /* keeps results wanted */
};

static size_t x_bytes(const struct bench *m)
{
    return (size_t)(m->n * m->p) * (m->chunk.x_is_f32 ? sizeof(float) : sizeof(double));
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
    m->sink = read_once(m->x, (int64_t)(x_bytes(m) / sizeof(double)));
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

static void run_moments(struct bench *m)
{
    struct err_text err;
    glm_moments(&m->chunk, 0, m->gradient, m->l, &err);
}

static void run_gram(struct bench *m)
{
    struct glm_gram totals;
    m->sink = glm_gram(&m->chunk, m->g, m->gradient, &totals);
}

static void run_gemm(struct bench *m)
{
    blasint n = (blasint)m->n, p = (blasint)m->p;
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, p, p, n, 1.0, m->x, p, m->x, p,
                0.0, m->g, p);
}

/* A positive definite matrix of order q, factored, and one right-hand side. */
static void run_cholesky(struct bench *m)
{
    struct err_text err;
    for (int64_t j = 0; j < m->q; j++)
        for (int64_t k = 0; k <= j; k++)
            m->l[j * m->q + k] = j == k ? 2.0 : 1.0 / (double)(m->q + j + k);
    m->sink = dense_cholesky(m->l, m->q, &err);
    memcpy(m->gradient, m->b, (size_t)m->q * sizeof *m->b);
    dense_solve_lower(m->l, m->q, m->gradient);
    dense_solve_upper(m->l, m->q, m->gradient);
}

static void run_square_gemm(struct bench *m)
{
    blasint q = (blasint)m->q;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, q, q, q, 1.0, m->l, q, m->l,
                q, 0.0, m->g, q);
}

static void run_normal(struct bench *m)
{
    struct random_stream stream = random_stream(1, 0, 0);
    if (m->chunk.x_is_f32)
        random_normal_f32(&stream, 0, m->n * m->p, m->x);
    else
        random_normal(&stream, 0, m->n * m->p, m->x);
}

static void run_write(struct bench *m)
{
    memset(m->x, 0, x_bytes(m));
}

static double count_bytes(const struct bench *m)
{
    return (double)x_bytes(m);
}

static double count_numbers(const struct bench *m)
{
    return (double)m->n * (double)m->p;
}

static double count_gram(const struct bench *m)
{
    return 2.0 * count_numbers(m) * (double)m->p;
}

static double count_cholesky(const struct bench *m)
{
    double q = (double)m->q;
    return q * q * q / 3 + 2 * q * q;
}

static const struct kernel {
    const char *name;
    void (*run)(struct bench *m), (*peer)(struct bench *m);
    double (*work)(const struct bench *m);
} kernels[] = {
    {"evaluate", run_evaluate, run_read, count_bytes},
    {"predict", run_predict, run_read, count_bytes},
    {"gradient", run_gradient, run_read, count_bytes},
    {"moments", run_moments, run_read, count_bytes},
    {"gram", run_gram, run_gemm, count_gram},
    {"cholesky", run_cholesky, run_square_gemm, count_cholesky},
    {"normal", run_normal, run_write, count_numbers},
};

/* Time on a processor, so that whatever else runs here counts less. */
static double thread_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double time_run(struct bench *m, void (*run)(struct bench *m))
{
    double start = thread_seconds();
    run(m);
    return thread_seconds() - start;
}

/* Both once untimed, then in turn. */
static int measure(struct dusk_task *task, struct bench *m, const struct kernel *kernel,
                   int64_t repeats, double *seconds, double *peer_seconds)
{
    kernel->run(m);
    kernel->peer(m);
    for (int64_t k = 0; k < repeats; k++) {
        if (dusk_flag(dusk_task_cancel_flag(task)))
            return DUSK_E_CANCELLED;
        peer_seconds[k] = time_run(m, kernel->peer);
        seconds[k] = time_run(m, kernel->run);
    }
    return 0;
}

/* X is where chunks are, which decides how fast it is read. */
static int bench_prepare(struct dusk_task *task, enum dusk_dtype type, struct bench *m)
{
    struct dusk_array x = {.dtype = type, .ndim = 2, .shape = {m->n, m->p}};
    int rc = dusk_task_array(task, &x);
    if (rc < 0)
        return rc;
    double *room = dusk_task_scratch(
        task, sizeof *room * (size_t)(2 * m->n + 2 * m->q + 2 * m->q * m->q));
    if (!room)
        return DUSK_E_NOMEM;
    m->chunk.x = m->x = x.data;
    m->chunk.y = m->y = room;
    m->eta = m->y + m->n;
    m->b = m->eta + m->n;
    m->gradient = m->b + m->q;
    m->g = m->gradient + m->q;
    m->l = m->g + m->q * m->q;
    run_normal(m);
    for (int64_t j = 0; j < m->q; j++)
        m->b[j] = 0.01 * (double)(j % 7 - 3);
    for (int64_t i = 0; i < m->n; i++) {
        m->y[i] = (double)(i * 7 % 11 < 5);
        m->eta[i] = 0.1 * (double)(i % 13 - 6);
    }
    memset(m->l, 0, (size_t)(m->q * m->q) * sizeof *m->l);
    return 0;
}

static const struct kernel *find_kernel(const char *name)
{
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++)
        if (strcmp(kernels[k].name, name) == 0)
            return &kernels[k];
    return NULL;
}

static int run_bench_kernel(struct dusk_task *task)
{
    const char *name, *type, *family;
    int64_t rows, columns, repeats;
    enum dusk_dtype dtype;
    struct dusk_array seconds, peer_seconds;
    struct err_text err;
    int rc = dusk_task_args(task, "ssslll", &name, &type, &family, &rows, &columns,
                            &repeats);
    if (rc == 0)
        rc = args_dtype(task, type, &dtype);
    if (rc < 0)
        return rc;
    const struct kernel *kernel = find_kernel(name);
    if (!kernel)
        return dusk_task_fail(task, DUSK_E_NOT_FOUND, "no kernel is called '%.40s'",
                              name);
    int family_number = glm_family_parse(family, &err);
    if (family_number < 0)
        return dusk_task_fail(task, family_number, "%s", err.line);
    if (kernel->peer == run_gemm && dtype != DUSK_F64)
        return dusk_task_fail(task, DUSK_E_INVALID,
                              "%s is compared with dgemm: f64 only", name);
    if (rows < 1 || columns < 1 || columns > 20000 || rows > INT32_MAX || repeats < 1 ||
        repeats > REPEATS_MAX)
        return dusk_task_fail(task, DUSK_E_INVALID,
                              "%" PRId64 " rows x %" PRId64 " columns, %" PRId64
                              " times",
                              rows, columns, repeats);
    struct bench m = {.chunk = {.rows = rows,
                                .columns = columns,
                                .family = (enum glm_family)family_number,
                                .x_is_f32 = dtype == DUSK_F32},
                      .n = rows,
                      .p = columns,
                      .q = columns};
    rc = bench_prepare(task, dtype, &m);
    if (rc == 0)
        rc = args_result(task, repeats, -1, &seconds);
    if (rc == 0)
        rc = args_result(task, repeats, -1, &peer_seconds);
    if (rc == 0)
        rc = measure(task, &m, kernel, repeats, numbers(&seconds),
                     numbers(&peer_seconds));
    if (rc < 0)
        return rc;
    return dusk_task_return(task, "aad", &seconds, &peer_seconds, kernel->work(&m));
}

const struct dusk_function bench_functions[] = {
    {"bench_kernel", run_bench_kernel},
    {0},
};
