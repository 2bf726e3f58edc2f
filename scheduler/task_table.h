/* The tasks by their keys.  A client counts its keys upwards, so neighbours are kept on
 * one page and only pages are hashed: a dense page costs nine bytes a task, and the
 * table grows in steps that are short however many there are. */
#ifndef SCHEDULER_TASK_TABLE_H
#define SCHEDULER_TASK_TABLE_H

#include "common/map.h"
#include "proto/ids.h"

struct task;

#define TASK_PAGE 32

struct task_page {
    size_t count;
    struct task *tasks[TASK_PAGE]; /* borrowed, by the lowest bits of the key */
};

struct task_table {
    struct map pages; /* owned, by the other bits */
    size_t count;
};

void task_table_init(struct task_table *table);
void task_table_fini(struct task_table *table);

/* NULL when there is none. */
struct task *task_table_get(const struct task_table *table, struct task_key key);

/* Adds a task that is not there.  DUSK_E_NOMEM changes nothing. */
int task_table_put(struct task_table *table, struct task_key key, struct task *task);

/* Harmless on a key that is not there. */
void task_table_remove(struct task_table *table, struct task_key key);

/* Whether any key is this client's.  Walks through the pages. */
bool task_table_has(const struct task_table *table, uint64_t client);

/* Walks: start with *position = 0; NULL at the end.  The table must not change
 * meanwhile. */
struct task *task_table_next(const struct task_table *table, size_t *position);

#endif
