/* How soon a place is free again when a running kernel is cancelled, or runs out of
 * time, on the cluster at $DUSK_SCHEDULER_ADDRESS, whose only worker has one thread:
 *
 *     bench_cancel [ROUNDS]
 *
 * A solver that never converges runs on a chunk of 50,000 x 100, and a task that does
 * nothing waits behind it.  Measured from the cancel, or from the deadline, until that
 * one starts, beside the time of one evaluation of the loss and its gradient. */
#include "client/dusk.h"
#include "common/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROWS 50000
#define COLUMNS 100
#define EVALUATIONS 50
#define LIMIT_S 60

static struct dusk_client *client;
static struct dusk_future *x, *y;
static double zeros[COLUMNS + 1];

static void must(int rc)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "bench_cancel: %s\n", dusk_last_error());
    exit(1);
}

static int compare(const void *a, const void *b)
{
    const double *one = a, *two = b;
    return (*one > *two) - (*one < *two);
}

static void show(const char *what, double *ms, int count)
{
    qsort(ms, (size_t)count, sizeof *ms, compare);
    printf("%-28s median %6.2f ms, p99 %6.2f ms, most %6.2f ms (%d times)\n", what,
           ms[count / 2], ms[count * 99 / 100], ms[count - 1], count);
}

/* Responses that a plane separates: the coefficients grow without end. */
static void make_data(void)
{
    double *numbers = malloc(sizeof *numbers * ROWS * COLUMNS);
    double *response = malloc(sizeof *response * ROWS);
    uint64_t state = 1;
    for (int64_t i = 0; i < ROWS; i++) {
        for (int64_t j = 0; j < COLUMNS; j++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            numbers[i * COLUMNS + j] = (double)(state >> 33) / (1u << 30) - 1;
        }
        double side = 0;
        for (int64_t j = 0; j < COLUMNS; j++)
            side += numbers[i * COLUMNS + j] * cos((double)j);
        response[i] = side > 0;
    }
    struct dusk_array rows = dusk_matrix(numbers, ROWS, COLUMNS);
    struct dusk_array answers = dusk_vector(response, ROWS);
    must(dusk_scatter(client, &x, "a", &rows));
    must(dusk_scatter(client, &y, "a", &answers));
    must(dusk_persist((struct dusk_future *[]){x, y}, 2, LIMIT_S));
    free(numbers);
    free(response);
}

static double start_ms(struct dusk_future *future)
{
    struct dusk_timing timing;
    must(dusk_future_timing(future, &timing));
    return (double)timing.start_ns * 1e-6;
}

static void evaluations(void)
{
    double ms[EVALUATIONS];
    struct dusk_array b = dusk_vector(zeros, COLUMNS + 1),
                      mu = dusk_vector(zeros, COLUMNS);
    for (int i = 0; i < EVALUATIONS; i++) {
        struct dusk_future *future;
        struct dusk_timing timing;
        must(dusk_submit(client, &future, "glm_evaluate", "f f a s l a", x, y, &mu,
                         "logistic", (int64_t)1, &b));
        must(dusk_persist(&future, 1, LIMIT_S));
        must(dusk_future_timing(future, &timing));
        ms[i] = (double)(timing.stop_ns - timing.start_ns) * 1e-6;
        dusk_release(&future, 1);
    }
    show("one evaluation", ms, EVALUATIONS);
}

/* Milliseconds from the end of the solver's time until the next task starts. */
static double round_ms(double deadline_s, int64_t run_ns)
{
    struct dusk_submit_options options = {.deadline_s = deadline_s};
    struct dusk_array v = dusk_vector(zeros, COLUMNS + 1);
    struct dusk_future *solver, *next;
    double from_ms = (double)clock_unix_ns() * 1e-6 + 1e3 * deadline_s;
    must(dusk_submit_with(client, &options, &solver, "glm_prox_plain",
                          "f f s l d a a l l", x, y, "logistic", (int64_t)1, 0.0, &v,
                          &v, (int64_t)0, (int64_t)0));
    must(dusk_submit(client, &next, "noop", ""));
    must(dusk_wait(&next, 1, DUSK_ALL, 0) == DUSK_E_TIMEOUT ? 0 : -1);
    if (deadline_s <= 0) {
        nanosleep(&(struct timespec){.tv_nsec = run_ns}, NULL);
        from_ms = (double)clock_unix_ns() * 1e-6;
        must(dusk_cancel(&solver, 1));
    }
    must(dusk_wait(&next, 1, DUSK_ALL, LIMIT_S));
    double ms = start_ms(next) - from_ms;
    if (dusk_future_status(solver) == DUSK_FINISHED) {
        fprintf(stderr, "bench_cancel: the solver converged before it was stopped\n");
        exit(1);
    }
    dusk_release(&solver, 1);
    dusk_release(&next, 1);
    return ms;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 100;
    double *ms = calloc((size_t)rounds + 1, sizeof *ms);
    if (rounds < 1 || !ms)
        return 2;
    must(dusk_connect(NULL, 5, &client));
    make_data();
    evaluations();
    for (int i = 0; i < rounds; i++)
        ms[i] = round_ms(0, 40000000 + i * 700001 % 20000000);
    show("cancel to the next start", ms, rounds);
    for (int i = 0; i < rounds; i++)
        ms[i] = round_ms(0.04 + i * 0.00011, 0);
    show("deadline to the next start", ms, rounds);
    free(ms);
    dusk_release(&x, 1);
    dusk_release(&y, 1);
    dusk_close(client);
    return 0;
}
