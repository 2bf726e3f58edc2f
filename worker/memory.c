#include "common/log.h"
#include "common/units.h"
#include "worker/core_state.h"

#include <stdlib.h>
#include <string.h>

/* After a disk was full, or broken, spilling is tried again so much later. */
#define SPILL_AGAIN_NS (10 * NS_PER_S)

void memory_forget_file(struct worker_core *core, uint64_t file)
{
    if (file)
        action_add(core, WORKER_FORGET)->file = file;
}

void memory_unpin(struct worker_core *core, struct store_entry *entry)
{
    memory_forget_file(core, store_unpin(&core->store, entry));
}

void memory_drop(struct worker_core *core, struct store_entry *entry, int code,
                 const char *line)
{
    serve_entry(core, entry, code, line);
    store_pin(&core->store, entry);
    while (!list_is_empty(&entry->users)) {
        struct attempt_input *input =
            CONTAINER_OF(entry->users.next, struct attempt_input, link);
        list_remove(&input->link);
        /* What executes has a reference to the payload, and finishes with it. */
        if (!input->attempt->job)
            attempt_input_missing(core, input, core->config.address);
    }
    memory_forget_file(core, store_remove(&core->store, entry));
    memory_unpin(core, entry);
}

/* ---- making room ---- */

/* 0: evicted, or being evicted. */
static int memory_evict(struct worker_core *core, struct store_entry *entry)
{
    if (entry->copy && list_is_empty(&entry->users)) {
        struct task_key key = entry->key;
        session_send(core, MESSAGE(dropped, .keys = {&key, 1}));
        memory_forget_file(core, store_remove(&core->store, entry));
        return 0;
    }
    int rc = store_spill(&core->store, entry);
    if (rc > 0) {
        struct worker_action *action = action_add(core, WORKER_WRITE);
        action->file = entry->file;
        action->payload = payload_ref(entry->payload);
    }
    return rc < 0 ? rc : 0;
}

int memory_make_room(struct worker_core *core, size_t bytes)
{
    const struct store *store = &core->store;
    if (bytes > store->limit)
        return DUSK_E_MEMORY_LIMIT;
    while (!store_fits(store, bytes)) {
        if (store->used - store->leaving <= store->limit - bytes)
            return 1;
        struct store_entry *victim = store_victim(store);
        if (!victim || memory_evict(core, victim) < 0)
            return store->leaving ? 1 : DUSK_E_MEMORY_LIMIT;
    }
    return 0;
}

int memory_reason(const struct worker_core *core, size_t bytes, struct err_text *text)
{
    const struct store *store = &core->store;
    struct units_text needs = units_bytes((int64_t)bytes);
    struct units_text limit = units_bytes((int64_t)core->config.memory_limit);
    if (bytes > store->limit)
        return err_set(text, DUSK_E_MEMORY_LIMIT,
                       "needs %s, the worker's limit is %s (%s of it for data)",
                       needs.text, limit.text, units_bytes((int64_t)store->limit).text);
    if (!store->can_spill)
        return err_set(text, core->spill_code, "needs %s, and %s", needs.text,
                       core->spill_line.line);
    return err_set(
        text, DUSK_E_MEMORY_LIMIT,
        "needs %s, and %s of the worker's limit of %s cannot be spilled", needs.text,
        units_bytes((int64_t)(store->used - store->leaving)).text, limit.text);
}

/* Keeps memory at its target, as long as there is something that can leave. */
void memory_spill_to_target(struct worker_core *core)
{
    struct store *store = &core->store;
    struct store_entry *victim;
    while ((store->used - store->leaving > core->target_bytes || core->relief) &&
           (victim = store_victim(store))) {
        core->relief -= victim->bytes < core->relief ? victim->bytes : core->relief;
        if (memory_evict(core, victim) < 0)
            break;
    }
    bool paused = store->used - store->leaving > core->pause_bytes ||
                  core->resident > core->config.overhead + core->pause_bytes;
    if (paused != core->paused)
        note(core, LOG_INFO, "%s: %s of data in memory, %s spilled",
             paused ? "paused" : "going on", units_bytes((int64_t)store->used).text,
             units_bytes((int64_t)store->spilled).text);
    core->paused = paused;
}

void worker_core_resident(struct worker_core *core, size_t bytes, uint64_t now_ns)
{
    core->now_ns = now_ns;
    core->resident = bytes;
    size_t most = core->config.overhead + core->spill_bytes;
    core->relief = bytes > most ? bytes - most : 0;
}

static void tell_long_asks(struct worker_core *core)
{
    LIST_FOREACH (link, &core->asking) {
        struct attempt *attempt = CONTAINER_OF(link, struct attempt, asks);
        if (attempt->told || core->now_ns < attempt->asked_ns + LONG_WAIT_NS)
            continue;
        attempt->told = true;
        note(core, LOG_WARNING,
             "%s (" KEY_FORMAT ") waits for %s: %s of %s for data are in use, %s are "
             "being spilled",
             attempt->function, KEY_ARGS(attempt->key),
             units_bytes((int64_t)attempt->asked).text,
             units_bytes((int64_t)core->store.used).text,
             units_bytes((int64_t)core->store.limit).text,
             units_bytes((int64_t)core->store.leaving).text);
    }
}

void memory_tick(struct worker_core *core)
{
    tell_long_asks(core);
    if (!core->store.can_spill && core->now_ns >= core->spill_again_ns)
        store_allow_spilling(&core->store, true);
}

/* ---- files ---- */

void worker_core_written(struct worker_core *core, uint64_t file, int code,
                         const char *line, uint64_t now_ns)
{
    core->now_ns = now_ns;
    if (code < 0) {
        if (core->store.can_spill)
            note(core, LOG_ERROR, "%s", line);
        core->spill_code = code;
        err_set(&core->spill_line, code, "%s", line);
        core->spill_again_ns = now_ns + SPILL_AGAIN_NS;
        store_allow_spilling(&core->store, false);
    }
    if (!store_spilled(&core->store, file, code == 0))
        memory_forget_file(core, file);
    core_advance(core);
}

void memory_load_now(struct worker_core *core, struct store_entry *entry)
{
    if (store_load(&core->store, entry) == 0)
        action_add(core, WORKER_READ)->file = entry->file;
}

void memory_load(struct worker_core *core, struct store_entry *entry)
{
    if (entry->state == STORE_DISK && list_is_empty(&entry->load))
        list_append(&core->loads, &entry->load);
}

void worker_core_read(struct worker_core *core, uint64_t file, struct payload *payload,
                      const char *line, uint64_t now_ns)
{
    core->now_ns = now_ns;
    bool read = payload != NULL;
    struct store_entry *entry = store_loaded(&core->store, file, payload);
    if (!entry) {
        memory_forget_file(core, file);
    } else if (read) {
        attempt_entry_loaded(core, entry);
        serve_entry(core, entry, 0, NULL);
    } else {
        struct task_key key = entry->key;
        note(core, LOG_ERROR, "data " KEY_FORMAT " is lost: %s", KEY_ARGS(key), line);
        memory_drop(core, entry, DUSK_E_IO, line);
        session_send(core, MESSAGE(dropped, .keys = {&key, 1}));
    }
    core_advance(core);
}

/* ---- jobs that ask for more ---- */

void memory_answer(struct worker_core *core, struct attempt *attempt, int code,
                   const char *line)
{
    attempt->asked = 0;
    list_remove(&attempt->asks);
    core->asking_count--;
    struct worker_action *action = action_add(core, WORKER_ROOM);
    action->job = attempt->job;
    action->code = code;
    action->text = line ? strdup(line) : NULL;
}

static size_t pinned_bytes(const struct attempt *attempt)
{
    size_t bytes = attempt->reserved;
    for (unsigned i = 0; i < attempt->input_count; i++)
        bytes += attempt->inputs[i].entry->bytes;
    return bytes;
}

void worker_core_room(struct worker_core *core, struct job *job, size_t bytes,
                      uint64_t now_ns)
{
    core->now_ns = now_ns;
    struct attempt *attempt = job->owner;
    size_t limit = core->store.limit, pinned = pinned_bytes(attempt);
    attempt->asked = bytes;
    attempt->asked_ns = now_ns;
    attempt->told = false;
    list_append(&core->asking, &attempt->asks);
    core->asking_count++;
    struct err_text text;
    if (attempt->state == ATTEMPT_STOPPING) {
        memory_answer(core, attempt, DUSK_E_CANCELLED, "cancelled");
    } else if (bytes > limit || pinned > limit - bytes) {
        size_t all = bytes > SIZE_MAX - pinned ? SIZE_MAX : bytes + pinned;
        memory_reason(core, all > limit ? all : limit + 1, &text);
        memory_answer(core, attempt, DUSK_E_MEMORY_LIMIT, text.line);
    }
    core_advance(core);
}

static struct attempt *asking_at(struct list *link)
{
    return CONTAINER_OF(link, struct attempt, asks);
}

/* All threads wait for memory and none is to come.  One alone cannot be helped;
 * otherwise the youngest gives its memory back and runs again later. */
static void memory_break_tie(struct worker_core *core)
{
    struct attempt *attempt = asking_at(core->asking.prev);
    struct err_text text;
    if (core->executing_count > 1) {
        attempt->restart = true;
        memory_answer(core, attempt, DUSK_E_BUSY, "will run again with more memory");
        return;
    }
    int code = memory_reason(core, attempt->asked, &text);
    memory_answer(core, attempt, code, text.line);
}

static bool all_threads_ask(const struct worker_core *core)
{
    unsigned begun = core->executing_count < core->config.nthreads
                         ? core->executing_count
                         : core->config.nthreads;
    return core->asking_count && core->asking_count == begun;
}

static int memory_grant(struct worker_core *core)
{
    while (!list_is_empty(&core->asking)) {
        struct attempt *attempt = asking_at(core->asking.next);
        int rc = memory_make_room(core, attempt->asked);
        if (rc != 0)
            return rc;
        store_reserve(&core->store, attempt->asked);
        attempt->reserved += attempt->asked;
        memory_answer(core, attempt, 0, NULL);
    }
    return 0;
}

void memory_advance(struct worker_core *core)
{
    while (memory_grant(core) < 0 && all_threads_ask(core) && !core->flight_count) {
        if (core->loading_count)
            attempt_unstage(core,
                            CONTAINER_OF(core->loading.next, struct attempt, link));
        else
            memory_break_tie(core);
    }
    while (!list_is_empty(&core->loads)) {
        struct store_entry *entry =
            CONTAINER_OF(core->loads.next, struct store_entry, load);
        if (entry->state == STORE_DISK && !list_is_empty(&entry->requests) &&
            memory_make_room(core, entry->bytes) != 0)
            return;
        list_remove(&entry->load);
        if (entry->state == STORE_DISK && !list_is_empty(&entry->requests))
            memory_load_now(core, entry);
    }
}
