/* The tables of task functions that every worker has; each ends with an empty row. */
#ifndef WORKER_FUNCTIONS_H
#define WORKER_FUNCTIONS_H

#include "worker/dusk_task.h"

extern const struct dusk_function basic_functions[];

#endif
