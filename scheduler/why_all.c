/* All tasks that wait, those for the same reason at the same worker together. */
#include "scheduler/core.h"

#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>

/* So many are shown one by one; of more, so many keys are. */
#define SHOWN 3

struct group {
    uint64_t rank; /* its reason, then its worker */
    size_t count;
    const struct task *first[SHOWN]; /* by submission */
};

struct groups {
    struct map by_rank; /* struct group, owned */
    struct waiting_row *rows;
    char (*lines)[LIMIT_TEXT_BYTES];
    size_t row_count;
};

static void group_add(struct group *group, const struct task *task)
{
    size_t at = group->count < SHOWN ? group->count : SHOWN;
    group->count++;
    for (; at > 0 && task->queue.order < group->first[at - 1]->queue.order; at--)
        if (at < SHOWN)
            group->first[at] = group->first[at - 1];
    if (at < SHOWN)
        group->first[at] = task;
}

static int groups_collect(const struct scheduler *scheduler, struct groups *groups)
{
    size_t position = 0;
    const struct task *task;
    while ((task = task_table_next(&scheduler->tasks, &position))) {
        bool waits;
        uint64_t rank = why_reason(scheduler, task, &waits);
        if (!waits)
            continue;
        rank = rank << 32 | (task->worker ? task->worker->number : 0);
        struct group *group = map_get(&groups->by_rank, rank + 1);
        if (!group) {
            group = calloc(1, sizeof *group);
            if (!group || map_put(&groups->by_rank, rank + 1, group) < 0) {
                free(group);
                return DUSK_E_NOMEM;
            }
            group->rank = rank;
        }
        group_add(group, task);
    }
    return 0;
}

static void row_write(const struct scheduler *scheduler, struct groups *groups,
                      const struct group *group, size_t from, size_t to, size_t tasks)
{
    char *line = groups->lines[groups->row_count];
    size_t used = 0;
    for (size_t i = from; i < to; i++)
        used += (size_t)snprintf(line + used, LIMIT_TEXT_BYTES - used,
                                 "%s" KEY_FORMAT " (%s)", i > from ? ", " : "",
                                 KEY_ARGS(group->first[i]->key),
                                 task_what(group->first[i]));
    if (tasks > to - from)
        used += (size_t)snprintf(line + used, LIMIT_TEXT_BYTES - used, " and %zu more",
                                 tasks - (to - from));
    used += (size_t)snprintf(line + used, LIMIT_TEXT_BYTES - used, ": ");
    why_line(scheduler, group->first[from], line + used, LIMIT_TEXT_BYTES - used);
    groups->rows[groups->row_count++] =
        (struct waiting_row){.tasks = tasks, .reason = str_of(line)};
}

static void group_write(const struct scheduler *scheduler, struct groups *groups,
                        const struct group *group)
{
    if (group->count > SHOWN)
        row_write(scheduler, groups, group, 0, SHOWN, group->count);
    else
        for (size_t i = 0; i < group->count; i++)
            row_write(scheduler, groups, group, i, i + 1, 1);
}

static int by_rank(const void *a, const void *b)
{
    const struct group *const *one = a, *const *two = b;
    return ((*one)->rank > (*two)->rank) - ((*one)->rank < (*two)->rank);
}

static int groups_write(const struct scheduler *scheduler, struct groups *groups)
{
    size_t count = groups->by_rank.count, at = 0, position = 0;
    struct group **sorted = calloc(count + 1, sizeof *sorted), *group;
    groups->rows = calloc(count * SHOWN + 1, sizeof *groups->rows);
    groups->lines = malloc((count * SHOWN + 1) * sizeof *groups->lines);
    int rc = sorted && groups->rows && groups->lines ? 0 : DUSK_E_NOMEM;
    while (rc == 0 && (group = map_next(&groups->by_rank, &position)))
        sorted[at++] = group;
    if (rc == 0)
        qsort(sorted, count, sizeof(struct group *), by_rank);
    for (size_t i = 0; i < at; i++)
        group_write(scheduler, groups, sorted[i]);
    free(sorted);
    return rc;
}

static void groups_fini(struct groups *groups)
{
    size_t position = 0;
    struct group *group;
    while ((group = map_next(&groups->by_rank, &position)))
        free(group);
    map_fini(&groups->by_rank);
    free(groups->rows);
    free(groups->lines);
}

void why_answer_all(struct scheduler *scheduler, struct client *client,
                    uint64_t request)
{
    struct groups groups = {0};
    map_init(&groups.by_rank);
    int rc = groups_collect(scheduler, &groups);
    if (rc == 0)
        rc = groups_write(scheduler, &groups);
    client_send(
        scheduler, client,
        MESSAGE(because, .request = request,
                .reason = str_of(rc < 0 ? "the scheduler is out of memory" : ""),
                .waiting = {groups.rows, groups.row_count}));
    groups_fini(&groups);
}
