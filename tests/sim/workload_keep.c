/* Results that outlive their clients: each program publishes a set under a name of its
 * own, and takes the sets of the others, whoever of them, or the scheduler, dies. */
#include "tests/sim/workload.h"

#include <stdio.h>
#include <stdlib.h>

#define SET 5 /* a chain of tasks, and data of the program's own at its end */
#define COPIES 2

struct keeper {
    struct process *process;
    struct dusk_client *client;
    struct dusk_future *futures[SET];
    char name[20];
};

static bool is_alive(const struct keeper *keeper)
{
    return !program_is_killed(keeper->process);
}

/* Every set of a program has the same values, whichever life of it made it. */
static int64_t value_of(unsigned number, int item)
{
    int64_t input = item > 0 && item < SET - 1 ? value_of(number, item - 1) : 0;
    return sim_value(1000 * (int64_t)number + item, item > 0 && item < SET - 1, &input);
}

static void set_name(unsigned number, char name[20])
{
    snprintf(name, 20, "set-%u", number);
}

static void expect(struct keeper *keeper, int rc, bool allowed, const char *what)
{
    program_expect(keeper->process,
                   rc == 0 || allowed ||
                       program_may_fail(keeper->process, rc, dusk_last_error()),
                   "%s %s: %s", what, keeper->name, dusk_last_error());
}

/* ---- the own set ---- */

static int set_make(struct keeper *keeper)
{
    unsigned number = program_number(keeper->process);
    int rc = 0;
    for (int i = 0; rc == 0 && i < SET - 1; i++) {
        int64_t seed = 1000 * (int64_t)number + i;
        rc = i == 0 ? dusk_submit(keeper->client, &keeper->futures[i], "sim_mix", "l",
                                  seed)
                    : dusk_submit(keeper->client, &keeper->futures[i], "sim_mix", "lf",
                                  seed, keeper->futures[i - 1]);
    }
    if (rc == 0)
        rc = dusk_scatter(keeper->client, &keeper->futures[SET - 1], "l",
                          value_of(number, SET - 1));
    if (rc == 0)
        rc = dusk_replicate(keeper->futures, SET, COPIES);
    expect(keeper, rc, false, "makes");
    /* Data of the program's own are its own until they have arrived. */
    if (rc == 0)
        dusk_wait(&keeper->futures[SET - 1], 1, DUSK_ALL, DUSK_FOREVER);
    program_count_tasks(keeper->process, SET);
    return rc;
}

/* When something has gone wrong a journal may not have been written, or an answer not
 * come in time. */
static bool may_try_again(const struct keeper *keeper, int code)
{
    return (program_saw(keeper->process, FAULT_JOURNAL) && code == DUSK_E_DISK_FULL) ||
           (program_saw_any(keeper->process) && code == DUSK_E_TIMEOUT);
}

static void unpublish(struct keeper *keeper)
{
    int rc = -1;
    program_doing(keeper->process, "unpublishes");
    program_keeps(keeper->process, false);
    while (rc < 0 && is_alive(keeper)) {
        rc = dusk_unpublish(keeper->client, keeper->name, 20);
        expect(keeper, rc, may_try_again(keeper, rc), "unpublish");
        if (rc < 0)
            program_sleep(keeper->process, NS_PER_S / 2);
    }
}

static bool set_has_failed(struct keeper *keeper)
{
    for (int i = 0; i < SET; i++)
        if (keeper->futures[i] &&
            dusk_future_status(keeper->futures[i]) > DUSK_FINISHED)
            return true;
    return false;
}

/* What a former life of this program has sent may still arrive, and take the name. */
static void publish(struct keeper *keeper)
{
    int rc = -1;
    while (rc < 0 && is_alive(keeper) && !set_has_failed(keeper)) {
        program_doing(keeper->process, "publishes");
        rc = dusk_publish(keeper->client, keeper->name, keeper->futures, SET, 20);
        bool taken = rc == DUSK_E_BUSY && program_saw_any(keeper->process);
        bool failed = rc == DUSK_E_NOT_FOUND && set_has_failed(keeper);
        expect(keeper, rc, taken || failed || may_try_again(keeper, rc), "publish");
        if (rc == 0)
            program_keeps(keeper->process, true);
        else if (taken)
            unpublish(keeper);
        else
            program_sleep(keeper->process, NS_PER_S / 2);
    }
}

/* Data without a recipe may go with all workers that have them. */
static bool item_may_fail(const struct keeper *keeper, int item, int code)
{
    return item == SET - 1 && program_saw_any(keeper->process) &&
           (code == DUSK_E_DATA_LOST || code == DUSK_E_UNREACHABLE);
}

static bool awaits_copies(const struct keeper *keeper, int item)
{
    struct dusk_future *future = keeper->futures[item];
    return is_alive(keeper) && future && dusk_future_status(future) <= DUSK_FINISHED &&
           !item_may_fail(keeper, item, DUSK_E_DATA_LOST) &&
           program_copies(keeper->process, dusk_future_key(future)) < COPIES;
}

/* Copies are made anew until there are enough. */
static void await_copies(struct keeper *keeper)
{
    for (int i = 0; i < SET; i++)
        while (awaits_copies(keeper, i)) {
            program_doing(keeper->process, "waits for copies of %s",
                          dusk_future_key(keeper->futures[i]));
            program_sleep(keeper->process, NS_PER_S / 2);
        }
}

/* ---- the sets of others ---- */

static void item_check(struct keeper *keeper, struct dusk_future *future,
                       unsigned number, int item, uint64_t kept)
{
    int64_t value;
    int rc;
    program_doing(keeper->process, "waits for %s of set-%u", dusk_future_key(future),
                  number);
    while ((rc = dusk_result(future, DUSK_FOREVER, "l", &value)) ==
               DUSK_E_UNREACHABLE &&
           dusk_future_status(future) == DUSK_FINISHED && is_alive(keeper))
        program_sleep(keeper->process, NS_PER_S / 2);
    /* A scheduler that was started again, or that has given up this client, knows a set
     * that is not published only from the client that made it. */
    bool forgotten = program_kept(keeper->process, number) != kept || kept % 2 == 0;
    if (rc == 0)
        program_expect(keeper->process, value == value_of(number, item),
                       "%s, item %d of set-%u, is %lld instead of %lld",
                       dusk_future_key(future), item, number, (long long)value,
                       (long long)value_of(number, item));
    else
        expect(keeper, rc,
               item_may_fail(keeper, item, rc) ||
                   (forgotten && program_saw_any(keeper->process) &&
                    rc == DUSK_E_NOT_FOUND),
               "takes");
}

static void take(struct keeper *keeper, unsigned number)
{
    struct dusk_future **futures;
    int count;
    char name[20];
    set_name(number, name);
    uint64_t kept = program_kept(keeper->process, number);
    program_doing(keeper->process, "takes %s", name);
    int rc = dusk_get_published(keeper->client, name, 20, &futures, &count);
    bool certain = kept % 2 == 1 && program_kept(keeper->process, number) == kept;
    expect(keeper, rc,
           (rc == DUSK_E_NOT_FOUND && !certain) || may_try_again(keeper, rc),
           "get_published");
    if (rc < 0)
        return;
    program_expect(keeper->process, count == SET, "%s has %d items", name, count);
    for (int i = 0; i < count && is_alive(keeper); i++)
        item_check(keeper, futures[i], number, i, kept);
    dusk_release(futures, count);
    free(futures);
}

static void run(struct process *process)
{
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (!keeper)
        abort();
    keeper->process = process;
    keeper->client = program_connect(process);
    set_name(program_number(process), keeper->name);
    if (keeper->client) {
        unpublish(keeper);
        if (set_make(keeper) == 0) {
            publish(keeper);
            if (program_random(process, 2))
                dusk_release(keeper->futures, SET);
            await_copies(keeper);
        }
        for (int i = 0; i < 8 && is_alive(keeper); i++) {
            take(keeper, (unsigned)program_random(process, program_count(process)));
            program_sleep(process, program_random(process, 3 * NS_PER_S));
        }
        unpublish(keeper);
        dusk_release(keeper->futures, SET);
    }
    dusk_close(keeper->client);
    free(keeper);
}

const struct workload workload_keep = {
    .name = "keep",
    .summary = "sets that are published, kept in copies, and taken by other clients",
    .limit_ns = 300 * NS_PER_S,
    .run = run,
};
