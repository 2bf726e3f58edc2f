/* A file that appears whole or not at all: text goes to a temporary file in the
 * target's own folder, which takes the target's name only once everything has
 * reached the disk.  Whoever reads the target sees the old file or the new one.
 * A target that exists and is no regular file (a pipe, a terminal) is written
 * directly, and a symbolic link is followed rather than replaced. */
#ifndef CLIENT_OUTFILE_H
#define CLIENT_OUTFILE_H

#include "common/err.h"

#include <stdio.h>

struct outfile {
    FILE *stream;    /* borrowed by the caller until commit or abort */
    char *target;    /* where the text ends up, links resolved */
    char *temporary; /* where it is now; NULL when the target is written directly */
};

/* Opens `path` for writing and fills `*ret_file`, which then needs exactly one
 * outfile_commit or outfile_abort.  INVALID, NOT_FOUND (no such folder) or IO
 * with one line that names the path. */
int outfile_open(const char *path, struct outfile *ret_file, struct err_text *text);

/* Flushes, gives the file its name and releases everything.  On an error (IO,
 * DISK_FULL) the target is as it was before and no temporary file is left. */
int outfile_commit(struct outfile *file, struct err_text *text);

/* Drops what was written and releases everything; a zeroed outfile is allowed. */
void outfile_abort(struct outfile *file);

/* Whether outfile_open would succeed now, leaving nothing behind: a command that
 * computes for long asks this before it begins. */
int outfile_check(const char *path, struct err_text *text);

#endif
