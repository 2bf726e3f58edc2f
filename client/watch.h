/* How a long computation over futures is watched and stopped by whoever started
 * it. */
#ifndef CLIENT_WATCH_H
#define CLIENT_WATCH_H

#include "client/dusk.h"
#include "common/err.h"

#include <signal.h>

struct watch {
    const volatile sig_atomic_t *stop; /* becomes non-zero; or NULL */
    /* Looked at as often as that: a negative code, with a line, gives up.  Or NULL. */
    int (*check)(void *arg, struct err_text *text);
    /* Told now and then how far a stage is; `total` 0: not known.  Or NULL. */
    void (*progress)(void *arg, const char *stage, int64_t done, int64_t total);
    void *arg;
};

/* How long a wait lasts before the stop flag is looked at again. */
#define WATCH_TURN_S 0.2

static inline void watch_progress(const struct watch *watch, const char *stage,
                                  int64_t done, int64_t total)
{
    if (watch->progress)
        watch->progress(watch->arg, stage, done, total);
}

/* DUSK_E_CANCELLED with a line once the flag is set, the check's error, or 0. */
int watch_stopped(const struct watch *watch, struct err_text *text);

/* Waits until all futures are finished, wherever their results are.  The error of
 * the first that fails, DUSK_E_CANCELLED when stopped. */
int watch_await(const struct watch *watch, struct dusk_client *client,
                const char *stage, struct dusk_future *const *futures, int n,
                struct err_text *text);

/* Brings the results of finished futures here, after which dusk_result does not wait.
 * Errors as above. */
int watch_fetch(const struct watch *watch, struct dusk_future *const *futures, int n,
                struct err_text *text);

/* The line of libdusk's last failure, for a caller's text; returns `rc`. */
int watch_failed(int rc, struct err_text *text);

#endif
