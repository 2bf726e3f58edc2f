/* The scheduler's journal.  The first byte tells what the rest is: the file; a record's
 * body, to which the right checksums are put; or a list of choices, by which records
 * are made, and then cut off or damaged at one place. */
#include "scheduler/journal.h"
#include "tests/fuzz/feed_message.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define RECORDS 8

struct file {
    uint8_t *bytes;
    size_t size;
    size_t ends[RECORDS]; /* of the records that were written whole */
    unsigned count;
};

/* Reads a record's messages. */
static void read_record(const struct journal_record *record)
{
    struct batch_reader reader;
    struct frame *frames;
    struct message message;
    struct err_text text;
    FUZZ_CHECK(journal_open_batch(record, &reader, &frames) == 0);
    while (batch_reader_next(&reader, &message, &text) == 0)
        FUZZ_CHECK(strcmp(message_name(message.type), "unknown") != 0);
    batch_reader_fini(&reader);
    free(frames);
}

/* Reads all there is from memory of exactly that size; returns the number of records
 * and the last outcome. */
static unsigned read_file(const uint8_t *bytes, size_t size, int *ret_outcome)
{
    struct journal_record record;
    struct err_text text = {.line = ""};
    size_t offset = 0, before = 0;
    unsigned count = 0;
    uint8_t *exact = malloc(size ? size : 1);
    if (size)
        memcpy(exact, bytes, size);
    while ((*ret_outcome = journal_read(exact, size, &offset, &record, &text)) ==
           JOURNAL_RECORD) {
        FUZZ_CHECK(offset > before && offset <= size);
        before = offset;
        read_record(&record);
        count++;
    }
    FUZZ_CHECK(offset <= size);
    FUZZ_CHECK(*ret_outcome == JOURNAL_END || *ret_outcome == JOURNAL_TORN ||
               (*ret_outcome == DUSK_E_DATA && text.line[0]));
    free(exact);
    return count;
}

static void append(struct file *file, const void *bytes, size_t size)
{
    file->bytes = realloc(file->bytes, file->size + size + 1);
    if (size)
        memcpy(file->bytes + file->size, bytes, size);
    file->size += size;
}

static void append_batch(struct file *file, struct feed *feed)
{
    struct batch batch;
    struct message message;
    uint8_t *bytes;
    size_t size;
    batch_init(&batch);
    for (unsigned i = feed_below(feed, 4); i > 0; i--) {
        struct payload *payload = feed_message(feed, 0, &message);
        batch_add(&batch, &message);
        payload_unref(payload);
    }
    FUZZ_CHECK(journal_encode(&batch, &bytes, &size) == 0);
    append(file, bytes, size);
    file->ends[file->count++] = file->size;
    free(bytes);
    batch_fini(&batch);
}

/* What was written before the damage is read, and nothing that comes after it. */
static void read_damaged(struct feed *feed)
{
    struct file file = {0};
    int outcome;
    unsigned whole = 0;
    append(&file, JOURNAL_MAGIC, JOURNAL_MAGIC_BYTES);
    for (unsigned i = feed_below(feed, RECORDS + 1); i > 0; i--)
        append_batch(&file, feed);
    FUZZ_CHECK(read_file(file.bytes, file.size, &outcome) == file.count);
    FUZZ_CHECK(outcome == JOURNAL_END);
    bool cut = feed_below(feed, 2);
    size_t at = feed_bits(feed) % file.size;
    while (whole < file.count && file.ends[whole] <= at)
        whole++;
    if (cut)
        file.size = at;
    else
        file.bytes[at] ^= (uint8_t)(1 + feed_below(feed, 255));
    FUZZ_CHECK(read_file(file.bytes, file.size, &outcome) == whole);
    FUZZ_CHECK(cut ? outcome >= 0 : outcome != JOURNAL_END);
    free(file.bytes);
}

static void read_body(const uint8_t *body, uint64_t size)
{
    struct file file = {0};
    int outcome;
    append(&file, JOURNAL_MAGIC, JOURNAL_MAGIC_BYTES);
    append(&file, &size, sizeof size);
    uint64_t sums[] = {XXH3_64bits(&size, sizeof size), XXH3_64bits(body, size)};
    append(&file, sums, sizeof sums);
    append(&file, body, size);
    read_file(file.bytes, file.size, &outcome);
    free(file.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed feed = {data, size, 0};
    unsigned kind = feed_below(&feed, 3);
    int outcome;
    if (kind == 0)
        read_file(data + feed.at, size - feed.at, &outcome);
    else if (kind == 1)
        read_body(data + feed.at, size - feed.at);
    else
        read_damaged(&feed);
    return 0;
}

void fuzz_seeds(fuzz_take_fn *take, void *context)
{
    uint64_t state = 1;
    for (unsigned i = 0; i < 24; i++) {
        uint8_t random[256], input[40000];
        struct file file = {0};
        for (size_t at = 0; at < sizeof random; at++)
            random[at] = (uint8_t)(fuzz_random(&state) >> 56);
        random[0] = 2;
        take(context, random, sizeof random);
        struct feed feed = {random, sizeof random, 1};
        append_batch(&file, &feed);
        size_t from = i % 2 ? 24 : 0, prefix = i % 2 ? 0 : JOURNAL_MAGIC_BYTES;
        input[0] = i % 2;
        memcpy(input + 1, JOURNAL_MAGIC, prefix);
        size_t size = file.size - from;
        if (1 + prefix + size < sizeof input) {
            memcpy(input + 1 + prefix, file.bytes + from, size);
            take(context, input, 1 + prefix + size);
        }
        free(file.bytes);
    }
}
