/* What dusk-worker is told, by its command line and its environment. */
#ifndef WORKER_ARGUMENTS_H
#define WORKER_ARGUMENTS_H

#include "common/log.h"
#include "common/options.h"
#include "proto/keys.h"
#include "worker/route.h"

enum { LOST_STOP, LOST_KEEP };

struct arguments {
    const char *scheduler;
    const char *host;
    char own_host[ROUTE_HOST_BYTES]; /* when none was given */
    const char *name;
    const char *directory;
    const char *memory_text;
    const char *resources;
    struct option_list preload;
    int64_t nthreads; /* 0: as many as there are processors for each worker */
    int64_t nworkers;
    int64_t credits;
    int64_t ready_fd;
    int64_t retire_ns;
    double slowness;
    int64_t connect_ns;
    int64_t reconnect_ns;
    int on_scheduler_lost; /* one of the above */
    int log_level;
    bool nanny;
    const char *keys;
    struct join join; /* what the file says */
    bool insecure;
    bool allow_upload;
    size_t memory_limit; /* set by arguments_check, as is what was left out */
};

/* Reads the command line over the defaults; returns as options_parse does.  Strings are
 * borrowed from it and from the environment. */
int arguments_parse(struct arguments *arguments, int argc, char **argv);

/* Checks what was read, and finds what was left out: threads, memory, host.  May wait
 * until the scheduler's name is known.  DUSK_E_INVALID for what can only be mended on
 * the command line. */
int arguments_check(struct arguments *arguments, struct err_text *text);

#endif
