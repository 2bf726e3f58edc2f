#include "fake_scheduler.h"

#include "common/map.h"
#include "proto/link.h"

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELD_MAX 64

struct fake_scheduler {
    void *zmq;
    void *tasks; /* ROUTER, the scheduler's */
    void *data;  /* ROUTER, the worker's */
    char address[64];
    char data_address[64];
    enum fake_manners manners;
    uint64_t epoch;
    struct fake_counts counts;
    struct map results; /* payloads by key, owned */
    struct task_key held[HELD_MAX];
    int held_count;
    atomic_bool stopping;
    pthread_t thread;
};

static void answer(struct batch *batch, const struct message *message)
{
    ck_assert_int_eq(batch_add(batch, message), 0);
}

static void keep(struct fake_scheduler *fake, struct task_key key,
                 struct payload *payload)
{
    payload_unref(map_remove(&fake->results, key.bits));
    ck_assert_int_eq(map_put(&fake->results, key.bits, payload_ref(payload)), 0);
}

/* What a call without arguments echoes. */
static void keep_nothing(struct fake_scheduler *fake, struct task_key key)
{
    struct payload_builder builder;
    struct payload *nothing;
    payload_builder_init(&builder);
    ck_assert_int_eq(payload_builder_finish(&builder, &nothing), 0);
    keep(fake, key, nothing);
    payload_unref(nothing);
}

static void finish(struct fake_scheduler *fake, struct batch *batch,
                   struct task_key key, bool away)
{
    struct payload *result = map_get(&fake->results, key.bits);
    answer(batch, MESSAGE(finished, .key = key, .nbytes = payload_bytes(result),
                          .worker = 2, .thread = 1, .start_ns = 1000, .stop_ns = 2000,
                          .address = str_of(away ? fake->data_address : ""),
                          .result = away ? NULL : result));
}

static bool is(struct str str, const char *text)
{
    return str.size == strlen(text) && memcmp(str.text, text, str.size) == 0;
}

static void on_submit(struct fake_scheduler *fake, struct batch *batch,
                      const struct msg_submit *submit)
{
    atomic_fetch_add(&fake->counts.submits, 1);
    if (submit->arguments)
        keep(fake, submit->key, submit->arguments);
    else
        keep_nothing(fake, submit->key);
    if (is(submit->function, "echo"))
        finish(fake, batch, submit->key, false);
    else if (is(submit->function, "away"))
        finish(fake, batch, submit->key, true);
    else if (is(submit->function, "fail"))
        answer(batch, MESSAGE(failed, .key = submit->key, .code = DUSK_E_TASK,
                              .reason = str_of("it was meant to fail")));
    else if (is(submit->function, "hold"))
        fake->held[fake->held_count++] = submit->key;
    else if (is(submit->function, "open")) {
        finish(fake, batch, submit->key, false);
        while (fake->held_count > 0)
            finish(fake, batch, fake->held[--fake->held_count], false);
    }
}

static void on_status(struct batch *batch, uint64_t request)
{
    struct worker_row worker = {.worker = 2,
                                .name = str_of("fake"),
                                .address = str_of("tcp://x:1"),
                                .state = str_of("running"),
                                .nthreads = 4,
                                .running = str_of("")};
    struct state_row state = {str_of("memory"), 7};
    struct client_row client = {str_of("test"), 0xc0ffee, 3, 0};
    answer(batch, MESSAGE(status, .request = request, .build = str_of("fake"),
                          .uptime_ns = 5000000000, .workers = {&worker, 1},
                          .states = {&state, 1}, .clients = {&client, 1}, .rss = 4096,
                          .cpu_ns = 2500000000));
}

static void on_hello(struct fake_scheduler *fake, struct batch *batch,
                     const struct msg_hello *hello)
{
    if (fake->manners == FAKE_POLITE)
        answer(batch, MESSAGE(welcome, .epoch = fake->epoch, .number = hello->client,
                              .heartbeat_ms = 100));
    else if (fake->manners == FAKE_REFUSING)
        answer(batch, MESSAGE(refuse, .code = DUSK_E_REFUSED,
                              .reason = str_of("not on Sundays")));
}

static void on_message(struct fake_scheduler *fake, struct batch *batch,
                       const struct message *message)
{
    struct fake_counts *counts = &fake->counts;
    switch (message->type) {
    case MSG_hello:
        on_hello(fake, batch, &message->hello);
        break;
    case MSG_submit:
        on_submit(fake, batch, &message->submit);
        break;
    case MSG_scatter:
        answer(batch, MESSAGE(place, .key = message->scatter.key,
                              .address = str_of(fake->data_address)));
        break;
    case MSG_cancel:
        atomic_fetch_add(&counts->cancels, (int)message->cancel.keys.count);
        break;
    case MSG_release:
        atomic_fetch_add(&counts->releases, (int)message->release.keys.count);
        break;
    case MSG_replicate:
        break;
    case MSG_alive:
        atomic_fetch_add(&counts->heartbeats, 1);
        answer(batch, MESSAGE(alive, .number = message->alive.number));
        break;
    case MSG_bye:
        atomic_fetch_add(&counts->byes, 1);
        break;
    case MSG_status_request:
        on_status(batch, message->status_request.request);
        break;
    case MSG_why:
        answer(batch, MESSAGE(because, .request = message->why.request,
                              .reason = str_of("it is a test")));
        break;
    default:
        ck_abort_msg("a client sends %s", message_name(message->type));
    }
}

static void on_data_message(struct fake_scheduler *fake, struct batch *batch,
                            const struct message *message)
{
    if (message->type == MSG_put_data) {
        keep(fake, message->put_data.key, message->put_data.data);
        ck_assert_uint_eq(payload_checksum(message->put_data.data),
                          message->put_data.checksum);
        answer(batch, MESSAGE(stored, .request = message->put_data.request,
                              .key = message->put_data.key));
        return;
    }
    ck_assert_int_eq(message->type, MSG_get_data);
    struct payload *result = map_get(&fake->results, message->get_data.key.bits);
    answer(batch, MESSAGE(data, .request = message->get_data.request,
                          .key = message->get_data.key,
                          .checksum = payload_checksum(result), .data = result));
}

/* A full queue may have room only when ZeroMQ's threads have had their turn. */
static void deliver(struct fake_scheduler *fake, void *socket,
                    const struct identity *to, struct batch *batch)
{
    while (link_send(socket, to, batch) > 0 && !atomic_load(&fake->stopping))
        poll(NULL, 0, 1);
}

/* Confirms scattered data to the client that the scheduler heard last. */
static void confirm(struct fake_scheduler *fake, const struct identity *client,
                    const struct message *message)
{
    if (message->type != MSG_put_data || !client->size)
        return;
    struct batch batch;
    batch_init(&batch);
    finish(fake, &batch, message->put_data.key, true);
    deliver(fake, fake->tasks, client, &batch);
    batch_fini(&batch);
}

static void serve(struct fake_scheduler *fake, void *socket, struct identity *client)
{
    struct delivery delivery;
    while (link_receive(socket, &delivery) == 0) {
        struct batch batch;
        struct message message;
        struct err_text text;
        batch_init(&batch);
        if (socket == fake->tasks) {
            *client = delivery.from;
            atomic_fetch_add(&fake->counts.batches, 1);
        }
        while (batch_reader_next(&delivery.reader, &message, &text) == 0) {
            if (socket == fake->tasks)
                on_message(fake, &batch, &message);
            else {
                on_data_message(fake, &batch, &message);
                confirm(fake, client, &message);
            }
        }
        if (!batch_is_empty(&batch))
            deliver(fake, socket, &delivery.from, &batch);
        batch_fini(&batch);
        delivery_fini(&delivery);
    }
}

static void *run(void *arg)
{
    struct fake_scheduler *fake = arg;
    struct identity client = {0};
    while (!atomic_load(&fake->stopping)) {
        zmq_pollitem_t items[] = {{fake->tasks, -1, ZMQ_POLLIN, 0},
                                  {fake->data, -1, ZMQ_POLLIN, 0}};
        zmq_poll(items, 2, 5);
        serve(fake, fake->tasks, &client);
        serve(fake, fake->data, &client);
    }
    return NULL;
}

static void *bound(struct fake_scheduler *fake, unsigned port, char *address)
{
    void *socket;
    struct err_text text;
    if (link_socket(fake->zmq, ZMQ_ROUTER, &socket, &text) < 0 ||
        link_bind(socket, "127.0.0.1", port, address, sizeof fake->address, &text) < 0)
        ck_abort_msg("%s", text.line);
    return socket;
}

struct fake_scheduler *fake_start(unsigned port, enum fake_manners manners)
{
    static uint64_t starts;
    struct fake_scheduler *fake = calloc(1, sizeof *fake);
    fake->epoch = ++starts;
    fake->zmq = zmq_ctx_new();
    fake->manners = manners;
    map_init(&fake->results);
    fake->tasks = bound(fake, port, fake->address);
    fake->data = bound(fake, 0, fake->data_address);
    pthread_create(&fake->thread, NULL, run, fake);
    return fake;
}

void fake_stop(struct fake_scheduler *fake)
{
    atomic_store(&fake->stopping, true);
    pthread_join(fake->thread, NULL);
    zmq_close(fake->tasks);
    zmq_close(fake->data);
    zmq_ctx_term(fake->zmq);
    size_t position = 0;
    struct payload *payload;
    while ((payload = map_next(&fake->results, &position)))
        payload_unref(payload);
    map_fini(&fake->results);
    free(fake);
}

const char *fake_address(const struct fake_scheduler *fake)
{
    return fake->address;
}

unsigned fake_port(const struct fake_scheduler *fake)
{
    return (unsigned)atoi(strrchr(fake->address, ':') + 1);
}

struct fake_counts *fake_counts(struct fake_scheduler *fake)
{
    return &fake->counts;
}
