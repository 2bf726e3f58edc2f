/* Questions to the scheduler: asked once a session until they are answered. */
#include "client/core_parts.h"
#include "client/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

void client_core_ask(struct client_core *core, struct client_question *question)
{
    question->request = ++core->next_request;
    question->session = 0;
    question->answered = false;
    list_append(&core->questions, &question->link);
}

void client_core_take_back(struct client_core *core, struct client_question *question)
{
    list_remove(&question->link);
}

static bool ask(struct client_core *core, const struct client_question *question)
{
    uint64_t request = question->request;
    struct str name = str_of(question->name);
    switch (question->kind) {
    case ASK_WHY:
        return client_tell(core,
                           MESSAGE(why, .request = request, .key = question->key));
    case ASK_WHY_ALL:
        return client_tell(core, MESSAGE(why_all, .request = request));
    case ASK_PUBLISH:
        /* The scheduler must have heard of the tasks. */
        return list_is_empty(&core->queues[QUEUE_SUBMIT]) &&
               client_tell(core, MESSAGE(publish, .request = request, .name = name,
                                         .keys = question->keys));
    case ASK_UNPUBLISH:
        return client_tell(core, MESSAGE(unpublish, .request = request, .name = name));
    case ASK_GET_PUBLISHED:
        return client_tell(core,
                           MESSAGE(get_published, .request = request, .name = name));
    case ASK_SHUTDOWN:
        return client_tell(core, MESSAGE(shutdown, .request = request));
    case ASK_STATUS:
        break;
    }
    return client_tell(core, MESSAGE(status_request, .request = request));
}

void client_question_fill(struct client_core *core)
{
    LIST_FOREACH (link, &core->questions) {
        struct client_question *question =
            CONTAINER_OF(link, struct client_question, link);
        if (question->session != core->session && ask(core, question))
            question->session = core->session;
    }
}

/* ---- answers ---- */

static const unsigned answered_by[] = {
    [ASK_STATUS] = MSG_status,     [ASK_WHY] = MSG_because,
    [ASK_PUBLISH] = MSG_published, [ASK_UNPUBLISH] = MSG_published,
    [ASK_WHY_ALL] = MSG_because,   [ASK_GET_PUBLISHED] = MSG_published,
    [ASK_SHUTDOWN] = MSG_outcome,
};

static uint64_t request_of(const struct message *message)
{
    switch (message->type) {
    case MSG_because:
        return message->because.request;
    case MSG_published:
        return message->published.request;
    case MSG_outcome:
        return message->outcome.request;
    default:
        return message->status.request;
    }
}

static struct client_question *question_find(struct client_core *core,
                                             const struct message *message)
{
    LIST_FOREACH (link, &core->questions) {
        struct client_question *question =
            CONTAINER_OF(link, struct client_question, link);
        if (question->request == request_of(message) &&
            answered_by[question->kind] == message->type)
            return question;
    }
    return NULL;
}

/* The rows of all that wait, each with its end of line; or the one line. */
static int reason_copy(const struct msg_because *because, char **ret_reason)
{
    size_t size = because->reason.size + 1, at = 0;
    for (size_t i = 0; i < because->waiting.count; i++)
        size += because->waiting.items[i].reason.size + 1;
    char *reason = malloc(size);
    if (!reason)
        return DUSK_E_NOMEM;
    for (size_t i = 0; i < because->waiting.count; i++)
        at += (size_t)snprintf(reason + at, size - at, STR_FORMAT "\n",
                               STR_ARGS(because->waiting.items[i].reason));
    snprintf(reason + at, size - at, STR_FORMAT, STR_ARGS(because->reason));
    *ret_reason = reason;
    return 0;
}

static void futures_drop(struct client_question *question)
{
    for (size_t i = 0; i < question->future_count; i++)
        future_unwant(question->futures[i]);
    free(question->futures);
    question->futures = NULL;
}

static int adopt_all(struct client_core *core, struct client_question *question,
                     field_task_rows tasks)
{
    question->futures = calloc(tasks.count + 1, sizeof *question->futures);
    if (!question->futures)
        return DUSK_E_NOMEM;
    int rc = 0;
    size_t count = 0;
    while (rc == 0 && count < tasks.count) {
        const struct task_row *row = &tasks.items[count];
        rc = client_core_adopt(core, row->key, row->what, &question->futures[count]);
        count += rc == 0;
    }
    question->future_count = count;
    if (rc < 0)
        futures_drop(question);
    return rc;
}

/* Nobody asks for these any more; the scheduler thinks that this client wants them. */
static int release_tasks(struct client_core *core, field_task_rows tasks)
{
    struct client_question nobody = {0};
    int rc = adopt_all(core, &nobody, tasks);
    if (rc == 0)
        futures_drop(&nobody);
    return rc;
}

static int on_published(struct client_core *core, struct client_question *question,
                        const struct msg_published *published)
{
    if (published->code) {
        question->code = failure_code(published->code, DUSK_E_PROTOCOL);
        return (question->reason = str_copy(published->reason)) ? 0 : DUSK_E_NOMEM;
    }
    return question->kind == ASK_GET_PUBLISHED
               ? adopt_all(core, question, published->tasks)
               : 0;
}

static int on_outcome(struct client_question *question,
                      const struct msg_outcome *outcome)
{
    if (outcome->code)
        question->code = failure_code(outcome->code, DUSK_E_PROTOCOL);
    return (question->reason = str_copy(outcome->reason)) ? 0 : DUSK_E_NOMEM;
}

static int answer_read(struct client_core *core, struct client_question *question,
                       const struct message *message)
{
    switch (message->type) {
    case MSG_because:
        return reason_copy(&message->because, &question->reason);
    case MSG_published:
        return on_published(core, question, &message->published);
    case MSG_outcome:
        return on_outcome(question, &message->outcome);
    default:
        return snapshot_copy(&message->status, &question->cluster);
    }
}

/* Keys that this client will yet make must be nobody's. */
static int check_keys(const struct client_core *core, field_task_rows tasks,
                      struct err_text *text)
{
    for (size_t i = 0; i < tasks.count; i++) {
        struct task_key key = tasks.items[i].key;
        if (key.bits >> KEY_COUNT_BITS == core->number &&
            (key.bits & KEY_COUNT_MAX) > core->key_count)
            return err_set(text, DUSK_E_PROTOCOL,
                           "the scheduler says that " KEY_FORMAT
                           " is published, which this client has not made",
                           KEY_ARGS(key));
    }
    return 0;
}

int client_question_message(struct client_core *core, const struct message *message,
                            struct err_text *text)
{
    int rc = message->type == MSG_published
                 ? check_keys(core, message->published.tasks, text)
                 : 0;
    if (rc < 0)
        return rc;
    if (message->type == MSG_outcome && client_upload_outcome(core, &message->outcome))
        return 0;
    struct client_question *question = question_find(core, message);
    if (!question) {
        core->late++;
        return message->type == MSG_published
                   ? release_tasks(core, message->published.tasks)
                   : 0;
    }
    rc = answer_read(core, question, message);
    if (rc < 0)
        return rc;
    question->answered = true;
    list_remove(&question->link);
    return 0;
}
