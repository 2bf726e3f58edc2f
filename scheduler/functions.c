#include "scheduler/functions.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* Names that were ever submitted; a real program has tens. */
#define FUNCTIONS_MAX 65536

void functions_init(struct functions *functions)
{
    map_init(&functions->by_hash);
    functions->count = 0;
}

void functions_fini(struct functions *functions)
{
    size_t position = 0;
    struct function *function;
    while ((function = map_next(&functions->by_hash, &position))) {
        while (function) {
            struct function *next = function->next;
            free(function);
            function = next;
        }
    }
    map_fini(&functions->by_hash);
}

static bool function_is(const struct function *function, struct str name)
{
    return strlen(function->name) == name.size &&
           memcmp(function->name, name.text, name.size) == 0;
}

int functions_get(struct functions *functions, struct str name,
                  struct function **ret_function)
{
    uint64_t hash = XXH3_64bits(name.text, name.size);
    struct function *first = map_get(&functions->by_hash, hash);
    for (struct function *function = first; function; function = function->next) {
        if (function_is(function, name)) {
            *ret_function = function;
            return 0;
        }
    }
    if (functions->count == FUNCTIONS_MAX)
        return DUSK_E_LIMIT;
    struct function *function = calloc(1, sizeof *function + name.size + 1);
    if (!function)
        return DUSK_E_NOMEM;
    memcpy(function->name, name.text, name.size);
    function->next = first;
    if (map_put(&functions->by_hash, hash, function) < 0) {
        free(function);
        return DUSK_E_NOMEM;
    }
    functions->count++;
    *ret_function = function;
    return 0;
}

void function_ran(struct function *function, uint64_t duration_ns)
{
    /* The plain mean of the first runs, later a mean that forgets slowly; at least
     * 1 ns, since 0 says that nothing is known. */
    uint64_t weight = function->runs < 16 ? ++function->runs : 16;
    int64_t step =
        ((int64_t)duration_ns - (int64_t)function->mean_ns) / (int64_t)weight;
    function->mean_ns = (uint64_t)((int64_t)function->mean_ns + step);
    if (function->mean_ns == 0)
        function->mean_ns = 1;
}
