/* The lines of a text file, plain or gzip, one after the other, each with its
 * number and its position.  Ends at LF, CRLF or the end of the file; a UTF-8
 * byte order mark at the start is passed over. */
#ifndef WORKER_LINES_H
#define WORKER_LINES_H

#include "worker/zfile.h"

/* Longer lines are an error: it is what bounds the memory. */
#define LINES_LENGTH_MAX ((size_t)16 << 20)

struct lines {
    struct zfile file;
    const volatile int *cancel; /* borrowed; looked at now and then; may be NULL */
    char *buffer;               /* owned */
    size_t capacity;
    size_t begin, end;      /* what is read and not yet handed out */
    int64_t position;       /* of buffer[begin] in the file */
    int64_t number;         /* of the line handed out last, from 1 */
    int64_t start_position; /* of that line */
    bool at_end;            /* the file has no more than the buffer */
};

/* Borrows `path` and `cancel` until lines_close. */
int lines_open(struct lines *lines, const char *path, const volatile int *cancel,
               struct err_text *error);
void lines_close(struct lines *lines);

/* The next line without its end: 1, or 0 when there is none.  `*ret_line` is
 * borrowed until the next call and does not end with NUL.  Errors name file and
 * line; DUSK_E_LIMIT for too long a line, DUSK_E_CANCELLED. */
int lines_next(struct lines *lines, char **ret_line, size_t *ret_length,
               struct err_text *error);

/* Goes to the line `number`, which starts at `position`. */
int lines_seek(struct lines *lines, int64_t position, int64_t number,
               struct err_text *error);

#endif
