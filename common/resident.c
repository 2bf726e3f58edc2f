#include "common/resident.h"

#include <stdio.h>
#include <unistd.h>

static size_t statm_resident(const char *path)
{
    unsigned long size, resident;
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    int found = fscanf(file, "%lu %lu", &size, &resident);
    fclose(file);
    return found == 2 ? resident * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

size_t resident_bytes(void)
{
    return statm_resident("/proc/self/statm");
}

size_t resident_bytes_of(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    return statm_resident(path);
}

size_t resident_total(void)
{
    size_t total = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "re");
    unsigned long long limit;
    if (!file)
        return total;
    if (fscanf(file, "%llu", &limit) == 1 && limit < total)
        total = limit;
    fclose(file);
    return total;
}
