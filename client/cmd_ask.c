/* What all commands share that ask a cluster for one thing. */
#include "client/commands.h"
#include "client/dusk.h"

#include <stdio.h>

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
        fprintf(stderr, "%s: %s\n", name, dusk_last_error());
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "%s: cannot write to standard output\n", name);
        rc = DUSK_E_IO;
    }
    return rc == 0 ? COMMAND_DONE : COMMAND_FAILED;
}
