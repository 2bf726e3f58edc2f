#include "scheduler/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct journal {
    char *path; /* owned */
    int fd;
    int new_fd;     /* a file that takes its place at the next commit, or -1 */
    uint8_t *bytes; /* owned; what was read */
    size_t size, offset;
    off_t committed; /* the length of the file that is good */
    off_t renewed;   /* what that was when it was last renewed, or that was tried */
};

static int fail(const struct journal *journal, const char *what, struct err_text *text)
{
    int code = errno == ENOSPC || errno == EDQUOT ? DUSK_E_DISK_FULL : DUSK_E_IO;
    return err_set(text, code, "journal %s: cannot %s: %s", journal->path, what,
                   strerror(errno));
}

static char *new_path(const struct journal *journal)
{
    char *path = NULL;
    return asprintf(&path, "%s.new", journal->path) < 0 ? NULL : path;
}

static void new_drop(struct journal *journal)
{
    if (journal->new_fd < 0)
        return;
    char *path = new_path(journal);
    if (path)
        unlink(path);
    free(path);
    close(journal->new_fd);
    journal->new_fd = -1;
}

/* So much may be of no use any more, and as much again as there was of use. */
#define SLACK_BYTES (1 << 20)

bool journal_is_bloated(const struct journal *journal)
{
    return journal->committed > SLACK_BYTES + 2 * journal->renewed;
}

/* ---- opening ---- */

static int read_all(struct journal *journal, struct err_text *text)
{
    struct stat stat;
    if (fstat(journal->fd, &stat) < 0)
        return fail(journal, "look at it", text);
    /* A new journal takes the place of the old one, which must not be a device. */
    if (!S_ISREG(stat.st_mode))
        return err_set(text, DUSK_E_IO, "journal %s: it is no regular file",
                       journal->path);
    journal->size = (size_t)stat.st_size;
    if (!(journal->bytes = malloc(journal->size + 1)))
        return err_set(text, DUSK_E_NOMEM, "journal %s: no memory for its %zu bytes",
                       journal->path, journal->size);
    for (size_t done = 0; done < journal->size;) {
        ssize_t count = pread(journal->fd, journal->bytes + done, journal->size - done,
                              (off_t)done);
        if (count <= 0)
            return fail(journal, "read it", text);
        done += (size_t)count;
    }
    return 0;
}

int journal_open(const char *path, struct err_text *text, struct journal **ret_journal)
{
    struct journal *journal = calloc(1, sizeof *journal);
    if (!journal || !(journal->path = strdup(path))) {
        free(journal);
        return err_set(text, DUSK_E_NOMEM, "out of memory");
    }
    journal->new_fd = -1;
    journal->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int rc = journal->fd < 0 ? fail(journal, "open it", text) : 0;
    if (rc == 0 && flock(journal->fd, LOCK_EX | LOCK_NB) < 0)
        rc = err_set(text, DUSK_E_BUSY, "journal %s: another scheduler uses it", path);
    if (rc == 0)
        rc = read_all(journal, text);
    if (rc < 0)
        journal_close(journal);
    else
        *ret_journal = journal;
    return rc;
}

void journal_close(struct journal *journal)
{
    if (!journal)
        return;
    new_drop(journal);
    if (journal->fd >= 0)
        close(journal->fd);
    free(journal->bytes);
    free(journal->path);
    free(journal);
}

int journal_next(struct journal *journal, struct journal_record *ret_record,
                 struct err_text *text)
{
    int rc =
        journal_read(journal->bytes, journal->size, &journal->offset, ret_record, text);
    if (rc < 0)
        err_prefix(text, "journal %s", journal->path);
    journal->committed = (off_t)journal->offset;
    if (rc > 0) {
        free(journal->bytes);
        journal->bytes = NULL;
    }
    return rc;
}

size_t journal_size(const struct journal *journal)
{
    return (size_t)journal->committed;
}

/* ---- writing ---- */

static int write_all(const struct journal *journal, int fd, const void *bytes,
                     size_t size, struct err_text *text)
{
    for (size_t done = 0; done < size;) {
        ssize_t count = write(fd, (const uint8_t *)bytes + done, size - done);
        if (count < 0 && errno != EINTR)
            return fail(journal, "write", text);
        done += count > 0 ? (size_t)count : 0;
    }
    return 0;
}

int journal_renew(struct journal *journal, struct err_text *text)
{
    char *path = new_path(journal);
    journal->renewed = journal->committed;
    if (!path)
        return err_set(text, DUSK_E_NOMEM, "out of memory");
    journal->new_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    free(path);
    if (journal->new_fd < 0)
        return fail(journal, "make a new one beside it", text);
    int rc = flock(journal->new_fd, LOCK_EX | LOCK_NB) < 0
                 ? fail(journal, "lock a new one", text)
                 : write_all(journal, journal->new_fd, JOURNAL_MAGIC,
                             JOURNAL_MAGIC_BYTES, text);
    if (rc < 0)
        journal_rollback(journal);
    return rc;
}

int journal_append(struct journal *journal, const struct batch *batch,
                   struct err_text *text)
{
    uint8_t *bytes;
    size_t size;
    int fd = journal->new_fd >= 0 ? journal->new_fd : journal->fd;
    int rc = journal_encode(batch, &bytes, &size);
    if (rc < 0) {
        err_set(text, rc, "journal %s: no memory for a record", journal->path);
    } else {
        rc = write_all(journal, fd, bytes, size, text);
        free(bytes);
    }
    if (rc < 0)
        journal_rollback(journal);
    return rc;
}

/* The name of a file is on disk when its directory is. */
static int sync_directory(const struct journal *journal, struct err_text *text)
{
    const char *slash = strrchr(journal->path, '/');
    char *directory = slash
                          ? strndup(journal->path, (size_t)(slash - journal->path + 1))
                          : strdup(".");
    int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(directory);
    if (fd < 0)
        return fail(journal, "open its directory", text);
    int rc = fsync(fd) < 0 ? fail(journal, "sync its directory", text) : 0;
    close(fd);
    return rc;
}

static int put_in_place(struct journal *journal, struct err_text *text)
{
    char *path = new_path(journal);
    int rc = !path ? err_set(text, DUSK_E_NOMEM, "out of memory")
             : rename(path, journal->path) < 0 ? fail(journal, "replace it", text)
                                               : 0;
    free(path);
    if (rc < 0)
        return rc;
    close(journal->fd);
    journal->fd = journal->new_fd;
    journal->new_fd = -1;
    journal->committed = journal->renewed = lseek(journal->fd, 0, SEEK_CUR);
    return sync_directory(journal, text);
}

int journal_commit(struct journal *journal, struct err_text *text)
{
    bool renews = journal->new_fd >= 0;
    int rc = fdatasync(renews ? journal->new_fd : journal->fd) < 0
                 ? fail(journal, "sync it", text)
                 : 0;
    if (rc == 0 && renews)
        rc = put_in_place(journal, text);
    if (rc < 0)
        journal_rollback(journal);
    else
        journal->committed = lseek(journal->fd, 0, SEEK_CUR);
    return rc;
}

void journal_rollback(struct journal *journal)
{
    new_drop(journal);
    if (ftruncate(journal->fd, journal->committed) == 0)
        lseek(journal->fd, journal->committed, SEEK_SET);
}
