#include "proto/link.h"

#include "proto/address.h"
#include "proto/bundle.h"
#include "proto/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Parts below this are copied: cheaper than a counted reference, and a small part would
 * keep ZeroMQ's whole receive buffer alive. */
#define COPY_BYTES (16u << 10)

/* Messages that ZeroMQ queues for a connection, in each direction.  It counts no bytes,
 * so that most must wait where they are counted. */
#define QUEUE_MESSAGES 16

/* With a domain for authentication, ZeroMQ turns away what is older than ZMTP 3, as any
 * bytes may seem to be: the identity of such a peer, come while its socket is closed,
 * aborts the process (libzmq 4.3.4).  Sockets without keys ask nobody. */
static const char zap_domain[] = "dusk";

#define LINGER_MS 1000
#define BACKLOG 4096
#define HANDSHAKE_MS 10000
#define TCP_MAXRT_MS 20000
#define RECONNECT_MS 50
#define RECONNECT_MAX_MS 1000

uint64_t identity_hash(const struct identity *identity)
{
    uint64_t hash = identity->size;
    for (int i = 0; i < identity->size; i++)
        hash = hash << 8 | identity->bytes[i];
    return hash;
}

static int set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

int link_socket(void *context, int type, void **ret_socket, struct err_text *text)
{
    void *socket = zmq_socket(context, type);
    if (!socket)
        return err_set(text, errno == ENOMEM ? DUSK_E_NOMEM : DUSK_E_IO,
                       "cannot open a socket: %s", zmq_strerror(errno));
    int64_t max_bytes = (int64_t)LIMIT_FRAME_BYTES;
    int failed =
        set_int(socket, ZMQ_SNDHWM, QUEUE_MESSAGES) |
        set_int(socket, ZMQ_RCVHWM, QUEUE_MESSAGES) |
        set_int(socket, ZMQ_LINGER, LINGER_MS) | set_int(socket, ZMQ_BACKLOG, BACKLOG) |
        set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) |
        set_int(socket, ZMQ_TCP_MAXRT, TCP_MAXRT_MS) | set_int(socket, ZMQ_IPV6, 1) |
        zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max_bytes, sizeof max_bytes) |
        zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, zap_domain, strlen(zap_domain));
    if (type == ZMQ_ROUTER)
        failed |= set_int(socket, ZMQ_ROUTER_MANDATORY, 1);
    else
        failed |= set_int(socket, ZMQ_IMMEDIATE, 1) |
                  set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) |
                  set_int(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    if (failed) {
        err_set(text, DUSK_E_IO, "cannot set up a socket: %s", zmq_strerror(errno));
        zmq_close(socket);
        return DUSK_E_IO;
    }
    *ret_socket = socket;
    return 0;
}

int link_limit_frames(void *socket, size_t most, struct err_text *text)
{
    int64_t bytes = (int64_t)most;
    if (zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &bytes, sizeof bytes) < 0)
        return err_set(text, DUSK_E_IO, "cannot limit a socket's frames to %zu: %s",
                       most, zmq_strerror(errno));
    return 0;
}

static bool host_has(const char *host, int family)
{
    struct addrinfo hints = {.ai_family = family}, *found = NULL;
    bool has = getaddrinfo(host, NULL, &hints, &found) == 0;
    if (has)
        freeaddrinfo(found);
    return has;
}

int link_bind(void *socket, const char *host, unsigned port, char *ret_address,
              size_t address_size, struct err_text *text)
{
    char wanted[300];
    set_int(socket, ZMQ_IPV6, strchr(host, ':') != NULL);
    if (port)
        snprintf(wanted, sizeof wanted, "tcp://%s:%u", host, port);
    else
        snprintf(wanted, sizeof wanted, "tcp://%s:*", host);
    if (zmq_bind(socket, wanted) < 0) {
        int error = errno;
        return err_set(text, DUSK_E_IO, "cannot listen at %s: %s", wanted,
                       host_has(host, AF_UNSPEC) ? zmq_strerror(error)
                                                 : "there is no such host");
    }
    char bound[300];
    size_t size = sizeof bound;
    if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, bound, &size) < 0)
        return err_set(text, DUSK_E_IO, "cannot tell the address of %s: %s", wanted,
                       zmq_strerror(errno));
    /* ZeroMQ writes 127.0.0.1 as [::ffff:127.0.0.1]; people know the host as given. */
    const char *colon = strrchr(bound, ':');
    int length =
        snprintf(ret_address, address_size, "tcp://%s%s", host, colon ? colon : "");
    if (length < 0 || (size_t)length >= address_size)
        return err_set(text, DUSK_E_LIMIT, "the host name %s is too long", host);
    return 0;
}

void link_host(const char *address, char ret_host[LINK_HOST_BYTES])
{
    const char *start = address + strlen("tcp://"), *end = strrchr(address, ':');
    if (*start == '[' && end[-1] == ']') {
        start++;
        end--;
    }
    snprintf(ret_host, LINK_HOST_BYTES, "%.*s", (int)(end - start), start);
}

/* With ZMQ_IPV6 set, libzmq takes the IPv6 address of a name that has both and tries
 * no other; most daemons listen on IPv4 alone. */
static bool has_ipv4(const char *address)
{
    char host[LINK_HOST_BYTES];
    link_host(address, host);
    return host_has(host, AF_INET);
}

int link_connect(void *socket, const char *given, struct err_text *text)
{
    char address[sizeof "tcp://:65535" + LINK_HOST_BYTES];
    if (snprintf(address, sizeof address, ADDRESS_FORMAT, ADDRESS_ARGS(given)) >=
        (int)sizeof address)
        return err_set(text, DUSK_E_INVALID, "the address %.200s... is too long",
                       given);
    int rc = link_check_address(address, text);
    if (rc < 0)
        return rc;
    if (set_int(socket, ZMQ_IPV6, !has_ipv4(address)) < 0 ||
        zmq_connect(socket, address) < 0)
        return err_set(text, DUSK_E_UNREACHABLE, "cannot connect to %s: %s", address,
                       zmq_strerror(errno));
    return 0;
}

int link_check_address(const char *address, struct err_text *text)
{
    const char *rest = strncmp(address, "tcp://", 6) == 0 ? address + 6 : NULL;
    const char *colon = rest ? strrchr(rest, ':') : NULL;
    bool digits = colon && colon[1 + strspn(colon + 1, "0123456789")] == '\0';
    unsigned long port = digits ? strtoul(colon + 1, NULL, 10) : 0;
    if (port < 1 || port > 65535 || colon == rest || strncmp(rest, "[]:", 3) == 0 ||
        colon - rest >= LINK_HOST_BYTES)
        return err_set(text, DUSK_E_INVALID, "'%s' is not an address tcp://HOST:PORT",
                       address);
    return 0;
}

/* Names are not looked up, and so are not loopback, whatever they begin with. */
bool link_is_loopback(const char *host)
{
    char text[INET6_ADDRSTRLEN + 2];
    struct in_addr four;
    struct in6_addr six;
    size_t size = strlen(host);
    if (strcmp(host, "localhost") == 0)
        return true;
    if (size >= 2 && size < sizeof text && host[0] == '[' && host[size - 1] == ']') {
        memcpy(text, host + 1, size - 2);
        text[size - 2] = '\0';
        return inet_pton(AF_INET6, text, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
    }
    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET;
    return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

/* ---- sending ---- */

static void release_buffer(void *data, void *hint)
{
    free(data);
}

static void release_payload(void *data, void *hint)
{
    payload_unref(hint);
}

/* The bytes move into the message when they are many. */
static int message_of_buf(zmq_msg_t *message, struct buf *buf)
{
    if (buf->size >= COPY_BYTES) {
        size_t size;
        uint8_t *data = buf->data;
        if (zmq_msg_init_data(message, data, buf->size, release_buffer, NULL) < 0)
            return DUSK_E_NOMEM;
        buf_take(buf, &size);
        return 0;
    }
    if (zmq_msg_init_size(message, buf->size) < 0)
        return DUSK_E_NOMEM;
    if (buf->size)
        memcpy(zmq_msg_data(message), buf->data, buf->size);
    buf_reset(buf);
    return 0;
}

static int message_of_frame(zmq_msg_t *message, struct payload *payload, unsigned index)
{
    const struct frame *frame = payload_frame(payload, index);
    if (zmq_msg_init_data(message, frame->data, frame->size, release_payload, payload) <
        0)
        return DUSK_E_NOMEM;
    payload_ref(payload);
    return 0;
}

/* A signal is no reason to lose a part: these are called again. */
static int message_send(zmq_msg_t *part, void *socket, int flags)
{
    int rc;
    while ((rc = zmq_msg_send(part, socket, flags)) < 0 && errno == EINTR)
        ;
    return rc;
}

static int message_receive(zmq_msg_t *part, void *socket)
{
    int rc;
    while ((rc = zmq_msg_recv(part, socket, ZMQ_DONTWAIT)) < 0 && errno == EINTR)
        ;
    return rc;
}

static int part_send(void *socket, zmq_msg_t *part, bool more)
{
    if (message_send(part, socket, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) >= 0)
        return 0;
    int error = errno;
    zmq_msg_close(part);
    if (error == EAGAIN)
        return 1;
    return error == EHOSTUNREACH ? DUSK_E_CLOSED : DUSK_E_IO;
}

static int address_send(void *socket, const struct identity *to)
{
    zmq_msg_t part;
    if (zmq_msg_init_size(&part, to->size) < 0)
        return DUSK_E_NOMEM;
    memcpy(zmq_msg_data(&part), to->bytes, to->size);
    return part_send(socket, &part, true);
}

static void parts_close(zmq_msg_t *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        zmq_msg_close(&parts[i]);
}

static int frame_add(struct buf *bundle, struct payload *payload, unsigned index,
                     zmq_msg_t *parts, size_t *count)
{
    const struct frame *frame = payload_frame(payload, index);
    int rc = bundle_add(bundle, frame->data, frame->size);
    if (rc != DUSK_E_LIMIT)
        return rc;
    rc = message_of_frame(&parts[*count], payload, index);
    *count += rc == 0;
    return rc < 0 ? rc : bundle_add_apart(bundle);
}

/* The bundle, and behind it the frames that are not in it. */
static int frames_make(struct batch *batch, zmq_msg_t *parts, size_t *count)
{
    struct buf bundle;
    zmq_msg_t *first = &parts[(*count)++];
    int rc = 0;
    bundle_init(&bundle);
    zmq_msg_init(first);
    for (size_t i = 0; rc == 0 && i < batch->payload_count; i++) {
        unsigned frames = payload_frame_count(batch->payloads[i]);
        for (unsigned f = 0; rc == 0 && f < frames; f++)
            rc = frame_add(&bundle, batch->payloads[i], f, parts, count);
    }
    if (rc == 0)
        rc = message_of_buf(first, &bundle);
    buf_fini(&bundle);
    return rc;
}

/* None when there is no memory for one of them. */
static int parts_make(struct batch *batch, zmq_msg_t *parts, size_t *ret_count)
{
    size_t count = 0;
    int rc = message_of_buf(&parts[0], &batch->header);
    count += rc == 0;
    if (rc == 0 && batch->frame_count)
        rc = frames_make(batch, parts, &count);
    if (rc < 0)
        parts_close(parts, count);
    *ret_count = count;
    return rc;
}

static int parts_send(void *socket, zmq_msg_t *parts, size_t count, bool *begun)
{
    for (size_t i = 0; i < count; i++) {
        int rc = part_send(socket, &parts[i], i + 1 < count);
        if (rc != 0) {
            parts_close(parts + i + 1, count - i - 1);
            return rc;
        }
        *begun = true;
    }
    return 0;
}

/* All parts are made before the first is sent: what arrives is whole.  A message that
 * has begun, with an address, is finished all the same, or the next would be its
 * continuation: by an empty part. */
static int batch_send(void *socket, struct batch *batch, bool begun)
{
    zmq_msg_t few[8], *many = NULL;
    size_t most = 2 + batch->frame_count, count;
    if (most > sizeof few / sizeof *few && !(many = malloc(most * sizeof *many)))
        most = 0;
    zmq_msg_t *parts = many ? many : few;
    int rc = most ? parts_make(batch, parts, &count) : DUSK_E_NOMEM;
    if (rc == 0)
        rc = parts_send(socket, parts, count, &begun);
    if (rc != 0 && begun) {
        zmq_msg_init(&few[0]);
        part_send(socket, &few[0], false);
    }
    free(many);
    return rc;
}

static void batch_empty(struct batch *batch)
{
    for (size_t i = 0; i < batch->payload_count; i++)
        payload_unref(batch->payloads[i]);
    batch->payload_count = batch->frame_count = batch->message_count = batch->bytes = 0;
    buf_reset(&batch->header);
}

/* A DEALER says EAGAIN on the first part or not at all, a ROUTER on the address. */
int link_send(void *socket, const struct identity *to, struct batch *batch)
{
    int events = ZMQ_POLLOUT;
    size_t size = sizeof events;
    if (!to && (zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) < 0 ||
                !(events & ZMQ_POLLOUT)))
        return 1;
    int rc = to ? address_send(socket, to) : 0;
    if (rc > 0 || rc == DUSK_E_CLOSED)
        return rc;
    if (rc == 0)
        rc = batch_send(socket, batch, to != NULL);
    batch_empty(batch);
    return rc == 0 || rc == DUSK_E_NOMEM ? rc : DUSK_E_IO;
}

/* ---- closing one connection of many ---- */

/* A message that costs nothing tells, once the socket has been made to look at what
 * its thread found out. */
bool link_is_connected(void *router, const struct identity *to)
{
    int events;
    size_t size = sizeof events;
    zmq_getsockopt(router, ZMQ_EVENTS, &events, &size);
    struct batch nothing;
    batch_init(&nothing);
    int rc = link_send(router, to, &nothing);
    batch_fini(&nothing);
    return rc != DUSK_E_CLOSED;
}

/* If the connection is gone already, its descriptor may be another's by now. */
bool link_hangup(void *router, const struct identity *to, int fd)
{
    if (!link_is_connected(router, to))
        return false;
    if (fd >= 0)
        shutdown(fd, SHUT_RDWR);
    return true;
}

/* ---- receiving ---- */

static void release_message(void *hint)
{
    zmq_msg_close(hint);
    free(hint);
}

/* Copied to where doubles may be read. */
static int frame_copy(const void *data, size_t size, struct frame *ret_frame)
{
    void *copy = malloc(size ? size : 1);
    if (!copy)
        return DUSK_E_NOMEM;
    if (size)
        memcpy(copy, data, size);
    *ret_frame = (struct frame){copy, size, free, copy};
    return 0;
}

/* Large messages are moved where they are aligned. */
static int frame_of_message(zmq_msg_t *message, struct frame *ret_frame)
{
    size_t size = zmq_msg_size(message);
    void *data = zmq_msg_data(message);
    if (size < COPY_BYTES || (uintptr_t)data % 8 != 0)
        return frame_copy(data, size, ret_frame);
    zmq_msg_t *kept = malloc(sizeof *kept);
    if (!kept)
        return DUSK_E_NOMEM;
    zmq_msg_init(kept);
    zmq_msg_move(kept, message);
    *ret_frame = (struct frame){zmq_msg_data(kept), size, release_message, kept};
    return 0;
}

/* `more`: whether parts of this message follow. */
static int part_receive(void *socket, zmq_msg_t *ret_part, bool *more)
{
    zmq_msg_init(ret_part);
    if (!*more)
        return DUSK_E_PROTOCOL;
    bool received = message_receive(ret_part, socket) >= 0;
    *more = received && zmq_msg_more(ret_part);
    return received ? 0 : DUSK_E_IO;
}

static int frame_apart(void *socket, bool *more, struct frame *ret_frame)
{
    zmq_msg_t part;
    int rc = part_receive(socket, &part, more);
    if (rc == 0)
        rc = frame_of_message(&part, ret_frame);
    zmq_msg_close(&part);
    return rc;
}

static int frame_reserve(struct delivery *delivery, size_t *capacity)
{
    if (delivery->frame_count >= LIMIT_BATCH_FRAMES)
        return DUSK_E_PROTOCOL;
    if (delivery->frame_count < *capacity)
        return 0;
    size_t wanted = *capacity ? 2 * *capacity : 16;
    void *frames = realloc(delivery->frames, wanted * sizeof(struct frame));
    if (!frames)
        return DUSK_E_NOMEM;
    delivery->frames = frames;
    *capacity = wanted;
    return 0;
}

static int bundle_receive(void *socket, struct delivery *delivery, zmq_msg_t *bundle,
                          bool *more)
{
    struct bundle_reader reader = {zmq_msg_data(bundle), zmq_msg_size(bundle)};
    size_t capacity = 0;
    int rc = 0;
    while (rc == 0 && reader.left > 0) {
        const void *data;
        size_t size;
        rc = frame_reserve(delivery, &capacity);
        if (rc == 0)
            rc = bundle_next(&reader, &data, &size);
        if (rc < 0)
            break;
        struct frame *frame = &delivery->frames[delivery->frame_count];
        rc = rc == BUNDLE_APART ? frame_apart(socket, more, frame)
                                : frame_copy(data, size, frame);
        delivery->frame_count += rc == 0;
    }
    return rc;
}

/* After a failure the rest is read all the same: a message is received whole or the
 * socket stays in its middle. */
static int frames_receive(void *socket, struct delivery *delivery)
{
    zmq_msg_t part;
    bool more = zmq_msg_more(&delivery->header);
    if (!more)
        return 0;
    int rc = part_receive(socket, &part, &more);
    if (rc == 0)
        rc = bundle_receive(socket, delivery, &part, &more);
    zmq_msg_close(&part);
    while (more) {
        part_receive(socket, &part, &more);
        zmq_msg_close(&part);
        rc = rc ? rc : DUSK_E_PROTOCOL;
    }
    return rc;
}

static int first_receive(void *socket, zmq_msg_t *part)
{
    zmq_msg_init(part);
    if (message_receive(part, socket) >= 0)
        return 0;
    int error = errno;
    zmq_msg_close(part);
    return error == EAGAIN ? 1 : DUSK_E_IO;
}

/* Reads the routing id that a ROUTER puts before each message; the header follows. */
static int from_receive(void *socket, struct delivery *delivery)
{
    zmq_msg_t part;
    int rc = first_receive(socket, &part);
    if (rc != 0)
        return rc;
    size_t size = zmq_msg_size(&part);
    bool fits = size > 0 && size <= sizeof delivery->from.bytes;
    if (fits) {
        delivery->from.size = (uint8_t)size;
        memcpy(delivery->from.bytes, zmq_msg_data(&part), size);
    }
    bool more = zmq_msg_more(&part);
    zmq_msg_close(&part);
    if (!more)
        return DUSK_E_PROTOCOL;
    rc = first_receive(socket, &delivery->header);
    if (rc != 0)
        return DUSK_E_IO;
    delivery->fd = zmq_msg_get(&delivery->header, ZMQ_SRCFD);
    return fits ? 0 : DUSK_E_PROTOCOL;
}

static void delivery_release(struct delivery *delivery)
{
    for (size_t i = 0; i < delivery->frame_count; i++)
        delivery->frames[i].release(delivery->frames[i].hint);
    free(delivery->frames);
    zmq_msg_close(&delivery->header);
}

int link_receive(void *socket, struct delivery *ret_delivery)
{
    *ret_delivery = (struct delivery){.fd = -1};
    int type;
    size_t type_size = sizeof type;
    if (zmq_getsockopt(socket, ZMQ_TYPE, &type, &type_size) < 0)
        return DUSK_E_IO;
    zmq_msg_init(&ret_delivery->header);
    int rc = type == ZMQ_ROUTER ? from_receive(socket, ret_delivery)
                                : first_receive(socket, &ret_delivery->header);
    if (rc > 0 || rc == DUSK_E_IO)
        return rc;
    int frames = frames_receive(socket, ret_delivery);
    if (rc == 0)
        rc = frames;
    if (rc == 0 && zmq_msg_size(&ret_delivery->header) > LIMIT_HEADER_BYTES)
        rc = DUSK_E_PROTOCOL;
    if (rc == 0)
        batch_reader_init(&ret_delivery->reader, zmq_msg_data(&ret_delivery->header),
                          zmq_msg_size(&ret_delivery->header), ret_delivery->frames,
                          ret_delivery->frame_count);
    else
        delivery_release(ret_delivery);
    return rc;
}

void delivery_fini(struct delivery *delivery)
{
    batch_reader_fini(&delivery->reader);
    delivery->frame_count = 0;
    delivery_release(delivery);
}

/* ---- events ---- */

int link_monitor(void *context, void *socket, void **ret_monitor, struct err_text *text)
{
    /* Unique within the process, as inproc names must be. */
    static atomic_uint count;
    char name[64];
    snprintf(name, sizeof name, "inproc://monitor-%u",
             atomic_fetch_add_explicit(&count, 1, memory_order_relaxed));
    void *monitor = NULL;
    if (zmq_socket_monitor(socket, name, ZMQ_EVENT_ALL) < 0 ||
        !(monitor = zmq_socket(context, ZMQ_PAIR)) ||
        set_int(monitor, ZMQ_LINGER, 0) < 0 || zmq_connect(monitor, name) < 0) {
        err_set(text, DUSK_E_IO, "cannot watch a socket: %s", zmq_strerror(errno));
        if (monitor)
            zmq_close(monitor);
        return DUSK_E_IO;
    }
    *ret_monitor = monitor;
    return 0;
}

bool link_next_event(void *monitor, struct link_event *ret_event)
{
    zmq_msg_t part;
    if (first_receive(monitor, &part) != 0)
        return false;
    uint16_t event = 0;
    uint32_t value = 0;
    if (zmq_msg_size(&part) >= 6) {
        memcpy(&event, zmq_msg_data(&part), 2);
        memcpy(&value, (uint8_t *)zmq_msg_data(&part) + 2, 4);
    }
    bool more = zmq_msg_more(&part);
    zmq_msg_close(&part);
    *ret_event = (struct link_event){.event = event, .fd = (int)value};
    if (!more || first_receive(monitor, &part) != 0)
        return true;
    size_t size = zmq_msg_size(&part);
    if (size >= sizeof ret_event->address)
        size = sizeof ret_event->address - 1;
    memcpy(ret_event->address, zmq_msg_data(&part), size);
    zmq_msg_close(&part);
    return true;
}

const char *link_event_sentence(const struct link_event *event)
{
    switch (event->event) {
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        return "a peer ended the handshake: it was stopped, does not speak ZeroMQ, or "
               "one side has keys and the other does not";
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        if (event->fd == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
            return "one side has keys and the other does not";
        if (event->fd == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC)
            return "a peer's join file is for another cluster's key";
        return "a peer breaks the ZeroMQ protocol";
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        return "a peer's key was not accepted";
    case ZMQ_EVENT_ACCEPT_FAILED:
        return "a connection could not be accepted";
    default:
        return NULL;
    }
}

/* Strangers can have more happen than a monitor's queue holds.  ZeroMQ's thread then
 * waits for room with the socket's lock held, which zmq_socket_monitor(socket, NULL, 0)
 * would wait for without end; only the context's end wakes it. */
void link_close_listener(void *socket, void *monitor)
{
    if (monitor)
        zmq_close(monitor);
    if (socket)
        zmq_close(socket);
}

/* A signal interrupts the wait, and does not end it. */
void link_context_end(void *context)
{
    while (context && zmq_ctx_term(context) < 0 && errno == EINTR)
        ;
}
