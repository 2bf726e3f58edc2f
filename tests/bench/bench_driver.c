/* The whole ADMM driver over futures: submit, as_completed, the result, an arrival, and
 * so on; arrivals a second, and what one costs this process, for a thousand chunks and
 * for a hundred thousand, with keys and without.  All chunks are one and the same, so
 * that many fit.  Workers that compute do so on Gram matrices, on the same cores; then
 * there are fake ones that answer at once, with real connections to a real scheduler
 * all the same, so that there is little but the driver and the scheduler.  Prints;
 * asserts nothing.
 *
 *     DUSK_BINDIR=build bench_driver [COLUMNS [UPDATES]] */
#include "client/cluster.h"
#include "client/run.h"
#include "common/clock.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROWS 1000
#define WORKERS 2
#define TIMEOUT_S 10

struct bench {
    int64_t columns, updates;
    struct model one; /* of a single chunk */
    bool fake, plain;
    struct cluster *cluster;
    struct dusk_client *client;
};

static void must(int rc, const struct err_text *text)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "bench_driver: %s\n", text->line);
    exit(1);
}

static void must_dusk(int rc)
{
    struct err_text text;
    must(rc < 0 ? watch_failed(rc, &text) : 0, &text);
}

/* ---- clusters ---- */

static void link_program(const char *directory, const char *name, const char *program,
                         const char *folder)
{
    char path[PATH_MAX], target[PATH_MAX];
    struct err_text text;
    must(cluster_find_daemon(program, folder, target, &text), &text);
    snprintf(path, sizeof path, "%s/%s", directory, name);
    char *real = realpath(target, NULL);
    if (!real || symlink(real, path) < 0)
        abort();
    free(real);
}

static void unlink_program(const char *directory, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    unlink(path);
}

/* A cluster whose dusk-worker is another program. */
static void start_fakes(const struct cluster_options *options, struct cluster **cluster)
{
    char directory[] = "/tmp/bench_driver-XXXXXX";
    const char *given = getenv("DUSK_BINDIR");
    char *before = given ? strdup(given) : NULL;
    struct err_text text;
    if (!mkdtemp(directory))
        abort();
    link_program(directory, "dusk-scheduler", "dusk-scheduler", "scheduler");
    link_program(directory, "dusk-worker", "fake_workers", "tests/bench");
    setenv("DUSK_BINDIR", directory, 1);
    must(cluster_start(options, cluster, &text), &text);
    if (before)
        setenv("DUSK_BINDIR", before, 1);
    else
        unsetenv("DUSK_BINDIR");
    free(before);
    unlink_program(directory, "dusk-scheduler");
    unlink_program(directory, "dusk-worker");
    rmdir(directory);
}

static void cluster_open(struct bench *bench)
{
    char columns[40];
    const char *fake_args[] = {columns, NULL};
    struct err_text text;
    snprintf(columns, sizeof columns, "--columns=%lld", (long long)bench->columns);
    struct cluster_options options = {.workers = WORKERS,
                                      .threads = 1,
                                      .plain = bench->plain,
                                      .worker_args = bench->fake ? fake_args : NULL};
    if (bench->fake)
        start_fakes(&options, &bench->cluster);
    else
        must(cluster_start(&options, &bench->cluster, &text), &text);
    struct dusk_options connection = {.address = cluster_address(bench->cluster),
                                      .keys = cluster_keys(bench->cluster),
                                      .timeout_s = TIMEOUT_S};
    must_dusk(dusk_connect_with(&connection, &bench->client));
    must_dusk(dusk_wait_for_workers(bench->client, WORKERS, TIMEOUT_S));
}

static void cluster_shut(struct bench *bench)
{
    dusk_close(bench->client);
    cluster_stop(bench->cluster);
}

/* ---- models ---- */

/* `count` references to one future. */
static struct dusk_future **repeat(struct dusk_future *future, int64_t count)
{
    struct dusk_future **all = calloc((size_t)count, sizeof *all);
    for (int64_t i = 0; all && i < count; i++)
        all[i] = dusk_future_ref(future);
    return all;
}

/* What fake workers are said to have. */
static struct dusk_future *anything(struct dusk_client *client)
{
    struct dusk_future *future;
    must_dusk(dusk_submit(client, &future, "anything", ""));
    return future;
}

/* The model of `chunks` copies of the only chunk of `one`, in this bench's cluster. */
static struct model many(const struct bench *bench, struct dataset *data,
                         int64_t chunks)
{
    const struct model *one = &bench->one;
    struct model model = *one;
    *data = *one->data;
    data->client = bench->client;
    data->chunks = chunks;
    model.data = data;
    struct dusk_future *nothing = bench->fake ? anything(bench->client) : NULL;
    model.gram = repeat(nothing ? nothing : one->gram[0], chunks);
    model.factor = repeat(nothing ? nothing : one->factor[0], chunks);
    if (nothing)
        dusk_future_unref(nothing);
    if (!model.gram || !model.factor || metric_init(&model.metric, chunks, model.q) < 0)
        abort();
    for (int64_t i = 0; i < chunks; i++)
        metric_set(&model.metric, i, ROWS, metric_row(&one->metric, 0));
    return model;
}

static void many_fini(struct model *model)
{
    dusk_release(model->gram, (int)model->data->chunks);
    dusk_release(model->factor, (int)model->data->chunks);
    free(model->gram);
    free(model->factor);
    metric_fini(&model->metric);
}

/* ---- measurements ---- */

/* Processor time of this process, of the scheduler and of the workers. */
enum { HERE, SCHEDULER, WORKER, PARTIES };

struct reading {
    uint64_t clock_ns;
    uint64_t cpu_ns[PARTIES];
};

/* The driver tells how far it is after each arrival. */
struct meter {
    const struct bench *bench;
    int64_t updates, first, last;
    struct reading begin, end;
};

static uint64_t process_cpu_ns(pid_t pid)
{
    clockid_t clock;
    struct timespec time;
    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &time) < 0)
        abort();
    return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

/* What a nanny looks after, or the process itself when it is none. */
static pid_t child_of(pid_t pid)
{
    char path[64];
    pid_t child = pid;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%d", &child) != 1)
        child = pid;
    if (file)
        fclose(file);
    return child;
}

static struct reading read_clocks(const struct bench *bench)
{
    struct reading reading = {clock_monotonic_ns(), {clock_cpu_ns()}};
    reading.cpu_ns[SCHEDULER] = process_cpu_ns(cluster_scheduler_pid(bench->cluster));
    for (int i = 0; i < WORKERS; i++)
        reading.cpu_ns[WORKER] +=
            process_cpu_ns(child_of(cluster_worker_pid(bench->cluster, i)));
    return reading;
}

static void count_update(void *arg, const char *stage, int64_t done, int64_t total)
{
    struct meter *meter = arg;
    if (strcmp(stage, "admm") != 0)
        return;
    if (++meter->updates == meter->first)
        meter->begin = read_clocks(meter->bench);
    else if (meter->updates == meter->last)
        meter->end = read_clocks(meter->bench);
}

/* Runs until the meter is full. */
static void run_driver(const struct bench *bench, int64_t chunks, struct meter *meter)
{
    struct dataset data;
    struct err_text text;
    struct run run;
    struct model model = many(bench, &data, chunks);
    struct run_options options = {.variant = ADMM_ASYNC,
                                  .local = LOCAL_GRAM,
                                  .threads = WORKERS,
                                  .tolerance = 1,
                                  .handover = 1e-300,
                                  .max_updates = meter->last};
    model.watch = (struct watch){.progress = count_update, .arg = meter};
    must(run_execute(&model, &options, &run, &text), &text);
    run_fini(&run);
    many_fini(&model);
    if (!meter->end.clock_ns)
        must(err_set(&text, DUSK_E_INTERNAL, "ended after %lld updates",
                     (long long)meter->updates),
             &text);
}

/* The first update of each chunk is not counted: it makes the pages of its state.
 * Returns what an arrival costs this process, in microseconds. */
static double measure(const struct bench *bench, int64_t chunks)
{
    struct meter meter = {
        .bench = bench, .first = chunks, .last = chunks + bench->updates};
    run_driver(bench, chunks, &meter);
    double us[PARTIES], count = (double)bench->updates;
    double seconds = (double)(meter.end.clock_ns - meter.begin.clock_ns) * 1e-9;
    for (int i = 0; i < PARTIES; i++)
        us[i] = (double)(meter.end.cpu_ns[i] - meter.begin.cpu_ns[i]) * 1e-3 / count;
    printf("%-14s  %-4s  %7lld  %10.0f  %9.1f  %12.1f  %10.1f\n",
           bench->fake ? "answer at once" : "compute", bench->plain ? "no" : "yes",
           (long long)chunks, count / seconds, us[HERE], us[SCHEDULER], us[WORKER]);
    fflush(stdout);
    return us[HERE];
}

static void measure_both(const struct bench *bench)
{
    double few_us = measure(bench, 1000), many_us = measure(bench, 100000);
    printf("100,000 chunks against 1,000, us here: %.2f\n", many_us / few_us);
}

static void measure_cluster(int64_t columns, int64_t updates, bool plain)
{
    struct bench bench = {.columns = columns, .updates = updates, .plain = plain};
    struct published spec = {
        .family = "normal", .rows = ROWS, .columns = columns, .chunks = 1, .seed = 1};
    struct watch nobody = {0};
    struct dataset data;
    struct err_text text;
    cluster_open(&bench);
    must(dataset_published(bench.client, &spec, &data, &text), &text);
    must(model_create(&data, 7.2, false, &nobody, NULL, &bench.one, &text), &text);
    measure_both(&bench);
    struct bench fakes = bench;
    fakes.fake = true;
    cluster_open(&fakes);
    measure_both(&fakes);
    cluster_shut(&fakes);
    model_fini(&bench.one);
    dataset_fini(&data);
    cluster_shut(&bench);
}

int main(int argc, char **argv)
{
    int64_t columns = argc > 1 ? atoll(argv[1]) : 100;
    int64_t updates = argc > 2 ? atoll(argv[2]) : 50000;
    printf("%-14s  %-4s  %7s  %10s  %9s  %12s  %10s\n", "workers", "keys", "chunks",
           "arrivals/s", "us (here)", "us scheduler", "us workers");
    measure_cluster(columns, updates, false);
    measure_cluster(columns, updates, true);
    return 0;
}
