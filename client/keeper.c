#include "client/keeper.h"

#include "client/daemon.h"
#include "common/clock.h"
#include "common/units.h"
#include "proto/keygen.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONTROL_FD = 3, SIGNAL_FD = 4, FIRST_FREE_FD = 5 };

/* starting -> running -> stopping; or starting -> stopping. */
enum phase { STARTING, RUNNING, STOPPING };

struct keeper {
    const struct keeper_plan *plan;
    enum phase phase;
    int control_fd; /* -1 once the program has asked for the end */
    uint64_t deadline_ns;
    int count;   /* daemons that were started */
    int waiting; /* of these, not ready yet */
    int alive;
    bool killing;
    int killed;
    struct daemon daemons[1 + CLUSTER_WORKERS_MAX];
};

static void tell(struct keeper *keeper, enum keeper_event event, int index, pid_t pid,
                 int code, const char *text)
{
    struct keeper_message message = {event, index, code, pid, ""};
    snprintf(message.text, sizeof message.text, "%s", text);
    /* Waits for a program that is slow to read, fails when it is gone. */
    send(CONTROL_FD, &message, sizeof message, MSG_NOSIGNAL);
}

static void signal_daemons(struct keeper *keeper, int signal_number)
{
    for (int i = 0; i < keeper->count; i++)
        if (keeper->daemons[i].pid)
            kill(-keeper->daemons[i].pid, signal_number);
}

/* SIGINT, not SIGTERM: on that a worker would first move its data to others. */
static void stop(struct keeper *keeper)
{
    if (keeper->phase == STOPPING)
        return;
    keeper->phase = STOPPING;
    keeper->deadline_ns =
        clock_monotonic_ns() + (uint64_t)keeper->plan->options->stop_ns;
    for (int i = 0; i < keeper->count; i++)
        if (keeper->daemons[i].pid)
            kill(keeper->daemons[i].pid, SIGINT);
    signal_daemons(keeper, SIGCONT); /* those that were stopped hear it only then */
}

static void fail(struct keeper *keeper, int code, const char *line)
{
    if (keeper->phase != STARTING)
        return;
    tell(keeper, KEEPER_FAILED, 0, 0, code, line);
    stop(keeper);
}

static struct daemon *daemon_add(struct keeper *keeper, const char *name,
                                 int64_t data_limit)
{
    struct daemon *daemon = &keeper->daemons[keeper->count];
    daemon->data_limit = data_limit;
    daemon->ready_fd = daemon->log_fd = -1;
    snprintf(daemon->name, sizeof daemon->name, "%s", name);
    return daemon;
}

static void launch(struct keeper *keeper, struct daemon *daemon, const char *path,
                   struct daemon_args *args)
{
    struct err_text error;
    int rc = daemon_start(daemon, path, args, keeper->plan->options->show_log, &error);
    daemon_args_fini(args);
    if (rc < 0) {
        fail(keeper, rc, error.line);
        return;
    }
    tell(keeper, KEEPER_STARTED, keeper->count, daemon->pid, 0, "");
    keeper->count++;
    keeper->waiting++;
    keeper->alive++;
}

static void add_further(struct daemon_args *args, const char *const *further)
{
    for (; further && *further; further++)
        daemon_args_add(args, "%s", *further);
}

static void start_scheduler(struct keeper *keeper)
{
    const struct keeper_plan *plan = keeper->plan;
    struct daemon_args args = {0};
    daemon_args_add(&args, "dusk-scheduler");
    daemon_args_add(&args, "--host=127.0.0.1");
    daemon_args_add(&args, "--port=0");
    if (!plan->options->plain)
        daemon_args_add(&args, "--keys=%s", plan->keys_directory);
    add_further(&args, plan->options->scheduler_args);
    launch(keeper,
           daemon_add(keeper, "dusk-scheduler", plan->options->scheduler_data_limit),
           plan->scheduler_path, &args);
}

static void start_worker(struct keeper *keeper, int index)
{
    const struct keeper_plan *plan = keeper->plan;
    const struct cluster_options *options = plan->options;
    char name[32];
    snprintf(name, sizeof name, "dusk-worker %d", index);
    struct daemon_args args = {0};
    daemon_args_add(&args, "dusk-worker");
    daemon_args_add(&args, "%s", keeper->daemons[0].address);
    daemon_args_add(&args, "--name=worker-%d", index);
    if (options->plain)
        daemon_args_add(&args, "--keys="); /* whatever $DUSK_KEYS says */
    else
        daemon_args_add(&args, "--keys=%s/worker.join", plan->keys_directory);
    if (options->threads)
        daemon_args_add(&args, "--nthreads=%d", options->threads);
    if (options->memory_limit)
        daemon_args_add(&args, "--memory-limit=%" PRId64, options->memory_limit);
    if (options->last_slow_down > 0 && index == options->workers - 1)
        daemon_args_add(&args, "--slow-down=%g", options->last_slow_down);
    add_further(&args, options->worker_args);
    launch(keeper, daemon_add(keeper, name, options->worker_data_limit),
           plan->worker_path, &args);
}

/* The next step once all that was started is ready. */
static void advance(struct keeper *keeper)
{
    if (keeper->phase != STARTING || keeper->waiting > 0)
        return;
    if (keeper->count > 1) {
        keeper->phase = RUNNING;
        tell(keeper, KEEPER_READY, 0, 0, 0, keeper->daemons[0].address);
        return;
    }
    for (int i = 0; i < keeper->plan->options->workers; i++)
        if (keeper->phase == STARTING)
            start_worker(keeper, i);
}

static void on_ready_fd(struct keeper *keeper, struct daemon *daemon)
{
    struct err_text error;
    int rc = daemon_read_ready(daemon, &error);
    if (rc < 0)
        fail(keeper, rc, error.line);
    if (rc <= 0)
        return;
    keeper->waiting--;
    advance(keeper);
}

static void on_end(struct keeper *keeper, int index, int status)
{
    struct daemon *daemon = &keeper->daemons[index];
    struct err_text error;
    daemon->pid = 0;
    keeper->alive--;
    if (keeper->phase == STOPPING)
        return;
    daemon_describe_end(daemon, status, &error);
    if (keeper->phase == RUNNING)
        tell(keeper, KEEPER_ENDED, index, 0, 0, error.line);
    else
        fail(keeper, DUSK_E_CLOSED, error.line);
}

static int find_daemon(const struct keeper *keeper, pid_t pid)
{
    for (int i = 0; i < keeper->count; i++)
        if (keeper->daemons[i].pid == pid)
            return i;
    return -1;
}

/* Reaps all that has ended.  What a daemon leaves in its process group is killed
 * while the daemon is a zombie, since then the group's number is not free yet. */
static void reap(struct keeper *keeper)
{
    siginfo_t info = {0};
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid) {
        int index = find_daemon(keeper, info.si_pid);
        if (index >= 0)
            kill(-info.si_pid, SIGKILL);
        int status;
        waitpid(info.si_pid, &status, 0);
        if (index >= 0)
            on_end(keeper, index, status);
        info.si_pid = 0;
    }
}

static void on_signals(struct keeper *keeper)
{
    struct signalfd_siginfo info;
    while (read(SIGNAL_FD, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo != SIGCHLD)
            stop(keeper);
    reap(keeper);
}

/* The program never sends anything: what can be read is the end. */
static void on_control(struct keeper *keeper)
{
    keeper->control_fd = -1;
    stop(keeper);
}

static void on_deadline(struct keeper *keeper)
{
    if (keeper->phase == STARTING) {
        struct daemon *slow = keeper->daemons;
        while (slow->ready)
            slow++;
        struct err_text error;
        err_set(&error, 0, "%s was not ready within %s", slow->name,
                units_duration(keeper->plan->options->start_ns).text);
        daemon_append_log(slow, &error);
        fail(keeper, DUSK_E_TIMEOUT, error.line);
    } else if (keeper->phase == STOPPING && !keeper->killing) {
        keeper->killing = true;
        keeper->killed = keeper->alive;
        signal_daemons(keeper, SIGKILL);
    }
}

static int poll_timeout_ms(const struct keeper *keeper)
{
    if (keeper->phase == RUNNING || keeper->killing)
        return -1;
    uint64_t now_ns = clock_monotonic_ns();
    if (now_ns >= keeper->deadline_ns)
        return 0;
    return (int)((keeper->deadline_ns - now_ns) / NS_PER_MS) + 1;
}

enum { OTHER_FDS = 2, FDS_A_DAEMON = 2 };

static void turn(struct keeper *keeper)
{
    struct pollfd fds[OTHER_FDS + FDS_A_DAEMON * (1 + CLUSTER_WORKERS_MAX)] = {
        {.fd = SIGNAL_FD, .events = POLLIN},
        {.fd = keeper->control_fd, .events = POLLIN},
    };
    nfds_t count = OTHER_FDS;
    int daemons = keeper->count;
    for (int i = 0; i < daemons; i++) {
        const struct daemon *daemon = &keeper->daemons[i];
        fds[count++] = (struct pollfd){.fd = daemon->ready_fd, .events = POLLIN};
        fds[count++] = (struct pollfd){.fd = daemon->log_fd, .events = POLLIN};
    }
    if (poll(fds, count, poll_timeout_ms(keeper)) == 0) {
        on_deadline(keeper);
        return;
    }
    /* Ready lines first: a daemon may have written one before it ended. */
    for (int i = 0; i < daemons; i++) {
        const struct pollfd *pair = &fds[OTHER_FDS + FDS_A_DAEMON * i];
        if (pair[0].revents)
            on_ready_fd(keeper, &keeper->daemons[i]);
        if (pair[1].revents)
            daemon_read_log(&keeper->daemons[i]);
    }
    if (fds[0].revents)
        on_signals(keeper);
    if (fds[1].revents)
        on_control(keeper);
}

/* Own session, no inherited descriptors, signals as messages. */
static void settle(const struct keeper_plan *plan)
{
    setsid();
    prctl(PR_SET_NAME, "dusk-keeper");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigset_t caught;
    sigemptyset(&caught);
    sigaddset(&caught, SIGCHLD);
    sigaddset(&caught, SIGTERM);
    sigaddset(&caught, SIGINT);
    sigaddset(&caught, SIGHUP);
    sigprocmask(SIG_SETMASK, &caught, NULL);
    /* Out of the way of the numbers they are given. */
    int control_fd = fcntl(plan->control_fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
    int signal_fd = signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK);
    signal_fd = fcntl(signal_fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
    dup3(control_fd, CONTROL_FD, O_CLOEXEC);
    dup3(signal_fd, SIGNAL_FD, O_CLOEXEC);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(nothing, STDIN_FILENO);
    dup2(nothing, STDOUT_FILENO);
    if (!plan->options->show_log)
        dup2(nothing, STDERR_FILENO);
    close_range(FIRST_FREE_FD, ~0U, 0);
}

/* Kills what outlived its parent and was handed to us; returns how many. */
static int kill_orphans(void)
{
    FILE *list = fopen("/proc/thread-self/children", "re");
    int count = 0, pid;
    while (list && fscanf(list, "%d", &pid) == 1) {
        kill(pid, SIGKILL);
        count++;
    }
    if (list)
        fclose(list);
    return count;
}

_Noreturn void keeper_run(const struct keeper_plan *plan)
{
    settle(plan);
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (!keeper)
        _exit(1); /* the program notices */
    keeper->plan = plan;
    keeper->control_fd = CONTROL_FD;
    keeper->deadline_ns = clock_monotonic_ns() + (uint64_t)plan->options->start_ns;
    start_scheduler(keeper);
    while (keeper->phase != STOPPING || keeper->alive > 0)
        turn(keeper);
    while (kill_orphans() > 0 && waitpid(-1, NULL, 0) > 0)
        continue;
    if (*plan->keys_directory)
        keygen_remove(plan->keys_directory);
    tell(keeper, KEEPER_STOPPED, keeper->killed, 0, 0, "");
    _exit(0);
}
