/* counted(path, n, x): an array of n times x, and one more byte in the file `path`, so
 * that a test can tell how often it ran. */
#include "worker/dusk_task.h"

#include <fcntl.h>
#include <unistd.h>

static int counted(struct dusk_task *task)
{
    const char *path;
    struct dusk_array array = {.dtype = DUSK_F64, .ndim = 1};
    double x;
    int rc = dusk_task_args(task, "sld", &path, &array.shape[0], &x);
    if (rc == 0)
        rc = dusk_task_array(task, &array);
    if (rc < 0)
        return rc;
    for (int64_t i = 0; i < array.shape[0]; i++)
        ((double *)array.data)[i] = x;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, ".", 1) != 1)
        rc = dusk_task_fail(task, DUSK_E_IO, "counted: cannot write to %s", path);
    if (fd >= 0)
        close(fd);
    return rc < 0 ? rc : dusk_task_return(task, "a", &array);
}

DUSK_EXPORT extern const struct dusk_function dusk_functions[];
const struct dusk_function dusk_functions[] = {{"counted", counted}, {0}};
