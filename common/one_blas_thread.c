#include "common/one_blas_thread.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define VARIABLE "OPENBLAS_NUM_THREADS"

void one_blas_thread(const char *name, char **argv)
{
    const char *set = getenv(VARIABLE);
    if (!set || strcmp(set, "1") != 0) {
        setenv(VARIABLE, "1", 1);
        execv("/proc/self/exe", argv);
    }
    prctl(PR_SET_NAME, name); /* and not "exe", after /proc/self/exe */
}
