#include "client/snapshot.h"

#include <stdlib.h>
#include <string.h>

/* Rows and texts lie behind the struct, in one allocation. */
struct arena {
    struct dusk_cluster cluster;
    char room[];
};

static size_t texts_size(const struct msg_status *status)
{
    size_t size = status->build.size + 1;
    for (size_t i = 0; i < status->workers.count; i++) {
        const struct worker_row *row = &status->workers.items[i];
        size += row->name.size + row->address.size + row->state.size +
                row->running.size + 4;
    }
    for (size_t i = 0; i < status->states.count; i++)
        size += status->states.items[i].state.size + 1;
    for (size_t i = 0; i < status->clients.count; i++)
        size += status->clients.items[i].name.size + 1;
    for (size_t i = 0; i < status->published.count; i++)
        size += status->published.items[i].name.size + 1;
    return size;
}

static const char *text_put(char **room, struct str str)
{
    char *text = *room;
    if (str.size)
        memcpy(text, str.text, str.size);
    text[str.size] = '\0';
    *room += str.size + 1;
    return text;
}

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

static void workers_fill(const struct msg_status *status, struct dusk_worker_row *rows,
                         char **room)
{
    for (size_t i = 0; i < status->workers.count; i++) {
        const struct worker_row *row = &status->workers.items[i];
        rows[i] = (struct dusk_worker_row){
            .worker = (int64_t)row->worker,
            .name = text_put(room, row->name),
            .address = text_put(room, row->address),
            .state = text_put(room, row->state),
            .nthreads = (int64_t)row->nthreads,
            .memory_bytes = (int64_t)row->memory,
            .memory_limit_bytes = (int64_t)row->memory_limit,
            .spilled_bytes = (int64_t)row->spilled,
            .chunks = (int64_t)row->chunks,
            .processing = (int64_t)row->processing,
            .running = text_put(room, row->running),
            .silence_s = seconds(row->silence_ns),
        };
    }
}

static void states_fill(const struct msg_status *status, struct dusk_state_row *rows,
                        char **room)
{
    for (size_t i = 0; i < status->states.count; i++)
        rows[i] = (struct dusk_state_row){
            .state = text_put(room, status->states.items[i].state),
            .tasks = (int64_t)status->states.items[i].tasks,
        };
}

static void clients_fill(const struct msg_status *status, struct dusk_client_row *rows,
                         char **room)
{
    for (size_t i = 0; i < status->clients.count; i++) {
        const struct client_row *row = &status->clients.items[i];
        rows[i] = (struct dusk_client_row){
            .name = text_put(room, row->name),
            .client = (int64_t)row->client,
            .wanted = (int64_t)row->wanted,
            .silence_s = seconds(row->silence_ns),
        };
    }
}

static void published_fill(const struct msg_status *status,
                           struct dusk_published_row *rows, char **room)
{
    for (size_t i = 0; i < status->published.count; i++) {
        const struct publication_row *row = &status->published.items[i];
        rows[i] = (struct dusk_published_row){
            .name = text_put(room, row->name),
            .tasks = (int64_t)row->tasks,
            .in_memory = (int64_t)row->in_memory,
            .nbytes = (int64_t)row->nbytes,
        };
    }
}

int snapshot_copy(const struct msg_status *status, struct dusk_cluster **ret_cluster)
{
    size_t workers = status->workers.count * sizeof(struct dusk_worker_row);
    size_t states = status->states.count * sizeof(struct dusk_state_row);
    size_t clients = status->clients.count * sizeof(struct dusk_client_row);
    size_t published = status->published.count * sizeof(struct dusk_published_row);
    size_t rows = workers + states + clients + published;
    struct arena *arena = malloc(sizeof *arena + rows + texts_size(status));
    if (!arena)
        return DUSK_E_NOMEM;
    void *worker_rows = arena->room;
    void *state_rows = arena->room + workers;
    void *client_rows = arena->room + workers + states;
    void *published_rows = arena->room + workers + states + clients;
    char *room = arena->room + rows;
    arena->cluster = (struct dusk_cluster){
        .build = text_put(&room, status->build),
        .uptime_s = seconds(status->uptime_ns),
        .worker_count = (int)status->workers.count,
        .state_count = (int)status->states.count,
        .client_count = (int)status->clients.count,
        .workers = worker_rows,
        .states = state_rows,
        .clients = client_rows,
        .published_count = (int)status->published.count,
        .published = published_rows,
        .rss_bytes = (int64_t)status->rss,
        .cpu_s = seconds(status->cpu_ns),
    };
    workers_fill(status, worker_rows, &room);
    states_fill(status, state_rows, &room);
    clients_fill(status, client_rows, &room);
    published_fill(status, published_rows, &room);
    *ret_cluster = &arena->cluster;
    return 0;
}
