/* A task function whose executions can be counted: each leaves a file. */
#include <dusk_task.h>

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static void nap(struct dusk_task *task, double seconds)
{
    const volatile int *cancelled = dusk_task_cancel_flag(task);
    for (double done = 0; done < seconds && !dusk_flag(cancelled); done += 0.05)
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
}

/* (directory, number, seconds): takes so long; an array of ones. */
static int traced(struct dusk_task *task)
{
    const char *directory;
    int64_t number;
    double seconds;
    char path[512];
    int rc = dusk_task_args(task, "sld", &directory, &number, &seconds);
    if (rc < 0)
        return rc;
    for (int i = 0;; i++) {
        snprintf(path, sizeof path, "%s/run-%lld-%d", directory, (long long)number, i);
        int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
        if (fd >= 0) {
            close(fd);
            break;
        }
    }
    nap(task, seconds);
    struct dusk_array array = {.dtype = DUSK_F64, .ndim = 1, .shape = {20000}};
    rc = dusk_task_array(task, &array);
    for (int64_t i = 0; rc == 0 && i < array.shape[0]; i++)
        ((double *)array.data)[i] = 1;
    return rc < 0 ? rc : dusk_task_return(task, "a", &array);
}

DUSK_EXPORT const struct dusk_function dusk_functions[] = {
    {"traced", traced},
    {0},
};
