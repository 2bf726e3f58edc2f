/* What the operating system knows: how much memory there is and how much a process
 * takes. */
#ifndef COMMON_RESIDENT_H
#define COMMON_RESIDENT_H

#include <stddef.h>
#include <sys/types.h>

/* Resident bytes of this process, or of another; 0 when that is not known. */
size_t resident_bytes(void);
size_t resident_bytes_of(pid_t pid);

/* Memory that processes here may use altogether: the machine's, or less where a
 * control group says so. */
size_t resident_total(void);

#endif
