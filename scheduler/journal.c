#include "scheduler/journal.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define HEAD_BYTES 24 /* of a record */

static uint64_t u64_at(const uint8_t *bytes)
{
    uint64_t number;
    memcpy(&number, bytes, sizeof number);
    return le64toh(number);
}

static uint32_t u32_at(const uint8_t *bytes)
{
    uint32_t number;
    memcpy(&number, bytes, sizeof number);
    return le32toh(number);
}

static uint8_t *put(uint8_t *at, const void *data, size_t size)
{
    if (size)
        memcpy(at, data, size);
    return at + size;
}

static uint8_t *put_u64(uint8_t *at, uint64_t number)
{
    number = htole64(number);
    return put(at, &number, sizeof number);
}

static uint8_t *put_u32(uint8_t *at, uint32_t number)
{
    number = htole32(number);
    return put(at, &number, sizeof number);
}

/* ---- writing ---- */

static uint8_t *put_body(uint8_t *at, const struct batch *batch)
{
    at = put_u32(at, (uint32_t)batch->header.size);
    at = put_u32(at, (uint32_t)batch->frame_count);
    for (size_t i = 0; i < batch->payload_count; i++)
        for (unsigned f = 0; f < payload_frame_count(batch->payloads[i]); f++)
            at = put_u64(at, payload_frame(batch->payloads[i], f)->size);
    at = put(at, batch->header.data, batch->header.size);
    for (size_t i = 0; i < batch->payload_count; i++)
        for (unsigned f = 0; f < payload_frame_count(batch->payloads[i]); f++) {
            const struct frame *frame = payload_frame(batch->payloads[i], f);
            at = put(at, frame->data, frame->size);
        }
    return at;
}

int journal_encode(const struct batch *batch, uint8_t **ret_bytes, size_t *ret_size)
{
    size_t body = 8 + 8 * batch->frame_count + batch->bytes;
    uint8_t *bytes = malloc(HEAD_BYTES + body);
    if (!bytes)
        return DUSK_E_NOMEM;
    body = (size_t)(put_body(bytes + HEAD_BYTES, batch) - bytes) - HEAD_BYTES;
    put_u64(bytes, body);
    put_u64(bytes + 8, XXH3_64bits(bytes, 8));
    put_u64(bytes + 16, XXH3_64bits(bytes + HEAD_BYTES, body));
    *ret_bytes = bytes;
    *ret_size = HEAD_BYTES + body;
    return 0;
}

/* ---- reading ---- */

static bool all_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i])
            return false;
    return true;
}

static int magic_read(const uint8_t *bytes, size_t size, struct err_text *text)
{
    size_t there = size < JOURNAL_MAGIC_BYTES ? size : JOURNAL_MAGIC_BYTES;
    if (there && memcmp(bytes, JOURNAL_MAGIC, there) != 0 && !all_zero(bytes, size))
        return err_set(text, DUSK_E_DATA, "it is no journal of dusk");
    return there == JOURNAL_MAGIC_BYTES && bytes[0] ? 0 : JOURNAL_TORN;
}

/* Whether the sizes inside the body add up. */
static bool body_read(const uint8_t *body, uint64_t size, struct journal_record *record)
{
    if (size < 8)
        return false;
    record->header_size = u32_at(body);
    record->frame_count = u32_at(body + 4);
    record->sizes = body + 8;
    if (record->frame_count > (size - 8) / 8)
        return false;
    record->header = record->sizes + 8 * record->frame_count;
    uint64_t left = size - 8 - 8 * record->frame_count;
    if (record->header_size > left)
        return false;
    record->frames = record->header + record->header_size;
    left -= record->header_size;
    for (size_t i = 0; i < record->frame_count; i++) {
        uint64_t frame = u64_at(record->sizes + 8 * i);
        if (frame > left)
            return false;
        left -= frame;
    }
    return left == 0;
}

static int damaged(size_t offset, struct err_text *text)
{
    return err_set(text, DUSK_E_DATA, "the record at byte %zu is damaged", offset);
}

/* A record that reaches to the end of the file may have been torn by a crash; one
 * that others follow was written well once. */
int journal_read(const uint8_t *bytes, size_t size, size_t *offset,
                 struct journal_record *ret_record, struct err_text *text)
{
    if (size == 0)
        return JOURNAL_END;
    int rc = *offset == 0 ? magic_read(bytes, size, text) : 0;
    if (rc != 0)
        return rc;
    size_t at = *offset ? *offset : JOURNAL_MAGIC_BYTES;
    const uint8_t *head = bytes + at;
    size_t left = size - at;
    *offset = at;
    if (left == 0)
        return JOURNAL_END;
    if (left < HEAD_BYTES || all_zero(head, left))
        return JOURNAL_TORN;
    uint64_t length = u64_at(head);
    if (XXH3_64bits(head, 8) != u64_at(head + 8))
        return damaged(at, text);
    left -= HEAD_BYTES;
    if (length > left)
        return JOURNAL_TORN;
    if (XXH3_64bits(head + HEAD_BYTES, length) != u64_at(head + 16))
        return length == left ? JOURNAL_TORN : damaged(at, text);
    if (!body_read(head + HEAD_BYTES, length, ret_record))
        return damaged(at, text);
    *offset = at + HEAD_BYTES + length;
    return JOURNAL_RECORD;
}

static void frame_free(void *data)
{
    free(data);
}

int journal_open_batch(const struct journal_record *record,
                       struct batch_reader *ret_reader, struct frame **ret_frames)
{
    struct frame *frames = calloc(record->frame_count + 1, sizeof *frames);
    if (!frames)
        return DUSK_E_NOMEM;
    const uint8_t *data = record->frames;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < record->frame_count; i++) {
        size_t size = u64_at(record->sizes + 8 * i);
        void *copy = malloc(size ? size : 1);
        rc = copy ? 0 : DUSK_E_NOMEM;
        if (copy)
            put(copy, data, size);
        frames[i] = (struct frame){copy, size, frame_free, copy};
        data += size;
    }
    if (rc == 0) {
        batch_reader_init(ret_reader, record->header, record->header_size, frames,
                          record->frame_count);
        *ret_frames = frames;
        return 0;
    }
    for (size_t i = 0; i < record->frame_count; i++)
        free(frames[i].data);
    free(frames);
    return rc;
}
