/* The one place where msgpack from outside is opened.  msgpack-c allocates what a
 * container's header claims before it sees the elements; so the bytes are walked
 * first, and claims that the bytes cannot keep are refused. */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include <msgpack.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the object at *offset and moves *offset behind it.  Strings and binaries
 * are borrowed from `data`, the rest lives in the zone.  DUSK_E_PROTOCOL for bytes
 * that are cut off, nested deeper than LIMIT_DEPTH, or no msgpack. */
int wire_unpack(const void *data, size_t size, size_t *offset, msgpack_zone *zone,
                msgpack_object *ret_object);

#endif
