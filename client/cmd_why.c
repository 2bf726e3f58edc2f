#include "client/commands.h"
#include "client/dusk.h"
#include "common/options.h"
#include "common/units.h"
#include "proto/ids.h"

#include <stdio.h>
#include <stdlib.h>

static int tell_one(struct dusk_client *client, double timeout_s, const char *key)
{
    char line[1024];
    int rc = dusk_why(client, key, timeout_s, line, sizeof line);
    if (rc == 0)
        puts(line);
    return rc;
}

static int tell_all(struct dusk_client *client, double timeout_s)
{
    char *lines;
    int rc = dusk_why_all(client, timeout_s, &lines);
    if (rc == 0) {
        fputs(*lines ? lines : "no task waits\n", stdout);
        free(lines);
    }
    return rc;
}

/* `key` NULL: all that wait. */
static int tell(const struct dusk_options *connection, const char *key)
{
    struct dusk_client *client;
    if (dusk_connect_with(connection, &client) < 0) {
        fprintf(stderr, "dusk why: %s\n", dusk_last_error());
        return COMMAND_FAILED;
    }
    int rc = key ? tell_one(client, connection->timeout_s, key)
                 : tell_all(client, connection->timeout_s);
    if (rc < 0)
        fprintf(stderr, "dusk why: %s\n", dusk_last_error());
    dusk_close(client);
    if (fflush(stdout) != 0) {
        fprintf(stderr, "dusk why: cannot write to standard output\n");
        rc = DUSK_E_IO;
    }
    return rc < 0 ? COMMAND_FAILED : COMMAND_DONE;
}

int command_why(int argc, char **argv)
{
    struct dusk_options connection = {0};
    const char *key = NULL;
    bool all = false;
    int64_t timeout_ns = 5 * UNITS_NS_PER_S;
    const struct option_spec options[] = {
        {.name = "all",
         .kind = OPTION_FLAG,
         .to.flag = &all,
         .help = "of all tasks that wait, those for the same reason together"},
        INQUIRY_OPTION_ROWS(&connection.address, &timeout_ns),
        KEYS_OPTION_ROW(&connection.keys),
        {0},
    };
    const struct positional_spec positionals[] = {
        {.name = "KEY", .string = &key},
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
    if (all == (key != NULL)) {
        options_complain(&command, stderr, "say either KEY or --all");
        return COMMAND_USAGE;
    }
    if (key && !key_parse(key, &parsed)) {
        options_complain(&command, stderr, "'%s' is not a key like c0ffee-17", key);
        return COMMAND_USAGE;
    }
    connection.timeout_s = (double)timeout_ns / 1e9;
    return tell(&connection, key);
}
