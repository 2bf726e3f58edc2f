#include "worker/files.h"

#include "common/list.h"
#include "common/map.h"
#include "common/units.h"
#include "worker/chunk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum wish_kind { WISH_WRITE, WISH_READ, WISH_FORGET };

struct wish {
    struct list link;
    enum wish_kind kind;
    struct payload *payload;
    struct files_event event;
};

/* What is in a file: the head, then the frames. */
struct spilled {
    int fd;
    unsigned frame_count;
    size_t sizes[]; /* of the head, then of each frame */
};

struct files {
    pthread_mutex_t lock; /* over both lists and `stopping` */
    pthread_cond_t work;
    struct list wishes;
    struct list done;
    bool stopping;
    int event_fd;
    pthread_t thread;
    char *directory;
    struct map files; /* the thread's own: struct spilled by number */
};

/* ---- files ---- */

/* Without a name where the file system can do that. */
static int file_open(const char *directory)
{
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    char path[4096];
    if (snprintf(path, sizeof path, "%s/dusk-XXXXXX", directory) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

static int write_all(int fd, const void *data, size_t size, off_t at)
{
    const char *from = data;
    while (size) {
        ssize_t done = pwrite(fd, from, size, at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        from += done;
        size -= (size_t)done;
        at += done;
    }
    return 0;
}

static int read_all(int fd, void *data, size_t size, off_t at)
{
    char *to = data;
    while (size) {
        ssize_t done = pread(fd, to, size, at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done == 0)
            errno = EIO;
        if (done <= 0)
            return -1;
        to += done;
        size -= (size_t)done;
        at += done;
    }
    return 0;
}

static void spilled_destroy(struct spilled *spilled)
{
    if (!spilled)
        return;
    if (spilled->fd >= 0)
        close(spilled->fd);
    free(spilled);
}

static int spilled_fill(struct spilled *spilled, struct payload *payload)
{
    const uint8_t *head = payload_head(payload, &spilled->sizes[0]);
    off_t at = (off_t)spilled->sizes[0];
    if (write_all(spilled->fd, head, spilled->sizes[0], 0) < 0)
        return -1;
    for (unsigned i = 0; i < spilled->frame_count; i++) {
        const struct frame *frame = payload_frame(payload, i);
        spilled->sizes[i + 1] = frame->size;
        if (write_all(spilled->fd, frame->data, frame->size, at) < 0)
            return -1;
        at += (off_t)frame->size;
    }
    return 0;
}

static int write_error(const struct files *files, size_t bytes, struct err_text *text)
{
    bool full = errno == ENOSPC || errno == EDQUOT;
    return err_set(text, full ? DUSK_E_DISK_FULL : DUSK_E_IO,
                   "%s could not be spilled to %s: %s",
                   units_bytes((int64_t)bytes).text, files->directory, strerror(errno));
}

static void do_write(struct files *files, struct wish *wish)
{
    struct files_event *event = &wish->event;
    unsigned count = payload_frame_count(wish->payload);
    size_t bytes = payload_bytes(wish->payload);
    struct spilled *spilled =
        malloc(sizeof *spilled + (count + 1) * sizeof spilled->sizes[0]);
    if (!spilled) {
        event->code = err_set(&event->text, DUSK_E_NOMEM, "no memory to spill");
        return;
    }
    spilled->frame_count = count;
    spilled->fd = file_open(files->directory);
    if (spilled->fd < 0 || spilled_fill(spilled, wish->payload) < 0) {
        event->code = write_error(files, bytes, &event->text);
        spilled_destroy(spilled);
        return;
    }
    spilled_destroy(map_remove(&files->files, event->file));
    event->code = map_put(&files->files, event->file, spilled);
    if (event->code < 0) {
        err_set(&event->text, event->code, "no memory to spill");
        spilled_destroy(spilled);
    }
}

static int frames_read(const struct spilled *spilled, struct frame *frames)
{
    off_t at = (off_t)spilled->sizes[0];
    for (unsigned i = 0; i < spilled->frame_count; i++) {
        size_t size = spilled->sizes[i + 1];
        int rc = chunk_create(size, &frames[i]);
        if (rc == 0 && read_all(spilled->fd, frames[i].data, size, at) < 0) {
            rc = DUSK_E_IO;
            frames[i].release(frames[i].hint);
        }
        if (rc < 0) {
            while (i--)
                frames[i].release(frames[i].hint);
            return rc;
        }
        at += (off_t)size;
    }
    return 0;
}

static int spilled_read(const struct spilled *spilled, struct payload **ret_payload)
{
    uint8_t *head = malloc(spilled->sizes[0] + 1);
    struct frame *frames = calloc(spilled->frame_count + 1, sizeof *frames);
    int rc = head && frames ? 0 : DUSK_E_NOMEM;
    if (rc == 0 && read_all(spilled->fd, head, spilled->sizes[0], 0) < 0)
        rc = DUSK_E_IO;
    if (rc == 0)
        rc = frames_read(spilled, frames);
    if (rc == 0)
        rc = payload_create(head, spilled->sizes[0], frames, spilled->frame_count,
                            ret_payload);
    free(head);
    free(frames);
    return rc;
}

static void do_read(struct files *files, struct wish *wish)
{
    struct files_event *event = &wish->event;
    const struct spilled *spilled = map_get(&files->files, event->file);
    event->code = spilled ? spilled_read(spilled, &event->payload) : DUSK_E_NOT_FOUND;
    if (event->code < 0)
        err_set(&event->text, event->code, "spilled data in %s cannot be read: %s",
                files->directory, err_sentence(event->code));
}

/* ---- the thread ---- */

static void wish_destroy(struct wish *wish)
{
    payload_unref(wish->payload);
    payload_unref(wish->event.payload);
    free(wish);
}

static void wish_do(struct files *files, struct wish *wish)
{
    switch (wish->kind) {
    case WISH_WRITE:
        do_write(files, wish);
        payload_unref(wish->payload);
        wish->payload = NULL;
        break;
    case WISH_READ:
        do_read(files, wish);
        break;
    case WISH_FORGET:
        spilled_destroy(map_remove(&files->files, wish->event.file));
        break;
    }
}

static void tell(struct files *files)
{
    uint64_t one = 1;
    if (write(files->event_fd, &one, sizeof one) < 0 && errno != EAGAIN)
        abort();
}

static void *work(void *context)
{
    struct files *files = context;
    pthread_mutex_lock(&files->lock);
    while (!files->stopping) {
        if (list_is_empty(&files->wishes)) {
            pthread_cond_wait(&files->work, &files->lock);
            continue;
        }
        struct wish *wish = CONTAINER_OF(files->wishes.next, struct wish, link);
        list_remove(&wish->link);
        pthread_mutex_unlock(&files->lock);
        wish_do(files, wish);
        pthread_mutex_lock(&files->lock);
        if (wish->kind == WISH_FORGET) {
            wish_destroy(wish);
            continue;
        }
        list_append(&files->done, &wish->link);
        tell(files);
    }
    pthread_mutex_unlock(&files->lock);
    return NULL;
}

/* ---- the main thread's side ---- */

static int directory_check(const char *directory, struct err_text *text)
{
    int fd = file_open(directory);
    if (fd < 0)
        return err_set(text, DUSK_E_IO, "no files can be made in %s: %s", directory,
                       strerror(errno));
    close(fd);
    return 0;
}

int files_create(const char *directory, struct files **ret_files, struct err_text *text)
{
    int rc = directory_check(directory, text);
    if (rc < 0)
        return rc;
    struct files *files = calloc(1, sizeof *files);
    char *copy = strdup(directory);
    if (!files || !copy) {
        free(files);
        free(copy);
        return err_set(text, DUSK_E_NOMEM, "no memory for spilled files");
    }
    files->directory = copy;
    map_init(&files->files);
    list_init(&files->wishes);
    list_init(&files->done);
    pthread_mutex_init(&files->lock, NULL);
    pthread_cond_init(&files->work, NULL);
    files->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int error =
        files->event_fd < 0 ? errno : pthread_create(&files->thread, NULL, work, files);
    if (error) {
        if (files->event_fd >= 0)
            close(files->event_fd);
        free(copy);
        free(files);
        return err_set(text, DUSK_E_IO, "no thread for spilled files: %s",
                       strerror(error));
    }
    pthread_setname_np(files->thread, "spill");
    *ret_files = files;
    return 0;
}

static void wishes_destroy(struct list *list)
{
    while (!list_is_empty(list)) {
        struct wish *wish = CONTAINER_OF(list->next, struct wish, link);
        list_remove(&wish->link);
        wish_destroy(wish);
    }
}

void files_destroy(struct files *files)
{
    if (!files)
        return;
    pthread_mutex_lock(&files->lock);
    files->stopping = true;
    pthread_cond_signal(&files->work);
    pthread_mutex_unlock(&files->lock);
    pthread_join(files->thread, NULL);
    wishes_destroy(&files->wishes);
    wishes_destroy(&files->done);
    size_t position = 0;
    struct spilled *spilled;
    while ((spilled = map_next(&files->files, &position)))
        spilled_destroy(spilled);
    map_fini(&files->files);
    pthread_cond_destroy(&files->work);
    pthread_mutex_destroy(&files->lock);
    close(files->event_fd);
    free(files->directory);
    free(files);
}

int files_fd(const struct files *files)
{
    return files->event_fd;
}

static void wish_add(struct files *files, enum wish_kind kind, uint64_t file,
                     struct payload *payload)
{
    struct wish *wish = calloc(1, sizeof *wish);
    if (!wish)
        abort(); /* the core waits for an answer that could not be given */
    wish->kind = kind;
    wish->payload = payload_ref(payload);
    wish->event.file = file;
    wish->event.read = kind == WISH_READ;
    pthread_mutex_lock(&files->lock);
    list_append(&files->wishes, &wish->link);
    pthread_cond_signal(&files->work);
    pthread_mutex_unlock(&files->lock);
}

void files_write(struct files *files, uint64_t file, struct payload *payload)
{
    wish_add(files, WISH_WRITE, file, payload);
}

void files_read(struct files *files, uint64_t file)
{
    wish_add(files, WISH_READ, file, NULL);
}

void files_forget(struct files *files, uint64_t file)
{
    wish_add(files, WISH_FORGET, file, NULL);
}

bool files_next(struct files *files, struct files_event *ret_event)
{
    uint64_t count;
    pthread_mutex_lock(&files->lock);
    bool found = !list_is_empty(&files->done);
    if (found) {
        struct wish *wish = CONTAINER_OF(files->done.next, struct wish, link);
        list_remove(&wish->link);
        *ret_event = wish->event;
        free(wish);
    } else if (read(files->event_fd, &count, sizeof count) < 0 && errno != EAGAIN) {
        abort();
    }
    pthread_mutex_unlock(&files->lock);
    return found;
}
