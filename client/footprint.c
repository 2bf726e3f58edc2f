#include "client/footprint.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

void footprint_limit(int64_t bytes)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_DATA, &limit) < 0)
        return;
    limit.rlim_cur = (rlim_t)bytes < limit.rlim_max ? (rlim_t)bytes : limit.rlim_max;
    setrlimit(RLIMIT_DATA, &limit);
}

static FILE *open_process_file(pid_t pid, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return fopen(path, "re");
}

static int64_t read_peak(pid_t pid)
{
    FILE *file = open_process_file(pid, "status");
    char line[256];
    long long kibibytes = 0;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %lld", &kibibytes) == 1)
            break;
    if (file)
        fclose(file);
    return 1024 * kibibytes;
}

static void read_name(pid_t pid, char name[32])
{
    FILE *file = open_process_file(pid, "comm");
    if (!file || !fgets(name, 32, file))
        strcpy(name, "?");
    name[strcspn(name, "\n")] = '\0';
    if (file)
        fclose(file);
}

static json_t *bytes_or_null(int64_t bytes)
{
    return bytes > 0 ? json_integer(bytes) : json_null();
}

static json_t *process_json(pid_t pid, int64_t peak)
{
    char name[32];
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    read_name(pid, name);
    prlimit(pid, RLIMIT_DATA, NULL, &limit);
    int64_t most = limit.rlim_cur == RLIM_INFINITY ? 0 : (int64_t)limit.rlim_cur;
    return json_pack("{s:s s:o s:I}", "name", name, "limit_bytes", bytes_or_null(most),
                     "peak_bytes", (json_int_t)peak);
}

/* Processes of this program fork from their first threads only.  Returns the sum of
 * the peaks. */
static int64_t add_processes(pid_t pid, json_t *processes)
{
    char children[64];
    int64_t sum = read_peak(pid);
    json_array_append_new(processes, process_json(pid, sum));
    snprintf(children, sizeof children, "task/%d/children", (int)pid);
    FILE *file = open_process_file(pid, children);
    for (int child; file && fscanf(file, "%d", &child) == 1;)
        sum += add_processes(child, processes);
    if (file)
        fclose(file);
    return sum;
}

json_t *footprint_json(int64_t limit_bytes)
{
    json_t *processes = json_array();
    int64_t peak = add_processes(getpid(), processes);
    return json_pack("{s:o s:I s:o}", "limit_bytes", bytes_or_null(limit_bytes),
                     "peak_bytes", (json_int_t)peak, "processes", processes);
}
