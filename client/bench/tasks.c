/* Tasks that do nothing: how many a second, how long one takes, and what the scheduler
 * spends on one, in turn with the relay of bench_relay.h in the same run. */
#include "client/bench/figures.h"
#include "client/bench/patterns.h"
#include "client/bench/relay.h"
#include "client/bench/usage.h"

#include <stdlib.h>

#define TRIPS 1000       /* round trips a round, at most */
#define HELD_LEAST 10000 /* tasks held: with fewer, memory is counted in pages */
#define HELD_COMPARED (10 * HELD_LEAST) /* so many tell what one more costs */
#define HELD_AT_ONCE 1000

struct tasks_arguments {
    int64_t tasks, rounds, in_flight;
    struct session_options session;
    bool json;
};

/* What is measured once a round.  Ratios are of the round's own figures. */
enum measure {
    RATE, /* then one for each further pattern, in their order */
    RTT_P50 = RATE + PATTERNS,
    RTT_P99,
    RELAY_RATE,
    RELAY_RTT_P50,
    RELAY_RTT_P99,
    RATE_TO_RELAY,
    RTT_TO_RELAY,
    ENCRYPTED_RATE,
    ENCRYPTED_RTT_P50,
    ENCRYPTED_RTT_P99,
    ENCRYPTED_TO_PLAIN,
    SCHEDULER_CPU,
    CLIENT_CPU,
    WORKERS_CPU,
    RELAY_CPU,
    CPU_TO_RELAY,
    MEASURES
};

static const struct {
    const char *name, *unit;
} measures[MEASURES] = {
    [RATE + PATTERN_MAP] = {"tasks_per_second", "/s"},
    [RATE + PATTERN_SUBMIT] = {"submit_tasks_per_second", "/s"},
    [RATE + PATTERN_POOL] = {"as_completed_tasks_per_second", "/s"},
    [RATE + PATTERN_CHAINS] = {"chains_tasks_per_second", "/s"},
    [RATE + PATTERN_TREE] = {"tree_tasks_per_second", "/s"},
    [RTT_P50] = {"rtt_p50_us", "us"},
    [RTT_P99] = {"rtt_p99_us", "us"},
    [RELAY_RATE] = {"relay_tasks_per_second", "/s"},
    [RELAY_RTT_P50] = {"relay_rtt_p50_us", "us"},
    [RELAY_RTT_P99] = {"relay_rtt_p99_us", "us"},
    [RATE_TO_RELAY] = {"rate_to_relay", "x"},
    [RTT_TO_RELAY] = {"rtt_to_relay", "x"},
    [ENCRYPTED_RATE] = {"encrypted_tasks_per_second", "/s"},
    [ENCRYPTED_RTT_P50] = {"encrypted_rtt_p50_us", "us"},
    [ENCRYPTED_RTT_P99] = {"encrypted_rtt_p99_us", "us"},
    [ENCRYPTED_TO_PLAIN] = {"encrypted_rate_to_plain", "x"},
    [SCHEDULER_CPU] = {"scheduler_cpu_us_per_task", "us"},
    [CLIENT_CPU] = {"client_cpu_us_per_task", "us"},
    [WORKERS_CPU] = {"workers_cpu_us_per_task", "us"},
    [RELAY_CPU] = {"relay_cpu_us_per_task", "us"},
    [CPU_TO_RELAY] = {"cpu_to_relay", "x"},
};

struct bench {
    const struct tasks_arguments *arguments;
    struct session session;   /* its own without keys, or somebody else's */
    struct session encrypted; /* its own with keys; no client: none */
    struct relay *relay;
    int workers, trips, held;
    int future_count;             /* tasks or held, whichever is more */
    struct dusk_future **futures; /* (future_count) NULL where there is none */
    double *us;                   /* (trips) */
    double *values;               /* (MEASURES x rounds) */
    int counts[MEASURES];         /* rounds that were measured */
    double bytes_per_task, held_cost;
};

static void note(struct bench *bench, enum measure measure, double value)
{
    bench->values[measure * bench->arguments->rounds + bench->counts[measure]++] =
        value;
}

/* What this round, which is noted already, has measured. */
static double noted(const struct bench *bench, enum measure measure)
{
    return bench
        ->values[measure * bench->arguments->rounds + bench->counts[measure] - 1];
}

static struct load load_of(const struct bench *bench, struct session *session)
{
    return (struct load){
        .watch = &session->watch,
        .client = session->client,
        .tasks = (int)bench->arguments->tasks,
        .in_flight = (int)bench->arguments->in_flight,
        .futures = bench->futures,
    };
}

/* ---- tasks that are held ---- */

/* In slices, so that it is the tasks that take the memory, and not messages that wait:
 * what each costs the scheduler, and what it takes in the end. */
static int hold(struct bench *bench, double *slices_us, struct usage *ret_usage,
                struct err_text *text)
{
    struct load load = load_of(bench, &bench->session);
    int rc = 0;
    load.tasks = HELD_AT_ONCE;
    for (int i = 0; rc == 0 && i < bench->held / HELD_AT_ONCE; i++) {
        struct usage before = *ret_usage;
        load.futures = bench->futures + i * HELD_AT_ONCE;
        watch_progress(load.watch, "tasks are held", i * HELD_AT_ONCE, bench->held);
        int count = patterns[PATTERN_MAP].run(&load, text);
        rc = count < 0 ? count : watch_stopped(load.watch, text);
        if (rc == 0)
            rc = usage_read(&bench->session, ret_usage, text);
        slices_us[i] = ret_usage->scheduler_cpu_us - before.scheduler_cpu_us;
    }
    return rc;
}

/* The first that a new scheduler does, since it may keep what it has had. */
static int measure_held(struct bench *bench, struct err_text *text)
{
    struct load load = load_of(bench, &bench->session);
    int slices = bench->held / HELD_AT_ONCE, few = HELD_LEAST / HELD_AT_ONCE;
    double us, *slices_us = calloc((size_t)slices, sizeof *slices_us);
    struct usage usage = {0};
    if (!slices_us)
        return err_set(text, DUSK_E_NOMEM, "no memory for %d tasks", bench->held);
    int rc = pattern_round_trips(&load, &us, 1, text);
    if (rc == 0)
        rc = usage_read(&bench->session, &usage, text);
    double before_bytes = usage.scheduler_rss_bytes;
    if (rc == 0)
        rc = hold(bench, slices_us, &usage, text);
    if (rc == 0)
        rc = pattern_release(&load, bench->held, text);
    bench->bytes_per_task = (usage.scheduler_rss_bytes - before_bytes) / bench->held;
    if (bench->held >= HELD_COMPARED)
        bench->held_cost = bench_median(slices_us + slices - slices / 10, slices / 10) /
                           bench_median(slices_us + few, slices / 10);
    free(slices_us);
    return rc;
}

/* ---- one round ---- */

static void note_trips(struct bench *bench, enum measure p50, enum measure p99)
{
    note(bench, p50, bench_percentile(bench->us, bench->trips, 0.5));
    note(bench, p99, bench_percentile(bench->us, bench->trips, 0.99));
}

static int measure_trips(struct bench *bench, struct session *session, enum measure p50,
                         enum measure p99, struct err_text *text)
{
    struct load load = load_of(bench, session);
    int rc = pattern_round_trips(&load, bench->us, bench->trips, text);
    if (rc == 0)
        note_trips(bench, p50, p99);
    return rc;
}

static int measure_pattern(struct bench *bench, struct session *session, int pattern,
                           enum measure measure, struct err_text *text)
{
    struct load load = load_of(bench, session);
    double per_second;
    int rc = pattern_time(&patterns[pattern], &load, &per_second, text);
    if (rc == 0)
        note(bench, measure, per_second);
    return rc;
}

static int measure_relay(struct bench *bench, struct err_text *text)
{
    double per_second, tasks = (double)bench->arguments->tasks;
    int rc = relay_round_trips(bench->relay, bench->us, bench->trips, text);
    if (rc < 0)
        return rc;
    note_trips(bench, RELAY_RTT_P50, RELAY_RTT_P99);
    double before_us = relay_cpu_us(bench->relay);
    rc = relay_stream(bench->relay, (int)bench->arguments->tasks, &per_second, text);
    if (rc < 0)
        return rc;
    note(bench, RELAY_RATE, per_second);
    note(bench, RELAY_CPU, (relay_cpu_us(bench->relay) - before_us) / tasks);
    return 0;
}

/* Processor time is from the submits until the tasks are forgotten. */
static int measure_map(struct bench *bench, struct err_text *text)
{
    double tasks = (double)bench->arguments->tasks;
    struct usage before = {0}, after = {0};
    int rc = usage_read(&bench->session, &before, text);
    if (rc == 0)
        rc = measure_pattern(bench, &bench->session, PATTERN_MAP, RATE, text);
    if (rc == 0)
        rc = usage_read(&bench->session, &after, text);
    if (rc < 0)
        return rc;
    note(bench, SCHEDULER_CPU,
         (after.scheduler_cpu_us - before.scheduler_cpu_us) / tasks);
    note(bench, CLIENT_CPU, (after.client_cpu_us - before.client_cpu_us) / tasks);
    if (!bench->session.cluster)
        return 0;
    note(bench, WORKERS_CPU, (after.workers_cpu_us - before.workers_cpu_us) / tasks);
    note(bench, CPU_TO_RELAY,
         (noted(bench, SCHEDULER_CPU) + noted(bench, CLIENT_CPU) +
          noted(bench, WORKERS_CPU)) /
             noted(bench, RELAY_CPU));
    return 0;
}

static int measure_encrypted(struct bench *bench, struct err_text *text)
{
    int rc =
        measure_pattern(bench, &bench->encrypted, PATTERN_MAP, ENCRYPTED_RATE, text);
    if (rc == 0)
        rc = measure_trips(bench, &bench->encrypted, ENCRYPTED_RTT_P50,
                           ENCRYPTED_RTT_P99, text);
    if (rc == 0)
        note(bench, ENCRYPTED_TO_PLAIN,
             noted(bench, ENCRYPTED_RATE) / noted(bench, RATE));
    return rc;
}

static int measure_round(struct bench *bench, struct err_text *text)
{
    int rc = measure_relay(bench, text);
    if (rc == 0)
        rc = measure_map(bench, text);
    if (rc == 0)
        rc = measure_trips(bench, &bench->session, RTT_P50, RTT_P99, text);
    if (rc == 0 && bench->encrypted.client)
        rc = measure_encrypted(bench, text);
    for (int i = PATTERN_MAP + 1; rc == 0 && i < PATTERNS; i++)
        rc = measure_pattern(bench, &bench->session, i, RATE + i, text);
    if (rc < 0)
        return rc;
    note(bench, RATE_TO_RELAY, noted(bench, RATE) / noted(bench, RELAY_RATE));
    note(bench, RTT_TO_RELAY, noted(bench, RTT_P50) / noted(bench, RELAY_RTT_P50));
    return 0;
}

/* ---- all rounds ---- */

static int measure(struct bench *bench, struct err_text *text)
{
    const struct tasks_arguments *a = bench->arguments;
    struct session *session = &bench->session;
    int rc = measure_held(bench, text);
    for (int i = 0; rc == 0 && i < a->rounds; i++) {
        watch_progress(&session->watch, "rounds", i, a->rounds);
        rc = measure_round(bench, text);
    }
    if (rc < 0 && watch_stopped(&session->watch, text) < 0)
        rc = DUSK_E_CANCELLED; /* the better reason */
    return rc;
}

/* The threads of the cluster that is to be measured: looked up and left again, since
 * the relay has as many workers and is started before this process has threads. */
static int count_workers(struct bench *bench, const struct session_options *options,
                         struct err_text *text)
{
    struct session session = {0};
    int rc = session_start(options, &session, text);
    bench->workers = session.threads;
    session_stop(&session);
    return rc;
}

static int bench_start(struct bench *bench, struct err_text *text)
{
    struct session_options options = bench->arguments->session;
    options.plain = true;
    int rc = count_workers(bench, &options, text);
    int relays =
        bench->workers < CLUSTER_WORKERS_MAX ? bench->workers : CLUSTER_WORKERS_MAX;
    if (rc == 0)
        rc = relay_start(relays, &bench->relay, text);
    if (rc == 0)
        rc = session_start(&options, &bench->session, text);
    options.plain = false;
    if (rc == 0 && bench->session.cluster)
        rc = session_start(&options, &bench->encrypted, text);
    return rc;
}

static int bench_init(struct bench *bench, const struct tasks_arguments *a,
                      struct err_text *text)
{
    int tasks = (int)a->tasks;
    bench->arguments = a;
    bench->trips = tasks < TRIPS ? tasks : TRIPS;
    bench->held = tasks < HELD_LEAST ? HELD_LEAST : tasks;
    bench->held -= bench->held % HELD_AT_ONCE;
    bench->future_count = tasks > bench->held ? tasks : bench->held;
    bench->futures = calloc((size_t)bench->future_count, sizeof *bench->futures);
    bench->us = calloc((size_t)bench->trips, sizeof *bench->us);
    bench->values = calloc((size_t)(MEASURES * a->rounds), sizeof *bench->values);
    if (!bench->futures || !bench->us || !bench->values)
        return err_set(text, DUSK_E_NOMEM, "no memory for %d tasks", tasks);
    return 0;
}

static void bench_fini(struct bench *bench)
{
    relay_stop(bench->relay);
    if (bench->futures)
        dusk_release(bench->futures, bench->future_count);
    session_stop(&bench->encrypted);
    session_stop(&bench->session);
    free(bench->futures);
    free(bench->us);
    free(bench->values);
}

static void report(const struct bench *bench, struct figures *figures)
{
    const struct tasks_arguments *a = bench->arguments;
    for (int i = 0; i < MEASURES; i++)
        if (bench->counts[i])
            figures_add(figures, measures[i].name, measures[i].unit,
                        &bench->values[i * a->rounds], bench->counts[i]);
    figures_add_one(figures, "scheduler_bytes_per_task", "bytes",
                    bench->bytes_per_task);
    if (bench->held_cost > 0)
        figures_add_one(figures, "scheduler_cpu_held_ratio", "x", bench->held_cost);
    figures_add_one(figures, "workers", "", bench->workers);
    figures_add_one(figures, "tasks", "", (double)a->tasks);
    figures_add_one(figures, "in_flight", "", (double)a->in_flight);
    figures_add_one(figures, "rounds", "", (double)a->rounds);
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
         .help = "tasks a round, and to be held"},
        {.name = "in-flight",
         .argument = "K",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = 1000000,
         .to.integer = &a->in_flight,
         .shown = true,
         .help = "tasks under way in as_completed_tasks_per_second"},
        ROUNDS_OPTION_ROW(&a->rounds),
        SESSION_OPTION_ROWS(&a->session),
        FIGURES_OPTION_ROWS(&a->json),
        {0},
    };
    const struct command command = {
        .name = "dusk bench tasks",
        .summary =
            "Measures tasks that do nothing: how many a second, the time from one "
            "task's submit to its result, and what the scheduler spends on a task; in "
            "turn with a bare ZeroMQ relay: the same hops between as many processes, "
            "one message a hop, no scheduling.",
        .options = options,
        .epilogue =
            "tasks_per_second is of one dusk_map until all results are here; the other "
            "rates are of single submits, of a pool that is refilled as results come, "
            "of "
            "chains of 100 tasks, and of a sum two by two.  Its own clusters have "
            "workers "
            "of one thread: one without keys, like the relay, for all figures but "
            "those "
            "that are called encrypted.\n\n"
            "scheduler_bytes_per_task is what the scheduler's memory grows by while "
            "the "
            "tasks (10000 at least) are held; a scheduler that was busy before may "
            "show "
            "too little.  With 100000 tasks, scheduler_cpu_held_ratio is what the last "
            "tenth of them cost the scheduler, against as many after the first 10000.  "
            "Processor time is of all that a task costs, its release included.\n\n"
            "Exit codes: 0 done, 1 failed, 2 usage.",
    };
    int rc = options_parse(&command, argc, argv, stdout, stderr);
    return rc == OPTIONS_RUN ? session_check(&a->session, &command) : rc;
}

int bench_tasks(int argc, char **argv)
{
    struct tasks_arguments a = {.tasks = 100000,
                                .in_flight = 100,
                                .rounds = 5,
                                .session.timeout_ns = SESSION_TIMEOUT_NS};
    int rc = parse(argc, argv, &a);
    if (rc != OPTIONS_RUN)
        return rc == OPTIONS_DONE ? COMMAND_DONE : COMMAND_USAGE;
    struct err_text text = {""};
    struct bench bench = {0};
    struct figures figures = {0};
    rc = bench_init(&bench, &a, &text);
    if (rc == 0)
        rc = bench_start(&bench, &text);
    if (rc == 0)
        rc = measure(&bench, &text);
    if (rc == 0)
        report(&bench, &figures);
    bench_fini(&bench);
    return rc < 0 ? command_fail("dusk bench tasks", text.line)
                  : figures_print(&figures, "dusk bench tasks", a.json);
}
