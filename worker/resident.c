#include "worker/resident.h"

#include "worker/route.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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

/* "tcp://HOST:PORT", where HOST may be "[::]". */
static int address_split(const char *address, char *host, size_t host_size,
                         const char **ret_port)
{
    const char *begin = strncmp(address, "tcp://", 6) == 0 ? address + 6 : address;
    const char *colon = strrchr(begin, ':');
    if (!colon)
        return -1;
    const char *end = colon;
    if (*begin == '[' && end[-1] == ']') {
        begin++;
        end--;
    }
    if ((size_t)(end - begin) >= host_size)
        return -1;
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    *ret_port = colon + 1;
    return 0;
}

int resident_reachable(const char *bound, const char *scheduler, char *ret_address,
                       size_t size, struct err_text *text)
{
    char host[256], other[256];
    const char *port, *other_port;
    if (address_split(bound, host, sizeof host, &port) < 0 ||
        address_split(scheduler, other, sizeof other, &other_port) < 0)
        return err_set(text, DUSK_E_INVALID, "'%s' is not an address", bound);
    if (strcmp(host, "0.0.0.0") != 0 && strcmp(host, "::") != 0) {
        snprintf(ret_address, size, "%s", bound);
        return 0;
    }
    int rc = route_host(scheduler, host, text);
    if (rc == 0)
        snprintf(ret_address, size, "tcp://%s:%s", host, port);
    return rc;
}
