#include "worker/arguments.h"

#include "common/clock.h"
#include "common/options.h"
#include "common/resident.h"
#include "common/units.h"
#include "proto/limits.h"
#include "proto/link.h"
#include "proto/resources.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ADDRESS_VARIABLE "DUSK_SCHEDULER_ADDRESS"
#define KEYS_VARIABLE "DUSK_KEYS"
#define LEAST_MEMORY (16 << 20)
/* Between two looks for the way to the scheduler, and before it is told of. */
#define ROUTE_REST_NS (UNITS_NS_PER_S / 10)
#define ROUTE_REST_MAX_NS (2 * UNITS_NS_PER_S)
#define ROUTE_TELL_NS ((uint64_t)2 * UNITS_NS_PER_S)

static const char *const lost_words[] = {"stop", "keep", NULL};

static const char *temporary_directory(void)
{
    const char *directory = getenv("TMPDIR");
    return directory && *directory ? directory : "/tmp";
}

static void arguments_default(struct arguments *a)
{
    *a = (struct arguments){
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
}

int arguments_parse(struct arguments *a, int argc, char **argv)
{
    arguments_default(a);
    const struct option_spec specs[] = {
        {.kind = OPTION_GROUP, .help = "Size"},
        {.name = "nthreads",
         .argument = "N",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = 1024,
         .to.integer = &a->nthreads,
         .help = "compute threads of each worker (default: the processors shared out)"},
        {.name = "nworkers",
         .argument = "N",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = 1024,
         .to.integer = &a->nworkers,
         .shown = true,
         .help = "worker processes"},
        {.name = "memory-limit",
         .argument = "SIZE",
         .kind = OPTION_STRING,
         .to.string = &a->memory_text,
         .shown = true,
         .help = "of each worker: bytes (4GB), a fraction of the machine's memory "
                 "(0.5), or auto"},
        {.name = "local-directory",
         .argument = "DIR",
         .kind = OPTION_STRING,
         .to.string = &a->directory,
         .shown = true,
         .help = "where data goes that memory cannot hold"},
        {.kind = OPTION_GROUP, .help = "Identity and tasks"},
        {.name = "resources",
         .argument = "NAME=N,...",
         .kind = OPTION_STRING,
         .to.string = &a->resources,
         .help = "what each worker has beside threads, like GPU=1,disk=2: a task that "
                 "needs some of it runs only where so much is free"},
        {.name = "name",
         .argument = "NAME",
         .kind = OPTION_STRING,
         .to.string = &a->name,
         .help = "shown by dusk status (default: the data address)"},
        {.name = "preload",
         .argument = "FILE.so",
         .kind = OPTION_LIST,
         .to.list = &a->preload,
         .help = "load task functions from a plugin"},
        {.name = "allow-upload",
         .kind = OPTION_FLAG,
         .to.flag = &a->allow_upload,
         .help = "load plugins that clients upload through a scheduler that allows it"},
        {.kind = OPTION_GROUP, .help = "Network"},
        {.name = "host",
         .argument = "HOST",
         .kind = OPTION_STRING,
         .to.string = &a->host,
         .help = "address at which other workers and clients fetch data (default: "
                 "the one that faces the scheduler)"},
        {.name = "keys",
         .argument = "FILE",
         .kind = OPTION_STRING,
         .to.string = &a->keys,
         .help = "a worker's join file that `dusk keygen` made, for a scheduler with "
                 "keys (default: $" KEYS_VARIABLE ")"},
        {.name = "insecure",
         .kind = OPTION_FLAG,
         .to.flag = &a->insecure,
         .help = "allow an address other than loopback, without keys"},
        {.name = "connect-timeout",
         .argument = "TIME",
         .kind = OPTION_DURATION,
         .least = 0,
         .most = INT64_MAX,
         .to.integer = &a->connect_ns,
         .shown = true,
         .help = "how long to try before the first registration"},
        {.name = "reconnect-timeout",
         .argument = "TIME",
         .kind = OPTION_DURATION,
         .least = 0,
         .most = INT64_MAX,
         .to.integer = &a->reconnect_ns,
         .shown = true,
         .help = "how long to try after the scheduler was lost"},
        {.name = "on-scheduler-lost",
         .argument = "POLICY",
         .kind = OPTION_CHOICE,
         .words = lost_words,
         .to.choice = &a->on_scheduler_lost,
         .shown = true,
         .help =
             "stop: end when --reconnect-timeout is over; keep: hold data and work, "
             "and try for ever"},
        {.name = "credits",
         .argument = "N",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = LIMIT_CREDITS,
         .to.integer = &a->credits,
         .shown = true,
         .help = "tasks that the scheduler may send ahead"},
        {.kind = OPTION_GROUP, .help = "Life"},
        {.name = "nanny",
         .kind = OPTION_NEGATABLE,
         .to.flag = &a->nanny,
         .help = "a parent process that starts workers again when they die (default)"},
        {.name = "retire-timeout",
         .argument = "TIME",
         .kind = OPTION_DURATION,
         .least = 0,
         .most = INT64_MAX,
         .to.integer = &a->retire_ns,
         .shown = true,
         .help = "how long SIGTERM gives results to move elsewhere"},
        {.name = "slow-down",
         .argument = "F",
         .kind = OPTION_REAL,
         .min = 1,
         .max = 1e6,
         .to.real = &a->slowness,
         .shown = true,
         .help = "every task takes F times as long, asleep for the rest: for "
                 "experiments with slow workers"},
        {.name = "ready-fd",
         .argument = "N",
         .kind = OPTION_INTEGER,
         .least = 0,
         .most = 1 << 20,
         .to.integer = &a->ready_fd,
         .help = "write a line 'ready ADDRESS' here when registered"},
        {.name = "log-level",
         .argument = "LEVEL",
         .kind = OPTION_CHOICE,
         .words = log_level_names,
         .to.choice = &a->log_level,
         .shown = true,
         .help = "the least level that is logged"},
        {0},
    };
    const struct positional_spec positionals[] = {
        {.name = "SCHEDULER", .string = &a->scheduler},
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
    if (rc == OPTIONS_RUN && !a->scheduler)
        a->scheduler = getenv(ADDRESS_VARIABLE);
    if (rc == OPTIONS_RUN && !a->keys)
        a->keys = getenv(KEYS_VARIABLE);
    if (a->keys && !*a->keys)
        a->keys = NULL;
    if (rc == OPTIONS_RUN && !a->scheduler)
        return options_complain(&command, stderr,
                                "no scheduler: give tcp://HOST:PORT, "
                                "or set " ADDRESS_VARIABLE);
    if (rc == OPTIONS_RUN && !a->nanny && a->nworkers > 1)
        return options_complain(&command, stderr,
                                "--no-nanny and --nworkers %lld exclude each other",
                                (long long)a->nworkers);
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
static int check_memory(struct arguments *a, struct err_text *text)
{
    const char *given = a->memory_text;
    double total = (double)resident_total();
    char *end;
    double fraction = strtod(given, &end);
    int64_t bytes;
    if (strcmp(given, "auto") == 0) {
        double share = (double)a->nthreads / processors();
        double each = 1.0 / (double)a->nworkers;
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
    a->memory_limit = (size_t)bytes;
    return 0;
}

static int check_resources(const struct arguments *a, struct err_text *text)
{
    struct resources resources;
    if (!a->resources)
        return 0;
    if (strlen(a->resources) > LIMIT_NAME_BYTES)
        return err_set(text, DUSK_E_INVALID, "--resources is longer than %u bytes",
                       LIMIT_NAME_BYTES);
    int rc = resources_parse(str_of(a->resources), text, &resources);
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
static int find_own_host(struct arguments *a, struct err_text *text)
{
    uint64_t start = clock_monotonic_ns(), waited = 0;
    uint64_t rest_ns = ROUTE_REST_NS, limit = (uint64_t)a->connect_ns;
    bool told = false;
    int rc;
    a->host = a->own_host;
    while ((rc = route_host(a->scheduler, a->own_host, text)) < 0 &&
           (waited = clock_monotonic_ns() - start) < limit) {
        if (!told && waited > ROUTE_TELL_NS)
            fprintf(stderr, "dusk-worker: %s; trying again\n", text->line);
        told |= waited > ROUTE_TELL_NS;
        rest(rest_ns < limit - waited ? rest_ns : limit - waited);
        rest_ns = rest_ns < ROUTE_REST_MAX_NS ? 2 * rest_ns : rest_ns;
    }
    return rc;
}

int arguments_check(struct arguments *a, struct err_text *text)
{
    if (!a->nthreads) {
        unsigned share = processors() / (unsigned)a->nworkers;
        a->nthreads = share ? share : 1;
    }
    if (a->name && strlen(a->name) > LIMIT_NAME_BYTES - 8)
        return err_set(text, DUSK_E_INVALID, "--name is longer than %u bytes",
                       LIMIT_NAME_BYTES - 8);
    int rc = link_check_address(a->scheduler, text);
    if (rc == 0 && a->keys)
        rc = keys_read_join(a->keys, &a->join, text);
    if (rc == 0)
        rc = check_resources(a, text);
    if (rc == 0)
        rc = check_memory(a, text);
    /* This may take its time; what is wrong with the rest is said before. */
    if (rc == 0 && !a->host)
        rc = find_own_host(a, text);
    if (rc < 0)
        return rc;
    if (!link_is_loopback(a->host) && !a->keys && !a->insecure)
        return err_set(text, DUSK_E_INVALID,
                       "--host %s is not loopback, and data would travel unencrypted: "
                       "say --keys FILE.join (`dusk keygen` makes it), or --insecure "
                       "if that is meant",
                       a->host);
    return 0;
}
