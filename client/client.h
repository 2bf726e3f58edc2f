/* The shell around the client's core, as the files of the public functions see it.
 *
 * A call enters (takes the lock), works on the core, and leaves.  While it waits it
 * turns: it sends, polls the sockets itself and feeds what comes to the core, so
 * that no other thread stands between a result and whoever waits for it.  A thread
 * of its own, the keeper, turns when nobody is inside.
 *
 * All that waits, sends and receives is the pump's (pump.c); a simulation has its own
 * in that place. */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "client/core.h"
#include "proto/keys.h"

#include <pthread.h>
#include <sys/types.h>

/* How far a connection to the scheduler got: what there is to say when it fails. */
enum client_reach { REACH_NOTHING, REACH_TCP, REACH_ZMQ };

struct pump;

struct dusk_client {
    pthread_mutex_t lock; /* over all that follows */
    struct client_core *core;
    pid_t pid; /* after fork() nothing here can be used */
    bool open;
    char *address;    /* owned */
    bool keyed;       /* by `join` */
    struct join join; /* what the join file says */
    struct pump *pump;
    enum client_reach reach;
    void (*log)(void *arg, enum dusk_log_level level, const char *line);
    void *log_arg;
};

/* Sets the thread's line and returns `code`. */
int client_fail(int code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* 0 with the lock held, or DUSK_E_CLOSED: in a child of fork(), or after dusk_close
 * where `working` says that the call needs the connection. */
int client_enter(struct dusk_client *client, bool working);

/* The same for the client of all these futures: NULL when there is none.
 * DUSK_E_INVALID when they belong to several, or for a NULL unless `gaps` allows that.
 */
int client_enter_all(struct dusk_future *const *futures, int n, bool gaps, bool working,
                     struct dusk_client **ret_client);

/* Unlocks; what waits to be sent goes out soon.  Frees a closed client whose last
 * future was released. */
void client_leave(struct dusk_client *client);

struct dusk_client *client_of(const struct dusk_future *future);

/* ---- the pump ---- */

/* Who the client says it is, from chance and the operating system. */
struct client_identity {
    uint64_t epoch, seed, pid;
    char name[80];
};
int client_identify(struct dusk_client *client, struct client_identity *ret_identity);

/* Opens nothing yet but what connections need; client_fail's line on failure. */
int client_pump_open(struct dusk_client *client);

/* From now on it turns when nobody is inside, and sends soon after it was woken. */
int client_pump_start(struct dusk_client *client);
void client_pump_wake(struct dusk_client *client);

/* Ends that; with nobody inside, and also when it never began. */
void client_pump_stop(struct dusk_client *client);

/* Drops all connections; what was sent lingers for a moment. */
void client_pump_close(struct dusk_client *client);

/* Sends what can be sent at once. */
void client_flush(struct dusk_client *client);

/* One turn: sends, waits up to `timeout_ns`, handles what came. */
void client_turn(struct dusk_client *client, uint64_t timeout_ns);

/* ---- waits ---- */

/* A wait with its deadline.
 *
 *     struct client_wait wait = client_wait_for(timeout_s);
 *     while (!what_is_waited_for)
 *         if (!client_wait_turn(client, &wait))
 *             return client_fail(DUSK_E_TIMEOUT, ...);
 */
struct client_wait {
    double timeout_s;
    uint64_t until_ns;
    bool over;
};
struct client_wait client_wait_for(double timeout_s);
bool client_wait_turn(struct dusk_client *client, struct client_wait *wait);

/* " within 5 s", and ", its scheduler tcp://... is gone" where that is so. */
struct client_wait_text {
    char text[240];
};
struct client_wait_text client_wait_text(const struct dusk_client *client,
                                         const struct client_wait *wait);

/* Asks the scheduler and waits for the answer; `what` is for the line of an error.
 * The lock is held. */
int client_ask(struct dusk_client *client, struct client_question *question,
               struct client_wait *wait, const char *what);

#endif
