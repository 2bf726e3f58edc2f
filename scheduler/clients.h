/* Clients and what they ask for. */
#ifndef SCHEDULER_CLIENTS_H
#define SCHEDULER_CLIENTS_H

#include "proto/messages.h"
#include "scheduler/bond.h"
#include "scheduler/timers.h"

struct scheduler;

struct client {
    struct list link;    /* in scheduler->clients, or leaving */
    struct peer_id peer; /* number 0: the connection is closed */
    uint64_t number;     /* its 24 bits of every key */
    char *name;          /* owned */
    uint64_t epoch;
    uint64_t heard_ns;
    uint64_t closed_ns;
    struct timer timer;
    struct party wants;
    bool given;   /* some of them by get_published, on this connection */
    bool leaving; /* it is gone, and its wants end bit by bit */
};

void client_hello(struct scheduler *scheduler, struct peer_id peer,
                  const struct msg_hello *hello);
void client_disconnected(struct scheduler *scheduler, struct client *client);

/* The client is gone.  Its wants end, when they are many over several events, so that
 * others need not wait: until then its number is taken, unless it comes back.  Frees
 * the client with the last of them. */
void client_remove(struct scheduler *scheduler, struct client *client, const char *why);

/* Answers upload or shutdown, if the client with this number is still there. */
void client_outcome(struct scheduler *scheduler, uint64_t client_number,
                    uint64_t request, int code, const char *line);

void client_send(struct scheduler *scheduler, struct client *client,
                 const struct message *message);

void client_submit(struct scheduler *scheduler, struct client *client,
                   const struct msg_submit *submit);
void client_scatter(struct scheduler *scheduler, struct client *client,
                    const struct msg_scatter *scatter);
void client_release(struct scheduler *scheduler, struct client *client,
                    const struct msg_release *release);
void client_cancel(struct scheduler *scheduler, const struct msg_cancel *cancel);
void client_locate(struct scheduler *scheduler, struct client *client,
                   const struct msg_locate *locate);

void client_want(struct scheduler *scheduler, struct client *client,
                 const struct msg_want *want);

/* The client wants a task that somebody has submitted, for `flag` of enum want_flag;
 * it is told when that is not known. */
void client_want_key(struct scheduler *scheduler, struct client *client,
                     struct task_key key, unsigned flag);

/* The same for what get_published answers with: until the client says that it wants it,
 * only as long as this connection. */
void client_give(struct scheduler *scheduler, struct client *client,
                 struct task_key key);

void client_destroy(struct client *client);

#endif
