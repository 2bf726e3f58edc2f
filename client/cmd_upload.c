#include "client/commands.h"
#include "client/dusk.h"
#include "common/options.h"
#include "common/units.h"

#include <stdio.h>

struct arguments {
    struct dusk_options connection;
    const char *path;
};

static int upload(struct dusk_client *client, void *arg)
{
    const struct arguments *a = arg;
    return dusk_upload_plugin(client, a->path, a->connection.timeout_s);
}

int command_upload(int argc, char **argv)
{
    struct arguments a = {0};
    int64_t timeout_ns = 30 * UNITS_NS_PER_S;
    const struct option_spec options[] = {
        INQUIRY_OPTION_ROWS(&a.connection.address, &timeout_ns),
        KEYS_OPTION_ROW(&a.connection.keys),
        {0},
    };
    const struct positional_spec positionals[] = {
        {.name = "PLUGIN.so", .required = true, .string = &a.path},
        {.name = "SCHEDULER", .string = &a.connection.address},
        {0},
    };
    const struct command command = {
        .name = "dusk upload",
        .summary = "Brings the task functions of a plugin to all workers, those that "
                   "come later included.",
        .options = options,
        .positionals = positionals,
        .epilogue = "The scheduler and the workers must have been started with "
                    "--allow-upload.  A scheduler that was started again has lost the "
                    "plugin, and its workers have not.\n\n"
                    "Exit codes: 0 done, 1 failed, 2 usage.",
    };
    int rc = options_parse(&command, argc, argv, stdout, stderr);
    if (rc != OPTIONS_RUN)
        return rc == OPTIONS_DONE ? COMMAND_DONE : COMMAND_USAGE;
    a.connection.timeout_s = (double)timeout_ns / 1e9;
    return command_ask(command.name, &a.connection, upload, &a);
}
