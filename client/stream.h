/* The task stream of a run: which thread of which worker ran what, and when. */
#ifndef CLIENT_STREAM_H
#define CLIENT_STREAM_H

#include "client/dusk.h"

struct stream_task {
    int thread; /* index into threads */
    int kind;   /* index into kinds */
    int64_t chunk;
    double start_s, stop_s; /* since the stream's origin */
};

struct stream_thread {
    int64_t worker, thread;
};

struct stream {
    int64_t origin_ns; /* Unix time */
    struct stream_task *tasks;
    size_t task_count, task_capacity;
    struct stream_thread *threads; /* by worker and thread */
    int thread_count;
    const char **kinds; /* names of task functions, borrowed for ever */
    int kind_count;
};

/* Starts now, by this machine's clock. */
void stream_init(struct stream *stream);
void stream_fini(struct stream *stream);

/* Notes a finished future.  `kind` is a literal.  Nothing happens for NULL streams
 * and futures without timing, or when there is no memory: a stream is a picture,
 * never a reason to fail. */
void stream_add(struct stream *stream, const char *kind, int64_t chunk,
                struct dusk_future *future);

/* Seconds since the origin. */
double stream_now(const struct stream *stream);

/* The part of threads x seconds in which tasks ran, 0 to 1. */
double stream_busy(const struct stream *stream, int threads, double seconds);

#endif
