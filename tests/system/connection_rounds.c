/* Connections to the scheduler at $DUSK_SCHEDULER_ADDRESS that come and go:
 *
 *     connection_rounds ROUNDS SEED
 *
 * Workers and clients that say good-bye, that vanish after their welcome, or that
 * vanish at any byte of what they say first; some tens of them at a time. */
#include "common/clock.h"
#include "proto/link.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define AT_A_TIME 40
#define LIMIT_MS 30000

enum end { END_BYE, END_ABRUPT, END_HALF, END_COUNT };
static const char *const end_names[] = {"good-byes", "vanished", "half handshakes"};

struct visitor {
    void *socket; /* ZeroMQ's, or NULL: `fd` is a plain one */
    int fd;
    bool welcomed;
    struct batch batch;
};

static uint64_t random_state;
static unsigned numbers;

static _Noreturn void die(const char *what, const char *why)
{
    printf("%s: %s\n", what, why);
    exit(1);
}

static unsigned draw(unsigned below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1;
    return (unsigned)(random_state >> 33) % below;
}

/* Every visitor is somebody else. */
static void add_hello(struct batch *batch)
{
    char address[64];
    unsigned n = ++numbers;
    bool worker = draw(2);
    snprintf(address, sizeof address, "tcp://127.%u.%u.%u:1", n >> 16 & 255,
             n >> 8 & 255, n & 255);
    if (batch_add(batch,
                  MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                          .role = worker ? ROLE_WORKER : ROLE_CLIENT, .epoch = n,
                          .client = worker ? 0 : n,
                          .address = str_of(worker ? address : ""), .nthreads = 1,
                          .credits = 1)) < 0)
        die("hello", "no memory");
}

static void visit(struct visitor *visitor, void *context, const char *address)
{
    struct err_text text;
    if (link_socket(context, ZMQ_DEALER, &visitor->socket, &text) < 0 ||
        link_connect(visitor->socket, address, &text) < 0)
        die("connecting", text.line);
    batch_init(&visitor->batch);
    add_hello(&visitor->batch);
}

static void listen_to(struct visitor *visitor)
{
    struct delivery delivery;
    struct message message;
    struct err_text text;
    while (link_receive(visitor->socket, &delivery) == 0) {
        while (batch_reader_next(&delivery.reader, &message, &text) == 0) {
            if (message.type == MSG_refuse)
                die("refused", err_sentence((int)message.refuse.code));
            visitor->welcomed |= message.type == MSG_welcome;
        }
        delivery_fini(&delivery);
    }
}

static void await_welcomes(struct visitor *visitors, unsigned count)
{
    zmq_pollitem_t items[AT_A_TIME];
    struct visitor *of[AT_A_TIME];
    uint64_t until_ns = clock_monotonic_ns() + LIMIT_MS * NS_PER_MS;
    while (clock_monotonic_ns() < until_ns) {
        int waiting = 0;
        for (unsigned i = 0; i < count; i++) {
            struct visitor *visitor = &visitors[i];
            bool speaks = !batch_is_empty(&visitor->batch);
            if (!visitor->socket || visitor->welcomed)
                continue;
            of[waiting] = visitor;
            items[waiting++] = (zmq_pollitem_t){visitor->socket, -1,
                                                speaks ? ZMQ_POLLOUT : ZMQ_POLLIN, 0};
        }
        if (!waiting)
            return;
        zmq_poll(items, waiting, LIMIT_MS);
        for (int i = 0; i < waiting; i++) {
            if (items[i].revents & ZMQ_POLLOUT)
                link_send(of[i]->socket, NULL, &of[i]->batch);
            if (items[i].revents & ZMQ_POLLIN)
                listen_to(of[i]);
        }
    }
    die("waiting", "no welcome has come");
}

/* What a DEALER sends up to its hello: greeting, READY, one message. */
static size_t opening(uint8_t *bytes)
{
    static const uint8_t ready[] = "\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06"
                                   "DEALER";
    struct batch batch;
    batch_init(&batch);
    add_hello(&batch);
    memset(bytes, 0, 64);
    memcpy(bytes, "\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL", 16);
    memcpy(bytes + 64, ready, sizeof ready - 1);
    size_t size = 64 + sizeof ready - 1, hello = batch.header.size;
    bytes[size++] = 0;
    bytes[size++] = (uint8_t)hello;
    memcpy(bytes + size, batch.header.data, hello);
    batch_fini(&batch);
    return size + hello;
}

/* Says a part of that, from nothing to all. */
static int half_handshake(const char *address)
{
    uint8_t bytes[512];
    char host[LINK_HOST_BYTES];
    struct sockaddr_in to = {.sin_family = AF_INET};
    link_host(address, host);
    inet_pton(AF_INET, host, &to.sin_addr);
    to.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) < 0)
        die("a plain connection", "cannot be made");
    size_t size = draw((unsigned)opening(bytes) + 1);
    if (size && send(fd, bytes, size, MSG_NOSIGNAL) < 0)
        die("a plain connection", "cannot be written to");
    return fd;
}

static void part(struct visitor *visitor, enum end end)
{
    if (visitor->socket) {
        int linger_ms = end == END_BYE ? LIMIT_MS : 0;
        zmq_setsockopt(visitor->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
        if (end == END_BYE &&
            (batch_add(&visitor->batch, MESSAGE(bye, .reason = str_of("seen"))) < 0 ||
             link_send(visitor->socket, NULL, &visitor->batch) != 0))
            die("good-bye", "cannot be sent");
        zmq_close(visitor->socket);
        batch_fini(&visitor->batch);
        return;
    }
    struct linger reset = {.l_onoff = (int)draw(2)};
    setsockopt(visitor->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(visitor->fd);
}

int main(int argc, char **argv)
{
    const char *address = getenv("DUSK_SCHEDULER_ADDRESS");
    if (argc != 3 || !address)
        die("usage", "connection_rounds ROUNDS SEED");
    unsigned rounds = (unsigned)atoi(argv[1]), counts[END_COUNT] = {0};
    random_state = strtoull(argv[2], NULL, 10);
    numbers = draw(1 << 23);
    void *context = zmq_ctx_new();
    for (unsigned done = 0; done < rounds;) {
        struct visitor visitors[AT_A_TIME] = {0};
        enum end ends[AT_A_TIME];
        unsigned count = rounds - done < AT_A_TIME ? rounds - done : AT_A_TIME;
        for (unsigned i = 0; i < count; i++) {
            ends[i] = (enum end)draw(END_COUNT);
            counts[ends[i]]++;
            if (ends[i] == END_HALF)
                visitors[i].fd = half_handshake(address);
            else
                visit(&visitors[i], context, address);
        }
        await_welcomes(visitors, count);
        for (unsigned i = 0; i < count; i++)
            part(&visitors[i], ends[i]);
        done += count;
    }
    link_context_end(context);
    for (unsigned i = 0; i < END_COUNT; i++)
        printf("%u %s%s", counts[i], end_names[i], i + 1 < END_COUNT ? ", " : "\n");
    return 0;
}
