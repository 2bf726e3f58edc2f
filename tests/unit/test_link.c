#include "common/clock.h"
#include "common/loop.h"
#include "proto/link.h"
#include "tests/test.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ZeroMQ as it is, but for faults: the n-th call from now on fails. */
struct fault {
    int calls;
    int error;
};
static struct fault send_fault, receive_fault, make_fault, end_fault;

static bool strikes(struct fault *fault)
{
    if (fault->calls == 0 || --fault->calls > 0)
        return false;
    errno = fault->error;
    return true;
}

int __real_zmq_msg_send(zmq_msg_t *, void *, int);
int __wrap_zmq_msg_send(zmq_msg_t *, void *, int);
int __wrap_zmq_msg_send(zmq_msg_t *part, void *socket, int flags)
{
    return strikes(&send_fault) ? -1 : __real_zmq_msg_send(part, socket, flags);
}

int __real_zmq_msg_recv(zmq_msg_t *, void *, int);
int __wrap_zmq_msg_recv(zmq_msg_t *, void *, int);
int __wrap_zmq_msg_recv(zmq_msg_t *part, void *socket, int flags)
{
    return strikes(&receive_fault) ? -1 : __real_zmq_msg_recv(part, socket, flags);
}

int __real_zmq_msg_init_size(zmq_msg_t *, size_t);
int __wrap_zmq_msg_init_size(zmq_msg_t *, size_t);
int __wrap_zmq_msg_init_size(zmq_msg_t *part, size_t size)
{
    return strikes(&make_fault) ? -1 : __real_zmq_msg_init_size(part, size);
}

static int contexts_ended;
int __real_zmq_ctx_term(void *);
int __wrap_zmq_ctx_term(void *);
int __wrap_zmq_ctx_term(void *ending)
{
    if (strikes(&end_fault))
        return -1;
    contexts_ended++;
    return __real_zmq_ctx_term(ending);
}

static void *context, *router, *dealer;
static char address[128];

static void setup(void)
{
    struct err_text text;
    context = zmq_ctx_new();
    ck_assert_int_eq(link_socket(context, ZMQ_ROUTER, &router, &text), 0);
    ck_assert_int_eq(link_bind(router, "127.0.0.1", 0, address, sizeof address, &text),
                     0);
    ck_assert_int_eq(link_socket(context, ZMQ_DEALER, &dealer, &text), 0);
    ck_assert_int_eq(link_connect(dealer, address, &text), 0);
}

static void teardown(void)
{
    link_close_listener(router, NULL);
    zmq_close(dealer);
    link_context_end(context);
}

/* Waits for readiness for 10 s at most, so that a broken link fails and not hangs. */
static void wait_for(void *socket, short events)
{
    zmq_pollitem_t item = {.socket = socket, .events = events};
    ck_assert_int_eq(zmq_poll(&item, 1, 10000), 1);
}

static void receive(void *socket, struct delivery *delivery)
{
    wait_for(socket, ZMQ_POLLIN);
    ck_assert_int_eq(link_receive(socket, delivery), 0);
}

static struct payload *array_payload(int64_t count)
{
    double *data = malloc((size_t)count * sizeof *data);
    for (int64_t i = 0; i < count; i++)
        data[i] = (double)i;
    struct dusk_value value = {.kind = DUSK_ARRAY,
                               .array = {DUSK_F64, 1, {count}, data}};
    struct frame frame = {data, (size_t)count * sizeof *data, free, data};
    struct payload_builder builder;
    payload_builder_init(&builder);
    ck_assert_int_eq(payload_builder_value(&builder, &value, &frame), 0);
    struct payload *payload;
    ck_assert_int_eq(payload_builder_finish(&builder, &payload), 0);
    return payload;
}

/* Small arrays go together, large ones by themselves; all must arrive whole. */
START_TEST(arrays_arrive_whole)
{
    static const int64_t counts[] = {0, 1, 5000, 100, 1000000};
    struct batch batch;
    batch_init(&batch);
    uint64_t sums[5];
    for (int i = 0; i < 5; i++) {
        struct payload *payload = array_payload(counts[i]);
        sums[i] = payload_checksum(payload);
        ck_assert_int_eq(
            batch_add(&batch, MESSAGE(data, .key = key_make(1, 1 + (uint64_t)i),
                                      .data = payload)),
            0);
        payload_unref(payload);
    }
    wait_for(dealer, ZMQ_POLLOUT);
    ck_assert_int_eq(link_send(dealer, NULL, &batch), 0);
    ck_assert(batch_is_empty(&batch));
    struct delivery delivery;
    receive(router, &delivery);
    ck_assert_uint_gt(delivery.from.size, 0);
    ck_assert_int_ge(delivery.fd, 0);
    struct payload *kept[5];
    for (int i = 0; i < 5; i++) {
        struct message message;
        ck_assert_int_eq(batch_reader_next(&delivery.reader, &message, NULL), 0);
        kept[i] = payload_ref(message.data.data);
    }
    delivery_fini(&delivery);
    for (int i = 0; i < 5; i++) {
        ck_assert_uint_eq(payload_checksum(kept[i]), sums[i]);
        ck_assert_uint_eq((uintptr_t)payload_frame(kept[i], 0)->data % 8, 0);
        payload_unref(kept[i]);
    }
    batch_fini(&batch);
}
END_TEST

/* The k-th call is interrupted, on either side: address, header, bundle. */
START_TEST(a_signal_loses_nothing)
{
    struct payload *payload = array_payload(100);
    struct batch batch;
    batch_init(&batch);
    batch_add(&batch, MESSAGE(data, .key = key_make(1, 1), .data = payload));
    send_fault = (struct fault){_i, EINTR};
    wait_for(dealer, ZMQ_POLLOUT);
    ck_assert_int_eq(link_send(dealer, NULL, &batch), 0);
    struct delivery delivery;
    struct message message;
    receive_fault = (struct fault){_i, EINTR};
    receive(router, &delivery);
    ck_assert_int_eq(batch_reader_next(&delivery.reader, &message, NULL), 0);
    ck_assert_uint_eq(payload_checksum(message.data.data), payload_checksum(payload));
    delivery_fini(&delivery);
    ck_assert_int_eq(send_fault.calls, _i > 2);
    ck_assert_int_eq(receive_fault.calls, 0);
    payload_unref(payload);
    batch_fini(&batch);
}
END_TEST

/* No memory for the k-th part, from the ROUTER: address, header, bundle.  None of what
 * belonged together arrives. */
START_TEST(what_breaks_off_does_not_run_into_the_next)
{
    struct batch batch;
    batch_init(&batch);
    batch_add(&batch, MESSAGE(alive, 1));
    wait_for(dealer, ZMQ_POLLOUT);
    ck_assert_int_eq(link_send(dealer, NULL, &batch), 0);
    struct delivery delivery;
    receive(router, &delivery);
    struct identity to = delivery.from;
    delivery_fini(&delivery);
    for (uint64_t i = 1; i <= 2; i++) {
        struct payload *payload = array_payload(100);
        batch_add(&batch, MESSAGE(data, .key = key_make(1, i), .data = payload));
        payload_unref(payload);
    }
    make_fault = (struct fault){_i, ENOMEM};
    ck_assert_int_eq(link_send(router, &to, &batch), DUSK_E_NOMEM);
    ck_assert(batch_is_empty(&batch));
    batch_add(&batch, MESSAGE(alive, 7));
    ck_assert_int_eq(link_send(router, &to, &batch), 0);
    struct message message = {0};
    if (_i > 1) {
        receive(dealer, &delivery);
        ck_assert_int_eq(batch_reader_next(&delivery.reader, &message, NULL), 1);
        delivery_fini(&delivery);
    }
    receive(dealer, &delivery);
    ck_assert_int_eq(batch_reader_next(&delivery.reader, &message, NULL), 0);
    ck_assert_uint_eq(message.alive.epoch, 7);
    delivery_fini(&delivery);
    batch_fini(&batch);
}
END_TEST

START_TEST(a_peer_that_is_gone_is_named)
{
    struct batch batch;
    batch_init(&batch);
    batch_add(&batch, MESSAGE(alive, 1));
    struct identity nobody = {5, {0, 1, 2, 3, 4}};
    ck_assert_int_eq(link_send(router, &nobody, &batch), DUSK_E_CLOSED);
    ck_assert_uint_eq(batch.message_count, 1);
    batch_fini(&batch);
}
END_TEST

/* One of two connections is closed, and nothing is said over the other. */
START_TEST(one_connection_of_many_is_closed)
{
    struct err_text text;
    void *other, *monitor;
    ck_assert_int_eq(link_socket(context, ZMQ_DEALER, &other, &text), 0);
    ck_assert_int_eq(link_monitor(context, dealer, &monitor, &text), 0);
    ck_assert_int_eq(link_connect(other, address, &text), 0);
    struct batch batch;
    batch_init(&batch);
    struct delivery delivery;
    void *sockets[] = {other, dealer};
    for (int i = 0; i < 2; i++) {
        batch_add(&batch, MESSAGE(alive, 1));
        wait_for(sockets[i], ZMQ_POLLOUT);
        ck_assert_int_eq(link_send(sockets[i], NULL, &batch), 0);
        receive(router, &delivery);
        delivery_fini(&delivery);
    }
    ck_assert(link_hangup(router, &delivery.from, delivery.fd));
    struct link_event event = {0};
    while (event.event != ZMQ_EVENT_DISCONNECTED) {
        wait_for(monitor, ZMQ_POLLIN);
        link_next_event(monitor, &event);
    }
    while (link_is_connected(router, &delivery.from))
        ;
    ck_assert(!link_hangup(router, &delivery.from, delivery.fd));
    batch_add(&batch, MESSAGE(alive, 2));
    ck_assert_int_eq(link_send(other, NULL, &batch), 0);
    struct message message;
    receive(router, &delivery);
    ck_assert_int_eq(batch_reader_next(&delivery.reader, &message, &text), 0);
    ck_assert_uint_eq(message.alive.epoch, 2);
    delivery_fini(&delivery);
    batch_fini(&batch);
    zmq_socket_monitor(dealer, NULL, 0);
    zmq_close(monitor);
    zmq_close(other);
}
END_TEST

START_TEST(a_full_queue_keeps_the_batch)
{
    void *lonely;
    struct err_text text;
    ck_assert_int_eq(link_socket(context, ZMQ_DEALER, &lonely, &text), 0);
    struct batch batch;
    batch_init(&batch);
    batch_add(&batch, MESSAGE(alive, 1));
    ck_assert_int_gt(link_send(lonely, NULL, &batch), 0);
    ck_assert_uint_eq(batch.message_count, 1);
    batch_fini(&batch);
    zmq_close(lonely);
}
END_TEST

/* Fills what lies between the router and a dealer that does not read. */
static int send_large(const struct identity *to)
{
    static uint8_t bytes[1 << 20];
    struct dusk_value value = {
        .kind = DUSK_ARRAY, .array = {DUSK_F64, 1, {sizeof bytes / 8, 0, 0, 0}, bytes}};
    struct payload_builder builder;
    struct payload *payload;
    struct batch batch;
    payload_builder_init(&builder);
    payload_builder_value(&builder, &value, NULL);
    ck_assert_int_eq(payload_builder_finish(&builder, &payload), 0);
    payload_builder_fini(&builder);
    batch_init(&batch);
    batch_add(&batch, MESSAGE(submit, .arguments = payload));
    payload_unref(payload);
    int rc = link_send(router, to, &batch);
    batch_fini(&batch);
    return rc;
}

static void nothing_ready(void *nothing)
{
}

START_TEST(a_loop_turns_when_a_full_queue_has_room)
{
    struct batch hello;
    struct delivery delivery;
    struct loop loop;
    batch_init(&hello);
    batch_add(&hello, MESSAGE(alive, 1));
    wait_for(dealer, ZMQ_POLLOUT);
    ck_assert_int_eq(link_send(dealer, NULL, &hello), 0);
    batch_fini(&hello);
    receive(router, &delivery);
    struct identity to = delivery.from;
    delivery_fini(&delivery);
    loop_init(&loop);
    ck_assert_int_eq(loop_add(&loop, router, -1, nothing_ready, NULL), 0);
    /* Until nothing moves any more: only then is a later sign the dealer's doing. */
    for (int still = 0; still < 20; still++) {
        while (send_large(&to) == 0)
            still = 0;
        poll(NULL, 0, 10);
    }
    while (send_large(&to) > 0) {
        while (link_receive(dealer, &delivery) == 0)
            delivery_fini(&delivery);
        uint64_t start_ns = clock_monotonic_ns();
        ck_assert_int_eq(loop_turn(&loop, 60 * NS_PER_S), 0);
        ck_assert_uint_lt(clock_monotonic_ns() - start_ns, 60 * NS_PER_S);
    }
    loop_fini(&loop);
}
END_TEST

START_TEST(strange_messages_are_refused_and_the_next_is_read)
{
    wait_for(dealer, ZMQ_POLLOUT);
    zmq_send(dealer, "\xc1 no msgpack", 12, 0);
    struct batch batch;
    batch_init(&batch);
    batch_add(&batch, MESSAGE(alive, 5));
    ck_assert_int_eq(link_send(dealer, NULL, &batch), 0);
    struct delivery delivery;
    struct message message;
    struct err_text line;
    receive(router, &delivery);
    ck_assert_int_eq(batch_reader_next(&delivery.reader, &message, &line),
                     DUSK_E_PROTOCOL);
    delivery_fini(&delivery);
    receive(router, &delivery);
    ck_assert_int_eq(batch_reader_next(&delivery.reader, &message, &line), 0);
    ck_assert_uint_eq(message.alive.epoch, 5);
    delivery_fini(&delivery);
    ck_assert_int_gt(link_receive(router, &delivery), 0);
    batch_fini(&batch);
}
END_TEST

/* A header without messages, whatever bundle, and perhaps a part more. */
static void send_parts(const void *bundle, size_t size, bool one_more)
{
    wait_for(dealer, ZMQ_POLLOUT);
    zmq_send(dealer, "", 0, ZMQ_SNDMORE);
    zmq_send(dealer, bundle, size, one_more ? ZMQ_SNDMORE : 0);
    if (one_more)
        zmq_send(dealer, "12345678", 8, 0);
}

START_TEST(bundles_that_break_the_protocol_are_refused)
{
    static const struct {
        uint64_t words[3];
        size_t size;
        bool one_more;
        int rc;
    } cases[] = {
        {{0}, 0, false, 0},
        {{0}, 0, true, DUSK_E_PROTOCOL},     /* of which it says nothing */
        {{0}, 7, false, DUSK_E_PROTOCOL},    /* half a size */
        {{1, 1}, 16, false, 0},              /* filled up to 8 */
        {{1, 1}, 9, false, DUSK_E_PROTOCOL}, /* not filled up */
        {{9, 1, 1}, 24, false, 0},
        {{17, 1, 1}, 24, false, DUSK_E_PROTOCOL}, /* more than there is */
        {{UINT64_MAX - 1, 1}, 16, false, DUSK_E_PROTOCOL},
        {{UINT64_MAX - 7, 1}, 16, false, DUSK_E_PROTOCOL},
        {{UINT64_MAX}, 8, true, 0},                /* apart */
        {{UINT64_MAX}, 8, false, DUSK_E_PROTOCOL}, /* and not there */
        {{UINT64_MAX, 0}, 16, true, 0},
        {{0, UINT64_MAX, UINT64_MAX}, 24, true, DUSK_E_PROTOCOL},
        {{8, 1, 17}, 24, true, DUSK_E_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct delivery delivery;
        struct err_text line;
        struct message message;
        send_parts(cases[i].words, cases[i].size, cases[i].one_more);
        wait_for(router, ZMQ_POLLIN);
        ck_assert_msg(link_receive(router, &delivery) == cases[i].rc, "case %zu", i);
        if (cases[i].rc < 0)
            continue;
        ck_assert_int_gt(batch_reader_next(&delivery.reader, &message, &line), 0);
        delivery_fini(&delivery);
    }
}
END_TEST

/* Small frames of 17 MiB together. */
START_TEST(what_is_too_much_for_a_bundle_goes_beside_it)
{
    enum { FRAMES = 1100 };
    struct payload *payload = array_payload(2000);
    struct batch batch;
    struct delivery delivery;
    struct message message;
    batch_init(&batch);
    for (uint64_t i = 1; i <= FRAMES; i++)
        batch_add(&batch, MESSAGE(data, .key = key_make(1, i), .data = payload));
    wait_for(dealer, ZMQ_POLLOUT);
    ck_assert_int_eq(link_send(dealer, NULL, &batch), 0);
    receive(router, &delivery);
    ck_assert_uint_eq(delivery.frame_count, FRAMES);
    for (uint64_t i = 1; i <= FRAMES; i++) {
        ck_assert_int_eq(batch_reader_next(&delivery.reader, &message, NULL), 0);
        ck_assert_uint_eq(payload_checksum(message.data.data),
                          payload_checksum(payload));
    }
    delivery_fini(&delivery);
    payload_unref(payload);
    batch_fini(&batch);
}
END_TEST

START_TEST(a_frame_beyond_the_sockets_limit_ends_the_connection)
{
    void *strict, *monitor, *visitor;
    char place[128];
    struct err_text text;
    ck_assert_int_eq(link_socket(context, ZMQ_ROUTER, &strict, &text), 0);
    ck_assert_int_eq(link_limit_frames(strict, 80000, &text), 0);
    ck_assert_int_eq(link_monitor(context, strict, &monitor, &text), 0);
    ck_assert_int_eq(link_bind(strict, "127.0.0.1", 0, place, sizeof place, &text), 0);
    ck_assert_int_eq(link_socket(context, ZMQ_DEALER, &visitor, &text), 0);
    ck_assert_int_eq(zmq_connect(visitor, place), 0);
    struct batch batch;
    batch_init(&batch);
    for (int64_t count = 10000; count <= 10001; count++) {
        struct payload *payload = array_payload(count);
        batch_add(&batch, MESSAGE(data, .key = key_make(1, 1), .data = payload));
        payload_unref(payload);
        wait_for(visitor, ZMQ_POLLOUT);
        ck_assert_int_eq(link_send(visitor, NULL, &batch), 0);
    }
    struct delivery delivery;
    receive(strict, &delivery);
    delivery_fini(&delivery);
    struct link_event event = {0};
    while (event.event != ZMQ_EVENT_DISCONNECTED) {
        wait_for(monitor, ZMQ_POLLIN);
        ck_assert(link_next_event(monitor, &event));
    }
    ck_assert_int_gt(link_receive(strict, &delivery), 0);
    zmq_socket_monitor(strict, NULL, 0);
    zmq_close(monitor);
    zmq_close(visitor);
    zmq_close(strict);
    batch_fini(&batch);
}
END_TEST

START_TEST(addresses_are_checked)
{
    struct err_text text;
    ck_assert_int_eq(link_check_address("tcp://host:8786", &text), 0);
    ck_assert_int_eq(link_check_address("tcp://[::1]:1", &text), 0);
    char endless[LINK_HOST_BYTES + 16];
    snprintf(endless, sizeof endless, "tcp://%0*d:1", LINK_HOST_BYTES, 0);
    const char *bad[] = {"",           "host:8786",  "tcp://host",   "tcp://:8786",
                         "tcp://h:",   "tcp://h:+8", "tcp://h: 8",   "tcp://h:70000",
                         "tcp://h:8x", "udp://h:1",  "tcp://[]:786", endless};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(link_check_address(bad[i], &text), DUSK_E_INVALID);
        ck_assert_ptr_nonnull(strstr(text.line, bad[i]));
    }
    char host[LINK_HOST_BYTES];
    link_host("tcp://host:8786", host);
    ck_assert_str_eq(host, "host");
    link_host("tcp://[::1]:1", host);
    ck_assert_str_eq(host, "::1");
    void *second;
    unsigned port = (unsigned)atoi(strrchr(address, ':') + 1);
    char taken[128];
    ck_assert_int_eq(link_socket(context, ZMQ_ROUTER, &second, &text), 0);
    ck_assert_int_eq(link_bind(second, "127.0.0.1", port, taken, sizeof taken, &text),
                     DUSK_E_IO);
    ck_assert_ptr_nonnull(strstr(text.line, "in use"));
    ck_assert_int_eq(link_bind(second, "no host", 0, taken, sizeof taken, &text),
                     DUSK_E_IO);
    ck_assert_str_eq(text.line,
                     "cannot listen at tcp://no host:*: there is no such host");
    zmq_close(second);
}
END_TEST

START_TEST(loopback_is_told_from_what_looks_like_it)
{
    const char *inside[] = {"127.0.0.1", "127.1.2.3", "localhost", "::1", "[::1]"};
    const char *outside[] = {"127.example.org",
                             "127.0.0.1.example.org",
                             "127.",
                             "0.0.0.0",
                             "*",
                             "",
                             "::",
                             "[::]",
                             "[",
                             "[]",
                             "[::1",
                             "192.0.2.1",
                             "[127.0.0.1]",
                             "1::1",
                             "eth0"};
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++)
        ck_assert_msg(link_is_loopback(inside[i]), "%s", inside[i]);
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
        ck_assert_msg(!link_is_loopback(outside[i]), "%s", outside[i]);
}
END_TEST

/* The monitor tells of a closed connection, by the descriptor that its messages
 * carried. */
START_TEST(the_monitor_names_the_connection)
{
    void *monitor;
    struct err_text text;
    ck_assert_int_eq(link_monitor(context, router, &monitor, &text), 0);
    void *visitor;
    ck_assert_int_eq(link_socket(context, ZMQ_DEALER, &visitor, &text), 0);
    ck_assert_int_eq(link_connect(visitor, address, &text), 0);
    struct batch batch;
    batch_init(&batch);
    batch_add(&batch, MESSAGE(alive, 9));
    wait_for(visitor, ZMQ_POLLOUT);
    ck_assert_int_eq(link_send(visitor, NULL, &batch), 0);
    struct delivery delivery;
    receive(router, &delivery);
    int fd = delivery.fd;
    delivery_fini(&delivery);
    zmq_close(visitor);
    struct link_event event = {0};
    while (event.event != ZMQ_EVENT_DISCONNECTED) {
        wait_for(monitor, ZMQ_POLLIN);
        ck_assert(link_next_event(monitor, &event));
    }
    ck_assert_int_eq(event.fd, fd);
    zmq_socket_monitor(router, NULL, 0);
    zmq_close(monitor);
    batch_fini(&batch);
}
END_TEST

/* Whether somebody who connects is sent something within a second. */
static bool is_greeted(void)
{
    struct sockaddr_in place = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    place.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    int visitor = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(visitor, (struct sockaddr *)&place, sizeof place), 0);
    struct pollfd item = {.fd = visitor, .events = POLLIN};
    bool greeted = poll(&item, 1, 1000) == 1;
    close(visitor);
    return greeted;
}

/* The monitor's queue is full when nobody is served any more. */
START_TEST(a_listener_closes_though_nobody_reads_its_events)
{
    void *monitor;
    struct err_text text;
    ck_assert_int_eq(link_monitor(context, router, &monitor, &text), 0);
    int visitors = 0;
    while (is_greeted())
        ck_assert_int_lt(++visitors, 10000);
    link_close_listener(router, monitor);
    router = NULL;
}
END_TEST

START_TEST(a_signal_does_not_end_the_wait_for_what_lingers)
{
    end_fault = (struct fault){1, EINTR};
    link_context_end(zmq_ctx_new());
    ck_assert_int_eq(contexts_ended, 1);
    end_fault = (struct fault){1, EFAULT};
    link_context_end(context); /* no use in trying again */
    ck_assert_int_eq(contexts_ended, 1);
    link_context_end(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("link");
    TCase *tcase = tcase_create("link");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, arrays_arrive_whole);
    tcase_add_loop_test(tcase, a_signal_loses_nothing, 1, 4);
    tcase_add_loop_test(tcase, what_breaks_off_does_not_run_into_the_next, 1, 4);
    tcase_add_test(tcase, bundles_that_break_the_protocol_are_refused);
    tcase_add_test(tcase, what_is_too_much_for_a_bundle_goes_beside_it);
    tcase_add_test(tcase, a_peer_that_is_gone_is_named);
    tcase_add_test(tcase, one_connection_of_many_is_closed);
    tcase_add_test(tcase, a_full_queue_keeps_the_batch);
    tcase_add_test(tcase, a_loop_turns_when_a_full_queue_has_room);
    tcase_add_test(tcase, strange_messages_are_refused_and_the_next_is_read);
    tcase_add_test(tcase, a_frame_beyond_the_sockets_limit_ends_the_connection);
    tcase_add_test(tcase, addresses_are_checked);
    tcase_add_test(tcase, loopback_is_told_from_what_looks_like_it);
    tcase_add_test(tcase, the_monitor_names_the_connection);
    tcase_add_test(tcase, a_listener_closes_though_nobody_reads_its_events);
    tcase_add_test(tcase, a_signal_does_not_end_the_wait_for_what_lingers);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
