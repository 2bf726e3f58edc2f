#include "scheduler/bond.h"

#include "common/dusk_types.h"

#include <stdlib.h>

void party_init(struct party *party)
{
    list_init(&party->bonds);
    party->count = 0;
}

struct bond *bond_next(struct bond *chain, struct bond *bond)
{
    bond = bond ? bond->next : chain;
    while (bond && !bond->party)
        bond = bond->next;
    return bond;
}

struct bond *bond_find(struct bond *chain, const struct party *party)
{
    struct bond *bond = bond_first(chain);
    while (bond && bond->party != party)
        bond = bond_next(chain, bond);
    return bond;
}

int bond_add(struct bond *chain, struct task *task, struct party *party,
             struct bond **ret_bond)
{
    struct bond *bond = chain;
    if (chain->party) {
        if (!(bond = malloc(sizeof *bond)))
            return DUSK_E_NOMEM;
        bond->next = chain->next;
        chain->next = bond;
    }
    bond->party = party;
    bond->task = task;
    bond->flags = 0;
    list_init(&bond->link);
    list_append(&party->bonds, &bond->link);
    party->count++;
    if (ret_bond)
        *ret_bond = bond;
    return 0;
}

void bond_remove(struct bond *chain, struct bond *bond)
{
    list_remove(&bond->link);
    bond->party->count--;
    bond->party = NULL;
    if (bond == chain)
        return;
    struct bond *before = chain;
    while (before->next != bond)
        before = before->next;
    before->next = bond->next;
    free(bond);
}
