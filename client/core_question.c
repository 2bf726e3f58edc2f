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

static bool question_tell(struct client_core *core,
                          const struct client_question *question)
{
    uint64_t request = question->request;
    switch (question->kind) {
    case QUESTION_WHY:
        return client_tell(core,
                           MESSAGE(why, .request = request, .key = question->key));
    case QUESTION_SHUTDOWN:
        return client_tell(core, MESSAGE(shutdown, .request = request));
    default:
        return client_tell(core, MESSAGE(status_request, .request = request));
    }
}

void client_question_fill(struct client_core *core)
{
    LIST_FOREACH (link, &core->questions) {
        struct client_question *question =
            CONTAINER_OF(link, struct client_question, link);
        if (question->session != core->session && question_tell(core, question))
            question->session = core->session;
    }
}

static struct client_question *question_find(struct client_core *core,
                                             enum question_kind kind, uint64_t request)
{
    LIST_FOREACH (link, &core->questions) {
        struct client_question *question =
            CONTAINER_OF(link, struct client_question, link);
        if (question->kind == kind && question->request == request)
            return question;
    }
    return NULL;
}

static struct client_question *question_of(struct client_core *core,
                                           const struct message *message)
{
    switch (message->type) {
    case MSG_status:
        return question_find(core, QUESTION_STATUS, message->status.request);
    case MSG_because:
        return question_find(core, QUESTION_WHY, message->because.request);
    default:
        return question_find(core, QUESTION_SHUTDOWN, message->outcome.request);
    }
}

static int question_answer(struct client_question *question,
                           const struct message *message)
{
    if (question->kind == QUESTION_STATUS)
        return snapshot_copy(&message->status, &question->cluster);
    bool why = question->kind == QUESTION_WHY;
    question->reason =
        str_copy(why ? message->because.reason : message->outcome.reason);
    if (!why && message->outcome.code)
        question->code = failure_code(message->outcome.code, DUSK_E_PROTOCOL);
    return question->reason ? 0 : DUSK_E_NOMEM;
}

int client_question_message(struct client_core *core, const struct message *message)
{
    if (message->type == MSG_outcome && client_upload_outcome(core, &message->outcome))
        return 0;
    struct client_question *question = question_of(core, message);
    if (!question) {
        core->late++;
        return 0;
    }
    int rc = question_answer(question, message);
    if (rc < 0)
        return rc;
    question->answered = true;
    list_remove(&question->link);
    return 0;
}
