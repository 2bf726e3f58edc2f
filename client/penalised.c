#include "client/penalised.h"

double penalised_terms(const struct penalised *problem, const double *b)
{
    double absolute = 0, square = 0;
    for (int64_t j = 0; j < problem->columns; j++) {
        absolute += problem->penalty[j] * fabs(b[j]);
        square += problem->penalty[j] * b[j] * b[j];
    }
    return problem->l1 * absolute + problem->l2 / 2 * square;
}

double penalised_kkt_of(const struct penalised *problem, const double *b,
                        const double *gradient, int64_t j)
{
    double pen = problem->penalty[j];
    double g = gradient[j] + problem->l2 * pen * b[j];
    if (b[j] != 0)
        return fabs(g + copysign(problem->l1 * pen, b[j]));
    return fmax(fabs(g) - problem->l1 * pen, 0);
}

double penalised_kkt(const struct penalised *problem, const double *b,
                     const double *gradient)
{
    double most = 0;
    for (int64_t j = 0; j < problem->columns; j++)
        most = fmax(most, penalised_kkt_of(problem, b, gradient, j));
    return most;
}

double penalised_relative_kkt(const struct penalised *problem, const double *b,
                              const double *gradient, double objective)
{
    double sum = 0, signal = 0;
    for (int64_t j = 0; j < problem->columns; j++) {
        double kkt = penalised_kkt_of(problem, b, gradient, j);
        if (kkt > 0)
            sum += kkt * kkt / (problem->scale[j] > 0 ? problem->scale[j] : 1);
        signal += problem->scale[j] * b[j] * b[j];
    }
    /* Where F is all but 0, the rounding of X b is what limits the gradient. */
    double size = fmax(fabs(objective), 1e-8 * signal);
    return sum > 0 ? sqrt(sum / size) : 0;
}
