/* A regular file read from front to back, plain or gzip: which of the two is
 * seen from its first bytes, not from its name.  Positions count uncompressed
 * bytes.  One thread at a time. */
#ifndef WORKER_ZFILE_H
#define WORKER_ZFILE_H

#include "common/err.h"

#include <stdbool.h>
#include <zlib.h>

struct zfile {
    gzFile gz;
    const char *path;   /* borrowed: the error lines begin with it */
    int64_t disk_bytes; /* size of the file as it lies there */
};

/* Borrows `path` until zfile_close.  DUSK_E_IO when it cannot be opened or is
 * no regular file. */
int zfile_open(struct zfile *file, const char *path, struct err_text *error);
void zfile_close(struct zfile *file);

/* Reads `size` bytes, fewer only at the end of the file.  DUSK_E_DATA for
 * damaged or truncated gzip data. */
int zfile_read(struct zfile *file, void *data, size_t size, size_t *ret_size,
               struct err_text *error);

/* Goes to a position; past the end, the next read finds nothing.  In gzip data
 * this decompresses all that lies between, and going back starts over. */
int zfile_seek(struct zfile *file, int64_t position, struct err_text *error);

/* Whether the file is compressed; only known after the first read. */
bool zfile_is_compressed(const struct zfile *file);

#endif
