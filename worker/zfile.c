#include "worker/zfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER_BYTES = 32 * 1024, READ_MAX = 1 << 30 };

static int refuse_open(const char *path, int fd, const char *why,
                       struct err_text *error)
{
    if (fd >= 0)
        close(fd);
    return err_set(error, DUSK_E_IO, "%s: %s", path, why);
}

int zfile_open(struct zfile *file, const char *path, struct err_text *error)
{
    /* Without O_NONBLOCK, opening a FIFO would wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return refuse_open(path, fd, strerror(errno), error);
    struct stat status;
    if (fstat(fd, &status) < 0)
        return refuse_open(path, fd, strerror(errno), error);
    if (!S_ISREG(status.st_mode))
        return refuse_open(path, fd,
                           S_ISDIR(status.st_mode) ? "is a directory"
                                                   : "is not a regular file",
                           error);
    gzFile gz = gzdopen(fd, "rb");
    if (!gz) {
        close(fd);
        return err_set(error, DUSK_E_NOMEM, "%s: out of memory", path);
    }
    gzbuffer(gz, BUFFER_BYTES);
    *file = (struct zfile){.gz = gz, .path = path, .disk_bytes = status.st_size};
    return 0;
}

void zfile_close(struct zfile *file)
{
    if (file->gz)
        gzclose(file->gz);
    file->gz = NULL;
}

static int read_error(struct zfile *file, int zlib_code, struct err_text *error)
{
    switch (zlib_code) {
    case Z_ERRNO:
        return err_set(error, DUSK_E_IO, "%s: %s", file->path, strerror(errno));
    case Z_MEM_ERROR:
        return err_set(error, DUSK_E_NOMEM, "%s: out of memory", file->path);
    case Z_BUF_ERROR:
        return err_set(error, DUSK_E_DATA, "%s: the gzip data end too early",
                       file->path);
    default:
        return err_set(error, DUSK_E_DATA, "%s: the gzip data are damaged", file->path);
    }
}

int zfile_read(struct zfile *file, void *data, size_t size, size_t *ret_size,
               struct err_text *error)
{
    size_t done = 0;
    while (done < size) {
        size_t want = size - done < READ_MAX ? size - done : READ_MAX;
        int got = gzread(file->gz, (char *)data + done, (unsigned)want);
        int zlib_code = Z_OK;
        /* A truncated gzip file ends like any other, and tells only here. */
        if (got < (int)want)
            gzerror(file->gz, &zlib_code);
        if (got < 0 || zlib_code < 0)
            return read_error(file, zlib_code, error);
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *ret_size = done;
    return 0;
}

int zfile_seek(struct zfile *file, int64_t position, struct err_text *error)
{
    if (position < 0 || gzseek(file->gz, position, SEEK_SET) < 0)
        return err_set(error, DUSK_E_IO, "%s: cannot go to byte %lld", file->path,
                       (long long)position);
    return 0;
}

bool zfile_is_compressed(const struct zfile *file)
{
    return !gzdirect(file->gz);
}
