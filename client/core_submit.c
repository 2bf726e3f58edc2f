/* What the scheduler is told of futures: submit, cancel and release, in this order,
 * each future through one queue after the other. */
#include "client/core_parts.h"
#include "common/clock.h"
#include "proto/limits.h"

#include <stdio.h>
#include <stdlib.h>

/* The scheduler knows the task from somebody else. */
#define SESSION_OTHER UINT32_MAX

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

/* Takes the spec on success. */
static struct dusk_future *future_create(struct client_core *core, struct task_key key,
                                         struct future_spec *spec)
{
    struct dusk_future *future = calloc(1, sizeof *future);
    if (!future || map_put(&core->by_key, key.bits, future) < 0) {
        free(future);
        return NULL;
    }
    future->key = key;
    future->core = core;
    future->spec = spec;
    future->references = future->wanted = 1;
    list_init(&future->queue);
    list_init(&future->watches);
    list_append(&core->futures, &future->all);
    return future;
}

int client_core_submit(struct client_core *core, struct future_spec *spec,
                       struct dusk_future **ret_future)
{
    if (core->key_count == KEY_COUNT_MAX)
        return DUSK_E_LIMIT;
    struct dusk_future *future =
        future_create(core, key_make(core->number, core->key_count + 1), spec);
    if (!future)
        return DUSK_E_NOMEM;
    core->key_count++;
    future->nbytes = spec->function ? 0 : payload_bytes(spec->payload);
    client_queue(future, QUEUE_SUBMIT);
    *ret_future = future;
    return 0;
}

/* A release may be on its way for one that nobody wanted here. */
static int want_anew(struct dusk_future *future)
{
    if (!client_tell(future->core, MESSAGE(want, .keys = {&future->key, 1})))
        return DUSK_E_NOMEM;
    if (future->queued == QUEUE_RELEASE)
        client_queue(future, QUEUE_NONE);
    return 0;
}

int client_core_adopt(struct client_core *core, struct task_key key, struct str what,
                      struct dusk_future **ret_future)
{
    struct dusk_future *future = map_get(&core->by_key, key.bits);
    if (future) {
        int rc = future->wanted ? 0 : want_anew(future);
        if (rc < 0)
            return rc;
        future_want(future);
        *ret_future = future;
        return 0;
    }
    char name[LIMIT_NAME_BYTES + 1];
    snprintf(name, sizeof name, STR_FORMAT, STR_ARGS(what));
    struct future_spec *spec = future_spec_create(name, NULL, NULL, NULL, 0);
    if (!spec || !(future = future_create(core, key, spec))) {
        free(spec);
        return DUSK_E_NOMEM;
    }
    future->adopted = true;
    future->session = SESSION_OTHER;
    client_queue(future, QUEUE_SUBMIT);
    *ret_future = future;
    return 0;
}

void client_core_replicate(struct client_core *core, struct dusk_future *future,
                           unsigned copies)
{
    future->copies = copies;
    if (!future_has_failed(future) && future->queued != QUEUE_SUBMIT)
        client_queue(future, QUEUE_SUBMIT);
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

/* ---- after a reconnection ---- */

/* Nobody knows what the scheduler read before a connection broke, so all is told
 * again: submits, of finished tasks too since others may depend on them, and cancels
 * from the futures.  A released future is gone: the keys released last are kept until
 * a heartbeat that came later is answered. */
static bool released_keep(struct client_core *core, const struct task_key *keys,
                          size_t count)
{
    int rc = buf_append(&core->released[0], keys, count * sizeof *keys);
    /* Past the limit a breaking connection may leave results that nobody wants, until
     * this client leaves. */
    return rc == 0 || rc == DUSK_E_LIMIT;
}

void client_released_turn(struct client_core *core)
{
    if (!core->heartbeat_answered)
        return;
    struct buf oldest = core->released[1];
    core->released[1] = core->released[0];
    core->released[0] = oldest;
    buf_reset(&core->released[0]);
    core->heartbeat_answered = false;
}

static bool released_again(struct client_core *core)
{
    for (int i = 0; i < 2; i++) {
        const struct buf *buf = &core->released[i];
        const field_keys keys = {(const struct task_key *)(const void *)buf->data,
                                 buf->size / sizeof(struct task_key)};
        if (keys.count > 0 && !client_tell(core, MESSAGE(release, .keys = keys)))
            return false;
    }
    return true;
}

static void future_again(struct dusk_future *future, bool same_scheduler)
{
    if (future->references == 0)
        return;
    if (!future_has_failed(future))
        client_queue(future, QUEUE_SUBMIT);
    else if (same_scheduler && future->state == FUTURE_CANCELLED &&
             future->wanted > 0 && future->session)
        client_queue(future, QUEUE_CANCEL);
}

/* What was released before it was done is pending here for ever, but whatever needed it
 * and is done tells that it was.  Dependencies are older. */
static void mark_used(struct client_core *core)
{
    for (struct list *link = core->futures.prev; link != &core->futures;
         link = link->prev) {
        const struct dusk_future *future = CONTAINER_OF(link, struct dusk_future, all);
        bool used =
            future->used || (future_is_done(future) && !future_has_failed(future));
        for (unsigned i = 0; used && i < future->spec->dependency_count; i++)
            future->spec->dependencies[i]->used = true;
    }
}

bool client_submit_again(struct client_core *core, bool same_scheduler)
{
    core->heartbeat_answered = false;
    mark_used(core);
    LIST_FOREACH (link, &core->futures)
        future_again(CONTAINER_OF(link, struct dusk_future, all), same_scheduler);
    return !same_scheduler || released_again(core);
}

/* ---- the queues ---- */

/* A result that is here stays, unless it is cancelled, but nothing can be built on it
 * any more: what needs it fails for the same reason. */
static void fail_like(struct dusk_future *future, const struct dusk_future *cause)
{
    char line[600];
    snprintf(line, sizeof line, "%s needs %s: %s", future_name(future).text,
             future_name(cause).text,
             cause->line ? cause->line : "it cannot be made again");
    int code = cause->code < 0 ? cause->code : DUSK_E_DATA_LOST;
    if (future->state == FUTURE_HERE && cause->state != FUTURE_CANCELLED)
        future_reason_set(future, code, str_of(line));
    else
        future_fail(future, code, str_of(line));
}

bool client_fail_like_dependency(struct dusk_future *future)
{
    const struct future_spec *spec = future->spec;
    for (unsigned i = 0; i < spec->dependency_count; i++) {
        const struct dusk_future *cause = spec->dependencies[i];
        if (future_has_failed(cause) ||
            (cause->state == FUTURE_HERE && cause->code < 0)) {
            fail_like(future, cause);
            return true;
        }
    }
    return false;
}

/* One that failed, or that this scheduler could not be told of because of another
 * that failed: dependencies come first. */
static const struct dusk_future *useless_dependency(const struct dusk_future *future)
{
    const struct future_spec *spec = future->spec;
    for (unsigned i = 0; i < spec->dependency_count; i++)
        if (future_has_failed(spec->dependencies[i]) ||
            spec->dependencies[i]->session != future->core->session)
            return spec->dependencies[i];
    return NULL;
}

/* It is not submitted. */
static void leave_queue(struct dusk_future *future)
{
    bool release = future->wanted == 0 && future->session;
    client_queue(future, release ? QUEUE_RELEASE : QUEUE_NONE);
}

/* 0 when there is no limit, or it was met. */
static uint64_t deadline_of(const struct dusk_future *future)
{
    return future_is_done(future) || future->used ? 0 : future->spec->deadline_ns;
}

static uint64_t time_left_ms(const struct dusk_future *future, uint64_t now_ns)
{
    uint64_t deadline_ns = deadline_of(future);
    return deadline_ns ? (deadline_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS : 0;
}

static bool tell_task(struct client_core *core, const struct dusk_future *future,
                      uint64_t now_ns)
{
    const struct future_spec *spec = future->spec;
    struct task_key keys[LIMIT_ARGUMENTS];
    for (unsigned i = 0; i < spec->dependency_count; i++)
        keys[i] = spec->dependencies[i]->key;
    return client_tell(
        core,
        MESSAGE(submit, .key = future->key, .function = str_of(spec->function),
                .dependencies = {keys, spec->dependency_count},
                .priority = spec->priority, .retries = spec->retries,
                .flags = spec->flags, .worker = str_of(spec->worker),
                .arguments = spec->payload, .deadline_ms = time_left_ms(future, now_ns),
                .resources = str_of(spec->resources)));
}

/* Scattered data have a transfer that looks for their place from the first message
 * until the scheduler confirms them; and again, while tasks need them, when a scheduler
 * is told of them again. */
static bool tell_data(struct client_core *core, struct dusk_future *future,
                      uint64_t now_ns)
{
    bool arriving = future->state == FUTURE_PENDING && future_is_needed(future);
    bool others = future->references > future->wanted && !future_has_failed(future);
    if ((arriving || others) && !future->transfer &&
        client_transfer_begin(future, true, NULL, now_ns) < 0) {
        core->blocked = true;
        return false;
    }
    return client_tell(core,
                       MESSAGE(scatter, .key = future->key, .nbytes = future->nbytes));
}

/* The scheduler was away for so long that there is nothing left to wait for. */
static void time_out(struct dusk_future *future)
{
    char line[300];
    snprintf(line, sizeof line,
             "task %s was not done within %g s: no scheduler could be told of it",
             future_name(future).text, future->spec->deadline_s);
    leave_queue(future);
    future_fail(future, DUSK_E_DEADLINE, str_of(line));
}

/* The scheduler was told of the task already: it is in the queue for what comes after
 * that.  Scattered data may be told of again, to be given another place. */
static bool is_known(const struct dusk_future *future)
{
    return future->spec->function && future->session == future->core->session;
}

static bool tell_all(struct client_core *core, struct dusk_future *future,
                     uint64_t now_ns)
{
    const field_keys key = {&future->key, 1};
    bool told = is_known(future);
    if (!told)
        told = future->adopted          ? client_tell(core, MESSAGE(want, .keys = key))
               : future->spec->function ? tell_task(core, future, now_ns)
                                        : tell_data(core, future, now_ns);
    if (told && future->copies)
        told = client_tell(core,
                           MESSAGE(replicate, .keys = key, .copies = future->copies));
    return told;
}

static bool submit_first(struct client_core *core, struct dusk_future *future,
                         uint64_t now_ns)
{
    uint64_t deadline_ns = deadline_of(future);
    bool known = is_known(future);
    if (!known && deadline_ns && deadline_ns <= now_ns) {
        time_out(future);
        return true;
    }
    const struct dusk_future *cause = known ? NULL : useless_dependency(future);
    if (cause) {
        leave_queue(future);
        fail_like(future, cause);
        return true;
    }
    if (!tell_all(core, future, now_ns))
        return false;
    future->session = core->session;
    if (future->cancelling)
        client_queue(future, QUEUE_CANCEL);
    else
        client_queue(future, future_is_needed(future) ? QUEUE_NONE : QUEUE_RELEASE);
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
                    : released_keep(core, keys, count) &&
                          client_tell(core, MESSAGE(release, .keys = list));
    core->blocked = core->blocked || !sent;
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
