/* The commands of `dusk`: each reads its own options from argv[1] on and returns an
 * exit code. */
#ifndef CLIENT_COMMANDS_H
#define CLIENT_COMMANDS_H

/* The rows of an options table (common/options.h) of commands that only ask. */
#define INQUIRY_OPTION_ROWS(scheduler, timeout_ns)                                     \
    {.name = "scheduler",                                                              \
     .argument = "ADDRESS",                                                            \
     .kind = OPTION_STRING,                                                            \
     .to.string = (scheduler),                                                         \
     .help = "tcp://HOST:PORT (default: $DUSK_SCHEDULER_ADDRESS, or "                  \
             "tcp://127.0.0.1:8786)"},                                                 \
    {                                                                                  \
        .name = "timeout", .argument = "TIME", .kind = OPTION_DURATION, .least = 0,    \
        .most = INT64_MAX, .to.integer = (timeout_ns), .shown = true,                  \
        .help = "how long to wait for the scheduler"                                   \
    }

/* The row of whoever connects. */
#define KEYS_OPTION_ROW(keys)                                                          \
    {                                                                                  \
        .name = "keys", .argument = "FILE", .kind = OPTION_STRING,                     \
        .to.string = (keys),                                                           \
        .help = "a client's join file, for a scheduler with keys (default: "           \
                "$DUSK_KEYS)"                                                          \
    }

enum command_exit {
    COMMAND_DONE = 0,
    COMMAND_FAILED = 1,
    COMMAND_USAGE = 2,
    COMMAND_NOT_CERTIFIED = 3, /* or not converged */
};

/* Says on standard error what failed, and returns COMMAND_FAILED. */
int command_fail(const char *name, const char *line);

/* COMMAND_DONE when standard output has taken everything; otherwise fails. */
int command_flush(const char *name);

/* What a command does that asks a cluster: connects, has it asked, says on standard
 * error what failed, dusk_last_error for a negative code (a positive one was said), and
 * returns an exit code. */
struct dusk_client;
struct dusk_options;
int command_ask(const char *name, const struct dusk_options *connection,
                int (*ask)(struct dusk_client *client, void *arg), void *arg);

int command_admm(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_demo(int argc, char **argv);
int command_keygen(int argc, char **argv);
int command_status(int argc, char **argv);
int command_shutdown(int argc, char **argv);
int command_upload(int argc, char **argv);
int command_why(int argc, char **argv);

#endif
