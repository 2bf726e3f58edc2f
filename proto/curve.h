/* Encrypted sockets: CURVE with the keys of proto/keys.h.  A socket that listens needs
 * an authenticator in its context (proto/zap.h) before it is bound: without one,
 * ZeroMQ would encrypt for anybody. */
#ifndef PROTO_CURVE_H
#define PROTO_CURVE_H

#include "proto/keys.h"
#include "proto/link.h"

/* Who connects must know the pair's public key, and be let in by the authenticator.
 * To be called before link_bind.  DUSK_E_KEYS. */
int curve_listen(void *socket, const struct key_pair *pair, struct err_text *text);

/* The socket speaks as the member of the join file, with whoever has the key in the
 * address (proto/address.h), or with the scheduler when there is none.  To be called
 * before link_connect.  DUSK_E_KEYS. */
int curve_connect(void *socket, const struct join *join, const char *address,
                  struct err_text *text);

/* The handshakes of one side with another; zeroed at first. */
struct curve_record {
    unsigned closed; /* that the other side has ended without a word */
    bool succeeded;  /* one has: the keys are right */
};

/* Looks at an event of a connecting socket's monitor: DUSK_E_KEYS, with what is wrong
 * on the other side ("the scheduler at ADDRESS uses no keys, ..."), when trying again
 * is of no use; else 0.  `join` is NULL without keys; `other` names the other side. */
int curve_explain(const struct link_event *event, const struct join *join,
                  struct curve_record *record, const char *other,
                  struct err_text *text);

/* The public key of the sender of a message that came to a socket of curve_listen,
 * as the authenticator knows it, borrowed from the delivery; NULL: none. */
const char *curve_sender(struct delivery *delivery);

#endif
