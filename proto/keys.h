/* Key files: who may join a cluster, and with which keys.
 *
 * A cluster with keys has a directory that `dusk keygen` makes (proto/keygen.h):
 *
 *     scheduler.key   the scheduler's secret key
 *     members         the allow-list: role, name and public key of each member
 *     NAME.join       what a member needs: its secret key, the scheduler's public one
 *
 * All are text, a few words a line, with comment lines that begin with '#'.  Whatever
 * else they hold is an error with the file and the line; so is a file that anybody but
 * its owner may read or write.  Keys are Curve25519 keys in Z85 (ZeroMQ's RFC 32). */
#ifndef PROTO_KEYS_H
#define PROTO_KEYS_H

#include "common/err.h"
#include "proto/messages.h"
#include "proto/rights.h"

#include <stddef.h>

#define KEY_TEXT_BYTES 41 /* Z85 of 32 bytes, and the NUL */
#define MEMBER_NAME_BYTES 65

struct key_pair {
    char public_key[KEY_TEXT_BYTES];
    char secret_key[KEY_TEXT_BYTES];
};

struct member {
    enum member_role role;
    char name[MEMBER_NAME_BYTES];
    char key[KEY_TEXT_BYTES]; /* public */
};

/* An allow-list: names and keys are there once each. */
struct members {
    struct member *items; /* owned */
    size_t count;
};

struct join {
    enum member_role role;
    char name[MEMBER_NAME_BYTES];
    struct key_pair pair;
    char scheduler_key[KEY_TEXT_BYTES]; /* public */
};

/* Read the scheduler's key and the allow-list from the directory, and a join file from
 * its path.  DUSK_E_KEYS with "FILE:LINE: what is wrong", DUSK_E_NOMEM, DUSK_E_IO. */
int keys_read_scheduler(const char *directory, struct key_pair *ret_pair,
                        struct err_text *text);
int keys_read_members(const char *directory, struct members *ret_members,
                      struct err_text *text);
int keys_read_join(const char *path, struct join *ret_join, struct err_text *text);

void members_fini(struct members *members);

/* The list in a message; rows that no list can hold are passed over.  DUSK_E_NOMEM. */
int members_of_rows(field_member_rows rows, struct members *ret_members);

/* The member with this public key, borrowed from the list, or NULL. */
const struct member *members_find(const struct members *members, const char *key);

/* Puts the names of the files of a directory together.  DUSK_E_LIMIT. */
#define KEYS_PATH_BYTES 4096
int keys_path(const char *directory, const char *name, const char *suffix,
              char ret_path[KEYS_PATH_BYTES], struct err_text *text);

/* Whether this can be a member's name: letters, digits, '.', '_' and '-', beginning
 * with a letter or a digit. */
int keys_check_name(const char *name, struct err_text *text);

#endif
