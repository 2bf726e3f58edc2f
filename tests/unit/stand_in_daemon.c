/* Stands in for dusk-scheduler and dusk-worker in the tests of the embedded
 * cluster: keeps the contract of --ready-fd, or breaks it in the way that the
 * environment asks for (STAND_IN_SCHEDULER, STAND_IN_WORKER). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *argument(int argc, char **argv, const char *name)
{
    size_t length = strlen(name);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], name, length) == 0)
            return argv[i] + length;
    return "";
}

static _Noreturn void linger(int own_session, int tell_fd)
{
    signal(SIGINT, SIG_IGN);
    if (own_session)
        setsid();
    if (write(tell_fd, "", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

/* Two children that do not end by themselves, one of them in its own session. */
static void multiply(void)
{
    FILE *pids = fopen(getenv("STAND_IN_CHILDREN"), "w");
    for (int i = 0; i < 2; i++) {
        int ends[2];
        char settled;
        if (pipe(ends) < 0)
            exit(1);
        pid_t pid = fork();
        if (pid == 0)
            linger(i, ends[1]);
        if (read(ends[0], &settled, 1) != 1)
            exit(1);
        fprintf(pids, "%d\n", (int)pid);
    }
    fclose(pids);
}

static void leave(int number)
{
    _exit(0);
}

int main(int argc, char **argv)
{
    const char *base = strrchr(argv[0], '/');
    int is_worker = strcmp(base ? base + 1 : argv[0], "dusk-worker") == 0;
    const char *mood = getenv(is_worker ? "STAND_IN_WORKER" : "STAND_IN_SCHEDULER");
    mood = mood ? mood : "";
    int ready_fd = atoi(argument(argc, argv, "--ready-fd="));
    fprintf(stderr, "a line of the start\n");
    if (strcmp(mood, "exit") == 0) {
        for (int i = 0; i < 1000; i++)
            fprintf(stderr, "line %d of many\n", i);
        fprintf(stderr, "msg=\"first line\"\nmsg=\"no \x1b[1m luck\"\n");
        return 3;
    }
    if (strcmp(mood, "wordy") == 0) {
        for (int i = 0; i < 3; i++)
            fprintf(stderr, "line %d: %0200d\n", i, 0);
        return 3;
    }
    if (strcmp(mood, "crash") == 0)
        abort();
    if (strcmp(mood, "stubborn") == 0)
        signal(SIGINT, SIG_IGN);
    if (strcmp(mood, "polite") == 0)
        signal(SIGINT, leave); /* which a stopped process cannot run */
    if (strcmp(mood, "multiply") == 0)
        multiply();
    if (strcmp(mood, "mute") != 0) {
        const char *line = strcmp(mood, "nonsense") == 0 ? "hello\n"
                           : is_worker ? "ready tcp://127.0.0.1:2222\n"
                                       : "ready tcp://127.0.0.1:1111\n";
        if (write(ready_fd, line, strlen(line)) < 0)
            return 1;
    }
    close(ready_fd);
    for (;;)
        pause();
}
