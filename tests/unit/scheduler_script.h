/* Scripts for the scheduler's core: a message goes in, and everything that comes out
 * is written as text and compared.
 *
 * Messages out are written as "PEER:MESSAGE", in the order of peers and of sending,
 * joined by "; ".  Keys are written by their count, addresses and names as they are:
 * "c1:finished 1 8B w1", "w1:run_task 1#3 add [2@w1]". */
#ifndef TESTS_UNIT_SCHEDULER_SCRIPT_H
#define TESTS_UNIT_SCHEDULER_SCRIPT_H

#include "scheduler/scheduler.h"

/* Peers of the scripts; w9 and c9 have never said hello.  20 and on are workers. */
enum script_peer { W1 = 1, W2, W3, W4, W9 = 9, C1 = 11, C2, C3, C9 = 19 };

struct script {
    struct scheduler *scheduler;
    uint64_t now_ns;
    char out[16384];
    char notes[8192]; /* of the last event: "event key=value ...\n" */
};

/* Set while a call into the core is under way: what is allocated then is its own. */
extern bool script_in_core;

#define KEY(count_) key_make(1, count_)
#define KEYS(...)                                                                      \
    {                                                                                  \
        (const struct task_key[]){__VA_ARGS__},                                        \
            sizeof((const struct task_key[]){__VA_ARGS__}) / sizeof(struct task_key)   \
    }

void script_init(struct script *script);
void script_init_with(struct script *script, const struct scheduler_config *config);
void script_fini(struct script *script);

/* Gives the message and returns what came out; the invariants are checked. */
const char *script_message(struct script *script, enum script_peer peer,
                           const struct message *message);
const char *script_gone(struct script *script, enum script_peer peer);

/* Lets time pass, with every deadline in it. */
const char *script_wait(struct script *script, uint64_t ms);

/* hello of workers "w1" ... at "w1" and clients with the numbers 1 ... */
const char *script_worker(struct script *script, enum script_peer peer,
                          unsigned nthreads, unsigned credits);
const char *script_client(struct script *script, enum script_peer peer);

/* Submits key `count` with dependencies. */
#define SUBMIT(count_, function_, ...)                                                 \
    MESSAGE(submit, .key = KEY(count_), .function = str_of(function_), __VA_ARGS__)
#define DONE(count_, attempt_, nbytes_)                                                \
    MESSAGE(done, .key = KEY(count_), .attempt = attempt_, .nbytes = nbytes_,          \
            .start_ns = 1000, .stop_ns = 1000 + 10000000)

#define ON(...) .dependencies = KEYS(__VA_ARGS__)
#define HOLDS(...)                                                                     \
    {                                                                                  \
        (const struct holding[]){__VA_ARGS__},                                         \
            sizeof((const struct holding[]){__VA_ARGS__}) / sizeof(struct holding)     \
    }

#define expect(expected, actual) ck_assert_str_eq(actual, expected)

#endif
