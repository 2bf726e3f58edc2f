#include "client/watch.h"

#include <string.h>

int watch_failed(int rc, struct err_text *text)
{
    return err_set(text, rc, "%s", dusk_last_error());
}

int watch_stopped(const struct watch *watch, struct err_text *text)
{
    if (watch->stop && *watch->stop)
        return err_set(text, DUSK_E_CANCELLED, "stopped by SIG%s",
                       sigabbrev_np((int)*watch->stop));
    return watch->check ? watch->check(watch->arg, text) : 0;
}

static int check_all(struct dusk_future *const *futures, int count,
                     struct err_text *text)
{
    for (int i = 0; i < count; i++) {
        const char *line;
        int rc = dusk_future_error(futures[i], &line);
        if (rc < 0)
            return err_set(text, rc, "%s", line);
    }
    return 0;
}

int watch_await(const struct watch *watch, struct dusk_client *client,
                const char *stage, struct dusk_future *const *futures, int n,
                struct err_text *text)
{
    struct dusk_as_completed *completed;
    int rc = dusk_as_completed_create(client, futures, n, &completed);
    if (rc < 0)
        return watch_failed(rc, text);
    int done = 0;
    watch_progress(watch, stage, 0, n);
    while (rc == 0) {
        struct dusk_future *const *batch;
        int count;
        if ((rc = watch_stopped(watch, text)) < 0)
            break;
        rc = dusk_as_completed_next_batch(completed, WATCH_TURN_S, &batch, &count);
        if (rc == 0) {
            done += count;
            watch_progress(watch, stage, done, n);
            rc = check_all(batch, count, text);
        } else if (rc == DUSK_E_TIMEOUT) {
            rc = 0;
        } else if (rc < 0) {
            watch_failed(rc, text);
        }
    }
    dusk_as_completed_destroy(completed);
    return rc == DUSK_END ? 0 : rc;
}

int watch_fetch(const struct watch *watch, struct dusk_future *const *futures, int n,
                struct err_text *text)
{
    int rc;
    while ((rc = dusk_gather(futures, n, WATCH_TURN_S)) == DUSK_E_TIMEOUT)
        if ((rc = watch_stopped(watch, text)) < 0)
            return rc;
    return rc < 0 ? watch_failed(rc, text) : 0;
}
