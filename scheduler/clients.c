#include "scheduler/core.h"

#include "common/plant.h"

#include "proto/limits.h"

#include <stdlib.h>

void client_send(struct scheduler *scheduler, struct client *client,
                 const struct message *message)
{
    /* After a reconnection clients repeat what they ask for. */
    if (client->peer.number)
        peer_send(scheduler, client->peer, message);
}

void client_outcome(struct scheduler *scheduler, uint64_t client_number,
                    uint64_t request, int code, const char *line)
{
    struct client *client = map_get(&scheduler->client_numbers, client_number);
    if (client)
        client_send(
            scheduler, client,
            MESSAGE(outcome, .request = request, .code = code, .reason = str_of(line)));
}

/* ---- coming and going ---- */

static uint64_t loss_deadline(const struct scheduler *scheduler,
                              const struct client *client)
{
    return client->peer.number ? client->heard_ns + scheduler->config.lost_ns
                               : client->closed_ns + scheduler->config.client_closed_ns;
}

static void want_end(struct scheduler *scheduler, struct bond *want)
{
    struct task *task = bond_task(want);
    bond_remove(want);
    agenda_add(scheduler, task);
    /* What the client was about to bring will not come. */
    if (!task->function && task->state == TASK_WAITING)
        task_displaced(scheduler, task);
}

/* The newest first: what nothing depends on is forgotten at once, while a graph whose
 * inputs went first would all be forgotten with its last task. */
static void wants_end(struct scheduler *scheduler, struct client *client)
{
    for (unsigned i = 0; i < scheduler->config.wants_at_once && client->wants.count;
         i++)
        want_end(scheduler, CONTAINER_OF(client->wants.bonds.prev, struct bond, link));
    if (client->wants.count) {
        timer_set(scheduler, &client->timer,
                  scheduler->now_ns + scheduler->config.wants_rest_ns);
        return;
    }
    timer_clear(scheduler, &client->timer);
    map_remove(&scheduler->client_numbers, client->number);
    list_remove(&client->link);
    client_destroy(client);
}

static void client_timer(struct scheduler *scheduler, struct timer *timer)
{
    struct client *client = CONTAINER_OF(timer, struct client, timer);
    struct peer_id silent = client->peer;
    uint64_t deadline = loss_deadline(scheduler, client);
    if (client->leaving) {
        wants_end(scheduler, client);
        return;
    }
    if (scheduler->now_ns < deadline) {
        timer_set(scheduler, timer, deadline);
        return;
    }
    client_remove(scheduler, client,
                  silent.number ? "nothing was heard of it" : "its connection closed");
    if (silent.number)
        peer_close(scheduler, silent);
}

void client_destroy(struct client *client)
{
    free(client->name);
    free(client);
}

static struct client *client_add(struct scheduler *scheduler, struct peer_id peer,
                                 const struct msg_hello *hello)
{
    struct client *client = calloc(1, sizeof *client);
    if (!client)
        return NULL;
    client->name = str_copy(hello->name);
    client->number = hello->client;
    client->epoch = hello->epoch;
    client->timer.fire = client_timer;
    list_init(&client->link);
    party_init(&client->wants, BOND_WANT);
    if (client->name && timer_set(scheduler, &client->timer,
                                  scheduler->now_ns + scheduler->config.lost_ns) == 0) {
        if (map_put(&scheduler->client_numbers, client->number, client) == 0) {
            if (peer_bind(scheduler, peer, NULL, client) == 0)
                return client;
            map_remove(&scheduler->client_numbers, client->number);
        }
        timer_clear(scheduler, &client->timer);
    }
    client_destroy(client);
    return NULL;
}

/* For the first time, or again before its last want has ended. */
static void client_joined(struct scheduler *scheduler, struct peer_id peer,
                          struct client *client)
{
    client->peer = peer;
    client->leaving = false;
    list_remove(&client->link);
    list_append(&scheduler->clients, &client->link);
    scheduler->client_count++;
    struct note *note = note_add(&scheduler->notes, NOTE_INFO, "client joined");
    note_field(note, "client", "%06" PRIx64, client->number);
    note_field(note, "name", "%s", client->name);
}

/* Tasks outlive their client when others want them, or when they are published: one
 * that has just been started must not make their keys again. */
static bool number_is_taken(const struct scheduler *scheduler,
                            const struct msg_hello *hello)
{
    const struct client *other = map_get(&scheduler->client_numbers, hello->client);
    if (other)
        return other->epoch != hello->epoch;
    return hello->scheduler_epoch == 0 &&
           task_table_has(&scheduler->tasks, hello->client);
}

static bool hello_is_sound(struct scheduler *scheduler, struct peer_id peer,
                           const struct msg_hello *hello)
{
    if (!text_is_clean(hello->name, 0))
        peer_refuse(scheduler, peer, DUSK_E_INVALID,
                    "a client's name must be printable text of at most %u bytes",
                    LIMIT_NAME_BYTES);
    else if (hello->client == 0 || hello->client > KEY_CLIENT_MAX)
        peer_refuse(scheduler, peer, DUSK_E_INVALID,
                    "a client's number must be from 1 to %" PRIu64 ", not %" PRIu64,
                    KEY_CLIENT_MAX, hello->client);
    else if (number_is_taken(scheduler, hello))
        peer_refuse(scheduler, peer, DUSK_E_BUSY,
                    "the client number %06" PRIx64 " is taken", hello->client);
    else
        return true;
    return false;
}

/* The answer that gave them may have been lost with its connection: nobody would ever
 * release them. */
static void forget_given(struct scheduler *scheduler, struct client *client)
{
    if (!client->given)
        return;
    client->given = false;
    LIST_FOREACH (link, &client->wants.bonds) {
        struct bond *want = CONTAINER_OF(link, struct bond, link);
        if (bond_flags(want) & WANT_GIVEN)
            want_end(scheduler, want);
    }
}

void client_hello(struct scheduler *scheduler, struct peer_id peer,
                  const struct msg_hello *hello)
{
    if (!peer_may(scheduler, peer, RIGHT_SUBMIT, "be a client") ||
        !hello_is_sound(scheduler, peer, hello))
        return;
    recovery_hello(scheduler, hello);
    struct client *client = map_get(&scheduler->client_numbers, hello->client);
    if (!client) {
        if (!peer_finds_room(scheduler, peer))
            return;
        if (!(client = client_add(scheduler, peer, hello))) {
            peer_refuse(scheduler, peer, DUSK_E_NOMEM,
                        "the scheduler is out of memory");
            return;
        }
        client_joined(scheduler, peer, client);
    } else if (client->peer.number != peer.number) {
        if (client->peer.number)
            peer_close(scheduler, client->peer);
        client->peer.number = 0;
        if (peer_bind(scheduler, peer, NULL, client) < 0) {
            client_disconnected(scheduler, client);
            return;
        }
        if (client->leaving)
            client_joined(scheduler, peer, client);
        else
            client->peer = peer;
        forget_given(scheduler, client);
    }
    client->heard_ns = scheduler->now_ns;
    client_send(scheduler, client,
                MESSAGE(welcome, .epoch = scheduler->config.epoch,
                        .number = client->number,
                        .heartbeat_ms = scheduler->config.heartbeat_ns / 1000000));
}

void client_disconnected(struct scheduler *scheduler, struct client *client)
{
    peer_unbind(scheduler, client->peer);
    client->peer.number = 0;
    client->closed_ns = scheduler->now_ns;
    timer_set(scheduler, &client->timer, loss_deadline(scheduler, client));
}

void client_remove(struct scheduler *scheduler, struct client *client, const char *why)
{
    struct note *note = note_add(&scheduler->notes, NOTE_INFO, "client gone");
    note_field(note, "client", "%06" PRIx64, client->number);
    note_field(note, "because", "%s", why);
    note_field(note, "wanted", "%zu", client->wants.count);
    if (client->peer.number)
        peer_unbind(scheduler, client->peer);
    client->peer.number = 0;
    client->leaving = true;
    list_remove(&client->link);
    list_append(&scheduler->leaving, &client->link);
    scheduler->client_count--;
    wants_end(scheduler, client);
}

/* ---- asking ---- */

static void fail_at_once(struct scheduler *scheduler, struct client *client,
                         struct task_key key, int code, const char *line)
{
    client_send(scheduler, client,
                MESSAGE(failed, .key = key, .code = code, .reason = str_of(line)));
}

/* The client wants the task, for `flag`; it is told if there is something to tell. */
static void want_add(struct scheduler *scheduler, struct client *client,
                     struct task *task, unsigned flag)
{
    struct bond *want = bond_find(task, &client->wants);
    if (!want && bond_add(task, &client->wants, &want) < 0) {
        fail_at_once(scheduler, client, task->key, DUSK_E_NOMEM,
                     "the scheduler is out of memory");
        return;
    }
    bond_set_flags(want, bond_flags(want) | flag);
    agenda_add(scheduler, task);
    task_tell(scheduler, task, want);
}

void client_submit(struct scheduler *scheduler, struct client *client,
                   const struct msg_submit *submit)
{
    struct task *task = task_find(scheduler, submit->key);
    if (!task) {
        struct err_text text;
        int rc = task_create(scheduler, submit, &text, &task);
        if (rc < 0) {
            fail_at_once(scheduler, client, submit->key, rc, text.line);
            return;
        }
        scheduler->counts.submitted++;
    } else if (task->function && task->state < TASK_MEMORY) {
        task_limit_time(scheduler, task, submit->deadline_ms);
    }
    want_add(scheduler, client, task, WANT_RESULT);
}

/* Tells where to put data that are on their way, or that are gone and come again. */
static void scatter_again(struct scheduler *scheduler, struct client *client,
                          struct task *task)
{
    if (task->state == TASK_WAITING && task->worker)
        task_tell_place(scheduler, task, client);
    if (task->state == TASK_RELEASED || task->state == TASK_NO_WORKER)
        task->flags &= (uint8_t)~TASK_HAD_DATA;
}

void client_scatter(struct scheduler *scheduler, struct client *client,
                    const struct msg_scatter *scatter)
{
    struct task *task = task_find(scheduler, scatter->key);
    struct err_text text;
    int rc = 0;
    if (!task)
        rc = task_create_data(scheduler, scatter->key, scatter->nbytes, &text, &task);
    else if (task->function)
        rc = err_set(&text, DUSK_E_INVALID, "task " KEY_FORMAT " is no scattered data",
                     KEY_ARGS(scatter->key));
    else
        scatter_again(scheduler, client, task);
    if (rc < 0)
        fail_at_once(scheduler, client, scatter->key, rc, text.line);
    else
        want_add(scheduler, client, task, WANT_RESULT | WANT_BRINGS);
}

static struct bond *find_want(const struct scheduler *scheduler,
                              const struct client *client, struct task_key key)
{
    const struct task *task = task_find(scheduler, key);
    return task ? bond_find(task, &client->wants) : NULL;
}

void client_give(struct scheduler *scheduler, struct client *client,
                 struct task_key key)
{
    bool wanted = find_want(scheduler, client, key);
    client->given = true;
    client_want_key(scheduler, client, key,
                    WANT_RESULT | (wanted ? 0u : (unsigned)WANT_GIVEN));
}

void client_release(struct scheduler *scheduler, struct client *client,
                    const struct msg_release *release)
{
    for (size_t i = 0; i < release->keys.count; i++) {
        struct task_key key = release->keys.items[i];
        struct bond *want = find_want(scheduler, client, key);
        if (want && !(PLANTED(lost_release) && key.bits % 8 == 0))
            want_end(scheduler, want);
    }
}

void client_cancel(struct scheduler *scheduler, const struct msg_cancel *cancel)
{
    for (size_t i = 0; i < cancel->keys.count; i++) {
        struct task *task = task_find(scheduler, cancel->keys.items[i]);
        if (task)
            task_cancel(scheduler, task);
    }
}

void client_want_key(struct scheduler *scheduler, struct client *client,
                     struct task_key key, unsigned flag)
{
    struct task *task = task_find(scheduler, key);
    if (task)
        want_add(scheduler, client, task, flag);
    else
        fail_at_once(scheduler, client, key, DUSK_E_NOT_FOUND,
                     "the scheduler does not know this key");
}

void client_want(struct scheduler *scheduler, struct client *client,
                 const struct msg_want *want)
{
    for (size_t i = 0; i < want->keys.count; i++) {
        struct bond *given = find_want(scheduler, client, want->keys.items[i]);
        /* It has been told already. */
        if (given && bond_flags(given) & WANT_GIVEN)
            bond_set_flags(given, bond_flags(given) & ~(unsigned)WANT_GIVEN);
        else
            client_want_key(scheduler, client, want->keys.items[i], WANT_RESULT);
    }
}

void client_locate(struct scheduler *scheduler, struct client *client,
                   const struct msg_locate *locate)
{
    client_want_key(scheduler, client, locate->key, WANT_PLACE);
}
