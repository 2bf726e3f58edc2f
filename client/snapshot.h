/* A copy of the cluster's status for programs. */
#ifndef CLIENT_SNAPSHOT_H
#define CLIENT_SNAPSHOT_H

#include "client/dusk.h"
#include "proto/messages.h"

/* Returns one allocation, for free(); DUSK_E_NOMEM. */
int snapshot_copy(const struct msg_status *status, struct dusk_cluster **ret_cluster);

#endif
