#include "client/stream.h"

#include "common/clock.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void stream_init(struct stream *stream)
{
    *stream = (struct stream){.origin_ns = (int64_t)clock_unix_ns()};
}

void stream_fini(struct stream *stream)
{
    free(stream->tasks);
    free(stream->threads);
    free(stream->kinds);
    *stream = (struct stream){0};
}

static bool is_before(const struct dusk_timing *timing,
                      const struct stream_thread *thread)
{
    return timing->worker != thread->worker ? timing->worker < thread->worker
                                            : timing->thread < thread->thread;
}

/* Both tables have a handful of entries; -1 when there is no memory. */
static int thread_index(struct stream *stream, const struct dusk_timing *timing)
{
    for (int i = 0; i < stream->thread_count; i++)
        if (stream->threads[i].worker == timing->worker &&
            stream->threads[i].thread == timing->thread)
            return i;
    size_t count = (size_t)stream->thread_count;
    void *threads = realloc(stream->threads, (count + 1) * sizeof *stream->threads);
    if (!threads)
        return -1;
    stream->threads = threads;
    int at = stream->thread_count++;
    for (; at > 0 && is_before(timing, &stream->threads[at - 1]); at--)
        stream->threads[at] = stream->threads[at - 1];
    stream->threads[at] = (struct stream_thread){timing->worker, timing->thread};
    for (size_t i = 0; i < stream->task_count; i++)
        stream->tasks[i].thread += stream->tasks[i].thread >= at;
    return at;
}

static int kind_index(struct stream *stream, const char *kind)
{
    for (int i = 0; i < stream->kind_count; i++)
        if (strcmp(stream->kinds[i], kind) == 0)
            return i;
    size_t count = (size_t)stream->kind_count;
    void *kinds = realloc(stream->kinds, (count + 1) * sizeof *stream->kinds);
    if (!kinds)
        return -1;
    stream->kinds = kinds;
    stream->kinds[count] = kind;
    return stream->kind_count++;
}

static int stream_reserve(struct stream *stream)
{
    if (stream->task_count < stream->task_capacity)
        return 0;
    size_t capacity = stream->task_capacity ? 2 * stream->task_capacity : 1024;
    void *tasks = realloc(stream->tasks, capacity * sizeof *stream->tasks);
    if (!tasks)
        return DUSK_E_NOMEM;
    stream->tasks = tasks;
    stream->task_capacity = capacity;
    return 0;
}

void stream_add(struct stream *stream, const char *kind, int64_t chunk,
                struct dusk_future *future)
{
    struct dusk_timing timing;
    if (!stream || dusk_future_timing(future, &timing) < 0 ||
        stream_reserve(stream) < 0)
        return;
    int thread = thread_index(stream, &timing), type = kind_index(stream, kind);
    if (thread < 0 || type < 0)
        return;
    stream->tasks[stream->task_count++] = (struct stream_task){
        thread, type, chunk, (double)(timing.start_ns - stream->origin_ns) * 1e-9,
        (double)(timing.stop_ns - stream->origin_ns) * 1e-9};
}

double stream_now(const struct stream *stream)
{
    return (double)((int64_t)clock_unix_ns() - stream->origin_ns) * 1e-9;
}

double stream_busy(const struct stream *stream, int threads, double seconds)
{
    double busy = 0;
    for (size_t i = 0; i < stream->task_count; i++) {
        double start = stream->tasks[i].start_s, stop = stream->tasks[i].stop_s;
        start = start > 0 ? start : 0;
        stop = stop < seconds ? stop : seconds;
        busy += stop > start ? stop - start : 0;
    }
    double all = threads * seconds;
    return all > 0 && busy < all ? busy / all : all > 0;
}
