#include "scheduler/bond.h"

#include "common/dusk_types.h"
#include "scheduler/task.h"

#include <stdlib.h>

void party_init(struct party *party, enum bond_kind kind)
{
    list_init(&party->bonds);
    party->count = 0;
    party->kind = kind;
}

static struct far_bond *far_bond(const struct bond *bond)
{
    return bond->party_bits & 1 ? CONTAINER_OF(bond, struct far_bond, bond) : NULL;
}

/* The place for a bond of this kind in the task, used or free, if there is one. */
static struct bond *near_place(const struct task *task, enum bond_kind kind)
{
    struct task *owner = (struct task *)task;
    if (kind == BOND_WANT)
        return &owner->want;
    return kind == BOND_HOLDER && task->state == TASK_MEMORY ? &owner->holder : NULL;
}

struct task *bond_task(const struct bond *bond)
{
    if (far_bond(bond))
        return far_bond(bond)->task;
    return bond_party(bond)->kind == BOND_WANT
               ? CONTAINER_OF(bond, struct task, want)
               : CONTAINER_OF(bond, struct task, holder);
}

static uint8_t *flags_of(const struct bond *bond)
{
    if (far_bond(bond))
        return &far_bond(bond)->flags;
    struct task *task = bond_task(bond);
    return bond == &task->want ? &task->want_flags : &task->holder_flags;
}

unsigned bond_flags(const struct bond *bond)
{
    return *flags_of(bond);
}

void bond_set_flags(struct bond *bond, unsigned flags)
{
    *flags_of(bond) = (uint8_t)flags;
}

struct bond *bond_next(const struct task *task, enum bond_kind kind,
                       const struct bond *bond)
{
    struct bond *place = near_place(task, kind);
    if (!bond && place && place->party_bits)
        return place;
    struct far_bond *far = bond ? far_bond(bond) : NULL;
    if (far)
        far = far->next;
    else
        far = task->extra ? task->extra->bonds : NULL;
    while (far && bond_party(&far->bond)->kind != kind)
        far = far->next;
    return far ? &far->bond : NULL;
}

struct bond *bond_find(const struct task *task, const struct party *party)
{
    struct bond *bond = bond_first(task, party->kind);
    while (bond && bond_party(bond) != party)
        bond = bond_next(task, party->kind, bond);
    return bond;
}

static struct bond *far_bond_create(struct task *task)
{
    struct far_bond *far = task_extra(task) ? calloc(1, sizeof *far) : NULL;
    if (!far)
        return NULL;
    far->task = task;
    far->next = task->extra->bonds;
    task->extra->bonds = far;
    return &far->bond;
}

int bond_add(struct task *task, struct party *party, struct bond **ret_bond)
{
    struct bond *bond = near_place(task, party->kind);
    bool far = !bond || bond->party_bits;
    if (far && !(bond = far_bond_create(task)))
        return DUSK_E_NOMEM;
    bond->party_bits = (uintptr_t)party | far;
    bond_set_flags(bond, 0);
    list_init(&bond->link);
    list_append(&party->bonds, &bond->link);
    party->count++;
    if (ret_bond)
        *ret_bond = bond;
    return 0;
}

void bond_remove(struct bond *bond)
{
    struct far_bond *far = far_bond(bond);
    list_remove(&bond->link);
    bond_party(bond)->count--;
    bond->party_bits = 0;
    if (!far)
        return;
    struct far_bond **at = &far->task->extra->bonds;
    while (*at != far)
        at = &(*at)->next;
    *at = far->next;
    free(far);
}
