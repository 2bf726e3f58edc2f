/* The same, blocking: the best score is a task that depends on all the others, and
 * only its result comes here.
 *
 *     cc best_score_blocking.c $(pkg-config --cflags --libs dusk) */
#include <dusk.h>

#include <stdio.h>

#define INPUTS 100

static int fail(void)
{
    fprintf(stderr, "best_score_blocking: %s\n", dusk_last_error());
    return 1;
}

int main(void)
{
    int64_t inputs[INPUTS];
    struct dusk_argument scores[INPUTS] = {0};
    struct dusk_future *futures[INPUTS], *best;
    struct dusk_client *client;
    double score;
    int64_t input;

    for (int i = 0; i < INPUTS; i++)
        inputs[i] = i;
    if (dusk_connect(NULL, 5, &client) < 0 ||
        dusk_map(client, futures, INPUTS, "score", "l", inputs) < 0)
        return fail();

    for (int i = 0; i < INPUTS; i++)
        scores[i].future = futures[i];
    if (dusk_submit_arguments(client, NULL, &best, "max_of", INPUTS, scores) < 0 ||
        dusk_result(best, 60, "dl", &score, &input) < 0)
        return fail();
    printf("best score %.6f, of input %d of %d\n", score, (int)input, INPUTS);

    dusk_release(futures, INPUTS);
    dusk_release(&best, 1);
    dusk_close(client);
    return 0;
}
