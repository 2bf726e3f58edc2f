/* Times tasks that do nothing on the cluster at $DUSK_SCHEDULER_ADDRESS:
 *
 *     bench_tasks [TASKS]
 *
 * one by one (submit to result), and all at once (tasks per second). */
#include "client/dusk.h"
#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define ONE_BY_ONE 5000

static int die(void)
{
    fprintf(stderr, "bench_tasks: %s\n", dusk_last_error());
    return 1;
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int latency(struct dusk_client *client)
{
    static uint64_t ns[ONE_BY_ONE];
    for (int i = 0; i < ONE_BY_ONE; i++) {
        struct dusk_future *future;
        uint64_t start_ns = clock_monotonic_ns();
        if (dusk_submit(client, &future, "noop", "") < 0 ||
            dusk_wait(&future, 1, DUSK_ALL, 10) < 0)
            return -1;
        ns[i] = clock_monotonic_ns() - start_ns;
        dusk_release(&future, 1);
    }
    qsort(ns, ONE_BY_ONE, sizeof ns[0], compare);
    printf("submit to result: p50 %.1f us, p90 %.1f us, p99 %.1f us\n",
           (double)ns[ONE_BY_ONE / 2] / 1e3, (double)ns[ONE_BY_ONE * 9 / 10] / 1e3,
           (double)ns[ONE_BY_ONE * 99 / 100] / 1e3);
    return 0;
}

static int throughput(struct dusk_client *client, int tasks)
{
    struct dusk_future **futures = calloc((size_t)tasks, sizeof(struct dusk_future *));
    if (!futures)
        return -1;
    uint64_t start_ns = clock_monotonic_ns();
    int rc = dusk_map(client, futures, tasks, "noop", "");
    uint64_t submitted_ns = clock_monotonic_ns();
    if (rc == 0)
        rc = dusk_wait(futures, tasks, DUSK_ALL, 120);
    uint64_t done_ns = clock_monotonic_ns();
    dusk_release(futures, tasks);
    free(futures);
    if (rc == 0)
        printf("%d tasks: %.0f tasks/s (%.2f us each to submit)\n", tasks,
               tasks / ((double)(done_ns - start_ns) / 1e9),
               (double)(submitted_ns - start_ns) / 1e3 / tasks);
    return rc;
}

int main(int argc, char **argv)
{
    int tasks = argc > 1 ? atoi(argv[1]) : 100000;
    struct dusk_client *client;
    if (dusk_connect(NULL, 5, &client) < 0)
        return die();
    if (latency(client) < 0 || throughput(client, tasks) < 0 ||
        throughput(client, tasks) < 0)
        return die();
    dusk_close(client);
    return 0;
}
