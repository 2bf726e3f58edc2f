/* The command: runs seeds, and says how to run one that fails again. */
#include "common/options.h"
#include "tests/sim/faults.h"
#include "tests/sim/invariants.h"
#include "tests/sim/workload.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct workload *const workloads[] = {&workload_graph, &workload_data,
                                                   &workload_admm, &workload_mixed};
static const char *const workload_names[] = {"graph", "data", "admm", "mixed", NULL};

struct request {
    int64_t seed, seeds, steps, tasks, faults_most, chaos_ns, soak_ns;
    const char *faults;
    int workload;
    bool shrink, verbose, invariants;
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

static void figures_print(const struct figures *figures)
{
    printf("%llu steps, %.1f virtual seconds, %llu messages, %llu tasks\nfaults:",
           (unsigned long long)figures->steps, (double)figures->virtual_ns * 1e-9,
           (unsigned long long)figures->messages, (unsigned long long)figures->tasks);
    for (unsigned kind = 0; kind < FAULTS; kind++)
        if (figures->faults[kind])
            printf(" %s %llu", fault_name(kind),
                   (unsigned long long)figures->faults[kind]);
    printf("\n");
}

/* The command that runs the plan again. */
static void plan_print(const struct plan *plan, const char *faults)
{
    printf("dusk-sim --workload %s --seed %llu --faults %s", plan->workload->name,
           (unsigned long long)plan->seed, faults);
    if (plan->faults_most >= 0)
        printf(" --faults-most %lld", (long long)plan->faults_most);
    if (plan->tasks)
        printf(" --tasks %lld", (long long)plan->tasks);
    if (plan->chaos_ns)
        printf(" --chaos %lldms", (long long)(plan->chaos_ns / (int64_t)NS_PER_MS));
    printf("\n");
}

static int run_one(const struct request *request, struct plan *plan,
                   struct totals *totals)
{
    struct figures figures;
    struct err_text text;
    int rc = world_run(plan, &figures, &text);
    totals->runs++;
    figures_add(&totals->figures, &figures);
    if (rc == 0 && request->seeds == 1) {
        printf("seed %llu: trace %016llx\n", (unsigned long long)plan->seed,
               (unsigned long long)figures.hash);
        return 0;
    }
    if (rc == 0)
        return 0;
    totals->failures++;
    printf("seed %llu: FAILED %s\n  again: ", (unsigned long long)plan->seed,
           text.line);
    plan_print(plan, request->faults);
    fflush(stdout);
    return 1;
}

int main(int argc, char **argv)
{
    struct request request = {
        .seed = 1, .seeds = 1, .faults = "all", .faults_most = -1, .steps = 2000000};
    const struct option_spec options[] = {
        {.name = "seed",
         .argument = "N",
         .kind = OPTION_INTEGER,
         .least = 0,
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
         .help = "none after the first K opportunities"},
        {.name = "tasks",
         .argument = "K",
         .kind = OPTION_INTEGER,
         .least = 0,
         .most = 400,
         .to.integer = &request.tasks,
         .help = "tasks of each program (default: as the seed says)"},
        {.name = "chaos",
         .argument = "TIME",
         .kind = OPTION_DURATION,
         .least = 0,
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
        {.name = "verbose",
         .kind = OPTION_FLAG,
         .to.flag = &request.verbose,
         .help = "every message, on standard error"},
        {.name = "invariants",
         .kind = OPTION_FLAG,
         .to.flag = &request.invariants,
         .help = "prints what is checked"},
        {0},
    };
    const struct command command = {
        .name = "dusk-sim",
        .summary = "Runs simulated clusters.",
        .options = options,
    };
    int rc = options_parse(&command, argc, argv, stdout, stderr);
    if (rc != OPTIONS_RUN)
        return rc == OPTIONS_DONE ? 0 : 2;
    if (request.invariants) {
        invariants_print();
        return 0;
    }
    struct plan plan = {.workload = workloads[request.workload],
                        .faults_most = request.faults_most,
                        .tasks = request.tasks,
                        .chaos_ns = request.chaos_ns,
                        .steps = request.steps,
                        .verbose = request.verbose};
    char word[32];
    if (!faults_parse(request.faults, &plan.faults, word)) {
        options_complain(&command, stderr, "--faults: '%s' is no kind of fault", word);
        return 2;
    }
    struct totals totals = {0};
    for (int64_t i = 0; i < request.seeds; i++) {
        plan.seed = (uint64_t)(request.seed + i);
        run_one(&request, &plan, &totals);
    }
    figures_print(&totals.figures);
    printf("%llu seeds, %llu failed\n", (unsigned long long)totals.runs,
           (unsigned long long)totals.failures);
    return totals.failures > 0;
}
