/* What the rounds of dusk bench admm measured, and its figures. */
#ifndef CLIENT_BENCH_SAMPLES_H
#define CLIENT_BENCH_SAMPLES_H

#include "client/bench/figures.h"
#include "client/gaps.h"

#define VARIANTS 3 /* enum admm_variant */

/* Of one subject and variant, a value a round; NaN where a gap was not reached. */
enum { RATE, TO_GAP, CERTIFIED = TO_GAP + GAPS, MEASURES };
enum { CLASSIC, ROBUST, DASK, SUBJECTS };

struct samples {
    int rounds;
    double *setup; /* (rounds) */
    double *values[SUBJECTS][VARIANTS][MEASURES];
    double *all; /* what the above point into */
};

/* DUSK_E_NOMEM. */
int samples_init(struct samples *samples, int rounds);
void samples_fini(struct samples *samples); /* takes a zeroed one too */

/* The seconds at which a trace of `count` points reached each gap for good. */
void samples_add_gaps(const struct samples *samples, int subject, int variant,
                      int round, const double *gaps, const double *seconds,
                      int64_t count);

/* Adds the figures that all rounds have reached, and what dusk is better by than its
 * peer, if that was measured. */
int samples_report(const struct samples *samples, struct figures *figures,
                   struct err_text *text);

#endif
