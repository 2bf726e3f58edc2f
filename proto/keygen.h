/* Making and changing the directory of keys that proto/keys.h reads: for `dusk keygen`
 * and for embedded clusters. */
#ifndef PROTO_KEYGEN_H
#define PROTO_KEYGEN_H

#include "proto/keys.h"

/* Makes the directory, which may exist but must hold no keys, with a scheduler's key
 * and one member of each role, named after it.  DUSK_E_KEYS when there are keys
 * already, DUSK_E_IO. */
int keygen_create(const char *directory, struct err_text *text);

/* Adds a member to the allow-list and writes NAME.join.  DUSK_E_KEYS when there is one
 * of that name, or its file; DUSK_E_INVALID for a bad name. */
int keygen_add(const char *directory, enum member_role role, const char *name,
               struct err_text *text);

/* Takes a member out of the allow-list and removes its join file.  DUSK_E_NOT_FOUND. */
int keygen_revoke(const char *directory, const char *name, struct err_text *text);

/* Removes the directory with all that keygen_create and keygen_add put there. */
void keygen_remove(const char *directory);

#endif
