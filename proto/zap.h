/* The authenticator of a ZeroMQ context (ZeroMQ's RFC 27): it lets those in whose
 * public key is in the allow-list, and nobody else.  Their messages carry that key
 * (curve_sender).  It runs in the thread of the loop that watches its socket. */
#ifndef PROTO_ZAP_H
#define PROTO_ZAP_H

#include "proto/keys.h"

#include <stdbool.h>

struct zap {
    void *socket; /* NULL until zap_open */
    const struct members *members;
};

/* Opens the context's only authenticator; the list is borrowed and may change between
 * calls.  To be called before the first socket with keys is bound, and closed after
 * the last of them.  DUSK_E_IO. */
int zap_open(struct zap *zap, void *context, const struct members *members,
             struct err_text *text);
void zap_close(struct zap *zap);

/* Somebody who was not let in. */
struct zap_refusal {
    char address[64];         /* the host's */
    char key[KEY_TEXT_BYTES]; /* what was shown, "" when it was none */
};

/* Answers one request.  0, > 0 when there is none, DUSK_E_FORBIDDEN: somebody was not
 * let in. */
int zap_answer(struct zap *zap, struct zap_refusal *ret_refusal);

#endif
