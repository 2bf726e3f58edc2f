#include "scheduler/core.h"
int scheduler_check(const struct scheduler *scheduler, struct err_text *text)
{
    return 0;
}
