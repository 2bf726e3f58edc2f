#include "client/bench/patterns.h"

#include "common/clock.h"

#define CHAIN_TASKS 100
/* Between two looks at the stop flag: often enough for people, and seldom enough that
 * looking at all futures anew costs nothing. */
#define TURN_S 2
#define ANSWER_S 60

static int gather(const struct load *load, struct dusk_future *const *futures, int n,
                  struct err_text *text)
{
    int rc;
    while ((rc = dusk_gather(futures, n, TURN_S)) == DUSK_E_TIMEOUT)
        if ((rc = watch_stopped(load->watch, text)) < 0)
            return rc;
    return rc < 0 ? watch_failed(rc, text) : 0;
}

static int gather_all(const struct load *load, int count, struct err_text *text)
{
    int rc = gather(load, load->futures, count, text);
    return rc < 0 ? rc : count;
}

static int run_map(const struct load *load, struct err_text *text)
{
    int rc = dusk_map(load->client, load->futures, load->tasks, "noop", "");
    return rc < 0 ? watch_failed(rc, text) : gather_all(load, load->tasks, text);
}

static int run_submit(const struct load *load, struct err_text *text)
{
    for (int i = 0; i < load->tasks; i++) {
        int rc = dusk_submit(load->client, &load->futures[i], "noop", "");
        if (rc < 0)
            return watch_failed(rc, text);
    }
    return gather_all(load, load->tasks, text);
}

/* Sums of ones, one after the other. */
static int run_chains(const struct load *load, struct err_text *text)
{
    struct dusk_future **futures = load->futures;
    for (int i = 0; i < load->tasks; i++) {
        int rc = i % CHAIN_TASKS == 0 ? dusk_submit(load->client, &futures[i],
                                                    "identity", "l", INT64_C(1))
                                      : dusk_submit(load->client, &futures[i], "add",
                                                    "fl", futures[i - 1], INT64_C(1));
        if (rc < 0)
            return watch_failed(rc, text);
    }
    return gather_all(load, load->tasks, text);
}

static int64_t chain_answer(int tasks)
{
    return (tasks - 1) % CHAIN_TASKS + 1;
}

/* The sum of ones, two by two: task `leaves` + i adds what the tasks 2i and 2i + 1
 * return. */
static int run_tree(const struct load *load, struct err_text *text)
{
    struct dusk_future **futures = load->futures;
    int leaves = (load->tasks + 1) / 2, count = 2 * leaves - 1;
    for (int i = 0; i < count; i++) {
        int rc =
            i < leaves
                ? dusk_submit(load->client, &futures[i], "identity", "l", INT64_C(1))
                : dusk_submit(load->client, &futures[i], "add", "ff",
                              futures[2 * (i - leaves)], futures[2 * (i - leaves) + 1]);
        if (rc < 0)
            return watch_failed(rc, text);
    }
    return gather_all(load, count, text);
}

static int64_t tree_answer(int tasks)
{
    return (tasks + 1) / 2;
}

/* ---- a pool: each result makes room for the next task ---- */

static int pool_submit(const struct load *load, struct dusk_as_completed *pool,
                       struct dusk_future **slot)
{
    int rc = dusk_submit(load->client, slot, "noop", "");
    if (rc < 0)
        return rc;
    dusk_future_set_tag(*slot, slot);
    return dusk_as_completed_add(pool, *slot);
}

static int pool_next(const struct load *load, struct dusk_as_completed *pool,
                     struct err_text *text)
{
    struct dusk_future *future;
    int rc;
    while ((rc = dusk_as_completed_next(pool, TURN_S, &future)) == DUSK_E_TIMEOUT)
        if ((rc = watch_stopped(load->watch, text)) < 0)
            return rc;
    if (rc == 0)
        rc = dusk_result(future, 0, "");
    if (rc < 0)
        return watch_failed(rc, text);
    dusk_release(dusk_future_tag(future), 1);
    return 0;
}

static int run_pool(const struct load *load, struct err_text *text)
{
    struct dusk_as_completed *pool;
    int rc = dusk_as_completed_create(load->client, NULL, 0, &pool);
    if (rc < 0)
        return watch_failed(rc, text);
    for (int sent = 0, done = 0; rc == 0 && done < load->tasks;) {
        if (sent < load->tasks && sent < done + load->in_flight) {
            if ((rc = pool_submit(load, pool, &load->futures[sent++])) < 0)
                watch_failed(rc, text);
        } else if ((rc = pool_next(load, pool, text)) == 0) {
            done++;
        }
    }
    dusk_as_completed_destroy(pool);
    return rc < 0 ? rc : load->tasks;
}

const struct pattern patterns[PATTERNS] = {
    [PATTERN_MAP] = {"map", run_map, NULL},
    [PATTERN_SUBMIT] = {"submit", run_submit, NULL},
    [PATTERN_POOL] = {"as_completed", run_pool, NULL},
    [PATTERN_CHAINS] = {"chains", run_chains, chain_answer},
    [PATTERN_TREE] = {"tree", run_tree, tree_answer},
};

/* ---- measuring ---- */

static int check_answer(const struct pattern *pattern, const struct load *load,
                        int count, struct err_text *text)
{
    int64_t answer;
    if (!pattern->answer)
        return 0;
    int rc = dusk_result(load->futures[count - 1], 0, "l", &answer);
    if (rc < 0)
        return watch_failed(rc, text);
    if (answer != pattern->answer(load->tasks))
        return err_set(text, DUSK_E_INTERNAL, "%s: the answer is %lld, not %lld",
                       pattern->name, (long long)answer,
                       (long long)pattern->answer(load->tasks));
    return 0;
}

int pattern_release(const struct load *load, int count, struct err_text *text)
{
    struct dusk_cluster *cluster;
    dusk_release(load->futures, count);
    int rc = dusk_workers(load->client, ANSWER_S, &cluster);
    if (rc < 0)
        return watch_failed(rc, text);
    dusk_cluster_free(cluster);
    return 0;
}

int pattern_time(const struct pattern *pattern, const struct load *load,
                 double *ret_per_second, struct err_text *text)
{
    int rc = watch_stopped(load->watch, text);
    if (rc < 0)
        return rc;
    uint64_t start_ns = clock_monotonic_ns();
    int count = pattern->run(load, text);
    uint64_t done_ns = clock_monotonic_ns();
    rc = count < 0 ? count : check_answer(pattern, load, count, text);
    if (rc == 0)
        rc = pattern_release(load, load->tasks, text);
    if (rc == 0)
        *ret_per_second = count / ((double)(done_ns - start_ns) / 1e9);
    return rc;
}

int pattern_round_trips(const struct load *load, double *ret_us, int count,
                        struct err_text *text)
{
    for (int i = 0; i < count; i++) {
        struct dusk_future *future = NULL;
        uint64_t start_ns = clock_monotonic_ns();
        int rc = dusk_submit(load->client, &future, "noop", "");
        rc = rc < 0 ? watch_failed(rc, text) : gather(load, &future, 1, text);
        ret_us[i] = (double)(clock_monotonic_ns() - start_ns) / 1e3;
        dusk_release(&future, 1);
        if (rc < 0)
            return rc;
    }
    return 0;
}
