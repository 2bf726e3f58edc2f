#include "client/bench/usage.h"

#include "common/clock.h"

#include <time.h>

#define ANSWER_S 60

double usage_process_us(pid_t pid)
{
    clockid_t clock;
    struct timespec time;
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) < 0)
        return 0;
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec * 1e-3;
}

/* A nanny and its children, which compute. */
static double worker_cpu_us(pid_t nanny)
{
    char path[64];
    pid_t child;
    double us = usage_process_us(nanny);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)nanny, (int)nanny);
    FILE *children = fopen(path, "re");
    while (children && fscanf(children, "%d", &child) == 1)
        us += usage_process_us(child);
    if (children)
        fclose(children);
    return us;
}

int usage_read(const struct session *session, struct usage *ret_usage,
               struct err_text *text)
{
    struct dusk_cluster *cluster;
    int rc = dusk_workers(session->client, ANSWER_S, &cluster);
    if (rc < 0)
        return watch_failed(rc, text);
    *ret_usage = (struct usage){
        .scheduler_rss_bytes = (double)cluster->rss_bytes,
        .scheduler_cpu_us = cluster->cpu_s * 1e6,
        .client_cpu_us = (double)clock_cpu_ns() * 1e-3,
    };
    dusk_cluster_free(cluster);
    for (int i = 0; session->cluster && i < session->workers; i++)
        ret_usage->workers_cpu_us +=
            worker_cpu_us(cluster_worker_pid(session->cluster, i));
    return 0;
}
