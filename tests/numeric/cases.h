/* Problems with known minimisers.
 *
 *   F(b) = sum loss(x'b, y) + l1 sum_j penalty_j |b_j|,
 *   loss = (y - eta)^2 (normal) or log(1 + e^eta) - y eta (logistic)
 *
 * The data come from splitmix64 by counter, so they are the same everywhere; the
 * answers, in cases_expected.c, were computed once by proximal Newton steps with
 * coordinate descent to a KKT residual of 1e-11, and agree with scikit-learn or a
 * closed form where there is one. */
#ifndef TESTS_NUMERIC_CASES_H
#define TESTS_NUMERIC_CASES_H

#include <stdbool.h>
#include <stdint.h>

#define CASE_MAX_CHUNKS 40
#define CASE_MAX_UNKNOWNS 51

/* What is known of a case.  Unknowns: the columns, then the intercept of the
 * uncentred model where there is one. */
struct case_figures {
    const char *name;
    const char *family; /* "normal", "logistic" */
    int64_t rows, columns;
    bool intercept;
    double l1;
    double objective;             /* F at the minimiser */
    int nonzeros;                 /* in the minimiser */
    double sum_x, sum_y, first_x; /* of the data, to check the generator */
    int chunk_count;
    int64_t chunk_rows[CASE_MAX_CHUNKS];
    double minimiser[CASE_MAX_UNKNOWNS];
    const char *about;
};

extern const struct case_figures case_table[];
extern const int case_count;

struct glm_case {
    const struct case_figures *figures; /* borrowed for ever */
    int64_t unknowns;                   /* columns + intercept */
    double *x;                          /* rows x columns, row-major */
    double *y;                          /* rows */
    double penalty[CASE_MAX_UNKNOWNS];  /* 1, and 0 for the intercept */
};

/* Makes the data of a case by its name or the number that the name starts with
 * ("05").  Ends the program with a line when there is no such case: this is for
 * tests. */
struct glm_case case_create(const char *name);
void case_destroy(struct glm_case *c);

/* F(b) of the uncentred model, in long double and without any of the project's
 * kernels; and the KKT residual: how far b is from being a minimiser. */
double case_objective(const struct glm_case *c, const double *b);
double case_kkt(const struct glm_case *c, const double *b);

#endif
