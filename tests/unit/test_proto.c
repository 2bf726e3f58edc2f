#include "proto/batch.h"
#include "proto/limits.h"
#include "proto/outbox.h"
#include "proto/wire.h"
#include "tests/test.h"

#include <stdio.h>
#include <string.h>

/* ---- every message of the table, with random fields, there and back ---- */

static uint64_t random_state;

static uint64_t next_random(void)
{
    random_state += 0x9E3779B97F4A7C15u;
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static struct payload *some_payload(void)
{
    struct payload_builder builder;
    payload_builder_init(&builder);
    double data[6] = {1, 2, 3, 4, 5, 6};
    struct dusk_value values[] = {
        {.kind = DUSK_INT, .integer = -7},
        {.kind = DUSK_FLOAT, .number = 0.5},
        {.kind = DUSK_STRING, .string = "text"},
        {.kind = DUSK_BOOL, .integer = 1},
        {.kind = DUSK_NIL},
        {.kind = DUSK_ARRAY, .array = {DUSK_F64, 2, {2, 3}, data}},
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        ck_assert_int_eq(payload_builder_value(&builder, &values[i], NULL), 0);
    ck_assert_int_eq(payload_builder_future(&builder, key_make(5, 9), 2), 0);
    struct payload *payload;
    ck_assert_int_eq(payload_builder_finish(&builder, &payload), 0);
    return payload;
}

static char random_text[64];
static struct task_key random_keys[3];
static struct payload *random_blob;

static uint64_t make_u64(void)
{
    return next_random();
}

static int64_t make_i64(void)
{
    return (int64_t)next_random();
}

static struct str make_str(void)
{
    return (struct str){random_text, next_random() % sizeof random_text};
}

static struct task_key make_key(void)
{
    return (struct task_key){next_random() | 1};
}

static struct payload *make_blob(void)
{
    return next_random() % 2 ? random_blob : NULL;
}

static field_keys make_keys(void)
{
    return (field_keys){random_keys, next_random() % 4};
}

#define MAKE_FIELD(type, name) .name = make_##type(),
#define MAKE_ELEMENT(element)                                                          \
    static field_##element##s make_##element##s(void)                                  \
    {                                                                                  \
        static struct element items[3];                                                \
        for (int i = 0; i < 3; i++)                                                    \
            items[i] = (struct element){ELEMENT_##element(MAKE_FIELD)};                \
        return (field_##element##s){items, next_random() % 4};                         \
    }
ELEMENTS(MAKE_ELEMENT)

static bool same_u64(uint64_t a, uint64_t b)
{
    return a == b;
}

static bool same_i64(int64_t a, int64_t b)
{
    return a == b;
}

static bool same_str(struct str a, struct str b)
{
    return a.size == b.size && (!a.size || memcmp(a.text, b.text, a.size) == 0);
}

static bool same_key(struct task_key a, struct task_key b)
{
    return key_equal(a, b);
}

static bool same_blob(struct payload *a, struct payload *b)
{
    return !a == !b && (!a || payload_checksum(a) == payload_checksum(b));
}

static bool same_keys(field_keys a, field_keys b)
{
    bool same = a.count == b.count;
    for (size_t i = 0; same && i < a.count; i++)
        same = key_equal(a.items[i], b.items[i]);
    return same;
}

#define SAME_FIELD(type, name) &&same_##type(a->name, b->name)
#define SAME_ELEMENT(element)                                                          \
    static bool same_##element##s(field_##element##s x, field_##element##s y)          \
    {                                                                                  \
        bool same = x.count == y.count;                                                \
        for (size_t i = 0; same && i < x.count; i++) {                                 \
            const struct element *a = &x.items[i], *b = &y.items[i];                   \
            same = true ELEMENT_##element(SAME_FIELD);                                 \
        }                                                                              \
        return same;                                                                   \
    }
ELEMENTS(SAME_ELEMENT)

static void message_make(enum message_type type, struct message *message)
{
    *message = (struct message){.type = type};
    switch (type) {
#define CASE(number, name_)                                                            \
    case number:                                                                       \
        message->name_ = (struct msg_##name_){MESSAGE_##name_(MAKE_FIELD)};            \
        break;
        MESSAGES(CASE)
#undef CASE
    }
}

static bool message_same(const struct message *x, const struct message *y)
{
    if (x->type != y->type)
        return false;
    switch (x->type) {
#define CASE(number, name_)                                                            \
    case number: {                                                                     \
        const struct msg_##name_ *a = &x->name_, *b = &y->name_;                       \
        return true MESSAGE_##name_(SAME_FIELD);                                       \
    }
        MESSAGES(CASE)
#undef CASE
    }
    return false;
}

static const enum message_type all_types[] = {
#define NUMBER(number, name) MSG_##name,
    MESSAGES(NUMBER)
#undef NUMBER
};
#define TYPES (sizeof all_types / sizeof all_types[0])

/* The frames of a batch as a receiver gets them: borrowed, not to be released. */
static size_t batch_frames(const struct batch *batch, struct frame *frames, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < batch->payload_count; i++)
        for (unsigned f = 0; f < payload_frame_count(batch->payloads[i]); f++) {
            ck_assert_uint_lt(count, max);
            frames[count] = *payload_frame(batch->payloads[i], f);
            frames[count++].release = NULL;
        }
    return count;
}

static void random_setup(uint64_t seed)
{
    random_state = seed;
    for (size_t i = 0; i < sizeof random_text; i++)
        random_text[i] = (char)next_random();
    for (size_t i = 0; i < 3; i++)
        random_keys[i] = make_key();
    random_blob = some_payload();
}

START_TEST(every_message_travels)
{
    random_setup((uint64_t)_i);
    for (size_t t = 0; t < TYPES; t++) {
        struct message sent, received;
        message_make(all_types[t], &sent);
        struct batch batch;
        batch_init(&batch);
        ck_assert_int_eq(batch_add(&batch, &sent), 0);
        ck_assert_int_eq(batch_add(&batch, MESSAGE(alive, .epoch = 77)), 0);
        struct frame frames[8];
        size_t count = batch_frames(&batch, frames, 8);
        struct batch_reader reader;
        batch_reader_init(&reader, batch.header.data, batch.header.size, frames, count);
        struct err_text text = {""};
        ck_assert_msg(batch_reader_next(&reader, &received, &text) == 0, "%s: %s",
                      message_name(all_types[t]), text.line);
        ck_assert_msg(message_same(&sent, &received), "%s", message_name(all_types[t]));
        ck_assert_int_eq(batch_reader_next(&reader, &received, &text), 0);
        ck_assert_int_eq(received.type, MSG_alive);
        ck_assert_uint_eq(received.alive.epoch, 77);
        ck_assert_int_gt(batch_reader_next(&reader, &received, &text), 0);
        batch_reader_fini(&reader);
        batch_fini(&batch);
    }
    payload_unref(random_blob);
}
END_TEST

/* Cut and damaged headers are refused or read as something else; they never crash
 * and never make a message whose blob has frames that are not there. */
START_TEST(damaged_headers_do_no_harm)
{
    random_setup(1000 + (uint64_t)_i);
    size_t refused = 0;
    for (int round = 0; round < 2000; round++) {
        struct message sent, received;
        message_make(all_types[next_random() % TYPES], &sent);
        struct batch batch;
        batch_init(&batch);
        ck_assert_int_eq(batch_add(&batch, &sent), 0);
        struct frame frames[8];
        size_t count = batch_frames(&batch, frames, 8);
        size_t size = batch.header.size;
        if (next_random() % 2)
            size = next_random() % size;
        for (uint64_t n = next_random() % 4; n > 0 && size > 0; n--)
            batch.header.data[next_random() % size] = (uint8_t)next_random();
        if (next_random() % 4 == 0)
            count = 0;
        /* A copy of exactly that size lets a sanitizer see every overrun. */
        uint8_t *header = malloc(size ? size : 1);
        memcpy(header, batch.header.data, size);
        struct batch_reader reader;
        batch_reader_init(&reader, header, size, frames, count);
        int rc;
        while ((rc = batch_reader_next(&reader, &received, NULL)) == 0)
            continue;
        refused += rc < 0;
        batch_reader_fini(&reader);
        free(header);
        batch_fini(&batch);
    }
    ck_assert_uint_gt(refused, 500);
    payload_unref(random_blob);
}
END_TEST

static int unpack_all(const void *bytes, size_t size)
{
    msgpack_zone zone;
    msgpack_zone_init(&zone, 256);
    msgpack_object object;
    size_t offset = 0;
    int rc = wire_unpack(bytes, size, &offset, &zone, &object);
    msgpack_zone_destroy(&zone);
    return rc;
}

START_TEST(empty_promises_and_deep_nests_are_refused)
{
    static const uint8_t huge_array[] = {0xdd, 0xff, 0xff, 0xff, 0xff, 0x01};
    static const uint8_t huge_map[] = {0xdf, 0x7f, 0xff, 0xff, 0xff, 0x01, 0x01};
    static const uint8_t long_text[] = {0xdb, 0x00, 0x00, 0x00, 0x09, 'a', 'b'};
    static const uint8_t unused[] = {0xc1};
    ck_assert_int_eq(unpack_all(huge_array, sizeof huge_array), DUSK_E_PROTOCOL);
    ck_assert_int_eq(unpack_all(huge_map, sizeof huge_map), DUSK_E_PROTOCOL);
    ck_assert_int_eq(unpack_all(long_text, sizeof long_text), DUSK_E_PROTOCOL);
    ck_assert_int_eq(unpack_all(unused, sizeof unused), DUSK_E_PROTOCOL);
    ck_assert_int_eq(unpack_all("", 0), DUSK_E_PROTOCOL);
    uint8_t nest[LIMIT_DEPTH + 2];
    memset(nest, 0x91, sizeof nest);
    nest[LIMIT_DEPTH] = 0x01;
    ck_assert_int_eq(unpack_all(nest, LIMIT_DEPTH + 1), 0);
    nest[LIMIT_DEPTH] = 0x91;
    nest[LIMIT_DEPTH + 1] = 0x01;
    ck_assert_int_eq(unpack_all(nest, LIMIT_DEPTH + 2), DUSK_E_PROTOCOL);
}
END_TEST

/* Every width of number that msgpack has, at its ends: as what it can be read. */
static const struct number_row {
    uint8_t bytes[9];
    size_t size;
    bool is_u64, is_i64;
    uint64_t bits;
} number_rows[] = {
    {{0}, 0, false, false, 0},
    {{0x7f}, 1, true, true, 127},
    {{0xe0}, 1, false, true, (uint64_t)-32},
    {{0xcc, 0xff}, 2, true, true, 255},
    {{0xcd, 0x01, 0x00}, 3, true, true, 256},
    {{0xce, 0xff, 0xff, 0xff, 0xff}, 5, true, true, UINT32_MAX},
    {{0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 9, true, false, ~0ull},
    {{0xd0, 0x05}, 2, true, true, 5},
    {{0xd0, 0x80}, 2, false, true, (uint64_t)-128},
    {{0xd1, 0xff, 0x00}, 3, false, true, (uint64_t)-256},
    {{0xd2, 0x80, 0, 0, 0}, 5, false, true, (uint64_t)INT32_MIN},
    {{0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0}, 9, false, true, (uint64_t)INT64_MIN},
    {{0xc0}, 1, false, false, 0},
    {{0xca, 0, 0, 0, 0}, 5, false, false, 0},
    {{0xa1, 'x'}, 2, false, false, 0},
};

START_TEST(numbers_are_read_in_every_width)
{
    const struct number_row *row = &number_rows[_i];
    uint64_t number = 0;
    int64_t signed_number = 0;
    struct wire_reader reader = {row->bytes, row->size};
    ck_assert_int_eq(wire_read_u64(&reader, &number) == 0, row->is_u64);
    ck_assert_uint_eq(reader.left, row->is_u64 ? 0 : row->size);
    if (row->is_u64)
        ck_assert_uint_eq(number, row->bits);
    reader = (struct wire_reader){row->bytes, row->size};
    ck_assert_int_eq(wire_read_i64(&reader, &signed_number) == 0, row->is_i64);
    if (row->is_i64)
        ck_assert_int_eq(signed_number, (int64_t)row->bits);
    /* One that is cut off is none. */
    for (size_t size = 0; size < row->size; size++) {
        reader = (struct wire_reader){row->bytes, size};
        ck_assert_int_eq(wire_read_u64(&reader, &number), DUSK_E_PROTOCOL);
        ck_assert_int_eq(wire_read_i64(&reader, &signed_number), DUSK_E_PROTOCOL);
    }
}
END_TEST

/* Rows take as many bytes as they have fields, and one more: nobody makes room for
 * more of them than what has arrived can hold. */
START_TEST(lists_that_claim_too_much_are_refused)
{
    uint8_t bytes[64] = {0x92, MSG_release, 0xdc, 0x00, 60};
    struct message message;
    struct batch_reader reader;
    memset(bytes + 5, 0x01, sizeof bytes - 5);
    batch_reader_init(&reader, bytes, sizeof bytes, NULL, 0);
    ck_assert_int_eq(batch_reader_next(&reader, &message, NULL), DUSK_E_PROTOCOL);
    batch_reader_fini(&reader);
    bytes[4] = 59;
    batch_reader_init(&reader, bytes, sizeof bytes, NULL, 0);
    ck_assert_int_eq(batch_reader_next(&reader, &message, NULL), 0);
    ck_assert_uint_eq(message.release.keys.count, 59);
    batch_reader_fini(&reader);
}
END_TEST

START_TEST(fields_of_later_versions_are_skipped)
{
    static const uint8_t bytes[] = {0x94, MSG_release, 0x90, 0x92,        0xc3, 0xa1,
                                    'x',  0x05,        0x92, MSG_release, 0x91, 0x07};
    struct message message;
    struct batch_reader reader;
    batch_reader_init(&reader, bytes, sizeof bytes, NULL, 0);
    ck_assert_int_eq(batch_reader_next(&reader, &message, NULL), 0);
    ck_assert_uint_eq(message.release.keys.count, 0);
    ck_assert_int_eq(batch_reader_next(&reader, &message, NULL), 0);
    ck_assert_uint_eq(message.release.keys.items[0].bits, 7);
    ck_assert_int_eq(batch_reader_next(&reader, &message, NULL), 1);
    batch_reader_fini(&reader);
}
END_TEST

/* ---- payloads ---- */

START_TEST(payload_gives_back_its_values)
{
    struct payload *payload = some_payload();
    struct values *values;
    struct err_text text;
    ck_assert_int_eq(values_create(payload, &text, &values), 0);
    payload_unref(payload);
    ck_assert_uint_eq(values->count, 7);
    ck_assert_int_eq(values->items[0].plain.integer, -7);
    ck_assert_double_eq(values->items[1].plain.number, 0.5);
    ck_assert_str_eq(values->items[2].plain.string, "text");
    ck_assert_int_eq(values->items[3].plain.kind, DUSK_BOOL);
    ck_assert_int_eq(values->items[4].plain.kind, DUSK_NIL);
    const struct dusk_array *array = &values->items[5].plain.array;
    ck_assert_int_eq(array->ndim, 2);
    ck_assert_int_eq(array->shape[1], 3);
    ck_assert_double_eq(((double *)array->data)[5], 6);
    ck_assert_int_eq(values->items[6].kind, VALUE_FUTURE);
    ck_assert(key_equal(values->items[6].key, key_make(5, 9)));
    ck_assert_uint_eq(values->items[6].item, 2);
    values_destroy(values);
}
END_TEST

START_TEST(payload_of_nothing_is_empty)
{
    struct payload_builder builder;
    payload_builder_init(&builder);
    struct payload *payload;
    ck_assert_int_eq(payload_builder_finish(&builder, &payload), 0);
    struct values *values;
    ck_assert_int_eq(values_create(payload, NULL, &values), 0);
    ck_assert_uint_eq(values->count, 0);
    values_destroy(values);
    payload_unref(payload);
}
END_TEST

START_TEST(builder_refuses_what_cannot_travel)
{
    struct payload_builder builder;
    payload_builder_init(&builder);
    double data[2] = {0};
    const struct dusk_array bad[] = {
        {DUSK_F64, 0, {2}, data},           {DUSK_F64, DUSK_MAX_DIMS + 1, {1}, data},
        {DUSK_F64, 1, {-1}, data},          {DUSK_F64, 2, {INT64_MAX, INT64_MAX}, data},
        {(enum dusk_dtype)9, 1, {2}, data},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct dusk_value value = {.kind = DUSK_ARRAY, .array = bad[i]};
        ck_assert_int_eq(payload_builder_value(&builder, &value, NULL), DUSK_E_LIMIT);
    }
    struct dusk_value one = {.kind = DUSK_INT, .integer = 1};
    for (unsigned i = 0; i < LIMIT_ARGUMENTS; i++)
        ck_assert_int_eq(payload_builder_value(&builder, &one, NULL), 0);
    ck_assert_int_eq(payload_builder_value(&builder, &one, NULL), DUSK_E_LIMIT);
    struct payload *payload;
    ck_assert_int_eq(payload_builder_finish(&builder, &payload), 0);
    struct values *values;
    ck_assert_int_eq(values_create(payload, NULL, &values), 0);
    ck_assert_uint_eq(values->count, LIMIT_ARGUMENTS);
    values_destroy(values);
    payload_unref(payload);
}
END_TEST

static int read_first(const struct batch *batch)
{
    struct batch_reader reader;
    struct message message;
    struct err_text text;
    batch_reader_init(&reader, batch->header.data, batch->header.size, NULL, 0);
    int rc = batch_reader_next(&reader, &message, &text);
    batch_reader_fini(&reader);
    return rc;
}

/* Just what a builder takes fits into a message; what is larger comes from nobody. */
START_TEST(the_largest_head_travels)
{
    char *text = malloc(LIMIT_HEAD_BYTES);
    memset(text, 'x', LIMIT_HEAD_BYTES);
    struct dusk_value value = {.kind = DUSK_STRING, .string = text};
    struct payload_builder builder;
    payload_builder_init(&builder);
    text[LIMIT_HEAD_BYTES - 1] = '\0';
    ck_assert_int_eq(payload_builder_value(&builder, &value, NULL), DUSK_E_LIMIT);
    text[LIMIT_HEAD_BYTES - 10] = '\0'; /* 5 bytes of array, 5 of string */
    ck_assert_int_eq(payload_builder_value(&builder, &value, NULL), 0);
    free(text);
    struct payload *payload;
    ck_assert_int_eq(payload_builder_finish(&builder, &payload), 0);
    size_t size;
    const uint8_t *head = payload_head(payload, &size);
    ck_assert_uint_eq(size, LIMIT_HEAD_BYTES);
    struct batch batch;
    batch_init(&batch);
    ck_assert_int_eq(batch_add(&batch, MESSAGE(put_data, .key = {1}, .data = payload)),
                     0);
    ck_assert_int_eq(read_first(&batch), 0);
    batch_fini(&batch);
    uint8_t *longer = calloc(1, size + 1);
    memcpy(longer, head, size);
    payload_unref(payload);
    ck_assert_int_eq(payload_create(longer, size + 1, NULL, 0, &payload), 0);
    free(longer);
    ck_assert_int_eq(batch_add(&batch, MESSAGE(put_data, .key = {1}, .data = payload)),
                     0);
    ck_assert_int_eq(read_first(&batch), DUSK_E_PROTOCOL);
    payload_unref(payload);
    batch_fini(&batch);
}
END_TEST

START_TEST(damaged_payload_heads_do_no_harm)
{
    random_state = (uint64_t)_i;
    size_t refused = 0;
    for (int round = 0; round < 2000; round++) {
        struct payload *good = some_payload();
        size_t size;
        const uint8_t *head = payload_head(good, &size);
        uint8_t *copy = malloc(size);
        memcpy(copy, head, size);
        for (uint64_t n = 1 + next_random() % 3; n > 0; n--)
            copy[next_random() % size] = (uint8_t)next_random();
        struct frame frame = *payload_frame(good, 0);
        frame.release = NULL;
        struct payload *bad;
        ck_assert_int_eq(payload_create(copy, size, &frame, 1, &bad), 0);
        free(copy);
        struct values *values = NULL;
        if (values_create(bad, NULL, &values) < 0)
            refused++;
        else
            values_destroy(values);
        payload_unref(bad);
        payload_unref(good);
    }
    ck_assert_uint_gt(refused, 500);
}
END_TEST

/* ---- keys and outboxes ---- */

START_TEST(keys_are_read_as_they_are_written)
{
    struct task_key key = key_make(0xc0ffee, 17), read;
    char text[64];
    snprintf(text, sizeof text, KEY_FORMAT, KEY_ARGS(key));
    ck_assert_str_eq(text, "c0ffee-17");
    ck_assert(key_parse(text, &read));
    ck_assert(key_equal(read, key));
    const char *bad[] = {"",          "-",     "12",
                         "c0ffee-",   "-17",   "c0ffee-1x",
                         "fffffff-1", "xyz-1", "1-99999999999999999999",
                         "C0FFEE-1",  "0-0"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!key_parse(bad[i], &read), "%s", bad[i]);
}
END_TEST

START_TEST(outbox_gathers_by_peer_in_order)
{
    struct outbox outbox;
    outbox_init(&outbox);
    struct peer_id first = {7}, second = {3};
    ck_assert_int_eq(outbox_send(&outbox, first, MESSAGE(alive, 1)), 0);
    ck_assert_int_eq(outbox_send(&outbox, second, MESSAGE(alive, 2)), 0);
    ck_assert_int_eq(outbox_send(&outbox, first, MESSAGE(alive, 3)), 0);
    struct outbox_lane *lane = outbox_next(&outbox);
    ck_assert_uint_eq(lane->peer.number, 7);
    ck_assert_uint_eq(lane->batch.message_count, 2);
    outbox_retry(&outbox, lane);
    lane = outbox_next(&outbox);
    ck_assert_uint_eq(lane->peer.number, 3);
    lane = outbox_next(&outbox);
    ck_assert_uint_eq(lane->peer.number, 7);
    outbox_forget(&outbox, first);
    ck_assert_ptr_null(outbox_next(&outbox));
    outbox_fini(&outbox);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("proto");
    TCase *tcase = tcase_create("proto");
    tcase_add_loop_test(tcase, every_message_travels, 0, 20);
    tcase_add_loop_test(tcase, damaged_headers_do_no_harm, 0, 5);
    tcase_add_test(tcase, empty_promises_and_deep_nests_are_refused);
    tcase_add_loop_test(tcase, numbers_are_read_in_every_width, 0,
                        sizeof number_rows / sizeof number_rows[0]);
    tcase_add_test(tcase, lists_that_claim_too_much_are_refused);
    tcase_add_test(tcase, fields_of_later_versions_are_skipped);
    tcase_add_test(tcase, payload_gives_back_its_values);
    tcase_add_test(tcase, payload_of_nothing_is_empty);
    tcase_add_test(tcase, builder_refuses_what_cannot_travel);
    tcase_add_test(tcase, the_largest_head_travels);
    tcase_add_loop_test(tcase, damaged_payload_heads_do_no_harm, 0, 5);
    tcase_add_test(tcase, keys_are_read_as_they_are_written);
    tcase_add_test(tcase, outbox_gathers_by_peer_in_order);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
