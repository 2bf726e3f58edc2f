/* A cluster with keys: who is behind a connection, and what that lets them do. */
#include "scheduler/core.h"

#include "common/units.h"

#include <stdlib.h>
#include <string.h>

/* A connection that has shown a key.  The member is a copy, since lists change. */
struct guest {
    struct peer_id peer;
    struct member member;
    bool revoked;
};

int scheduler_peer_is(struct scheduler *scheduler, struct peer_id peer, const char *key)
{
    const struct member *member = members_find(&scheduler->members, key ? key : "");
    struct guest *guest = member ? malloc(sizeof *guest) : NULL;
    if (!guest)
        return member ? DUSK_E_NOMEM : DUSK_E_KEYS;
    *guest = (struct guest){peer, *member, false};
    guest_forget(scheduler, peer);
    int rc = map_put(&scheduler->guests, peer.number, guest);
    if (rc < 0)
        free(guest);
    return rc;
}

void guest_forget(struct scheduler *scheduler, struct peer_id peer)
{
    free(map_remove(&scheduler->guests, peer.number));
}

void guests_free(struct scheduler *scheduler)
{
    size_t position = 0;
    struct guest *guest;
    while ((guest = map_next(&scheduler->guests, &position)))
        free(guest);
    map_fini(&scheduler->guests);
}

/* ---- the list ---- */

static struct member_row *rows_of(const struct members *members)
{
    struct member_row *rows = calloc(members->count + 1, sizeof *rows);
    for (size_t i = 0; rows && i < members->count; i++)
        rows[i] =
            (struct member_row){members->items[i].role, str_of(members->items[i].name),
                                str_of(members->items[i].key)};
    return rows;
}

/* Whether its role lets it be what it is. */
static bool may_stay(const struct scheduler *scheduler, const struct guest *guest)
{
    const struct peer *bound = map_get(&scheduler->peers, guest->peer.number);
    unsigned rights = member_role_rights(guest->member.role);
    return !bound || rights & (bound->worker ? RIGHT_WORK : RIGHT_SUBMIT);
}

static void guest_review(struct scheduler *scheduler, struct guest *guest)
{
    const struct member *member = members_find(&scheduler->members, guest->member.key);
    if (guest->revoked)
        return;
    if (member) {
        guest->member = *member;
        if (!may_stay(scheduler, guest))
            peer_violated(scheduler, guest->peer, "its key is that of %s '%s' now",
                          member_role_name(member->role), member->name);
        return;
    }
    guest->revoked = true;
    peer_violated(scheduler, guest->peer, "the key of %s '%s' was revoked",
                  member_role_name(guest->member.role), guest->member.name);
}

int scheduler_set_members(struct scheduler *scheduler, struct members *members,
                          uint64_t now_ns)
{
    struct member_row *rows = rows_of(members);
    if (!rows)
        return DUSK_E_NOMEM;
    free(scheduler->member_rows);
    members_fini(&scheduler->members);
    scheduler->member_rows = rows;
    scheduler->members = *members;
    *members = (struct members){0};
    scheduler->now_ns = now_ns;
    size_t position = 0;
    struct guest *guest;
    while ((guest = map_next(&scheduler->guests, &position)))
        guest_review(scheduler, guest);
    LIST_FOREACH (link, &scheduler->workers)
        members_tell(scheduler, CONTAINER_OF(link, struct worker, link));
    scheduler_settle(scheduler);
    return 0;
}

const struct members *scheduler_members(const struct scheduler *scheduler)
{
    return &scheduler->members;
}

void members_tell(struct scheduler *scheduler, struct worker *worker)
{
    if (scheduler->member_rows)
        worker_send(scheduler, worker,
                    MESSAGE(members, .members = {scheduler->member_rows,
                                                 scheduler->members.count}));
}

/* ---- what they may ---- */

unsigned peer_rights(const struct scheduler *scheduler, struct peer_id peer)
{
    if (!scheduler->member_rows)
        return RIGHTS_ALL;
    const struct guest *guest = map_get(&scheduler->guests, peer.number);
    return guest && !guest->revoked ? member_role_rights(guest->member.role) : 0;
}

bool peer_may(struct scheduler *scheduler, struct peer_id peer, enum peer_right right,
              const char *what)
{
    const struct guest *guest = map_get(&scheduler->guests, peer.number);
    if (peer_rights(scheduler, peer) & right)
        return true;
    if (guest)
        peer_refuse(scheduler, peer, DUSK_E_FORBIDDEN,
                    "the key of %s '%s' does not let it %s",
                    member_role_name(guest->member.role), guest->member.name, what);
    else
        peer_refuse(scheduler, peer, DUSK_E_FORBIDDEN, "it has shown no key");
    return false;
}

/* ---- clocks ---- */

void scheduler_set_clock(struct scheduler *scheduler, uint64_t unix_ns, uint64_t now_ns)
{
    scheduler->unix_offset_ns = unix_ns - now_ns;
}

bool clock_agrees(struct scheduler *scheduler, struct peer_id peer, uint64_t unix_ns)
{
    uint64_t own_ns = scheduler->now_ns + scheduler->unix_offset_ns;
    bool ahead = unix_ns > own_ns;
    uint64_t skew_ns = ahead ? unix_ns - own_ns : own_ns - unix_ns;
    if (unix_ns == 0 || skew_ns <= scheduler->config.clock_skew_ns)
        return true;
    peer_refuse(scheduler, peer, DUSK_E_CLOCK,
                "its clock is %s %s the scheduler's, and %s are allowed",
                units_duration(skew_ns > INT64_MAX ? INT64_MAX : (int64_t)skew_ns).text,
                ahead ? "ahead of" : "behind",
                units_duration((int64_t)scheduler->config.clock_skew_ns).text);
    return false;
}
