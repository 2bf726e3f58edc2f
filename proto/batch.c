#include "proto/batch.h"

#include "proto/limits.h"
#include "proto/wire.h"

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
    msgpack_packer packer;
    struct payload *blob;
};

static int pack_u64(struct encoder *e, uint64_t value)
{
    return msgpack_pack_uint64(&e->packer, value);
}

static int pack_i64(struct encoder *e, int64_t value)
{
    return msgpack_pack_int64(&e->packer, value);
}

static int pack_str(struct encoder *e, struct str value)
{
    size_t size = value.size < LIMIT_TEXT_BYTES ? value.size : LIMIT_TEXT_BYTES;
    int rc = msgpack_pack_str(&e->packer, size);
    return rc ? rc : msgpack_pack_str_body(&e->packer, value.text, size);
}

static int pack_key(struct encoder *e, struct task_key value)
{
    return msgpack_pack_uint64(&e->packer, value.bits);
}

static int pack_blob(struct encoder *e, struct payload *value)
{
    if (!value)
        return msgpack_pack_nil(&e->packer);
    e->blob = value;
    size_t size;
    const uint8_t *head = payload_head(value, &size);
    int rc = msgpack_pack_array(&e->packer, 2);
    rc = rc ? rc : msgpack_pack_bin(&e->packer, size);
    rc = rc ? rc : msgpack_pack_bin_body(&e->packer, head, size);
    return rc ? rc : msgpack_pack_uint32(&e->packer, payload_frame_count(value));
}

static int pack_keys(struct encoder *e, field_keys list)
{
    int rc = msgpack_pack_array(&e->packer, list.count);
    for (size_t i = 0; rc == 0 && i < list.count; i++)
        rc = pack_key(e, list.items[i]);
    return rc;
}

#define COUNT_FIELD(type, name) +1
#define PACK_FIELD(type, name) rc = rc ? rc : pack_##type(e, value->name);

#define DEFINE_PACK_ELEMENT(element)                                                   \
    static int pack_##element##s(struct encoder *e, field_##element##s list)           \
    {                                                                                  \
        int rc = msgpack_pack_array(&e->packer, list.count);                           \
        for (size_t i = 0; rc == 0 && i < list.count; i++) {                           \
            const struct element *value = &list.items[i];                              \
            rc = msgpack_pack_array(&e->packer, 0 ELEMENT_##element(COUNT_FIELD));     \
            ELEMENT_##element(PACK_FIELD)                                              \
        }                                                                              \
        return rc;                                                                     \
    }
ELEMENTS(DEFINE_PACK_ELEMENT)

#define DEFINE_PACK_MESSAGE(number, name)                                              \
    static int pack_msg_##name(struct encoder *e, const struct msg_##name *value)      \
    {                                                                                  \
        int rc = msgpack_pack_array(&e->packer, 1 MESSAGE_##name(COUNT_FIELD));        \
        rc = rc ? rc : msgpack_pack_uint8(&e->packer, number);                         \
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

static int batch_write(void *data, const char *bytes, size_t size)
{
    return buf_append(data, bytes, size);
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
    struct encoder encoder = {.blob = NULL};
    msgpack_packer_init(&encoder.packer, &batch->header, batch_write);
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

static int unpack_u64(struct batch_reader *r, const msgpack_object *o, uint64_t *ret)
{
    if (o->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return DUSK_E_PROTOCOL;
    *ret = o->via.u64;
    return 0;
}

static int unpack_i64(struct batch_reader *r, const msgpack_object *o, int64_t *ret)
{
    if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 <= INT64_MAX)
        *ret = (int64_t)o->via.u64;
    else if (o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        *ret = o->via.i64;
    else
        return DUSK_E_PROTOCOL;
    return 0;
}

static int unpack_str(struct batch_reader *r, const msgpack_object *o, struct str *ret)
{
    if (o->type != MSGPACK_OBJECT_STR || o->via.str.size > LIMIT_TEXT_BYTES)
        return DUSK_E_PROTOCOL;
    *ret = (struct str){o->via.str.ptr, o->via.str.size};
    return 0;
}

static int unpack_key(struct batch_reader *r, const msgpack_object *o,
                      struct task_key *ret)
{
    int rc = unpack_u64(r, o, &ret->bits);
    return rc == 0 && ret->bits == 0 ? DUSK_E_PROTOCOL : rc;
}

static int unpack_blob(struct batch_reader *r, const msgpack_object *o,
                       struct payload **ret)
{
    *ret = NULL;
    if (o->type == MSGPACK_OBJECT_NIL)
        return 0;
    if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size != 2 || r->blob)
        return DUSK_E_PROTOCOL;
    const msgpack_object *head = &o->via.array.ptr[0];
    const msgpack_object *count = &o->via.array.ptr[1];
    if (head->type != MSGPACK_OBJECT_BIN || head->via.bin.size > LIMIT_HEAD_BYTES ||
        count->type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
        count->via.u64 > r->frame_count - r->frame_next)
        return DUSK_E_PROTOCOL;
    uint8_t *copy = malloc(head->via.bin.size ? head->via.bin.size : 1);
    if (!copy)
        return DUSK_E_NOMEM;
    if (head->via.bin.size)
        memcpy(copy, head->via.bin.ptr, head->via.bin.size);
    struct frame *first = r->frame_count ? &r->frames[r->frame_next] : NULL;
    r->frame_next += count->via.u64;
    int rc = payload_create(copy, head->via.bin.size, first, (unsigned)count->via.u64,
                            &r->blob);
    *ret = r->blob;
    return rc;
}

/* Room for a list in the zone; empty lists need none. */
static int list_room(struct batch_reader *r, const msgpack_object *o, size_t size,
                     void *ret_items)
{
    if (o->type != MSGPACK_OBJECT_ARRAY)
        return DUSK_E_PROTOCOL;
    void *items = NULL;
    if (o->via.array.size &&
        !(items = msgpack_zone_malloc(&r->zone, o->via.array.size * size)))
        return DUSK_E_NOMEM;
    memcpy(ret_items, &items, sizeof items);
    return 0;
}

static int unpack_keys(struct batch_reader *r, const msgpack_object *o, field_keys *ret)
{
    struct task_key *items;
    int rc = list_room(r, o, sizeof *items, &items);
    for (uint32_t i = 0; rc == 0 && i < o->via.array.size; i++)
        rc = unpack_key(r, &o->via.array.ptr[i], &items[i]);
    if (rc == 0)
        *ret = (field_keys){items, o->via.array.size};
    return rc;
}

/* Fields are read in order; a peer of a later minor version may append more. */
#define UNPACK_FIELD(type, name)                                                       \
    rc = rc ? rc : unpack_##type(r, &fields[at++], &value->name);

#define DEFINE_UNPACK_ELEMENT(element)                                                 \
    static int unpack_##element##s(struct batch_reader *r, const msgpack_object *o,    \
                                   field_##element##s *ret)                            \
    {                                                                                  \
        struct element *items;                                                         \
        int rc = list_room(r, o, sizeof *items, &items);                               \
        for (uint32_t i = 0; rc == 0 && i < o->via.array.size; i++) {                  \
            const msgpack_object *row = &o->via.array.ptr[i];                          \
            if (row->type != MSGPACK_OBJECT_ARRAY ||                                   \
                row->via.array.size < 0 ELEMENT_##element(COUNT_FIELD))                \
                return DUSK_E_PROTOCOL;                                                \
            const msgpack_object *fields = row->via.array.ptr;                         \
            struct element *value = &items[i];                                         \
            size_t at = 0;                                                             \
            ELEMENT_##element(UNPACK_FIELD)                                            \
        }                                                                              \
        if (rc == 0)                                                                   \
            *ret = (field_##element##s){items, o->via.array.size};                     \
        return rc;                                                                     \
    }
ELEMENTS(DEFINE_UNPACK_ELEMENT)

/* A hello may be of an older version, which its receiver has to tell: fields that it
 * does not have are zero. */
#define UNPACK_MESSAGE_FIELD(type, name)                                               \
    rc = rc || at >= count ? rc : unpack_##type(r, &fields[at++], &value->name);

#define DEFINE_UNPACK_MESSAGE(number, name)                                            \
    static int unpack_msg_##name(struct batch_reader *r, const msgpack_object *fields, \
                                 size_t count, struct msg_##name *value)               \
    {                                                                                  \
        int rc = 0;                                                                    \
        size_t at = 0;                                                                 \
        if (count < 0 MESSAGE_##name(COUNT_FIELD) && number != MSG_hello)              \
            return DUSK_E_PROTOCOL;                                                    \
        MESSAGE_##name(UNPACK_MESSAGE_FIELD) return rc;                                \
    }
MESSAGES(DEFINE_UNPACK_MESSAGE)

static int decode(struct batch_reader *r, uint64_t type, const msgpack_object *fields,
                  size_t count, struct message *message)
{
    switch (type) {
#define CASE(number, name)                                                             \
    case number:                                                                       \
        return unpack_msg_##name(r, fields, count, &message->name);
        MESSAGES(CASE)
#undef CASE
    }
    return DUSK_E_PROTOCOL;
}

int batch_reader_init(struct batch_reader *reader, const void *header, size_t size,
                      struct frame *frames, size_t frame_count)
{
    *reader = (struct batch_reader){
        .header = header, .size = size, .frames = frames, .frame_count = frame_count};
    return msgpack_zone_init(&reader->zone, 8192) ? 0 : DUSK_E_NOMEM;
}

void batch_reader_fini(struct batch_reader *reader)
{
    payload_unref(reader->blob);
    for (size_t i = reader->frame_next; i < reader->frame_count; i++)
        if (reader->frames[i].release)
            reader->frames[i].release(reader->frames[i].hint);
    msgpack_zone_destroy(&reader->zone);
}

int batch_reader_next(struct batch_reader *reader, struct message *ret_message,
                      struct err_text *text)
{
    payload_unref(reader->blob);
    reader->blob = NULL;
    msgpack_zone_clear(&reader->zone);
    if (reader->offset == reader->size)
        return 1;
    msgpack_object object;
    size_t start = reader->offset;
    int rc = wire_unpack(reader->header, reader->size, &reader->offset, &reader->zone,
                         &object);
    if (rc < 0)
        return err_set(text, rc, "byte %zu of the header is no msgpack", start);
    if (object.type != MSGPACK_OBJECT_ARRAY || object.via.array.size < 1 ||
        object.via.array.ptr[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return err_set(text, DUSK_E_PROTOCOL, "byte %zu of the header is no message",
                       start);
    uint64_t type = object.via.array.ptr[0].via.u64;
    *ret_message = (struct message){.type = (enum message_type)type};
    rc = decode(reader, type, object.via.array.ptr + 1, object.via.array.size - 1,
                ret_message);
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
