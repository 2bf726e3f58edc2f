/* Plugins that clients upload: told to all workers, and kept for those that come later
 * when all that were there have loaded it. */
#ifndef SCHEDULER_PLUGINS_H
#define SCHEDULER_PLUGINS_H

#include "common/map.h"
#include "proto/messages.h"

struct scheduler;
struct client;
struct worker;

struct plugin {
    struct list link; /* in scheduler->plugins */
    char *name;       /* owned */
    uint64_t checksum;
    struct payload *data;     /* reference */
    uint64_t client, request; /* that it came with */
    struct map awaited;       /* number -> worker that has not answered */
    int code;                 /* the first error */
    struct err_text text;     /* its line */
};

void plugin_upload(struct scheduler *scheduler, struct client *client,
                   const struct msg_upload *upload);
void plugin_loaded(struct scheduler *scheduler, struct worker *worker,
                   const struct msg_plugin_loaded *loaded);

/* Tells a worker that says hello of all plugins. */
void plugins_tell(struct scheduler *scheduler, struct worker *worker);

/* Nothing is awaited from it any more.  A plugin whose worker was lost meanwhile may
 * have killed it. */
void plugins_worker_gone(struct scheduler *scheduler, const struct worker *worker,
                         bool lost);

void plugins_free(struct scheduler *scheduler);

#endif
