/* What the system test of failures does, a subcommand each, on the cluster at
 * $DUSK_SCHEDULER_ADDRESS.  Prints what it finds, a line each. */
#include "client/dusk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_S 60.0

static struct dusk_client *client;

static void must(int rc, const char *what)
{
    if (rc >= 0)
        return;
    printf("%s: %s\n", what, dusk_last_error());
    exit(1);
}

#define MUST(call) must(call, #call)

/* How the future ended. */
static void tell(struct dusk_future *future)
{
    const char *line;
    MUST(dusk_wait(&future, 1, DUSK_ALL, LIMIT_S));
    int code = dusk_future_error(future, &line);
    printf("%s %s\n", dusk_error_name(code), line);
    fflush(stdout);
}

/* A call with arguments of all kinds, and what depends on it. */
static void call(void)
{
    double numbers[6] = {0};
    struct dusk_array matrix = dusk_matrix(numbers, 2, 3);
    struct dusk_future *vector, *wrong, *sum;
    MUST(dusk_submit(client, &vector, "fill", "l d", (int64_t)50000, 1.5));
    MUST(dusk_persist(&vector, 1, LIMIT_S));
    MUST(dusk_submit(client, &wrong, "glm_evaluate", "f a l d b s", vector, &matrix,
                     (int64_t)3, 0.5, 1, "a text that is too long to be shown"));
    MUST(dusk_submit(client, &sum, "total", "f", wrong));
    tell(wrong);
    tell(sum);
    printf("%s %s\n", dusk_future_key(wrong), dusk_future_key(sum));
}

/* One that runs out of time while it runs, and one while it waits behind it. */
static void deadline(void)
{
    const struct dusk_submit_options options = {.deadline_s = 0.5};
    struct dusk_future *runs, *waits, *next;
    MUST(dusk_submit_with(client, &options, &runs, "sleep", "d", 1000.0));
    MUST(dusk_submit_with(client, &options, &waits, "sleep", "d", 1000.0));
    MUST(dusk_submit(client, &next, "noop", ""));
    tell(runs);
    tell(waits);
    tell(next);
}

/* Says that it has begun; the test restarts the scheduler meanwhile. */
static void deadline_again(void)
{
    const struct dusk_submit_options options = {.deadline_s = 8};
    struct dusk_future *future;
    MUST(dusk_submit_with(client, &options, &future, "sleep", "d", 1000.0));
    dusk_wait(&future, 1, DUSK_ALL, 0.5);
    printf("submitted\n");
    fflush(stdout);
    tell(future);
}

/* Two that need what one worker has once, and one that nobody can run. */
static void resources(void)
{
    const struct dusk_submit_options gpu = {.resources = "GPU=1"},
                                     much = {.resources = "GPU=2"};
    struct dusk_future *first, *second, *never;
    struct dusk_timing one, two;
    char line[1000];
    MUST(dusk_submit_with(client, &much, &never, "noop", ""));
    MUST(dusk_submit_with(client, &gpu, &first, "sleep", "d", 0.2));
    MUST(dusk_submit_with(client, &gpu, &second, "sleep", "d", 0.2));
    MUST(dusk_wait((struct dusk_future *[]){first, second}, 2, DUSK_ALL, LIMIT_S));
    MUST(dusk_future_timing(first, &one));
    MUST(dusk_future_timing(second, &two));
    printf("%s\n", one.worker == two.worker &&
                           (one.stop_ns <= two.start_ns || two.stop_ns <= one.start_ns)
                       ? "one after the other"
                       : "at once, or elsewhere");
    MUST(dusk_why(client, dusk_future_key(never), LIMIT_S, line, sizeof line));
    printf("%s\n", line);
    const struct dusk_submit_options wrong = {.resources = "GPU=many"};
    struct dusk_future *none;
    if (dusk_submit_with(client, &wrong, &none, "noop", "") < 0)
        printf("%s\n", dusk_last_error());
}

/* Fails again and again. */
static void retries(void)
{
    const struct dusk_submit_options options = {.retries = 5};
    struct dusk_future *future;
    MUST(dusk_submit_with(client, &options, &future, "fail", "s", "on purpose"));
    printf("%s\n", dusk_future_key(future));
    fflush(stdout);
    tell(future);
}

/* Arguments without end. */
static void arguments(void)
{
    enum { N = 100, BYTES = 100000 };
    static double numbers[BYTES / 8];
    struct dusk_array vector = dusk_vector(numbers, BYTES / 8);
    const struct dusk_submit_options nobody = {.worker = "nobody"};
    struct dusk_future *futures[N];
    for (int i = 0; i < N; i++)
        MUST(dusk_submit_with(client, &nobody, &futures[i], "total", "a", &vector));
    tell(futures[N - 1]);
    dusk_release(futures, N);
    struct dusk_future *small;
    MUST(dusk_submit(client, &small, "noop", ""));
    tell(small);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } probes[] = {{"call", call},           {"deadline", deadline},
                  {"resources", resources}, {"deadline_again", deadline_again},
                  {"retries", retries},     {"arguments", arguments}};
    must(dusk_connect(NULL, 5, &client), "dusk_connect");
    for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++)
        if (argc > 1 && strcmp(argv[1], probes[i].name) == 0)
            probes[i].run();
    dusk_close(client);
    return 0;
}
