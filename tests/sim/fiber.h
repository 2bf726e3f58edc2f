/* Programs that wait, in one thread: a fiber runs until it yields, and goes on when it
 * is resumed.  At any time either the thread's own code runs or one fiber. */
#ifndef TESTS_SIM_FIBER_H
#define TESTS_SIM_FIBER_H

#include <stdbool.h>

struct fiber;

/* `run` begins at the first fiber_resume.  Aborts without memory: this is a test. */
struct fiber *fiber_create(void (*run)(void *arg), void *arg);

/* Runs it until it yields or ends.  Not from within a fiber. */
void fiber_resume(struct fiber *fiber);

/* Back to whoever resumed the fiber that runs. */
void fiber_yield(void);

bool fiber_is_over(const struct fiber *fiber);

/* Of one that is over, or never began.  NULL is allowed.  Its stack is kept for the
 * next one. */
void fiber_destroy(struct fiber *fiber);

#endif
