/* Accepted attempts and their states.
 *
 *     waiting --> ready --> loading --> executing --> (done, erred)
 *        |          ^|         |          |   |
 *        |          ||         |          |   +-> stopping --> (erred CANCELLED)
 *        |          |+---------+----------+  (told to try again by itself)
 *        +-> (missing, erred)
 *
 * Leaving the table means exactly one answer to the scheduler. */
#include "common/log.h"
#include "proto/limits.h"
#include "worker/call.h"
#include "worker/core_state.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define BIT(state) (1u << ATTEMPT_##state)

static void ready_enter(struct worker_core *core, struct attempt *attempt);
static void ready_leave(struct worker_core *core, struct attempt *attempt);
static void loading_enter(struct worker_core *core, struct attempt *attempt);
static void loading_leave(struct worker_core *core, struct attempt *attempt);
static void executing_enter(struct worker_core *core, struct attempt *attempt);
static void stopping_enter(struct worker_core *core, struct attempt *attempt);

static const struct attempt_row {
    const char *name;
    unsigned next; /* states that may follow */
    void (*enter)(struct worker_core *core, struct attempt *attempt);
    void (*leave)(struct worker_core *core, struct attempt *attempt);
} rows[ATTEMPT_STATES] = {
    [ATTEMPT_WAITING] = {"waiting", BIT(READY), NULL, NULL},
    [ATTEMPT_READY] = {"ready", BIT(LOADING), ready_enter, ready_leave},
    [ATTEMPT_LOADING] = {"loading", BIT(EXECUTING) | BIT(READY), loading_enter,
                         loading_leave},
    [ATTEMPT_EXECUTING] = {"executing", BIT(STOPPING) | BIT(READY), executing_enter,
                           NULL},
    [ATTEMPT_STOPPING] = {"stopping", 0, stopping_enter, NULL},
};

void attempt_move(struct worker_core *core, struct attempt *attempt,
                  enum attempt_state state)
{
    if (!(rows[attempt->state].next & 1u << state))
        abort(); /* a bug of ours: the table says it cannot be */
    if (rows[attempt->state].leave)
        rows[attempt->state].leave(core, attempt);
    attempt->state = state;
    if (rows[state].enter)
        rows[state].enter(core, attempt);
}

/* ---- coming and going ---- */

static struct attempt *attempt_find(const struct worker_core *core, struct task_key key,
                                    uint64_t number)
{
    struct attempt *attempt = map_get(&core->attempts, key.bits);
    while (attempt && attempt->number != number)
        attempt = attempt->next;
    return attempt;
}

static int attempt_link(struct worker_core *core, struct attempt *attempt)
{
    struct attempt *first = map_get(&core->attempts, attempt->key.bits);
    if (first) {
        attempt->next = first->next;
        first->next = attempt;
    } else if (map_put(&core->attempts, attempt->key.bits, attempt) < 0) {
        return DUSK_E_NOMEM;
    }
    core->attempt_count++;
    return 0;
}

static void attempt_unlink(struct worker_core *core, struct attempt *attempt)
{
    struct attempt *first = map_get(&core->attempts, attempt->key.bits);
    core->attempt_count--;
    if (first == attempt) {
        /* In the place that has become free, which cannot fail. */
        map_remove(&core->attempts, attempt->key.bits);
        if (attempt->next)
            map_put(&core->attempts, attempt->key.bits, attempt->next);
        return;
    }
    while (first->next != attempt)
        first = first->next;
    first->next = attempt->next;
}

void attempt_pin(struct worker_core *core, struct attempt *attempt)
{
    attempt->pinned = true;
    for (unsigned i = 0; i < attempt->input_count; i++)
        store_pin(&core->store, attempt->inputs[i].entry);
}

void attempt_unpin(struct worker_core *core, struct attempt *attempt)
{
    if (!attempt->pinned)
        return;
    attempt->pinned = false;
    for (unsigned i = 0; i < attempt->input_count; i++) {
        struct store_entry *entry = attempt->inputs[i].entry;
        if (entry->removed)
            attempt->inputs[i].entry = NULL;
        memory_unpin(core, entry);
    }
}

static void inputs_release(struct worker_core *core, struct attempt *attempt)
{
    attempt_unpin(core, attempt);
    for (unsigned i = 0; i < attempt->input_count; i++) {
        struct attempt_input *input = &attempt->inputs[i];
        if (input->want)
            want_forget_user(core, input);
        list_remove(&input->link);
        if (input->entry)
            store_touch(&core->store, input->entry);
    }
}

static void attempt_free(struct attempt *attempt)
{
    payload_unref(attempt->arguments);
    free(attempt->function);
    free(attempt);
}

void attempt_destroy(struct worker_core *core, struct attempt *attempt)
{
    if (rows[attempt->state].leave)
        rows[attempt->state].leave(core, attempt);
    list_remove(&attempt->link);
    list_remove(&attempt->asks);
    inputs_release(core, attempt);
    store_unreserve(&core->store, attempt->reserved);
    attempt_unlink(core, attempt);
    attempt_free(attempt);
}

void attempt_destroy_all(struct worker_core *core)
{
    size_t position = 0;
    struct attempt *attempt;
    while ((attempt = map_next(&core->attempts, &position))) {
        job_destroy(attempt->job);
        attempt_destroy(core, attempt);
        position = 0;
    }
    heap_fini(&core->ready);
    map_fini(&core->attempts);
}

static void answer_erred(struct worker_core *core, struct task_key key, uint64_t number,
                         int code, const char *reason, const char *call)
{
    session_send(core, MESSAGE(erred, .key = key, .attempt = number, .code = code,
                               .reason = str_of(reason), .call = str_of(call)));
}

void attempt_fail(struct worker_core *core, struct attempt *attempt, int code,
                  const char *format, ...)
{
    struct err_text text;
    va_list args;
    va_start(args, format);
    vsnprintf(text.line, sizeof text.line, format, args);
    va_end(args);
    char call[CALL_BYTES] = "";
    if (code != DUSK_E_CANCELLED)
        call_write(call, attempt->function, attempt->arguments, &core->store);
    answer_erred(core, attempt->key, attempt->number, code, text.line, call);
    attempt_destroy(core, attempt);
}

/* ---- accepting ---- */

static struct attempt *attempt_create(const struct msg_run_task *message)
{
    struct attempt *attempt = calloc(
        1, sizeof *attempt + message->inputs.count * sizeof(struct attempt_input));
    if (!attempt)
        return NULL;
    list_init(&attempt->link);
    list_init(&attempt->asks);
    attempt->key = message->key;
    attempt->number = message->attempt;
    attempt->flags = message->flags;
    attempt->function = str_copy(message->function);
    attempt->arguments = payload_ref(message->arguments);
    attempt->ready.priority = message->priority;
    if (!attempt->function) {
        attempt_free(attempt);
        return NULL;
    }
    return attempt;
}

static bool attempt_reads(const struct attempt *attempt, struct task_key key)
{
    for (unsigned i = 0; i < attempt->input_count; i++)
        if (key_equal(attempt->inputs[i].key, key))
            return true;
    return false;
}

/* A key with two copies has two rows; it is one input. */
static int attempt_add_input(struct worker_core *core, struct attempt *attempt,
                             struct task_key key, field_sources sources)
{
    struct attempt_input *input = &attempt->inputs[attempt->input_count];
    *input = (struct attempt_input){.attempt = attempt, .key = key};
    list_init(&input->link);
    struct store_entry *entry = store_get(&core->store, key);
    if (!entry) {
        int rc = want_add(core, key, sources, input, false);
        if (rc < 0)
            return rc;
        attempt->absent++;
    } else {
        input->entry = entry;
        list_append(&entry->users, &input->link);
        store_touch(&core->store, entry);
    }
    attempt->input_count++;
    return 0;
}

static int attempt_add_inputs(struct worker_core *core, struct attempt *attempt,
                              field_sources sources, struct err_text *text)
{
    size_t bytes = 0;
    for (size_t i = 0; i < sources.count; i++) {
        const struct source *source = &sources.items[i];
        if (attempt_reads(attempt, source->key))
            continue;
        bytes += source->nbytes;
        if (attempt_add_input(core, attempt, source->key, sources) < 0)
            return err_set(text, DUSK_E_NOMEM, "no memory to note an input");
    }
    if (bytes + core->quota_bytes > core->store.limit)
        return memory_reason(core, bytes + core->quota_bytes, text);
    return 0;
}

void attempt_accept(struct worker_core *core, const struct msg_run_task *message)
{
    if (attempt_find(core, message->key, message->attempt))
        return;
    struct attempt *attempt = NULL;
    if (core->session.retire_at_ns) {
        answer_erred(core, message->key, message->attempt, DUSK_E_CANCELLED,
                     "the worker retires", "");
        return;
    }
    if (core->attempt_count >= LIMIT_CREDITS + core->config.nthreads) {
        answer_erred(core, message->key, message->attempt, DUSK_E_LIMIT,
                     "the worker was sent more tasks than it has credits for", "");
        return;
    }
    if (message->function.size <= LIMIT_NAME_BYTES)
        attempt = attempt_create(message);
    if (!attempt || attempt_link(core, attempt) < 0) {
        if (attempt)
            attempt_free(attempt);
        answer_erred(core, message->key, message->attempt, DUSK_E_NOMEM,
                     "the worker has no memory to accept the task", "");
        return;
    }
    attempt->ready.order = ++core->attempt_order;
    struct err_text text;
    int rc = attempt_add_inputs(core, attempt, message->inputs, &text);
    if (rc < 0)
        attempt_fail(core, attempt, rc, "%s (worker %s)", text.line, core->config.name);
    else if (attempt->absent == 0)
        attempt_move(core, attempt, ATTEMPT_READY);
}

/* ---- inputs ---- */

void attempt_input_arrived(struct worker_core *core, struct attempt_input *input,
                           struct store_entry *entry)
{
    struct attempt *attempt = input->attempt;
    input->want = NULL;
    input->entry = entry;
    list_remove(&input->link);
    list_append(&entry->users, &input->link);
    if (--attempt->absent == 0)
        attempt_move(core, attempt, ATTEMPT_READY);
}

void attempt_input_missing(struct worker_core *core, struct attempt_input *input,
                           const char *address)
{
    struct attempt *attempt = input->attempt;
    session_send(core, MESSAGE(missing, .key = attempt->key, .attempt = attempt->number,
                               .input = input->key, .address = str_of(address)));
    attempt_destroy(core, attempt);
}

void attempt_entry_loaded(struct worker_core *core, struct store_entry *entry)
{
    LIST_FOREACH (link, &entry->users) {
        struct attempt *attempt =
            CONTAINER_OF(link, struct attempt_input, link)->attempt;
        if (attempt->state == ATTEMPT_LOADING)
            attempt->reading--;
    }
}

/* ---- states ---- */

static void ready_enter(struct worker_core *core, struct attempt *attempt)
{
    if (heap_push(&core->ready, &attempt->ready) < 0)
        attempt_fail(core, attempt, DUSK_E_NOMEM,
                     "the worker has no memory to queue it");
}

static void ready_leave(struct worker_core *core, struct attempt *attempt)
{
    if (heap_holds(&attempt->ready))
        heap_remove(&core->ready, &attempt->ready);
}

/* Inputs are pinned and room is reserved already: see attempt_stage. */
static void loading_enter(struct worker_core *core, struct attempt *attempt)
{
    list_append(&core->loading, &attempt->link);
    core->loading_count++;
}

static void loading_leave(struct worker_core *core, struct attempt *attempt)
{
    list_remove(&attempt->link);
    core->loading_count--;
}

static void executing_enter(struct worker_core *core, struct attempt *attempt)
{
    struct job *job =
        job_create(attempt->function, attempt->arguments, attempt->input_count);
    list_append(&core->executing, &attempt->link);
    core->executing_count++;
    attempt->start_ns = core->now_ns;
    if (!job) {
        core->executing_count--;
        attempt_fail(core, attempt, DUSK_E_NOMEM, "the worker has no memory to run it");
        return;
    }
    for (unsigned i = 0; i < attempt->input_count; i++)
        job->inputs[i] = (struct job_input){
            attempt->inputs[i].key, payload_ref(attempt->inputs[i].entry->payload)};
    core->alone_count += attempt->alone;
    job->owner = attempt;
    job->key = attempt->key;
    job->attempt = attempt->number;
    job->room = attempt->reserved;
    attempt->job = job;
    action_add(core, WORKER_START)->job = job;
}

static void stopping_enter(struct worker_core *core, struct attempt *attempt)
{
    job_cancel(attempt->job);
    action_add(core, WORKER_CANCEL)->job = attempt->job;
    if (attempt->asked)
        memory_answer(core, attempt, DUSK_E_CANCELLED, "cancelled");
}

void attempt_stop(struct worker_core *core, struct task_key key, uint64_t number)
{
    struct attempt *attempt = attempt_find(core, key, number);
    if (!attempt || attempt->state == ATTEMPT_STOPPING)
        return;
    if (attempt->state == ATTEMPT_EXECUTING)
        attempt_move(core, attempt, ATTEMPT_STOPPING);
    else
        attempt_fail(core, attempt, DUSK_E_CANCELLED, "%s was cancelled",
                     attempt->function);
}

static struct attempt *attempt_not_executing(const struct worker_core *core)
{
    size_t position = 0;
    struct attempt *attempt;
    while ((attempt = map_next(&core->attempts, &position)))
        for (; attempt; attempt = attempt->next)
            if (!attempt->job)
                return attempt;
    return NULL;
}

void attempt_give_back(struct worker_core *core)
{
    struct attempt *attempt;
    while ((attempt = attempt_not_executing(core)))
        attempt_fail(core, attempt, DUSK_E_CANCELLED, "the worker retires");
}

/* ---- invariants ---- */

static const char *attempt_fault(const struct attempt *attempt)
{
    unsigned absent = 0;
    for (unsigned i = 0; i < attempt->input_count; i++) {
        const struct attempt_input *input = &attempt->inputs[i];
        absent += input->want != NULL;
        if ((input->want != NULL) == (input->entry != NULL))
            return "has an input that is neither here nor wanted, or both";
    }
    enum attempt_state state = attempt->state;
    if (absent != attempt->absent || (absent > 0) != (state == ATTEMPT_WAITING))
        return "counts its absent inputs wrongly";
    if (heap_holds(&attempt->ready) != (state == ATTEMPT_READY))
        return "is queued in the wrong state";
    if ((attempt->job != NULL) !=
        (state == ATTEMPT_EXECUTING || state == ATTEMPT_STOPPING))
        return "has a job in the wrong state";
    if (attempt->pinned != (state >= ATTEMPT_LOADING))
        return "pins its inputs in the wrong state";
    if (list_is_empty(&attempt->asks) != (attempt->asked == 0))
        return "asks for memory and does not";
    return NULL;
}

int attempt_check(const struct worker_core *core, struct err_text *text)
{
    size_t position = 0, reserved = core->flight_bytes;
    unsigned count = 0, loading = 0, executing = 0, asking = 0;
    const struct attempt *attempt;
    while ((attempt = map_next(&core->attempts, &position)))
        for (; attempt; attempt = attempt->next) {
            const char *fault = attempt_fault(attempt);
            if (fault)
                return err_set(text, DUSK_E_INTERNAL, KEY_FORMAT " (%s) %s",
                               KEY_ARGS(attempt->key), rows[attempt->state].name,
                               fault);
            count++;
            loading += attempt->state == ATTEMPT_LOADING;
            executing += attempt->job != NULL;
            asking += attempt->asked != 0;
            reserved += attempt->reserved;
        }
    if (count != core->attempt_count || loading != core->loading_count ||
        executing != core->executing_count || asking != core->asking_count)
        return err_set(text, DUSK_E_INTERNAL,
                       "%u attempts, %u loading, %u executing, %u asking; "
                       "counted %u, %u, %u, %u",
                       count, loading, executing, asking, core->attempt_count,
                       core->loading_count, core->executing_count, core->asking_count);
    if (reserved != core->store.reserved)
        return err_set(text, DUSK_E_INTERNAL, "%zu bytes are reserved, counted %zu",
                       reserved, core->store.reserved);
    return 0;
}
