/* One line on a terminal that tells how far a computation is:
 *
 *     robust, asynchronous ━━━━━━━━━━━━━╸──────────────  46%  gap 3e-05
 *
 * It is redrawn in place, at most ten times a second, and erased at the end.
 * Where the stream is no terminal nothing is ever written.  One thread. */
#ifndef CLIENT_PROGRESS_H
#define CLIENT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
    FILE *stream;    /* borrowed */
    bool shown;      /* the stream is a terminal that can erase a line */
    bool utf8;       /* the bar may use line-drawing characters */
    bool drawn;      /* something stands on the line now */
    int64_t next_ns; /* no drawing before this time */
};

/* Begins a line on `stream`, usually standard error; writes nothing yet. */
void progress_init(struct progress *progress, FILE *stream);

/* Tells that `fraction` is done (0 to 1; below 0 or NaN when unknown, then there
 * is no bar) at the monotonic time `now_ns`.  `label` stands before the bar and
 * `detail` after it, either may be ""; what does not fit into the terminal's line
 * is cut. */
void progress_update(struct progress *progress, int64_t now_ns, double fraction,
                     const char *label, const char *detail);

/* Erases the line, so that other output can follow; the next update draws again. */
void progress_clear(struct progress *progress);

#endif
