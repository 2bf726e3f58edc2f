/* What the processes of a cluster take. */
#ifndef CLIENT_BENCH_USAGE_H
#define CLIENT_BENCH_USAGE_H

#include "client/session.h"

struct usage {
    double scheduler_rss_bytes;
    /* Processor time since each process began. */
    double scheduler_cpu_us;
    double client_cpu_us;  /* this process */
    double workers_cpu_us; /* of an own cluster, nannies too; else 0 */
};

/* Processor time of another process; 0 when it is gone. */
double usage_process_us(pid_t pid);

/* Asks the scheduler, which answers when it has done all that this client has told
 * it. */
int usage_read(const struct session *session, struct usage *ret_usage,
               struct err_text *text);

#endif
