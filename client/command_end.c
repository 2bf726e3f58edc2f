/* How commands end. */
#include "client/commands.h"

#include <stdio.h>

int command_fail(const char *name, const char *line)
{
    fprintf(stderr, "%s: %s\n", name, line);
    return COMMAND_FAILED;
}

int command_flush(const char *name)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return COMMAND_DONE;
    return command_fail(name, "cannot write to standard output");
}
