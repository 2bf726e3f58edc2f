/* The answer to status_request. */
#include "scheduler/core.h"

#include <stdio.h>
#include <stdlib.h>

#define RUNNING_BYTES 512

struct rows {
    struct worker_row *workers;
    char (*running)[RUNNING_BYTES];
    struct client_row *clients;
    struct publication_row *published;
    struct state_row states[TASK_STATE_COUNT];
};

/* "solve c0ffee-17 for 1.2 s, ...". */
static void describe_running(const struct scheduler *scheduler,
                             const struct worker *worker, char *text)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < worker->running_count && used < RUNNING_BYTES - 1; i++) {
        const struct run *run = &worker->running[i];
        const struct task *task = task_find(scheduler, run->key);
        if (!run->running)
            continue;
        int written = snprintf(text + used, RUNNING_BYTES - used,
                               "%s%s " KEY_FORMAT " for %.1f s", used ? ", " : "",
                               task ? task_what(task) : "released", KEY_ARGS(run->key),
                               (double)run->elapsed_ns * 1e-9);
        used += written > 0 ? (size_t)written : 0;
    }
}

static struct worker_row row_of_worker(const struct scheduler *scheduler,
                                       const struct worker *worker, char *running)
{
    size_t processing = 0;
    LIST_FOREACH (link, &worker->processing)
        processing++;
    describe_running(scheduler, worker, running);
    return (struct worker_row){
        .worker = worker->number,
        .name = str_of(worker->name),
        .address = address_shown(str_of(worker->address)),
        .state = str_of(worker_state_name(worker)),
        .nthreads = worker->nthreads,
        .memory = worker->memory,
        .memory_limit = worker->memory_limit,
        .spilled = worker->spilled,
        .chunks = worker->held.count,
        .processing = processing,
        .running = str_of(running),
        .silence_ns = scheduler->now_ns - worker->heard_ns,
    };
}

static struct publication_row row_of_publication(const struct publication *publication)
{
    struct publication_row row = {.name = str_of(publication->name),
                                  .tasks = publication->key_count};
    LIST_FOREACH (link, &publication->keeper.wants.bonds) {
        const struct task *task = bond_task(CONTAINER_OF(link, struct bond, link));
        row.in_memory += task->state == TASK_MEMORY;
        row.nbytes += task->state == TASK_MEMORY ? task->nbytes : 0;
    }
    return row;
}

static void rows_fill(const struct scheduler *scheduler, struct rows *rows)
{
    size_t at = 0;
    LIST_FOREACH (w, &scheduler->workers) {
        rows->workers[at] = row_of_worker(
            scheduler, CONTAINER_OF(w, struct worker, link), rows->running[at]);
        at++;
    }
    at = 0;
    LIST_FOREACH (c, &scheduler->clients) {
        const struct client *client = CONTAINER_OF(c, struct client, link);
        rows->clients[at++] =
            (struct client_row){.name = str_of(client->name),
                                .client = client->number,
                                .wanted = client->wants.count,
                                .silence_ns = scheduler->now_ns - client->heard_ns};
    }
    at = 0;
    LIST_FOREACH (p, &scheduler->publications)
        rows->published[at++] =
            row_of_publication(CONTAINER_OF(p, struct publication, link));
    for (unsigned state = 0; state < TASK_FORGOTTEN; state++)
        rows->states[state] =
            (struct state_row){.state = str_of(task_state_name(state)),
                               .tasks = scheduler->state_counts[state]};
}

void scheduler_set_usage(struct scheduler *scheduler, uint64_t rss, uint64_t cpu_ns)
{
    scheduler->rss = rss;
    scheduler->cpu_ns = cpu_ns;
}

void status_answer(struct scheduler *scheduler, struct client *client, uint64_t request)
{
    struct rows rows = {
        .workers = calloc(scheduler->worker_count + 1, sizeof *rows.workers),
        .running = calloc(scheduler->worker_count + 1, sizeof *rows.running),
        .clients = calloc(scheduler->client_count + 1, sizeof *rows.clients),
        .published = calloc(scheduler->publication_count + 1, sizeof *rows.published),
    };
    if (rows.workers && rows.running && rows.clients && rows.published) {
        rows_fill(scheduler, &rows);
        client_send(scheduler, client,
                    MESSAGE(status, .request = request, .build = str_of(DUSK_VERSION),
                            .uptime_ns = scheduler->now_ns - scheduler->started_ns,
                            .workers = {rows.workers, scheduler->worker_count},
                            .states = {rows.states, TASK_FORGOTTEN},
                            .clients = {rows.clients, scheduler->client_count},
                            .published = {rows.published, scheduler->publication_count},
                            .rss = scheduler->rss, .cpu_ns = scheduler->cpu_ns));
    } else {
        peer_doom(scheduler, client->peer);
    }
    free(rows.workers);
    free(rows.running);
    free(rows.clients);
    free(rows.published);
}
