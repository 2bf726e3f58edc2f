#include "scheduler/core.h"

#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A row of `published` without its text, at most. */
#define ROW_BYTES 16

struct publication *publication_find(const struct scheduler *scheduler, struct str name)
{
    LIST_FOREACH (link, &scheduler->publications) {
        struct publication *publication = CONTAINER_OF(link, struct publication, link);
        if (text_is(name, publication->name))
            return publication;
    }
    return NULL;
}

/* ---- coming and going ---- */

static void publication_destroy(struct publication *publication)
{
    free(publication->name);
    free(publication->keys);
    free(publication);
}

static struct publication *publication_create(const struct msg_publish *publish)
{
    size_t bytes = publish->keys.count * sizeof *publish->keys.items;
    struct publication *publication = calloc(1, sizeof *publication);
    if (!publication)
        return NULL;
    publication->name = str_copy(publish->name);
    publication->keys = malloc(bytes ? bytes : 1);
    publication->request = publish->request;
    publication->key_count = publish->keys.count;
    list_init(&publication->link);
    party_init(&publication->keeper.wants, BOND_WANT);
    if (publication->name && publication->keys) {
        if (bytes)
            memcpy(publication->keys, publish->keys.items, bytes);
        return publication;
    }
    publication_destroy(publication);
    return NULL;
}

void publication_remove(struct scheduler *scheduler, struct publication *publication)
{
    LIST_FOREACH (link, &publication->keeper.wants.bonds) {
        struct bond *want = CONTAINER_OF(link, struct bond, link);
        struct task *task = bond_task(want);
        bond_remove(want);
        agenda_add(scheduler, task);
    }
    list_remove(&publication->link);
    scheduler->publication_count--;
    scheduler->published_tasks -= publication->key_count;
    publication_destroy(publication);
}

static int keep(struct scheduler *scheduler, struct publication *publication,
                struct task *task)
{
    struct bond *want = bond_find(task, &publication->keeper.wants);
    int rc = want ? 0 : bond_add(task, &publication->keeper.wants, &want);
    if (rc == 0)
        bond_set_flags(want, bond_flags(want) | WANT_KEPT);
    agenda_add(scheduler, task);
    return rc;
}

int publication_add(struct scheduler *scheduler, const struct msg_publish *publish,
                    struct publication **ret_publication)
{
    struct publication *publication = publication_create(publish);
    if (!publication)
        return DUSK_E_NOMEM;
    list_append(&scheduler->publications, &publication->link);
    scheduler->publication_count++;
    scheduler->published_tasks += publication->key_count;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < publish->keys.count; i++) {
        struct task *task = task_find(scheduler, publish->keys.items[i]);
        if (task)
            rc = keep(scheduler, publication, task);
    }
    if (rc < 0)
        publication_remove(scheduler, publication);
    else
        *ret_publication = publication;
    return rc;
}

void publications_fini(struct scheduler *scheduler)
{
    LIST_FOREACH (link, &scheduler->publications)
        publication_destroy(CONTAINER_OF(link, struct publication, link));
}

/* ---- asking ---- */

static void answer(struct scheduler *scheduler, struct client *client, uint64_t request,
                   int code, const char *line)
{
    client_send(
        scheduler, client,
        MESSAGE(published, .request = request, .code = code, .reason = str_of(line)));
}

/* Whether there is room for so many, and one message can tell of them all. */
static int publish_check_room(const struct scheduler *scheduler,
                              const struct msg_publish *publish, size_t text_bytes,
                              struct err_text *text)
{
    size_t count = publish->keys.count;
    if (scheduler->publication_count >= LIMIT_PUBLICATIONS)
        return err_set(text, DUSK_E_LIMIT,
                       "'" STR_FORMAT "': %u names are published, and no more can be",
                       STR_ARGS(publish->name), LIMIT_PUBLICATIONS);
    if (scheduler->published_tasks + count > LIMIT_PUBLISHED_TASKS ||
        ROW_BYTES * count + text_bytes > LIMIT_HEADER_BYTES - 2 * ROW_BYTES)
        return err_set(text, DUSK_E_LIMIT,
                       "'" STR_FORMAT "' has %zu tasks: too many for one name, or with "
                       "the %zu that are published",
                       STR_ARGS(publish->name), count, scheduler->published_tasks);
    return 0;
}

static int publish_check(const struct scheduler *scheduler,
                         const struct msg_publish *publish, struct err_text *text)
{
    if (!text_is_clean(publish->name, 1))
        return err_set(text, DUSK_E_INVALID,
                       "a published name must be printable text of 1 to %u bytes",
                       LIMIT_NAME_BYTES);
    if (publication_find(scheduler, publish->name))
        return err_set(text, DUSK_E_BUSY, "'" STR_FORMAT "' is published already",
                       STR_ARGS(publish->name));
    size_t text_bytes = 0;
    for (size_t i = 0; i < publish->keys.count; i++) {
        const struct task *task = task_find(scheduler, publish->keys.items[i]);
        if (!task)
            return err_set(text, DUSK_E_NOT_FOUND,
                           "'" STR_FORMAT "' cannot be published with " KEY_FORMAT
                           ", which the scheduler does not know",
                           STR_ARGS(publish->name), KEY_ARGS(publish->keys.items[i]));
        text_bytes += strlen(task_what(task));
    }
    return publish_check_room(scheduler, publish, text_bytes, text);
}

/* A request that a client repeats since it has heard no answer. */
static bool is_repeated(const struct scheduler *scheduler,
                        const struct msg_publish *publish)
{
    const struct publication *other = publication_find(scheduler, publish->name);
    return other && other->request == publish->request &&
           other->key_count == publish->keys.count &&
           (other->key_count == 0 ||
            memcmp(other->keys, publish->keys.items,
                   other->key_count * sizeof *other->keys) == 0);
}

static void note_published(struct scheduler *scheduler, const char *event,
                           const struct publication *publication)
{
    struct note *note = note_add(&scheduler->notes, NOTE_INFO, event);
    note_field(note, "name", "%s", publication->name);
    note_field(note, "tasks", "%zu", publication->key_count);
}

/* Carries the change out, or takes it back, when it is known how its record went. */
static void settle_recording(struct scheduler *scheduler, int code, const char *line)
{
    struct recording recording = scheduler->recording;
    scheduler->recording = (struct recording){0};
    if (recording.added)
        note_published(scheduler, code == 0 ? "published" : "not published",
                       recording.added);
    if (recording.removed && code == 0)
        note_published(scheduler, "unpublished", recording.removed);
    struct publication *gone = code == 0 ? recording.removed : recording.added;
    if (gone)
        publication_remove(scheduler, gone);
    if (recording.client)
        answer(scheduler, recording.client, recording.request, code, line);
}

void client_publish(struct scheduler *scheduler, struct client *client,
                    const struct msg_publish *publish)
{
    struct err_text text = {{0}};
    struct publication *publication = NULL;
    int rc = 0;
    if (!is_repeated(scheduler, publish)) {
        rc = publish_check(scheduler, publish, &text);
        if (rc == 0 && (rc = publication_add(scheduler, publish, &publication)) < 0)
            err_set(&text, rc, "the scheduler is out of memory");
    }
    scheduler->recording =
        (struct recording){client, publish->request, .added = publication};
    if (publication && (rc = record_publication(scheduler, publication)) < 0)
        err_set(&text, rc, "'%s' cannot be recorded: %s", publication->name,
                err_sentence(rc));
    if (rc < 0 || !publication || !scheduler->config.journal)
        settle_recording(scheduler, rc, text.line);
}

/* As in Dask, a name that is not there is none afterwards either. */
void client_unpublish(struct scheduler *scheduler, struct client *client,
                      const struct msg_unpublish *unpublish)
{
    struct publication *publication = publication_find(scheduler, unpublish->name);
    int rc = publication ? record_unpublish(scheduler, unpublish) : 0;
    scheduler->recording =
        (struct recording){client, unpublish->request, .removed = publication};
    if (rc < 0 || !publication || !scheduler->config.journal)
        settle_recording(scheduler, rc, rc < 0 ? err_sentence(rc) : "");
}

void client_get_published(struct scheduler *scheduler, struct client *client,
                          const struct msg_get_published *get)
{
    const struct publication *publication = publication_find(scheduler, get->name);
    char line[LIMIT_NAME_BYTES + 40];
    if (!publication) {
        snprintf(line, sizeof line, "nothing is published as '" STR_FORMAT "'",
                 STR_ARGS(get->name));
        answer(scheduler, client, get->request, DUSK_E_NOT_FOUND, line);
        return;
    }
    size_t count = publication->key_count;
    struct task_row *rows = calloc(count + 1, sizeof *rows);
    if (!rows) {
        answer(scheduler, client, get->request, DUSK_E_NOMEM,
               "the scheduler is out of memory");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct task *task = task_find(scheduler, publication->keys[i]);
        rows[i] = (struct task_row){publication->keys[i],
                                    str_of(task ? task_what(task) : "cancelled")};
    }
    client_send(scheduler, client,
                MESSAGE(published, .request = get->request, .tasks = {rows, count}));
    free(rows);
    for (size_t i = 0; i < count; i++)
        client_give(scheduler, client, publication->keys[i]);
}

void scheduler_recorded(struct scheduler *scheduler, int code, const char *line,
                        uint64_t now_ns)
{
    scheduler->now_ns = now_ns;
    records_forget(scheduler);
    settle_recording(scheduler, code, line);
    scheduler_settle(scheduler);
}
