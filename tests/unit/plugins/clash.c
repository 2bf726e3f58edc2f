#include "dusk_task.h"

static int noop(struct dusk_task *task)
{
    return dusk_task_return(task, "");
}

DUSK_EXPORT extern const struct dusk_function dusk_functions[];
const struct dusk_function dusk_functions[] = {{"noop", noop}, {0}};
