#include "client/commands.h"
#include "client/dusk.h"
#include "client/grid.h"
#include "client/json_text.h"
#include "common/options.h"
#include "common/units.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RUNNING_WIDTH 60

/* ---- for people ---- */

static void print_workers(const struct dusk_cluster *cluster)
{
    struct grid grid;
    grid_init(&grid, "lllrrrrl");
    static const char *const heads[] = {"name",   "address", "state",  "threads",
                                        "memory", "of",      "chunks", "running"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        grid_add(&grid, "%s", heads[i]);
    for (int i = 0; i < cluster->worker_count; i++) {
        const struct dusk_worker_row *row = &cluster->workers[i];
        grid_add(&grid, "%s", row->name);
        grid_add(&grid, "%s", row->address);
        grid_add(&grid, "%s", row->state);
        grid_add(&grid, "%lld", (long long)row->nthreads);
        grid_add(&grid, "%s", units_bytes(row->memory_bytes).text);
        grid_add(&grid, "%s", units_bytes(row->memory_limit_bytes).text);
        grid_add(&grid, "%lld", (long long)row->chunks);
        grid_add(&grid, "%.*s%s", RUNNING_WIDTH, *row->running ? row->running : "-",
                 strlen(row->running) > RUNNING_WIDTH ? "..." : "");
    }
    printf("\nworkers: %d\n", cluster->worker_count);
    if (cluster->worker_count > 0)
        grid_print(&grid, "  ", stdout);
    grid_fini(&grid);
}

static void print_tasks(const struct dusk_cluster *cluster)
{
    struct grid grid;
    grid_init(&grid, "lr");
    long long tasks = 0;
    for (int i = 0; i < cluster->state_count; i++) {
        const struct dusk_state_row *row = &cluster->states[i];
        tasks += row->tasks;
        if (row->tasks == 0)
            continue;
        grid_add(&grid, "%s", row->state);
        grid_add(&grid, "%lld", (long long)row->tasks);
    }
    printf("\ntasks: %lld\n", tasks);
    grid_print(&grid, "  ", stdout);
    grid_fini(&grid);
}

static void print_clients(const struct dusk_cluster *cluster)
{
    struct grid grid;
    grid_init(&grid, "llr");
    for (int i = 0; i < cluster->client_count; i++) {
        const struct dusk_client_row *row = &cluster->clients[i];
        grid_add(&grid, "%s", row->name);
        grid_add(&grid, "%06llx", (unsigned long long)row->client);
        grid_add(&grid, "wants %lld", (long long)row->wanted);
    }
    printf("\nclients: %d\n", cluster->client_count);
    grid_print(&grid, "  ", stdout);
    grid_fini(&grid);
}

static void print_published(const struct dusk_cluster *cluster)
{
    struct grid grid;
    if (cluster->published_count == 0)
        return;
    grid_init(&grid, "lrr");
    for (int i = 0; i < cluster->published_count; i++) {
        const struct dusk_published_row *row = &cluster->published[i];
        grid_add(&grid, "%s", row->name);
        grid_add(&grid, "%lld of %lld in memory", (long long)row->in_memory,
                 (long long)row->tasks);
        grid_add(&grid, "%s", units_bytes(row->nbytes).text);
    }
    printf("\npublished: %d\n", cluster->published_count);
    grid_print(&grid, "  ", stdout);
    grid_fini(&grid);
}

static void print_cluster(const char *address, const struct dusk_cluster *cluster)
{
    printf("scheduler %s, dusk %s, up %s, takes %s and has computed for %s\n", address,
           cluster->build, units_duration((int64_t)(cluster->uptime_s * 1e9)).text,
           units_bytes(cluster->rss_bytes).text,
           units_duration((int64_t)(cluster->cpu_s * 1e9)).text);
    print_workers(cluster);
    print_tasks(cluster);
    print_clients(cluster);
    print_published(cluster);
}

/* ---- for programs ---- */

static json_t *json_of_worker(const struct dusk_worker_row *row)
{
    return json_pack("{sI so so ss sI sI sI sI sI sI so sf}", "worker",
                     (json_int_t)row->worker, "name", json_text(row->name), "address",
                     json_text(row->address), "state", row->state, "threads",
                     (json_int_t)row->nthreads, "memory_bytes",
                     (json_int_t)row->memory_bytes, "memory_limit_bytes",
                     (json_int_t)row->memory_limit_bytes, "spilled_bytes",
                     (json_int_t)row->spilled_bytes, "chunks", (json_int_t)row->chunks,
                     "processing", (json_int_t)row->processing, "running",
                     json_text(row->running), "silence_s", row->silence_s);
}

static json_t *json_of_cluster(const char *address, const struct dusk_cluster *cluster)
{
    json_t *workers = json_array(), *tasks = json_object(), *clients = json_array(),
           *published = json_array();
    for (int i = 0; i < cluster->worker_count; i++)
        json_array_append_new(workers, json_of_worker(&cluster->workers[i]));
    for (int i = 0; i < cluster->state_count; i++)
        json_object_set_new(tasks, cluster->states[i].state,
                            json_integer(cluster->states[i].tasks));
    for (int i = 0; i < cluster->client_count; i++) {
        const struct dusk_client_row *row = &cluster->clients[i];
        json_array_append_new(
            clients, json_pack("{so sI sI sf}", "name", json_text(row->name), "client",
                               (json_int_t)row->client, "wanted",
                               (json_int_t)row->wanted, "silence_s", row->silence_s));
    }
    for (int i = 0; i < cluster->published_count; i++) {
        const struct dusk_published_row *row = &cluster->published[i];
        json_array_append_new(published,
                              json_pack("{so sI sI sI}", "name", json_text(row->name),
                                        "tasks", (json_int_t)row->tasks, "in_memory",
                                        (json_int_t)row->in_memory, "nbytes",
                                        (json_int_t)row->nbytes));
    }
    return json_pack("{ss ss sf so so so so sI sf}", "scheduler", address, "build",
                     cluster->build, "uptime_s", cluster->uptime_s, "workers", workers,
                     "tasks", tasks, "clients", clients, "published", published,
                     "rss_bytes", (json_int_t)cluster->rss_bytes, "cpu_s",
                     cluster->cpu_s);
}

/* Whether standard output took it is the caller's to ask. */
static int print_json(const char *address, const struct dusk_cluster *cluster)
{
    json_t *document = json_of_cluster(address, cluster);
    if (!document) {
        fprintf(stderr, "dusk status: no memory for JSON\n");
        return COMMAND_FAILED;
    }
    json_dumpf(document, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(document);
    return COMMAND_DONE;
}

/* ---- the command ---- */

struct arguments {
    struct dusk_options connection;
    bool json;
};

static int show(struct dusk_client *client, void *arg)
{
    const struct arguments *a = arg;
    struct dusk_cluster *cluster;
    int rc = dusk_workers(client, a->connection.timeout_s, &cluster);
    if (rc < 0)
        return rc;
    if (a->json)
        rc = print_json(dusk_address(client), cluster);
    else
        print_cluster(dusk_address(client), cluster);
    dusk_cluster_free(cluster);
    return rc;
}

int command_status(int argc, char **argv)
{
    struct arguments a = {0};
    int64_t timeout_ns = 5 * UNITS_NS_PER_S;
    const struct option_spec options[] = {
        INQUIRY_OPTION_ROWS(&a.connection.address, &timeout_ns),
        KEYS_OPTION_ROW(&a.connection.keys),
        {.name = "json",
         .kind = OPTION_FLAG,
         .to.flag = &a.json,
         .help = "print JSON on standard output"},
        {0},
    };
    const struct command command = {
        .name = "dusk status",
        .summary = "Shows the workers, tasks and clients of a cluster.",
        .options = options,
        .epilogue = "Exit codes: 0 done, 1 failed, 2 usage.",
    };
    int rc = options_parse(&command, argc, argv, stdout, stderr);
    if (rc != OPTIONS_RUN)
        return rc == OPTIONS_DONE ? COMMAND_DONE : COMMAND_USAGE;
    a.connection.timeout_s = (double)timeout_ns / 1e9;
    return command_ask(command.name, &a.connection, show, &a);
}
