#include "tests/fuzz/memory_file.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

static void gzip(const char *path, const void *data, size_t size)
{
    gzFile out = gzopen(path, "wb1");
    FUZZ_CHECK(out);
    FUZZ_CHECK(gzwrite(out, data, (unsigned)size) == (int)size);
    FUZZ_CHECK(gzclose(out) == Z_OK);
}

void memory_file_write(struct memory_file *file, const void *data, size_t size,
                       bool compressed)
{
    if (!file->fd) {
        file->fd = memfd_create("fuzz", MFD_CLOEXEC);
        FUZZ_CHECK(file->fd > 0);
        snprintf(file->path, sizeof file->path, "/proc/self/fd/%d", file->fd);
    }
    FUZZ_CHECK(ftruncate(file->fd, 0) == 0);
    if (compressed)
        gzip(file->path, data, size);
    else
        FUZZ_CHECK(pwrite(file->fd, data, size, 0) == (ssize_t)size);
}
