#include "client/daemon.h"

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

/* In the child: never returns.  The ready pipe moves to its number last, since any
 * of the others may have that number before. */
static _Noreturn void run(const char *path, char **argv, int output_fd, int ready_fd,
                          pid_t parent)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    if (output_fd >= 0) {
        dup2(output_fd, STDERR_FILENO);
        dup2(output_fd, STDOUT_FILENO);
    }
    dup2(ready_fd, READY_FD);
    fcntl(READY_FD, F_SETFD, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv(path, argv);
    dprintf(STDERR_FILENO, "%s: %s\n", path, strerror(errno));
    _exit(127);
}

static int open_log(const struct daemon *daemon, int *ret_fd, struct err_text *error)
{
    *ret_fd = -1;
    if (!daemon->log_path)
        return 0;
    *ret_fd = open(daemon->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (*ret_fd < 0)
        return err_set(error, DUSK_E_IO, "%s: %s", daemon->log_path, strerror(errno));
    return 0;
}

int daemon_start(struct daemon *daemon, const char *path, struct daemon_args *args,
                 struct err_text *error)
{
    daemon_args_add(args, "--ready-fd=%d", READY_FD);
    if (args->overflow)
        return err_set(error, DUSK_E_LIMIT, "%s: more than %d arguments", daemon->name,
                       DAEMON_ARGS_MAX);
    int output_fd, ends[2];
    int rc = open_log(daemon, &output_fd, error);
    if (rc < 0)
        return rc;
    if (pipe2(ends, O_CLOEXEC) < 0) {
        rc = err_set(error, DUSK_E_IO, "pipe: %s", strerror(errno));
        close(output_fd);
        return rc;
    }
    /* Above READY_FD, so that the child's dup2 does not close what it copies. */
    int write_fd = fcntl(ends[1], F_DUPFD_CLOEXEC, READY_FD + 1);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        run(path, args->items, output_fd, write_fd, parent);
    if (pid < 0)
        rc = err_set(error, DUSK_E_IO, "%s: fork: %s", daemon->name, strerror(errno));
    else
        setpgid(pid, pid); /* the child does so too; whoever comes first */
    close(ends[1]);
    close(write_fd);
    if (output_fd >= 0)
        close(output_fd);
    if (rc < 0) {
        close(ends[0]);
        return rc;
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    daemon->pid = pid;
    daemon->ready_fd = ends[0];
    return 0;
}

int daemon_read_ready(struct daemon *daemon, struct err_text *error)
{
    static const char word[] = "ready ";
    /* The line comes in one write, which a pipe keeps in one piece. */
    char line[sizeof daemon->address + sizeof word];
    ssize_t length = read(daemon->ready_fd, line, sizeof line - 1);
    if (length < 0)
        return 0;
    close(daemon->ready_fd);
    daemon->ready_fd = -1;
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

/* The last lines of the log, joined by " | ", control characters as spaces. */
static void read_tail(const struct daemon *daemon, char *tail, size_t size)
{
    tail[0] = '\0';
    int fd = daemon->log_path ? open(daemon->log_path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    char text[1024];
    off_t end = lseek(fd, 0, SEEK_END);
    off_t start = end > (off_t)sizeof text ? end - (off_t)sizeof text : 0;
    ssize_t length = pread(fd, text, sizeof text, start);
    close(fd);
    while (length > 0 && text[length - 1] == '\n')
        length--;
    /* At most three lines and what there is room for. */
    ssize_t begin = length;
    for (int lines = 0; begin > 0 && length - begin < (ssize_t)size - 16; begin--)
        if (text[begin - 1] == '\n' && ++lines == 3)
            break;
    size_t at = 0;
    for (ssize_t i = begin; i < length && at + 4 < size; i++) {
        if (text[i] == '\n')
            at += (size_t)snprintf(tail + at, size - at, " | ");
        else
            tail[at++] = (unsigned char)text[i] < ' ' ? ' ' : text[i];
    }
    tail[at] = '\0';
}

void daemon_append_log(const struct daemon *daemon, struct err_text *error)
{
    char tail[384];
    read_tail(daemon, tail, sizeof tail);
    size_t length = strlen(error->line);
    if (*tail)
        snprintf(error->line + length, sizeof error->line - length, ": %s", tail);
}

void daemon_describe_end(const struct daemon *daemon, int status,
                         struct err_text *error)
{
    if (WIFSIGNALED(status))
        err_set(error, 0, "%s was killed by signal %d (%s)", daemon->name,
                WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        err_set(error, 0, "%s ended with exit code %d", daemon->name,
                WEXITSTATUS(status));
    daemon_append_log(daemon, error);
}
