/* What a set of runs on one model found, as JSON: the member "problem" describes the
 * data and the certified optimum, "runs" has one entry a run.  Times are seconds,
 * gaps relative to the optimum, coefficients those of the raw columns with the
 * intercept last; what is not known is null. */
#ifndef CLIENT_RESULTS_H
#define CLIENT_RESULTS_H

#include "client/run.h"

#include <jansson.h>

struct results {
    struct model *model; /* borrowed, like the runs */
    struct run *const *runs;
    int run_count;
    enum local_solver local; /* what the user asked for */
    uint64_t seed;
    double setup_seconds;
    const struct stream *setup;
    const char *image_title; /* or NULL */
};

/* Measures every trace against the best certified answer; where no run is certified,
 * the best answer is polished first, off the runs' clocks.  Returns an owned
 * object. */
int results_create(const struct results *results, json_t **ret_json,
                   struct err_text *text);

#endif
