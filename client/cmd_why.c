#include "client/commands.h"
#include "client/dusk.h"
#include "common/options.h"
#include "common/units.h"
#include "proto/ids.h"

#include <stdio.h>
#include <stdlib.h>

struct arguments {
    struct dusk_options connection;
    const char *key; /* NULL: all that wait */
    bool all;
};

static int tell_one(struct dusk_client *client, const struct arguments *a)
{
    char line[1024];
    int rc = dusk_why(client, a->key, a->connection.timeout_s, line, sizeof line);
    if (rc == 0)
        puts(line);
    return rc;
}

static int tell_all(struct dusk_client *client, const struct arguments *a)
{
    char *lines;
    int rc = dusk_why_all(client, a->connection.timeout_s, &lines);
    if (rc == 0) {
        fputs(*lines ? lines : "no task waits\n", stdout);
        free(lines);
    }
    return rc;
}

static int tell(struct dusk_client *client, void *arg)
{
    const struct arguments *a = arg;
    return a->key ? tell_one(client, a) : tell_all(client, a);
}

int command_why(int argc, char **argv)
{
    struct arguments a = {0};
    int64_t timeout_ns = 5 * UNITS_NS_PER_S;
    const struct option_spec options[] = {
        {.name = "all",
         .kind = OPTION_FLAG,
         .to.flag = &a.all,
         .help = "of all tasks that wait, those for the same reason together"},
        INQUIRY_OPTION_ROWS(&a.connection.address, &timeout_ns),
        KEYS_OPTION_ROW(&a.connection.keys),
        {0},
    };
    const struct positional_spec positionals[] = {
        {.name = "KEY", .string = &a.key},
        {0},
    };
    const struct command command = {
        .name = "dusk why",
        .summary = "Says in one line why a task is where it is: what it waits for, "
                   "where it runs, or what became of it.",
        .options = options,
        .positionals = positionals,
        .epilogue =
            "KEY is as logs and error lines show it, like c0ffee-17.\n\n"
            "A task waits for inputs, for scattered data to arrive, for a retry's "
            "back-off, for a worker (none has come, all are lost, none takes work, "
            "none has the name, the resources or the memory), behind others in a "
            "queue, for free resources, for a worker that is silent, or for its "
            "worker to fetch its inputs or to have a free thread. Otherwise it "
            "runs, is in memory, has failed, or nobody wants it.\n\n"
            "Exit codes: 0 done, 1 failed, 2 usage.",
    };
    int rc = options_parse(&command, argc, argv, stdout, stderr);
    if (rc != OPTIONS_RUN)
        return rc == OPTIONS_DONE ? COMMAND_DONE : COMMAND_USAGE;
    struct task_key parsed;
    if (a.all == (a.key != NULL)) {
        options_complain(&command, stderr, "say either KEY or --all");
        return COMMAND_USAGE;
    }
    if (a.key && !key_parse(a.key, &parsed)) {
        options_complain(&command, stderr, "'%s' is not a key like c0ffee-17", a.key);
        return COMMAND_USAGE;
    }
    a.connection.timeout_s = (double)timeout_ns / 1e9;
    return command_ask(command.name, &a.connection, tell, &a);
}
