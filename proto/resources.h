/* Resources as people write them: "GPU=1,disk=2".  A worker says what it has, a task
 * what it needs while it runs; the names mean what their users agree on. */
#ifndef PROTO_RESOURCES_H
#define PROTO_RESOURCES_H

#include "proto/messages.h"

#define RESOURCES_MAX 8
#define RESOURCE_NAME_BYTES 31

struct resource {
    char name[RESOURCE_NAME_BYTES + 1];
    int64_t quantity; /* 1 or more */
};

struct resources {
    unsigned count;
    struct resource items[RESOURCES_MAX];
};

/* Reads such a text; "" is none.  DUSK_E_INVALID with a line that names the part that
 * is wrong. */
int resources_parse(struct str text, struct err_text *error,
                    struct resources *ret_resources);

#endif
