/* dusk-scheduler: reads the command line and serves. */
#include "common/options.h"
#include "proto/link.h"
#include "scheduler/shell.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* What the command line says, beside the core's configuration. */
struct arguments {
    const char *host;
    int64_t port;
    int64_t ready_fd;
    const char *keys;
    bool insecure, allow_upload, check;
    const char *journal;
    int log_level;
    int64_t heartbeat_ns, silent_ns, lost_ns, closed_ns, client_closed_ns, stalled_ns,
        retire_ns, recovery_ns, clock_skew_ns;
    int64_t bandwidth;
    int64_t deaths_allowed;
    int64_t argument_bytes;
};

static void arguments_init(struct arguments *a)
{
    const struct scheduler_config *config = &scheduler_defaults;
    *a = (struct arguments){
        .host = "127.0.0.1",
        .port = 8786,
        .ready_fd = -1,
        .log_level = LOG_INFO,
        .heartbeat_ns = (int64_t)config->heartbeat_ns,
        .silent_ns = (int64_t)config->silent_ns,
        .lost_ns = (int64_t)config->lost_ns,
        .closed_ns = (int64_t)config->closed_ns,
        .client_closed_ns = (int64_t)config->client_closed_ns,
        .stalled_ns = (int64_t)config->stalled_ns,
        .recovery_ns = (int64_t)config->recovery_ns,
        .retire_ns = (int64_t)config->retire_ns,
        .clock_skew_ns = (int64_t)config->clock_skew_ns,
        .bandwidth = (int64_t)config->bandwidth,
        .deaths_allowed = config->deaths_allowed,
        .argument_bytes = (int64_t)config->argument_bytes,
    };
}

static void config_fill(const struct arguments *a, struct scheduler_config *config)
{
    *config = scheduler_defaults;
    config->heartbeat_ns = (uint64_t)a->heartbeat_ns;
    config->silent_ns = (uint64_t)a->silent_ns;
    config->lost_ns = (uint64_t)a->lost_ns;
    config->closed_ns = (uint64_t)a->closed_ns;
    config->client_closed_ns = (uint64_t)a->client_closed_ns;
    config->stalled_ns = (uint64_t)a->stalled_ns;
    config->retire_ns = (uint64_t)a->retire_ns;
    config->clock_skew_ns = (uint64_t)a->clock_skew_ns;
    config->recovery_ns = (uint64_t)a->recovery_ns;
    config->journal = a->journal != NULL;
    config->bandwidth = (double)a->bandwidth;
    config->deaths_allowed = (unsigned)a->deaths_allowed;
    config->argument_bytes = (uint64_t)a->argument_bytes;
    config->allow_upload = a->allow_upload;
    while (getrandom(&config->epoch, sizeof config->epoch, 0) < 0 || config->epoch == 0)
        ;
}

#define DURATION(name_, target_, help_)                                                \
    {                                                                                  \
        .name = name_, .argument = "TIME", .kind = OPTION_DURATION, .least = 1000000,  \
        .most = INT64_C(86400000000000), .to.integer = target_, .shown = true,         \
        .help = help_                                                                  \
    }

static int parse(int argc, char **argv, struct arguments *a, struct command *command)
{
    const struct option_spec options[] = {
        {.name = "host",
         .argument = "HOST",
         .kind = OPTION_STRING,
         .to.string = &a->host,
         .shown = true,
         .help = "the address to listen at"},
        {.name = "port",
         .argument = "PORT",
         .kind = OPTION_INTEGER,
         .least = 0,
         .most = 65535,
         .to.integer = &a->port,
         .shown = true,
         .help = "the port to listen at; 0: any that is free"},
        {.name = "keys",
         .argument = "DIR",
         .kind = OPTION_STRING,
         .to.string = &a->keys,
         .help = "encrypt, and let in only whom the directory's allow-list names; "
                 "`dusk keygen DIR` makes it; SIGHUP reads the list again"},
        {.name = "insecure",
         .kind = OPTION_FLAG,
         .to.flag = &a->insecure,
         .help = "allow --host to be more than this machine without keys: whoever "
                 "reaches the port can run tasks and read data"},
        {.name = "allow-upload",
         .kind = OPTION_FLAG,
         .to.flag = &a->allow_upload,
         .help = "let clients upload plugins, which run as part of the workers that "
                 "allow it too"},
        {.name = "journal",
         .argument = "FILE",
         .kind = OPTION_STRING,
         .to.string = &a->journal,
         .help = "keep here what must outlive the scheduler: published names and what "
                 "can make their results again, but no uploaded plugins"},
        {.name = "ready-fd",
         .argument = "FD",
         .kind = OPTION_INTEGER,
         .least = 0,
         .most = 1048576,
         .to.integer = &a->ready_fd,
         .help = "write \"ready ADDRESS\" to this descriptor when listening"},
        {.name = "log-level",
         .argument = "LEVEL",
         .kind = OPTION_CHOICE,
         .words = log_level_names,
         .to.choice = &a->log_level,
         .shown = true,
         .help = "the least level that is logged"},
        {.name = "check",
         .kind = OPTION_FLAG,
         .to.flag = &a->check,
         .help = "check all invariants after every event (slow)"},
        {.kind = OPTION_GROUP, .help = "Times"},
        DURATION("heartbeat", &a->heartbeat_ns, "how often peers shall be heard"),
        DURATION("silent", &a->silent_ns,
                 "a worker unheard for that long gets no work"),
        DURATION("lost", &a->lost_ns, "a peer unheard for that long is given up"),
        DURATION("closed", &a->closed_ns,
                 "a worker whose connection closed is given up after that"),
        DURATION("client-closed", &a->client_closed_ns, "the same for a client"),
        DURATION("recovery", &a->recovery_ns,
                 "after a restart, how long workers and clients may come back before "
                 "their work is given up"),
        DURATION("stalled", &a->stalled_ns, "tasks that wait longer are logged"),
        DURATION("allowed-clock-skew", &a->clock_skew_ns,
                 "peers whose clocks differ by more are refused"),
        DURATION("retire", &a->retire_ns,
                 "the longest that a worker's retirement may take"),
        {.kind = OPTION_GROUP, .help = "Placement"},
        {.name = "bandwidth",
         .argument = "BYTES",
         .kind = OPTION_BYTES,
         .least = 1,
         .most = INT64_MAX,
         .to.integer = &a->bandwidth,
         .shown = true,
         .help = "assumed between workers, a second"},
        {.name = "allowed-failures",
         .argument = "N",
         .kind = OPTION_INTEGER,
         .least = 1,
         .most = 1000,
         .to.integer = &a->deaths_allowed,
         .shown = true,
         .help = "deaths of workers before the task that they ran is failed"},
        {.name = "argument-memory",
         .argument = "SIZE",
         .kind = OPTION_BYTES,
         .least = 1,
         .most = INT64_MAX,
         .to.integer = &a->argument_bytes,
         .shown = true,
         .help = "the most that the arguments of all tasks may take here; more is "
                 "refused"},
        {0},
    };
    *command = (struct command){
        .name = "dusk-scheduler",
        .summary =
            "The scheduler of a dusk cluster: workers and clients connect to it.",
        .options = options,
        .epilogue =
            "Exit codes: 0 stopped by a signal or by dusk shutdown, 1 failed, 2 usage.",
    };
    int rc = options_parse(command, argc, argv, stdout, stderr);
    command->options = NULL;
    return rc;
}

/* One descriptor a connection. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    struct arguments a;
    struct command command;
    arguments_init(&a);
    int rc = parse(argc, argv, &a, &command);
    if (rc != OPTIONS_RUN)
        return rc < 0 ? EXIT_USAGE : EXIT_SUCCESS;
    if (!link_is_loopback(a.host) && !a.keys && !a.insecure) {
        fprintf(stderr,
                "dusk-scheduler: --host %s can be reached from other machines: make "
                "keys with `dusk keygen DIR` and say --keys DIR, or --insecure to let "
                "everybody in\n",
                a.host);
        return EXIT_USAGE;
    }
    struct shell_options options = {.host = a.host,
                                    .port = (unsigned)a.port,
                                    .ready_fd = (int)a.ready_fd,
                                    .check = a.check,
                                    .keys = a.keys,
                                    .journal = a.journal};
    config_fill(&a, &options.config);
    raise_descriptor_limit();
    struct log log;
    log_init(&log, STDERR_FILENO, (enum log_level)a.log_level, "dusk-scheduler");
    struct err_text text;
    rc = shell_run(&options, &log, &text);
    log_fini(&log);
    if (rc < 0)
        fprintf(stderr, "dusk-scheduler: %s\n", text.line);
    return rc < 0 ? EXIT_FAILED : EXIT_SUCCESS;
}
