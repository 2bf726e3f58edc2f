/* A failing run made smaller: fewer kinds of faults, fewer faults, less time in which
 * they happen, fewer tasks. */
#ifndef TESTS_SIM_SHRINK_H
#define TESTS_SIM_SHRINK_H

#include "tests/sim/cluster.h"

/* Changes the plan, which fails, for a smaller one that fails too; `text` becomes the
 * line of its failure. */
void plan_shrink(struct plan *plan, struct err_text *text);

#endif
