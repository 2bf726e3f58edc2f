#include "client/commands.h"
#include "client/dusk.h"
#include "common/options.h"
#include "common/units.h"
#include "proto/ids.h"

#include <stdio.h>

static int tell(const struct dusk_options *connection, const char *key)
{
    struct dusk_client *client;
    char line[1024];
    if (dusk_connect_with(connection, &client) < 0) {
        fprintf(stderr, "dusk why: %s\n", dusk_last_error());
        return COMMAND_FAILED;
    }
    int rc = dusk_why(client, key, connection->timeout_s, line, sizeof line);
    if (rc < 0)
        fprintf(stderr, "dusk why: %s\n", dusk_last_error());
    else
        puts(line);
    dusk_close(client);
    return rc < 0 ? COMMAND_FAILED : COMMAND_DONE;
}

int command_why(int argc, char **argv)
{
    struct dusk_options connection = {0};
    const char *key = NULL;
    int64_t timeout_ns = 5 * UNITS_NS_PER_S;
    const struct option_spec options[] = {
        INQUIRY_OPTION_ROWS(&connection.address, &timeout_ns),
        KEYS_OPTION_ROW(&connection.keys),
        {0},
    };
    const struct positional_spec positionals[] = {
        {.name = "KEY", .required = true, .string = &key},
        {0},
    };
    const struct command command = {
        .name = "dusk why",
        .summary = "Says in one line why a task is where it is: what it waits for, "
                   "where it runs, or what became of it.",
        .options = options,
        .positionals = positionals,
        .epilogue = "KEY is as logs and error lines show it, like c0ffee-17.\n\n"
                    "Exit codes: 0 done, 1 failed, 2 usage.",
    };
    int rc = options_parse(&command, argc, argv, stdout, stderr);
    if (rc != OPTIONS_RUN)
        return rc == OPTIONS_DONE ? COMMAND_DONE : COMMAND_USAGE;
    struct task_key parsed;
    if (!key_parse(key, &parsed)) {
        options_complain(&command, stderr, "'%s' is not a key like c0ffee-17", key);
        return COMMAND_USAGE;
    }
    connection.timeout_s = (double)timeout_ns / 1e9;
    return tell(&connection, key);
}
