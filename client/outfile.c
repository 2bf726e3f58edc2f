#include "client/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names tried for the temporary file; more than one is taken only where an earlier
 * process of the same id was killed while it wrote. */
#define ATTEMPTS 100

static int outfile_error(struct err_text *text, const char *path, int number)
{
    int code = number == ENOSPC || number == EDQUOT || number == EFBIG
                   ? DUSK_E_DISK_FULL
               : number == ENOENT || number == ENOTDIR ? DUSK_E_NOT_FOUND
               : number == ENOMEM                      ? DUSK_E_NOMEM
                                                       : DUSK_E_IO;
    return err_set(text, code, "cannot write %s: %s", path, strerror(number));
}

static int open_directly(const char *path, struct outfile *file, struct err_text *text)
{
    file->target = strdup(path);
    file->stream = fopen(path, "we");
    if (!file->target || !file->stream) {
        int number = errno;
        outfile_abort(file);
        return outfile_error(text, path, number);
    }
    return 0;
}

/* Creates the temporary file under the first free name beside the target; -1 with
 * errno set when there is none.  Opened like any new file, so that the umask
 * decides its permissions. */
static int create_temporary(const char *target, char **ret_path)
{
    int fd = -1;
    for (int attempt = 0; fd < 0 && attempt < ATTEMPTS; attempt++) {
        char *path = NULL;
        if (asprintf(&path, "%s.%ld-%d.tmp", target, (long)getpid(), attempt) < 0)
            return -1;
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            *ret_path = path;
        } else {
            int number = errno;
            free(path);
            errno = number;
            if (number != EEXIST)
                break;
        }
    }
    return fd;
}

/* Takes `target`. */
static int open_temporary(const char *path, char *target, struct outfile *file,
                          struct err_text *text)
{
    struct stat old;
    file->target = target;
    int fd = create_temporary(target, &file->temporary);
    if (fd >= 0) {
        /* A file that is replaced hands its permissions on. */
        bool kept = stat(target, &old) != 0 || fchmod(fd, old.st_mode & 07777) == 0;
        file->stream = kept ? fdopen(fd, "w") : NULL;
    }
    if (!file->stream) {
        int number = errno;
        if (fd >= 0)
            close(fd);
        outfile_abort(file);
        return outfile_error(text, path, number);
    }
    return 0;
}

int outfile_open(const char *path, struct outfile *ret_file, struct err_text *text)
{
    struct outfile file = {0};
    struct stat old;
    size_t length = strlen(path);
    if (length == 0)
        return err_set(text, DUSK_E_INVALID, "cannot write a file with an empty name");
    bool exists = stat(path, &old) == 0;
    if (path[length - 1] == '/' || (exists && S_ISDIR(old.st_mode)))
        return err_set(text, DUSK_E_INVALID, "cannot write %s: it names a folder",
                       path);
    if (!exists && errno != ENOENT)
        return outfile_error(text, path, errno);
    /* Renaming needs no right to the old file, but replacing what the user has
     * protected is not what they asked for. */
    if (exists && access(path, W_OK) != 0)
        return outfile_error(text, path, errno);

    int result;
    if (exists && !S_ISREG(old.st_mode)) {
        result = open_directly(path, &file, text);
    } else {
        char *target = exists ? realpath(path, NULL) : strdup(path);
        if (!target)
            return outfile_error(text, path, errno);
        result = open_temporary(path, target, &file, text);
    }
    if (result == 0)
        *ret_file = file;
    return result;
}

int outfile_commit(struct outfile *file, struct err_text *text)
{
    int number = 0;
    if (fflush(file->stream) != 0 || ferror(file->stream))
        number = errno ? errno : EIO;
    if (number == 0 && file->temporary && fsync(fileno(file->stream)) != 0)
        number = errno;
    if (fclose(file->stream) != 0 && number == 0)
        number = errno;
    file->stream = NULL;
    if (number == 0 && file->temporary) {
        if (rename(file->temporary, file->target) != 0) {
            number = errno;
        } else {
            free(file->temporary);
            file->temporary = NULL;
        }
    }
    int result = number == 0 ? 0 : outfile_error(text, file->target, number);
    outfile_abort(file);
    return result;
}

void outfile_abort(struct outfile *file)
{
    if (file->stream)
        fclose(file->stream);
    if (file->temporary)
        unlink(file->temporary);
    free(file->temporary);
    free(file->target);
    *file = (struct outfile){0};
}

int outfile_check(const char *path, struct err_text *text)
{
    struct stat old;
    /* Opening a pipe would wait for its reader, so only its permission is asked. */
    if (stat(path, &old) == 0 && !S_ISREG(old.st_mode) && !S_ISDIR(old.st_mode))
        return access(path, W_OK) == 0 ? 0 : outfile_error(text, path, errno);
    struct outfile file;
    int result = outfile_open(path, &file, text);
    if (result == 0)
        outfile_abort(&file);
    return result;
}
