/* What the system test of published results and restarts does, a subcommand each, on
 * the cluster at $DUSK_SCHEDULER_ADDRESS. */
#include "client/dusk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT_S 120.0
#define N 8
#define LENGTH INT64_C(200000)

static struct dusk_client *client;

static void die(const char *what)
{
    printf("%s: %s\n", what, dusk_last_error());
    exit(1);
}

#define MUST(call)                                                                     \
    do {                                                                               \
        if ((call) < 0)                                                                \
            die(#call);                                                                \
    } while (0)

static void say(const char *line)
{
    printf("%s\n", line);
    fflush(stdout);
}

/* Chunks on workers; waits to be killed. */
static void hold(void)
{
    struct dusk_future *chunks[N];
    for (int i = 0; i < N; i++)
        MUST(dusk_submit(client, &chunks[i], "fill", "l d", LENGTH, (double)i));
    MUST(dusk_persist(chunks, N, LIMIT_S));
    say("held");
    pause();
}

/* Chunks, what is made of them, and data of the program's own, under a name. */
static void publish(const char *name)
{
    struct dusk_future *chunks[N], *totals[N + 1];
    double numbers[3] = {1, 2, 3};
    struct dusk_array vector = dusk_vector(numbers, 3);
    for (int i = 0; i < N; i++) {
        MUST(dusk_submit(client, &chunks[i], "fill", "l d", LENGTH, (double)i));
        MUST(dusk_submit(client, &totals[i], "sum", "f f", chunks[i], chunks[i]));
    }
    MUST(dusk_scatter(client, &totals[N], "a", &vector));
    dusk_release(chunks, N);
    MUST(dusk_replicate(&totals[N], 1, 2));
    MUST(dusk_persist(totals, N + 1, LIMIT_S));
    MUST(dusk_publish(client, name, totals, N + 1, LIMIT_S));
    say("published");
    if (dusk_publish(client, name, totals, 1, LIMIT_S) == 0)
        die("published twice");
    say(dusk_last_error());
    pause();
}

/* Another client: results, arguments, and a reconnection between them. */
static void use(const char *name)
{
    struct dusk_future **got, *sum;
    struct dusk_array array;
    double total;
    int n;
    MUST(dusk_get_published(client, name, LIMIT_S, &got, &n));
    say("got");
    if (getchar() == EOF)
        die("nothing to read");
    for (int i = 0; i < n - 1; i++) {
        MUST(dusk_submit(client, &sum, "total", "f", got[i]));
        MUST(dusk_result(sum, LIMIT_S, "d", &total));
        MUST(dusk_result(got[i], LIMIT_S, "a", &array));
        if (total != 2.0 * i * (double)LENGTH || array.shape[0] != LENGTH)
            die("a wrong total");
        dusk_release(&sum, 1);
    }
    MUST(dusk_result(got[n - 1], LIMIT_S, "a", &array));
    if (array.shape[0] != 3 || ((const double *)array.data)[2] != 3)
        die("the scattered numbers");
    dusk_release(got, n);
    free(got);
    printf("used %d\n", n);
}

static void names(void)
{
    const char **list;
    int n;
    MUST(dusk_list_published(client, LIMIT_S, &list, &n));
    for (int i = 0; i < n; i++)
        printf("%s\n", list[i]);
    free(list);
}

/* A run whose tasks leave a trace each time they execute: some are done, some run, some
 * wait when the scheduler goes. */
static void run(const char *directory)
{
    struct dusk_future *chunks[N], *after[N];
    double total, all = 0;
    for (int i = 0; i < N; i++) {
        MUST(dusk_submit(client, &chunks[i], "traced", "s l d", directory, (int64_t)i,
                         i < N / 2 ? 0.0 : 4.0));
        MUST(dusk_submit(client, &after[i], "total", "f", chunks[i]));
    }
    MUST(dusk_persist(chunks, N / 2, LIMIT_S));
    say("half");
    for (int i = 0; i < N; i++) {
        MUST(dusk_result(after[i], LIMIT_S, "d", &total));
        all += total;
    }
    dusk_release(chunks, N);
    dusk_release(after, N);
    printf("all %.0f\n", all);
}

/* Says the code and line that the scattered data end with. */
static void scattered(const char *copies)
{
    static double numbers[20000];
    struct dusk_array vector = dusk_vector(numbers, 20000);
    struct dusk_future *data, *sum;
    double total;
    const char *line;
    MUST(dusk_scatter(client, &data, "a", &vector));
    if (atoi(copies) > 1)
        MUST(dusk_replicate(&data, 1, atoi(copies)));
    MUST(dusk_persist(&data, 1, LIMIT_S));
    say(dusk_future_key(data));
    if (getchar() == EOF)
        die("nothing to read");
    MUST(dusk_submit(client, &sum, "total", "f", data));
    MUST(dusk_wait(&sum, 1, DUSK_ALL, LIMIT_S));
    int code = dusk_future_error(sum, &line);
    if (code == 0 && dusk_result(sum, LIMIT_S, "d", &total) == 0)
        printf("total %.0f\n", total);
    else
        printf("%s %s\n", dusk_error_name(code), line);
    dusk_release(&sum, 1);
    dusk_release(&data, 1);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "", *with = argc > 2 ? argv[2] : "";
    if (dusk_connect(NULL, 30, &client) < 0)
        die("dusk_connect");
    if (strcmp(what, "hold") == 0)
        hold();
    else if (strcmp(what, "publish") == 0)
        publish(with);
    else if (strcmp(what, "use") == 0)
        use(with);
    else if (strcmp(what, "names") == 0)
        names();
    else if (strcmp(what, "unpublish") == 0)
        MUST(dusk_unpublish(client, with, LIMIT_S));
    else if (strcmp(what, "run") == 0)
        run(with);
    else if (strcmp(what, "scattered") == 0)
        scattered(with);
    dusk_close(client);
    return 0;
}
