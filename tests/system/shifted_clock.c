/* For LD_PRELOAD: what day it is is off by DUSK_TEST_CLOCK_SHIFT seconds. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock,
                                                         struct timespec *ret_time)
{
    const char *shift = getenv("DUSK_TEST_CLOCK_SHIFT");
    int rc = (int)syscall(SYS_clock_gettime, clock, ret_time);
    if (rc == 0 && clock == CLOCK_REALTIME && shift)
        ret_time->tv_sec += atol(shift);
    return rc;
}
