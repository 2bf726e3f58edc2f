#include "client/commands.h"
#include "client/dusk.h"
#include "common/options.h"
#include "common/units.h"

#include <stdio.h>

static int shut_down(struct dusk_client *client, void *arg)
{
    const struct dusk_options *connection = arg;
    return dusk_shutdown(client, connection->timeout_s);
}

int command_shutdown(int argc, char **argv)
{
    struct dusk_options connection = {0};
    int64_t timeout_ns = 30 * UNITS_NS_PER_S;
    const struct option_spec options[] = {
        INQUIRY_OPTION_ROWS(&connection.address, &timeout_ns),
        KEYS_OPTION_ROW(&connection.keys),
        {0},
    };
    const struct positional_spec positionals[] = {
        {.name = "SCHEDULER", .string = &connection.address},
        {0},
    };
    const struct command command = {
        .name = "dusk shutdown",
        .summary = "Ends a cluster: its workers, their nannies and its scheduler.",
        .options = options,
        .positionals = positionals,
        .epilogue = "Tasks that run are given up, and results are lost.\n\n"
                    "Exit codes: 0 done, 1 failed, 2 usage.",
    };
    int rc = options_parse(&command, argc, argv, stdout, stderr);
    if (rc != OPTIONS_RUN)
        return rc == OPTIONS_DONE ? COMMAND_DONE : COMMAND_USAGE;
    connection.timeout_s = (double)timeout_ns / 1e9;
    return command_ask(command.name, &connection, shut_down, &connection);
}
