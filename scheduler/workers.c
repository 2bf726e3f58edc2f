#include "scheduler/core.h"

#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

const char *worker_state_name(const struct worker *worker)
{
    if (worker->silent)
        return "silent";
    if (worker->retiring)
        return "retiring";
    return worker->paused ? "paused" : "running";
}

struct worker *worker_by_name(const struct scheduler *scheduler, struct str name)
{
    struct worker *worker = map_get(&scheduler->worker_names, text_hash(name));
    return worker && text_is(name, worker->name) ? worker : NULL;
}

struct worker *worker_by_address(const struct scheduler *scheduler, struct str address)
{
    struct worker *worker = map_get(&scheduler->worker_addresses, text_hash(address));
    return worker && text_is(address, worker->address) ? worker : NULL;
}

void worker_send(struct scheduler *scheduler, struct worker *worker,
                 const struct message *message)
{
    /* What is lost while there is no connection is settled by the next hello. */
    if (worker->peer.number)
        peer_send(scheduler, worker->peer, message);
}

/* ---- silence ---- */

static uint64_t silence_deadline(const struct scheduler *scheduler,
                                 const struct worker *worker)
{
    if (!worker->peer.number)
        return worker->closed_ns + scheduler->config.closed_ns;
    return worker->heard_ns +
           (worker->silent ? scheduler->config.lost_ns : scheduler->config.silent_ns);
}

static const char *why_silent(const struct worker *worker)
{
    return worker->peer.number ? "nothing was heard of it" : "its connection closed";
}

static void worker_fall_silent(struct scheduler *scheduler, struct worker *worker)
{
    struct note *note = note_add(&scheduler->notes, NOTE_WARNING, "worker silent");
    note_field(note, "worker", "%s", worker->name);
    note_field(note, "address", ADDRESS_FORMAT, ADDRESS_ARGS(worker->address));
    note_field(note, "unheard_ms", "%" PRIu64,
               (scheduler->now_ns - worker->heard_ns) / UINT64_C(1000000));
    note_field(note, "because", "%s", why_silent(worker));
    worker->silent = true;
    worker_conditions_changed(scheduler, worker);
}

static void worker_timer(struct scheduler *scheduler, struct timer *timer)
{
    struct worker *worker = CONTAINER_OF(timer, struct worker, timer);
    if (scheduler->now_ns >= silence_deadline(scheduler, worker)) {
        if (worker->silent) {
            struct peer_id silent = worker->peer;
            if (!silent.number)
                death_suspected(scheduler, worker);
            worker_remove(scheduler, worker, true, why_silent(worker));
            if (silent.number)
                peer_close(scheduler, silent);
            return;
        }
        worker_fall_silent(scheduler, worker);
    }
    timer_set(scheduler, timer, silence_deadline(scheduler, worker));
}

void worker_heard(struct scheduler *scheduler, struct worker *worker)
{
    bool joined = worker->heard_ns == 0;
    worker->heard_ns = scheduler->now_ns;
    if (!worker->silent)
        return;
    worker->silent = false;
    if (!joined)
        note_field(note_add(&scheduler->notes, NOTE_INFO, "worker heard again"),
                   "worker", "%s", worker->name);
    timer_set(scheduler, &worker->timer, silence_deadline(scheduler, worker));
    worker_conditions_changed(scheduler, worker);
}

void worker_disconnected(struct scheduler *scheduler, struct worker *worker)
{
    peer_unbind(scheduler, worker->peer);
    worker->peer.number = 0;
    worker->closed_ns = scheduler->now_ns;
    if (!worker->silent)
        worker_fall_silent(scheduler, worker);
    timer_set(scheduler, &worker->timer, silence_deadline(scheduler, worker));
}

void worker_conditions_changed(struct scheduler *scheduler, struct worker *worker)
{
    bool takes = worker_takes_work(worker);
    placement_refill(scheduler, worker);
    placement_evict(scheduler, worker);
    if (takes == worker->counted)
        return;
    placement_reconsider(scheduler, worker);
    worker->counted = takes;
    if (takes)
        scheduler->working_count++;
    else
        scheduler->working_count--;
    LIST_FOREACH (link, &scheduler->no_worker)
        agenda_add(scheduler, CONTAINER_OF(link, struct task, link));
    replicas_retry(scheduler);
}

/* ---- coming ---- */

static bool hello_is_sound(struct scheduler *scheduler, struct peer_id peer,
                           const struct msg_hello *hello)
{
    struct err_text text;
    struct resources resources;
    if (!text_is_clean(hello->name, 0) || !text_is_clean(hello->address, 1))
        peer_refuse(scheduler, peer, DUSK_E_INVALID,
                    "a worker's name and address must be printable text of at most %u "
                    "bytes, and the address not empty",
                    LIMIT_NAME_BYTES);
    else if (hello->nthreads == 0 || hello->nthreads > 65536)
        peer_refuse(scheduler, peer, DUSK_E_INVALID,
                    "worker " STR_FORMAT " says it has %" PRIu64
                    " threads; it must have 1 to 65536",
                    STR_ARGS(hello->name), hello->nthreads);
    else if (resources_parse(hello->resources, &text, &resources) < 0)
        peer_refuse(scheduler, peer, DUSK_E_INVALID, "worker " STR_FORMAT ": %s",
                    STR_ARGS(hello->name), text.line);
    else
        return true;
    return false;
}

/* A namesake that may be dead gives way; one that lives does not. */
static bool gives_way(struct scheduler *scheduler, struct worker *other,
                      const struct msg_hello *hello)
{
    if (!other)
        return true;
    if (other->epoch != hello->previous_epoch && !other->silent)
        return false;
    worker_remove(scheduler, other, true,
                  other->epoch == hello->previous_epoch
                      ? "its nanny reports its death"
                      : "another worker has its name or address");
    return true;
}

static bool place_is_free(struct scheduler *scheduler, struct peer_id peer,
                          const struct msg_hello *hello, struct str name)
{
    if (!gives_way(scheduler, worker_by_name(scheduler, name), hello))
        peer_refuse(scheduler, peer, DUSK_E_BUSY,
                    "a worker named " STR_FORMAT " is registered and alive",
                    STR_ARGS(name));
    else if (!gives_way(scheduler, worker_by_address(scheduler, hello->address), hello))
        peer_refuse(scheduler, peer, DUSK_E_BUSY,
                    "a worker at " STR_FORMAT " is registered and alive",
                    STR_ARGS(address_shown(hello->address)));
    else
        return true;
    return false;
}

static struct worker *worker_create(const struct msg_hello *hello, struct str name)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return NULL;
    worker->name = str_copy(name);
    worker->address = str_copy(hello->address);
    worker->epoch = hello->epoch;
    worker->pid = hello->pid;
    worker->nthreads = (unsigned)hello->nthreads;
    worker->credits =
        (unsigned)(hello->credits < LIMIT_CREDITS ? hello->credits : LIMIT_CREDITS);
    worker->memory_limit = hello->memory_limit;
    resources_parse(hello->resources, NULL, &worker->resources);
    worker->pace = 1;
    worker->bunch = 1;
    worker->timer.fire = worker_timer;
    list_init(&worker->link);
    list_init(&worker->refill);
    list_init(&worker->freeing);
    list_init(&worker->processing);
    list_init(&worker->awaited);
    party_init(&worker->held, BOND_HOLDER);
    party_init(&worker->asked, BOND_ASKED);
    map_init(&worker->stopping);
    heap_init(&worker->queue);
    if (worker->name && worker->address)
        return worker;
    worker_destroy(worker);
    return NULL;
}

void worker_destroy(struct worker *worker)
{
    if (worker->retirement)
        map_fini(&worker->retirement->moving);
    free(worker->retirement);
    map_fini(&worker->stopping);
    heap_fini(&worker->queue);
    free(worker->frees);
    free(worker->running);
    free(worker->name);
    free(worker->address);
    free(worker);
}

static int worker_enlist(struct scheduler *scheduler, struct worker *worker,
                         struct peer_id peer)
{
    uint64_t name = text_hash(str_of(worker->name));
    uint64_t address = text_hash(str_of(worker->address));
    /* Heaps of workers never need memory later: each has a place for every worker. */
    size_t count = scheduler->worker_count + 1;
    if (heap_reserve(&scheduler->open, count) < 0 ||
        heap_reserve(&scheduler->backlog, count) < 0 ||
        timer_set(scheduler, &worker->timer,
                  scheduler->now_ns + scheduler->config.silent_ns) < 0)
        return DUSK_E_NOMEM;
    if (map_put(&scheduler->worker_names, name, worker) == 0) {
        if (map_put(&scheduler->worker_addresses, address, worker) == 0) {
            if (peer_bind(scheduler, peer, worker, NULL) == 0)
                return 0;
            map_remove(&scheduler->worker_addresses, address);
        }
        map_remove(&scheduler->worker_names, name);
    }
    timer_clear(scheduler, &worker->timer);
    return DUSK_E_NOMEM;
}

static struct worker *worker_add(struct scheduler *scheduler, struct peer_id peer,
                                 const struct msg_hello *hello)
{
    struct str name = hello->name.size ? hello->name : address_shown(hello->address);
    if (!place_is_free(scheduler, peer, hello, name) ||
        !peer_finds_room(scheduler, peer))
        return NULL;
    struct worker *worker = worker_create(hello, name);
    if (!worker || worker_enlist(scheduler, worker, peer) < 0) {
        if (worker)
            worker_destroy(worker);
        peer_refuse(scheduler, peer, DUSK_E_NOMEM, "the scheduler is out of memory");
        return NULL;
    }
    worker->peer = peer;
    worker->number = ++scheduler->worker_numbers;
    worker->open.order = worker->backlog.order = worker->number;
    worker->silent = true; /* until worker_heard */
    list_append(&scheduler->workers, &worker->link);
    scheduler->worker_count++;
    placement_measure(scheduler);
    LIST_FOREACH (link, &scheduler->no_worker)
        agenda_add(scheduler, CONTAINER_OF(link, struct task, link));
    struct note *note = note_add(&scheduler->notes, NOTE_INFO, "worker joined");
    note_field(note, "worker", "%s", worker->name);
    note_field(note, "address", ADDRESS_FORMAT, ADDRESS_ARGS(worker->address));
    note_field(note, "threads", "%u", worker->nthreads);
    note_field(note, "pid", "%" PRIu64, worker->pid);
    return worker;
}

static struct worker *worker_by_epoch(const struct scheduler *scheduler,
                                      const struct msg_hello *hello)
{
    struct worker *worker = worker_by_address(scheduler, hello->address);
    return worker && worker->epoch == hello->epoch ? worker : NULL;
}

void worker_hello(struct scheduler *scheduler, struct peer_id peer,
                  const struct msg_hello *hello)
{
    if (!peer_may(scheduler, peer, RIGHT_WORK, "be a worker") ||
        !hello_is_sound(scheduler, peer, hello))
        return;
    recovery_hello(scheduler, hello);
    struct worker *worker = worker_by_epoch(scheduler, hello);
    if (!worker) {
        if (!(worker = worker_add(scheduler, peer, hello)))
            return;
        death_reported(scheduler, hello);
    } else if (worker->peer.number != peer.number) {
        if (worker->peer.number)
            peer_close(scheduler, worker->peer);
        worker->peer.number = 0;
        if (peer_bind(scheduler, peer, worker, NULL) < 0) {
            worker_disconnected(scheduler, worker);
            return;
        }
        worker->peer = peer;
    }
    worker_send(scheduler, worker,
                MESSAGE(welcome, .epoch = scheduler->config.epoch,
                        .number = worker->number,
                        .heartbeat_ms = scheduler->config.heartbeat_ns / 1000000));
    plugins_tell(scheduler, worker);
    shutdown_tell(scheduler, worker);
    members_tell(scheduler, worker);
    worker_heard(scheduler, worker);
    worker_reconcile(scheduler, worker, hello);
}

void worker_heartbeat(struct scheduler *scheduler, struct worker *worker,
                      const struct msg_heartbeat *heartbeat)
{
    worker->memory = heartbeat->memory;
    worker->spilled = heartbeat->spilled;
    bool paused = heartbeat->paused != 0;
    if (paused != worker->paused) {
        worker->paused = paused;
        struct note *note =
            note_add(&scheduler->notes, paused ? NOTE_WARNING : NOTE_INFO,
                     paused ? "worker paused" : "worker resumed");
        note_field(note, "worker", "%s", worker->name);
        note_field(note, "memory", "%" PRIu64, worker->memory);
        worker_conditions_changed(scheduler, worker);
    }
    size_t bytes = heartbeat->running.count * sizeof *worker->running;
    struct run *running = bytes ? malloc(bytes) : NULL;
    if (running)
        memcpy(running, heartbeat->running.items, bytes);
    free(worker->running);
    worker->running = running;
    worker->running_count = running ? heartbeat->running.count : 0;
    placement_refill(scheduler, worker);
    worker_send(scheduler, worker, MESSAGE(alive, .epoch = scheduler->config.epoch));
}

/* ---- going ---- */

static void give_up_work(struct scheduler *scheduler, struct worker *worker)
{
    LIST_FOREACH (link, &worker->processing)
        task_attempt_over(scheduler, CONTAINER_OF(link, struct task, link));
    LIST_FOREACH (waiting, &worker->awaited)
        task_displaced(scheduler, CONTAINER_OF(waiting, struct task, link));
    LIST_FOREACH (held, &worker->held.bonds) {
        struct bond *holder = CONTAINER_OF(held, struct bond, link);
        task_not_located(scheduler, bond_task(holder), holder);
    }
    retire_heir_gone(scheduler, worker);
    replicas_worker_gone(scheduler, worker);
    recovery_forget(scheduler, worker);
    placement_evict(scheduler, worker);
}

void worker_remove(struct scheduler *scheduler, struct worker *worker, bool lost,
                   const char *why)
{
    struct note *note = note_add(&scheduler->notes, lost ? NOTE_WARNING : NOTE_INFO,
                                 lost ? "worker lost" : "worker left");
    note_field(note, "worker", "%s", worker->name);
    note_field(note, "address", ADDRESS_FORMAT, ADDRESS_ARGS(worker->address));
    note_field(note, "because", "%s", why);
    note_field(note, "processing", "%u", worker->outstanding);
    note_field(note, "held", "%zu", worker->held.count);
    if (worker->peer.number)
        peer_unbind(scheduler, worker->peer);
    worker->peer.number = 0;
    worker->silent = true;
    map_remove(&scheduler->worker_names, text_hash(str_of(worker->name)));
    map_remove(&scheduler->worker_addresses, text_hash(str_of(worker->address)));
    list_remove(&worker->link);
    if (--scheduler->worker_count == 0)
        scheduler->alone_ns = scheduler->now_ns;
    placement_measure(scheduler);
    worker_conditions_changed(scheduler, worker);
    give_up_work(scheduler, worker);
    worker_forget_stopped(worker);
    placement_update(scheduler, worker);
    list_remove(&worker->refill);
    list_remove(&worker->freeing);
    timer_clear(scheduler, &worker->timer);
    retire_end(scheduler, worker);
    plugins_worker_gone(scheduler, worker, lost);
    worker_destroy(worker);
}

/* ---- what nobody wants ---- */

void worker_forget_stopped(struct worker *worker)
{
    size_t position = 0;
    struct demand *stopped;
    while ((stopped = map_next(&worker->stopping, &position))) {
        demand_give(stopped, worker);
        stopped->users--;
    }
    worker->outstanding -= (unsigned)worker->stopping.count;
    map_fini(&worker->stopping);
}

void worker_stop_attempt(struct scheduler *scheduler, struct worker *worker,
                         struct task_key key, uint64_t attempt)
{
    worker_send(scheduler, worker, MESSAGE(stop_task, .key = key, .attempt = attempt));
    const struct task *task = task_find(scheduler, key);
    struct demand *demand = task ? task_demand(task) : NULL;
    struct demand *claimed = map_get(&worker->stopping, attempt);
    if (!demand)
        demand = &scheduler->no_demand;
    int rc = map_put(&worker->stopping, attempt, demand);
    if (rc == 0) {
        demand_take(demand, worker);
        demand->users++;
    }
    if (rc == 0 && claimed) {
        demand_give(claimed, worker);
        claimed->users--;
    }
    /* Without memory it frees its place now; and a worker may have claimed to run an
     * attempt before it was given. */
    if (rc == 0 && !claimed)
        worker->outstanding++;
    placement_refill(scheduler, worker);
}

static void send_frees(struct scheduler *scheduler, struct worker *worker,
                       struct task_key *keys, size_t count)
{
    worker_send(
        scheduler, worker,
        MESSAGE(free_data, .keys = {keys, count}, .attempt = scheduler->attempts));
}

void worker_flush_frees(struct scheduler *scheduler, struct worker *worker)
{
    if (worker->free_count)
        send_frees(scheduler, worker, worker->frees, worker->free_count);
    worker->free_count = 0;
    list_remove(&worker->freeing);
}

void worker_free_data(struct scheduler *scheduler, struct worker *worker,
                      struct task_key key)
{
    if (!worker->peer.number)
        return;
    if (worker->free_count == worker->free_capacity) {
        size_t capacity = worker->free_capacity ? 2 * worker->free_capacity : 64;
        void *frees = capacity <= 65536
                          ? realloc(worker->frees, capacity * sizeof *worker->frees)
                          : NULL;
        if (!frees) {
            worker_flush_frees(scheduler, worker);
            send_frees(scheduler, worker, &key, 1);
            return;
        }
        worker->frees = frees;
        worker->free_capacity = capacity;
    }
    worker->frees[worker->free_count++] = key;
    if (list_is_empty(&worker->freeing))
        list_append(&scheduler->freeing, &worker->freeing);
}
