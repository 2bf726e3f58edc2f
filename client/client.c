/* Opening and closing a client, its lock and its waits. */
#include "client/client.h"
#include "common/clock.h"
#include "proto/link.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_ADDRESS "tcp://127.0.0.1:8786"

/* ---- errors ---- */

static _Thread_local struct err_text last_error;

int client_fail(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(last_error.line, sizeof last_error.line, format, args);
    va_end(args);
    return code;
}

const char *dusk_last_error(void)
{
    return last_error.line;
}

const char *dusk_error_name(int code)
{
    return err_name(code);
}

const char *dusk_error_sentence(int code)
{
    return err_sentence(code);
}

/* ---- life ---- */

/* getpid is a system call, and each call of a program would make it. */
static pid_t own_pid;
static int own_pid_error;
static pthread_once_t own_pid_once = PTHREAD_ONCE_INIT;

static void own_pid_set(void)
{
    own_pid = getpid();
}

static void own_pid_begin(void)
{
    own_pid_set();
    own_pid_error = pthread_atfork(NULL, NULL, own_pid_set);
}

static void client_destroy(struct dusk_client *client)
{
    if (!client)
        return;
    client_core_destroy(client->core);
    pthread_mutex_destroy(&client->lock);
    free(client->address);
    free(client);
}

static int core_open(struct dusk_client *client)
{
    struct client_identity identity;
    int rc = client_identify(client, &identity);
    if (rc < 0)
        return rc;
    struct client_config config = {.epoch = identity.epoch,
                                   .seed = identity.seed,
                                   .pid = identity.pid,
                                   .name = identity.name,
                                   .address = client->address};
    if (client_core_create(&config, clock_monotonic_ns(), &client->core) < 0)
        return client_fail(DUSK_E_NOMEM, "no memory for a client");
    client->core->owner = client;
    return 0;
}

static int client_create(const char *address, struct dusk_client **ret_client)
{
    pthread_once(&own_pid_once, own_pid_begin);
    struct dusk_client *client = own_pid_error ? NULL : calloc(1, sizeof *client);
    if (!client)
        return client_fail(DUSK_E_NOMEM, "no memory for a client");
    pthread_mutex_init(&client->lock, NULL);
    client->pid = own_pid;
    client->open = true;
    client->address = strdup(address);
    int rc = client->address ? core_open(client)
                             : client_fail(DUSK_E_NOMEM, "no memory for a client");
    if (rc == 0)
        rc = client_pump_open(client);
    if (rc < 0)
        client_destroy(client);
    else
        *ret_client = client;
    return rc;
}

static void client_shut(struct dusk_client *client)
{
    client_pump_stop(client);
    pthread_mutex_lock(&client->lock);
    client_core_close(client->core);
    client_flush(client);
    client_pump_close(client);
    client->open = false;
    client_leave(client);
}

static int unreachable(const struct dusk_client *client, const struct client_wait *wait)
{
    static const char *const sentences[] = {
        [REACH_NOTHING] = "cannot be reached",
        [REACH_TCP] = "takes connections, but does not speak ZeroMQ: no answer",
        [REACH_ZMQ] = "speaks ZeroMQ, but does not answer like a scheduler of dusk",
    };
    return client_fail(DUSK_E_UNREACHABLE, "%s %s within %g s", client->address,
                       sentences[client->reach], wait->timeout_s);
}

static int welcome_wait(struct dusk_client *client, double timeout_s)
{
    const struct client_core *core = client->core;
    struct client_wait wait = client_wait_for(timeout_s);
    while (core->link != LINK_UP) {
        if (core->link == LINK_REFUSED)
            return client_fail(core->refusal, "%s", core->refusal_text.line);
        if (!client_wait_turn(client, &wait))
            return unreachable(client, &wait);
    }
    return 0;
}

static const char *address_or_default(const char *address)
{
    if (!address)
        address = getenv("DUSK_SCHEDULER_ADDRESS");
    return address && *address ? address : DEFAULT_ADDRESS;
}

/* An empty path, like none, means: without keys. */
static int client_keys(struct dusk_client *client, const char *path)
{
    if (!path)
        path = getenv("DUSK_KEYS");
    client->keyed = path && *path;
    return client->keyed ? keys_read_join(path, &client->join, &last_error) : 0;
}

int dusk_connect(const char *address, double timeout_s, struct dusk_client **ret_client)
{
    const struct dusk_options options = {.address = address, .timeout_s = timeout_s};
    return dusk_connect_with(&options, ret_client);
}

int dusk_connect_with(const struct dusk_options *options,
                      struct dusk_client **ret_client)
{
    struct dusk_client *client = NULL;
    const char *address = address_or_default(options->address);
    if (link_check_address(address, &last_error) < 0)
        return DUSK_E_INVALID;
    int rc = client_create(address, &client);
    if (rc < 0)
        return rc;
    rc = client_keys(client, options->keys);
    if (rc == 0)
        rc = welcome_wait(client, options->timeout_s);
    if (rc == 0)
        rc = client_pump_start(client);
    if (rc < 0)
        client_shut(client);
    else
        *ret_client = client;
    return rc;
}

void dusk_close(struct dusk_client *client)
{
    if (client && client->pid == own_pid)
        client_shut(client);
}

const char *dusk_address(const struct dusk_client *client)
{
    return client->address;
}

void dusk_set_log(struct dusk_client *client,
                  void (*write)(void *arg, enum dusk_log_level level, const char *line),
                  void *arg)
{
    if (client_enter(client, false) < 0)
        return;
    client->log = write;
    client->log_arg = arg;
    client_leave(client);
}

/* ---- calls ---- */

struct dusk_client *client_of(const struct dusk_future *future)
{
    return future->core->owner;
}

int client_enter(struct dusk_client *client, bool working)
{
    if (client->pid != own_pid)
        return client_fail(DUSK_E_CLOSED, "this client of %s belongs to process %ld",
                           client->address, (long)client->pid);
    pthread_mutex_lock(&client->lock);
    if (!working || client->open)
        return 0;
    client_leave(client);
    return client_fail(DUSK_E_CLOSED, "the client of %s was closed", client->address);
}

int client_enter_all(struct dusk_future *const *futures, int n, bool gaps, bool working,
                     struct dusk_client **ret_client)
{
    const struct dusk_future *first = NULL;
    for (int i = 0; i < n; i++) {
        if (!futures[i] && !gaps)
            return client_fail(DUSK_E_INVALID, "future %d of %d is NULL", i, n);
        if (!futures[i])
            continue;
        if (first && futures[i]->core != first->core)
            return client_fail(DUSK_E_INVALID, "%s and %s are of different clients",
                               future_name(first).text, future_name(futures[i]).text);
        if (!first)
            first = futures[i];
    }
    *ret_client = first ? client_of(first) : NULL;
    return first ? client_enter(*ret_client, working) : 0;
}

void client_leave(struct dusk_client *client)
{
    const struct client_core *core = client->core;
    bool over = !client->open && core->by_key.count == 0;
    bool unsent = core->queue_count > 0 || !list_is_empty(&core->waiting) ||
                  !list_is_empty(&core->outbox.dirty);
    if (client->open && unsent)
        client_pump_wake(client);
    pthread_mutex_unlock(&client->lock);
    if (over)
        client_destroy(client);
}

/* ---- waits ---- */

struct client_wait client_wait_for(double timeout_s)
{
    struct client_wait wait = {.timeout_s = timeout_s, .until_ns = UINT64_MAX};
    uint64_t now_ns = clock_monotonic_ns();
    if (isnan(timeout_s))
        wait.until_ns = now_ns;
    else if (timeout_s >= 0 && timeout_s < 1e9)
        wait.until_ns = now_ns + (uint64_t)(timeout_s * 1e9);
    return wait;
}

/* Something may have come in the last moment: there is one look after the end. */
bool client_wait_turn(struct dusk_client *client, struct client_wait *wait)
{
    if (wait->over)
        return false;
    uint64_t now_ns = clock_monotonic_ns();
    wait->over = now_ns >= wait->until_ns;
    client_turn(client, wait->over ? 0 : wait->until_ns - now_ns);
    return true;
}

struct client_wait_text client_wait_text(const struct dusk_client *client,
                                         const struct client_wait *wait)
{
    struct client_wait_text text;
    const struct client_core *core = client->core;
    int length = snprintf(text.text, sizeof text.text, " within %g s", wait->timeout_s);
    if (core->gone_ns)
        snprintf(text.text + length, sizeof text.text - (size_t)length,
                 ", its scheduler %.150s is gone for %.1f s", client->address,
                 (double)(clock_monotonic_ns() - core->gone_ns) / 1e9);
    return text;
}
