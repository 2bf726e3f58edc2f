/* From ready to executing, and the end: which attempt goes next, room for it, its job,
 * and what the job brought. */
#include "common/log.h"
#include "proto/limits.h"
#include "worker/core_state.h"

/* While tasks are this short, threads find the next ones queued already instead of
 * waiting for the loop.  What so many do at once is told in one message; the scheduler
 * sends ahead by the function, so that long ones are never among them in such
 * numbers. */
#define SHORT_NS NS_PER_MS
#define AHEAD_MAX 256
#define AHEAD_WHOLE 32 /* more have to share the memory that so many may take */

/* ---- starting ---- */

/* Memory that it takes to bring the inputs back from disk. */
static size_t inputs_on_disk(const struct attempt *attempt)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < attempt->input_count; i++)
        if (attempt->inputs[i].entry->state == STORE_DISK)
            bytes += attempt->inputs[i].entry->bytes;
    return bytes;
}

static void inputs_load(struct worker_core *core, struct attempt *attempt)
{
    for (unsigned i = 0; i < attempt->input_count; i++) {
        struct store_entry *entry = attempt->inputs[i].entry;
        if (entry->state == STORE_DISK)
            memory_load_now(core, entry);
        if (entry->state == STORE_LOADING)
            attempt->reading++;
    }
}

static unsigned ahead_of_threads(const struct worker_core *core)
{
    uint64_t ahead = SHORT_NS / (core->mean_ns ? core->mean_ns : 1);
    return (unsigned)(ahead < AHEAD_MAX ? ahead : AHEAD_MAX);
}

/* Room for a result before anybody asks for more: very short tasks have small ones. */
static size_t quota_of_one(const struct worker_core *core)
{
    unsigned ahead = ahead_of_threads(core);
    return ahead <= AHEAD_WHOLE ? core->quota_bytes
                                : core->quota_bytes * AHEAD_WHOLE / ahead;
}

/* Pins the inputs and makes room for those on disk and for the result, all or
 * nothing, so that two attempts never wait for each other's half.  0: staged;
 * > 0: not now; < 0: the attempt failed and is gone. */
static int attempt_stage(struct worker_core *core, struct attempt *attempt)
{
    attempt_pin(core, attempt);
    size_t quota = quota_of_one(core);
    size_t bytes = inputs_on_disk(attempt) + quota;
    int rc = memory_make_room(core, bytes);
    if (rc == 0) {
        inputs_load(core, attempt);
        store_reserve(&core->store, quota);
        attempt->reserved = quota;
        attempt_move(core, attempt, ATTEMPT_LOADING);
        return 0;
    }
    attempt_unpin(core, attempt);
    if (rc > 0 || core_is_moving(core))
        return 1;
    struct err_text text;
    rc = memory_reason(core, bytes, &text);
    attempt_fail(core, attempt, rc, "%s (worker %s)", text.line, core->config.name);
    return rc;
}

/* How many jobs the executor may have. */
static unsigned executing_max(const struct worker_core *core)
{
    return core->config.nthreads + ahead_of_threads(core);
}

static void attempt_execute_loaded(struct worker_core *core)
{
    LIST_FOREACH (link, &core->loading) {
        struct attempt *attempt = CONTAINER_OF(link, struct attempt, link);
        if (core->executing_count >= executing_max(core))
            return;
        if (attempt->reading == 0)
            attempt_move(core, attempt, ATTEMPT_EXECUTING);
    }
}

/* Whether the first of the ready ones may go now.  One more than can execute is
 * staged, so that reading from disk overlaps with computing; and with little memory
 * left, or after having run into the limit together, tasks go one by one. */
static bool may_stage(const struct worker_core *core, const struct attempt *attempt)
{
    unsigned busy = core->executing_count + core->loading_count;
    if (core->alone_count || attempt->alone || core->paused)
        return busy == 0;
    return busy < executing_max(core) ||
           (busy == executing_max(core) && inputs_on_disk(attempt) > 0);
}

void attempt_advance(struct worker_core *core)
{
    struct heap_link *link;
    attempt_execute_loaded(core);
    while ((link = heap_first(&core->ready))) {
        struct attempt *attempt = CONTAINER_OF(link, struct attempt, ready);
        if (!may_stage(core, attempt) || attempt_stage(core, attempt) > 0)
            return;
        attempt_execute_loaded(core);
    }
}

/* Back to where its inputs need not be in memory. */
void attempt_unstage(struct worker_core *core, struct attempt *attempt)
{
    for (unsigned i = 0; i < attempt->input_count; i++)
        if (attempt->inputs[i].entry->removed) {
            attempt_input_missing(core, &attempt->inputs[i], core->config.address);
            return;
        }
    attempt_unpin(core, attempt);
    store_unreserve(&core->store, attempt->reserved);
    attempt->reserved = 0;
    attempt->reading = 0;
    attempt_move(core, attempt, ATTEMPT_READY);
}

/* ---- ending ---- */

static void note_duration(struct worker_core *core, const struct job *job)
{
    uint64_t took = job->stop_ns > job->start_ns ? job->stop_ns - job->start_ns : 0;
    if (job->code == 0)
        core->mean_ns = (7 * core->mean_ns + took) / 8;
}

/* Keeps the result and says so.  A key that is here already has the same value. */
static int attempt_keep(struct worker_core *core, struct attempt *attempt,
                        struct job *job, struct err_text *text)
{
    struct store_entry *entry = store_get(&core->store, attempt->key);
    size_t bytes = payload_bytes(job->result);
    if (!entry) {
        int rc = memory_make_room(core, bytes);
        if (rc == 0)
            rc = store_add(&core->store, attempt->key, job->result, false, &entry);
        else
            return memory_reason(core, bytes, text);
        if (rc < 0)
            return err_set(text, rc, "no memory to keep the result");
        gather_settled(core, entry);
    }
    bool rides = !(attempt->flags & SUBMIT_KEEP) && bytes <= LIMIT_INLINE_BYTES;
    session_send(core, MESSAGE(done, .key = attempt->key, .attempt = attempt->number,
                               .nbytes = bytes, .thread = job->thread,
                               .start_ns = job->start_ns, .stop_ns = job->stop_ns,
                               .result = rides ? job->result : NULL));
    return 0;
}

static void attempt_end(struct worker_core *core, struct attempt *attempt,
                        struct job *job)
{
    struct err_text text = job->reason;
    store_unreserve(&core->store, attempt->reserved);
    attempt->reserved = 0;
    attempt_unpin(core, attempt);
    int code = job->code;
    if (code == 0)
        code = attempt_keep(core, attempt, job, &text);
    /* To the scheduler that means that a worker gave the attempt back. */
    if (code == DUSK_E_CANCELLED)
        code = DUSK_E_TASK;
    if (job->unknown)
        attempt_fail(core, attempt, code,
                     "worker %s: %s; load a plugin that has it with --preload or dusk "
                     "upload",
                     core->config.name, text.line);
    else if (code < 0)
        attempt_fail(core, attempt, code, "%s", text.line);
    else
        attempt_destroy(core, attempt);
}

void worker_core_finished(struct worker_core *core, struct job *job, uint64_t now_ns)
{
    core->now_ns = now_ns;
    struct attempt *attempt = job->owner;
    attempt->job = NULL;
    core->executing_count--;
    list_remove(&attempt->link);
    if (attempt->alone)
        core->alone_count--;
    note_duration(core, job);
    if (attempt->state == ATTEMPT_STOPPING) {
        attempt_fail(core, attempt, DUSK_E_CANCELLED, "%s was cancelled",
                     attempt->function);
    } else if (attempt->restart && job->code < 0) {
        attempt->restart = false;
        attempt->alone = true;
        attempt_unstage(core, attempt);
    } else {
        attempt_end(core, attempt, job);
    }
    job_destroy(job);
    core_advance(core);
}
