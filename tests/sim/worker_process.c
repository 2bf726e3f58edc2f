/* A worker as a process: its core, with threads, a disk and a nanny that the simulation
 * plays.  Task functions are the real ones; each runs in a fiber at the moment when it
 * starts, and its result comes back when its time is over. */
#include "common/log.h"
#include "tests/sim/cluster.h"
#include "tests/sim/faults.h"
#include "tests/sim/network.h"
#include "tests/sim/workload.h"
#include "worker/core_state.h"
#include "worker/functions.h"
#include "worker/registry.h"
#include "worker/task.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 3
#define OVERHEAD (1u << 20)

struct thread {
    struct process *process;
    unsigned number;
    struct fiber *fiber; /* of the job, until it has computed */
    struct job *job;
    size_t asked; /* for room */
    bool waits;   /* for the answer */
    bool crashes; /* the function kills its process */
    int code;     /* the answer, and its line */
    struct err_text text;
    uint64_t serial; /* of the job: whose end an event means */
    struct scratch scratch;
};

struct sim_worker {
    struct worker_core *core;
    struct list queue; /* jobs that no thread has taken */
    unsigned thread_count;
    struct thread threads[THREADS_MAX];
    struct map disk; /* payload references by file */
    bool full, unreadable, retiring, stopping;
    uint64_t serials;
};

static struct sim_worker *sim_of(const struct process *process)
{
    return process->state;
}

struct worker_core *worker_of(const struct process *process)
{
    return sim_of(process)->core;
}

bool worker_process_is_idle(const struct process *process)
{
    const struct sim_worker *worker = sim_of(process);
    return worker->core->attempt_count == 0 && worker->core->store.entries.count == 0 &&
           list_is_empty(&worker->core->store.removed) && worker->disk.count == 0 &&
           worker->core->store.used == 0;
}

static struct registry *functions(void)
{
    static struct registry registry;
    struct err_text text;
    if (registry.count > 0)
        return &registry;
    registry_init(&registry);
    if (registry_add(&registry, basic_functions, "built in", &text) < 0 ||
        registry_add(&registry, glm_functions, "built in", &text) < 0 ||
        registry_add(&registry, prox_functions, "built in", &text) < 0 ||
        registry_add(&registry, array_functions, "built in", &text) < 0 ||
        registry_add(&registry, sim_functions, "simulation", &text) < 0)
        abort();
    return &registry;
}

/* ---- life ---- */

static void configure(struct process *process, struct worker_config *config)
{
    struct world *world = process->world;
    worker_config_init(config);
    config->name = process->name;
    config->address = process->address;
    config->scheduler = SCHEDULER_ADDRESS;
    config->directory = "/sim";
    config->epoch = 1 + world_random(world, CHANCE_PLAN, UINT64_C(1) << 60);
    config->pid = 1000 * process->index + process->life;
    config->nthreads = 1 + (unsigned)world_random(world, CHANCE_PLAN, THREADS_MAX);
    config->credits = 1 + (unsigned)world_random(world, CHANCE_PLAN, 8);
    config->memory_limit = 8u << 20;
    config->overhead = OVERHEAD;
    /* w0 has what any task may ask for; its threads are more than it has of that. */
    config->resources = process->index == 1 ? "GPU=1" : NULL;
    config->connect_timeout_ns = 600 * NS_PER_S;
    config->previous_epoch = process->previous_epoch;
    config->previous_status = process->previous_status;
    config->previous_running = process->previous_running;
    config->previous_running_count = process->previous_count;
}

static void start(struct process *process)
{
    struct sim_worker *worker = calloc(1, sizeof *worker);
    struct worker_config config;
    process->state = worker;
    snprintf(process->address, sizeof process->address, "tcp://10.0.0.%u:%u",
             process->index + 1, 20000 + process->life);
    configure(process, &config);
    config.unix_ns = clock_unix_ns();
    list_init(&worker->queue);
    map_init(&worker->disk);
    worker->thread_count = config.nthreads;
    for (unsigned i = 0; i < worker->thread_count; i++) {
        worker->threads[i] = (struct thread){.process = process, .number = i};
        scratch_init(&worker->threads[i].scratch);
    }
    worker->core = worker_core_create(&config, process_now(process));
    if (!worker->core)
        abort();
}

/* The functions that wait for room come to their end before their stacks go. */
static void threads_stop(struct sim_worker *worker)
{
    worker->stopping = true;
    for (unsigned i = 0; i < worker->thread_count; i++) {
        struct thread *thread = &worker->threads[i];
        while (thread->fiber && !fiber_is_over(thread->fiber))
            fiber_resume(thread->fiber);
        fiber_destroy(thread->fiber);
        scratch_fini(&thread->scratch);
    }
}

static void stop(struct process *process)
{
    struct sim_worker *worker = process->state;
    threads_stop(worker);
    while (!list_is_empty(&worker->queue))
        list_remove(worker->queue.next);
    size_t position = 0;
    struct payload *payload;
    while ((payload = map_next(&worker->disk, &position)))
        payload_unref(payload);
    map_fini(&worker->disk);
    worker_core_destroy(worker->core);
    free(worker);
    process->state = NULL;
    process->address[0] = '\0';
}

void worker_process_die(struct process *process, int64_t status)
{
    struct sim_worker *worker = process->state;
    process->previous_epoch = worker->core->config.epoch;
    process->previous_status = status;
    process->previous_count = 0;
    process->deaths += status != 0;
    for (unsigned i = 0; status && i < worker->thread_count; i++)
        if (worker->threads[i].job)
            process->previous_running[process->previous_count++] =
                worker->threads[i].job->key;
    process_kill(process, true);
    faults_restart(process, 0);
}

/* ---- threads ---- */

static void threads_fill(struct process *process);

static void fire_finished(struct world *world, struct event *event)
{
    struct process *process = event->process;
    struct sim_worker *worker = process->state;
    struct thread *thread = &worker->threads[event->a];
    struct job *job = thread->job;
    if (!job || thread->serial != event->b)
        return;
    if (thread->crashes) {
        worker_process_die(process, SIGSEGV);
        return;
    }
    thread->job = NULL;
    job->stop_ns = clock_unix_ns();
    if (dusk_flag(&job->cancelled) && job->code == 0) {
        job->code = DUSK_E_CANCELLED;
        err_set(&job->reason, 0, "cancelled");
    }
    world_trace(world, job->key.bits, job->attempt, (uint64_t)-job->code);
    core_begin(process);
    worker_core_finished(worker->core, job, process_now(process));
    core_end(process);
    threads_fill(process);
    process_turn(process);
}

static void finish_after(struct thread *thread, uint64_t delay_ns)
{
    struct event *event =
        world_after(thread->process->world, delay_ns, fire_finished, thread->process);
    event->a = thread->number;
    event->b = thread->serial;
}

static void fire_asked(struct world *world, struct event *event)
{
    struct process *process = event->process;
    struct sim_worker *worker = process->state;
    struct thread *thread = &worker->threads[event->a];
    core_begin(process);
    worker_core_room(worker->core, thread->job, thread->asked, process_now(process));
    core_end(process);
    process_turn(process);
}

/* Runs on the fiber: waits for the core's answer. */
static int ask(void *context, struct job *job, size_t bytes, struct err_text *text)
{
    struct thread *thread = context;
    struct sim_worker *worker = thread->process->state;
    thread->asked = bytes;
    thread->waits = true;
    if (!worker->stopping) {
        struct event *event =
            world_after(thread->process->world, 1000, fire_asked, thread->process);
        event->a = thread->number;
        fiber_yield();
    }
    int code = thread->waits ? DUSK_E_CANCELLED : thread->code;
    if (code < 0)
        err_set(text, code, "%s",
                thread->waits ? "the worker ends" : thread->text.line);
    thread->waits = false;
    return code;
}

/* Runs on the fiber. */
static void compute(void *arg)
{
    struct thread *thread = arg;
    struct job *job = thread->job;
    task_run(job, registry_find(functions(), job->function), &thread->scratch, ask,
             thread);
}

/* Lets the job's function compute until it waits for room or is done; the time that it
 * takes comes then. */
static void thread_resume(struct thread *thread)
{
    struct process *process = thread->process;
    struct world *world = process->world;
    struct process *before = world->current;
    struct world *scarce = faults_scarce(NULL);
    world->current = process;
    fiber_resume(thread->fiber);
    world->current = before;
    faults_scarce(scarce);
    if (!fiber_is_over(thread->fiber))
        return;
    fiber_destroy(thread->fiber);
    thread->fiber = NULL;
    finish_after(thread, sim_duration_ns(thread->job->key.bits ^ world->plan.seed ^
                                         thread->job->attempt << 48));
}

/* Without memory the scheduler may count too few; and see view_processing. */
static void check_resources(struct process *process)
{
    const struct sim_worker *worker = process->state;
    unsigned used = 0;
    for (unsigned i = 0; i < worker->thread_count; i++)
        used += worker->threads[i].job &&
                strcmp(worker->threads[i].job->function, "sim_gpu") == 0;
    if (used > (process->index == 1) && !program_saw(process, FAULT_MEMORY) &&
        !program_saw(process, FAULT_DUPLICATE))
        world_wrong(process->world, "%s runs %u tasks that need the GPU", process->name,
                    used);
}

static void thread_start(struct thread *thread, struct job *job)
{
    struct sim_worker *worker = thread->process->state;
    thread->job = job;
    thread->serial = ++worker->serials;
    check_resources(thread->process);
    thread->crashes = strcmp(job->function, "sim_crash") == 0;
    job->thread = thread->number;
    job->start_ns = clock_unix_ns();
    struct world *scarce = faults_scarce(NULL);
    thread->fiber = fiber_create(compute, thread);
    faults_scarce(scarce);
    thread_resume(thread);
}

static void threads_fill(struct process *process)
{
    struct sim_worker *worker = process->state;
    for (unsigned i = 0; i < worker->thread_count; i++) {
        if (worker->threads[i].job || list_is_empty(&worker->queue))
            continue;
        struct list *link = worker->queue.next;
        list_remove(link);
        thread_start(&worker->threads[i], CONTAINER_OF(link, struct job, link));
    }
}

static struct thread *thread_of(struct sim_worker *worker, const struct job *job)
{
    for (unsigned i = 0; i < worker->thread_count; i++)
        if (worker->threads[i].job == job)
            return &worker->threads[i];
    return NULL;
}

static void answer(struct sim_worker *worker, const struct worker_action *action)
{
    struct thread *thread = thread_of(worker, action->job);
    if (!thread || !thread->waits)
        return;
    thread->code = action->code;
    err_set(&thread->text, 0, "%s", action->text ? action->text : "");
    thread->waits = false;
    thread_resume(thread);
}

/* A function that looks at its flag ends soon, one that does not takes its time. */
static void cancel(struct sim_worker *worker, const struct job *job)
{
    struct thread *thread = thread_of(worker, job);
    if (thread && !thread->waits && !thread->crashes && !thread->fiber)
        finish_after(thread, NS_PER_MS);
}

/* ---- the disk ---- */

static uint64_t disk_delay(struct world *world)
{
    return NS_PER_MS * (1 + world_random(world, CHANCE_WORK, 20));
}

static void fire_written(struct world *world, struct event *event)
{
    struct process *process = event->process;
    struct sim_worker *worker = process->state;
    struct payload *payload = map_get(&worker->disk, event->a);
    int code = event->b ? DUSK_E_DISK_FULL : 0;
    if (payload && code) {
        map_remove(&worker->disk, event->a);
        payload_unref(payload);
    }
    core_begin(process);
    worker_core_written(worker->core, event->a, code, code ? "the disk is full" : "",
                        process_now(process));
    core_end(process);
    process_turn(process);
}

static void fire_read(struct world *world, struct event *event)
{
    struct process *process = event->process;
    struct sim_worker *worker = process->state;
    struct payload *payload = event->b ? NULL : map_get(&worker->disk, event->a);
    core_begin(process);
    worker_core_read(worker->core, event->a, payload ? payload_ref(payload) : NULL,
                     payload ? "" : "the disk cannot be read", process_now(process));
    core_end(process);
    process_turn(process);
}

static void write_file(struct process *process, const struct worker_action *action)
{
    struct sim_worker *worker = process->state;
    struct world *world = process->world;
    struct event *event = world_after(world, disk_delay(world), fire_written, process);
    event->a = action->file;
    event->b = worker->full;
    struct world *scarce = faults_scarce(NULL);
    if (map_put(&worker->disk, action->file, payload_ref(action->payload)) < 0)
        abort();
    faults_scarce(scarce);
}

static void read_file(struct process *process, uint64_t file)
{
    struct sim_worker *worker = process->state;
    struct world *world = process->world;
    struct event *event = world_after(world, disk_delay(world), fire_read, process);
    event->a = file;
    event->b = worker->unreadable;
}

void worker_process_disk(struct process *process, bool full, bool unreadable)
{
    struct sim_worker *worker = process->state;
    worker->full = full;
    worker->unreadable = unreadable;
}

/* ---- what the core wants done ---- */

static void end(struct process *process, int code)
{
    if (code)
        worker_process_die(process, code << 8);
    else {
        process_kill(process, true);
        faults_restart(process, 2 * NS_PER_S);
    }
}

static void hangup(struct process *process, struct peer_id peer)
{
    struct end *closed = network_end(process, peer);
    if (closed)
        network_close(closed, true);
}

static bool act(struct process *process)
{
    struct sim_worker *worker = process->state;
    struct worker_action *action =
        process->alive ? worker_core_action(worker->core) : NULL;
    if (!action)
        return false;
    switch (action->kind) {
    case WORKER_DIAL:
        network_dial(process, action->peer, action->text ? action->text : "",
                     action->text && strcmp(action->text, SCHEDULER_ADDRESS) == 0);
        break;
    case WORKER_HANGUP:
        hangup(process, action->peer);
        break;
    case WORKER_START:
        list_append(&worker->queue, &action->job->link);
        threads_fill(process);
        break;
    case WORKER_CANCEL:
        cancel(worker, action->job);
        break;
    case WORKER_ROOM:
        answer(worker, action);
        break;
    case WORKER_WRITE:
        write_file(process, action);
        break;
    case WORKER_READ:
        read_file(process, action->file);
        break;
    case WORKER_FORGET:
        payload_unref(map_remove(&worker->disk, action->file));
        break;
    case WORKER_LOAD: /* no program uploads plugins, nobody has keys */
    case WORKER_ADMIT:
        break;
    case WORKER_NOTE:
        world_say(process->world, process, "note: %s", action->text);
        break;
    case WORKER_END:
        world_say(process->world, process, "wants to end: %s", action->text);
        end(process, action->code);
        break;
    }
    worker_action_destroy(action);
    return true;
}

void worker_process_retire(struct process *process)
{
    struct sim_worker *worker = process->state;
    if (worker->retiring)
        return;
    worker->retiring = true;
    core_begin(process);
    worker_core_retire(worker->core, process_now(process));
    core_end(process);
    process_turn(process);
}

/* ---- events ---- */

static void message(struct process *process, struct peer_id peer,
                    const struct message *message)
{
    worker_core_message(worker_of(process), peer, message, process_now(process));
}

static void gone(struct process *process, struct peer_id peer)
{
    struct end *lost = network_end(process, peer);
    if (lost && !(peer.number & PEER_DIALED))
        network_close(lost, true);
    worker_core_peer_gone(worker_of(process), peer, process_now(process));
}

static void broken(struct process *process, struct peer_id peer, const char *line)
{
    gone(process, peer);
}

static void up(struct process *process, struct peer_id peer)
{
    worker_core_connected(worker_of(process), peer, process_now(process));
}

static void tick(struct process *process)
{
    struct worker_core *core = worker_of(process);
    uint64_t now_ns = process_now(process);
    worker_core_set_clock(core, clock_unix_ns(), now_ns);
    worker_core_resident(core, OVERHEAD + core->store.used, now_ns);
    worker_core_tick(core, now_ns);
}

static uint64_t deadline(const struct process *process)
{
    return worker_core_deadline(worker_of(process));
}

static struct outbox *outbox(struct process *process)
{
    return worker_core_outbox(worker_of(process));
}

static void sent(struct process *process, struct peer_id peer)
{
    worker_core_sent(worker_of(process), peer, process_now(process));
}

static int check(const struct process *process, struct err_text *text)
{
    return worker_core_check(worker_of(process), text);
}

const struct process_kind worker_kind = {
    .letter = 'w',
    .start = start,
    .stop = stop,
    .message = message,
    .broken = broken,
    .up = up,
    .gone = gone,
    .tick = tick,
    .deadline = deadline,
    .outbox = outbox,
    .act = act,
    .sent = sent,
    .check = check,
};
