#include "proto/rights.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    unsigned rights;
} roles[] = {
    [MEMBER_WORKER] = {"worker", RIGHT_WORK},
    [MEMBER_CLIENT] = {"client", RIGHT_SUBMIT | RIGHT_UPLOAD | RIGHT_SHUTDOWN},
    [MEMBER_SUBMITTER] = {"submitter", RIGHT_SUBMIT},
};
#define ROLES_END (sizeof roles / sizeof roles[0])

unsigned member_role_rights(enum member_role role)
{
    return role >= MEMBER_WORKER && role < ROLES_END ? roles[role].rights : 0;
}

const char *member_role_name(enum member_role role)
{
    return role >= MEMBER_WORKER && role < ROLES_END ? roles[role].name : NULL;
}

enum member_role member_role_parse(const char *word)
{
    for (enum member_role role = MEMBER_WORKER; role < ROLES_END; role++)
        if (strcmp(word, roles[role].name) == 0)
            return role;
    return 0;
}
