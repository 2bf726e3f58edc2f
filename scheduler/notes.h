/* Lines for the log, waiting for the shell.  There is room for a few: an event makes
 * one or two, and what does not fit is counted. */
#ifndef SCHEDULER_NOTES_H
#define SCHEDULER_NOTES_H

#include "scheduler/scheduler.h"

#define NOTES_MAX 32

struct notes {
    struct note items[NOTES_MAX];
    size_t first, count;
    uint64_t lost;
};

/* A new note; never NULL (when all are full, the last one is overwritten). */
struct note *note_add(struct notes *notes, enum note_level level, const char *event);

/* Adds key=value; what is too long is cut, a sixth field is ignored. */
void note_field(struct note *note, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

bool notes_take(struct notes *notes, struct note *ret_note);

#endif
