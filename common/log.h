/* The log of a shell: one event a line, key=value, on standard error.
 *
 *     ts=2026-03-01T12:00:00.123Z level=info program=dusk-worker msg="registered"
 *     scheduler=tcp://127.0.0.1:8786 threads=4           (one line in truth)
 *
 * A line is one write(2), so that lines of several processes on one terminal or
 * file do not mix.  Values with spaces, quotes, '=' or control characters are
 * quoted, with C escapes.  Any thread may log.  A place in the code that logs
 * more than LOG_BURST lines in LOG_WINDOW_NS is silenced for the rest of that
 * time; its next line carries suppressed=COUNT.
 *
 * Only shells log: libraries and pure cores return errors instead. */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define LOG_BURST 40
#define LOG_WINDOW_NS INT64_C(10000000000)
#define LOG_LINE_MAX 4096 /* longer lines are cut, and end in "..." */

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* The names of the levels in their order, with NULL at the end: fits
 * option_spec.words for --log-level. */
extern const char *const log_level_names[];

struct log {
    int fd;
    enum log_level level; /* lines below it are not written */
    const char *program;  /* borrowed */
    uint64_t (*now_ns)(void);
    pthread_mutex_t lock; /* over all call sites' counts */
};

/* `fd` is borrowed, usually STDERR_FILENO.  Cannot fail. */
void log_init(struct log *log, int fd, enum log_level level, const char *program);
void log_fini(struct log *log);

/* One key=value.  Made by the functions below, so that types are checked. */
enum log_kind { LOG_END, LOG_TEXT, LOG_INTEGER, LOG_REAL, LOG_BYTES, LOG_DURATION };

struct log_field {
    enum log_kind kind;
    const char *key;
    union {
        const char *text; /* borrowed; NULL is written as "" */
        int64_t integer;
        double real;
    };
};

static inline struct log_field log_text(const char *key, const char *text)
{
    return (struct log_field){.kind = LOG_TEXT, .key = key, .text = text};
}

static inline struct log_field log_integer(const char *key, int64_t value)
{
    return (struct log_field){.kind = LOG_INTEGER, .key = key, .integer = value};
}

static inline struct log_field log_real(const char *key, double value)
{
    return (struct log_field){.kind = LOG_REAL, .key = key, .real = value};
}

/* Written as common/units.h does: memory="1.50 GiB", after="2m05s". */
static inline struct log_field log_bytes(const char *key, int64_t bytes)
{
    return (struct log_field){.kind = LOG_BYTES, .key = key, .integer = bytes};
}

static inline struct log_field log_duration(const char *key, int64_t ns)
{
    return (struct log_field){.kind = LOG_DURATION, .key = key, .integer = ns};
}

/* How often one place in the code has logged. */
struct log_site {
    uint64_t window_start_ns;
    int64_t lines, suppressed;
};

/* Writes one line; `fields` end with LOG_END.  Failures to write are ignored:
 * there is nobody left to tell. */
void log_write(struct log *log, enum log_level level, struct log_site *site,
               const char *message, const struct log_field *fields);

/* log_info(&log, "registered", log_text("scheduler", s), log_integer("threads", 4))
 * The arguments are not evaluated when the level is off. */
#define LOG_AT(log, at, message, ...)                                                  \
    do {                                                                               \
        static struct log_site log_site_;                                              \
        if ((at) >= (log)->level)                                                      \
            log_write((log), (at), &log_site_, (message),                              \
                      (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}});      \
    } while (0)
#define log_debug(log, ...) LOG_AT(log, LOG_DEBUG, __VA_ARGS__)
#define log_info(log, ...) LOG_AT(log, LOG_INFO, __VA_ARGS__)
#define log_warning(log, ...) LOG_AT(log, LOG_WARNING, __VA_ARGS__)
#define log_error(log, ...) LOG_AT(log, LOG_ERROR, __VA_ARGS__)

#endif
