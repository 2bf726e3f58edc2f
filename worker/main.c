/* dusk-worker: options, the nanny, and a worker under it. */
#include "common/clock.h"
#include "common/one_blas_thread.h"
#include "common/options.h"
#include "common/resident.h"
#include "common/units.h"
#include "proto/limits.h"
#include "proto/link.h"
#include "proto/resources.h"
#include "worker/functions.h"
#include "worker/nanny.h"
#include "worker/route.h"
#include "worker/shell.h"

#include <errno.h>
#include <malloc.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define ADDRESS_VARIABLE "DUSK_SCHEDULER_ADDRESS"
#define KEYS_VARIABLE "DUSK_KEYS"
#define TERMINATE_FRACTION 0.95
#define LEAST_MEMORY (16 << 20)
/* Between two looks for the way to the scheduler, and before it is told of. */
#define ROUTE_REST_NS (UNITS_NS_PER_S / 10)
#define ROUTE_REST_MAX_NS (2 * UNITS_NS_PER_S)
#define ROUTE_TELL_NS ((uint64_t)2 * UNITS_NS_PER_S)

struct main_options {
    const char *scheduler;
    const char *host;
    char own_host[ROUTE_HOST_BYTES]; /* when none was given */
    const char *name;
    const char *directory;
    const char *memory_text;
    const char *resources;
    struct option_list preload;
    int64_t nthreads; /* 0: as many as there are processors for each worker */
    int64_t nworkers;
    int64_t credits;
    int64_t ready_fd;
    int64_t retire_ns;
    double slowness;
    int64_t connect_ns;
    int64_t reconnect_ns;
    int on_scheduler_lost;
    int log_level;
    bool nanny;
    const char *keys;
    struct join join; /* what the file says */
    bool insecure;
    bool allow_upload;
    size_t memory_limit;
    struct log log;
};

enum { LOST_STOP, LOST_KEEP };
static const char *const lost_words[] = {"stop", "keep", NULL};

static const char *temporary_directory(void)
{
    const char *directory = getenv("TMPDIR");
    return directory && *directory ? directory : "/tmp";
}

static int parse(struct main_options *options, int argc, char **argv)
{
    const struct option_spec specs[] = {
        {.kind = OPTION_GROUP, .help = "Size"},
        {.name = "nthreads",
         .argument = "N",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = 1024,
         .to.integer = &options->nthreads,
         .help = "compute threads of each worker (default: the processors shared out)"},
        {.name = "nworkers",
         .argument = "N",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = 1024,
         .to.integer = &options->nworkers,
         .shown = true,
         .help = "worker processes"},
        {.name = "memory-limit",
         .argument = "SIZE",
         .kind = OPTION_STRING,
         .to.string = &options->memory_text,
         .shown = true,
         .help = "of each worker: bytes (4GB), a fraction of the machine's memory "
                 "(0.5), or auto"},
        {.name = "local-directory",
         .argument = "DIR",
         .kind = OPTION_STRING,
         .to.string = &options->directory,
         .shown = true,
         .help = "where data goes that memory cannot hold"},
        {.kind = OPTION_GROUP, .help = "Identity and tasks"},
        {.name = "resources",
         .argument = "NAME=N,...",
         .kind = OPTION_STRING,
         .to.string = &options->resources,
         .help = "what each worker has beside threads, like GPU=1,disk=2: a task that "
                 "needs some of it runs only where so much is free"},
        {.name = "name",
         .argument = "NAME",
         .kind = OPTION_STRING,
         .to.string = &options->name,
         .help = "shown by dusk status (default: the data address)"},
        {.name = "preload",
         .argument = "FILE.so",
         .kind = OPTION_LIST,
         .to.list = &options->preload,
         .help = "load task functions from a plugin"},
        {.name = "allow-upload",
         .kind = OPTION_FLAG,
         .to.flag = &options->allow_upload,
         .help = "load plugins that clients upload through a scheduler that allows it"},
        {.kind = OPTION_GROUP, .help = "Network"},
        {.name = "host",
         .argument = "HOST",
         .kind = OPTION_STRING,
         .to.string = &options->host,
         .help = "address at which other workers and clients fetch data (default: "
                 "the one that faces the scheduler)"},
        {.name = "keys",
         .argument = "FILE",
         .kind = OPTION_STRING,
         .to.string = &options->keys,
         .help = "a worker's join file that `dusk keygen` made, for a scheduler with "
                 "keys (default: $" KEYS_VARIABLE ")"},
        {.name = "insecure",
         .kind = OPTION_FLAG,
         .to.flag = &options->insecure,
         .help = "allow an address other than loopback, without keys"},
        {.name = "connect-timeout",
         .argument = "TIME",
         .kind = OPTION_DURATION,
         .least = 0,
         .most = INT64_MAX,
         .to.integer = &options->connect_ns,
         .shown = true,
         .help = "how long to try before the first registration"},
        {.name = "reconnect-timeout",
         .argument = "TIME",
         .kind = OPTION_DURATION,
         .least = 0,
         .most = INT64_MAX,
         .to.integer = &options->reconnect_ns,
         .shown = true,
         .help = "how long to try after the scheduler was lost"},
        {.name = "on-scheduler-lost",
         .argument = "POLICY",
         .kind = OPTION_CHOICE,
         .words = lost_words,
         .to.choice = &options->on_scheduler_lost,
         .shown = true,
         .help =
             "stop: end when --reconnect-timeout is over; keep: hold data and work, "
             "and try for ever"},
        {.name = "credits",
         .argument = "N",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = LIMIT_CREDITS,
         .to.integer = &options->credits,
         .shown = true,
         .help = "tasks that the scheduler may send ahead"},
        {.kind = OPTION_GROUP, .help = "Life"},
        {.name = "nanny",
         .kind = OPTION_NEGATABLE,
         .to.flag = &options->nanny,
         .help = "a parent process that starts workers again when they die (default)"},
        {.name = "retire-timeout",
         .argument = "TIME",
         .kind = OPTION_DURATION,
         .least = 0,
         .most = INT64_MAX,
         .to.integer = &options->retire_ns,
         .shown = true,
         .help = "how long SIGTERM gives results to move elsewhere"},
        {.name = "slow-down",
         .argument = "F",
         .kind = OPTION_REAL,
         .min = 1,
         .max = 1e6,
         .to.real = &options->slowness,
         .shown = true,
         .help = "every task takes F times as long, asleep for the rest: for "
                 "experiments with slow workers"},
        {.name = "ready-fd",
         .argument = "N",
         .kind = OPTION_INTEGER,
         .least = 0,
         .most = 1 << 20,
         .to.integer = &options->ready_fd,
         .help = "write a line 'ready ADDRESS' here when registered"},
        {.name = "log-level",
         .argument = "LEVEL",
         .kind = OPTION_CHOICE,
         .words = log_level_names,
         .to.choice = &options->log_level,
         .shown = true,
         .help = "the least level that is logged"},
        {0},
    };
    const struct positional_spec positionals[] = {
        {.name = "SCHEDULER", .string = &options->scheduler},
        {0},
    };
    const struct command command = {
        .name = "dusk-worker",
        .summary = "Keeps data in memory and computes on it, for the scheduler at "
                   "tcp://HOST:PORT (or $" ADDRESS_VARIABLE ").",
        .options = specs,
        .positionals = positionals,
        .epilogue = "SIGTERM makes a worker retire: what only it holds moves to "
                    "others first.  SIGINT ends it at once.\n"
                    "Exit status: 0 ended on request, 1 failed, 2 usage.",
    };
    int rc = options_parse(&command, argc, argv, stdout, stderr);
    if (rc == OPTIONS_RUN && !options->scheduler)
        options->scheduler = getenv(ADDRESS_VARIABLE);
    if (rc == OPTIONS_RUN && !options->keys)
        options->keys = getenv(KEYS_VARIABLE);
    if (options->keys && !*options->keys)
        options->keys = NULL;
    if (rc == OPTIONS_RUN && !options->scheduler)
        return options_complain(&command, stderr,
                                "no scheduler: give tcp://HOST:PORT, "
                                "or set " ADDRESS_VARIABLE);
    if (rc == OPTIONS_RUN && !options->nanny && options->nworkers > 1)
        return options_complain(&command, stderr,
                                "--no-nanny and --nworkers %lld exclude each other",
                                (long long)options->nworkers);
    return rc;
}

/* ---- checks ---- */

static unsigned processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (unsigned)count : 1;
}

/* "auto" is the machine's memory in the proportion of the processors used, as in
 * Dask; a number up to 1 is a fraction of it. */
static int check_memory(struct main_options *options, struct err_text *text)
{
    const char *given = options->memory_text;
    double total = (double)resident_total();
    char *end;
    double fraction = strtod(given, &end);
    int64_t bytes;
    if (strcmp(given, "auto") == 0) {
        double share = (double)options->nthreads / processors();
        double each = 1.0 / (double)options->nworkers;
        bytes = (int64_t)(total * (share < each ? share : each));
    } else if (end != given && *end == '\0' && fraction > 0 && fraction <= 1) {
        bytes = (int64_t)(total * fraction);
    } else {
        int rc = units_parse_bytes("--memory-limit", given, &bytes, text);
        if (rc < 0)
            return rc;
    }
    if (bytes < LEAST_MEMORY)
        return err_set(text, DUSK_E_INVALID,
                       "--memory-limit: %s is less than a worker needs (%s)",
                       units_bytes(bytes).text, units_bytes(LEAST_MEMORY).text);
    options->memory_limit = (size_t)bytes;
    return 0;
}

static int check_resources(const struct main_options *options, struct err_text *text)
{
    struct resources resources;
    if (!options->resources)
        return 0;
    if (strlen(options->resources) > LIMIT_NAME_BYTES)
        return err_set(text, DUSK_E_INVALID, "--resources is longer than %u bytes",
                       LIMIT_NAME_BYTES);
    int rc = resources_parse(str_of(options->resources), text, &resources);
    if (rc < 0)
        err_prefix(text, "--resources");
    return rc;
}

static void rest(uint64_t ns)
{
    nanosleep(&(struct timespec){.tv_sec = (time_t)(ns / UNITS_NS_PER_S),
                                 .tv_nsec = (long)(ns % UNITS_NS_PER_S)},
              NULL);
}

/* The scheduler's name may be known later only, as when all start together. */
static int find_own_host(struct main_options *options, struct err_text *text)
{
    uint64_t start = clock_monotonic_ns(), waited = 0;
    uint64_t rest_ns = ROUTE_REST_NS, limit = (uint64_t)options->connect_ns;
    bool told = false;
    int rc;
    options->host = options->own_host;
    while ((rc = route_host(options->scheduler, options->own_host, text)) < 0 &&
           (waited = clock_monotonic_ns() - start) < limit) {
        if (!told && waited > ROUTE_TELL_NS)
            fprintf(stderr, "dusk-worker: %s; trying again\n", text->line);
        told |= waited > ROUTE_TELL_NS;
        rest(rest_ns < limit - waited ? rest_ns : limit - waited);
        rest_ns = rest_ns < ROUTE_REST_MAX_NS ? 2 * rest_ns : rest_ns;
    }
    return rc;
}

static int check(struct main_options *options, struct err_text *text)
{
    if (!options->nthreads) {
        unsigned share = processors() / (unsigned)options->nworkers;
        options->nthreads = share ? share : 1;
    }
    if (options->name && strlen(options->name) > LIMIT_NAME_BYTES - 8)
        return err_set(text, DUSK_E_INVALID, "--name is longer than %u bytes",
                       LIMIT_NAME_BYTES - 8);
    int rc = link_check_address(options->scheduler, text);
    if (rc == 0 && options->keys)
        rc = keys_read_join(options->keys, &options->join, text);
    if (rc == 0)
        rc = check_resources(options, text);
    if (rc == 0)
        rc = check_memory(options, text);
    /* This may take its time; what is wrong with the rest is said before. */
    if (rc == 0 && !options->host)
        rc = find_own_host(options, text);
    if (rc < 0)
        return rc;
    if (!link_is_loopback(options->host) && !options->keys && !options->insecure)
        return err_set(text, DUSK_E_INVALID,
                       "--host %s is not loopback, and data would travel unencrypted: "
                       "say --keys FILE.join (`dusk keygen` makes it), or --insecure "
                       "if that is meant",
                       options->host);
    return 0;
}

/* ---- one worker ---- */

static int load_functions(struct main_options *options, struct registry *registry,
                          struct err_text *text)
{
    static const struct dusk_function *const tables[] = {
        basic_functions, bench_functions, array_functions,
        data_functions,  glm_functions,   prox_functions};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof tables / sizeof tables[0]; i++)
        rc = registry_add(registry, tables[i], "built in", text);
    for (int i = 0; rc == 0 && i < options->preload.count; i++)
        rc = registry_load(registry, options->preload.items[i], text);
    return rc;
}

static void describe(const struct main_options *options, unsigned number, char *name,
                     size_t size, struct worker_config *config)
{
    if (!options->name)
        name[0] = '\0';
    else if (options->nworkers > 1)
        snprintf(name, size, "%s-%u", options->name, number);
    else
        snprintf(name, size, "%s", options->name);
    worker_config_init(config);
    config->name = name;
    config->scheduler = options->scheduler;
    config->nthreads = (unsigned)options->nthreads;
    config->credits = (unsigned)options->credits;
    config->resources = options->resources;
    config->allow_upload = options->allow_upload;
    config->memory_limit = options->memory_limit;
    config->retire_timeout_ns = (uint64_t)options->retire_ns;
    config->connect_timeout_ns = (uint64_t)options->connect_ns;
    config->reconnect_timeout_ns = options->on_scheduler_lost == LOST_KEEP
                                       ? UINT64_MAX
                                       : (uint64_t)options->reconnect_ns;
}

static int run_worker(void *context, unsigned number, struct nanny_page *page,
                      const struct nanny_past *past)
{
    struct main_options *options = context;
    char name[LIMIT_NAME_BYTES + 1];
    struct shell_config config = {.host = options->host,
                                  .join = options->keys ? &options->join : NULL,
                                  .directory = options->directory,
                                  .slowness = options->slowness,
                                  .ready_fd = past ? -1 : (int)options->ready_fd,
                                  .page = page};
    describe(options, number, name, sizeof name, &config.core);
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
    if (load_functions(options, &registry, &text) < 0)
        log_error(&options->log, text.line);
    else
        status = shell_run(&config, &registry, &options->log, &clean);
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

static int run_all(struct main_options *options)
{
    if (!options->nanny)
        return run_worker(options, 0, NULL, NULL);
    const struct nanny_config config = {
        .nworkers = (unsigned)options->nworkers,
        .nthreads = (unsigned)options->nthreads,
        .memory_limit = options->memory_limit,
        .kill_bytes = (size_t)(TERMINATE_FRACTION * (double)options->memory_limit),
        .patience_ns = (uint64_t)options->retire_ns + 5 * UINT64_C(1000000000),
        .ready_fd = (int)options->ready_fd,
        .run = run_worker,
        .context = options,
        .log = &options->log,
    };
    return nanny_run(&config);
}

int main(int argc, char **argv)
{
    one_blas_thread("dusk-worker", argv);
    struct main_options options = {
        .directory = temporary_directory(),
        .memory_text = "auto",
        .nworkers = 1,
        .credits = 1024,
        .slowness = 1,
        .ready_fd = -1,
        .retire_ns = 10 * UNITS_NS_PER_S,
        .connect_ns = 30 * UNITS_NS_PER_S,
        .reconnect_ns = 600 * UNITS_NS_PER_S,
        .log_level = LOG_INFO,
        .nanny = true,
    };
    int rc = parse(&options, argc, argv);
    if (rc != OPTIONS_RUN)
        return rc == OPTIONS_DONE ? 0 : 2;
    struct err_text text;
    rc = check(&options, &text);
    if (rc < 0) {
        fprintf(stderr, "dusk-worker: %s\n", text.line);
        return rc == DUSK_E_INVALID ? 2 : 1;
    }
    log_init(&options.log, STDERR_FILENO, (enum log_level)options.log_level,
             "dusk-worker");
    set_limits();
    int status = run_all(&options);
    log_fini(&options.log);
    return status;
}
