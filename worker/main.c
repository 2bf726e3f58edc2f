/* dusk-worker: the nanny, and a worker under it. */
#include "common/one_blas_thread.h"
#include "common/units.h"
#include "proto/limits.h"
#include "worker/arguments.h"
#include "worker/functions.h"
#include "worker/nanny.h"
#include "worker/shell.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define TERMINATE_FRACTION 0.95

struct process {
    struct arguments arguments;
    struct log log;
};

/* ---- one worker ---- */

static int load_functions(const struct arguments *a, struct registry *registry,
                          struct err_text *text)
{
    static const struct dusk_function *const tables[] = {
        basic_functions, bench_functions, array_functions,
        data_functions,  glm_functions,   prox_functions};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof tables / sizeof tables[0]; i++)
        rc = registry_add(registry, tables[i], "built in", text);
    for (int i = 0; rc == 0 && i < a->preload.count; i++)
        rc = registry_load(registry, a->preload.items[i], text);
    return rc;
}

static void describe(const struct arguments *a, unsigned number, char *name,
                     size_t size, struct worker_config *config)
{
    if (!a->name)
        name[0] = '\0';
    else if (a->nworkers > 1)
        snprintf(name, size, "%s-%u", a->name, number);
    else
        snprintf(name, size, "%s", a->name);
    worker_config_init(config);
    config->name = name;
    config->scheduler = a->scheduler;
    config->nthreads = (unsigned)a->nthreads;
    config->credits = (unsigned)a->credits;
    config->resources = a->resources;
    config->allow_upload = a->allow_upload;
    config->memory_limit = a->memory_limit;
    config->retire_timeout_ns = (uint64_t)a->retire_ns;
    config->connect_timeout_ns = (uint64_t)a->connect_ns;
    config->reconnect_timeout_ns =
        a->on_scheduler_lost == LOST_KEEP ? UINT64_MAX : (uint64_t)a->reconnect_ns;
}

static int run_worker(void *context, unsigned number, struct nanny_page *page,
                      const struct nanny_past *past)
{
    struct process *process = context;
    const struct arguments *a = &process->arguments;
    char name[LIMIT_NAME_BYTES + 1];
    struct shell_config config = {.host = a->host,
                                  .join = a->keys ? &a->join : NULL,
                                  .directory = a->directory,
                                  .slowness = a->slowness,
                                  .ready_fd = past ? -1 : (int)a->ready_fd,
                                  .page = page};
    describe(a, number, name, sizeof name, &config.core);
    if (past) {
        /* The scheduler was there before, and is waited for as by the others. */
        config.core.connect_timeout_ns = config.core.reconnect_timeout_ns;
        config.core.previous_epoch = past->epoch;
        config.core.previous_status = past->status;
        config.core.previous_running = past->running;
        config.core.previous_running_count = past->running_count;
    }
    struct registry registry;
    struct err_text text;
    registry_init(&registry);
    int status = 1;
    bool clean = true;
    if (load_functions(a, &registry, &text) < 0)
        log_error(&process->log, text.line);
    else
        status = shell_run(&config, &registry, &process->log, &clean);
    if (page)
        page->final = 1;
    if (!clean)
        _exit(status);
    registry_fini(&registry);
    return status;
}

/* ---- the process ---- */

/* Large blocks get mappings of their own, so that freeing them gives memory back;
 * spilled data needs a descriptor each. */
static void set_limits(void)
{
    mallopt(M_MMAP_THRESHOLD, 256 << 10);
    mallopt(M_TRIM_THRESHOLD, 1 << 20);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error like any other */
}

static int run_all(struct process *process)
{
    const struct arguments *a = &process->arguments;
    if (!a->nanny)
        return run_worker(process, 0, NULL, NULL);
    const struct nanny_config config = {
        .nworkers = (unsigned)a->nworkers,
        .nthreads = (unsigned)a->nthreads,
        .memory_limit = a->memory_limit,
        .kill_bytes = (size_t)(TERMINATE_FRACTION * (double)a->memory_limit),
        .patience_ns = (uint64_t)a->retire_ns + 5 * (uint64_t)UNITS_NS_PER_S,
        .ready_fd = (int)a->ready_fd,
        .run = run_worker,
        .context = process,
        .log = &process->log,
    };
    return nanny_run(&config);
}

int main(int argc, char **argv)
{
    one_blas_thread("dusk-worker", argv);
    struct process process;
    struct arguments *a = &process.arguments;
    int rc = arguments_parse(a, argc, argv);
    if (rc != OPTIONS_RUN)
        return rc == OPTIONS_DONE ? 0 : 2;
    struct err_text text;
    rc = arguments_check(a, &text);
    if (rc < 0) {
        fprintf(stderr, "dusk-worker: %s\n", text.line);
        return rc == DUSK_E_INVALID ? 2 : 1;
    }
    log_init(&process.log, STDERR_FILENO, (enum log_level)a->log_level, "dusk-worker");
    set_limits();
    int status = run_all(&process);
    log_fini(&process.log);
    return status;
}
