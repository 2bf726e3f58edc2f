/* The k-th call of a kind fails: linked into programs of dusk whose calls the linker
 * sends here (--wrap, which reaches dusk's own objects and the inline functions in
 * them; libzmq ends the process when an allocation of its own fails, and is spared).
 *
 *     TORTURE=KIND:K:COUNT   calls K to K + COUNT - 1 of the kind fail
 *     TORTURE_COUNTS=FILE    one u64 for each kind: the calls made, then one for those
 *                            that failed; counted over the process and its children */
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

enum kind { ALLOCATION, MESSAGE, SEND, FULL, RECEIVE, FILE_IO, OPEN, KINDS };

static const struct {
    const char *name;
    int error;
} kinds[KINDS] = {
    [ALLOCATION] = {"allocation", ENOMEM},
    [MESSAGE] = {"message", ENOMEM},   /* a part of a message cannot be made */
    [SEND] = {"send", EHOSTUNREACH},   /* the connection is gone */
    [FULL] = {"full", EAGAIN},         /* the connection takes no more for now */
    [RECEIVE] = {"receive", ENOTSOCK}, /* what libzmq does not do, but promises not */
    [FILE_IO] = {"file", ENOSPC},
    [OPEN] = {"open", EMFILE}, /* sockets, files, threads */
};

static struct counts {
    uint64_t calls[KINDS];
    uint64_t failed;
} own_counts, *counts = &own_counts;

static int wanted_kind = -1;
static uint64_t first_failing, last_failing;

int __real_open64(const char *path, int flags, mode_t mode);
ssize_t __real_write(int fd, const void *from, size_t size);
void *__real_mmap64(void *, size_t, int, int, int, off_t);

__attribute__((constructor)) static void torture_begin(void)
{
    const char *wish = getenv("TORTURE"), *path = getenv("TORTURE_COUNTS");
    char name[32] = "";
    unsigned long long first = 0, count = 0;
    if (wish && sscanf(wish, "%31[a-z]:%llu:%llu", name, &first, &count) != 3)
        abort();
    for (int i = 0; i < KINDS; i++)
        if (strcmp(name, kinds[i].name) == 0)
            wanted_kind = i;
    first_failing = first;
    last_failing = first + count - 1;
    int fd = path ? __real_open64(path, O_RDWR | O_CLOEXEC, 0) : -1;
    if (fd < 0)
        return;
    void *shared =
        __real_mmap64(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED)
        abort();
    counts = shared;
    close(fd);
}

/* Says where, for whoever reads the log of a round that went wrong. */
static void tell_failure(const char *call, enum kind kind, uint64_t number)
{
    char line[128];
    void *frames[12];
    int length = snprintf(line, sizeof line, "torture: %s %llu, %s, fails at\n",
                          kinds[kind].name, (unsigned long long)number, call);
    if (getenv("TORTURE_TRACE") &&
        __real_write(STDERR_FILENO, line, (size_t)length) > 0)
        backtrace_symbols_fd(frames, backtrace(frames, 12), STDERR_FILENO);
}

static bool fails(const char *call, enum kind kind)
{
    uint64_t number = __atomic_add_fetch(&counts->calls[kind], 1, __ATOMIC_RELAXED);
    if ((int)kind != wanted_kind || number < first_failing || number > last_failing)
        return false;
    __atomic_add_fetch(&counts->failed, 1, __ATOMIC_RELAXED);
    tell_failure(call, kind, number);
    errno = kinds[kind].error;
    return true;
}

#define WRAP(kind, failure, type, name, parameters, arguments)                         \
    type __real_##name parameters;                                                     \
    type __wrap_##name parameters;                                                     \
    type __wrap_##name parameters                                                      \
    {                                                                                  \
        return fails(#name, kind) ? (failure) : __real_##name arguments;               \
    }

WRAP(ALLOCATION, NULL, void *, malloc, (size_t size), (size))
WRAP(ALLOCATION, NULL, void *, calloc, (size_t count, size_t size), (count, size))
WRAP(ALLOCATION, NULL, void *, realloc, (void *old, size_t size), (old, size))
WRAP(ALLOCATION, NULL, char *, strdup, (const char *text), (text))
WRAP(ALLOCATION, NULL, char *, strndup, (const char *text, size_t size), (text, size))
WRAP(ALLOCATION, NULL, void *, aligned_alloc, (size_t to, size_t size), (to, size))
WRAP(ALLOCATION, ENOMEM, int, posix_memalign, (void **at, size_t to, size_t size),
     (at, to, size))
WRAP(ALLOCATION, MAP_FAILED, void *, mmap64,
     (void *at, size_t size, int rights, int flags, int fd, off_t from),
     (at, size, rights, flags, fd, from))
WRAP(ALLOCATION, NULL, void *, msgpack_zone_malloc_expand, (void *zone, size_t size),
     (zone, size))

WRAP(MESSAGE, -1, int, zmq_msg_init_size, (zmq_msg_t * message, size_t size),
     (message, size))
WRAP(MESSAGE, -1, int, zmq_msg_init_data,
     (zmq_msg_t * message, void *data, size_t size, zmq_free_fn *release, void *hint),
     (message, data, size, release, hint))

WRAP(OPEN, NULL, void *, zmq_ctx_new, (void), ())
WRAP(OPEN, NULL, void *, zmq_socket, (void *context, int type), (context, type))
WRAP(OPEN, -1, int, zmq_socket_monitor, (void *socket, const char *address, int events),
     (socket, address, events))
WRAP(OPEN, -1, int, zmq_bind, (void *socket, const char *address), (socket, address))
WRAP(OPEN, -1, int, zmq_connect, (void *socket, const char *address), (socket, address))
WRAP(OPEN, -1, int, eventfd, (unsigned count, int flags), (count, flags))
WRAP(OPEN, -1, int, signalfd, (int fd, const sigset_t *signals, int flags),
     (fd, signals, flags))
WRAP(OPEN, NULL, FILE *, fopen64, (const char *path, const char *mode), (path, mode))
WRAP(OPEN, -1, int, mkostemp64, (char *path, int flags), (path, flags))
WRAP(OPEN, EAGAIN, int, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *),
      void *argument),
     (thread, attributes, run, argument))

WRAP(FILE_IO, -1, ssize_t, pread64, (int fd, void *to, size_t size, off_t at),
     (fd, to, size, at))
WRAP(FILE_IO, -1, ssize_t, pwrite64, (int fd, const void *from, size_t size, off_t at),
     (fd, from, size, at))

/* libzmq hands over all parts of a message or none: the first one fails. */
int __real_zmq_msg_recv(zmq_msg_t *message, void *socket, int flags);
int __wrap_zmq_msg_recv(zmq_msg_t *message, void *socket, int flags);
int __wrap_zmq_msg_recv(zmq_msg_t *message, void *socket, int flags)
{
    static _Thread_local bool more;
    if (!more && fails("zmq_msg_recv", RECEIVE))
        return -1;
    int size = __real_zmq_msg_recv(message, socket, flags);
    more = size >= 0 && zmq_msg_more(message);
    return size;
}

/* Likewise libzmq takes all parts of a message or, by its first one, none. */
int __real_zmq_msg_send(zmq_msg_t *message, void *socket, int flags);
int __wrap_zmq_msg_send(zmq_msg_t *message, void *socket, int flags);
int __wrap_zmq_msg_send(zmq_msg_t *message, void *socket, int flags)
{
    static _Thread_local bool more;
    if (!more && (fails("zmq_msg_send", SEND) || fails("zmq_msg_send", FULL)))
        return -1;
    int size = __real_zmq_msg_send(message, socket, flags);
    if (size >= 0)
        more = flags & ZMQ_SNDMORE;
    return size;
}

/* Not to an eventfd, which takes every number. */
ssize_t __wrap_write(int fd, const void *from, size_t size);
ssize_t __wrap_write(int fd, const void *from, size_t size)
{
    struct stat about;
    bool file =
        fstat(fd, &about) == 0 && (S_ISREG(about.st_mode) || S_ISFIFO(about.st_mode));
    return file && fails("write", FILE_IO) ? -1 : __real_write(fd, from, size);
}

int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return fails("open", OPEN) ? -1 : __real_open64(path, flags, mode);
}

int __real_vasprintf(char **ret_text, const char *format, va_list rest);
int __wrap_vasprintf(char **ret_text, const char *format, va_list rest);
int __wrap_vasprintf(char **ret_text, const char *format, va_list rest)
{
    return fails("vasprintf", ALLOCATION) ? -1
                                          : __real_vasprintf(ret_text, format, rest);
}

int __wrap_asprintf(char **ret_text, const char *format, ...);
int __wrap_asprintf(char **ret_text, const char *format, ...)
{
    va_list rest;
    va_start(rest, format);
    int length = __wrap_vasprintf(ret_text, format, rest);
    va_end(rest);
    return length;
}
