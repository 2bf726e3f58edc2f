/* A client as a process: a program against dusk.h on a fiber, under it the library's
 * own code with this file in place of client/pump.c.
 *
 * The library keeps the line of its last error for each thread; here all programs are
 * of one thread, and each reads the line before it waits again. */
#include "client/client.h"
#include "client/core_parts.h"
#include "tests/sim/cluster.h"
#include "tests/sim/faults.h"
#include "tests/sim/network.h"
#include "tests/sim/workload.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define KEEPER_NS (200 * UINT64_C(1000))

/* The program's side of a process. */
struct program {
    struct fiber *fiber;
    struct dusk_client *client; /* while it is open */
    bool killed;
    bool waits;            /* for something to come, or for the time of `wake` */
    bool sleeps;           /* for the time alone */
    uint64_t wake;         /* counts waits */
    bool armed;            /* a turn of the keeper is due */
    struct outbox nothing; /* in place of a client's, while there is none */
    char doing[100];
};

/* A client's pump. */
struct pump {
    struct process *process;
};

static struct program *program_of(const struct process *process)
{
    return process->state;
}

static struct process *process_of(const struct dusk_client *client)
{
    return client->pump->process;
}

struct client_core *client_core_of(const struct process *process)
{
    const struct program *program = program_of(process);
    return program && program->client ? program->client->core : NULL;
}

bool client_process_is_over(const struct process *process)
{
    const struct program *program = program_of(process);
    return process->alive && (!program->fiber || fiber_is_over(program->fiber));
}

const char *client_process_doing(const struct process *process)
{
    return program_of(process)->doing;
}

bool program_is_killed(const struct process *process)
{
    const struct program *program = program_of(process);
    return program && program->killed;
}

void program_doing(struct process *process, const char *format, ...)
{
    struct program *program = program_of(process);
    va_list args;
    va_start(args, format);
    vsnprintf(program->doing, sizeof program->doing, format, args);
    va_end(args);
    world_say(process->world, process, "program: %s", program->doing);
}

/* ---- the program and whoever plays the world ---- */

static void program_resume(struct process *process)
{
    struct program *program = program_of(process);
    struct process *before = process->world->current;
    struct world *scarce = faults_scarce(NULL);
    process->world->current = process;
    program->waits = program->sleeps = false;
    program->wake++;
    fiber_resume(program->fiber);
    process->world->current = before;
    faults_scarce(scarce);
}

static void fire_wake(struct world *world, struct event *event)
{
    struct program *program = program_of(event->process);
    if (program->wake != event->a || !(program->waits || program->sleeps))
        return;
    program_resume(event->process);
    process_turn(event->process);
}

/* On the program's fiber: gives the others their turns. */
static void program_wait(struct process *process, uint64_t timeout_ns, bool sleeps)
{
    struct program *program = program_of(process);
    if (program->killed)
        return;
    program->waits = !sleeps;
    program->sleeps = sleeps;
    if (timeout_ns < NS_PER_S * 10000) {
        struct event *event =
            world_after(process->world, timeout_ns + 1000, fire_wake, process);
        event->a = program->wake;
    }
    fiber_yield();
}

void program_sleep(struct process *process, uint64_t ns)
{
    program_wait(process, ns, true);
}

/* ---- the seam of libdusk ---- */

int client_identify(struct dusk_client *client, struct client_identity *ret_identity)
{
    struct process *process = process_current();
    struct world *world = process->world;
    *ret_identity = (struct client_identity){
        .epoch = 1 + world_random(world, CHANCE_PLAN, UINT64_C(1) << 60),
        .seed = world_random(world, CHANCE_PLAN, UINT64_C(1) << 60),
        .pid = 1000 * process->index + process->life,
    };
    snprintf(ret_identity->name, sizeof ret_identity->name, "%s", process->name);
    return 0;
}

int client_pump_open(struct dusk_client *client)
{
    struct pump *pump = calloc(1, sizeof *pump);
    if (!pump)
        abort();
    pump->process = process_current();
    client->pump = pump;
    program_of(pump->process)->client = client;
    return 0;
}

int client_pump_start(struct dusk_client *client)
{
    return 0;
}

void client_pump_stop(struct dusk_client *client)
{
}

static void fire_keeper(struct world *world, struct event *event)
{
    program_of(event->process)->armed = false;
    process_turn(event->process);
}

void client_pump_wake(struct dusk_client *client)
{
    struct process *process = process_of(client);
    struct program *program = program_of(process);
    if (program->armed || program->killed)
        return;
    program->armed = true;
    world_after(process->world, KEEPER_NS, fire_keeper, process);
}

void client_flush(struct dusk_client *client)
{
    struct process *process = process_of(client);
    if (!program_of(process)->killed)
        process_flush(process);
}

void client_turn(struct dusk_client *client, uint64_t timeout_ns)
{
    client_flush(client);
    program_wait(process_of(client), timeout_ns, false);
}

void client_pump_close(struct dusk_client *client)
{
    struct process *process = process_of(client);
    struct program *program = program_of(process);
    size_t position = 0;
    struct end *end;
    while (!program->killed && (end = map_next(&process->ends, &position))) {
        network_close(end, true);
        position = 0;
    }
    program->client = NULL;
    free(client->pump);
    client->pump = NULL;
}

/* ---- life ---- */

static void run(void *arg)
{
    struct process *process = arg;
    process->world->plan.workload->run(process);
    program_doing(process, "over");
}

static void start(struct process *process)
{
    struct program *program = calloc(1, sizeof *program);
    if (!program)
        abort();
    process->state = program;
    outbox_init(&program->nothing);
    program->fiber = fiber_create(run, process);
    program->sleeps = true;
    world_after(process->world,
                world_random(process->world, CHANCE_PLAN, 100 * NS_PER_MS), fire_wake,
                process);
}

/* Every wait is over, and every call fails: the program comes to its end. */
static void stop(struct process *process)
{
    struct program *program = program_of(process);
    struct dusk_client *client = program->client;
    program->killed = true;
    /* A closed client goes with its last future: this key, which is none's, keeps it
     * until the program has closed it itself. */
    if (client) {
        client->open = false;
        if (map_put(&client->core->by_key, UINT64_MAX, client) < 0)
            abort();
    }
    while (!fiber_is_over(program->fiber))
        program_resume(process);
    if (client && client_enter(client, false) == 0) {
        map_remove(&client->core->by_key, UINT64_MAX);
        client_leave(client);
    }
    fiber_destroy(program->fiber);
    outbox_fini(&program->nothing);
    free(program);
    process->state = NULL;
}

/* ---- events ---- */

static void gone(struct process *process, struct peer_id peer)
{
    struct client_core *core = client_core_of(process);
    if (core)
        client_core_peer_gone(core, peer, process_now(process));
}

static void message(struct process *process, struct peer_id peer,
                    const struct message *message)
{
    struct client_core *core = client_core_of(process);
    struct err_text text;
    if (core &&
        client_core_message(core, peer, message, process_now(process), &text) < 0)
        gone(process, peer);
}

static void broken(struct process *process, struct peer_id peer, const char *line)
{
    gone(process, peer);
}

static void up(struct process *process, struct peer_id peer)
{
    struct client_core *core = client_core_of(process);
    if (core)
        client_core_connected(core, peer, process_now(process));
}

static void tick(struct process *process)
{
    struct client_core *core = client_core_of(process);
    if (!core)
        return;
    client_core_set_clock(core, clock_unix_ns(), process_now(process));
    client_core_tick(core, process_now(process));
}

static uint64_t deadline(const struct process *process)
{
    const struct client_core *core = client_core_of(process);
    return core ? client_core_next_deadline(core) : UINT64_MAX;
}

static struct outbox *outbox(struct process *process)
{
    struct client_core *core = client_core_of(process);
    return core ? &core->outbox : &program_of(process)->nothing;
}

static void hangup(struct process *process, struct peer_id peer)
{
    struct end *end = network_end(process, peer);
    if (end)
        network_close(end, true);
}

static bool act(struct process *process)
{
    struct client_core *core = client_core_of(process);
    struct client_action *action = core ? client_core_next_action(core) : NULL;
    if (!action)
        return false;
    if (action->type == CLIENT_CONNECT)
        network_dial(process, action->peer, action->address,
                     client_core_is_scheduler(core, action->peer));
    else if (action->type == CLIENT_CLOSE)
        hangup(process, action->peer);
    else
        world_say(process->world, process, "note: %s", action->line);
    free(action);
    return true;
}

static void fill(struct process *process)
{
    struct client_core *core = client_core_of(process);
    if (core)
        client_core_fill(core, process_now(process));
}

static void sent(struct process *process, struct peer_id peer)
{
    struct client_core *core = client_core_of(process);
    if (core && core->blocked)
        client_core_fill(core, process_now(process));
}

static void turned(struct process *process)
{
    if (program_of(process)->waits)
        program_resume(process);
}

static int check(const struct process *process, struct err_text *text)
{
    const struct client_core *core = client_core_of(process);
    return core ? client_core_check(core, text) : 0;
}

const struct process_kind client_kind = {
    .letter = 'c',
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
    .fill = fill,
    .sent = sent,
    .turned = turned,
    .check = check,
};
