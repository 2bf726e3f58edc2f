/* Allocations that fail when the test says so.  The linker sends every call of the
 * program through here (allocator_wraps in tests/meson.build); the one source file that
 * includes this defines allocation_fails. */
#ifndef TESTS_FAILING_ALLOCATOR_H
#define TESTS_FAILING_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>

static bool allocation_fails(void);

#define WRAP_ALLOCATION(type, name, parameters, arguments)                             \
    type __real_##name parameters;                                                     \
    type __wrap_##name parameters;                                                     \
    type __wrap_##name parameters                                                      \
    {                                                                                  \
        return allocation_fails() ? NULL : __real_##name arguments;                    \
    }
WRAP_ALLOCATION(void *, malloc, (size_t size), (size))
WRAP_ALLOCATION(void *, calloc, (size_t count, size_t size), (count, size))
WRAP_ALLOCATION(void *, realloc, (void *old, size_t size), (old, size))
WRAP_ALLOCATION(char *, strdup, (const char *text), (text))
WRAP_ALLOCATION(char *, strndup, (const char *text, size_t size), (text, size))

#endif
