/* What the system test of the client library does, a subcommand each, on the cluster
 * at $DUSK_SCHEDULER_ADDRESS.  Prints one line a finding; exit code 0 when all went
 * as it should. */
#include "client/dusk.h"
#include "common/clock.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT_S 60.0

static struct dusk_client *client;

static void die(const char *what)
{
    printf("%s: %s\n", what, dusk_last_error());
    exit(1);
}

static void must(int rc, const char *what)
{
    if (rc < 0)
        die(what);
}

#define MUST(call) must(call, #call)

static void require(int holds, const char *what)
{
    if (holds)
        return;
    printf("wrong: %s\n", what);
    exit(1);
}

/* Arrays too large to ride along: from the workers that have them. */
static void fetch(void)
{
    enum { N = 30 };
    struct dusk_future *futures[N];
    for (int64_t i = 0; i < N; i++)
        MUST(dusk_submit(client, &futures[i], "fill", "l d", (int64_t)100000 + i,
                         (double)i));
    MUST(dusk_gather(futures, N, LIMIT_S));
    for (int i = 0; i < N; i++) {
        struct dusk_array array;
        MUST(dusk_result(futures[i], 0, "a", &array));
        const double *numbers = array.data;
        require(array.shape[0] == 100000 + i, "its length");
        require(numbers[0] == i && numbers[100000 + i - 1] == i, "its numbers");
    }
    dusk_release(futures, N);
    printf("fetched %d\n", N);
}

/* Much more than may wait for one reader: to this program, and to a worker that did
 * not make them. */
static void large(const char *maker, const char *reader)
{
    enum { N = 6 };
    const int64_t length = (60 << 20) / 8;
    const struct dusk_submit_options there = {.worker = maker},
                                     here = {.worker = reader};
    struct dusk_future *futures[N], *sum;
    struct dusk_argument all[N] = {0};
    for (int i = 0; i < N; i++) {
        MUST(dusk_submit_with(client, &there, &futures[i], "fill", "l d", length,
                              (double)i));
        all[i].future = futures[i];
    }
    MUST(dusk_persist(futures, N, LIMIT_S));
    struct dusk_array array;
    MUST(dusk_submit_arguments(client, &here, &sum, "sum", N, all));
    MUST(dusk_result(sum, LIMIT_S, "a", &array));
    require(array.shape[0] == length, "the length of the sum");
    require(((const double *)array.data)[length - 1] == N * (N - 1) / 2, "the sum");
    dusk_release(&sum, 1);
    MUST(dusk_gather(futures, N, LIMIT_S));
    for (int i = 0; i < N; i++) {
        MUST(dusk_result(futures[i], 0, "a", &array));
        require(((const double *)array.data)[length - 1] == i, "its numbers");
    }
    dusk_release(futures, N);
    printf("gathered %d\n", N);
}

/* The program's own data, used by tasks and read back. */
static void scatter(void)
{
    enum { N = 200000 };
    static double numbers[N];
    struct dusk_array vector = dusk_vector(numbers, N), back;
    struct dusk_future *data, *sum;
    double total;
    for (int i = 0; i < N; i++)
        numbers[i] = i;
    MUST(dusk_scatter(client, &data, "a", &vector));
    MUST(dusk_submit(client, &sum, "total", "f", data));
    MUST(dusk_result(sum, LIMIT_S, "d", &total));
    require(total == 0.5 * N * (N - 1.0), "the total");
    MUST(dusk_persist(&data, 1, LIMIT_S));
    MUST(dusk_result(data, LIMIT_S, "a", &back));
    require(memcmp(back.data, numbers, sizeof numbers) == 0, "what comes back");
    dusk_release(&data, 1);
    dusk_release(&sum, 1);
    printf("total %.0f\n", total);
}

/* The line of a task that goes wrong. */
static void failing(const char *function)
{
    struct dusk_future *future;
    const char *line;
    MUST(strcmp(function, "fail") == 0
             ? dusk_submit(client, &future, function, "s", "on purpose")
             : dusk_submit(client, &future, function, ""));
    MUST(dusk_wait(&future, 1, DUSK_ALL, LIMIT_S));
    int code = dusk_future_error(future, &line);
    printf("%s %s\n", dusk_error_name(code), line);
    dusk_release(&future, 1);
}

/* Tasks that take a while, results on workers and one that needs them all, while the
 * test disturbs the cluster. */
static void disturbed(void)
{
    enum { N = 40 };
    struct dusk_future *chunks[N], *naps[N], *last;
    struct dusk_argument all[N] = {0};
    double total = 0;
    for (int i = 0; i < N; i++) {
        MUST(dusk_submit(client, &chunks[i], "fill", "l d", (int64_t)20000, 1.0));
        MUST(dusk_submit(client, &naps[i], "sleep", "d", 0.1));
        all[i].future = chunks[i];
    }
    MUST(dusk_persist(chunks, N, LIMIT_S));
    printf("persisted\n");
    fflush(stdout);
    MUST(dusk_persist(naps, N, LIMIT_S));
    MUST(dusk_submit_arguments(client, NULL, &last, "sum", N, all));
    MUST(dusk_gather(chunks, N, LIMIT_S));
    struct dusk_array sum;
    MUST(dusk_result(last, LIMIT_S, "a", &sum));
    for (int i = 0; i < 20000; i++)
        total += ((const double *)sum.data)[i];
    printf("sum %.0f\n", total);
    dusk_release(chunks, N);
    dusk_release(naps, N);
    dusk_release(&last, 1);
}

/* The function `twice` of the plugin good.so, on one worker. */
static void twice(const char *worker)
{
    const struct dusk_submit_options there = {.worker = worker};
    struct dusk_future *future;
    double result;
    MUST(dusk_submit_with(client, &there, &future, "twice", "d", 21.0));
    MUST(dusk_result(future, LIMIT_S, "d", &result));
    printf("%g\n", result);
    dusk_release(&future, 1);
}

/* Uploads, waits for a line, and uses what was uploaded. */
static void upload(const char *path, const char *worker)
{
    MUST(dusk_upload_plugin(client, path, LIMIT_S));
    printf("uploaded\n");
    fflush(stdout);
    getchar();
    twice(worker);
}

/* Chunks made by a function that counts its runs, and their totals over and over until
 * the standard input ends, each with its time. */
static void totals(const char *path, int count)
{
    enum { LENGTH = 20000, ROUNDS_AHEAD = 4, MOST = 256 };
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    struct dusk_future *chunks[MOST], *total[ROUNDS_AHEAD] = {NULL};
    require(count > 0 && count <= MOST, "the number of chunks");
    for (int i = 0; i < count; i++)
        MUST(dusk_submit(client, &chunks[i], "counted", "s l d", path, (int64_t)LENGTH,
                         (double)i));
    MUST(dusk_persist(chunks, count, LIMIT_S));
    for (int64_t i = 0; poll(&input, 1, 0) == 0; i++) {
        struct dusk_future **next = &total[i % ROUNDS_AHEAD];
        double sum;
        if (*next) {
            MUST(dusk_result(*next, LIMIT_S, "d", &sum));
            require(sum == LENGTH * (double)((i - ROUNDS_AHEAD) % count), "a total");
            printf("%.9f\n", 1e-9 * (double)clock_monotonic_ns());
            fflush(stdout);
        }
        dusk_release(next, 1);
        MUST(dusk_submit(client, next, "total", "f", chunks[i % count]));
    }
    dusk_release(total, ROUNDS_AHEAD);
    dusk_release(chunks, count);
}

/* Says the key of a task that never starts, and waits to be killed. */
static void waiting(void)
{
    const struct dusk_submit_options options = {.worker = "nobody"};
    struct dusk_future *future;
    MUST(dusk_submit_with(client, &options, &future, "noop", ""));
    printf("%s\n", dusk_future_key(future));
    fflush(stdout);
    dusk_wait(&future, 1, DUSK_ALL, DUSK_FOREVER);
}

/* How many tasks that do nothing finish, and on how many workers, whose numbers are at
 * most `workers`; the time is theirs alone. */
static void noops(int count, int workers)
{
    struct dusk_future **futures = calloc((size_t)count, sizeof *futures);
    bool *used = calloc((size_t)workers + 1, sizeof *used);
    int used_count = 0;
    require(count > 0 && workers > 0 && futures && used, "the numbers");
    uint64_t start_ns = clock_monotonic_ns();
    MUST(dusk_map(client, futures, count, "noop", ""));
    MUST(dusk_wait(futures, count, DUSK_ALL, LIMIT_S));
    uint64_t stop_ns = clock_monotonic_ns();
    for (int i = 0; i < count; i++) {
        struct dusk_timing timing;
        MUST(dusk_result(futures[i], 0, ""));
        MUST(dusk_future_timing(futures[i], &timing));
        require(timing.worker > 0 && timing.worker <= workers, "a worker's number");
        used_count += !used[timing.worker];
        used[timing.worker] = true;
    }
    printf("%d tasks on %d workers, %.0f tasks/s\n", count, used_count,
           count / ((double)(stop_ns - start_ns) * 1e-9));
    dusk_release(futures, count);
    free(futures);
    free(used);
}

static void say(void *arg, enum dusk_log_level level, const char *line)
{
    fprintf(stderr, "%s\n", line);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (dusk_connect(NULL, 5, &client) < 0)
        die("dusk_connect");
    dusk_set_log(client, say, NULL);
    if (strcmp(what, "fetch") == 0)
        fetch();
    else if (strcmp(what, "scatter") == 0)
        scatter();
    else if (strcmp(what, "failing") == 0 && argc > 2)
        failing(argv[2]);
    else if (strcmp(what, "large") == 0 && argc > 3)
        large(argv[2], argv[3]);
    else if (strcmp(what, "twice") == 0 && argc > 2)
        twice(argv[2]);
    else if (strcmp(what, "upload") == 0 && argc > 3)
        upload(argv[2], argv[3]);
    else if (strcmp(what, "disturbed") == 0)
        disturbed();
    else if (strcmp(what, "totals") == 0 && argc > 3)
        totals(argv[2], atoi(argv[3]));
    else if (strcmp(what, "noops") == 0 && argc > 3)
        noops(atoi(argv[2]), atoi(argv[3]));
    else if (strcmp(what, "waiting") == 0)
        waiting();
    dusk_close(client);
    return 0;
}
