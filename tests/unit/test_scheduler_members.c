/* A cluster with keys: who may do what, and clocks. */
#include "tests/test.h"
#include "tests/unit/scheduler_script.h"

#include <stdlib.h>
#include <string.h>

static struct script s;

/* Lists are written as "w c s": a letter for the role, which is name and key too; "C"
 * is a submitter and "W" a worker with the key of the client "c". */
static void set_members(const char *letters)
{
    struct members members = {calloc(8, sizeof(struct member)), 0};
    for (; *letters; letters++) {
        struct member *member = &members.items[members.count];
        if (*letters == ' ')
            continue;
        members.count++;
        member->role = strchr("wW", *letters) ? MEMBER_WORKER
                       : *letters == 'c'      ? MEMBER_CLIENT
                                              : MEMBER_SUBMITTER;
        member->name[0] = *letters;
        member->key[0] = strchr("CW", *letters) ? 'c' : *letters;
    }
    ck_assert_int_eq(scheduler_set_members(s.scheduler, &members, s.now_ns), 0);
    ck_assert_ptr_null(members.items);
}

static void is(enum script_peer peer, const char *key)
{
    ck_assert_int_eq(scheduler_peer_is(s.scheduler, (struct peer_id){peer}, key), 0);
}

static const char *hello_client(enum script_peer peer, uint64_t unix_ns)
{
    return script_message(&s, peer,
                          MESSAGE(hello, .magic = PROTOCOL_MAGIC,
                                  .major = PROTOCOL_MAJOR, .role = ROLE_CLIENT,
                                  .epoch = peer, .client = peer - 10u,
                                  .unix_ns = unix_ns));
}

static void setup(void)
{
    script_init(&s);
}

static void teardown(void)
{
    script_fini(&s);
}

START_TEST(members_have_their_rights)
{
    set_members("w c s");
    is(W1, "w");
    is(C1, "c");
    is(C2, "s");
    expect("w1:welcome 1; w1:members w c s", script_worker(&s, W1, 1, 8));
    expect("c1:welcome 1", script_client(&s, C1));
    expect("c2:welcome 2", script_client(&s, C2));
    expect("w1:run_task 1#1 f", script_message(&s, C2, SUBMIT(1, "f")));
    expect("c2:outcome 5 FORBIDDEN: the key of this client does not allow to end the "
           "cluster",
           script_message(&s, C2, MESSAGE(shutdown, .request = 5)));
    expect("w1:shutdown", script_message(&s, C1, MESSAGE(shutdown, .request = 6)));
}
END_TEST

START_TEST(no_member_has_the_rights_of_another_role)
{
    set_members("w c s");
    is(W1, "c");
    is(W2, "s");
    is(C1, "w");
    expect("w1:refuse FORBIDDEN: the key of client 'c' does not let it be a worker",
           script_worker(&s, W1, 1, 8));
    expect("w2:refuse FORBIDDEN: the key of submitter 's' does not let it be a worker",
           script_worker(&s, W2, 1, 8));
    expect("c1:refuse FORBIDDEN: the key of worker 'w' does not let it be a client",
           script_client(&s, C1));
}
END_TEST

START_TEST(without_a_known_key_there_are_no_rights)
{
    set_members("w c");
    struct peer_id peer = {W1};
    ck_assert_int_eq(scheduler_peer_is(s.scheduler, peer, "x"), DUSK_E_KEYS);
    ck_assert_int_eq(scheduler_peer_is(s.scheduler, peer, ""), DUSK_E_KEYS);
    ck_assert_int_eq(scheduler_peer_is(s.scheduler, peer, NULL), DUSK_E_KEYS);
    expect("w1:refuse FORBIDDEN: it has shown no key", script_worker(&s, W1, 1, 8));
    expect("c1:refuse FORBIDDEN: it has shown no key", script_client(&s, C1));
}
END_TEST

START_TEST(who_is_revoked_is_closed_and_workers_are_told)
{
    struct peer_id closed;
    set_members("w c s");
    is(W1, "w");
    is(C1, "c");
    is(C2, "s");
    script_worker(&s, W1, 1, 8);
    script_client(&s, C1);
    script_client(&s, C2);
    set_members("w s");
    ck_assert(scheduler_next_closed(s.scheduler, &closed));
    ck_assert_int_eq(closed.number, C1);
    ck_assert(!scheduler_next_closed(s.scheduler, &closed));
    struct note note;
    ck_assert(scheduler_next_note(s.scheduler, &note));
    ck_assert_str_eq(note.event, "peer dropped");
    ck_assert_str_eq(note.fields[2].text, "the key of client 'c' was revoked");
    expect("w1:members w s; c1:refuse FORBIDDEN: the key of client 'c' does not let it "
           "be a client",
           script_client(&s, C1));
    ck_assert_int_eq(scheduler_peer_is(s.scheduler, (struct peer_id){C3}, "c"),
                     DUSK_E_KEYS);
}
END_TEST

START_TEST(a_role_that_changes_counts_at_once)
{
    set_members("w c");
    is(C1, "c");
    script_client(&s, C1);
    set_members("w C");
    expect("c1:outcome 5 FORBIDDEN: the key of this client does not allow to end the "
           "cluster",
           script_message(&s, C1, MESSAGE(shutdown, .request = 5)));
}
END_TEST

START_TEST(who_may_be_no_client_any_more_is_closed)
{
    struct peer_id closed;
    set_members("w c");
    is(W1, "w");
    is(C1, "c");
    script_worker(&s, W1, 1, 8);
    script_client(&s, C1);
    set_members("w W");
    ck_assert(scheduler_next_closed(s.scheduler, &closed));
    ck_assert_int_eq(closed.number, C1);
    ck_assert(!scheduler_next_closed(s.scheduler, &closed));
    expect("w1:members w W; c1:refuse FORBIDDEN: the key of worker 'W' does not let it "
           "be a client",
           script_client(&s, C1));
}
END_TEST

#define S UINT64_C(1000000000)
#define HOUR (3600 * S)

static const struct {
    uint64_t clock_ns, hello_ns;
    const char *answer;
} clocks[] = {
    {HOUR, HOUR, "c1:welcome 1"},
    {HOUR, HOUR + 60 * S, "c1:welcome 1"},
    {HOUR, HOUR - 60 * S, "c1:welcome 1"},
    {HOUR, 0, "c1:welcome 1"},
    {HOUR, HOUR + 61 * S,
     "c1:refuse CLOCK: its clock is 1m01s ahead of the scheduler's, and 1m00s are "
     "allowed"},
    {HOUR, HOUR - 61 * S,
     "c1:refuse CLOCK: its clock is 1m01s behind the scheduler's, and 1m00s are "
     "allowed"},
    {HOUR, 1,
     "c1:refuse CLOCK: its clock is 59m59s behind the scheduler's, and 1m00s are "
     "allowed"},
    {0, 62 * S,
     "c1:refuse CLOCK: its clock is 1m02s ahead of the scheduler's, and 1m00s are "
     "allowed"},
};

START_TEST(clocks_must_agree)
{
    scheduler_set_clock(s.scheduler, clocks[_i].clock_ns, s.now_ns);
    expect(clocks[_i].answer, hello_client(C1, clocks[_i].hello_ns));
}
END_TEST

START_TEST(any_clock_can_be_said_to_be_wrong)
{
    scheduler_set_clock(s.scheduler, HOUR, s.now_ns);
    const char *answer = hello_client(C1, UINT64_MAX);
    ck_assert_ptr_nonnull(strstr(answer, "c1:refuse CLOCK: its clock is "));
    ck_assert_ptr_nonnull(strstr(answer, " ahead of the scheduler's"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scheduler_members");
    TCase *tcase = tcase_create("scheduler_members");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, members_have_their_rights);
    tcase_add_test(tcase, no_member_has_the_rights_of_another_role);
    tcase_add_test(tcase, without_a_known_key_there_are_no_rights);
    tcase_add_test(tcase, who_is_revoked_is_closed_and_workers_are_told);
    tcase_add_test(tcase, a_role_that_changes_counts_at_once);
    tcase_add_test(tcase, who_may_be_no_client_any_more_is_closed);
    tcase_add_loop_test(tcase, clocks_must_agree, 0,
                        (int)(sizeof clocks / sizeof clocks[0]));
    tcase_add_test(tcase, any_clock_can_be_said_to_be_wrong);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
