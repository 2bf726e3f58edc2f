/* Data in numbers that do not fit into the workers' memory: scattered, made, added up,
 * gathered, kept and released. */
#include "tests/sim/workload.h"

#include <stdlib.h>

#define ITEMS_MAX 60
#define LENGTH_MAX 60000 /* doubles */

/* One future: an array of `count` times the same number, or one number. */
struct item {
    struct dusk_future *future;
    int64_t count; /* 0: it is the number */
    double value;
    bool scattered; /* it, or what it was made from */
};

struct data {
    struct process *process;
    struct dusk_client *client;
    int count;
    struct item items[ITEMS_MAX];
};

static uint64_t pick(struct data *data, uint64_t below)
{
    return program_random(data->process, below);
}

static bool is_alive(const struct data *data)
{
    return !program_is_killed(data->process);
}

/* ---- making ---- */

static int scatter(struct data *data, struct item *item)
{
    double *numbers = malloc((size_t)item->count * sizeof *numbers);
    if (!numbers)
        abort();
    for (int64_t i = 0; i < item->count; i++)
        numbers[i] = item->value;
    struct dusk_array array = dusk_vector(numbers, item->count);
    int rc = dusk_scatter(data->client, &item->future, "a", &array);
    item->scattered = true;
    free(numbers);
    return rc;
}

static int add_up(struct data *data, struct item *item)
{
    const struct item *of = &data->items[pick(data, (uint64_t)data->count)];
    if (!of->future || of->count == 0)
        return dusk_submit(data->client, &item->future, "fill", "ld", item->count,
                           item->value);
    item->scattered = of->scattered;
    item->value = of->value * (double)of->count;
    item->count = 0;
    return dusk_submit(data->client, &item->future, "total", "f", of->future);
}

static void item_make(struct data *data)
{
    struct item *item = &data->items[data->count];
    item->count = 1 + (int64_t)pick(data, pick(data, 3) ? LENGTH_MAX : 100);
    item->value = (double)pick(data, 1000);
    int rc = pick(data, 3) == 0 ? scatter(data, item)
             : data->count > 0  ? add_up(data, item)
                                : dusk_submit(data->client, &item->future, "fill", "ld",
                                              item->count, item->value);
    program_expect(data->process,
                   rc == 0 || program_may_fail(data->process, rc, dusk_last_error()),
                   "submit: %s", dusk_last_error());
    data->count++;
    program_count_tasks(data->process, 1);
}

/* ---- checking ---- */

static bool is_right(const struct item *item, const struct dusk_value *value)
{
    if (item->count == 0)
        return value->kind == DUSK_FLOAT && value->number == item->value;
    if (value->kind != DUSK_ARRAY || value->array.shape[0] != item->count)
        return false;
    const double *numbers = value->array.data;
    for (int64_t i = 0; i < item->count; i++)
        if (numbers[i] != item->value)
            return false;
    return true;
}

/* Scattered data have no recipe: they go with the worker that has them. */
static bool may_be_lost(const struct data *data, const struct item *item, int code)
{
    return item->scattered && program_saw_any(data->process) &&
           (code == DUSK_E_DATA_LOST || code == DUSK_E_UNREACHABLE);
}

/* A worker whose disk is full cannot take what does not fit into its memory. */
static bool may_lack_room(const struct data *data, int code)
{
    return (program_saw(data->process, FAULT_DISK) ||
            program_saw(data->process, FAULT_READ)) &&
           (code == DUSK_E_MEMORY_LIMIT || code == DUSK_E_DISK_FULL ||
            code == DUSK_E_IO);
}

static void item_check(struct data *data, const struct item *item)
{
    const struct dusk_value *values;
    int count, rc;
    program_doing(data->process, "waits for %s", dusk_future_key(item->future));
    while ((rc = dusk_result_values(item->future, DUSK_FOREVER, &values, &count)) ==
               DUSK_E_UNREACHABLE &&
           dusk_future_status(item->future) == DUSK_FINISHED && is_alive(data))
        program_sleep(data->process, NS_PER_S / 2);
    if (rc == 0)
        program_expect(data->process, count == 1 && is_right(item, values),
                       "%s has a wrong value", dusk_future_key(item->future));
    else
        program_expect(data->process,
                       may_be_lost(data, item, rc) || may_lack_room(data, rc) ||
                           program_may_fail(data->process, rc, dusk_last_error()),
                       "%s: %s", dusk_future_key(item->future), dusk_last_error());
}

static void some_deed(struct data *data)
{
    struct item *item = &data->items[pick(data, (uint64_t)data->count)];
    if (!item->future)
        return;
    switch (pick(data, 8)) {
    case 0:
        program_sleep(data->process, NS_PER_MS * pick(data, 2000));
        break;
    case 1:
        item_check(data, item);
        break;
    case 2:
        program_doing(data->process, "persists");
        dusk_persist(&item->future, 1, 2);
        break;
    case 3:
        dusk_release(&item->future, 1);
        break;
    default:
        break;
    }
}

static void gather_all(struct data *data)
{
    struct dusk_future *futures[ITEMS_MAX];
    int count = 0;
    for (int i = 0; i < data->count; i++)
        if (data->items[i].future)
            futures[count++] = data->items[i].future;
    program_doing(data->process, "gathers");
    dusk_gather(futures, count, 5);
}

static void run(struct process *process)
{
    struct data *data = calloc(1, sizeof *data);
    if (!data)
        abort();
    data->process = process;
    data->client = program_connect(process);
    int64_t items = program_tasks(process, 5 + (int64_t)pick(data, 30));
    while (data->client && is_alive(data) && data->count < items &&
           data->count < ITEMS_MAX) {
        item_make(data);
        some_deed(data);
    }
    if (data->client) {
        gather_all(data);
        for (int i = 0; i < data->count; i++)
            if (data->items[i].future)
                item_check(data, &data->items[i]);
        for (int i = 0; i < data->count; i++)
            dusk_release(&data->items[i].future, 1);
        dusk_close(data->client);
    }
    free(data);
}

const struct workload workload_data = {
    .name = "data",
    .summary = "arrays that are scattered, made, gathered and spilled",
    .limit_ns = 200 * NS_PER_S,
    .run = run,
};
