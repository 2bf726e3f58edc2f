#include "worker/lines.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 256 * 1024 };

static int lines_fill(struct lines *lines, struct err_text *error)
{
    if (dusk_flag(lines->cancel))
        return err_set(error, DUSK_E_CANCELLED, "%s: cancelled", lines->file.path);
    memmove(lines->buffer, lines->buffer + lines->begin, lines->end - lines->begin);
    lines->end -= lines->begin;
    lines->begin = 0;
    if (lines->end == lines->capacity) {
        char *larger = realloc(lines->buffer, 2 * lines->capacity);
        if (!larger)
            return err_set(error, DUSK_E_NOMEM, "%s: out of memory", lines->file.path);
        lines->buffer = larger;
        lines->capacity *= 2;
    }
    size_t want = lines->capacity - lines->end, got;
    int rc = zfile_read(&lines->file, lines->buffer + lines->end, want, &got, error);
    if (rc < 0)
        return rc;
    lines->end += got;
    lines->at_end = got < want;
    return 0;
}

static void skip_byte_order_mark(struct lines *lines)
{
    if (lines->end >= 3 && memcmp(lines->buffer, "\xef\xbb\xbf", 3) == 0)
        lines->begin = 3;
    lines->position = (int64_t)lines->begin;
}

int lines_open(struct lines *lines, const char *path, const volatile int *cancel,
               struct err_text *error)
{
    *lines = (struct lines){.cancel = cancel, .capacity = FIRST_CAPACITY};
    int rc = zfile_open(&lines->file, path, error);
    if (rc < 0)
        return rc;
    lines->buffer = malloc(lines->capacity);
    if (!lines->buffer)
        rc = err_set(error, DUSK_E_NOMEM, "%s: out of memory", path);
    else
        rc = lines_fill(lines, error);
    if (rc < 0) {
        lines_close(lines);
        return rc;
    }
    skip_byte_order_mark(lines);
    return 0;
}

void lines_close(struct lines *lines)
{
    zfile_close(&lines->file);
    free(lines->buffer);
    lines->buffer = NULL;
}

/* Makes sure that a whole line, or the rest of the file, is in the buffer. */
static int find_end(struct lines *lines, char **ret_newline, struct err_text *error)
{
    size_t searched = 0;
    for (;;) {
        char *from = lines->buffer + lines->begin + searched;
        size_t length = lines->end - lines->begin;
        *ret_newline = memchr(from, '\n', length - searched);
        size_t line = *ret_newline ? searched + (size_t)(*ret_newline - from) : length;
        if (line > LINES_LENGTH_MAX)
            return err_set(error, DUSK_E_LIMIT,
                           "%s: line %lld is longer than %zu bytes", lines->file.path,
                           (long long)lines->number + 1, LINES_LENGTH_MAX);
        if (*ret_newline || lines->at_end)
            return 0;
        searched = length;
        int rc = lines_fill(lines, error);
        if (rc < 0)
            return rc;
    }
}

int lines_next(struct lines *lines, char **ret_line, size_t *ret_length,
               struct err_text *error)
{
    char *newline;
    int rc = find_end(lines, &newline, error);
    if (rc < 0)
        return rc;
    if (!newline && lines->begin == lines->end)
        return 0;
    char *line = lines->buffer + lines->begin;
    size_t length = newline ? (size_t)(newline - line) : lines->end - lines->begin;
    size_t taken = length + (newline != NULL);
    if (length > 0 && line[length - 1] == '\r')
        length--;
    lines->start_position = lines->position;
    lines->number++;
    lines->begin += taken;
    lines->position += (int64_t)taken;
    *ret_line = line;
    *ret_length = length;
    return 1;
}

int lines_seek(struct lines *lines, int64_t position, int64_t number,
               struct err_text *error)
{
    int64_t ahead = position - lines->position;
    if (ahead >= -(int64_t)lines->begin &&
        ahead <= (int64_t)(lines->end - lines->begin)) {
        lines->begin = (size_t)((int64_t)lines->begin + ahead);
    } else {
        int rc = zfile_seek(&lines->file, position, error);
        if (rc < 0)
            return rc;
        lines->begin = lines->end = 0;
        lines->at_end = false;
    }
    lines->position = position;
    lines->number = number - 1;
    return 0;
}
