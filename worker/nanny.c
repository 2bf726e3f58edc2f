#include "worker/nanny.h"

#include "common/clock.h"
#include "common/err.h"
#include "common/resident.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A worker that lived for less is started again with a growing delay. */
#define STABLE_NS (10 * NS_PER_S)
#define DELAY_FIRST_NS (100 * NS_PER_MS)
#define DELAY_MAX_NS (10 * NS_PER_S)

/* How often memory is looked at: often only when it is getting short. */
#define LOOK_NS NS_PER_S
#define LOOK_CLOSELY_NS (50 * NS_PER_MS)

struct child {
    pid_t pid; /* 0: does not run */
    unsigned number;
    struct nanny_page *page;
    size_t page_bytes;
    uint64_t started_ns;
    uint64_t restart_at_ns; /* 0: not due */
    uint64_t delay_ns;
    struct nanny_past past;
    struct task_key *past_running; /* nthreads of them */
    bool lived;                    /* before */
    bool ended;                    /* for good */
};

struct nanny {
    const struct nanny_config *config;
    struct child *children;
    pid_t pid;
    sigset_t signals;
    sigset_t former;
    bool stopping;
    bool shut_down;
    uint64_t kill_at_ns;
    int status;
};

/* ---- starting ---- */

static void child_main(struct nanny *nanny, struct child *child)
{
    const struct nanny_config *config = nanny->config;
    sigprocmask(SIG_SETMASK, &nanny->former, NULL);
    /* Whoever kills the nanny makes the worker retire; the nanny may be dead already.
     */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != nanny->pid)
        _exit(0);
    int status = config->run(config->context, child->number, child->page,
                             child->lived ? &child->past : NULL);
    exit(status);
}

static void child_start(struct nanny *nanny, struct child *child)
{
    struct log *log = nanny->config->log;
    memset(child->page, 0, child->page_bytes);
    child->restart_at_ns = 0;
    child->started_ns = clock_monotonic_ns();
    pid_t pid = fork();
    if (pid == 0)
        child_main(nanny, child);
    if (pid < 0) {
        log_error(log, "cannot start a worker", log_text("error", strerror(errno)));
        child->restart_at_ns = child->started_ns + DELAY_MAX_NS;
        return;
    }
    child->pid = pid;
    if (child->lived)
        log_info(log, "worker started again", log_integer("worker", child->number),
                 log_integer("pid", pid));
}

/* ---- deaths ---- */

static void child_remember(struct nanny *nanny, struct child *child, int status)
{
    const struct nanny_page *page = child->page;
    struct nanny_past *past = &child->past;
    *past = (struct nanny_past){
        .epoch = page->epoch, .status = status, .running = child->past_running};
    for (unsigned i = 0; i < nanny->config->nthreads; i++) {
        uint64_t key = __atomic_load_n(&page->running[i], __ATOMIC_ACQUIRE);
        if (key)
            child->past_running[past->running_count++] = (struct task_key){key};
    }
    child->lived = true;
}

static void child_died(struct nanny *nanny, struct child *child, int status)
{
    uint64_t now = clock_monotonic_ns(), lived = now - child->started_ns;
    struct log *log = nanny->config->log;
    pid_t pid = child->pid;
    child->pid = 0;
    /* A worker that ends on purpose says so; a status of 0 alone is a task's doing. */
    if (nanny->stopping || child->page->final) {
        child->ended = true;
        nanny->shut_down |= child->page->shut_down;
        if (status != 0)
            nanny->status = 1;
        return;
    }
    if (WIFSIGNALED(status))
        log_error(log, "worker died", log_integer("worker", child->number),
                  log_integer("pid", pid),
                  log_text("signal", strsignal(WTERMSIG(status))),
                  log_duration("after", (int64_t)lived));
    else
        log_error(log, "worker died", log_integer("worker", child->number),
                  log_integer("pid", pid),
                  log_integer("exit_status", WEXITSTATUS(status)),
                  log_duration("after", (int64_t)lived));
    /* A life that never registered has nothing to tell of; the one before has. */
    if (child->page->epoch)
        child_remember(nanny, child, status);
    if (lived >= STABLE_NS)
        child->delay_ns = 0;
    child->restart_at_ns = now + child->delay_ns;
    child->delay_ns = child->delay_ns ? 2 * child->delay_ns : DELAY_FIRST_NS;
    if (child->delay_ns > DELAY_MAX_NS)
        child->delay_ns = DELAY_MAX_NS;
}

static void reap(struct nanny *nanny)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (unsigned i = 0; i < nanny->config->nworkers; i++)
            if (nanny->children[i].pid == pid)
                child_died(nanny, &nanny->children[i], status);
}

/* ---- stopping ---- */

static void pass_on(struct nanny *nanny, int number)
{
    for (unsigned i = 0; i < nanny->config->nworkers; i++) {
        struct child *child = &nanny->children[i];
        if (child->pid)
            kill(child->pid, number);
        else
            child->ended = true;
    }
}

static void stop(struct nanny *nanny, int number)
{
    nanny->stopping = true;
    if (!nanny->kill_at_ns)
        nanny->kill_at_ns = clock_monotonic_ns() + nanny->config->patience_ns;
    pass_on(nanny, number);
}

/* One worker that cannot do its work, such as for want of a plugin, ends them all; and
 * so does one that was told that the cluster ends, since others may wait to be started
 * again. */
static void stop_with_one(struct nanny *nanny)
{
    if ((nanny->status || nanny->shut_down) && !nanny->stopping)
        stop(nanny, SIGTERM);
}

static bool all_ended(const struct nanny *nanny)
{
    for (unsigned i = 0; i < nanny->config->nworkers; i++)
        if (!nanny->children[i].ended)
            return false;
    return true;
}

/* ---- watching ---- */

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t child_look(struct nanny *nanny, struct child *child, uint64_t now)
{
    size_t most = nanny->config->kill_bytes;
    if (!child->pid || !most)
        return child->restart_at_ns ? child->restart_at_ns : UINT64_MAX;
    size_t bytes = resident_bytes_of(child->pid);
    if (bytes > most) {
        log_error(nanny->config->log, "worker takes too much memory and is killed",
                  log_integer("worker", child->number),
                  log_bytes("resident", (int64_t)bytes),
                  log_bytes("limit", (int64_t)nanny->config->memory_limit));
        kill(child->pid, SIGKILL);
    }
    return now + (bytes > most / 2 ? LOOK_CLOSELY_NS : LOOK_NS);
}

/* Returns when to look again. */
static uint64_t look(struct nanny *nanny)
{
    uint64_t now = clock_monotonic_ns(), next = UINT64_MAX;
    if (nanny->kill_at_ns && now >= nanny->kill_at_ns) {
        pass_on(nanny, SIGKILL);
        nanny->kill_at_ns = now + NS_PER_S;
    }
    for (unsigned i = 0; i < nanny->config->nworkers; i++) {
        struct child *child = &nanny->children[i];
        if (child->restart_at_ns && now >= child->restart_at_ns && !nanny->stopping)
            child_start(nanny, child);
        next = sooner(next, child_look(nanny, child, now));
    }
    return nanny->kill_at_ns ? sooner(next, nanny->kill_at_ns) : next;
}

static void wait_for_signal(struct nanny *nanny, uint64_t until_ns)
{
    uint64_t now = clock_monotonic_ns();
    uint64_t left = until_ns > now ? until_ns - now : 0;
    struct timespec timeout = {.tv_sec = (time_t)(left / NS_PER_S),
                               .tv_nsec = (long)(left % NS_PER_S)};
    siginfo_t info;
    int number =
        sigtimedwait(&nanny->signals, &info, until_ns == UINT64_MAX ? NULL : &timeout);
    if (number > 0 && number != SIGCHLD)
        stop(nanny, number);
}

/* ---- life ---- */

static int nanny_open(struct nanny *nanny)
{
    const struct nanny_config *config = nanny->config;
    nanny->children = calloc(config->nworkers, sizeof *nanny->children);
    if (!nanny->children)
        return DUSK_E_NOMEM;
    for (unsigned i = 0; i < config->nworkers; i++) {
        struct child *child = &nanny->children[i];
        child->number = i;
        child->page_bytes =
            sizeof *child->page + config->nthreads * sizeof child->page->running[0];
        child->past_running = calloc(config->nthreads, sizeof *child->past_running);
        child->page = mmap(NULL, child->page_bytes, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (child->page == MAP_FAILED || !child->past_running)
            return DUSK_E_NOMEM;
    }
    nanny->pid = getpid();
    sigemptyset(&nanny->signals);
    sigaddset(&nanny->signals, SIGCHLD);
    sigaddset(&nanny->signals, SIGTERM);
    sigaddset(&nanny->signals, SIGINT);
    sigaddset(&nanny->signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &nanny->signals, &nanny->former);
    return 0;
}

static void nanny_close(struct nanny *nanny)
{
    for (unsigned i = 0; nanny->children && i < nanny->config->nworkers; i++) {
        struct child *child = &nanny->children[i];
        if (child->page && child->page != MAP_FAILED)
            munmap(child->page, child->page_bytes);
        free(child->past_running);
    }
    free(nanny->children);
}

int nanny_run(const struct nanny_config *config)
{
    struct nanny nanny = {.config = config};
    if (nanny_open(&nanny) < 0) {
        log_error(config->log, "no memory for the nanny");
        nanny_close(&nanny);
        return 1;
    }
    for (unsigned i = 0; i < config->nworkers; i++)
        child_start(&nanny, &nanny.children[i]);
    if (config->ready_fd >= 0)
        close(config->ready_fd);
    while (!all_ended(&nanny)) {
        wait_for_signal(&nanny, look(&nanny));
        reap(&nanny);
        stop_with_one(&nanny);
    }
    nanny_close(&nanny);
    return nanny.status;
}
