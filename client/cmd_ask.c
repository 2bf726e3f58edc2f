/* What all commands share that ask a cluster for one thing. */
#include "client/commands.h"
#include "client/dusk.h"

int command_ask(const char *name, const struct dusk_options *connection,
                int (*ask)(struct dusk_client *client, void *arg), void *arg)
{
    struct dusk_client *client;
    int rc = dusk_connect_with(connection, &client);
    if (rc == 0) {
        rc = ask(client, arg);
        dusk_close(client);
    }
    if (rc < 0)
        command_fail(name, dusk_last_error());
    int flushed = command_flush(name);
    return rc == 0 ? flushed : COMMAND_FAILED;
}
