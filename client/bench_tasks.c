/* Tasks that do nothing: how many a second, and how long one takes. */
#include "client/bench.h"
#include "client/session.h"
#include "common/clock.h"
#include "common/options.h"

#include <stdlib.h>

#define TRIPS 1000 /* round trips a round, at most */
#define ROUND_S 120

struct tasks_arguments {
    int64_t tasks, rounds;
    struct session_options session;
    bool json;
};

/* ---- one round ---- */

static int measure_trips(struct session *session, double *us, int count,
                         struct err_text *text)
{
    for (int i = 0; i < count; i++) {
        struct dusk_future *future;
        uint64_t start_ns = clock_monotonic_ns();
        int rc = dusk_submit(session->client, &future, "noop", "");
        if (rc == 0)
            rc = watch_await(&session->watch, session->client, "", &future, 1, text);
        else
            watch_failed(rc, text);
        us[i] = (double)(clock_monotonic_ns() - start_ns) / 1e3;
        dusk_release(&future, 1);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int measure_map(struct session *session, struct dusk_future **futures, int tasks,
                       double *ret_per_second, struct err_text *text)
{
    uint64_t start_ns = clock_monotonic_ns();
    int rc = dusk_map(session->client, futures, tasks, "noop", "");
    if (rc == 0)
        rc = dusk_wait(futures, tasks, DUSK_ALL, ROUND_S);
    uint64_t done_ns = clock_monotonic_ns();
    dusk_release(futures, tasks);
    *ret_per_second = tasks / ((double)(done_ns - start_ns) / 1e9);
    return rc < 0 ? watch_failed(rc, text) : 0;
}

static int measure(const struct tasks_arguments *a, struct session *session,
                   struct figures *figures, struct err_text *text)
{
    int tasks = (int)a->tasks, trips = tasks < TRIPS ? tasks : TRIPS, rc = 0;
    int rounds = (int)a->rounds;
    struct dusk_future **futures = calloc((size_t)tasks, sizeof *futures);
    double *us = calloc((size_t)trips, sizeof *us);
    double *rows = calloc((size_t)rounds * 3, sizeof *rows);
    if (!futures || !us || !rows)
        rc = err_set(text, DUSK_E_NOMEM, "no memory for %d tasks", tasks);
    for (int i = 0; rc == 0 && i < rounds; i++) {
        rc = measure_trips(session, us, trips, text);
        if (rc == 0)
            rc = measure_map(session, futures, tasks, &rows[i], text);
        rows[rounds + i] = bench_percentile(us, trips, 0.5);
        rows[2 * rounds + i] = bench_percentile(us, trips, 0.99);
    }
    if (rc == 0) {
        figures_add(figures, "tasks_per_second", "/s", rows, rounds);
        figures_add(figures, "rtt_p50_us", "us", rows + rounds, rounds);
        figures_add(figures, "rtt_p99_us", "us", rows + 2 * rounds, rounds);
    }
    free(futures);
    free(us);
    free(rows);
    return rc;
}

/* ---- the command ---- */

static int parse(int argc, char **argv, struct tasks_arguments *a)
{
    const struct option_spec options[] = {
        {.name = "tasks",
         .argument = "T",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = 10000000,
         .to.integer = &a->tasks,
         .shown = true,
         .help = "tasks a round"},
        {.name = "rounds",
         .argument = "R",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = 1000,
         .to.integer = &a->rounds,
         .shown = true,
         .help = "of which the median is shown"},
        SESSION_OPTION_ROWS(&a->session),
        {.kind = OPTION_GROUP, .help = "Output"},
        {.name = "json",
         .kind = OPTION_FLAG,
         .to.flag = &a->json,
         .help = "print JSON on standard output instead of a table"},
        {0},
    };
    const struct command command = {
        .name = "dusk bench tasks",
        .summary = "Measures tasks that do nothing: tasks a second, and the time from "
                   "submit to result.",
        .options = options,
        .epilogue = "Exit codes: 0 done, 1 failed, 2 usage.",
    };
    int rc = options_parse(&command, argc, argv, stdout, stderr);
    return rc == OPTIONS_RUN ? session_check(&a->session, &command) : rc;
}

int bench_tasks(int argc, char **argv)
{
    struct tasks_arguments a = {
        .tasks = 100000, .rounds = 5, .session.timeout_ns = SESSION_TIMEOUT_NS};
    int rc = parse(argc, argv, &a);
    if (rc != OPTIONS_RUN)
        return rc == OPTIONS_DONE ? COMMAND_DONE : COMMAND_USAGE;
    struct err_text text = {""};
    struct session session = {0};
    struct figures figures = {0};
    rc = session_start(&a.session, &session, &text);
    if (rc == 0)
        rc = measure(&a, &session, &figures, &text);
    session_stop(&session);
    if (rc < 0) {
        fprintf(stderr, "dusk bench tasks: %s\n", text.line);
        return COMMAND_FAILED;
    }
    return figures_print(&figures, "dusk bench tasks", a.json);
}
