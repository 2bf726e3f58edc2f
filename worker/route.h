/* Which of this machine's addresses faces another host. */
#ifndef WORKER_ROUTE_H
#define WORKER_ROUTE_H

#include "common/err.h"

#include <stddef.h>

#define ROUTE_HOST_BYTES 64

/* The numeric address from which this machine would send to "tcp://HOST:PORT";
 * nothing is sent.  IPv6 addresses come in brackets.  DUSK_E_UNREACHABLE names a host
 * that is not known, or to which there is no route. */
int route_host(const char *address, char ret_host[ROUTE_HOST_BYTES],
               struct err_text *text);

#endif
