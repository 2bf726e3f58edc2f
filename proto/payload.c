#include "proto/payload.h"

#include "proto/limits.h"
#include "proto/wire.h"

#include <msgpack.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* Types of msgpack extensions: an array lives in a frame, a future elsewhere. */
#define EXT_ARRAY 1
#define EXT_FUTURE 2

#define EXT_ARRAY_BYTES (4 + 1 + 1 + 8 * DUSK_MAX_DIMS)
#define EXT_FUTURE_BYTES (8 + 4)

/* The head's leading array header always takes its 5-byte form, so that a builder
 * can write the count when it is known. */
#define HEAD_PREFIX_BYTES 5
#define MSGPACK_ARRAY32 0xdd

struct payload {
    atomic_uint references;
    unsigned frame_count;
    size_t head_size;
    uint8_t *head; /* behind the frames */
    struct frame frames[];
};

static void frames_release(struct frame *frames, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (frames[i].release)
            frames[i].release(frames[i].hint);
}

int payload_create(const uint8_t *head, size_t head_size, struct frame *frames,
                   unsigned frame_count, struct payload **ret_payload)
{
    size_t frames_size = frame_count * sizeof *frames;
    struct payload *payload = malloc(sizeof *payload + frames_size + head_size);
    if (!payload) {
        frames_release(frames, frame_count);
        return DUSK_E_NOMEM;
    }
    atomic_init(&payload->references, 1);
    payload->head = (uint8_t *)&payload->frames[frame_count];
    payload->head_size = head_size;
    payload->frame_count = frame_count;
    if (head_size)
        memcpy(payload->head, head, head_size);
    if (frame_count)
        memcpy(payload->frames, frames, frames_size);
    *ret_payload = payload;
    return 0;
}

struct payload *payload_ref(struct payload *payload)
{
    if (payload)
        atomic_fetch_add_explicit(&payload->references, 1, memory_order_relaxed);
    return payload;
}

void payload_unref(struct payload *payload)
{
    if (!payload ||
        atomic_fetch_sub_explicit(&payload->references, 1, memory_order_acq_rel) != 1)
        return;
    frames_release(payload->frames, payload->frame_count);
    free(payload);
}

const uint8_t *payload_head(const struct payload *payload, size_t *ret_size)
{
    *ret_size = payload->head_size;
    return payload->head;
}

unsigned payload_frame_count(const struct payload *payload)
{
    return payload->frame_count;
}

const struct frame *payload_frame(const struct payload *payload, unsigned index)
{
    return &payload->frames[index];
}

size_t payload_bytes(const struct payload *payload)
{
    size_t bytes = payload->head_size;
    for (unsigned i = 0; i < payload->frame_count; i++)
        bytes += payload->frames[i].size;
    return bytes;
}

uint64_t payload_checksum(const struct payload *payload)
{
    uint64_t sum = XXH3_64bits(payload->head, payload->head_size);
    for (unsigned i = 0; i < payload->frame_count; i++)
        sum =
            XXH3_64bits_withSeed(payload->frames[i].data, payload->frames[i].size, sum);
    return sum;
}

int array_bytes(const struct dusk_array *array, size_t *ret_bytes)
{
    if (array->ndim < 1 || array->ndim > DUSK_MAX_DIMS ||
        (array->dtype != DUSK_F64 && array->dtype != DUSK_F32))
        return DUSK_E_LIMIT;
    size_t bytes = array->dtype == DUSK_F64 ? 8 : 4;
    for (int i = 0; i < array->ndim; i++) {
        if (array->shape[i] < 0 ||
            __builtin_mul_overflow(bytes, (size_t)array->shape[i], &bytes) ||
            bytes > LIMIT_FRAME_BYTES)
            return DUSK_E_LIMIT;
    }
    *ret_bytes = bytes;
    return 0;
}

/* ---- reading ---- */

static uint64_t read_le(const char *bytes, int count)
{
    uint64_t number = 0;
    for (int i = count - 1; i >= 0; i--)
        number = number << 8 | (uint8_t)bytes[i];
    return number;
}

static int read_array(const msgpack_object_ext *ext, const struct payload *payload,
                      struct dusk_array *array)
{
    if (ext->size != EXT_ARRAY_BYTES)
        return DUSK_E_PROTOCOL;
    uint64_t frame = read_le(ext->ptr, 4);
    array->dtype = (enum dusk_dtype)(uint8_t)ext->ptr[4];
    array->ndim = (uint8_t)ext->ptr[5];
    for (int i = 0; i < DUSK_MAX_DIMS; i++)
        array->shape[i] = (int64_t)read_le(ext->ptr + 6 + 8 * i, 8);
    size_t bytes;
    if (frame >= payload->frame_count || array_bytes(array, &bytes) < 0 ||
        bytes != payload->frames[frame].size)
        return DUSK_E_PROTOCOL;
    array->data = payload->frames[frame].data;
    return 0;
}

static int read_future(const msgpack_object_ext *ext, struct value *value)
{
    if (ext->size != EXT_FUTURE_BYTES)
        return DUSK_E_PROTOCOL;
    value->kind = VALUE_FUTURE;
    value->key.bits = read_le(ext->ptr, 8);
    value->item = (uint32_t)read_le(ext->ptr + 8, 4);
    return value->key.bits ? 0 : DUSK_E_PROTOCOL;
}

/* Strings are copied behind the values, each with its NUL. */
static int read_value(const msgpack_object *object, const struct payload *payload,
                      struct value *value, char **strings)
{
    *value = (struct value){.kind = VALUE_PLAIN};
    struct dusk_value *plain = &value->plain;
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        plain->kind = DUSK_NIL;
        return 0;
    case MSGPACK_OBJECT_BOOLEAN:
        plain->kind = DUSK_BOOL;
        plain->integer = object->via.boolean;
        return 0;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        plain->kind = DUSK_INT;
        plain->integer = (int64_t)object->via.u64;
        return object->via.u64 <= INT64_MAX ? 0 : DUSK_E_PROTOCOL;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        plain->kind = DUSK_INT;
        plain->integer = object->via.i64;
        return 0;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        plain->kind = DUSK_FLOAT;
        plain->number = object->via.f64;
        return 0;
    case MSGPACK_OBJECT_STR:
        plain->kind = DUSK_STRING;
        plain->string = *strings;
        if (object->via.str.size)
            memcpy(*strings, object->via.str.ptr, object->via.str.size);
        (*strings)[object->via.str.size] = '\0';
        *strings += object->via.str.size + 1;
        return 0;
    case MSGPACK_OBJECT_EXT:
        plain->kind = DUSK_ARRAY;
        if (object->via.ext.type == EXT_ARRAY)
            return read_array(&object->via.ext, payload, &plain->array);
        if (object->via.ext.type == EXT_FUTURE)
            return read_future(&object->via.ext, value);
        return DUSK_E_PROTOCOL;
    default:
        return DUSK_E_PROTOCOL;
    }
}

static int values_fill(struct payload *payload, const msgpack_object *head,
                       struct err_text *text, struct values **ret_values)
{
    uint32_t count = head->via.array.size;
    size_t string_bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        if (head->via.array.ptr[i].type == MSGPACK_OBJECT_STR)
            string_bytes += head->via.array.ptr[i].via.str.size + 1;
    struct values *values =
        malloc(sizeof *values + count * sizeof values->items[0] + string_bytes);
    if (!values)
        return err_set(text, DUSK_E_NOMEM, "no memory for %u values", count);
    char *strings = (char *)&values->items[count];
    for (uint32_t i = 0; i < count; i++) {
        int rc =
            read_value(&head->via.array.ptr[i], payload, &values->items[i], &strings);
        if (rc < 0) {
            free(values);
            return err_set(text, rc, "value %u is not one that dusk knows", i);
        }
    }
    values->payload = payload_ref(payload);
    values->count = count;
    *ret_values = values;
    return 0;
}

int values_create(struct payload *payload, struct err_text *text,
                  struct values **ret_values)
{
    msgpack_zone zone;
    if (!msgpack_zone_init(&zone, 1024))
        return err_set(text, DUSK_E_NOMEM, "no memory to read values");
    msgpack_object head;
    size_t offset = 0;
    int rc = wire_unpack(payload->head, payload->head_size, &offset, &zone, &head);
    if (rc == 0 && (offset != payload->head_size || head.type != MSGPACK_OBJECT_ARRAY ||
                    head.via.array.size > LIMIT_ARGUMENTS))
        rc = DUSK_E_PROTOCOL;
    if (rc < 0)
        err_set(text, rc, "the values are not a msgpack array of at most %u",
                LIMIT_ARGUMENTS);
    else
        rc = values_fill(payload, &head, text, ret_values);
    msgpack_zone_destroy(&zone);
    return rc;
}

void values_destroy(struct values *values)
{
    if (!values)
        return;
    payload_unref(values->payload);
    free(values);
}

/* ---- building ---- */

void payload_builder_init(struct payload_builder *builder)
{
    *builder = (struct payload_builder){0};
    buf_init(&builder->head, LIMIT_HEAD_BYTES);
}

void payload_builder_fini(struct payload_builder *builder)
{
    frames_release(builder->frames, builder->frame_count);
    free(builder->frames);
    buf_fini(&builder->head);
    payload_builder_init(builder);
}

/* Reserves the count's place before the first value. */
static int builder_begin(struct payload_builder *builder)
{
    if (builder->count >= LIMIT_ARGUMENTS)
        return DUSK_E_LIMIT;
    static const uint8_t prefix[HEAD_PREFIX_BYTES] = {MSGPACK_ARRAY32};
    return builder->head.size ? 0 : buf_append(&builder->head, prefix, sizeof prefix);
}

static void write_le(char *bytes, int count, uint64_t number)
{
    for (int i = 0; i < count; i++, number >>= 8)
        bytes[i] = (char)(number & 0xff);
}

static int frame_copy(const struct dusk_array *array, size_t bytes,
                      struct frame *ret_frame)
{
    void *data = NULL;
    if (posix_memalign(&data, 64, bytes ? bytes : 1))
        return DUSK_E_NOMEM;
    if (bytes)
        memcpy(data, array->data, bytes);
    *ret_frame = (struct frame){data, bytes, free, data};
    return 0;
}

static int builder_reserve_frame(struct payload_builder *builder)
{
    if (builder->frame_count < builder->frame_capacity)
        return 0;
    unsigned capacity = builder->frame_capacity ? 2 * builder->frame_capacity : 4;
    void *frames = realloc(builder->frames, capacity * sizeof *builder->frames);
    if (!frames)
        return DUSK_E_NOMEM;
    builder->frames = frames;
    builder->frame_capacity = capacity;
    return 0;
}

static int builder_array(struct payload_builder *builder,
                         const struct dusk_array *array, const struct frame *given)
{
    size_t bytes;
    int rc = array_bytes(array, &bytes);
    if (rc == 0)
        rc = builder_reserve_frame(builder);
    if (rc < 0)
        return rc;
    char ext[EXT_ARRAY_BYTES] = {0};
    write_le(ext, 4, builder->frame_count);
    ext[4] = (char)array->dtype;
    ext[5] = (char)array->ndim;
    for (int i = 0; i < array->ndim; i++)
        write_le(ext + 6 + 8 * i, 8, (uint64_t)array->shape[i]);
    struct frame frame;
    if (given)
        frame = *given;
    else if ((rc = frame_copy(array, bytes, &frame)) < 0)
        return rc;
    if (frame.size != bytes || wire_pack_ext(&builder->head, sizeof ext, EXT_ARRAY) ||
        buf_append(&builder->head, ext, sizeof ext)) {
        if (!given)
            frame.release(frame.hint);
        return DUSK_E_LIMIT;
    }
    builder->frames[builder->frame_count++] = frame;
    return 0;
}

static int builder_plain(struct payload_builder *builder,
                         const struct dusk_value *value, const struct frame *frame)
{
    struct buf *head = &builder->head;
    switch (value->kind) {
    case DUSK_NIL:
        return wire_pack_nil(head);
    case DUSK_BOOL:
        return value->integer ? wire_pack_true(head) : wire_pack_false(head);
    case DUSK_INT:
        return wire_pack_int64(head, value->integer);
    case DUSK_FLOAT:
        return wire_pack_double(head, value->number);
    case DUSK_STRING: {
        size_t length = strlen(value->string);
        int rc = wire_pack_str(head, length);
        return rc ? rc : buf_append(head, value->string, length);
    }
    case DUSK_ARRAY:
        return builder_array(builder, &value->array, frame);
    }
    return DUSK_E_INVALID;
}

int payload_builder_value(struct payload_builder *builder,
                          const struct dusk_value *value, const struct frame *frame)
{
    int rc = builder_begin(builder);
    if (rc < 0)
        return rc;
    size_t before = builder->head.size;
    rc = builder_plain(builder, value, frame);
    if (rc < 0)
        builder->head.size = before;
    else
        builder->count++;
    return rc;
}

int payload_builder_future(struct payload_builder *builder, struct task_key key,
                           uint32_t item)
{
    int rc = builder_begin(builder);
    if (rc < 0)
        return rc;
    char ext[EXT_FUTURE_BYTES];
    write_le(ext, 8, key.bits);
    write_le(ext + 8, 4, item);
    size_t before = builder->head.size;
    rc = wire_pack_ext(&builder->head, sizeof ext, EXT_FUTURE);
    if (!rc)
        rc = buf_append(&builder->head, ext, sizeof ext);
    if (rc < 0)
        builder->head.size = before;
    else
        builder->count++;
    return rc;
}

int payload_builder_finish(struct payload_builder *builder,
                           struct payload **ret_payload)
{
    int rc = builder_begin(builder);
    if (rc < 0 && builder->count < LIMIT_ARGUMENTS)
        return rc;
    for (int i = 0; i < 4; i++)
        builder->head.data[1 + i] = (uint8_t)(builder->count >> (24 - 8 * i));
    rc = payload_create(builder->head.data, builder->head.size, builder->frames,
                        builder->frame_count, ret_payload);
    builder->frame_count = 0;
    payload_builder_fini(builder);
    return rc;
}
