/* Tasks that do nothing, or next to nothing, in the shapes that programs give them. */
#ifndef CLIENT_BENCH_PATTERNS_H
#define CLIENT_BENCH_PATTERNS_H

#include "client/watch.h"

struct load {
    const struct watch *watch;
    struct dusk_client *client;
    int tasks;
    int in_flight;                /* of the pool */
    struct dusk_future **futures; /* (tasks) NULL before and after; borrowed */
};

/* Submits the tasks and waits until all results are here; returns their number, which
 * may be a little less than `tasks`, or an error with its line.  The futures that are
 * left are the caller's to release. */
struct pattern {
    const char *name;
    int (*run)(const struct load *load, struct err_text *text);
    int64_t (*answer)(int tasks); /* what the last of the tasks returns; or NULL */
};

enum { PATTERN_MAP, PATTERN_SUBMIT, PATTERN_POOL, PATTERN_CHAINS, PATTERN_TREE };
#define PATTERNS 5
extern const struct pattern patterns[PATTERNS];

/* Runs one pattern, checks its answer, and tells how long it took until all results
 * were here; then releases them as below.  After an error futures are left. */
int pattern_time(const struct pattern *pattern, const struct load *load,
                 double *ret_per_second, struct err_text *text);

/* Releases `count` futures and waits until the scheduler has forgotten them, so that
 * they cost nothing of what is measured next. */
int pattern_release(const struct load *load, int count, struct err_text *text);

/* One task after the other, from submit to result. */
int pattern_round_trips(const struct load *load, double *ret_us, int count,
                        struct err_text *text);

#endif
