#include "tests/sim/fiber.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

#define STACK_BYTES ((size_t)512 << 10)
#define GUARD_BYTES ((size_t)4096)

struct fiber {
    struct fiber *next; /* in the list of those whose stacks can be used again */
    ucontext_t context;
    void (*run)(void *arg);
    void *arg;
    bool over;
    char *stack;
    void *shadow; /* the sanitizers' own */
};

static ucontext_t outside;
static struct fiber *inside, *spare;

#if defined(__SANITIZE_ADDRESS__)
static const void *outside_stack;
static size_t outside_size;
#endif
#if defined(__SANITIZE_THREAD__)
static void *outside_shadow;
#endif

/* ---- the sanitizers are told of each switch ---- */

static void enter_begins(struct fiber *fiber, void **shadow)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(shadow, fiber->stack + GUARD_BYTES, STACK_BYTES);
#endif
#if defined(__SANITIZE_THREAD__)
    outside_shadow = __tsan_get_current_fiber();
    if (!fiber->shadow)
        fiber->shadow = __tsan_create_fiber(0);
    __tsan_switch_to_fiber(fiber->shadow, 0);
#endif
}

static void entered(void *shadow)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(shadow, &outside_stack, &outside_size);
#endif
}

static void leave_begins(struct fiber *fiber)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(fiber->over ? NULL : &fiber->shadow, outside_stack,
                                   outside_size);
#endif
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(outside_shadow, 0);
#endif
}

static void left(void *shadow)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(shadow, NULL, NULL);
#endif
}

/* ---- switches ---- */

static void fiber_main(void)
{
    struct fiber *self = inside;
    entered(NULL);
    self->run(self->arg);
    self->over = true;
    leave_begins(self);
    swapcontext(&self->context, &outside);
    abort();
}

void fiber_resume(struct fiber *fiber)
{
    if (inside || fiber->over)
        abort();
    void *shadow = NULL;
    inside = fiber;
    enter_begins(fiber, &shadow);
    swapcontext(&outside, &fiber->context);
    left(shadow);
    inside = NULL;
}

void fiber_yield(void)
{
    struct fiber *self = inside;
    leave_begins(self);
    swapcontext(&self->context, &outside);
    entered(self->shadow);
}

bool fiber_is_over(const struct fiber *fiber)
{
    return fiber->over;
}

/* ---- life ---- */

static char *stack_create(void)
{
    char *stack = mmap(NULL, STACK_BYTES + GUARD_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED || mprotect(stack, GUARD_BYTES, PROT_NONE) < 0) {
        perror("a stack");
        abort();
    }
    return stack;
}

static void context_make(struct fiber *fiber)
{
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack + GUARD_BYTES;
    fiber->context.uc_stack.ss_size = STACK_BYTES;
    fiber->context.uc_link = NULL;
    makecontext(&fiber->context, fiber_main, 0);
}

struct fiber *fiber_create(void (*run)(void *arg), void *arg)
{
    struct fiber *fiber = spare;
    if (fiber) {
        spare = fiber->next;
    } else if ((fiber = calloc(1, sizeof *fiber))) {
        fiber->stack = stack_create();
    } else {
        abort();
    }
    fiber->run = run;
    fiber->arg = arg;
    fiber->over = false;
    context_make(fiber);
    return fiber;
}

void fiber_destroy(struct fiber *fiber)
{
    if (!fiber)
        return;
#if defined(__SANITIZE_THREAD__)
    if (fiber->shadow)
        __tsan_destroy_fiber(fiber->shadow);
#endif
    fiber->shadow = NULL;
    fiber->next = spare;
    spare = fiber;
}
