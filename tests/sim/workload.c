#include "tests/sim/workload.h"

#include "scheduler/scheduler.h"
#include "tests/sim/cluster.h"
#include "worker/core_state.h"
#include "worker/task.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- for programs ---- */

uint64_t program_random(struct process *process, uint64_t below)
{
    return world_random(process->world, CHANCE_WORK, below);
}

int64_t program_tasks(const struct process *process, int64_t usual)
{
    int64_t wanted = process->world->plan.tasks;
    return wanted ? wanted : usual;
}

void program_count_tasks(struct process *process, int64_t count)
{
    process->world->figures.tasks += (uint64_t)count;
}

unsigned program_number(const struct process *process)
{
    return process->index - 1 - process->world->worker_count;
}

unsigned program_count(const struct process *process)
{
    return process->world->client_count;
}

void program_keeps(struct process *process, bool keeps)
{
    uint64_t *kept = &process->world->kept[program_number(process)];
    /* What a former life has sent may still arrive. */
    bool certain = keeps && process->life == 1;
    *kept += !program_is_killed(process) && *kept % 2 != certain;
}

uint64_t program_kept(const struct process *process, unsigned number)
{
    return process->world->kept[number];
}

unsigned program_copies(const struct process *process, const char *text)
{
    struct world *world = process->world;
    struct task_key key;
    unsigned copies = 0;
    if (!key_parse(text, &key))
        return 0;
    for (unsigned i = 0; i < world->worker_count; i++) {
        const struct process *worker = world_worker(world, i);
        copies += worker->alive && store_get(&worker_of(worker)->store, key);
    }
    return copies;
}

uint64_t program_now(const struct process *process)
{
    return process->world->now_ns;
}

struct dusk_client *program_connect(struct process *process)
{
    struct dusk_client *client;
    program_doing(process, "connects");
    while (!program_is_killed(process)) {
        int rc = dusk_connect(SCHEDULER_ADDRESS, 30, &client);
        if (rc == 0)
            return client;
        program_expect(process,
                       rc == DUSK_E_UNREACHABLE ||
                           program_may_fail(process, rc, dusk_last_error()),
                       "connect: %s", dusk_last_error());
        program_sleep(process, 100 * NS_PER_MS);
    }
    return NULL;
}

void program_expect(struct process *process, bool fine, const char *format, ...)
{
    if (fine || program_is_killed(process))
        return;
    char line[400];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    world_wrong(process->world, "program %s: %s", process->name, line);
}

bool program_saw(const struct process *process, enum fault_kind kind)
{
    return process->world->figures.faults[kind] > 0;
}

static unsigned worker_deaths(struct world *world)
{
    unsigned deaths = 0;
    for (unsigned i = 0; i < world->worker_count; i++)
        deaths += world_worker(world, i)->deaths;
    return deaths;
}

bool program_saw_any(const struct process *process)
{
    for (unsigned kind = 0; kind < FAULTS; kind++)
        if (program_saw(process, (enum fault_kind)kind))
            return true;
    return worker_deaths(process->world) > 0;
}

/* How often `what` is in the line. */
static unsigned count_of(const char *line, const char *what)
{
    unsigned count = 0;
    for (; (line = strstr(line, what)); line++)
        count++;
    return count;
}

/* The line names each death that is held against a task, "w1 (SIGKILL)": no more than
 * its nanny has seen, or than the worker had lives. */
static bool deaths_are_true(struct world *world, const char *line)
{
    unsigned told = 0;
    for (unsigned i = 0; i < world->worker_count; i++) {
        const struct process *worker = world_worker(world, i);
        char any[20], vanished[40];
        snprintf(any, sizeof any, "%s (", worker->name);
        snprintf(vanished, sizeof vanished, "%s (vanished)", worker->name);
        unsigned all = count_of(line, any), unseen = count_of(line, vanished);
        if (all - unseen > worker->deaths || all > worker->life)
            return false;
        told += all;
    }
    return told >= scheduler_defaults.deaths_allowed;
}

bool program_may_fail(const struct process *process, int code, const char *line)
{
    switch (code) {
    case DUSK_E_NOMEM:
        return program_saw(process, FAULT_MEMORY);
    case DUSK_E_KILLED: /* by chance: the workers died under it */
        return deaths_are_true(process->world, line);
    default:
        return false;
    }
}

/* ---- task functions ---- */

static uint64_t mix(uint64_t z)
{
    z += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t sim_duration_ns(uint64_t seed)
{
    uint64_t chance = mix(seed);
    uint64_t most_ns = chance % 50 == 0 ? 3 * NS_PER_S : 30 * NS_PER_MS;
    return 10000 + mix(chance) % most_ns;
}

int64_t sim_value(int64_t seed, int count, const int64_t *inputs)
{
    uint64_t value = mix((uint64_t)seed);
    for (int i = 0; i < count; i++)
        value = mix(value ^ (uint64_t)inputs[i]);
    return (int64_t)(value >> 1);
}

#define INPUTS_MAX 16

static int run_mix(struct dusk_task *task)
{
    int count = dusk_task_count(task);
    int64_t numbers[1 + INPUTS_MAX];
    if (count < 1 || count > 1 + INPUTS_MAX)
        return dusk_task_fail(task, DUSK_E_TYPE, "%d arguments", count);
    for (int i = 0; i < count; i++) {
        struct dusk_value value;
        int rc = dusk_task_item(task, i, 0, &value);
        if (rc < 0)
            return rc;
        numbers[i] = value.integer;
    }
    return dusk_task_return(task, "l", sim_value(numbers[0], count - 1, numbers + 1));
}

/* Fails at one attempt of three. */
static int run_flaky(struct dusk_task *task)
{
    if (mix(task->job->attempt) % 3 == 0)
        return dusk_task_fail(task, DUSK_E_TASK, "this time");
    return run_mix(task);
}

static int run_fail(struct dusk_task *task)
{
    return dusk_task_fail(task, DUSK_E_TASK, "as it should");
}

const struct dusk_function sim_functions[] = {
    {"sim_mix", run_mix},
    {"sim_gpu", run_mix},
    {"sim_flaky", run_flaky},
    {"sim_fail", run_fail},
    {"sim_crash", run_mix}, /* the simulation ends the process */
    {"sim_case_chunk", sim_case_chunk},
    {0},
};
