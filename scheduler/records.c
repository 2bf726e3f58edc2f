/* Records for the journal: written as messages, and read back as such. */
#include "scheduler/core.h"

#include <stdlib.h>

static const struct peer_id journal_lane = {1};

static int record(struct scheduler *scheduler, const struct message *message)
{
    return outbox_add(&scheduler->journal, journal_lane, message);
}

void records_forget(struct scheduler *scheduler)
{
    outbox_forget(&scheduler->journal, journal_lane);
}

bool scheduler_has_records(const struct scheduler *scheduler)
{
    return !list_is_empty(&scheduler->journal.dirty);
}

const struct batch *scheduler_next_record(struct scheduler *scheduler)
{
    struct outbox_lane *lane = outbox_next(&scheduler->journal);
    if (lane)
        return &lane->batch;
    lane = map_get(&scheduler->journal.lanes, journal_lane.number);
    return lane && outbox_more(lane) ? &lane->batch : NULL;
}

/* ---- writing ---- */

/* Tasks, each once. */
struct recipe {
    struct task **tasks;
    size_t count, capacity;
    struct map seen;
};

static int recipe_add(struct recipe *recipe, struct task *task)
{
    if (map_get(&recipe->seen, task->key.bits))
        return 0;
    if (recipe->count == recipe->capacity) {
        size_t capacity = recipe->capacity ? 2 * recipe->capacity : 64;
        void *tasks = realloc(recipe->tasks, capacity * sizeof *recipe->tasks);
        if (!tasks)
            return DUSK_E_NOMEM;
        recipe->tasks = tasks;
        recipe->capacity = capacity;
    }
    recipe->tasks[recipe->count++] = task;
    return map_put(&recipe->seen, task->key.bits, task);
}

static int by_submission(const void *a, const void *b)
{
    const struct task *first = *(struct task *const *)a;
    const struct task *second = *(struct task *const *)b;
    return first->queue.order < second->queue.order ? -1 : 1;
}

/* The tasks and all that they depend on. */
static int recipe_collect(const struct scheduler *scheduler,
                          const struct publication *publication, struct recipe *recipe)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < publication->key_count; i++) {
        struct task *task = task_find(scheduler, publication->keys[i]);
        rc = task ? recipe_add(recipe, task) : 0;
    }
    for (size_t i = 0; rc == 0 && i < recipe->count; i++) {
        const struct task *task = recipe->tasks[i];
        for (uint32_t e = 0; rc == 0 && e < task->edge_count; e++)
            rc = recipe_add(recipe, task->edges[e].dependency);
    }
    return rc;
}

static int record_submit(struct scheduler *scheduler, const struct task *task)
{
    struct task_key *keys = malloc((task->edge_count + 1) * sizeof *keys);
    const struct demand *demand = task_demand(task);
    if (!keys)
        return DUSK_E_NOMEM;
    for (uint32_t i = 0; i < task->edge_count; i++)
        keys[i] = task->edges[i].dependency->key;
    int rc = record(
        scheduler,
        MESSAGE(submit, .key = task->key, .function = str_of(task->function->name),
                .dependencies = {keys, task->edge_count},
                .priority = task->queue.priority, .retries = task->retries,
                .flags = task->flags & TASK_KEEP ? SUBMIT_KEEP : 0,
                .worker = str_of(task_restriction(task)), .arguments = task->arguments,
                .resources = str_of(demand ? demand->text : NULL)));
    free(keys);
    return rc;
}

static int record_task(struct scheduler *scheduler, const struct task *task)
{
    int rc = task->function ? record_submit(scheduler, task)
                            : record(scheduler, MESSAGE(scatter, .key = task->key,
                                                        .nbytes = task->nbytes));
    if (rc == 0 && task_copies(task) > 0)
        rc = record(scheduler, MESSAGE(replicate, .keys = {&task->key, 1},
                                       .copies = task_copies(task)));
    return rc;
}

/* Takes the recipe, which is written with what is depended on first. */
static int record_recipe(struct scheduler *scheduler, struct recipe *recipe)
{
    int rc = 0;
    if (recipe->count)
        qsort(recipe->tasks, recipe->count, sizeof *recipe->tasks, by_submission);
    for (size_t i = 0; rc == 0 && i < recipe->count; i++)
        rc = record_task(scheduler, recipe->tasks[i]);
    free(recipe->tasks);
    map_fini(&recipe->seen);
    return rc;
}

static int record_name(struct scheduler *scheduler,
                       const struct publication *publication)
{
    return record(scheduler,
                  MESSAGE(publish, .request = publication->request,
                          .name = str_of(publication->name),
                          .keys = {publication->keys, publication->key_count}));
}

int record_publication(struct scheduler *scheduler,
                       const struct publication *publication)
{
    if (!scheduler->config.journal)
        return 0;
    struct recipe recipe = {0};
    int collected = recipe_collect(scheduler, publication, &recipe);
    int rc = record_recipe(scheduler, &recipe);
    rc = collected < 0 ? collected : rc;
    if (rc == 0)
        rc = record_name(scheduler, publication);
    if (rc < 0)
        records_forget(scheduler);
    return rc;
}

int scheduler_record_all(struct scheduler *scheduler)
{
    struct recipe recipe = {0};
    int collected = 0;
    records_forget(scheduler);
    LIST_FOREACH (at, &scheduler->publications)
        if (collected == 0)
            collected = recipe_collect(
                scheduler, CONTAINER_OF(at, struct publication, link), &recipe);
    int rc = record_recipe(scheduler, &recipe);
    rc = collected < 0 ? collected : rc;
    LIST_FOREACH (link, &scheduler->publications)
        if (rc == 0)
            rc = record_name(scheduler, CONTAINER_OF(link, struct publication, link));
    if (rc < 0)
        records_forget(scheduler);
    return rc;
}

int record_unpublish(struct scheduler *scheduler, const struct msg_unpublish *unpublish)
{
    return scheduler->config.journal
               ? record(scheduler, MESSAGE(unpublish, .name = unpublish->name))
               : 0;
}

static bool is_recorded(const struct scheduler *scheduler, struct task *task)
{
    bool kept = false;
    BONDS_FOREACH (want, task, BOND_WANT)
        kept |= (bond_flags(want) & WANT_KEPT) != 0;
    return kept && scheduler->config.journal;
}

void record_copies(struct scheduler *scheduler, struct task *task)
{
    if (is_recorded(scheduler, task))
        record(scheduler, MESSAGE(replicate, .keys = {&task->key, 1},
                                  .copies = task_copies(task)));
}

void record_cancel(struct scheduler *scheduler, struct task *task)
{
    if (is_recorded(scheduler, task))
        record(scheduler, MESSAGE(cancel, .keys = {&task->key, 1}));
}

/* ---- reading ---- */

/* Data without a recipe have been there, or nobody would wait for them. */
static int restore_data(struct scheduler *scheduler, const struct msg_scatter *scatter,
                        struct err_text *text)
{
    struct task *task;
    int rc = task_create_data(scheduler, scatter->key, scatter->nbytes, text, &task);
    if (rc == 0)
        task->flags |= TASK_HAD_DATA;
    return rc;
}

static int restore_publication(struct scheduler *scheduler,
                               const struct msg_publish *publish, struct err_text *text)
{
    struct publication *publication;
    if (!text_is_clean(publish->name, 1) || publication_find(scheduler, publish->name))
        return err_set(text, DUSK_E_DATA,
                       "a name that is taken, or none, is published");
    int rc = publication_add(scheduler, publish, &publication);
    return rc < 0 ? err_set(text, rc, "out of memory") : 0;
}

/* What no name keeps any more makes room for what the rest of the journal holds. */
static void restore_settle(struct scheduler *scheduler)
{
    scheduler->recovery.running = true; /* nothing is lost before it was looked for */
    agenda_run(scheduler);
    scheduler->recovery.running = false;
}

static void restore_unpublish(struct scheduler *scheduler,
                              const struct msg_unpublish *unpublish)
{
    struct publication *publication = publication_find(scheduler, unpublish->name);
    if (publication)
        publication_remove(scheduler, publication);
    restore_settle(scheduler);
}

int scheduler_restore(struct scheduler *scheduler, const struct message *message,
                      struct err_text *text)
{
    struct task *task;
    switch (message->type) {
    case MSG_submit:
        return task_find(scheduler, message->submit.key)
                   ? 0
                   : task_create(scheduler, &message->submit, text, &task);
    case MSG_scatter:
        return task_find(scheduler, message->scatter.key)
                   ? 0
                   : restore_data(scheduler, &message->scatter, text);
    case MSG_publish:
        return restore_publication(scheduler, &message->publish, text);
    case MSG_unpublish:
        restore_unpublish(scheduler, &message->unpublish);
        return 0;
    case MSG_cancel:
        client_cancel(scheduler, &message->cancel);
        restore_settle(scheduler);
        return 0;
    case MSG_replicate:
        return client_replicate(scheduler, &message->replicate);
    default:
        return err_set(text, DUSK_E_DATA, "a journal does not hold %s",
                       message_name(message->type));
    }
}

/* What nothing that is published needs is forgotten; the rest is recorded anew. */
int scheduler_restored(struct scheduler *scheduler, uint64_t now_ns)
{
    scheduler->now_ns = now_ns;
    size_t position = 0;
    struct task *task;
    while ((task = task_table_next(&scheduler->tasks, &position)))
        agenda_add(scheduler, task);
    if (scheduler->publication_count)
        recovery_begin(scheduler);
    scheduler_settle(scheduler);
    return scheduler_record_all(scheduler);
}
