/* A copy of the cluster's status for programs. */
#ifndef CLIENT_CLUSTER_H
#define CLIENT_CLUSTER_H

#include "client/dusk.h"
#include "proto/messages.h"

/* Returns one allocation, for free(); DUSK_E_NOMEM. */
int cluster_copy(const struct msg_status *status, struct dusk_cluster **ret_cluster);

#endif
