/* Sizes and durations as people write them: "4GB", "512MiB", "10s", "250ms",
 * "1.5h", or a plain number (bytes; seconds).  Letters may be of either case;
 * kB, MB ... are powers of 1000, KiB, MiB ... powers of 1024, as in
 * dask.utils.  Pure functions, for any thread. */
#ifndef COMMON_UNITS_H
#define COMMON_UNITS_H

#include "common/err.h"

#define UNITS_NS_PER_US INT64_C(1000)
#define UNITS_NS_PER_MS INT64_C(1000000)
#define UNITS_NS_PER_S INT64_C(1000000000)

/* Reads a whole string as bytes >= 0, rounded to a whole one.  `what` is the option or
 * key that the error line names: "--memory-limit: '4 parsecs' is not a size
 * (like 4GB, 512MiB or 1000000)".  DUSK_E_INVALID, or DUSK_E_LIMIT for more
 * than an int64_t holds. */
int units_parse_bytes(const char *what, const char *text, int64_t *ret_bytes,
                      struct err_text *error);

/* The same for durations >= 0 in nanoseconds; a plain number is in seconds. */
int units_parse_duration(const char *what, const char *text, int64_t *ret_ns,
                         struct err_text *error);

/* A short text, returned by value so that it can stand in an argument list:
 * printf("%s", units_bytes(n).text). */
struct units_text {
    char text[32];
};

/* "999 B", "1.50 GiB": three digits or more, powers of 1024. */
struct units_text units_bytes(int64_t bytes);

/* "850 ns", "12.3 us", "250 ms", "1.50 s", "2m05s", "3h07m", "2d04h". */
struct units_text units_duration(int64_t ns);

#endif
