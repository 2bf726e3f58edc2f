#include "proto/batch.h"

#include "proto/limits.h"

#include <stdlib.h>
#include <string.h>

/* A message carries one payload at most; see MESSAGES. */

void batch_init(struct batch *batch)
{
    *batch = (struct batch){0};
    buf_init(&batch->header, LIMIT_HEADER_BYTES);
}

void batch_fini(struct batch *batch)
{
    for (size_t i = 0; i < batch->payload_count; i++)
        payload_unref(batch->payloads[i]);
    free(batch->payloads);
    buf_fini(&batch->header);
    batch_init(batch);
}

/* ---- encoding: one function for each type of field ---- */

struct encoder {
    struct buf *out;
    struct payload *blob;
};

static int pack_u64(struct encoder *e, uint64_t value)
{
    return wire_pack_uint64(e->out, value);
}

static int pack_i64(struct encoder *e, int64_t value)
{
    return wire_pack_int64(e->out, value);
}

static int pack_str(struct encoder *e, struct str value)
{
    size_t size = value.size < LIMIT_TEXT_BYTES ? value.size : LIMIT_TEXT_BYTES;
    int rc = wire_pack_str(e->out, size);
    return rc ? rc : buf_append(e->out, value.text, size);
}

static int pack_key(struct encoder *e, struct task_key value)
{
    return wire_pack_uint64(e->out, value.bits);
}

static int pack_blob(struct encoder *e, struct payload *value)
{
    if (!value)
        return wire_pack_nil(e->out);
    e->blob = value;
    size_t size;
    const uint8_t *head = payload_head(value, &size);
    int rc = wire_pack_array(e->out, 2);
    rc = rc ? rc : wire_pack_bin(e->out, size);
    rc = rc ? rc : buf_append(e->out, head, size);
    return rc ? rc : wire_pack_uint32(e->out, payload_frame_count(value));
}

static int pack_keys(struct encoder *e, field_keys list)
{
    int rc = wire_pack_array(e->out, list.count);
    for (size_t i = 0; rc == 0 && i < list.count; i++)
        rc = pack_key(e, list.items[i]);
    return rc;
}

#define COUNT_FIELD(type, name) +1
#define PACK_FIELD(type, name) rc = rc ? rc : pack_##type(e, value->name);

#define DEFINE_PACK_ELEMENT(element)                                                   \
    static int pack_##element##s(struct encoder *e, field_##element##s list)           \
    {                                                                                  \
        int rc = wire_pack_array(e->out, list.count);                                  \
        for (size_t i = 0; rc == 0 && i < list.count; i++) {                           \
            const struct element *value = &list.items[i];                              \
            rc = wire_pack_array(e->out, 0 ELEMENT_##element(COUNT_FIELD));            \
            ELEMENT_##element(PACK_FIELD)                                              \
        }                                                                              \
        return rc;                                                                     \
    }
ELEMENTS(DEFINE_PACK_ELEMENT)

#define DEFINE_PACK_MESSAGE(number, name)                                              \
    static int pack_msg_##name(struct encoder *e, const struct msg_##name *value)      \
    {                                                                                  \
        int rc = wire_pack_array(e->out, 1 MESSAGE_##name(COUNT_FIELD));               \
        rc = rc ? rc : wire_pack_uint8(e->out, number);                                \
        MESSAGE_##name(PACK_FIELD) return rc;                                          \
    }
MESSAGES(DEFINE_PACK_MESSAGE)

static int encode(struct encoder *e, const struct message *message)
{
    switch (message->type) {
#define CASE(number, name)                                                             \
    case number:                                                                       \
        return pack_msg_##name(e, &message->name);
        MESSAGES(CASE)
#undef CASE
    }
    return DUSK_E_INVALID;
}

static int batch_reserve_payload(struct batch *batch)
{
    if (batch->payload_count < batch->payload_capacity)
        return 0;
    size_t capacity = batch->payload_capacity ? 2 * batch->payload_capacity : 16;
    void *payloads = realloc(batch->payloads, capacity * sizeof *batch->payloads);
    if (!payloads)
        return DUSK_E_NOMEM;
    batch->payloads = payloads;
    batch->payload_capacity = capacity;
    return 0;
}

int batch_add(struct batch *batch, const struct message *message)
{
    int rc = batch_reserve_payload(batch);
    if (rc < 0)
        return rc;
    if (batch->message_count >= LIMIT_BATCH_MESSAGES)
        return DUSK_E_LIMIT;
    size_t before = batch->header.size;
    struct encoder encoder = {.out = &batch->header};
    rc = encode(&encoder, message);
    struct payload *blob = encoder.blob;
    size_t frames = rc == 0 && blob ? payload_frame_count(blob) : 0;
    if (rc == 0 && batch->frame_count + frames > LIMIT_BATCH_FRAMES)
        rc = DUSK_E_LIMIT;
    if (rc < 0) {
        batch->header.size = before;
        return rc;
    }
    batch->bytes += batch->header.size - before;
    for (size_t i = 0; i < frames; i++)
        batch->bytes += payload_frame(blob, (unsigned)i)->size;
    if (frames)
        batch->payloads[batch->payload_count++] = payload_ref(blob);
    batch->frame_count += frames;
    batch->message_count++;
    return 0;
}

/* ---- decoding ---- */

static int unpack_u64(struct batch_reader *r, uint64_t *ret)
{
    return wire_read_u64(&r->wire, ret);
}

static int unpack_i64(struct batch_reader *r, int64_t *ret)
{
    return wire_read_i64(&r->wire, ret);
}

static int unpack_str(struct batch_reader *r, struct str *ret)
{
    int rc = wire_read_str(&r->wire, &ret->text, &ret->size);
    return rc == 0 && ret->size > LIMIT_TEXT_BYTES ? DUSK_E_PROTOCOL : rc;
}

static int unpack_key(struct batch_reader *r, struct task_key *ret)
{
    int rc = wire_read_u64(&r->wire, &ret->bits);
    return rc == 0 && ret->bits == 0 ? DUSK_E_PROTOCOL : rc;
}

static int unpack_blob(struct batch_reader *r, struct payload **ret)
{
    uint32_t parts;
    const uint8_t *head;
    size_t size;
    uint64_t count;
    *ret = NULL;
    if (wire_read_nil(&r->wire))
        return 0;
    if (r->blob || wire_read_array(&r->wire, &parts) < 0 || parts != 2 ||
        wire_read_bin(&r->wire, &head, &size) < 0 || size > LIMIT_HEAD_BYTES ||
        wire_read_u64(&r->wire, &count) < 0 || count > r->frame_count - r->frame_next)
        return DUSK_E_PROTOCOL;
    struct frame *first = r->frame_count ? &r->frames[r->frame_next] : NULL;
    r->frame_next += count;
    int rc = payload_create(head, size, first, (unsigned)count, &r->blob);
    *ret = r->blob;
    return rc;
}

struct list_memory {
    struct list_memory *next;
    uint64_t items[];
};

/* Room for a list whose elements take `least` bytes each on the wire; empty ones need
 * none. */
static int list_room(struct batch_reader *r, size_t size, size_t least,
                     uint32_t *ret_count, void *ret_items)
{
    uint32_t count;
    if (wire_read_array(&r->wire, &count) < 0 || count > r->wire.left / least)
        return DUSK_E_PROTOCOL;
    struct list_memory *lists = NULL;
    void *items = NULL;
    if (count) {
        if (!(lists = malloc(sizeof *lists + count * size)))
            return DUSK_E_NOMEM;
        lists->next = r->lists;
        r->lists = lists;
        items = lists->items;
    }
    memcpy(ret_items, &items, sizeof items);
    *ret_count = count;
    return 0;
}

static int unpack_keys(struct batch_reader *r, field_keys *ret)
{
    struct task_key *items;
    uint32_t count = 0;
    int rc = list_room(r, sizeof *items, 1, &count, &items);
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = unpack_key(r, &items[i]);
    if (rc == 0)
        *ret = (field_keys){items, count};
    return rc;
}

/* Fields are read in order; a peer of a later minor version may append more. */
static int fields_skip(struct batch_reader *r, uint32_t count)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = wire_skip(&r->wire);
    return rc;
}

#define UNPACK_FIELD(type, name) rc = rc ? rc : unpack_##type(r, &value->name);

#define DEFINE_UNPACK_ELEMENT(element)                                                 \
    static int unpack_##element(struct batch_reader *r, struct element *value)         \
    {                                                                                  \
        static const uint32_t known = 0 ELEMENT_##element(COUNT_FIELD);                \
        uint32_t count;                                                                \
        int rc = wire_read_array(&r->wire, &count);                                    \
        if (rc < 0 || count < known)                                                   \
            return DUSK_E_PROTOCOL;                                                    \
        ELEMENT_##element(UNPACK_FIELD) return rc ? rc                                 \
                                                  : fields_skip(r, count - known);     \
    }                                                                                  \
    static int unpack_##element##s(struct batch_reader *r, field_##element##s *ret)    \
    {                                                                                  \
        struct element *items;                                                         \
        uint32_t count = 0;                                                            \
        int rc = list_room(r, sizeof *items, 1 ELEMENT_##element(COUNT_FIELD), &count, \
                           &items);                                                    \
        for (uint32_t i = 0; rc == 0 && i < count; i++)                                \
            rc = unpack_##element(r, &items[i]);                                       \
        if (rc == 0)                                                                   \
            *ret = (field_##element##s){items, count};                                 \
        return rc;                                                                     \
    }
ELEMENTS(DEFINE_UNPACK_ELEMENT)

/* A hello may be of an older version, which its receiver has to tell: fields that it
 * does not have are zero. */
#define UNPACK_MESSAGE_FIELD(type, name)                                               \
    if (rc == 0 && left > 0) {                                                         \
        rc = unpack_##type(r, &value->name);                                           \
        left--;                                                                        \
    }

#define DEFINE_UNPACK_MESSAGE(number, name)                                            \
    static int unpack_msg_##name(struct batch_reader *r, uint32_t left,                \
                                 struct msg_##name *value)                             \
    {                                                                                  \
        int rc = 0;                                                                    \
        *value = (struct msg_##name){0};                                               \
        if (left < 0 MESSAGE_##name(COUNT_FIELD) && number != MSG_hello)               \
            return DUSK_E_PROTOCOL;                                                    \
        MESSAGE_##name(UNPACK_MESSAGE_FIELD) return rc ? rc : fields_skip(r, left);    \
    }
MESSAGES(DEFINE_UNPACK_MESSAGE)

static int decode(struct batch_reader *r, uint64_t type, uint32_t count,
                  struct message *message)
{
    switch (type) {
#define CASE(number, name)                                                             \
    case number:                                                                       \
        return unpack_msg_##name(r, count, &message->name);
        MESSAGES(CASE)
#undef CASE
    }
    return DUSK_E_PROTOCOL;
}

void batch_reader_init(struct batch_reader *reader, const void *header, size_t size,
                       struct frame *frames, size_t frame_count)
{
    *reader = (struct batch_reader){.wire = {header, size},
                                    .size = size,
                                    .frames = frames,
                                    .frame_count = frame_count};
}

static void message_forget(struct batch_reader *reader)
{
    payload_unref(reader->blob);
    reader->blob = NULL;
    while (reader->lists) {
        struct list_memory *next = reader->lists->next;
        free(reader->lists);
        reader->lists = next;
    }
}

void batch_reader_fini(struct batch_reader *reader)
{
    message_forget(reader);
    for (size_t i = reader->frame_next; i < reader->frame_count; i++)
        if (reader->frames[i].release)
            reader->frames[i].release(reader->frames[i].hint);
}

int batch_reader_next(struct batch_reader *reader, struct message *ret_message,
                      struct err_text *text)
{
    message_forget(reader);
    if (reader->wire.left == 0)
        return 1;
    size_t start = reader->size - reader->wire.left;
    uint32_t count;
    uint64_t type;
    if (wire_read_array(&reader->wire, &count) < 0 || count < 1 ||
        wire_read_u64(&reader->wire, &type) < 0)
        return err_set(text, DUSK_E_PROTOCOL, "byte %zu of the header is no message",
                       start);
    ret_message->type = (enum message_type)type;
    int rc = decode(reader, type, count - 1, ret_message);
    if (rc < 0)
        return err_set(text, rc, "message %s (%llu) has fields it must not have",
                       message_name((enum message_type)type), (unsigned long long)type);
    return 0;
}

const char *message_name(enum message_type type)
{
    switch (type) {
#define CASE(number, name)                                                             \
    case number:                                                                       \
        return #name;
        MESSAGES(CASE)
#undef CASE
    }
    return "unknown";
}

struct str str_of(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

char *str_copy(struct str str)
{
    return str.size ? strndup(str.text, str.size) : strdup("");
}
