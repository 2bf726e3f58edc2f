/* With a = b + d on the working set, the model is
 *
 *     c'a + a'Ha/2 + l1 sum pen |a|,    H + diag(l2 pen) in place of H,
 *
 * and coordinate descent keeps r = c + Ha, the gradient of its smooth part.  Once
 * the signs of a have settled, the equations r_j = -l1 pen_j sgn a_j on the support
 * are solved by Cholesky; when that changes no sign and leaves no violation outside,
 * it is the minimiser. */
#include "client/polish_model.h"
#include "common/dusk_types.h"

#include <cblas.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SWEEPS 2000
#define SETTLED 1e-13 /* relative size of a sweep's largest move */

void dpotrf_(const char *uplo, const blasint *n, double *a, const blasint *lda,
             blasint *info);

struct model {
    int64_t k;
    const double *H;
    double *diagonal; /* of H + diag(l2 pen) */
    double *ridge;    /* l2 pen */
    double *limit;    /* l1 pen */
    double *a;
    double *r;
    double *start; /* b on the working set */
    double *g;     /* gradient of loss and l2 term there */
    int64_t *support;
    double *factor; /* room for k x k */
    double *rhs;
};

static void model_fini(struct model *m)
{
    free(m->diagonal);
    free(m->support);
    free(m->factor);
}

static int model_init(struct model *m, const struct penalised *problem, const double *b,
                      const double *g, const int64_t *columns, int64_t k,
                      const double *H)
{
    size_t count = (size_t)(k ? k : 1);
    *m = (struct model){.k = k, .H = H};
    m->diagonal = calloc(8 * count, sizeof(double));
    m->support = calloc(count, sizeof *m->support);
    m->factor = malloc(count * count * sizeof(double));
    if (!m->diagonal || !m->support || !m->factor) {
        model_fini(m);
        return DUSK_E_NOMEM;
    }
    m->ridge = m->diagonal + count;
    m->limit = m->ridge + count;
    m->a = m->limit + count;
    m->r = m->a + count;
    m->start = m->r + count;
    m->g = m->start + count;
    m->rhs = m->g + count;
    for (int64_t s = 0; s < k; s++) {
        int64_t j = columns[s];
        m->ridge[s] = problem->l2 * problem->penalty[j];
        m->limit[s] = problem->l1 * problem->penalty[j];
        m->diagonal[s] = H[s * k + s] + m->ridge[s];
        m->a[s] = m->start[s] = b[j];
        m->r[s] = m->g[s] = g[j] + m->ridge[s] * b[j];
    }
    return 0;
}

/* r += (column s of the Hessian) * step: a row, since it is symmetric. */
static void shift(struct model *m, double *r, int64_t s, double step)
{
    const double *row = m->H + s * m->k;
    for (int64_t t = 0; t < m->k; t++)
        r[t] += row[t] * step;
    r[s] += m->ridge[s] * step;
}

/* One pass over the coordinates. Returns the largest move in the Hessian's metric,
 * and tells whether a sign has changed. */
static double sweep(struct model *m, bool *ret_changed)
{
    double most = 0;
    *ret_changed = false;
    for (int64_t s = 0; s < m->k; s++) {
        if (!(m->diagonal[s] > 0))
            continue;
        double old = m->a[s];
        double next = soft_threshold(m->diagonal[s] * old - m->r[s], m->limit[s]) /
                      m->diagonal[s];
        if (next == old)
            continue;
        *ret_changed |= (next > 0) != (old > 0) || (next < 0) != (old < 0);
        most = fmax(most, fabs(next - old) * sqrt(m->diagonal[s]));
        m->a[s] = next;
        shift(m, m->r, s, next - old);
    }
    return most;
}

static int64_t find_support(struct model *m)
{
    int64_t size = 0;
    for (int64_t s = 0; s < m->k; s++)
        if ((m->a[s] != 0 || m->limit[s] == 0) && m->diagonal[s] > 0)
            m->support[size++] = s;
    return size;
}

/* Solves on the support into rhs (size); false when the Hessian is singular there.
 * The right-hand side is the residual of the equations at a: a correction. */
static bool solve_support(struct model *m, int64_t size)
{
    for (int64_t i = 0; i < size; i++) {
        int64_t s = m->support[i];
        for (int64_t j = 0; j <= i; j++)
            m->factor[i * size + j] = m->H[s * m->k + m->support[j]];
        m->factor[i * size + i] = m->diagonal[s];
        double sign = m->a[s] == 0 ? 0 : copysign(m->limit[s], m->a[s]);
        m->rhs[i] = -(m->r[s] + sign);
    }
    blasint n = (blasint)size, info = 0;
    /* Fortran sees the transpose: the lower triangle by rows is the upper one. */
    dpotrf_("U", &n, m->factor, &n, &info);
    if (info != 0)
        return false;
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasNoTrans, CblasNonUnit, n, m->factor, n,
                m->rhs, 1);
    cblas_dtrsv(CblasRowMajor, CblasLower, CblasTrans, CblasNonUnit, n, m->factor, n,
                m->rhs, 1);
    return true;
}

/* True when the exact solution on the support keeps all signs, and so replaces a;
 * otherwise nothing has changed. */
static bool finish_on_support(struct model *m)
{
    int64_t size = find_support(m);
    if (size == 0)
        return true;
    if (!solve_support(m, size))
        return false;
    for (int64_t i = 0; i < size; i++) {
        int64_t s = m->support[i];
        double next = m->a[s] + m->rhs[i];
        if (!isfinite(next) || (m->limit[s] > 0 && next * m->a[s] <= 0))
            return false;
    }
    for (int64_t i = 0; i < size; i++) {
        m->a[m->support[i]] += m->rhs[i];
        shift(m, m->r, m->support[i], m->rhs[i]);
    }
    return true;
}

static bool has_violation(const struct model *m)
{
    for (int64_t s = 0; s < m->k; s++)
        if (m->a[s] == 0 && m->diagonal[s] > 0 &&
            fabs(m->r[s]) > m->limit[s] * (1 + 1e-12))
            return true;
    return false;
}

static void minimise(struct model *m)
{
    double largest = 0;
    bool changed, tried = false;
    for (int pass = 0; pass < SWEEPS; pass++) {
        double move = sweep(m, &changed);
        largest = fmax(largest, move);
        if (changed)
            tried = false;
        else if (!tried) {
            tried = true;
            if (finish_on_support(m) && !has_violation(m))
                return;
        }
        if (move <= SETTLED * largest)
            return;
    }
}

static double slope_of(const struct model *m)
{
    double slope = 0;
    for (int64_t s = 0; s < m->k; s++)
        slope += m->g[s] * (m->a[s] - m->start[s]) +
                 m->limit[s] * (fabs(m->a[s]) - fabs(m->start[s]));
    return slope;
}

int polish_model_solve(const struct penalised *problem, const double *b,
                       const double *g, const int64_t *columns, int64_t count,
                       const double *H, double *ret_d, double *ret_slope)
{
    struct model m;
    int rc = model_init(&m, problem, b, g, columns, count, H);
    if (rc < 0)
        return rc;
    minimise(&m);
    for (int64_t s = 0; s < count; s++)
        ret_d[columns[s]] = m.a[s] - m.start[s];
    *ret_slope = slope_of(&m);
    model_fini(&m);
    return 0;
}
