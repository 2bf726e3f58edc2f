/* What clients are told of tasks. */
#include "scheduler/core.h"

#include "proto/limits.h"

#include <stdio.h>

static void tell_finished(struct scheduler *scheduler, struct task *task,
                          struct client *client)
{
    const struct worker *worker = placement_source(task);
    client_send(scheduler, client,
                MESSAGE(finished, .key = task->key, .nbytes = task->nbytes,
                        .worker = task->made_by, .thread = task->thread,
                        .start_ns = task->start_ns, .stop_ns = task->stop_ns,
                        .address = str_of(worker->address),
                        .result = scheduler->arrival.result));
}

static void tell_located(struct scheduler *scheduler, struct task *task,
                         struct client *client)
{
    field_sources sources;
    if (sources_of(scheduler, task, NULL, &sources) == 0)
        client_send(scheduler, client,
                    MESSAGE(located, .key = task->key, .sources = sources));
    else if (client->peer.number)
        peer_doom(scheduler, client->peer);
}

static void tell_failed(struct scheduler *scheduler, const struct task *task,
                        struct client *client)
{
    const struct failure *failure = task->failure;
    char line[LIMIT_TEXT_BYTES];
    int length;
    if (key_equal(failure->origin, task->key) || failure == scheduler->no_memory)
        length = snprintf(line, sizeof line, "%s", failure->line);
    else
        length = snprintf(line, sizeof line,
                          "task " KEY_FORMAT " (%s) depends on " KEY_FORMAT " (%s): %s",
                          KEY_ARGS(task->key), task_what(task),
                          KEY_ARGS(failure->origin), failure->what, failure->line);
    line_cut(line, sizeof line, length);
    client_send(scheduler, client,
                MESSAGE(failed, .key = task->key, .code = failure->code,
                        .reason = str_of(line)));
}

void task_tell(struct scheduler *scheduler, struct task *task, struct bond *want)
{
    struct client *client = want_client(want);
    unsigned asked = bond_flags(want);
    if (task->state != TASK_MEMORY && task->state != TASK_ERRED)
        return;
    bond_set_flags(want, asked & ~(unsigned)WANT_PLACE);
    if (task->state == TASK_ERRED)
        tell_failed(scheduler, task, client);
    if (task->state == TASK_MEMORY && asked & WANT_RESULT)
        tell_finished(scheduler, task, client);
    if (task->state == TASK_MEMORY && asked & WANT_PLACE)
        tell_located(scheduler, task, client);
    if (bond_flags(want) == 0) {
        bond_remove(want);
        agenda_add(scheduler, task);
    }
}

void task_tell_all(struct scheduler *scheduler, struct task *task)
{
    BONDS_FOREACH (want, task, BOND_WANT)
        task_tell(scheduler, task, want);
}

void task_tell_place(struct scheduler *scheduler, const struct task *task,
                     struct client *client)
{
    client_send(scheduler, client,
                MESSAGE(place, .key = task->key,
                        .address = str_of(task->worker->address),
                        .attempt = task->attempt));
}
