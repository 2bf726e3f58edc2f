/* What the scheduler is told of futures: submit, cancel and release, in this order,
 * each future through one queue after the other. */
#include "client/core_parts.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>

/* Keys in one cancel or release. */
#define KEYS_AT_ONCE 1024

void client_queue(struct dusk_future *future, enum future_queue queue)
{
    struct client_core *core = future->core;
    list_remove(&future->queue);
    core->queue_count -= future->queued != QUEUE_NONE;
    core->queue_count += queue != QUEUE_NONE;
    future->queued = (uint8_t)queue;
    if (queue != QUEUE_NONE)
        list_append(&core->queues[queue], &future->queue);
}

int client_core_submit(struct client_core *core, struct future_spec *spec,
                       struct dusk_future **ret_future)
{
    if (core->key_count == KEY_COUNT_MAX)
        return DUSK_E_LIMIT;
    struct dusk_future *future = calloc(1, sizeof *future);
    struct task_key key = key_make(core->number, core->key_count + 1);
    if (!future || map_put(&core->by_key, key.bits, future) < 0) {
        free(future);
        return DUSK_E_NOMEM;
    }
    core->key_count++;
    future->key = key;
    future->core = core;
    future->spec = spec;
    future->references = future->wanted = 1;
    future->nbytes = spec->function ? 0 : payload_bytes(spec->payload);
    list_init(&future->queue);
    list_init(&future->watches);
    list_append(&core->futures, &future->all);
    client_queue(future, QUEUE_SUBMIT);
    *ret_future = future;
    return 0;
}

/* A task that the scheduler never heard of, and that nothing depends on, is just
 * not submitted. */
void client_core_cancel(struct client_core *core, struct dusk_future *future)
{
    if (future_is_done(future))
        return;
    char line[200];
    snprintf(line, sizeof line, "%s was cancelled by this program",
             future_name(future).text);
    future_fail(future, DUSK_E_CANCELLED, str_of(line));
    if (future->session)
        client_queue(future, QUEUE_CANCEL);
    else if (future->references == future->wanted)
        client_queue(future, QUEUE_NONE);
    else
        future->cancelling = true;
}

void client_submit_again(struct client_core *core, bool same_scheduler)
{
    LIST_FOREACH (link, &core->futures) {
        struct dusk_future *future = CONTAINER_OF(link, struct dusk_future, all);
        bool known = same_scheduler && future->state == FUTURE_HERE;
        if (future->references > 0 && !future_has_failed(future) && !known)
            client_queue(future, QUEUE_SUBMIT);
    }
}

/* ---- the queues ---- */

static const struct dusk_future *failed_dependency(const struct future_spec *spec)
{
    for (unsigned i = 0; i < spec->dependency_count; i++)
        if (future_has_failed(spec->dependencies[i]))
            return spec->dependencies[i];
    return NULL;
}

static void fail_with(struct dusk_future *future, const struct dusk_future *cause)
{
    char line[600];
    snprintf(line, sizeof line, "%s needs %s: %s", future_name(future).text,
             future_name(cause).text, cause->line ? cause->line : "it failed");
    future_fail(future, cause->code, str_of(line));
}

static bool tell_task(struct client_core *core, const struct dusk_future *future)
{
    const struct future_spec *spec = future->spec;
    struct task_key keys[LIMIT_ARGUMENTS];
    for (unsigned i = 0; i < spec->dependency_count; i++)
        keys[i] = spec->dependencies[i]->key;
    return client_tell(
        core, MESSAGE(submit, .key = future->key, .function = str_of(spec->function),
                      .dependencies = {keys, spec->dependency_count},
                      .priority = spec->priority, .retries = spec->retries,
                      .flags = spec->flags, .worker = str_of(spec->worker),
                      .arguments = spec->payload));
}

/* Scattered data have a transfer that looks for their place from the first message
 * until the scheduler confirms them. */
static bool tell_data(struct client_core *core, struct dusk_future *future,
                      uint64_t now_ns)
{
    bool arriving = future->state == FUTURE_PENDING && future->wanted > 0;
    if (arriving && !future->transfer &&
        client_transfer_begin(future, true, NULL, now_ns) < 0) {
        core->blocked = true;
        return false;
    }
    return client_tell(core,
                       MESSAGE(scatter, .key = future->key, .nbytes = future->nbytes));
}

static bool submit_first(struct client_core *core, struct dusk_future *future,
                         uint64_t now_ns)
{
    const struct dusk_future *cause = failed_dependency(future->spec);
    if (cause && !future->cancelling) {
        fail_with(future, cause);
        client_queue(future, QUEUE_NONE);
        return true;
    }
    if (!(future->spec->function ? tell_task(core, future)
                                 : tell_data(core, future, now_ns)))
        return false;
    future->session = core->session;
    if (future->cancelling)
        client_queue(future, QUEUE_CANCEL);
    else
        client_queue(future, future->wanted ? QUEUE_NONE : QUEUE_RELEASE);
    future->cancelling = false;
    return true;
}

/* Empties up to KEYS_AT_ONCE places of a queue into one message. */
static bool keys_fill(struct client_core *core, enum future_queue queue)
{
    struct task_key keys[KEYS_AT_ONCE];
    struct dusk_future *told[KEYS_AT_ONCE];
    size_t count = 0;
    LIST_FOREACH (link, &core->queues[queue]) {
        struct dusk_future *future = CONTAINER_OF(link, struct dusk_future, queue);
        future->references++; /* one of them may be all that keeps another */
        told[count] = future;
        keys[count++] = future->key;
        if (count == KEYS_AT_ONCE)
            break;
    }
    const field_keys list = {keys, count};
    bool sent = queue == QUEUE_CANCEL
                    ? client_tell(core, MESSAGE(cancel, .keys = list))
                    : client_tell(core, MESSAGE(release, .keys = list));
    for (size_t i = 0; i < count; i++) {
        bool unwanted = queue == QUEUE_CANCEL && told[i]->wanted == 0;
        if (sent)
            client_queue(told[i], unwanted ? QUEUE_RELEASE : QUEUE_NONE);
        told[i]->references--;
        future_collect(told[i]);
    }
    return sent;
}

void client_submit_fill(struct client_core *core, uint64_t now_ns)
{
    struct list *submits = &core->queues[QUEUE_SUBMIT];
    while (!list_is_empty(submits)) {
        struct dusk_future *future =
            CONTAINER_OF(submits->next, struct dusk_future, queue);
        if (!submit_first(core, future, now_ns))
            return;
        future_collect(future);
    }
    for (enum future_queue queue = QUEUE_CANCEL; queue <= QUEUE_RELEASE; queue++)
        while (!list_is_empty(&core->queues[queue]))
            if (!keys_fill(core, queue))
                return;
}
