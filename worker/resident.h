/* What the operating system knows: how much memory there is and how much a process
 * takes, and which of this host's addresses others can reach. */
#ifndef WORKER_RESIDENT_H
#define WORKER_RESIDENT_H

#include "common/err.h"

#include <stddef.h>
#include <sys/types.h>

/* Resident bytes of this process, or of another; 0 when that is not known. */
size_t resident_bytes(void);
size_t resident_bytes_of(pid_t pid);

/* Memory that processes here may use altogether: the machine's, or less where a
 * control group says so. */
size_t resident_total(void);

/* The address to be told to others for a socket bound to `bound`
 * ("tcp://0.0.0.0:4711"): a wildcard is replaced by this host's address on the way to
 * `scheduler`.  DUSK_E_UNREACHABLE with a line when there is no such way. */
int resident_reachable(const char *bound, const char *scheduler, char *ret_address,
                       size_t size, struct err_text *text);

#endif
