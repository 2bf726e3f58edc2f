/* Score many inputs, keep the best as results arrive, stop early, cancel the rest.
 *
 *     cc best_score.c -o best_score $(pkg-config --cflags --libs dusk)
 *     dusk-scheduler &  dusk-worker --preload ./score_plugin.so &  ./best_score */
#include <dusk.h>

#include <stdio.h>

#define INPUTS 1000
#define GOOD_ENOUGH 0.99999

static int fail(void)
{
    fprintf(stderr, "best_score: %s\n", dusk_last_error());
    return 1;
}

int main(void)
{
    static int64_t inputs[INPUTS];
    static struct dusk_future *futures[INPUTS];
    struct dusk_client *client;
    struct dusk_as_completed *completed;
    struct dusk_future *future;
    double score, best = 0;
    int rc, seen = 0;

    for (int i = 0; i < INPUTS; i++)
        inputs[i] = i;
    if (dusk_connect(NULL, 5, &client) < 0 ||
        dusk_map(client, futures, INPUTS, "score", "l", inputs) < 0 ||
        dusk_as_completed_create(client, futures, INPUTS, &completed) < 0)
        return fail();

    while (best < GOOD_ENOUGH &&
           (rc = dusk_as_completed_next(completed, 60, &future)) == 0) {
        if (dusk_result(future, 60, "d", &score) < 0)
            return fail();
        if (score > best)
            best = score;
        seen++;
    }
    if (rc < 0)
        return fail();
    printf("best score %.6f after %d of %d inputs\n", best, seen, INPUTS);

    dusk_cancel(futures, INPUTS);
    dusk_as_completed_destroy(completed);
    dusk_release(futures, INPUTS);
    dusk_close(client);
    return 0;
}
