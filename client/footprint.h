/* How much memory a program and all processes below it have taken, and what the kernel
 * lets each of them allocate. */
#ifndef CLIENT_FOOTPRINT_H
#define CLIENT_FOOTPRINT_H

#include <jansson.h>
#include <stdint.h>

/* From now on this process, and what it starts, can allocate so many bytes (the soft
 * RLIMIT_DATA): who asks for more is told that there is no memory. */
void footprint_limit(int64_t bytes);

/* {"limit_bytes", "peak_bytes", "processes": [{"name", "limit_bytes", "peak_bytes"}]}
 * of this process and all below it that live, owned: each one's RLIMIT_DATA (null:
 * none) and the peak of its resident memory so far.  `limit_bytes` (0: null) is what
 * all were given together; the sum of the peaks is at least what all took at any
 * moment, since peaks need not have come together and pages may be shared. */
json_t *footprint_json(int64_t limit_bytes);

#endif
