/* Addresses: "tcp://HOST:PORT", and "tcp://HOST:PORT#KEY" for a worker's data socket
 * in a cluster with keys, where KEY is the public key that is to be found there
 * (proto/keys.h).  People are shown the part before the '#'. */
#ifndef PROTO_ADDRESS_H
#define PROTO_ADDRESS_H

#include "proto/messages.h"

#include <string.h>

#define ADDRESS_FORMAT "%.*s"
#define ADDRESS_ARGS(address) (int)strcspn((address), "#"), (address)

/* What people are shown of an address, borrowed from it. */
static inline struct str address_shown(struct str address)
{
    const char *key = address.size ? memchr(address.text, '#', address.size) : NULL;
    if (key)
        address.size = (size_t)(key - address.text);
    return address;
}

#endif
