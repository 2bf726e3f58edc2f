#include "tests/sim/shrink.h"

#define FAULTS_FIRST 64 /* opportunities for faults: more come in no run */
#define TASKS_FIRST 64

static bool fails(const struct plan *plan, struct err_text *text)
{
    struct figures figures;
    struct err_text line;
    bool failed = world_run(plan, &figures, &line) < 0;
    if (failed)
        *text = line;
    return failed;
}

/* A small value with which it still fails. */
static void shrink_number(struct plan *plan, int64_t *value, int64_t first,
                          int64_t least, struct err_text *text)
{
    int64_t good = *value;
    if (good <= 0) { /* no limit so far */
        *value = first;
        if (!fails(plan, text)) {
            *value = good;
            return;
        }
        good = first;
    }
    for (int64_t step = good / 2; step > 0;) {
        *value = good - step;
        if (*value >= least && fails(plan, text))
            good = *value;
        else
            step /= 2;
        if (step < good / 64) /* near enough */
            break;
    }
    *value = good;
}

static void shrink_kinds(struct plan *plan, struct err_text *text)
{
    for (unsigned kind = 0; kind < FAULTS; kind++) {
        uint32_t before = plan->faults;
        plan->faults &= ~(UINT32_C(1) << kind);
        if (plan->faults != before && !fails(plan, text))
            plan->faults = before;
    }
}

/* Twice, since what is smaller in one way can often be smaller in the others. */
void plan_shrink(struct plan *plan, struct err_text *text)
{
    for (int round = 0; round < 2; round++) {
        shrink_number(plan, &plan->chaos_ns, 32 * (int64_t)NS_PER_S, NS_PER_S / 10,
                      text);
        shrink_number(plan, &plan->faults_most, FAULTS_FIRST, 0, text);
        shrink_kinds(plan, text);
        shrink_number(plan, &plan->tasks, TASKS_FIRST, 1, text);
    }
}
