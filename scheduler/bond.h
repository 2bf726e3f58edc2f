/* Who has a stake in a task's result: workers that hold it, or shall get a copy, and
 * clients that want it.  A bond ties one task to one party and is found from either
 * side.  Most tasks have one holder, while they are in memory, and one wanter: those
 * bonds are near, they live in the task.  Others are far, allocated. */
#ifndef SCHEDULER_BOND_H
#define SCHEDULER_BOND_H

#include "common/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct task;

enum bond_kind { BOND_HOLDER, BOND_WANT, BOND_ASKED };

/* The side of a worker or a client. */
struct party {
    struct list bonds; /* in the order in which they were made */
    size_t count;
    enum bond_kind kind;
};

struct bond {
    uintptr_t party_bits; /* struct party *, and 1 in a far bond; 0: a free place */
    struct list link;     /* in party->bonds */
};

void party_init(struct party *party, enum bond_kind kind);

static inline struct party *bond_party(const struct bond *bond)
{
    return (struct party *)(bond->party_bits & ~(uintptr_t)1);
}

struct task *bond_task(const struct bond *bond);

/* For the owner of the kind: few bits, 0 at first. */
unsigned bond_flags(const struct bond *bond);
void bond_set_flags(struct bond *bond, unsigned flags);

struct bond *bond_find(const struct task *task, const struct party *party);

/* The next bond of this kind after `bond`; the first for NULL.  NULL at the end. */
struct bond *bond_next(const struct task *task, enum bond_kind kind,
                       const struct bond *bond);

static inline struct bond *bond_first(const struct task *task, enum bond_kind kind)
{
    return bond_next(task, kind, NULL);
}

/* Adds a bond that is not there yet.  DUSK_E_NOMEM, never for the first holder in
 * memory or the first wanter. */
int bond_add(struct task *task, struct party *party, struct bond **ret_bond);

/* Removes the bond; it may have been freed afterwards. */
void bond_remove(struct bond *bond);

/* Visits every bond; the visited one may be removed. */
#define BONDS_FOREACH(at, task, kind)                                                  \
    for (struct bond *at = bond_first(task, kind), *at##_next;                         \
         at && (at##_next = bond_next(task, kind, at), true); at = at##_next)

#endif
