/* Encrypted sockets with an allow-list: who gets through, and what the others learn. */
#include "proto/curve.h"
#include "proto/zap.h"
#include "tests/test.h"

#include <stdio.h>
#include <string.h>

#define COUNT(array) (int)(sizeof(array) / sizeof(array)[0])
#define HANG_MS 10000

static void *context, *router, *monitor;
static struct key_pair server;
static struct join join;
static struct member list[2];
static struct members members = {list, 1};
static struct zap zap;
static struct zap_refusal refusal;
static int refusals;
static char address[128];

static void join_make(struct join *ret_join, const char *scheduler_key)
{
    *ret_join = (struct join){.role = MEMBER_CLIENT, .name = "c"};
    ck_assert_int_eq(
        zmq_curve_keypair(ret_join->pair.public_key, ret_join->pair.secret_key), 0);
    strcpy(ret_join->scheduler_key, scheduler_key);
}

static void setup(void)
{
    struct err_text text;
    context = zmq_ctx_new();
    ck_assert_int_eq(zmq_curve_keypair(server.public_key, server.secret_key), 0);
    join_make(&join, server.public_key);
    list[0] = (struct member){MEMBER_CLIENT, "c", ""};
    strcpy(list[0].key, join.pair.public_key);
    ck_assert_int_eq(zap_open(&zap, context, &members, &text), 0);
    ck_assert_int_eq(link_socket(context, ZMQ_ROUTER, &router, &text), 0);
    ck_assert_int_eq(curve_listen(router, &server, &text), 0);
    ck_assert_int_eq(link_bind(router, "127.0.0.1", 0, address, sizeof address, &text),
                     0);
}

static void teardown(void)
{
    if (monitor)
        zmq_close(monitor);
    zmq_close(router);
    zap_close(&zap);
    zmq_ctx_term(context);
}

/* A DEALER with these keys (or none), and its monitor. */
static void *dealer_open(const struct join *keys, const char *to)
{
    struct err_text text = {""};
    void *dealer;
    int rc = link_socket(context, ZMQ_DEALER, &dealer, &text);
    if (rc == 0)
        rc = link_monitor(context, dealer, &monitor, &text);
    if (rc == 0 && keys)
        rc = curve_connect(dealer, keys, to, &text);
    if (rc == 0)
        rc = link_connect(dealer, to, &text);
    ck_assert_str_eq(text.line, "");
    ck_assert_int_eq(rc, 0);
    return dealer;
}

static void answer_zap(void)
{
    int rc;
    while ((rc = zap_answer(&zap, &refusal)) <= 0)
        refusals += rc < 0;
}

/* Serves the authenticator until the socket can be read, or written to. */
static void serve_until(void *socket, short events)
{
    zmq_pollitem_t items[] = {{.socket = socket, .events = events},
                              {.socket = zap.socket, .events = ZMQ_POLLIN}};
    do {
        ck_assert_int_ge(zmq_poll(items, 2, HANG_MS), 1);
        answer_zap();
    } while (!items[0].revents);
}

START_TEST(a_member_gets_through_with_its_key)
{
    char full[200];
    snprintf(full, sizeof full, "%s#%s", address, server.public_key);
    if (_i)
        join.scheduler_key[0] ^= 1; /* the key in the address is what counts */
    void *dealer = dealer_open(&join, _i ? full : address);
    serve_until(dealer, ZMQ_POLLOUT);
    zmq_send(dealer, "", 0, 0);
    serve_until(router, ZMQ_POLLIN);
    struct delivery delivery;
    ck_assert_int_eq(link_receive(router, &delivery), 0);
    ck_assert_str_eq(curve_sender(&delivery), join.pair.public_key);
    delivery_fini(&delivery);
    ck_assert_int_eq(refusals, 0);
    zmq_close(dealer);
}
END_TEST

/* Serves until an event of the dealer's explains its failure. */
static void expect_failure(const struct join *keys, const char *expected)
{
    void *dealer = dealer_open(keys, address);
    struct curve_record record = {0};
    struct link_event event;
    struct err_text text;
    do {
        while (!link_next_event(monitor, &event))
            serve_until(monitor, ZMQ_POLLIN);
    } while (curve_explain(&event, keys, &record, "scheduler", &text) == 0);
    char line[sizeof text.line];
    snprintf(line, sizeof line, "the scheduler at %s %s", event.address, expected);
    ck_assert_str_eq(text.line, line);
    zmq_close(dealer);
}

START_TEST(a_stranger_is_told_and_named)
{
    struct join stranger;
    join_make(&stranger, server.public_key);
    expect_failure(&stranger, "does not let client 'c' in: its key was revoked, or "
                              "never added");
    ck_assert_int_eq(refusals, 1);
    ck_assert_str_eq(refusal.key, stranger.pair.public_key);
    ck_assert_str_eq(refusal.address, "127.0.0.1");
}
END_TEST

START_TEST(another_servers_key_is_told)
{
    struct join other = join;
    strcpy(other.scheduler_key, join.pair.public_key);
    expect_failure(&other, "ends every handshake: it uses no keys, or is not the one "
                           "that the keys of client 'c' are for");
}
END_TEST

START_TEST(keys_are_asked_for)
{
    expect_failure(NULL, "lets nobody in without keys: name a join file with --keys or "
                         "DUSK_KEYS");
}
END_TEST

START_TEST(who_is_taken_off_the_list_does_not_come_back)
{
    void *dealer = dealer_open(&join, address);
    serve_until(dealer, ZMQ_POLLOUT);
    zmq_send(dealer, "", 0, 0);
    serve_until(router, ZMQ_POLLIN);
    zmq_close(dealer);
    zmq_close(monitor);
    members.count = 0;
    expect_failure(&join, "does not let client 'c' in: its key was revoked, or never "
                          "added");
}
END_TEST

/* ---- requests that ZeroMQ does not make ---- */

static const struct {
    const char *version, *mechanism;
    size_t credentials; /* bytes */
    int further;        /* parts */
    const char *status;
} requests[] = {
    {"1.0", "CURVE", 32, 0, "200"}, {"1.1", "CURVE", 32, 0, "400"},
    {"1.0", "PLAIN", 32, 0, "400"}, {"1.0", "NULL", 32, 0, "400"},
    {"1.0", "CURVE", 31, 0, "400"}, {"1.0", "CURVE", 33, 0, "400"},
    {"1.0", "CURVE", 32, 1, "400"}, {"1.0", "CURVE", 900, 9, "400"},
    {"1.0", NULL, 0, 0, "400"},
};

static void send_part(void *socket, const char *text, size_t size, int more)
{
    ck_assert_int_eq(zmq_send(socket, text, size, more ? ZMQ_SNDMORE : 0), (int)size);
}

START_TEST(only_good_requests_are_granted)
{
    char credentials[1000] = {0}, status[16] = "";
    void *asker = zmq_socket(context, ZMQ_REQ);
    ck_assert_int_eq(zmq_connect(asker, "inproc://zeromq.zap.01"), 0);
    ck_assert_ptr_nonnull(zmq_z85_decode((uint8_t *)credentials, join.pair.public_key));
    send_part(asker, requests[_i].version, 3, 1);
    send_part(asker, "1", 1, requests[_i].mechanism != NULL);
    if (requests[_i].mechanism) {
        send_part(asker, "dusk", 4, 1);
        send_part(asker, "127.0.0.1", 9, 1);
        send_part(asker, "", 0, 1);
        send_part(asker, requests[_i].mechanism, strlen(requests[_i].mechanism), 1);
        send_part(asker, credentials, requests[_i].credentials, requests[_i].further);
        for (int left = requests[_i].further; left > 0; left--)
            send_part(asker, "x", 1, left > 1);
    }
    serve_until(asker, ZMQ_POLLIN);
    zmq_recv(asker, credentials, 3, 0);
    zmq_recv(asker, credentials, 1, 0);
    ck_assert_int_eq(credentials[0], '1');
    zmq_recv(asker, status, sizeof status, 0);
    ck_assert_str_eq(status, requests[_i].status);
    zmq_close(asker);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("zap");
    TCase *tcase = tcase_create("zap");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_member_gets_through_with_its_key, 0, 2);
    tcase_add_test(tcase, a_stranger_is_told_and_named);
    tcase_add_test(tcase, another_servers_key_is_told);
    tcase_add_test(tcase, keys_are_asked_for);
    tcase_add_test(tcase, who_is_taken_off_the_list_does_not_come_back);
    tcase_add_loop_test(tcase, only_good_requests_are_granted, 0, COUNT(requests));
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
