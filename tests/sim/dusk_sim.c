/* The command: runs seeds, and says how to run one that fails again. */
#include "common/clock.h"
#include "common/options.h"
#include "common/plant.h"
#include "tests/sim/faults.h"
#include "tests/sim/invariants.h"
#include "tests/sim/shrink.h"
#include "tests/sim/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct workload *const workloads[] = {
    &workload_graph, &workload_data, &workload_admm, &workload_keep, &workload_mixed};
static const char *const workload_names[] = {"graph", "data",  "admm",
                                             "keep",  "mixed", NULL};

#ifdef DUSK_PLANTED
const char *plant_name = "";
#endif

struct request {
    int64_t seed, seeds, steps, tasks, faults_most, chaos_ns, soak_ns;
    const char *faults;
    int workload;
    bool shrink, find, twice, verbose, invariants;
};

struct totals {
    uint64_t runs, failures;
    struct figures figures;
};

static void figures_add(struct figures *sum, const struct figures *more)
{
    sum->steps += more->steps;
    sum->messages += more->messages;
    sum->tasks += more->tasks;
    sum->virtual_ns += more->virtual_ns;
    for (unsigned kind = 0; kind < FAULTS; kind++)
        sum->faults[kind] += more->faults[kind];
}

static void totals_print(const struct totals *totals)
{
    const struct figures *figures = &totals->figures;
    uint64_t faults = 0;
    for (unsigned kind = 0; kind < FAULTS; kind++)
        faults += figures->faults[kind];
    printf("%llu seeds, %llu failed; %.3f virtual hours, %llu steps, %llu messages, "
           "%llu tasks\n%llu faults:",
           (unsigned long long)totals->runs, (unsigned long long)totals->failures,
           (double)figures->virtual_ns / 3600e9, (unsigned long long)figures->steps,
           (unsigned long long)figures->messages, (unsigned long long)figures->tasks,
           (unsigned long long)faults);
    for (unsigned kind = 0; kind < FAULTS; kind++)
        if (figures->faults[kind])
            printf(" %s %llu", fault_name((enum fault_kind)kind),
                   (unsigned long long)figures->faults[kind]);
    printf("\n");
}

/* ---- one seed ---- */

static void faults_print(uint32_t faults)
{
    const char *before = " --faults ";
    if (faults == (UINT32_C(1) << FAULTS) - 1)
        return;
    if (!faults)
        printf("%snone", before);
    for (unsigned kind = 0; kind < FAULTS; kind++)
        if (faults >> kind & 1) {
            printf("%s%s", before, fault_name((enum fault_kind)kind));
            before = ",";
        }
}

/* The command that runs the plan again. */
static void plan_print(const struct plan *plan)
{
    printf("dusk-sim --workload %s --seed %llu", plan->workload->name,
           (unsigned long long)plan->seed);
    faults_print(plan->faults);
    if (plan->faults_most >= 0)
        printf(" --faults-most %lld", (long long)plan->faults_most);
    if (plan->tasks)
        printf(" --tasks %lld", (long long)plan->tasks);
    if (plan->chaos_ns)
        printf(" --chaos %lldns", (long long)plan->chaos_ns);
    printf("\n");
}

static void failure_print(const struct request *request, const struct plan *plan,
                          const struct err_text *text)
{
    printf("seed %llu: FAILED %s\n  again: ", (unsigned long long)plan->seed,
           text->line);
    plan_print(plan);
    if (request->shrink) {
        struct plan less = *plan;
        struct err_text line = *text;
        plan_shrink(&less, &line);
        printf("  smaller: %s\n  again: ", line.line);
        plan_print(&less);
    }
    fflush(stdout);
}

static int run_again(const struct plan *plan, const struct figures *before,
                     struct err_text *text)
{
    struct figures figures;
    int rc = world_run(plan, &figures, text);
    if (rc == 0 && figures.hash != before->hash)
        rc =
            err_set(text, DUSK_E_INTERNAL,
                    "the same seed gives trace %016llx, and then %016llx",
                    (unsigned long long)before->hash, (unsigned long long)figures.hash);
    return rc;
}

static void run_one(const struct request *request, const struct plan *plan,
                    struct totals *totals)
{
    struct figures figures;
    struct err_text text;
    int rc = world_run(plan, &figures, &text);
    totals->runs++;
    figures_add(&totals->figures, &figures);
    if (rc == 0 && request->twice)
        rc = run_again(plan, &figures, &text);
    if (rc < 0) {
        totals->failures++;
        failure_print(request, plan, &text);
    } else if (request->seeds == 1 && !request->soak_ns) {
        printf("seed %llu: trace %016llx\n", (unsigned long long)plan->seed,
               (unsigned long long)figures.hash);
    }
}

/* ---- many ---- */

static int64_t wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * (int64_t)NS_PER_S + now.tv_nsec;
}

static int run_all(const struct request *request, struct plan *plan)
{
    struct totals totals = {0};
    int64_t until_ns = wall_ns() + request->soak_ns;
    for (int64_t i = 0; request->soak_ns ? wall_ns() < until_ns : i < request->seeds;
         i++) {
        plan->seed = (uint64_t)(request->seed + i);
        run_one(request, plan, &totals);
        if (request->find && totals.failures)
            break;
    }
    totals_print(&totals);
    return request->find ? !totals.failures : totals.failures > 0;
}

static int plan_make(const struct request *request, const struct command *command,
                     struct plan *ret_plan)
{
    char word[32];
    *ret_plan = (struct plan){.workload = workloads[request->workload],
                              .faults_most = request->faults_most,
                              .tasks = request->tasks,
                              .chaos_ns = request->chaos_ns,
                              .steps = request->steps,
                              .verbose = request->verbose};
    if (faults_parse(request->faults, &ret_plan->faults, word))
        return 0;
    return options_complain(command, stderr, "--faults: '%s' is no kind of fault",
                            word);
}

static const char summary[] =
    "Runs clusters in one process, under a virtual clock and a network that one seed "
    "disturbs: the production cores of scheduler, workers and clients. After each step "
    "all invariants are checked; every program must get what it asked for, and nothing "
    "may be left in the end.";

static const char epilogue[] =
    "The same seed gives the same trace on any machine for the workloads graph, data "
    "and keep. Those that fit (admm, mixed) depend on the last bits of floating-point "
    "results: they repeat on one machine with one BLAS.\n\n"
    "Kinds of faults: drop, mute, full, slow, duplicate, one-way, partition, "
    "kill-worker, kill-client, kill-scheduler, retire, pause, clock, disk, read, "
    "memory, journal, tear.\n\n"
    "Exit codes: 0 all is well, 1 a seed failed, 2 usage.";

int main(int argc, char **argv)
{
    struct request request = {
        .seed = 1, .seeds = 1, .faults = "all", .faults_most = -1, .steps = 2000000};
    const struct option_spec options[] = {
        {.name = "seed",
         .argument = "N",
         .kind = OPTION_INTEGER,
         .most = INT64_MAX,
         .to.integer = &request.seed,
         .shown = true,
         .help = "the first seed"},
        {.name = "seeds",
         .argument = "COUNT",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = INT64_MAX,
         .to.integer = &request.seeds,
         .shown = true,
         .help = "so many, one after the other"},
        {.name = "soak",
         .argument = "TIME",
         .kind = OPTION_DURATION,
         .least = 1,
         .most = INT64_MAX,
         .to.integer = &request.soak_ns,
         .help = "seeds for so long instead, by the wall clock"},
        {.name = "workload",
         .argument = "W",
         .kind = OPTION_CHOICE,
         .words = workload_names,
         .to.choice = &request.workload,
         .shown = true,
         .help = "what the clients do"},
        {.name = "faults",
         .argument = "LIST",
         .kind = OPTION_STRING,
         .to.string = &request.faults,
         .shown = true,
         .help = "all, none, or kinds with commas between them"},
        {.name = "faults-most",
         .argument = "K",
         .kind = OPTION_INTEGER,
         .least = -1,
         .most = INT64_MAX,
         .to.integer = &request.faults_most,
         .shown = true,
         .help = "none after the first K opportunities; -1: no limit"},
        {.name = "tasks",
         .argument = "K",
         .kind = OPTION_INTEGER,
         .most = 400,
         .to.integer = &request.tasks,
         .help = "tasks of each program (default: as the seed says)"},
        {.name = "chaos",
         .argument = "TIME",
         .kind = OPTION_DURATION,
         .least = 1,
         .most = INT64_MAX,
         .to.integer = &request.chaos_ns,
         .help = "virtual time in which faults happen (default: as the seed says)"},
        {.name = "steps",
         .argument = "M",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = INT64_MAX,
         .to.integer = &request.steps,
         .shown = true,
         .help = "more are a failure"},
        {.name = "shrink",
         .kind = OPTION_FLAG,
         .to.flag = &request.shrink,
         .help = "looks for a smaller run that fails, too"},
        {.name = "find",
         .kind = OPTION_FLAG,
         .to.flag = &request.find,
         .help = "ends at the first seed that fails: that is what is wanted, exit 0"},
        {.name = "twice",
         .kind = OPTION_FLAG,
         .to.flag = &request.twice,
         .help = "each seed twice: the traces must be the same"},
        {.name = "verbose",
         .kind = OPTION_FLAG,
         .to.flag = &request.verbose,
         .help = "every message, on standard error"},
        {.name = "invariants",
         .kind = OPTION_FLAG,
         .to.flag = &request.invariants,
         .help = "lists what is checked"},
#ifdef DUSK_PLANTED
        {.name = "plant",
         .argument = "BUG",
         .kind = OPTION_STRING,
         .to.string = &plant_name,
         .help = "has this bug (common/plant.h)"},
#endif
        {0},
    };
    const struct command command = {.name = "dusk-sim",
                                    .summary = summary,
                                    .options = options,
                                    .epilogue = epilogue};
    int rc = options_parse(&command, argc, argv, stdout, stderr);
    if (rc != OPTIONS_RUN)
        return rc == OPTIONS_DONE ? 0 : 2;
    if (request.invariants) {
        invariants_print();
        return 0;
    }
    struct plan plan;
    return plan_make(&request, &command, &plan) < 0 ? 2 : run_all(&request, &plan);
}
