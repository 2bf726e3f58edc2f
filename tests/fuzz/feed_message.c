#include "tests/fuzz/feed_message.h"

#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

#define ITEMS 3 /* in a list, at most */

/* ---- fields ---- */

struct task_key feed_key(struct feed *feed)
{
    uint8_t choice = feed_byte(feed);
    if (choice >= 250)
        return (struct task_key){feed_bits(feed) | 1};
    return key_make(1 + choice / 16 % 3, 1 + choice % 16);
}

static const char *const addresses[] = {"tcp://a:1", "tcp://b:1", "tcp://c:1",
                                        "tcp://127.0.0.1:1", "tcp://[::1]:1"};

const char *feed_address(struct feed *feed)
{
    return addresses[feed_below(feed, sizeof addresses / sizeof *addresses)];
}

struct str feed_str(struct feed *feed)
{
    static const char *const words[] = {"",
                                        "a",
                                        "b",
                                        "identity",
                                        "no-such-function",
                                        "tcp://",
                                        "tcp://a:99999",
                                        "in\x01visible"};
    enum { WORDS = sizeof words / sizeof *words, NAMES = 5 };
    static char longest[LIMIT_TEXT_BYTES];
    if (!longest[0])
        memset(longest, 'x', sizeof longest);
    unsigned choice = feed_below(feed, 2 * WORDS);
    size_t count;
    if (choice < WORDS)
        return str_of(words[choice]);
    if (choice < WORDS + NAMES)
        return str_of(addresses[choice - WORDS]);
    if (choice == WORDS + NAMES)
        return (struct str){longest, LIMIT_NAME_BYTES + feed_below(feed, 2)};
    if (choice == WORDS + NAMES + 1)
        return (struct str){longest, LIMIT_TEXT_BYTES};
    const char *text = (const char *)feed_bytes(feed, feed_below(feed, 16), &count);
    return (struct str){text, count};
}

static void add_value(struct feed *feed, struct payload_builder *builder)
{
    static double zeros[9000];
    static const int64_t lengths[] = {0, 1, 8, 100, 2000, 9000};
    struct dusk_value value = {.kind = (enum dusk_kind)feed_below(feed, 7),
                               .integer = (int64_t)feed_number(feed)};
    if (value.kind > DUSK_ARRAY) {
        payload_builder_future(builder, feed_key(feed), feed_below(feed, 3));
        return;
    }
    if (value.kind == DUSK_STRING)
        value.string = feed_address(feed);
    if (value.kind == DUSK_ARRAY)
        value.array = (struct dusk_array){
            .dtype = feed_below(feed, 2) ? DUSK_F32 : DUSK_F64,
            .ndim = 1,
            .shape = {lengths[feed_below(feed, sizeof lengths / sizeof *lengths)]},
            .data = zeros};
    payload_builder_value(builder, &value, NULL);
}

struct payload *feed_payload(struct feed *feed)
{
    struct payload *payload = NULL;
    unsigned count = feed_below(feed, 5);
    if (count == 4) { /* no values at all, or what the input says */
        size_t size;
        const uint8_t *bytes = feed_bytes(feed, feed_below(feed, 64), &size);
        payload_create(bytes, size, NULL, 0, &payload);
        return payload;
    }
    if (count == 0)
        return NULL;
    struct payload_builder builder;
    payload_builder_init(&builder);
    while (--count)
        add_value(feed, &builder);
    payload_builder_finish(&builder, &payload);
    return payload;
}

static field_keys feed_keys(struct feed *feed)
{
    static struct task_key items[ITEMS];
    size_t count = feed_below(feed, ITEMS + 1);
    for (size_t i = 0; i < count; i++)
        items[i] = feed_key(feed);
    return (field_keys){items, count};
}

static uint64_t feed_u64(struct feed *feed)
{
    return feed_number(feed);
}

static int64_t feed_i64(struct feed *feed)
{
    int64_t number = (int64_t)(feed_number(feed) >> 1);
    return feed_below(feed, 2) ? -number : number;
}

/* A message has one payload at most: that of the one being made. */
static struct payload *blob;

static struct payload *feed_blob(struct feed *feed)
{
    return blob = feed_payload(feed);
}

/* ---- elements and messages, made from their table ---- */

#define FEED_FIELD(type, name) value->name = feed_##type(feed);

#define DEFINE_FEED_ELEMENT(element)                                                   \
    static field_##element##s feed_##element##s(struct feed *feed)                     \
    {                                                                                  \
        static struct element items[ITEMS];                                            \
        size_t count = feed_below(feed, ITEMS + 1);                                    \
        for (size_t i = 0; i < count; i++) {                                           \
            struct element *value = &items[i];                                         \
            ELEMENT_##element(FEED_FIELD)                                              \
        }                                                                              \
        return (field_##element##s){items, count};                                     \
    }
ELEMENTS(DEFINE_FEED_ELEMENT)

#define DEFINE_FEED_MESSAGE(number, name)                                              \
    static void feed_msg_##name(struct feed *feed, struct msg_##name *value)           \
    {                                                                                  \
        MESSAGE_##name(FEED_FIELD)                                                     \
    }
MESSAGES(DEFINE_FEED_MESSAGE)

static enum message_type feed_type(struct feed *feed)
{
    static const enum message_type types[] = {
#define TYPE(number, name) number,
        MESSAGES(TYPE)
#undef TYPE
    };
    return types[feed_below(feed, sizeof types / sizeof *types)];
}

struct payload *feed_message(struct feed *feed, enum message_type type,
                             struct message *ret_message)
{
    blob = NULL;
    *ret_message = (struct message){.type = type ? type : feed_type(feed)};
    switch (ret_message->type) {
#define CASE(number, name)                                                             \
    case number:                                                                       \
        feed_msg_##name(feed, &ret_message->name);                                     \
        break;
        MESSAGES(CASE)
#undef CASE
    }
    return blob;
}

/* ---- the wire ---- */

static void *copy_of(const void *data, size_t size)
{
    void *copy = malloc(size ? size : 1); /* exact, so that a byte too far is seen */
    if (size)
        memcpy(copy, data, size);
    return copy;
}

size_t feed_frames(const struct batch *batch, struct frame **ret_frames)
{
    struct frame *frames = malloc((batch->frame_count + 1) * sizeof *frames);
    size_t count = 0;
    for (size_t i = 0; i < batch->payload_count; i++)
        for (unsigned f = 0; f < payload_frame_count(batch->payloads[i]); f++) {
            const struct frame *frame = payload_frame(batch->payloads[i], f);
            void *data = copy_of(frame->data, frame->size);
            frames[count++] = (struct frame){data, frame->size, free, data};
        }
    *ret_frames = frames;
    return count;
}

static void damage(struct feed *feed, uint8_t *header, size_t *size)
{
    for (unsigned i = 1 + feed_below(feed, 3); i > 0 && *size; i--)
        header[(feed_byte(feed) << 8 | feed_byte(feed)) % *size] = feed_byte(feed);
    if (feed_rarely(feed, 64))
        *size = *size * feed_byte(feed) / 256;
}

void feed_send(struct feed *feed, const struct message *message, bool damaged,
               const struct feed_wire *wire)
{
    struct batch batch;
    struct batch_reader reader;
    struct frame *frames;
    struct message received;
    struct err_text text;
    batch_init(&batch);
    batch_add(&batch, message);
    size_t size = batch.header.size, frame_count = feed_frames(&batch, &frames);
    uint8_t *header = copy_of(batch.header.data, size);
    batch_fini(&batch);
    if (damaged)
        damage(feed, header, &size);
    batch_reader_init(&reader, header, size, frames, frame_count);
    int rc;
    while ((rc = batch_reader_next(&reader, &received, &text)) == 0)
        wire->deliver(wire->context, &received);
    FUZZ_CHECK(damaged || rc > 0);
    if (rc < 0)
        wire->broken(wire->context, text.line);
    batch_reader_fini(&reader);
    free(frames);
    free(header);
}

static void lane_read(struct outbox_lane *lane, feed_heard_fn *heard, void *context)
{
    struct batch_reader reader;
    struct frame *frames;
    struct message message;
    struct err_text text;
    struct batch batch = lane->batch;
    batch_init(&lane->batch);
    struct peer_id peer = lane->peer;
    size_t frame_count = feed_frames(&batch, &frames);
    batch_reader_init(&reader, batch.header.data, batch.header.size, frames,
                      frame_count);
    int rc;
    while ((rc = batch_reader_next(&reader, &message, &text)) == 0)
        heard(context, peer, &message);
    FUZZ_CHECK(rc > 0);
    batch_reader_fini(&reader);
    free(frames);
    batch_fini(&batch);
}

void feed_drain(struct outbox *outbox, uint32_t stalled, feed_heard_fn *heard,
                void *context)
{
    struct outbox_lane *lane;
    struct list waiting;
    list_init(&waiting);
    while ((lane = outbox_next(outbox)))
        if (stalled >> (lane->peer.number % 32) & 1)
            list_append(&waiting, &lane->link);
        else
            lane_read(lane, heard, context);
    while (!list_is_empty(&waiting)) {
        lane = CONTAINER_OF(waiting.next, struct outbox_lane, link);
        list_remove(&lane->link);
        outbox_retry(outbox, lane);
    }
}
