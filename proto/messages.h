/* The protocol as a table.  Every message and every element of a list is one row
 * a field; C structs, encoders and decoders are made from these rows, and
 * PROTOCOL.md tells in words what each message is for.  A message travels as the
 * msgpack array [number, field, field, ...].
 *
 * Types: u64, i64, f64; str (text of at most LIMIT_TEXT_BYTES, borrowed); key; blob
 * (a payload or nothing); and lists of keys or of the elements below. */
#ifndef PROTO_MESSAGES_H
#define PROTO_MESSAGES_H

#include "proto/ids.h"
#include "proto/payload.h"

#define PROTOCOL_MAGIC UINT64_C(0x6475736b) /* "dusk" */
#define PROTOCOL_MAJOR 2
#define PROTOCOL_MINOR 0

/* Text inside a message: not ended by NUL, borrowed from the sender's core or from
 * the received frame, valid while the message is handled. */
struct str {
    const char *text;
    size_t size;
};

enum peer_role {
    ROLE_WORKER = 1,
    ROLE_CLIENT = 2,
};

enum submit_flag {
    SUBMIT_KEEP = 1, /* the result stays on the worker even when it is small */
};

/* ---- elements of lists ---- */

/* Data that a worker holds. */
#define ELEMENT_holding(F)                                                             \
    F(key, key)                                                                        \
    F(u64, nbytes)

/* A place from which data can be fetched; a key with two copies has two rows. */
#define ELEMENT_source(F)                                                              \
    F(key, key)                                                                        \
    F(u64, nbytes)                                                                     \
    F(str, address)

/* An attempt that a worker has accepted: running, or waiting for a thread. */
#define ELEMENT_run(F)                                                                 \
    F(key, key)                                                                        \
    F(u64, attempt)                                                                    \
    F(u64, running)                                                                    \
    F(u64, elapsed_ns)                                                                 \
    F(i64, progress)

/* Rows of `dusk status`. */
#define ELEMENT_worker_row(F)                                                          \
    F(u64, worker)                                                                     \
    F(str, name)                                                                       \
    F(str, address)                                                                    \
    F(str, state)                                                                      \
    F(u64, nthreads)                                                                   \
    F(u64, memory)                                                                     \
    F(u64, memory_limit)                                                               \
    F(u64, spilled)                                                                    \
    F(u64, chunks)                                                                     \
    F(u64, processing)                                                                 \
    F(str, running)                                                                    \
    F(u64, silence_ns)

#define ELEMENT_state_row(F)                                                           \
    F(str, state)                                                                      \
    F(u64, tasks)

#define ELEMENT_client_row(F)                                                          \
    F(str, name)                                                                       \
    F(u64, client)                                                                     \
    F(u64, wanted)                                                                     \
    F(u64, silence_ns)

/* Tasks that wait for one reason. */
#define ELEMENT_waiting_row(F)                                                         \
    F(u64, tasks)                                                                      \
    F(str, reason)

/* A member of a cluster with keys: enum member_role, and its public key. */
#define ELEMENT_member_row(F)                                                          \
    F(u64, role)                                                                       \
    F(str, name)                                                                       \
    F(str, key)

#define ELEMENT_publication_row(F)                                                     \
    F(str, name)                                                                       \
    F(u64, tasks)                                                                      \
    F(u64, in_memory)                                                                  \
    F(u64, nbytes)

/* A published task: its function, or "scattered data". */
#define ELEMENT_task_row(F)                                                            \
    F(key, key)                                                                        \
    F(str, what)

#define ELEMENTS(E)                                                                    \
    E(holding)                                                                         \
    E(source)                                                                          \
    E(run)                                                                             \
    E(worker_row)                                                                      \
    E(state_row)                                                                       \
    E(waiting_row)                                                                     \
    E(client_row)                                                                      \
    E(member_row)                                                                      \
    E(publication_row)                                                                 \
    E(task_row)

/* ---- everybody ---- */

#define MESSAGE_hello(F)                                                               \
    F(u64, magic)                                                                      \
    F(u64, major)                                                                      \
    F(u64, minor)                                                                      \
    F(str, build)                                                                      \
    F(u64, role)                                                                       \
    F(str, name)                                                                       \
    F(u64, epoch)                                                                      \
    F(u64, client)                                                                     \
    F(str, address)                                                                    \
    F(u64, pid)                                                                        \
    F(u64, nthreads)                                                                   \
    F(u64, memory_limit)                                                               \
    F(u64, credits)                                                                    \
    F(u64, previous_epoch)                                                             \
    F(i64, previous_status)                                                            \
    F(keys, previous_running)                                                          \
    F(holdings, inventory)                                                             \
    F(runs, running)                                                                   \
    F(u64, unix_ns)                                                                    \
    F(u64, scheduler_epoch)                                                            \
    F(str, resources)

#define MESSAGE_welcome(F)                                                             \
    F(u64, epoch)                                                                      \
    F(u64, number)                                                                     \
    F(u64, heartbeat_ms)

#define MESSAGE_refuse(F)                                                              \
    F(i64, code)                                                                       \
    F(str, reason)

#define MESSAGE_register_again(F) F(u64, epoch)

#define MESSAGE_alive(F)                                                               \
    F(u64, epoch)                                                                      \
    F(u64, number)

#define MESSAGE_bye(F) F(str, reason)

/* ---- client to scheduler ---- */

#define MESSAGE_submit(F)                                                              \
    F(key, key)                                                                        \
    F(str, function)                                                                   \
    F(keys, dependencies)                                                              \
    F(i64, priority)                                                                   \
    F(u64, retries)                                                                    \
    F(u64, flags)                                                                      \
    F(str, worker)                                                                     \
    F(blob, arguments)                                                                 \
    F(u64, deadline_ms)                                                                \
    F(str, resources)

#define MESSAGE_scatter(F)                                                             \
    F(key, key)                                                                        \
    F(u64, nbytes)

#define MESSAGE_release(F) F(keys, keys)

#define MESSAGE_cancel(F) F(keys, keys)

#define MESSAGE_locate(F) F(key, key)

#define MESSAGE_status_request(F) F(u64, request)

#define MESSAGE_why(F)                                                                 \
    F(u64, request)                                                                    \
    F(key, key)

#define MESSAGE_why_all(F) F(u64, request)

#define MESSAGE_publish(F)                                                             \
    F(u64, request)                                                                    \
    F(str, name)                                                                       \
    F(keys, keys)

#define MESSAGE_unpublish(F)                                                           \
    F(u64, request)                                                                    \
    F(str, name)

#define MESSAGE_get_published(F)                                                       \
    F(u64, request)                                                                    \
    F(str, name)

#define MESSAGE_want(F) F(keys, keys)

#define MESSAGE_replicate(F)                                                           \
    F(keys, keys)                                                                      \
    F(u64, copies)

/* ---- scheduler to client ---- */

#define MESSAGE_place(F)                                                               \
    F(key, key)                                                                        \
    F(str, address)                                                                    \
    F(u64, attempt)

#define MESSAGE_finished(F)                                                            \
    F(key, key)                                                                        \
    F(u64, nbytes)                                                                     \
    F(u64, worker)                                                                     \
    F(u64, thread)                                                                     \
    F(u64, start_ns)                                                                   \
    F(u64, stop_ns)                                                                    \
    F(str, address)                                                                    \
    F(blob, result)

#define MESSAGE_failed(F)                                                              \
    F(key, key)                                                                        \
    F(i64, code)                                                                       \
    F(str, reason)

#define MESSAGE_located(F)                                                             \
    F(key, key)                                                                        \
    F(sources, sources)

#define MESSAGE_status(F)                                                              \
    F(u64, request)                                                                    \
    F(str, build)                                                                      \
    F(u64, uptime_ns)                                                                  \
    F(worker_rows, workers)                                                            \
    F(state_rows, states)                                                              \
    F(client_rows, clients)                                                            \
    F(publication_rows, published)                                                     \
    F(u64, rss)                                                                        \
    F(u64, cpu_ns)

#define MESSAGE_because(F)                                                             \
    F(u64, request)                                                                    \
    F(str, reason)                                                                     \
    F(waiting_rows, waiting)

#define MESSAGE_published(F)                                                           \
    F(u64, request)                                                                    \
    F(i64, code)                                                                       \
    F(str, reason)                                                                     \
    F(task_rows, tasks)

/* ---- scheduler to worker ---- */

#define MESSAGE_run_task(F)                                                            \
    F(key, key)                                                                        \
    F(u64, attempt)                                                                    \
    F(str, function)                                                                   \
    F(i64, priority)                                                                   \
    F(u64, flags)                                                                      \
    F(sources, inputs)                                                                 \
    F(blob, arguments)

#define MESSAGE_stop_task(F)                                                           \
    F(key, key)                                                                        \
    F(u64, attempt)

#define MESSAGE_free_data(F)                                                           \
    F(keys, keys)                                                                      \
    F(u64, attempt)

#define MESSAGE_acquire(F) F(sources, sources)

#define MESSAGE_retired(F) F(u64, moved)

#define MESSAGE_members(F) F(member_rows, members)

/* ---- worker to scheduler ---- */

#define MESSAGE_heartbeat(F)                                                           \
    F(u64, memory)                                                                     \
    F(u64, rss)                                                                        \
    F(u64, spilled)                                                                    \
    F(u64, paused)                                                                     \
    F(runs, running)

#define MESSAGE_done(F)                                                                \
    F(key, key)                                                                        \
    F(u64, attempt)                                                                    \
    F(u64, nbytes)                                                                     \
    F(u64, thread)                                                                     \
    F(u64, start_ns)                                                                   \
    F(u64, stop_ns)                                                                    \
    F(blob, result)

#define MESSAGE_erred(F)                                                               \
    F(key, key)                                                                        \
    F(u64, attempt)                                                                    \
    F(i64, code)                                                                       \
    F(str, reason)                                                                     \
    F(str, call)

#define MESSAGE_missing(F)                                                             \
    F(key, key)                                                                        \
    F(u64, attempt)                                                                    \
    F(key, input)                                                                      \
    F(str, address)

#define MESSAGE_have(F) F(holdings, holdings)

#define MESSAGE_dropped(F) F(keys, keys)

#define MESSAGE_retire(F) F(u64, deadline_ms)

/* ---- whoever fetches or brings data, to and from a worker's data socket ---- */

#define MESSAGE_get_data(F)                                                            \
    F(u64, request)                                                                    \
    F(key, key)

#define MESSAGE_put_data(F)                                                            \
    F(u64, request)                                                                    \
    F(key, key)                                                                        \
    F(u64, checksum)                                                                   \
    F(blob, data)                                                                      \
    F(u64, attempt)

#define MESSAGE_data(F)                                                                \
    F(u64, request)                                                                    \
    F(key, key)                                                                        \
    F(u64, checksum)                                                                   \
    F(blob, data)

#define MESSAGE_no_data(F)                                                             \
    F(u64, request)                                                                    \
    F(key, key)                                                                        \
    F(i64, code)                                                                       \
    F(str, reason)

#define MESSAGE_stored(F)                                                              \
    F(u64, request)                                                                    \
    F(key, key)

/* ---- uploads and the cluster's end ---- */

#define MESSAGE_upload(F)                                                              \
    F(u64, request)                                                                    \
    F(str, name)                                                                       \
    F(u64, checksum)                                                                   \
    F(blob, plugin)

#define MESSAGE_outcome(F)                                                             \
    F(u64, request)                                                                    \
    F(i64, code)                                                                       \
    F(str, reason)

#define MESSAGE_load_plugin(F)                                                         \
    F(str, name)                                                                       \
    F(u64, checksum)                                                                   \
    F(blob, plugin)

#define MESSAGE_plugin_loaded(F)                                                       \
    F(u64, checksum)                                                                   \
    F(i64, code)                                                                       \
    F(str, reason)

#define MESSAGE_shutdown(F) F(u64, request)

/* Numbers never change meaning. */
#define MESSAGES(M)                                                                    \
    M(1, hello)                                                                        \
    M(2, welcome)                                                                      \
    M(3, refuse)                                                                       \
    M(4, register_again)                                                               \
    M(5, alive)                                                                        \
    M(6, bye)                                                                          \
    M(10, submit)                                                                      \
    M(11, scatter)                                                                     \
    M(12, release)                                                                     \
    M(13, cancel)                                                                      \
    M(14, locate)                                                                      \
    M(15, status_request)                                                              \
    M(16, why)                                                                         \
    M(20, place)                                                                       \
    M(21, finished)                                                                    \
    M(22, failed)                                                                      \
    M(23, located)                                                                     \
    M(24, status)                                                                      \
    M(25, because)                                                                     \
    M(30, run_task)                                                                    \
    M(31, stop_task)                                                                   \
    M(32, free_data)                                                                   \
    M(33, acquire)                                                                     \
    M(34, retired)                                                                     \
    M(40, heartbeat)                                                                   \
    M(41, done)                                                                        \
    M(42, erred)                                                                       \
    M(43, missing)                                                                     \
    M(44, have)                                                                        \
    M(45, dropped)                                                                     \
    M(46, retire)                                                                      \
    M(50, get_data)                                                                    \
    M(51, put_data)                                                                    \
    M(52, data)                                                                        \
    M(53, no_data)                                                                     \
    M(54, stored)                                                                      \
    M(60, publish)                                                                     \
    M(61, unpublish)                                                                   \
    M(62, get_published)                                                               \
    M(63, published)                                                                   \
    M(64, want)                                                                        \
    M(65, replicate)                                                                   \
    M(70, upload)                                                                      \
    M(71, outcome)                                                                     \
    M(72, load_plugin)                                                                 \
    M(73, plugin_loaded)                                                               \
    M(74, shutdown)                                                                    \
    M(80, members)                                                                     \
    M(90, why_all)

/* ---- what the table makes ---- */

typedef uint64_t field_u64;
typedef int64_t field_i64;
typedef double field_f64;
typedef struct str field_str;
typedef struct task_key field_key;
typedef struct payload *field_blob;
typedef struct {
    const struct task_key *items;
    size_t count;
} field_keys;

#define DECLARE_FIELD(type, name) field_##type name;
#define DECLARE_ELEMENT(element)                                                       \
    struct element {                                                                   \
        ELEMENT_##element(DECLARE_FIELD)                                               \
    };                                                                                 \
    typedef struct {                                                                   \
        const struct element *items;                                                   \
        size_t count;                                                                  \
    } field_##element##s;
ELEMENTS(DECLARE_ELEMENT)
#undef DECLARE_ELEMENT

enum message_type {
#define DECLARE_NUMBER(number, name) MSG_##name = number,
    MESSAGES(DECLARE_NUMBER)
#undef DECLARE_NUMBER
};

#define DECLARE_MESSAGE(number, name)                                                  \
    struct msg_##name {                                                                \
        MESSAGE_##name(DECLARE_FIELD)                                                  \
    };
MESSAGES(DECLARE_MESSAGE)
#undef DECLARE_MESSAGE
#undef DECLARE_FIELD

/* One message, as cores see it.  Everything inside is borrowed: whoever keeps a
 * payload takes a reference, whoever keeps a text or a list copies it. */
struct message {
    enum message_type type;
    union {
#define DECLARE_MEMBER(number, name) struct msg_##name name;
        MESSAGES(DECLARE_MEMBER)
#undef DECLARE_MEMBER
    };
};

/* MESSAGE(done, .key = key, .attempt = 3): a message on the stack. */
#define MESSAGE(name_, ...)                                                            \
    (&(struct message){.type = MSG_##name_, .name_ = {__VA_ARGS__}})

/* "hello", borrowed for ever; "unknown" for a number that is not in the table. */
const char *message_name(enum message_type type);

struct str str_of(const char *text); /* borrows `text` */

/* The code of a failure as a peer wrote it; `otherwise` stands for what is no error. */
static inline int failure_code(int64_t code, int otherwise)
{
    return code < 0 && code > -1000 ? (int)code : otherwise;
}

/* An owned copy that ends with NUL; NULL when there is no memory. */
char *str_copy(struct str str);

#define STR_FORMAT "%.*s"
#define STR_ARGS(str) (int)(str).size, (str).text

#endif
