/* Jobs that do nothing on a gearmand: one by one from submit to result, and many at
 * once.  Two workers are processes of their own.
 *
 *     bench_gearman PORT JOBS
 *
 * prints JSON as `dusk bench tasks --json` does. */
#include "client/bench/figures.h"
#include "common/clock.h"

#include <libgearman/gearman.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 2
#define TRIPS 1000
#define BATCH 500 /* tasks handed to the library at once: many more are slower */
#define HOST "127.0.0.1"
#define FUNCTION "noop"

static gearman_return_t noop(gearman_job_st *job, void *context)
{
    return gearman_job_send_complete(job, "", 0);
}

static _Noreturn void worker_run(in_port_t port)
{
    gearman_worker_st *worker = gearman_worker_create(NULL);
    gearman_worker_add_server(worker, HOST, port);
    gearman_worker_define_function(worker, FUNCTION, sizeof FUNCTION - 1,
                                   gearman_function_create(noop), 0, NULL);
    for (;;)
        gearman_worker_work(worker);
}

static gearman_return_t one_job(gearman_client_st *client)
{
    size_t size;
    gearman_return_t rc;
    free(gearman_client_do(client, FUNCTION, NULL, NULL, 0, &size, &rc));
    return rc;
}

static gearman_return_t trips(gearman_client_st *client, double *us, int count)
{
    gearman_return_t rc = GEARMAN_SUCCESS;
    for (int i = 0; i < count && rc == GEARMAN_SUCCESS; i++) {
        uint64_t start_ns = clock_monotonic_ns();
        rc = one_job(client);
        us[i] = (double)(clock_monotonic_ns() - start_ns) / 1e3;
    }
    return rc;
}

static gearman_return_t stream(gearman_client_st *client, int jobs, double *per_second)
{
    gearman_return_t rc = GEARMAN_SUCCESS;
    uint64_t start_ns = clock_monotonic_ns();
    for (int sent = 0; sent < jobs && rc == GEARMAN_SUCCESS;) {
        for (int i = 0; i < BATCH && sent < jobs && rc == GEARMAN_SUCCESS; i++, sent++)
            gearman_client_add_task(client, NULL, NULL, FUNCTION, NULL, NULL, 0, &rc);
        if (rc == GEARMAN_SUCCESS)
            rc = gearman_client_run_tasks(client);
        gearman_client_task_free_all(client);
    }
    *per_second = jobs / ((double)(clock_monotonic_ns() - start_ns) / 1e9);
    return rc;
}

static int measure(in_port_t port, int jobs)
{
    static double us[TRIPS];
    struct figures figures = {0};
    double per_second;
    gearman_client_st *client = gearman_client_create(NULL);
    gearman_client_add_server(client, HOST, port);
    gearman_return_t rc = one_job(client); /* waits until a worker is there */
    if (rc == GEARMAN_SUCCESS)
        rc = trips(client, us, TRIPS);
    if (rc == GEARMAN_SUCCESS)
        rc = stream(client, jobs, &per_second);
    if (rc != GEARMAN_SUCCESS) {
        fprintf(stderr, "bench_gearman: %s\n", gearman_client_error(client));
        return 1;
    }
    gearman_client_free(client);
    figures_add_one(&figures, "tasks_per_second", "/s", per_second);
    figures_add_one(&figures, "rtt_p50_us", "us", bench_percentile(us, TRIPS, 0.5));
    figures_add_one(&figures, "rtt_p99_us", "us", bench_percentile(us, TRIPS, 0.99));
    return figures_print(&figures, "bench_gearman", true);
}

int main(int argc, char **argv)
{
    int port = argc == 3 ? atoi(argv[1]) : 0, jobs = argc == 3 ? atoi(argv[2]) : 0;
    if (port <= 0 || port > UINT16_MAX || jobs <= 0) {
        fprintf(stderr, "Usage: bench_gearman PORT JOBS\n");
        return 2;
    }
    pid_t workers[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = fork();
        if (workers[i] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            worker_run((in_port_t)port);
        }
    }
    int code = measure((in_port_t)port, jobs);
    for (int i = 0; i < WORKERS; i++) {
        kill(workers[i], SIGKILL);
        waitpid(workers[i], NULL, 0);
    }
    return code;
}
