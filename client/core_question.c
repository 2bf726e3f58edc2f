/* Questions about the cluster: asked once a session until they are answered. */
#include "client/core_parts.h"
#include "client/snapshot.h"

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

void client_question_fill(struct client_core *core)
{
    LIST_FOREACH (link, &core->questions) {
        struct client_question *question =
            CONTAINER_OF(link, struct client_question, link);
        if (question->session == core->session)
            continue;
        bool told = question->key.bits
                        ? client_tell(core, MESSAGE(why, .request = question->request,
                                                    .key = question->key))
                        : client_tell(core, MESSAGE(status_request,
                                                    .request = question->request));
        if (told)
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

int client_question_message(struct client_core *core, const struct message *message)
{
    bool why = message->type == MSG_because;
    struct client_question *question =
        question_find(core, why ? message->because.request : message->status.request);
    if (!question || (question->key.bits != 0) != why) {
        core->late++;
        return 0;
    }
    if (why && !(question->reason = str_copy(message->because.reason)))
        return DUSK_E_NOMEM;
    int rc = why ? 0 : snapshot_copy(&message->status, &question->cluster);
    if (rc < 0)
        return rc;
    question->answered = true;
    list_remove(&question->link);
    return 0;
}
