#include "common/clock.h"
#include "common/resident.h"
#include "worker/route.h"
#include "worker/shell_state.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define GRACE_NS NS_PER_S

/* ---- actions ---- */

static void action_note(struct shell *shell, const struct worker_action *action)
{
    const char *line = action->text ? action->text : "";
    switch (action->level) {
    case LOG_DEBUG:
        log_debug(shell->log, line);
        break;
    case LOG_INFO:
        log_info(shell->log, line);
        break;
    case LOG_WARNING:
        log_warning(shell->log, line);
        break;
    default:
        log_error(shell->log, line);
    }
}

static void action_end(struct shell *shell, const struct worker_action *action)
{
    const char *line = action->text ? action->text : "out of memory";
    shell->ended = true;
    shell->status = action->code;
    if (action->code)
        log_error(shell->log, line);
    else
        log_info(shell->log, "ends", log_text("reason", line));
}

static void action_load(struct shell *shell, const struct worker_action *action)
{
    const struct frame *frame = payload_frame(action->payload, 0);
    const char *name = action->text ? action->text : "without a name";
    struct err_text text = {""};
    int rc = registry_load_bytes(shell->registry, name, action->file, frame->data,
                                 frame->size, &text);
    if (rc < 0)
        log_warning(shell->log, text.line);
    else
        log_info(shell->log, "plugin loaded", log_text("plugin", name));
    worker_core_loaded(shell->core, action->file, rc, text.line, clock_monotonic_ns());
}

static void act(struct shell *shell, struct worker_action *action)
{
    switch (action->kind) {
    case WORKER_DIAL:
        peers_dial(shell, action->peer, action->text ? action->text : "");
        break;
    case WORKER_HANGUP:
        peers_hangup(shell, action->peer);
        break;
    case WORKER_START:
        list_append(&shell->starting, &action->job->link);
        break;
    case WORKER_CANCEL:
        break;
    case WORKER_ROOM:
        executor_answer(shell->executor, action->job, action->code, action->text);
        break;
    case WORKER_WRITE:
        files_write(shell->files, action->file, action->payload);
        break;
    case WORKER_READ:
        files_read(shell->files, action->file);
        break;
    case WORKER_FORGET:
        files_forget(shell->files, action->file);
        break;
    case WORKER_LOAD:
        action_load(shell, action);
        break;
    case WORKER_ADMIT:
        peers_admit(shell, &action->members);
        break;
    case WORKER_NOTE:
        action_note(shell, action);
        break;
    case WORKER_END:
        action_end(shell, action);
        break;
    }
}

static void act_all(struct shell *shell)
{
    struct worker_action *action;
    while ((action = worker_core_action(shell->core))) {
        act(shell, action);
        worker_action_destroy(action);
    }
    executor_start(shell->executor, &shell->starting);
}

/* ---- threads, files, signals ---- */

static void executor_ready(void *context)
{
    struct shell *shell = context;
    struct executor_event event;
    while (executor_next(shell->executor, &event)) {
        uint64_t now = clock_monotonic_ns();
        if (event.kind == EXECUTOR_FINISHED)
            worker_core_finished(shell->core, event.job, now);
        else
            worker_core_room(shell->core, event.job, event.bytes, now);
    }
}

static void files_ready(void *context)
{
    struct shell *shell = context;
    struct files_event event;
    while (files_next(shell->files, &event)) {
        uint64_t now = clock_monotonic_ns();
        if (event.read)
            worker_core_read(shell->core, event.file, event.payload, event.text.line,
                             now);
        else
            worker_core_written(shell->core, event.file, event.code, event.text.line,
                                now);
    }
}

/* The first SIGTERM retires; whatever comes after that ends at once. */
static void signal_ready(void *context)
{
    struct shell *shell = context;
    int number;
    while ((number = loop_next_signal(&shell->loop))) {
        uint64_t now = clock_monotonic_ns();
        if (number == SIGTERM && !shell->retiring)
            worker_core_retire(shell->core, now);
        else
            worker_core_leave(shell->core, strsignal(number), now);
        shell->retiring = true;
    }
}

/* ---- opening and closing ---- */

static int open_threads(struct shell *shell, struct err_text *text)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    int rc = loop_signals(&shell->loop, &signals, signal_ready, shell);
    if (rc < 0)
        return err_set(text, rc, "cannot wait for signals: %s", strerror(errno));
    rc = executor_create(shell->config->core.nthreads, shell->registry,
                         shell->config->page ? shell->config->page->running : NULL,
                         &shell->executor, text);
    if (rc == 0)
        executor_slow_down(shell->executor, shell->config->slowness);
    if (rc == 0)
        rc = files_create(shell->config->directory, &shell->files, text);
    if (rc == 0)
        rc = loop_add(&shell->loop, NULL, executor_fd(shell->executor), executor_ready,
                      shell);
    if (rc == 0)
        rc = loop_add(&shell->loop, NULL, files_fd(shell->files), files_ready, shell);
    return rc;
}

/* The address to be told to others: a wildcard stands for the one that faces the
 * scheduler. */
static int reachable_address(const struct shell *shell, char *ret_address, size_t size,
                             struct err_text *text)
{
    const char *bound = shell->address;
    char host[ROUTE_HOST_BYTES];
    snprintf(ret_address, size, "%s", bound);
    if (strncmp(bound, "tcp://0.0.0.0:", 14) != 0 &&
        strncmp(bound, "tcp://[::]:", 11) != 0)
        return 0;
    int rc = route_host(shell->config->core.scheduler, host, text);
    if (rc == 0)
        snprintf(ret_address, size, "tcp://%s%s", host, strrchr(bound, ':'));
    return rc;
}

static int open_core(struct shell *shell, struct err_text *text)
{
    const struct join *join = shell->config->join;
    struct worker_config config = shell->config->core;
    char address[sizeof shell->address], full[sizeof address + 1 + KEY_TEXT_BYTES];
    int rc = reachable_address(shell, address, sizeof address, text);
    if (rc < 0)
        return rc;
    snprintf(full, sizeof full, "%s%s%s", address, join ? "#" : "",
             join ? join->pair.public_key : "");
    config.address = full;
    config.unix_ns = clock_unix_ns();
    config.directory = shell->config->directory;
    config.pid = (uint64_t)getpid();
    config.overhead = resident_bytes();
    if (getrandom(&config.epoch, sizeof config.epoch, 0) != sizeof config.epoch)
        return err_set(text, DUSK_E_IO, "no random number: %s", strerror(errno));
    if (shell->config->page)
        shell->config->page->epoch = config.epoch;
    shell->core = worker_core_create(&config, clock_monotonic_ns());
    if (!shell->core)
        return err_set(text, DUSK_E_NOMEM, "no memory for the worker");
    memcpy(shell->address, address, sizeof address);
    return 0;
}

/* False when a thread still computes: its job and the core stay as they are. */
static bool shell_close(struct shell *shell)
{
    bool stopped = !shell->executor || executor_stop(shell->executor, GRACE_NS);
    files_destroy(shell->files);
    peers_close(shell);
    loop_fini(&shell->loop);
    if (!stopped)
        return false;
    executor_destroy(shell->executor);
    worker_core_destroy(shell->core);
    return true;
}

/* ---- the loop ---- */

static void tell_ready(struct shell *shell)
{
    if (shell->told_ready || !worker_core_is_registered(shell->core))
        return;
    shell->told_ready = true;
    int fd = shell->config->ready_fd;
    if (fd < 0)
        return;
    if (dprintf(fd, "ready %s\n", shell->address) < 0)
        log_warning(shell->log, "nobody reads --ready-fd");
    close(fd);
}

static void housekeeping(struct shell *shell)
{
    uint64_t now = clock_monotonic_ns();
    worker_core_set_clock(shell->core, clock_unix_ns(), now);
    peers_tick(shell, now);
    if (now < worker_core_deadline(shell->core))
        return;
    if (now >= shell->resident_at_ns) {
        shell->resident_at_ns = now + NS_PER_S / 2;
        worker_core_resident(shell->core, resident_bytes(), now);
    }
    worker_core_tick(shell->core, now);
}

static uint64_t wait_ns(const struct shell *shell)
{
    uint64_t at = worker_core_deadline(shell->core), now = clock_monotonic_ns();
    if (shell->retry_at_ns && shell->retry_at_ns < at)
        at = shell->retry_at_ns;
    return at > now ? at - now : 0;
}

/* What is sent may lose a peer, which may lead to actions, which lead to messages. */
static void settle(struct shell *shell)
{
    do {
        act_all(shell);
        peers_flush(shell);
    } while (worker_core_has_actions(shell->core));
}

static void shell_loop(struct shell *shell)
{
    settle(shell);
    while (!shell->ended) {
        peers_listen(shell);
        int rc = loop_turn(&shell->loop, wait_ns(shell));
        if (rc < 0) {
            log_error(shell->log, "cannot wait for messages",
                      log_text("error", strerror(errno)));
            shell->ended = true;
            shell->status = 1;
        }
        housekeeping(shell);
        settle(shell);
        tell_ready(shell);
    }
    if (shell->config->page)
        shell->config->page->shut_down = worker_core_is_shut_down(shell->core);
    peers_flush(shell);
}

int shell_run(const struct shell_config *config, struct registry *registry,
              struct log *log, bool *ret_clean)
{
    struct shell shell = {.config = config, .registry = registry, .log = log};
    struct err_text text;
    loop_init(&shell.loop);
    map_init(&shell.dialed);
    map_init(&shell.visitors);
    map_init(&shell.by_ident);
    list_init(&shell.stuck);
    list_init(&shell.starting);
    int rc = open_threads(&shell, &text);
    if (rc == 0)
        rc = peers_open(&shell, &text);
    if (rc == 0)
        rc = open_core(&shell, &text);
    if (rc == 0) {
        log_debug(log, "listens for data", log_text("address", shell.address));
        shell_loop(&shell);
    } else {
        log_error(log, text.line);
        shell.status = 1;
    }
    *ret_clean = shell_close(&shell);
    return shell.status;
}
