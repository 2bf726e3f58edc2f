#include "proto/curve.h"

#include <errno.h>
#include <string.h>

/* Handshakes in a row. */
#define CLOSED_MAX 6

static int set_key(void *socket, int option, const char *key)
{
    return zmq_setsockopt(socket, option, key, KEY_TEXT_BYTES);
}

static int failed(struct err_text *text)
{
    return err_set(text, DUSK_E_KEYS, "a socket does not take its keys: %s",
                   zmq_strerror(errno));
}

int curve_listen(void *socket, const struct key_pair *pair, struct err_text *text)
{
    int yes = 1;
    if (zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &yes, sizeof yes) < 0 ||
        set_key(socket, ZMQ_CURVE_SECRETKEY, pair->secret_key) < 0)
        return failed(text);
    return 0;
}

int curve_connect(void *socket, const struct join *join, const char *address,
                  struct err_text *text)
{
    const char *mark = strchr(address, '#');
    const char *server = mark ? mark + 1 : join->scheduler_key;
    if (strlen(server) != KEY_TEXT_BYTES - 1)
        return err_set(text, DUSK_E_INVALID, "%.*s comes with a key that is none",
                       (int)strcspn(address, "#"), address);
    if (set_key(socket, ZMQ_CURVE_SERVERKEY, server) < 0 ||
        set_key(socket, ZMQ_CURVE_PUBLICKEY, join->pair.public_key) < 0 ||
        set_key(socket, ZMQ_CURVE_SECRETKEY, join->pair.secret_key) < 0)
        return failed(text);
    return 0;
}

static int explain_mismatch(const struct join *join, struct err_text *text)
{
    if (join)
        return err_set(text, DUSK_E_KEYS, "uses no keys, but this side was given some");
    return err_set(text, DUSK_E_KEYS,
                   "lets nobody in without keys: name a join file with --keys or "
                   "DUSK_KEYS");
}

/* Who has another key than the join file says cannot read what it is sent, and hangs
 * up.  So may who has none, before it says so; a daemon that stops just then; and a
 * tunnel to one that is down. */
static int explain_closed(const struct join *join, struct curve_record *record,
                          struct err_text *text)
{
    if (!join || record->succeeded || ++record->closed < CLOSED_MAX)
        return 0;
    return err_set(text, DUSK_E_KEYS,
                   "ends every handshake: it uses no keys, or is not the one that the "
                   "keys of %s '%s' are for",
                   member_role_name(join->role), join->name);
}

static int explain(const struct link_event *event, const struct join *join,
                   struct curve_record *record, struct err_text *text)
{
    switch (event->event) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        record->succeeded = true;
        return 0;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        if (!join)
            return explain_mismatch(join, text);
        return err_set(text, DUSK_E_KEYS,
                       "does not let %s '%s' in: its key was revoked, or never added",
                       member_role_name(join->role), join->name);
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        if (event->fd == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
            return explain_mismatch(join, text);
        return 0;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        return explain_closed(join, record, text);
    default:
        return 0;
    }
}

int curve_explain(const struct link_event *event, const struct join *join,
                  struct curve_record *record, const char *other, struct err_text *text)
{
    struct err_text what;
    int rc = explain(event, join, record, &what);
    return rc < 0
               ? err_set(text, rc, "the %s at %s %s", other, event->address, what.line)
               : 0;
}

const char *curve_sender(struct delivery *delivery)
{
    return zmq_msg_gets(&delivery->header, "User-Id");
}
