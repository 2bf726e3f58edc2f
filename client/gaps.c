#include "client/gaps.h"

#include <math.h>

const struct gap_level gaps_levels[GAPS] = {
    {"1e-2", 1e-2}, {"1e-4", 1e-4}, {"1e-6", 1e-6}};

int gaps_measure(struct model *model, const struct answer *reference, const double *z,
                 int64_t count, double *ret_gaps, struct err_text *text)
{
    double size = fabs(reference->objective);
    size = size > 0 ? size : 1;
    int rc = model_excess(model, reference->b, z, count, ret_gaps, text);
    for (int64_t k = 0; rc == 0 && k < count; k++)
        ret_gaps[k] = isfinite(ret_gaps[k]) ? fmax(ret_gaps[k] / size, 0) : INFINITY;
    return rc;
}

int64_t gaps_reach(const double *gaps, int64_t count, double value)
{
    int64_t first = count;
    while (first > 0 && gaps[first - 1] <= value)
        first--;
    return first;
}
