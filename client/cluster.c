#include "client/cluster.h"

#include "client/keeper.h"
#include "common/clock.h"
#include "common/units.h"
#include "proto/keygen.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Beyond the keeper's own deadlines, before it is given up. */
#define KEEPER_GRACE_NS (2 * UNITS_NS_PER_S)

struct cluster {
    pid_t keeper; /* 0 when it is gone */
    int control_fd;
    int64_t stop_ns;
    int killed;
    char address[512];
    int keys_fd;   /* the client's join file, which has no name any more; -1: none */
    char keys[32]; /* its path all the same */
    bool closed;   /* nothing will come of it any more */
    int daemons;   /* that were started: the scheduler, then the workers */
    int workers_left;
    struct {
        pid_t pid;
        int fd; /* readable when the process has ended */
    } processes[1 + CLUSTER_WORKERS_MAX];
};

/* ---- where the daemons are ---- */

struct search {
    const char *name;   /* "dusk-worker" */
    const char *folder; /* where a build tree has it: "worker" */
    char *path;         /* PATH_MAX bytes */
};

static bool try_path(const struct search *search, const char *root, const char *between)
{
    int length =
        snprintf(search->path, PATH_MAX, "%s/%s%s", root, between, search->name);
    struct stat status;
    return length < PATH_MAX && stat(search->path, &status) == 0 &&
           S_ISREG(status.st_mode) && access(search->path, X_OK) == 0;
}

static bool try_root(const struct search *search, const char *root)
{
    char between[32];
    snprintf(between, sizeof between, "%s/", search->folder);
    return try_path(search, root, "") || try_path(search, root, between);
}

static bool try_around_program(const struct search *search)
{
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 4);
    if (length <= 0)
        return false;
    program[length] = '\0';
    *strrchr(program, '/') = '\0';
    if (try_path(search, program, ""))
        return true;
    strcat(program, "/..");
    return try_root(search, program);
}

static bool try_search_path(const struct search *search)
{
    const char *variable = getenv("PATH");
    char *list = strdup(variable ? variable : ""), *rest = list;
    bool found = false;
    for (char *root; !found && rest && (root = strsep(&rest, ":"));)
        found = *root && try_path(search, root, "");
    free(list);
    return found;
}

int cluster_find_daemon(const char *name, const char *folder, char *path,
                        struct err_text *error)
{
    struct search search = {name, folder, path};
    const char *root = getenv("DUSK_BINDIR");
    if (root && *root) {
        if (try_root(&search, root))
            return 0;
        return err_set(error, DUSK_E_NOT_FOUND, "%s: not found in DUSK_BINDIR=%s", name,
                       root);
    }
    if (try_around_program(&search) || try_search_path(&search))
        return 0;
    return err_set(error, DUSK_E_NOT_FOUND,
                   "%s: found neither beside this program nor in PATH; DUSK_BINDIR can "
                   "say where it is",
                   name);
}

/* ---- start ---- */

static int fork_keeper(struct cluster *cluster, struct keeper_plan *plan,
                       struct err_text *error)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return err_set(error, DUSK_E_IO, "socketpair: %s", strerror(errno));
    plan->control_fd = ends[1];
    /* The program's signal handlers must not run in the keeper, not even once. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid == 0)
        keeper_run(plan);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(ends[1]);
    cluster->control_fd = ends[0];
    if (pid < 0)
        return err_set(error, DUSK_E_IO, "fork: %s", strerror(errno));
    cluster->keeper = pid;
    return 0;
}

/* A signal that comes between the look at the flag and the wait is seen so late. */
enum { STOP_LOOK_MS = 100 };

static int wait_ms(uint64_t deadline_ns, bool may_stop)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (now_ns >= deadline_ns)
        return 0;
    uint64_t left_ms = (deadline_ns - now_ns) / NS_PER_MS + 1;
    return may_stop && left_ms > STOP_LOOK_MS ? STOP_LOOK_MS : (int)left_ms;
}

/* The next message: 1, or 0 when the keeper is gone, time is up or `stop` set. */
static int next_message(struct cluster *cluster, uint64_t deadline_ns,
                        const volatile sig_atomic_t *stop,
                        struct keeper_message *message)
{
    while (!(stop && *stop)) {
        struct pollfd fd = {.fd = cluster->control_fd, .events = POLLIN};
        int ready = poll(&fd, 1, wait_ms(deadline_ns, stop != NULL));
        if (ready > 0)
            return recv(cluster->control_fd, message, sizeof *message, 0) ==
                   (ssize_t)sizeof *message;
        if (ready == 0 && clock_monotonic_ns() >= deadline_ns)
            return 0;
    }
    return 0;
}

/* Waits until the keeper has said how the start went. */
static int await_ready(struct cluster *cluster, const struct cluster_options *options,
                       struct err_text *error)
{
    uint64_t deadline_ns =
        clock_monotonic_ns() + (uint64_t)(options->start_ns + KEEPER_GRACE_NS);
    struct keeper_message message;
    while (next_message(cluster, deadline_ns, options->stop, &message)) {
        switch (message.event) {
        case KEEPER_STARTED:
            cluster->processes[message.index].pid = message.pid;
            cluster->processes[message.index].fd = pidfd_open(message.pid, 0);
            cluster->daemons = message.index + 1;
            break;
        case KEEPER_READY:
            snprintf(cluster->address, sizeof cluster->address, "%s", message.text);
            return 0;
        case KEEPER_FAILED:
            return err_set(error, message.code, "%s", message.text);
        case KEEPER_ENDED:
        case KEEPER_STOPPED:
            break;
        }
    }
    if (options->stop && *options->stop)
        return err_set(error, DUSK_E_CANCELLED, "stopped while the cluster started");
    if (clock_monotonic_ns() >= deadline_ns)
        return err_set(error, DUSK_E_TIMEOUT, "the cluster's keeper does not answer");
    return err_set(error, DUSK_E_CLOSED, "the cluster's keeper ended unexpectedly");
}

/* ---- keys ---- */

static int make_keys(struct cluster *cluster, char directory[PATH_MAX],
                     struct err_text *error)
{
    const char *temporary = getenv("TMPDIR");
    char path[KEYS_PATH_BYTES];
    if (!temporary || !*temporary)
        temporary = "/tmp";
    int length = snprintf(directory, PATH_MAX, "%s/dusk-XXXXXX", temporary);
    if (length >= PATH_MAX || !mkdtemp(directory)) {
        directory[0] = '\0';
        return err_set(error, DUSK_E_IO, "no directory for keys in %.200s: %s",
                       temporary, strerror(errno));
    }
    int rc = keygen_create(directory, error);
    if (rc == 0)
        rc = keys_path(directory, "client", ".join", path, error);
    if (rc < 0)
        return rc;
    cluster->keys_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (cluster->keys_fd < 0)
        return err_set(error, DUSK_E_IO, "%s: %s", path, strerror(errno));
    snprintf(cluster->keys, sizeof cluster->keys, "/proc/self/fd/%d", cluster->keys_fd);
    return 0;
}

static int start(struct cluster *cluster, const struct cluster_options *options,
                 struct err_text *error)
{
    char keys_directory[PATH_MAX] = "";
    char scheduler_path[PATH_MAX], worker_path[PATH_MAX];
    int rc = cluster_find_daemon("dusk-scheduler", "scheduler", scheduler_path, error);
    if (rc == 0)
        rc = cluster_find_daemon("dusk-worker", "worker", worker_path, error);
    struct keeper_plan plan = {
        .options = options,
        .scheduler_path = scheduler_path,
        .worker_path = worker_path,
        .keys_directory = keys_directory,
    };
    if (rc == 0 && !options->plain)
        rc = make_keys(cluster, keys_directory, error);
    if (rc == 0)
        rc = fork_keeper(cluster, &plan, error);
    if (rc == 0)
        rc = await_ready(cluster, options, error);
    if (keys_directory[0])
        keygen_remove(keys_directory);
    return rc;
}

int cluster_start(const struct cluster_options *options, struct cluster **ret_cluster,
                  struct err_text *error)
{
    if (options->workers < 1 || options->workers > CLUSTER_WORKERS_MAX)
        return err_set(error, DUSK_E_INVALID, "%d workers: not from 1 to %d",
                       options->workers, CLUSTER_WORKERS_MAX);
    struct cluster_options filled = *options;
    if (!filled.start_ns)
        filled.start_ns = 30 * UNITS_NS_PER_S;
    if (!filled.stop_ns)
        filled.stop_ns = 3 * UNITS_NS_PER_S;
    struct cluster *cluster = calloc(1, sizeof *cluster);
    if (!cluster)
        return err_set(error, DUSK_E_NOMEM, "no memory for a cluster");
    cluster->control_fd = cluster->keys_fd = -1;
    cluster->stop_ns = filled.stop_ns;
    cluster->workers_left = filled.workers;
    int rc = start(cluster, &filled, error);
    if (rc < 0)
        cluster_stop(cluster);
    else
        *ret_cluster = cluster;
    return rc;
}

/* ---- life and end ---- */

int cluster_check(struct cluster *cluster, struct err_text *error)
{
    struct keeper_message message;
    for (;;) {
        ssize_t size =
            recv(cluster->control_fd, &message, sizeof message, MSG_DONTWAIT);
        if (size < 0 && !cluster->closed)
            return 0;
        if (size < 0)
            return err_set(error, DUSK_E_CLOSED, "the cluster has ended");
        if (size == 0)
            return err_set(error, DUSK_E_CLOSED,
                           "the cluster's keeper was killed, and the cluster with it");
        if (message.event != KEEPER_ENDED)
            continue;
        cluster->workers_left -= message.index > 0;
        cluster->closed |= message.index == 0 || cluster->workers_left == 0;
        return err_set(error, cluster->closed ? DUSK_E_CLOSED : CLUSTER_WORKER_ENDED,
                       "%s", message.text);
    }
}

/* Closing our half asks the keeper to end the daemons.  Whether it has done so, and
 * not gone down itself. */
static bool end_keeper(struct cluster *cluster)
{
    uint64_t deadline_ns =
        clock_monotonic_ns() + (uint64_t)(cluster->stop_ns + KEEPER_GRACE_NS);
    struct keeper_message message;
    bool stopped = false;
    shutdown(cluster->control_fd, SHUT_WR);
    while (next_message(cluster, deadline_ns, NULL, &message)) {
        if (message.event != KEEPER_STOPPED)
            continue;
        cluster->killed = message.index;
        stopped = true;
    }
    if (!stopped)
        kill(cluster->keeper, SIGKILL);
    while (waitpid(cluster->keeper, NULL, 0) < 0 && errno == EINTR)
        continue;
    return stopped;
}

/* Without the keeper: the kernel has asked the daemons to end.  A process whose
 * descriptor says that it lives cannot have lent its number to another one. */
static void kill_daemons(struct cluster *cluster)
{
    uint64_t deadline_ns = clock_monotonic_ns() + (uint64_t)cluster->stop_ns;
    for (int i = 0; i < cluster->daemons; i++) {
        struct pollfd fd = {.fd = cluster->processes[i].fd, .events = POLLIN};
        int ended = fd.fd < 0;
        if (ended)
            continue;
        while ((ended = poll(&fd, 1, wait_ms(deadline_ns, false))) < 0 &&
               errno == EINTR)
            continue;
        if (ended)
            continue;
        kill(-cluster->processes[i].pid, SIGKILL);
        cluster->killed++;
    }
}

int cluster_stop(struct cluster *cluster)
{
    if (!cluster)
        return 0;
    if (cluster->keeper && !end_keeper(cluster))
        kill_daemons(cluster);
    for (int i = 0; i < cluster->daemons; i++)
        if (cluster->processes[i].fd >= 0)
            close(cluster->processes[i].fd);
    if (cluster->control_fd >= 0)
        close(cluster->control_fd);
    if (cluster->keys_fd >= 0)
        close(cluster->keys_fd);
    int killed = cluster->killed;
    free(cluster);
    return killed;
}

const char *cluster_address(const struct cluster *cluster)
{
    return cluster->address;
}

const char *cluster_keys(const struct cluster *cluster)
{
    return cluster->keys;
}

int cluster_fd(const struct cluster *cluster)
{
    return cluster->control_fd;
}

pid_t cluster_scheduler_pid(const struct cluster *cluster)
{
    return cluster->processes[0].pid;
}

pid_t cluster_worker_pid(const struct cluster *cluster, int worker)
{
    return cluster->processes[1 + worker].pid;
}

pid_t cluster_keeper_pid(const struct cluster *cluster)
{
    return cluster->keeper;
}
