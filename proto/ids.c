#include "proto/ids.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool key_parse(const char *text, struct task_key *ret_key)
{
    const char *dash = strchr(text, '-');
    if (!dash || dash != text + strspn(text, "0123456789abcdef") || dash == text)
        return false;
    if (dash[1] == '\0' || strspn(dash + 1, "0123456789") != strlen(dash + 1))
        return false;
    errno = 0;
    uint64_t client = strtoull(text, NULL, 16);
    uint64_t count = strtoull(dash + 1, NULL, 10);
    if (errno || client > KEY_CLIENT_MAX || count > KEY_COUNT_MAX ||
        (client == 0 && count == 0))
        return false;
    *ret_key = key_make(client, count);
    return true;
}
