#include "scheduler/task_table.h"

#include "common/dusk_types.h"

#include <stdlib.h>

void task_table_init(struct task_table *table)
{
    map_init(&table->pages);
    table->count = 0;
}

void task_table_fini(struct task_table *table)
{
    size_t position = 0;
    struct task_page *page;
    while ((page = map_next(&table->pages, &position)))
        free(page);
    map_fini(&table->pages);
    table->count = 0;
}

struct task *task_table_get(const struct task_table *table, struct task_key key)
{
    const struct task_page *page = map_get(&table->pages, key.bits / TASK_PAGE);
    return page ? page->tasks[key.bits % TASK_PAGE] : NULL;
}

int task_table_put(struct task_table *table, struct task_key key, struct task *task)
{
    struct task_page *page = map_get(&table->pages, key.bits / TASK_PAGE);
    if (!page) {
        if (!(page = calloc(1, sizeof *page)))
            return DUSK_E_NOMEM;
        if (map_put(&table->pages, key.bits / TASK_PAGE, page) < 0) {
            free(page);
            return DUSK_E_NOMEM;
        }
    }
    page->tasks[key.bits % TASK_PAGE] = task;
    page->count++;
    table->count++;
    return 0;
}

void task_table_remove(struct task_table *table, struct task_key key)
{
    struct task_page *page = map_get(&table->pages, key.bits / TASK_PAGE);
    if (!page || !page->tasks[key.bits % TASK_PAGE])
        return;
    page->tasks[key.bits % TASK_PAGE] = NULL;
    table->count--;
    if (--page->count == 0)
        free(map_remove(&table->pages, key.bits / TASK_PAGE));
}

bool task_table_has(const struct task_table *table, uint64_t client)
{
    for (size_t i = 0; i < table->pages.capacity; i++) {
        const struct map_slot *slot = &table->pages.slots[i];
        if (slot->value && slot->key * TASK_PAGE >> KEY_COUNT_BITS == client)
            return true;
    }
    return false;
}

struct task *task_table_next(const struct task_table *table, size_t *position)
{
    while (*position < table->pages.capacity * TASK_PAGE) {
        size_t at = (*position)++;
        const struct task_page *page = table->pages.slots[at / TASK_PAGE].value;
        if (!page)
            *position += TASK_PAGE - 1;
        else if (page->tasks[at % TASK_PAGE])
            return page->tasks[at % TASK_PAGE];
    }
    return NULL;
}
