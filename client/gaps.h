/* How far the points of a run's trace are from the optimum, and when it came how
 * near. */
#ifndef CLIENT_GAPS_H
#define CLIENT_GAPS_H

#include "client/finish.h"

/* The levels that are reported. */
#define GAPS 3
struct gap_level {
    const char *name;
    double value;
};
extern const struct gap_level gaps_levels[GAPS];

/* (F(z_k) - F(b*)) / |F(b*)|, at least 0, for the `count` rows of z (count x q); b* is
 * the reference's. */
int gaps_measure(struct model *model, const struct answer *reference, const double *z,
                 int64_t count, double *ret_gaps, struct err_text *text);

/* The first point from which on no gap is above the value; `count` when there is
 * none. */
int64_t gaps_reach(const double *gaps, int64_t count, double value);

#endif
