/* The whole ADMM driver over futures: arrivals a second, and what one costs this
 * process, for a few chunks and for many.  All chunks are one and the same, so that
 * many fit; the local updates are real, on Gram matrices, by the workers of an embedded
 * cluster. Prints; asserts nothing.
 *
 *     bench_driver [COLUMNS [UPDATES]] */
#include "client/run.h"
#include "client/session.h"
#include "common/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 1000

static void must(int rc, const struct err_text *text)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "bench_driver: %s\n", text->line);
    exit(1);
}

/* `count` references to what `futures[0]` is. */
static struct dusk_future **repeat(struct dusk_future **futures, int64_t count)
{
    struct dusk_future **all = calloc((size_t)count, sizeof *all);
    for (int64_t i = 0; all && i < count; i++)
        all[i] = dusk_future_ref(futures[0]);
    return all;
}

/* The model of `chunks` copies of the only chunk of `one`. */
static struct model many(const struct model *one, struct dataset *data, int64_t chunks)
{
    struct model model = *one;
    *data = *one->data;
    data->chunks = chunks;
    model.data = data;
    model.gram = repeat(one->gram, chunks);
    model.factor = repeat(one->factor, chunks);
    if (!model.gram || !model.factor || metric_init(&model.metric, chunks, model.q) < 0)
        abort();
    for (int64_t i = 0; i < chunks; i++)
        metric_set(&model.metric, i, ROWS, metric_row(&one->metric, 0));
    return model;
}

static void measure(const struct model *one, const struct session *session,
                    int64_t chunks, int64_t updates)
{
    struct dataset data;
    struct err_text text;
    struct model model = many(one, &data, chunks);
    struct run_options options = {.variant = ADMM_ASYNC,
                                  .local = LOCAL_GRAM,
                                  .threads = session->threads,
                                  .tolerance = 1,
                                  .max_updates = updates};
    double seconds = 0, count = 0;
    uint64_t cpu_ns = clock_cpu_ns();
    while (count < (double)updates) {
        struct run run;
        must(run_execute(&model, &options, &run, &text), &text);
        seconds += run.admm_seconds;
        count += (double)run.counts.accepted;
        run_fini(&run);
    }
    double us = (double)(clock_cpu_ns() - cpu_ns) / 1e3 / count;
    printf("%7lld chunks  %8.0f arrivals/s  %5.1f us of this process each: %.0f/s\n",
           (long long)chunks, count / seconds, us, 1e6 / us);
    fflush(stdout);
    dusk_release(model.gram, (int)chunks);
    dusk_release(model.factor, (int)chunks);
    free(model.gram);
    free(model.factor);
    metric_fini(&model.metric);
}

int main(int argc, char **argv)
{
    struct session_options options = {.timeout_ns = SESSION_TIMEOUT_NS};
    struct published spec = {.family = "normal",
                             .rows = ROWS,
                             .columns = argc > 1 ? atoll(argv[1]) : 100,
                             .chunks = 1,
                             .seed = 1};
    int64_t updates = argc > 2 ? atoll(argv[2]) : 50000;
    struct session session;
    struct dataset data;
    struct model one;
    struct err_text text;
    must(session_start(&options, &session, &text), &text);
    must(dataset_published(session.client, &spec, &data, &text), &text);
    must(model_create(&data, 7.2, false, &session.watch, NULL, &one, &text), &text);
    for (int64_t chunks = 100; chunks <= 100000; chunks *= 10)
        measure(&one, &session, chunks, updates);
    model_fini(&one);
    dataset_fini(&data);
    session_stop(&session);
    return 0;
}
