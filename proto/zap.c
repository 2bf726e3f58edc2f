#include "proto/zap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#define ENDPOINT "inproc://zeromq.zap.01"
#define KEY_BYTES 32

/* The parts of a request that are looked at; the others are passed over. */
enum {
    VERSION,
    REQUEST_ID,
    DOMAIN,
    ADDRESS,
    ROUTING_ID,
    MECHANISM,
    CREDENTIALS,
    PARTS
};

struct part {
    char bytes[256];
    size_t size; /* may be larger than what is kept */
};

int zap_open(struct zap *zap, void *context, const struct members *members,
             struct err_text *text)
{
    int no = 0;
    zap->members = members;
    zap->socket = zmq_socket(context, ZMQ_REP);
    if (zap->socket && zmq_setsockopt(zap->socket, ZMQ_LINGER, &no, sizeof no) == 0 &&
        zmq_bind(zap->socket, ENDPOINT) == 0)
        return 0;
    err_set(text, DUSK_E_IO, "cannot open the authenticator: %s", zmq_strerror(errno));
    zap_close(zap);
    return DUSK_E_IO;
}

void zap_close(struct zap *zap)
{
    if (zap->socket)
        zmq_close(zap->socket);
    zap->socket = NULL;
}

/* Reads a whole request; the number of its parts, -1 when there is none. */
static int receive(void *socket, struct part parts[PARTS])
{
    int more = 1, count = 0;
    size_t size = sizeof more;
    for (; more; count++) {
        struct part ignored, *part = count < PARTS ? &parts[count] : &ignored;
        int length = zmq_recv(socket, part->bytes, sizeof part->bytes, ZMQ_DONTWAIT);
        if (length < 0)
            return -1;
        part->size = (size_t)length;
        zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size);
    }
    return count;
}

static bool part_is(const struct part *part, const char *text)
{
    return part->size == strlen(text) && memcmp(part->bytes, text, part->size) == 0;
}

/* The key in Z85; "" when the request is not one for CURVE. */
static void key_of(const struct part parts[PARTS], int count, char key[KEY_TEXT_BYTES])
{
    key[0] = '\0';
    if (count == PARTS && part_is(&parts[VERSION], "1.0") &&
        part_is(&parts[MECHANISM], "CURVE") && parts[CREDENTIALS].size == KEY_BYTES)
        zmq_z85_encode(key, (const uint8_t *)parts[CREDENTIALS].bytes, KEY_BYTES);
}

static void send_text(void *socket, const char *text, int more)
{
    zmq_send(socket, text, strlen(text), ZMQ_DONTWAIT | more);
}

static void reply(void *socket, const struct part *request_id, const char *member)
{
    size_t size = request_id->size;
    if (size > sizeof request_id->bytes)
        size = sizeof request_id->bytes;
    send_text(socket, "1.0", ZMQ_SNDMORE);
    zmq_send(socket, request_id->bytes, size, ZMQ_DONTWAIT | ZMQ_SNDMORE);
    send_text(socket, member ? "200" : "400", ZMQ_SNDMORE);
    send_text(socket, member ? "OK" : "not in the allow-list", ZMQ_SNDMORE);
    send_text(socket, member ? member : "", ZMQ_SNDMORE);
    send_text(socket, "", 0);
}

int zap_answer(struct zap *zap, struct zap_refusal *ret_refusal)
{
    struct part parts[PARTS] = {0};
    char key[KEY_TEXT_BYTES];
    int count = receive(zap->socket, parts);
    if (count < 0)
        return 1;
    key_of(parts, count, key);
    const struct member *member = members_find(zap->members, key);
    reply(zap->socket, &parts[REQUEST_ID], member ? member->key : NULL);
    if (member)
        return 0;
    snprintf(ret_refusal->address, sizeof ret_refusal->address, "%.*s",
             (int)(parts[ADDRESS].size < 63 ? parts[ADDRESS].size : 63),
             parts[ADDRESS].bytes);
    strcpy(ret_refusal->key, key);
    return DUSK_E_FORBIDDEN;
}
