/* The only places where dusk asks what time it is. */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

/* Nanoseconds that never jump: for timers, ages and durations. */
uint64_t clock_monotonic_ns(void);

/* Nanoseconds since 1970, comparable between hosts: for reports, and to see whether
 * clocks agree. */
uint64_t clock_unix_ns(void);

/* Processor time that all threads of this process have taken, in nanoseconds. */
uint64_t clock_cpu_ns(void);

#endif
