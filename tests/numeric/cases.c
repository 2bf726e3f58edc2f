#include "tests/numeric/cases.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Output k of splitmix64 started at `seed`, as a double in [0, 1). */
static double uniform(uint64_t seed, uint64_t k)
{
    uint64_t z = seed + (k + 1) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53;
}

/* Nearly normal: a sum of twelve, less its mean. */
static double gauss(uint64_t seed, uint64_t k)
{
    double total = 0;
    for (uint64_t t = 0; t < 12; t++)
        total += uniform(seed, 12 * k + t);
    return total - 6.0;
}

static void fill_gauss(struct glm_case *c, uint64_t seed)
{
    for (int64_t k = 0; k < c->figures->rows * c->figures->columns; k++)
        c->x[k] = gauss(seed, (uint64_t)k);
}

static double row_dot(const struct glm_case *c, int64_t i, const double *b)
{
    double total = 0;
    for (int64_t j = 0; j < c->figures->columns; j++)
        total += c->x[i * c->figures->columns + j] * b[j];
    return total;
}

static double sigmoid(double eta)
{
    return 1.0 / (1.0 + exp(-eta));
}

/* Cases 01, 02, 03: the published problem on a small scale. */
static void make_seed_mini(struct glm_case *c)
{
    double b[20];
    fill_gauss(c, 1);
    for (int j = 0; j < 20; j++)
        b[j] = j == 3 || j == 7 ? 0.0 : uniform(101, (uint64_t)j);
    for (int64_t i = 0; i < c->figures->rows; i++)
        c->y[i] = row_dot(c, i, b) + 2.0 * gauss(201, (uint64_t)i);
}

/* Sixteen columns of the Sylvester-Hadamard matrix of order 64. */
static void make_orthogonal(struct glm_case *c)
{
    for (int i = 0; i < 64; i++) {
        double eta = 0;
        for (int j = 0; j < 16; j++) {
            double sign = __builtin_popcount((unsigned)(i & j)) % 2 ? -1.0 : 1.0;
            c->x[i * 16 + j] = sign;
            eta += sign * (j - 8);
        }
        c->y[i] = eta + gauss(204, (uint64_t)i);
    }
}

struct sort_row {
    int64_t row;
    double key;
};

static int compare_rows(const void *a, const void *b)
{
    const struct sort_row *l = a, *r = b;
    if (l->key != r->key)
        return l->key < r->key ? -1 : 1;
    return l->row < r->row ? -1 : 1;
}

static void sort_by_first_column(struct glm_case *c)
{
    int64_t n = c->figures->rows, p = c->figures->columns;
    struct sort_row *order = calloc((size_t)n, sizeof *order);
    double *x = malloc((size_t)(n * p) * sizeof *x), *y = malloc((size_t)n * sizeof *y);
    for (int64_t i = 0; i < n; i++)
        order[i] = (struct sort_row){i, c->x[i * p]};
    qsort(order, (size_t)n, sizeof *order, compare_rows);
    for (int64_t i = 0; i < n; i++) {
        memcpy(x + i * p, c->x + order[i].row * p, (size_t)p * sizeof *x);
        y[i] = c->y[order[i].row];
    }
    free(order);
    free(c->x);
    free(c->y);
    c->x = x;
    c->y = y;
}

/* A common factor, noise that grows, and rows in the order of the factor. */
static void make_sorted(struct glm_case *c)
{
    int64_t n = c->figures->rows, p = c->figures->columns;
    double b[15];
    fill_gauss(c, 5);
    for (int64_t i = 0; i < n; i++) {
        double first = c->x[i * p];
        for (int64_t j = 0; j < p; j++)
            c->x[i * p + j] += 0.8 * first;
    }
    for (int j = 0; j < 15; j++)
        b[j] = uniform(115, (uint64_t)j) < 0.5 ? gauss(105, (uint64_t)j) : 0.0;
    for (int64_t i = 0; i < n; i++)
        c->y[i] = row_dot(c, i, b) +
                  gauss(205, (uint64_t)i) * (0.3 + 2.7 * (double)i / (double)(n - 1));
    sort_by_first_column(c);
}

static void make_zero_chunk(struct glm_case *c)
{
    static const double b[10] = {1, -1, 2, 0, 0, 0, 0.5, 0, 0, 0};
    int64_t p = c->figures->columns;
    fill_gauss(c, 8);
    memset(c->x + 300 * p, 0, (size_t)(300 * p) * sizeof *c->x);
    for (int64_t i = 0; i < c->figures->rows; i++) {
        c->x[i * p + 9] = 0;
        bool empty = i >= 300 && i < 600;
        c->y[i] = empty ? 0 : row_dot(c, i, b) + 0.5 * gauss(208, (uint64_t)i);
    }
}

static void make_wide(struct glm_case *c)
{
    double b[50];
    fill_gauss(c, 9);
    for (int j = 0; j < 50; j++)
        b[j] = j % 7 == 0 ? 2.0 : 0.0;
    for (int64_t i = 0; i < c->figures->rows; i++)
        c->y[i] = row_dot(c, i, b) + gauss(209, (uint64_t)i);
}

static void make_logistic(struct glm_case *c)
{
    double b[12];
    fill_gauss(c, 11);
    for (int j = 0; j < 12; j++)
        b[j] = gauss(111, (uint64_t)j);
    for (int64_t i = 0; i < c->figures->rows; i++)
        c->y[i] = uniform(211, (uint64_t)i) < sigmoid(row_dot(c, i, b));
}

static void make_separable(struct glm_case *c)
{
    fill_gauss(c, 13);
    for (int64_t i = 0; i < c->figures->rows; i++)
        c->y[i] = c->x[i * 5] + 0.5 * c->x[i * 5 + 1] > 0;
}

/* The intercept of the model is the column of ones that the generator of the
 * answers used. */
static void make_rare(struct glm_case *c)
{
    static const double b[6] = {1, -1, 0.5, 0, 0, 0};
    fill_gauss(c, 15);
    for (int64_t i = 0; i < c->figures->rows; i++)
        c->y[i] = uniform(215, (uint64_t)i) < sigmoid(row_dot(c, i, b) - 4.0);
}

static void make_overflow(struct glm_case *c)
{
    static const double b[4] = {1, 0.01, 0, -1};
    fill_gauss(c, 16);
    for (int64_t i = 0; i < c->figures->rows; i += 97)
        c->x[i * 4 + 1] = i / 97 % 2 ? 1000.0 : -1000.0;
    for (int64_t i = 0; i < c->figures->rows; i++) {
        double eta = fmax(-30.0, fmin(30.0, row_dot(c, i, b)));
        c->y[i] = uniform(216, (uint64_t)i) < sigmoid(eta);
    }
}

static const struct {
    const char *number;
    void (*make)(struct glm_case *);
} makers[] = {
    {"01", make_seed_mini},  {"02", make_seed_mini}, {"03", make_seed_mini},
    {"04", make_orthogonal}, {"05", make_sorted},    {"08", make_zero_chunk},
    {"09", make_wide},       {"11", make_logistic},  {"13", make_separable},
    {"15", make_rare},       {"16", make_overflow},
};

static const struct case_figures *find_figures(const char *name)
{
    for (int k = 0; k < case_count; k++)
        if (strncmp(case_table[k].name, name, 2) == 0)
            return &case_table[k];
    fprintf(stderr, "no case %s\n", name);
    abort();
}

struct glm_case case_create(const char *name)
{
    const struct case_figures *figures = find_figures(name);
    struct glm_case c = {
        .figures = figures,
        .unknowns = figures->columns + figures->intercept,
        .x = calloc((size_t)(figures->rows * figures->columns), sizeof(double)),
        .y = calloc((size_t)figures->rows, sizeof(double)),
    };
    for (int64_t j = 0; j < figures->columns; j++)
        c.penalty[j] = 1.0;
    for (size_t k = 0; k < sizeof makers / sizeof *makers; k++)
        if (strncmp(makers[k].number, figures->name, 2) == 0)
            makers[k].make(&c);
    return c;
}

void case_destroy(struct glm_case *c)
{
    free(c->x);
    free(c->y);
    *c = (struct glm_case){0};
}

static double row_eta(const struct glm_case *c, int64_t i, const double *b)
{
    long double eta = c->figures->intercept ? b[c->figures->columns] : 0.0;
    for (int64_t j = 0; j < c->figures->columns; j++)
        eta += (long double)c->x[i * c->figures->columns + j] * b[j];
    return (double)eta;
}

static bool is_normal(const struct glm_case *c)
{
    return strcmp(c->figures->family, "normal") == 0;
}

double case_objective(const struct glm_case *c, const double *b)
{
    long double total = 0;
    for (int64_t i = 0; i < c->figures->rows; i++) {
        double eta = row_eta(c, i, b), y = c->y[i];
        if (is_normal(c))
            total += ((long double)y - eta) * ((long double)y - eta);
        else
            total += log1pl(expl(-fabsl(eta))) + fmaxl(eta, 0) - (long double)y * eta;
    }
    for (int64_t j = 0; j < c->unknowns; j++)
        total += (long double)c->figures->l1 * c->penalty[j] * fabsl(b[j]);
    return (double)total;
}

/* How far the subgradient of unknown j is from containing zero. */
static double kkt_distance(double gradient, double l1, double b)
{
    if (b != 0.0 || l1 == 0.0)
        return fabs(gradient + (b > 0 ? l1 : b < 0 ? -l1 : 0.0));
    return fmax(fabs(gradient) - l1, 0.0);
}

double case_kkt(const struct glm_case *c, const double *b)
{
    long double g[CASE_MAX_UNKNOWNS] = {0};
    int64_t p = c->figures->columns;
    for (int64_t i = 0; i < c->figures->rows; i++) {
        double eta = row_eta(c, i, b), y = c->y[i];
        double slope = is_normal(c) ? 2 * (eta - y) : sigmoid(eta) - y;
        for (int64_t j = 0; j < p; j++)
            g[j] += (long double)slope * c->x[i * p + j];
        g[p] += slope;
    }
    double worst = 0;
    for (int64_t j = 0; j < c->unknowns; j++)
        worst = fmax(worst,
                     kkt_distance((double)g[j], c->figures->l1 * c->penalty[j], b[j]));
    return worst;
}
