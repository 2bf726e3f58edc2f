/* When the scheduler's shell asks whether connections are still there. */
#include "scheduler/peers.h"
#include "tests/test.h"

#define MS UINT64_C(1000000)

static struct identity identity_of(uint8_t number)
{
    return (struct identity){.size = 5, .bytes = {0, 0, 0, 0, number}};
}

/* Probes everybody until there is nothing left to probe: the number of times. */
static unsigned probe_to_the_end(struct peers *peers, uint64_t *now_ns)
{
    unsigned count = 0;
    while (peers_next_probe_ns(peers) != UINT64_MAX) {
        *now_ns = peers_next_probe_ns(peers);
        ck_assert_ptr_null(peers_next_suspect(peers, *now_ns - 1));
        while (peers_next_suspect(peers, *now_ns))
            count++;
    }
    return count;
}

START_TEST(a_closed_connection_is_probed_for_seconds)
{
    struct peers peers;
    uint64_t now_ns = 1000 * MS;
    peers_init(&peers);
    struct identity one = identity_of(1), two = identity_of(2);
    struct peer_link *first = peers_get(&peers, &one, 7, now_ns);
    struct peer_link *second = peers_get(&peers, &two, 8, now_ns);
    /* New ones, too, and turns that come fast use nothing up. */
    for (int turn = 0; turn < 100; turn++)
        ck_assert_ptr_null(peers_next_suspect(&peers, now_ns + (uint64_t)turn));
    ck_assert_uint_eq(probe_to_the_end(&peers, &now_ns) % 2, 0);
    ck_assert_ptr_eq(peers_get(&peers, &one, 7, now_ns), first);
    ck_assert_uint_eq(peers_next_probe_ns(&peers), UINT64_MAX);

    uint64_t closed_ns = now_ns;
    peers_suspect(&peers, 8, now_ns);
    ck_assert_ptr_eq(peers_next_suspect(&peers, now_ns + 5 * MS), second);
    ck_assert_uint_le(probe_to_the_end(&peers, &now_ns), 12);
    ck_assert_uint_ge(now_ns, closed_ns + 2000 * MS);
    ck_assert_uint_le(now_ns, closed_ns + 10000 * MS);
    peers_fini(&peers);
}
END_TEST

START_TEST(who_is_forgotten_is_probed_no_more)
{
    struct peers peers;
    peers_init(&peers);
    struct peer_link *links[100];
    for (uint8_t i = 0; i < 100; i++) {
        struct identity identity = identity_of(i);
        links[i] = peers_get(&peers, &identity, 7, i);
        ck_assert_ptr_nonnull(links[i]);
    }
    peers_suspect(&peers, 7, 1000);
    for (int i = 0; i < 99; i++)
        peers_forget(&peers, links[i]);
    ck_assert_ptr_eq(peers_next_suspect(&peers, UINT32_MAX), links[99]);
    ck_assert_ptr_null(peers_next_suspect(&peers, UINT32_MAX));
    peers_forget(&peers, links[99]);
    ck_assert_uint_eq(peers_next_probe_ns(&peers), UINT64_MAX);
    peers_fini(&peers);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scheduler_peers");
    TCase *tcase = tcase_create("scheduler_peers");
    tcase_add_test(tcase, a_closed_connection_is_probed_for_seconds);
    tcase_add_test(tcase, who_is_forgotten_is_probed_no_more);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
