#include "worker/route.h"

#include "proto/link.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connecting a datagram socket sends nothing, but makes the kernel choose. */
static int local_address(const struct addrinfo *to, char *ret_host)
{
    struct sockaddr_storage local;
    socklen_t size = sizeof local;
    int fd = socket(to->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    char host[ROUTE_HOST_BYTES - 2];
    int failed = connect(fd, to->ai_addr, to->ai_addrlen) < 0 ||
                 getsockname(fd, (struct sockaddr *)&local, &size) < 0 ||
                 getnameinfo((struct sockaddr *)&local, size, host, sizeof host, NULL,
                             0, NI_NUMERICHOST) != 0;
    int error = errno;
    close(fd);
    errno = error;
    if (!failed)
        snprintf(ret_host, ROUTE_HOST_BYTES,
                 local.ss_family == AF_INET6 ? "[%s]" : "%s", host);
    return failed ? -1 : 0;
}

int route_host(const char *address, char ret_host[ROUTE_HOST_BYTES],
               struct err_text *text)
{
    char host[LINK_HOST_BYTES];
    const char *port = strrchr(address, ':') + 1;
    link_host(address, host);
    /* A name with addresses of both kinds stands for its IPv4 one, as in link_connect.
     */
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(host, port, &hints, &found);
    hints.ai_family = AF_UNSPEC;
    if (rc != 0)
        rc = getaddrinfo(host, port, &hints, &found);
    if (rc != 0)
        return err_set(text, DUSK_E_UNREACHABLE, "%s: host %s: %s", address, host,
                       gai_strerror(rc));
    int failed = -1;
    for (struct addrinfo *to = found; to && failed < 0; to = to->ai_next)
        failed = local_address(to, ret_host);
    freeaddrinfo(found);
    if (failed < 0)
        return err_set(text, DUSK_E_UNREACHABLE, "%s: no way to host %s: %s", address,
                       host, strerror(errno));
    return 0;
}
