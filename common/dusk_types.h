/* The words that programs, plugins and daemons of dusk share: error codes and
 * dense arrays.  Installed; plain C, no dependencies. */
#ifndef DUSK_TYPES_H
#define DUSK_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Every function that can fail returns an int: negative is one of these
 * errors, 0 is success, positive an outcome that the function documents.  The
 * numbers go over the wire and never change meaning; new ones go at the end. */
#define DUSK_ERRORS(E)                                                                 \
    E(NOMEM, -1, "out of memory")                                                      \
    E(INVALID, -2, "invalid argument")                                                 \
    E(PROTOCOL, -3, "protocol violation")                                              \
    E(LIMIT, -4, "limit exceeded")                                                     \
    E(TIMEOUT, -5, "timed out")                                                        \
    E(UNREACHABLE, -6, "cannot be reached")                                            \
    E(REFUSED, -7, "refused")                                                          \
    E(CANCELLED, -8, "cancelled")                                                      \
    E(TASK, -9, "task failed")                                                         \
    E(KILLED, -10, "task killed its workers")                                          \
    E(DATA_LOST, -11, "data lost")                                                     \
    E(NOT_FOUND, -12, "not found")                                                     \
    E(TYPE, -13, "wrong type")                                                         \
    E(IO, -14, "input/output error")                                                   \
    E(DISK_FULL, -15, "disk full")                                                     \
    E(MEMORY_LIMIT, -16, "memory limit too small")                                     \
    E(DATA, -17, "bad data")                                                           \
    E(PLUGIN, -18, "plugin cannot be used")                                            \
    E(DIVERGED, -19, "diverged")                                                       \
    E(BUSY, -20, "busy")                                                               \
    E(CLOSED, -21, "closed")                                                           \
    E(INTERNAL, -22, "internal error")                                                 \
    E(DEADLINE, -23, "deadline passed")                                                \
    E(KEYS, -24, "keys do not fit")                                                    \
    E(FORBIDDEN, -25, "not permitted")                                                 \
    E(CLOCK, -26, "clocks differ")

enum dusk_error {
    DUSK_OK = 0,
#define DUSK_ERROR_ENUM(name, number, sentence) DUSK_E_##name = number,
    DUSK_ERRORS(DUSK_ERROR_ENUM)
#undef DUSK_ERROR_ENUM
};

enum dusk_dtype {
    DUSK_F64 = 1,
    DUSK_F32 = 2,
};

#define DUSK_MAX_DIMS 4

/* A dense row-major array.  `data` is borrowed from whoever made the array;
 * each function that hands one out says until when it may be read. */
struct dusk_array {
    enum dusk_dtype dtype;
    int ndim;                     /* 1 to DUSK_MAX_DIMS */
    int64_t shape[DUSK_MAX_DIMS]; /* elements along each axis, >= 0 */
    void *data;
};

/* One argument or one item of a result. */
enum dusk_kind {
    DUSK_NIL = 0,
    DUSK_BOOL,
    DUSK_INT,
    DUSK_FLOAT,
    DUSK_STRING,
    DUSK_ARRAY,
};

struct dusk_value {
    enum dusk_kind kind;
    union {
        int64_t integer; /* DUSK_INT, and DUSK_BOOL as 0 or 1 */
        double number;
        const char *string; /* ends with NUL; borrowed like an array's data */
        struct dusk_array array;
    };
};

/* Reads a flag that another thread may set meanwhile; NULL reads as 0. */
static inline int dusk_flag(const volatile int *flag)
{
    return flag ? __atomic_load_n(flag, __ATOMIC_RELAXED) : 0;
}

#ifdef __cplusplus
}
#endif
#endif
