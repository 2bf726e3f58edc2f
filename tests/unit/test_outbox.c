#include "proto/limits.h"
#include "proto/outbox.h"
#include "tests/test.h"

#include <string.h>

static const struct peer_id peer = {7};
static struct outbox outbox;

static void setup(void)
{
    outbox_init(&outbox);
}

static void teardown(void)
{
    outbox_fini(&outbox);
}

static int send_number(uint64_t number)
{
    return outbox_send(&outbox, peer, MESSAGE(alive, .epoch = number));
}

START_TEST(a_full_batch_is_refused)
{
    int rc = 0;
    for (unsigned i = 0; i < LIMIT_BATCH_MESSAGES; i++)
        rc |= send_number(i);
    ck_assert_int_eq(rc, 0);
    ck_assert_int_eq(send_number(0), DUSK_E_LIMIT);
    ck_assert(!outbox_more(outbox_next(&outbox)));
}
END_TEST

/* Reads the numbers in a batch, as the peer would. */
static uint64_t read_numbers(const struct batch *batch, uint64_t next)
{
    struct batch_reader reader;
    struct message message;
    batch_reader_init(&reader, batch->header.data, batch->header.size, NULL, 0);
    while (batch_reader_next(&reader, &message, NULL) == 0 &&
           message.alive.epoch == next)
        next++;
    batch_reader_fini(&reader);
    return next;
}

START_TEST(a_chained_outbox_keeps_the_order)
{
    outbox.chained = true;
    uint64_t count = 3 * (uint64_t)LIMIT_BATCH_MESSAGES + 5;
    int rc = 0;
    for (uint64_t i = 0; i < count; i++)
        rc |= send_number(i);
    ck_assert_int_eq(rc, 0);
    struct outbox_lane *lane = outbox_next(&outbox);
    ck_assert_ptr_null(outbox_next(&outbox));
    uint64_t next = 0;
    do {
        ck_assert_uint_le(lane->batch.message_count, LIMIT_BATCH_MESSAGES);
        next = read_numbers(&lane->batch, next);
    } while (outbox_more(lane));
    ck_assert_uint_eq(next, count);
}
END_TEST

START_TEST(a_slow_peer_meets_the_limit)
{
    enum { FRAME_BYTES = 16 << 20 };
    static char data[FRAME_BYTES];
    struct frame frame = {.data = data, .size = sizeof data};
    struct payload *payload;
    outbox.chained = true;
    ck_assert_int_eq(payload_create((uint8_t *)data, 1, &frame, 1, &payload), 0);
    const struct message *message = MESSAGE(data, .key = {1}, .data = payload);
    int rc, sent = 0;
    while ((rc = outbox_send(&outbox, peer, message)) == 0)
        sent++;
    ck_assert_int_eq(rc, DUSK_E_LIMIT);
    ck_assert_int_ge(sent, LIMIT_OUTBOX_BYTES / FRAME_BYTES);
    ck_assert_int_le(sent, LIMIT_OUTBOX_BYTES / FRAME_BYTES + 1);
    outbox_forget(&outbox, peer);
    ck_assert_int_eq(send_number(1), 0);
    payload_unref(payload);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("outbox");
    TCase *tests = tcase_create("outbox");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_full_batch_is_refused);
    tcase_add_test(tests, a_chained_outbox_keeps_the_order);
    tcase_add_test(tests, a_slow_peer_meets_the_limit);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
