/* Names of task functions, each stored once, with what is known of their duration. */
#ifndef SCHEDULER_FUNCTIONS_H
#define SCHEDULER_FUNCTIONS_H

#include "common/dusk_types.h"
#include "common/map.h"
#include "proto/messages.h"

struct function {
    struct function *next; /* with the same hash */
    uint64_t mean_ns;      /* of its runs, recent ones counting more; 0: none yet */
    uint64_t runs;
    char name[];
};

struct functions {
    struct map by_hash;
    size_t count;
};

void functions_init(struct functions *functions);
void functions_fini(struct functions *functions);

/* Found or made; it stays.  DUSK_E_NOMEM, DUSK_E_LIMIT when there are too many. */
int functions_get(struct functions *functions, struct str name,
                  struct function **ret_function);

void function_ran(struct function *function, uint64_t duration_ns);

#endif
