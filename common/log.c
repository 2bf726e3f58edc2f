#include "common/log.h"

#include "common/clock.h"
#include "common/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *const log_level_names[] = {"debug", "info", "warning", "error", NULL};

void log_init(struct log *log, int fd, enum log_level level, const char *program)
{
    *log = (struct log){
        .fd = fd, .level = level, .program = program, .now_ns = clock_unix_ns};
    pthread_mutex_init(&log->lock, NULL);
}

void log_fini(struct log *log)
{
    pthread_mutex_destroy(&log->lock);
}

/* A line being built; what does not fit is dropped. */
struct line {
    size_t length;
    bool cut;
    char text[LOG_LINE_MAX];
};

static void line_add(struct line *line, const char *text, size_t length)
{
    size_t room = sizeof line->text - 1 - line->length; /* 1 for the newline */
    if (length > room) {
        length = room;
        line->cut = true;
    }
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

static void line_format(struct line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void line_format(struct line *line, const char *format, ...)
{
    char text[64];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    line_add(line, text,
             (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

static bool needs_quotes(const char *text)
{
    if (!*text)
        return true;
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || strchr("\"=\\\x7f", *text))
            return true;
    return false;
}

static void line_add_value(struct line *line, const char *text)
{
    if (!needs_quotes(text)) {
        line_add(line, text, strlen(text));
        return;
    }
    line_add(line, "\"", 1);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            line_format(line, "\\%c", c);
        else if (c == '\n')
            line_add(line, "\\n", 2);
        else if (c < ' ' || c == 0x7f)
            line_format(line, "\\x%02x", c);
        else
            line_add(line, text, 1);
    }
    line_add(line, "\"", 1);
}

static void line_add_text(struct line *line, const char *key, const char *text)
{
    line_add(line, " ", 1);
    line_add(line, key, strlen(key));
    line_add(line, "=", 1);
    line_add_value(line, text ? text : "");
}

static void line_add_field(struct line *line, const struct log_field *field)
{
    char number[40];
    switch (field->kind) {
    case LOG_END:
        break;
    case LOG_TEXT:
        line_add_text(line, field->key, field->text);
        break;
    case LOG_INTEGER:
        snprintf(number, sizeof number, "%" PRId64, field->integer);
        line_add_text(line, field->key, number);
        break;
    case LOG_REAL:
        snprintf(number, sizeof number, "%.6g", field->real);
        line_add_text(line, field->key, number);
        break;
    case LOG_BYTES:
        line_add_text(line, field->key, units_bytes(field->integer).text);
        break;
    case LOG_DURATION:
        line_add_text(line, field->key, units_duration(field->integer).text);
        break;
    }
}

static void line_add_time(struct line *line, uint64_t unix_ns)
{
    time_t seconds = (time_t)(unix_ns / NS_PER_S);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    char text[40];
    strftime(text, sizeof text, "ts=%Y-%m-%dT%H:%M:%S", &utc);
    line_format(line, "%s.%03uZ", text, (unsigned)(unix_ns / NS_PER_MS % 1000));
}

/* Whether this site may write now; sets what it has kept back before. */
static bool site_admit(struct log *log, struct log_site *site, uint64_t now_ns,
                       int64_t *ret_suppressed)
{
    pthread_mutex_lock(&log->lock);
    /* A clock that was set back opens a new window too. */
    if (now_ns < site->window_start_ns ||
        now_ns - site->window_start_ns >= (uint64_t)LOG_WINDOW_NS) {
        site->window_start_ns = now_ns;
        site->lines = 0;
    }
    bool admitted = site->lines < LOG_BURST;
    if (admitted) {
        site->lines++;
        *ret_suppressed = site->suppressed;
        site->suppressed = 0;
    } else {
        site->suppressed++;
    }
    pthread_mutex_unlock(&log->lock);
    return admitted;
}

static void line_send(struct line *line, int fd)
{
    if (line->cut)
        memcpy(line->text + line->length - 3, "...", 3);
    line->text[line->length++] = '\n';
    ssize_t sent;
    do
        sent = write(fd, line->text, line->length);
    while (sent < 0 && errno == EINTR);
}

void log_write(struct log *log, enum log_level level, struct log_site *site,
               const char *message, const struct log_field *fields)
{
    if (level < log->level)
        return;
    int saved_errno = errno;
    uint64_t now_ns = log->now_ns();
    int64_t suppressed;
    if (site_admit(log, site, now_ns, &suppressed)) {
        struct line line;
        line.length = 0;
        line.cut = false;
        line_add_time(&line, now_ns);
        line_add_text(&line, "level", log_level_names[level]);
        line_add_text(&line, "program", log->program);
        line_add_text(&line, "msg", message);
        for (; fields->kind != LOG_END; fields++)
            line_add_field(&line, fields);
        if (suppressed)
            line_format(&line, " suppressed=%" PRId64, suppressed);
        line_send(&line, log->fd);
    }
    errno = saved_errno;
}
