/* Tasks that are kept under a name.  A publication wants its tasks as a client does,
 * but is never told anything and never leaves by itself.
 *
 * What no worker and no client may be left to tell after a restart is recorded: the
 * published names, the recipes of what is published with all that it depends on, and
 * how many copies are kept.  A record is made of the messages that bring the same
 * about again. */
#ifndef SCHEDULER_PUBLISHED_H
#define SCHEDULER_PUBLISHED_H

#include "scheduler/clients.h"

struct publication {
    struct list link;      /* in scheduler->publications */
    char *name;            /* owned */
    uint64_t request;      /* that made it: the same one may come again */
    struct client keeper;  /* without a connection, and in no list */
    struct task_key *keys; /* owned; as they were given */
    size_t key_count;
};

/* The change that is being recorded, and who waits for that: there is one at most,
 * since every event's records are written before the next one. */
struct recording {
    struct client *client; /* NULL: nobody waits */
    uint64_t request;
    struct publication *added, *removed; /* undone, or done, as it goes */
};

void client_publish(struct scheduler *scheduler, struct client *client,
                    const struct msg_publish *publish);
void client_unpublish(struct scheduler *scheduler, struct client *client,
                      const struct msg_unpublish *unpublish);
void client_get_published(struct scheduler *scheduler, struct client *client,
                          const struct msg_get_published *get);

/* Adds it, without asking whether the name is taken.  DUSK_E_NOMEM. */
int publication_add(struct scheduler *scheduler, const struct msg_publish *publish,
                    struct publication **ret_publication);

/* Its tasks are wanted no longer, unless others want them.  Frees it. */
void publication_remove(struct scheduler *scheduler, struct publication *publication);

struct publication *publication_find(const struct scheduler *scheduler,
                                     struct str name);

void publications_fini(struct scheduler *scheduler);

/* Records (records.c), into the journal's outbox.  A publication with its recipes; the
 * end of one; the copies of a task, and that it is cancelled, if it is published.
 * DUSK_E_NOMEM or DUSK_E_LIMIT: the event's records are of no use and were dropped. */
int record_publication(struct scheduler *scheduler,
                       const struct publication *publication);
int record_unpublish(struct scheduler *scheduler,
                     const struct msg_unpublish *unpublish);
void records_forget(struct scheduler *scheduler);
void record_copies(struct scheduler *scheduler, struct task *task);
void record_cancel(struct scheduler *scheduler, struct task *task);

#endif
