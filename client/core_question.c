/* Questions about the cluster: asked once a session until they are answered. */
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

static bool question_tell(struct client_core *core,
                          const struct client_question *question)
{
    uint64_t request = question->request;
    if (!question->why)
        return client_tell(core, MESSAGE(status_request, .request = request));
    if (question->key.bits == 0)
        return client_tell(core, MESSAGE(why_all, .request = request));
    return client_tell(core, MESSAGE(why, .request = request, .key = question->key));
}

void client_question_fill(struct client_core *core)
{
    LIST_FOREACH (link, &core->questions) {
        struct client_question *question =
            CONTAINER_OF(link, struct client_question, link);
        if (question->session == core->session)
            continue;
        if (question_tell(core, question))
            question->session = core->session;
    }
}

static struct client_question *question_find(struct client_core *core, uint64_t request)
{
    LIST_FOREACH (link, &core->questions) {
        struct client_question *question =
            CONTAINER_OF(link, struct client_question, link);
        if (question->request == request)
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
        at += (size_t)sprintf(reason + at, STR_FORMAT "\n",
                              STR_ARGS(because->waiting.items[i].reason));
    snprintf(reason + at, size - at, STR_FORMAT, STR_ARGS(because->reason));
    *ret_reason = reason;
    return 0;
}

int client_question_message(struct client_core *core, const struct message *message)
{
    bool why = message->type == MSG_because;
    struct client_question *question =
        question_find(core, why ? message->because.request : message->status.request);
    if (!question || question->why != why) {
        core->late++;
        return 0;
    }
    int rc = why ? reason_copy(&message->because, &question->reason)
                 : snapshot_copy(&message->status, &question->cluster);
    if (rc < 0)
        return rc;
    question->answered = true;
    list_remove(&question->link);
    return 0;
}
