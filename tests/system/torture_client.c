/* A program that uses all of the client library on the cluster at
 * $DUSK_SCHEDULER_ADDRESS: connect, scatter, submit, map, as_completed, cancel, gather,
 * status, close.  The first call that fails ends it in good order, with one line.
 *
 *     torture_client LENGTH   of the arrays that workers keep
 *
 * Exit codes: 0 all values right, 1 an error with its line, 3 a wrong value. */
#include "client/dusk.h"

#include <stdio.h>
#include <stdlib.h>

#define LIMIT_S 30.0
#define LENGTH_MAX 1000000
#define WRONG 1 /* no error, and still not right */
enum { CHUNKS = 4, SMALL = 24, NAPS = 3, FUTURES = CHUNKS + SMALL + NAPS + 4 };

static struct dusk_client *client;
static struct dusk_future *futures[FUTURES];
static struct dusk_future **const chunks = futures, **const small = futures + CHUNKS,
                                  **const naps = futures + CHUNKS + SMALL,
                                  **const others = futures + CHUNKS + SMALL + NAPS;
static struct dusk_as_completed *completed;
static struct dusk_cluster *cluster;
static double numbers[LENGTH_MAX];
static int64_t length;

static int step_connect(void)
{
    int rc = dusk_connect(NULL, LIMIT_S, &client);
    return rc < 0 ? rc : dusk_wait_for_workers(client, 1, LIMIT_S);
}

static int step_scatter(void)
{
    for (int64_t i = 0; i < length; i++)
        numbers[i] = 1;
    struct dusk_array vector = dusk_vector(numbers, length);
    return dusk_scatter(client, &others[0], "a", &vector);
}

static int step_submit(void)
{
    double values[CHUNKS] = {0, 1, 2, 3};
    int rc = dusk_map(client, chunks, CHUNKS, "fill", "=l d", length, values);
    if (rc == 0)
        rc = dusk_submit(client, &others[1], "total", "f", others[0]);
    if (rc == 0)
        rc = dusk_submit(client, &others[2], "sum", "f f", chunks[0], chunks[3]);
    if (rc == 0)
        rc = dusk_submit(client, &others[3], "fail", "s", "on purpose");
    return rc < 0 ? rc : dusk_persist(chunks, CHUNKS, LIMIT_S);
}

static int step_as_completed(void)
{
    int64_t inputs[SMALL], sum = 0;
    for (int i = 0; i < SMALL; i++)
        inputs[i] = i;
    int rc = dusk_map(client, small, SMALL, "add", "l =l", inputs, (int64_t)1);
    if (rc == 0)
        rc = dusk_as_completed_create(client, small, SMALL, &completed);
    struct dusk_future *next;
    while (rc == 0 && (rc = dusk_as_completed_next(completed, LIMIT_S, &next)) == 0) {
        int64_t value;
        rc = dusk_result(next, LIMIT_S, "l", &value);
        sum += rc == 0 ? value : 0;
    }
    if (rc < 0)
        return rc;
    return sum == SMALL * (SMALL + 1) / 2 ? 0 : WRONG;
}

static int step_cancel(void)
{
    double second[NAPS] = {60, 60, 60};
    int rc = dusk_map(client, naps, NAPS, "sleep", "d", second);
    if (rc == 0)
        rc = dusk_cancel(naps, NAPS);
    for (int i = 0; rc == 0 && i < NAPS; i++)
        rc = dusk_future_status(naps[i]) == DUSK_CANCELLED ? 0 : WRONG;
    return rc;
}

static int step_failure(void)
{
    const char *line;
    int rc = dusk_wait(&others[3], 1, DUSK_ALL, LIMIT_S);
    if (rc < 0)
        return rc;
    rc = dusk_future_error(others[3], &line);
    if (rc == DUSK_E_TASK)
        return 0;
    fprintf(stderr, "torture_client: %s: %s\n", dusk_error_name(rc), line);
    return rc < 0 ? rc : WRONG;
}

static int step_gather(void)
{
    struct dusk_array array;
    double total;
    int rc = dusk_gather(chunks, CHUNKS, LIMIT_S);
    for (int i = 0; rc == 0 && i < CHUNKS; i++) {
        rc = dusk_result(chunks[i], 0, "a", &array);
        if (rc == 0 &&
            (array.shape[0] != length || ((const double *)array.data)[length - 1] != i))
            rc = WRONG;
    }
    if (rc == 0)
        rc = dusk_result(others[1], LIMIT_S, "d", &total);
    if (rc == 0 && total != (double)length)
        rc = WRONG;
    if (rc == 0)
        rc = dusk_result(others[2], LIMIT_S, "a", &array);
    if (rc == 0 && ((const double *)array.data)[length - 1] != 3)
        rc = WRONG;
    return rc;
}

static int step_ask(void)
{
    char line[200];
    int rc = dusk_workers(client, LIMIT_S, &cluster);
    if (rc == 0 && cluster->client_count < 1)
        rc = WRONG;
    return rc < 0 ? rc
                  : dusk_why(client, dusk_future_key(chunks[0]), LIMIT_S, line,
                             sizeof line);
}

static void finish(void)
{
    dusk_cluster_free(cluster);
    dusk_as_completed_destroy(completed);
    dusk_release(futures, FUTURES);
    dusk_close(client);
    client = NULL;
    completed = NULL;
    cluster = NULL;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } steps[] = {
        {"connect", step_connect}, {"scatter", step_scatter},
        {"submit", step_submit},   {"as_completed", step_as_completed},
        {"cancel", step_cancel},   {"failure", step_failure},
        {"gather", step_gather},   {"ask", step_ask},
    };
    length = argc > 1 ? atoll(argv[1]) : 0;
    if (length < 1 || length > LENGTH_MAX)
        return 2;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof steps / sizeof *steps; i++) {
        rc = steps[i].run();
        if (rc < 0)
            fprintf(stderr, "torture_client: error %s in %s: %s\n", dusk_error_name(rc),
                    steps[i].name, dusk_last_error());
        else if (rc > 0)
            fprintf(stderr, "torture_client: wrong value in %s\n", steps[i].name);
    }
    finish();
    return rc < 0 ? 1 : rc > 0 ? 3 : 0;
}
