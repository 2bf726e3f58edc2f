/* A plugin as a user would write it: the two installed headers and nothing else. */
#include "dusk_task.h"

#include <stdlib.h>
#include <string.h>

static int twice(struct dusk_task *task)
{
    double x;
    int rc = dusk_task_args(task, "d", &x);
    return rc < 0 ? rc : dusk_task_return(task, "d", 2 * x);
}

/* Takes so many bytes that the worker does not know of. */
static int hog(struct dusk_task *task)
{
    int64_t bytes;
    int rc = dusk_task_args(task, "l", &bytes);
    if (rc < 0)
        return rc;
    char *memory = malloc((size_t)bytes);
    if (!memory)
        return DUSK_E_NOMEM;
    memset(memory, 1, (size_t)bytes);
    while (!dusk_flag(dusk_task_cancel_flag(task)))
        dusk_task_progress(task, memory[bytes / 2]);
    free(memory);
    return DUSK_E_CANCELLED;
}

/* Never looks at the flag. */
static int deaf(struct dusk_task *task)
{
    int64_t count = 0;
    for (;;)
        dusk_task_progress(task, count++);
    return 0;
}

static int leave(struct dusk_task *task)
{
    int64_t status;
    int rc = dusk_task_args(task, "l", &status);
    if (rc < 0)
        return rc;
    _Exit((int)status);
}

DUSK_EXPORT extern const struct dusk_function dusk_functions[];
const struct dusk_function dusk_functions[] = {
    {"twice", twice}, {"hog", hog}, {"deaf", deaf}, {"leave", leave}, {0},
};
