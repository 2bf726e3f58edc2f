/* A task function of one's own: built with
 *     cc -shared -fPIC score_plugin.c -o score_plugin.so $(pkg-config --cflags dusk)
 * and given to workers with `dusk-worker --preload ./score_plugin.so`, or to a cluster
 * that runs with --allow-upload by `dusk upload score_plugin.so`. */
#include <dusk_task.h>

/* How well does a walk along the numbers from `seed` go?  Stands for anything that
 * takes a while and gives a number between 0 and 1. */
static int score(struct dusk_task *task)
{
    const volatile int *cancelled = dusk_task_cancel_flag(task);
    int64_t seed;
    int rc = dusk_task_args(task, "l", &seed);
    if (rc < 0)
        return rc;
    uint64_t state = (uint64_t)seed, sum = 0, steps = 2000000;
    for (uint64_t step = 0; step < steps; step++) {
        if (step % 65536 == 0 && dusk_flag(cancelled))
            return DUSK_E_CANCELLED;
        state = state * 6364136223846793005u + 1442695040888963407u;
        sum += state >> 63;
    }
    double half = 0.5 * (double)steps;
    double off = ((double)sum - half) / (0.002 * half);
    return dusk_task_return(task, "d", 1 / (1 + off * off));
}

DUSK_EXPORT const struct dusk_function dusk_functions[] = {
    {"score", score},
    {0},
};
