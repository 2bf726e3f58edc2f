/* What a member of a cluster with keys may do: its role says so, and its role comes
 * from the allow-list, never from what it claims.  Without keys everybody may do
 * everything. */
#ifndef PROTO_RIGHTS_H
#define PROTO_RIGHTS_H

enum peer_right {
    RIGHT_WORK = 1,     /* hold data and run tasks */
    RIGHT_SUBMIT = 2,   /* ask for tasks, results and the cluster's status */
    RIGHT_UPLOAD = 4,   /* bring plugins, which is to say any code */
    RIGHT_SHUTDOWN = 8, /* end the cluster */
    RIGHTS_ALL = 15,
};

enum member_role {
    MEMBER_WORKER = 1,
    MEMBER_CLIENT = 2,
    MEMBER_SUBMITTER = 3,
};

/* The rights (enum peer_right, or-ed) of a role; none for a number that is no role. */
unsigned member_role_rights(enum member_role role);

/* "worker", borrowed for ever; NULL for a number that is no role. */
const char *member_role_name(enum member_role role);

/* Reads what member_role_name writes.  0 when the word is no role. */
enum member_role member_role_parse(const char *word);

#endif
