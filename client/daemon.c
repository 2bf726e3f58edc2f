#include "client/daemon.h"

#include "client/footprint.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_FD = 3 };

void daemon_args_add(struct daemon_args *args, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    char *text;
    if (args->count == DAEMON_ARGS_MAX || vasprintf(&text, format, list) < 0)
        args->overflow = true;
    else
        args->items[args->count++] = text;
    va_end(list);
}

void daemon_args_fini(struct daemon_args *args)
{
    for (int i = 0; i < args->count; i++)
        free(args->items[i]);
    args->count = 0;
}

/* In the child: never returns.  Both descriptors are above READY_FD, so that no dup2
 * closes what the next one copies. */
static _Noreturn void run(const struct daemon *daemon, const char *path, char **argv,
                          int output_fd, int ready_fd, pid_t parent)
{
    if (daemon->data_limit)
        footprint_limit(daemon->data_limit);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGINT);
    if (getppid() != parent)
        _exit(127);
    if (output_fd >= 0) {
        dup2(output_fd, STDERR_FILENO);
        dup2(output_fd, STDOUT_FILENO);
    }
    dup2(ready_fd, READY_FD);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv(path, argv);
    dprintf(STDERR_FILENO, "%s: %s\n", path, strerror(errno));
    _exit(127);
}

/* Our end does not block; the daemon's is above READY_FD. */
static int open_pipe(int *ret_ours, int *ret_theirs, struct err_text *error)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(error, DUSK_E_IO, "pipe: %s", strerror(errno));
    *ret_theirs = fcntl(ends[1], F_DUPFD_CLOEXEC, READY_FD + 1);
    close(ends[1]);
    if (*ret_theirs < 0) {
        close(ends[0]);
        return err_set(error, DUSK_E_IO, "pipe: %s", strerror(errno));
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    *ret_ours = ends[0];
    return 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int daemon_start(struct daemon *daemon, const char *path, struct daemon_args *args,
                 bool show_log, struct err_text *error)
{
    int ready_fd = -1, output_fd = -1;
    daemon_args_add(args, "--ready-fd=%d", READY_FD);
    if (args->overflow)
        return err_set(error, DUSK_E_LIMIT, "%s: more than %d arguments", daemon->name,
                       DAEMON_ARGS_MAX);
    int rc = open_pipe(&daemon->ready_fd, &ready_fd, error);
    if (rc == 0 && !show_log)
        rc = open_pipe(&daemon->log_fd, &output_fd, error);
    if (rc == 0) {
        pid_t parent = getpid();
        daemon->pid = fork();
        if (daemon->pid == 0)
            run(daemon, path, args->items, output_fd, ready_fd, parent);
        if (daemon->pid < 0)
            rc = err_set(error, DUSK_E_IO, "%s: fork: %s", daemon->name,
                         strerror(errno));
        else
            setpgid(daemon->pid, daemon->pid); /* the child does so too */
    }
    close_fd(&ready_fd);
    close_fd(&output_fd);
    if (rc < 0) {
        close_fd(&daemon->ready_fd);
        close_fd(&daemon->log_fd);
        daemon->pid = 0;
    }
    return rc;
}

int daemon_read_ready(struct daemon *daemon, struct err_text *error)
{
    static const char word[] = "ready ";
    /* The line comes in one write, which a pipe keeps in one piece. */
    char line[sizeof daemon->address + sizeof word];
    ssize_t length = read(daemon->ready_fd, line, sizeof line - 1);
    if (length < 0)
        return 0;
    close_fd(&daemon->ready_fd);
    if (length == 0)
        return 0; /* it is ending: its wait status tells more */
    line[length] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, word, strlen(word)) != 0 ||
        strlen(line + strlen(word)) >= sizeof daemon->address)
        return err_set(error, DUSK_E_PROTOCOL,
                       "%s: said '%s' instead of 'ready ADDRESS'", daemon->name, line);
    strcpy(daemon->address, line + strlen(word));
    daemon->ready = true;
    return 1;
}

void daemon_read_log(struct daemon *daemon)
{
    char text[DAEMON_TAIL_BYTES];
    ssize_t length = 1;
    /* Not for ever, since some write faster than we read. */
    for (int turns = 0; turns < 64 && length > 0; turns++) {
        length = read(daemon->log_fd, text, sizeof text);
        if (length <= 0)
            break;
        size_t added = (size_t)length, kept = sizeof daemon->tail - added;
        if (kept > daemon->tail_length)
            kept = daemon->tail_length;
        memmove(daemon->tail, daemon->tail + daemon->tail_length - kept, kept);
        memcpy(daemon->tail + kept, text, added);
        daemon->tail_length = kept + added;
    }
    if (length == 0)
        close_fd(&daemon->log_fd);
}

/* The last lines, joined by " | ", with spaces for control characters. */
static void copy_tail(const struct daemon *daemon, char *out, size_t size)
{
    const char *text = daemon->tail;
    size_t end = daemon->tail_length;
    while (end > 0 && text[end - 1] == '\n')
        end--;
    /* At most three whole lines, as there is room, or the end of a long one. */
    size_t begin = end, whole = end;
    int lines = 0;
    while (begin > 0 && lines < 3 && end - begin < size - 16)
        if (text[--begin] == '\n') {
            whole = begin + 1;
            lines++;
        }
    if (lines && (begin > 0 || text[begin] == '\n'))
        begin = whole;
    size_t at = 0;
    for (size_t i = begin; i < end && at + 4 < size; i++) {
        if (text[i] == '\n')
            at += (size_t)snprintf(out + at, size - at, " | ");
        else
            out[at++] = (unsigned char)text[i] < ' ' ? ' ' : text[i];
    }
    out[at] = '\0';
}

void daemon_append_log(struct daemon *daemon, struct err_text *error)
{
    char tail[384];
    if (daemon->log_fd >= 0)
        daemon_read_log(daemon);
    copy_tail(daemon, tail, sizeof tail);
    size_t length = strlen(error->line);
    if (*tail)
        snprintf(error->line + length, sizeof error->line - length, ": %s", tail);
}

void daemon_describe_end(struct daemon *daemon, int status, struct err_text *error)
{
    if (WIFSIGNALED(status))
        err_set(error, 0, "%s was killed by signal %d (%s)", daemon->name,
                WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        err_set(error, 0, "%s ended with exit code %d", daemon->name,
                WEXITSTATUS(status));
    daemon_append_log(daemon, error);
}
