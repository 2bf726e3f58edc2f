#include "scheduler/core.h"

#include <stdlib.h>
#include <string.h>

static struct demand *demand_create(struct str text, struct str worker,
                                    struct err_text *error)
{
    struct demand *demand = calloc(1, sizeof *demand);
    if (demand) {
        list_init(&demand->link);
        heap_init(&demand->queue);
        demand->text = str_copy(text);
        demand->worker = str_copy(worker);
        if (demand->text && demand->worker)
            return demand;
        demand_destroy(demand);
    }
    err_set(error, DUSK_E_NOMEM, "the scheduler is out of memory");
    return NULL;
}

void demand_destroy(struct demand *demand)
{
    heap_fini(&demand->queue);
    free(demand->text);
    free(demand->worker);
    free(demand);
}

static struct demand *demand_find(const struct scheduler *scheduler, struct str text,
                                  struct str worker)
{
    LIST_FOREACH (link, &scheduler->demands) {
        struct demand *demand = CONTAINER_OF(link, struct demand, link);
        if (text_is(text, demand->text) && text_is(worker, demand->worker))
            return demand;
    }
    return NULL;
}

/* Whether there is room for one more, if need be that of those without users. */
static bool demands_have_room(struct scheduler *scheduler)
{
    size_t count = 0;
    LIST_FOREACH (link, &scheduler->demands)
        count++;
    if (count < DEMANDS_MAX)
        return true;
    LIST_FOREACH (unused, &scheduler->demands) {
        struct demand *demand = CONTAINER_OF(unused, struct demand, link);
        if (demand->users)
            continue;
        list_remove(unused);
        demand_destroy(demand);
        count--;
    }
    return count < DEMANDS_MAX;
}

int demand_get(struct scheduler *scheduler, struct str text, struct str worker,
               struct err_text *error, struct demand **ret_demand)
{
    struct demand *demand = demand_find(scheduler, text, worker);
    if (demand) {
        *ret_demand = demand;
        return 0;
    }
    struct resources needs;
    int rc = resources_parse(text, error, &needs);
    if (rc < 0)
        return rc;
    if (!demands_have_room(scheduler))
        return err_set(error, DUSK_E_LIMIT,
                       "the scheduler knows %d different needs of resources and takes "
                       "no more",
                       DEMANDS_MAX);
    if (!(demand = demand_create(text, worker, error)))
        return DUSK_E_NOMEM;
    demand->needs = needs;
    list_append(&scheduler->demands, &demand->link);
    *ret_demand = demand;
    return 0;
}

/* The worker's place for a resource; -1 when it has none. */
static int place_of(const struct worker *worker, const struct resource *resource)
{
    for (unsigned i = 0; i < worker->resources.count; i++)
        if (strcmp(worker->resources.items[i].name, resource->name) == 0)
            return (int)i;
    return -1;
}

/* Whether the worker has that much beside `used`, which may be NULL. */
static bool has(const struct demand *demand, const struct worker *worker,
                const int64_t *used)
{
    if (demand->worker[0] && strcmp(demand->worker, worker->name) != 0)
        return false;
    for (unsigned i = 0; i < demand->needs.count; i++) {
        const struct resource *need = &demand->needs.items[i];
        int place = place_of(worker, need);
        if (place < 0 ||
            worker->resources.items[place].quantity - (used ? used[place] : 0) <
                need->quantity)
            return false;
    }
    return true;
}

bool demand_suits(const struct demand *demand, const struct worker *worker)
{
    return !demand || has(demand, worker, NULL);
}

bool demand_fits(const struct demand *demand, const struct worker *worker)
{
    return !demand || has(demand, worker, worker->resources_used);
}

static void use(const struct demand *demand, struct worker *worker, int sign)
{
    for (unsigned i = 0; demand && i < demand->needs.count; i++) {
        int place = place_of(worker, &demand->needs.items[i]);
        if (place >= 0)
            worker->resources_used[place] += sign * demand->needs.items[i].quantity;
    }
}

void demand_take(const struct demand *demand, struct worker *worker)
{
    use(demand, worker, 1);
}

void demand_give(const struct demand *demand, struct worker *worker)
{
    use(demand, worker, -1);
}
