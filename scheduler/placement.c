#include "scheduler/core.h"

#include "common/plant.h"

#include <assert.h>
#include <stdio.h>

/* Copies looked at for each input when a home is chosen: data that everybody has
 * should not make every placement slow. */
#define COPIES_MAX 16
/* Tasks looked at, from the end of a queue, for one that can be stolen. */
#define STEAL_TRIES 8
/* Very short tasks sent to one worker before another gets some. */
#define BUNCH_MAX 64
/* Assumed of functions that have never run. */
#define UNKNOWN_NS (100 * UINT64_C(1000000))

static struct task *queued_task(struct heap_link *link)
{
    return CONTAINER_OF(link, struct task, queue);
}

struct worker *placement_source(const struct task *task)
{
    struct worker *silent = NULL;
    BONDS_FOREACH (holder, task, BOND_HOLDER) {
        struct worker *worker = holder_worker(holder);
        if (!worker->silent)
            return worker;
        silent = worker;
    }
    return silent;
}

/* ---- expected times ---- */

static double expected_run_ns(const struct worker *worker, const struct function *of)
{
    return of->mean_ns ? (double)of->mean_ns * worker->pace : UNKNOWN_NS;
}

static size_t load_of(const struct worker *worker)
{
    return worker->outstanding + worker->queue.count;
}

/* How long it may take until a task is done that runs there after so many others. */
static double expected_end_ns(const struct worker *worker, const struct function *of,
                              size_t others)
{
    return expected_run_ns(worker, of) * (1 + (double)others / worker->nthreads);
}

/* ---- homes ---- */

/* Adds up the inputs' bytes at each worker that takes work and has room for all of
 * them, and finds the most; where several have as many, who is done first. */
static struct worker *most_bytes(struct scheduler *scheduler, struct task *task,
                                 uint64_t bytes)
{
    struct worker *best = NULL;
    scheduler->input_round++;
    for (uint32_t i = 0; i < task->edge_count; i++) {
        struct task *input = task->edges[i].dependency;
        unsigned copies = 0;
        BONDS_FOREACH (holder, input, BOND_HOLDER) {
            struct worker *worker = holder_worker(holder);
            if (copies++ == COPIES_MAX)
                break;
            if (!worker_takes_work(worker) || !placement_suits(task, bytes, worker))
                continue;
            if (worker->input_round != scheduler->input_round)
                worker->input_bytes = 0;
            worker->input_round = scheduler->input_round;
            worker->input_bytes += input->nbytes + 1;
            if (!best || worker->input_bytes > best->input_bytes ||
                (worker->input_bytes == best->input_bytes &&
                 expected_end_ns(worker, task->function, load_of(worker)) <
                     expected_end_ns(best, task->function, load_of(best))))
                best = worker;
        }
    }
    return best;
}

/* A silent worker that alone holds one of the inputs: nobody else can run the task
 * before it is heard again, or lost. */
static struct worker *only_holder(const struct task *task)
{
    for (uint32_t i = 0; i < task->edge_count; i++) {
        struct worker *worker = placement_source(task->edges[i].dependency);
        if (worker && worker->silent)
            return worker;
    }
    return NULL;
}

static struct worker *roomiest(struct scheduler *scheduler)
{
    struct worker *best = NULL;
    LIST_FOREACH (link, &scheduler->workers) {
        struct worker *worker = CONTAINER_OF(link, struct worker, link);
        if (worker_takes_work(worker) &&
            (!best || worker->memory_limit - 1 > best->memory_limit - 1))
            best = worker;
    }
    return best;
}

/* What is too large for some workers must not queue where these could take it. */
static struct worker *home_of(struct scheduler *scheduler, struct task *task)
{
    const char *name = task_restriction(task);
    uint64_t bytes = placement_bytes(task);
    struct worker *worker = only_holder(task);
    if (worker || task_demand(task))
        return worker;
    if (name)
        return worker_by_name(scheduler, str_of(name));
    worker = most_bytes(scheduler, task, bytes);
    return worker || bytes <= scheduler->least_memory ? worker : roomiest(scheduler);
}

struct heap *placement_heap(struct scheduler *scheduler, const struct task *task)
{
    struct demand *demand = task_demand(task);
    if (task->worker)
        return &task->worker->queue;
    return demand ? &demand->queue : &scheduler->queue;
}

/* ---- heaps ---- */

static void set_member(struct heap *heap, struct heap_link *link, bool member,
                       int64_t priority)
{
    if (heap_holds(link)) {
        if (member && link->priority == priority)
            return;
        heap_remove(heap, link);
    }
    link->priority = priority;
    if (member)
        heap_push(heap, link); /* has room: workers.c saw to it */
}

/* One longer task among those that it has, and it gets no bunches until all are done:
 * short ones are not to wait behind that while others idle. */
void placement_bunch(const struct scheduler *scheduler, struct worker *worker,
                     const struct function *function)
{
    uint64_t most = worker->outstanding ? worker->bunch : BUNCH_MAX;
    uint64_t bunch =
        function->mean_ns ? scheduler->config.bunch_ns / function->mean_ns : 1;
    if (bunch > most)
        bunch = most;
    worker->bunch = bunch ? (unsigned)bunch : 1;
}

void placement_update(struct scheduler *scheduler, struct worker *worker)
{
    int64_t threads = worker->nthreads;
    int64_t bunches = worker->outstanding / worker->bunch;
    int64_t load = (bunches * worker->bunch - threads) * 1024 / threads;
    bool takes = worker_takes_work(worker);
    set_member(&scheduler->open, &worker->open,
               takes && worker->outstanding < worker->nthreads + worker->credits, load);
    int64_t longest = (int64_t)((double)worker->queue.count * 1024 * worker->pace);
    set_member(&scheduler->backlog, &worker->backlog,
               !worker->silent && worker->queue.count > 0, -longest / threads);
}

void placement_refill(struct scheduler *scheduler, struct worker *worker)
{
    if (PLANTED(missed_wakeup) && scheduler->attempts % 16 == 0)
        return;
    placement_update(scheduler, worker);
    if (list_is_empty(&worker->refill))
        list_append(&scheduler->refill, &worker->refill);
}

void placement_add(struct scheduler *scheduler, struct task *task)
{
    struct worker *home = home_of(scheduler, task);
    task->worker = home;
    if (heap_push(placement_heap(scheduler, task), &task->queue) < 0) {
        task->worker = NULL;
        task->flags |= TASK_UNPLACED;
        list_append(&scheduler->unplaced, &task->link);
        return;
    }
    if (home)
        placement_refill(scheduler, home);
}

/* Harmless on a task that is in no heap. */
void placement_remove(struct scheduler *scheduler, struct task *task)
{
    list_remove(&task->link);
    task->flags &= (uint8_t)~TASK_UNPLACED;
    if (!heap_holds(&task->queue))
        return;
    struct worker *home = task->worker;
    heap_remove(placement_heap(scheduler, task), &task->queue);
    task->worker = NULL;
    if (home)
        placement_update(scheduler, home);
}

void placement_evict(struct scheduler *scheduler, struct worker *worker)
{
    struct list moving;
    list_init(&moving);
    while (worker->queue.count) {
        struct task *task = queued_task(worker->queue.links[worker->queue.count - 1]);
        placement_remove(scheduler, task);
        list_append(&moving, &task->link);
    }
    LIST_FOREACH (link, &moving) {
        struct task *task = CONTAINER_OF(link, struct task, link);
        list_remove(link);
        placement_add(scheduler, task);
        agenda_add(scheduler, task);
    }
}

/* ---- handing out ---- */

/* How many tasks the worker may have, when this function comes next: one for each
 * thread, and as many more as keep it busy until an answer has travelled. */
static unsigned room_for(const struct scheduler *scheduler, const struct worker *worker,
                         const struct function *function)
{
    uint64_t ahead = 1;
    if (function->mean_ns)
        ahead = worker->nthreads * scheduler->config.pipeline_ns / function->mean_ns;
    if (ahead < 1)
        ahead = 1;
    if (ahead > worker->credits)
        ahead = worker->credits;
    return worker->nthreads + (unsigned)ahead;
}

static bool has_room(const struct scheduler *scheduler, const struct worker *worker,
                     const struct task *task)
{
    return worker_takes_work(worker) &&
           worker->outstanding < room_for(scheduler, worker, task->function);
}

static bool assign(struct scheduler *scheduler, struct task *task,
                   struct worker *worker)
{
    field_sources inputs;
    if (sources_of_inputs(scheduler, task, worker, &inputs) < 0)
        return false;
    bool again = task->flags & TASK_RAN;
    task_start(scheduler, task, worker);
    placement_update(scheduler, worker);
    scheduler->progress_ns = scheduler->now_ns;
    if (again)
        worker_flush_frees(scheduler, worker);
    worker_send(scheduler, worker,
                MESSAGE(run_task, .key = task->key, .attempt = task->attempt,
                        .function = str_of(task->function->name),
                        .priority = task->queue.priority,
                        .flags = task->flags & TASK_KEEP ? SUBMIT_KEEP : 0,
                        .inputs = inputs, .arguments = task->arguments));
    return true;
}

static struct heap_link *better(struct heap_link *a, struct heap_link *b)
{
    if (!a || !b)
        return a ? a : b;
    if (a->priority != b->priority)
        return a->priority < b->priority ? a : b;
    return a->order < b->order ? a : b;
}

/* The best of the worker's own first task, the common one, and those that need
 * resources which it has free. */
static bool take_one(struct scheduler *scheduler, struct worker *worker)
{
    struct heap_link *best =
        better(heap_first(&worker->queue), heap_first(&scheduler->queue));
    LIST_FOREACH (link, &scheduler->demands)
        best = better(
            placement_first_of(CONTAINER_OF(link, struct demand, link), worker), best);
    return best && has_room(scheduler, worker, queued_task(best)) &&
           assign(scheduler, queued_task(best), worker);
}

static double transfer_ns(const struct scheduler *scheduler, struct task *task,
                          const struct worker *to)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < task->edge_count; i++) {
        struct task *input = task->edges[i].dependency;
        if (!bond_find(input, &to->held))
            bytes += input->nbytes;
    }
    return (double)scheduler->config.latency_ns +
           (double)bytes / scheduler->config.bandwidth * 1e9;
}

static bool worth_stealing(const struct scheduler *scheduler, struct task *task,
                           const struct worker *from, const struct worker *to)
{
    return placement_suits(task, placement_bytes(task), to) &&
           has_room(scheduler, to, task) &&
           expected_end_ns(from, task->function, load_of(from) - 1) >
               transfer_ns(scheduler, task, to) + expected_run_ns(to, task->function);
}

/* An idle worker takes from the end of the longest queue, where the wait is longest
 * and the victim misses it least. */
static bool steal_one(struct scheduler *scheduler, struct worker *thief)
{
    struct heap_link *longest = heap_first(&scheduler->backlog);
    if (!longest || !worker_takes_work(thief) || thief->outstanding >= thief->nthreads)
        return false;
    struct worker *victim = CONTAINER_OF(longest, struct worker, backlog);
    if (victim == thief)
        return false;
    size_t count = victim->queue.count;
    for (size_t i = 0; i < STEAL_TRIES && i < count; i++) {
        struct task *task = queued_task(victim->queue.links[count - 1 - i]);
        if (!worth_stealing(scheduler, task, victim, thief))
            continue;
        scheduler->counts.stolen++;
        return assign(scheduler, task, thief);
    }
    return false;
}

static struct worker *open_worker(struct heap_link *link)
{
    return link ? CONTAINER_OF(link, struct worker, open) : NULL;
}

/* A worker that counts as idle because of its bunch could take nothing: from now on
 * its load is what it is, so that one that idles comes first.  False if it was. */
static bool bunch_end(struct scheduler *scheduler, struct worker *worker)
{
    if (worker->bunch == 1)
        return false;
    worker->bunch = 1;
    placement_update(scheduler, worker);
    return true;
}

/* What is left in a queue may be worth taking to those that idle. */
static void steal_all(struct scheduler *scheduler)
{
    struct worker *idle;
    while ((idle = open_worker(heap_first(&scheduler->open))) &&
           (steal_one(scheduler, idle) || bunch_end(scheduler, idle)))
        ;
}

static void hand_out(struct scheduler *scheduler)
{
    struct worker *least;
    while (scheduler->queue.count &&
           (least = open_worker(heap_first(&scheduler->open))) &&
           (take_one(scheduler, least) || bunch_end(scheduler, least)))
        ;
}

static void refill_one(struct scheduler *scheduler, struct worker *worker)
{
    while (take_one(scheduler, worker))
        ;
    while (steal_one(scheduler, worker))
        ;
}

static void place_unplaced(struct scheduler *scheduler)
{
    LIST_FOREACH (link, &scheduler->unplaced) {
        struct task *task = CONTAINER_OF(link, struct task, link);
        placement_remove(scheduler, task);
        placement_add(scheduler, task);
        if (task->flags & TASK_UNPLACED)
            return;
    }
}

/* The least loaded worker that could be sent a task of this demand now. */
static struct worker *worker_for(const struct scheduler *scheduler,
                                 const struct demand *demand)
{
    const struct heap_link *best = NULL;
    for (size_t i = 0; i < scheduler->open.count; i++) {
        const struct heap_link *link = scheduler->open.links[i];
        struct worker *worker = CONTAINER_OF(link, struct worker, open);
        struct heap_link *first = !best || link->priority < best->priority
                                      ? placement_first_of(demand, worker)
                                      : NULL;
        if (first && has_room(scheduler, worker, queued_task(first)))
            best = link;
    }
    return best ? CONTAINER_OF(best, struct worker, open) : NULL;
}

static void place_demanding(struct scheduler *scheduler)
{
    LIST_FOREACH (link, &scheduler->demands) {
        struct demand *demand = CONTAINER_OF(link, struct demand, link);
        struct worker *worker;
        while (demand->queue.count && (worker = worker_for(scheduler, demand)) &&
               take_one(scheduler, worker))
            ;
    }
}

void placement_reconsider(struct scheduler *scheduler, const struct worker *worker)
{
    LIST_FOREACH (link, &scheduler->demands) {
        const struct demand *demand = CONTAINER_OF(link, struct demand, link);
        for (size_t i = 0; demand_suits(demand, worker) && i < demand->queue.count; i++)
            agenda_add(scheduler, queued_task(demand->queue.links[i]));
    }
}

void placement_run(struct scheduler *scheduler)
{
    place_unplaced(scheduler);
    while (!list_is_empty(&scheduler->refill)) {
        struct list *link = scheduler->refill.next;
        list_remove(link);
        struct worker *worker = CONTAINER_OF(link, struct worker, refill);
        refill_one(scheduler, worker);
        if (worker->queue.count)
            steal_all(scheduler);
    }
    hand_out(scheduler);
    place_demanding(scheduler);
}

/* ---- where data go ---- */

struct worker *placement_emptiest(struct scheduler *scheduler, struct task *task)
{
    struct worker *best = NULL;
    double best_fill = 0;
    LIST_FOREACH (link, &scheduler->workers) {
        struct worker *worker = CONTAINER_OF(link, struct worker, link);
        double limit = worker->memory_limit ? (double)worker->memory_limit : 1e12;
        if (!worker_takes_work(worker) || !placement_fits(worker, task->nbytes) ||
            bond_find(task, &worker->held) || task_is_asked(task, worker))
            continue;
        double fill = (double)worker->memory / limit;
        if (!best || fill < best_fill) {
            best = worker;
            best_fill = fill;
        }
    }
    return best;
}
