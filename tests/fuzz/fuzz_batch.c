/* Batches from the wire: the input is the number of frames, their sizes, the frames and
 * the header.  What can be read can be written again, and reads as the same. */
#include "proto/batch.h"
#include "proto/limits.h"
#include "tests/fuzz/feed_message.h"

#include <stdlib.h>
#include <string.h>

#define FRAMES 8

static volatile uint64_t read_sum; /* every byte is looked at */

/* Whatever a payload is read for must hold for its values too. */
static void read_values(struct payload *payload)
{
    struct values *values;
    struct err_text text;
    if (!payload || values_create(payload, &text, &values) < 0)
        return;
    FUZZ_CHECK(values->count <= LIMIT_ARGUMENTS);
    uint64_t sum = payload_checksum(payload);
    for (unsigned i = 0; i < values->count; i++) {
        const struct dusk_value *plain = &values->items[i].plain;
        size_t bytes;
        if (values->items[i].kind == VALUE_FUTURE)
            FUZZ_CHECK(values->items[i].key.bits != 0);
        else if (plain->kind == DUSK_STRING)
            sum += strlen(plain->string);
        else if (plain->kind == DUSK_ARRAY) {
            FUZZ_CHECK(array_bytes(&plain->array, &bytes) == 0);
            for (size_t at = 0; at < bytes; at++)
                sum += ((const uint8_t *)plain->array.data)[at];
        }
    }
    read_sum = sum;
    values_destroy(values);
}

static struct payload *blob_of(const struct message *message)
{
    switch (message->type) {
    case MSG_submit:
        return message->submit.arguments;
    case MSG_finished:
        return message->finished.result;
    case MSG_run_task:
        return message->run_task.arguments;
    case MSG_done:
        return message->done.result;
    case MSG_put_data:
        return message->put_data.data;
    case MSG_data:
        return message->data.data;
    default:
        return NULL;
    }
}

/* Reads everything and writes what was read; < 0 when the bytes break the protocol. */
static int read_batch(const void *header, size_t size, struct frame *frames,
                      size_t frame_count, struct batch *ret_again)
{
    struct batch_reader reader;
    struct message message;
    struct err_text text;
    batch_init(ret_again);
    batch_reader_init(&reader, header, size, frames, frame_count);
    int rc;
    while ((rc = batch_reader_next(&reader, &message, &text)) == 0) {
        FUZZ_CHECK(strcmp(message_name(message.type), "unknown") != 0);
        read_values(blob_of(&message));
        FUZZ_CHECK(batch_add(ret_again, &message) == 0);
    }
    batch_reader_fini(&reader);
    return rc > 0 ? 0 : rc;
}

static size_t take_frames(struct feed *feed, struct frame frames[FRAMES])
{
    size_t count = feed_below(feed, FRAMES + 1);
    for (size_t i = 0; i < count; i++) {
        size_t size;
        const uint8_t *bytes = feed_bytes(feed, feed_byte(feed), &size);
        void *copy = malloc(size ? size : 1);
        memcpy(copy, bytes, size);
        frames[i] = (struct frame){copy, size, free, copy};
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed feed = {data, size, 0};
    struct frame frames[FRAMES], *copies;
    size_t count = take_frames(&feed, frames), left;
    const uint8_t *bytes = feed_bytes(&feed, SIZE_MAX, &left);
    uint8_t *header = malloc(left ? left : 1);
    struct batch once, twice;
    memcpy(header, bytes, left);
    read_batch(header, left, frames, count, &once);
    count = feed_frames(&once, &copies);
    FUZZ_CHECK(read_batch(once.header.data, once.header.size, copies, count, &twice) ==
               0);
    FUZZ_CHECK(once.header.size == twice.header.size && once.bytes == twice.bytes);
    FUZZ_CHECK(!once.header.size ||
               memcmp(once.header.data, twice.header.data, once.header.size) == 0);
    batch_fini(&once);
    batch_fini(&twice);
    free(copies);
    free(header);
    return 0;
}

/* One input a kind of message, with what a random choice put into its fields. */
void fuzz_seeds(fuzz_take_fn *take, void *context)
{
    static const enum message_type types[] = {
#define TYPE(number, name) number,
        MESSAGES(TYPE)
#undef TYPE
    };
    uint64_t state = 1;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        uint64_t random[64];
        uint8_t input[20000] = {0};
        struct message message;
        struct batch batch;
        for (size_t at = 0; at < 64; at++)
            random[at] = fuzz_random(&state);
        struct feed feed = {(const uint8_t *)random, sizeof random, 0};
        batch_init(&batch);
        struct payload *payload = feed_message(&feed, types[i], &message);
        batch_add(&batch, &message);
        size_t size = 1;
        for (unsigned f = 0; payload && f < payload_frame_count(payload); f++) {
            const struct frame *frame = payload_frame(payload, f);
            if (frame->size > 255)
                continue;
            input[0]++;
            input[size++] = (uint8_t)frame->size;
            memcpy(input + size, frame->data, frame->size);
            size += frame->size;
        }
        if (size + batch.header.size < sizeof input) {
            memcpy(input + size, batch.header.data, batch.header.size);
            take(context, input, size + batch.header.size);
        }
        payload_unref(payload);
        batch_fini(&batch);
    }
}
