/* Who has a stake in a task's result: workers that hold it, clients that want it.
 * A bond ties one task to one party and is found from either side.  Most tasks have
 * one holder and one wanter, so the first bond of each kind lives in the task. */
#ifndef SCHEDULER_BOND_H
#define SCHEDULER_BOND_H

#include "common/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct task;

/* The side of a worker or a client. */
struct party {
    struct list bonds;
    size_t count;
};

struct bond {
    struct party *party; /* NULL: this place is free */
    struct task *task;
    struct list link;  /* in party->bonds, in the order in which they were made */
    struct bond *next; /* of the same task and kind */
    unsigned flags;    /* for the owner of the bond */
};

void party_init(struct party *party);

/* The chain that begins with the bond inside the task. */
struct bond *bond_find(struct bond *chain, const struct party *party);

/* The next bond after `bond`; the first for NULL.  NULL at the end. */
struct bond *bond_next(struct bond *chain, struct bond *bond);

static inline struct bond *bond_first(struct bond *chain)
{
    return bond_next(chain, NULL);
}

/* Adds a bond that is not there yet.  DUSK_E_NOMEM, never for a chain without
 * bonds. */
int bond_add(struct bond *chain, struct task *task, struct party *party,
             struct bond **ret_bond);

/* Removes the bond; it may have been freed afterwards. */
void bond_remove(struct bond *chain, struct bond *bond);

/* Visits every bond; the visited one may be removed. */
#define BONDS_FOREACH(at, chain)                                                       \
    for (struct bond *at = bond_first(chain), *at##_next;                              \
         at && (at##_next = bond_next(chain, at), true); at = at##_next)

#endif
