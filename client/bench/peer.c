#include "client/bench/peer.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PYTHON "/usr/bin/python3" /* whose packages are Debian's */
#define DIRECTORY_BYTES 256
#define PATH_BYTES (DIRECTORY_BYTES + 32)

extern char **environ;
extern const char bench_dask_script[];

struct peer {
    struct watch watch;
    int64_t columns, chunks;
    char directory[DIRECTORY_BYTES];
    pid_t pid;
    int fd;
    FILE *stream; /* of fd, to read from */
};

static void path_of(const struct peer *peer, const char *name, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/%.30s", peer->directory, name);
}

/* ---- the problem as files ---- */

static int write_file(const struct peer *peer, const char *name, const void *data,
                      size_t bytes, struct err_text *text)
{
    char path[PATH_BYTES];
    path_of(peer, name, path);
    FILE *file = fopen(path, "wbe");
    bool good = file && fwrite(data, 1, bytes, file) == bytes;
    if (file && fclose(file) != 0)
        good = false;
    return good ? 0
                : err_set(text, DUSK_E_IO, "cannot write %.120s: %s", path,
                          strerror(errno));
}

/* A copy of the chunk passes through here, so that none of the data set stays. */
static int write_chunk(const struct peer *peer, const struct dataset *data, int64_t i,
                       struct err_text *text)
{
    struct dusk_future *copy = NULL;
    struct dusk_array x, y;
    char name[32];
    int rc = dusk_submit(data->client, &copy, "identity", "FF", data->x[i], 0,
                         data->y[i], data->y_item);
    if (rc < 0)
        watch_failed(rc, text);
    else
        rc = watch_fetch(&peer->watch, &copy, 1, text);
    if (rc == 0 && (rc = dusk_result(copy, 0, "aa", &x, &y)) < 0)
        watch_failed(rc, text);
    snprintf(name, sizeof name, "x-%lld", (long long)i);
    if (rc == 0)
        rc = write_file(peer, name, x.data,
                        (size_t)(x.shape[0] * x.shape[1]) * sizeof(double), text);
    snprintf(name, sizeof name, "y-%lld", (long long)i);
    if (rc == 0)
        rc = write_file(peer, name, y.data, (size_t)y.shape[0] * sizeof(double), text);
    dusk_release(&copy, 1);
    return rc;
}

static int write_problem(struct peer *peer, const struct dataset *data, double l1,
                         double rho, uint64_t seed, struct err_text *text)
{
    const char *folder = getenv("TMPDIR");
    snprintf(peer->directory, sizeof peer->directory, "%.200s/dusk-bench-XXXXXX",
             folder && *folder ? folder : "/tmp");
    if (!mkdtemp(peer->directory)) {
        int rc = err_set(text, DUSK_E_IO, "cannot make %.200s: %s", peer->directory,
                         strerror(errno));
        peer->directory[0] = '\0';
        return rc;
    }
    int rc = 0;
    for (int64_t i = 0; rc == 0 && i < data->chunks; i++) {
        watch_progress(&peer->watch, "writing chunks", i, data->chunks);
        rc = write_chunk(peer, data, i, text);
    }
    json_t *problem = json_pack(
        "{s:I s:I s:f s:f s:I}", "columns", (json_int_t)data->columns, "chunks",
        (json_int_t)data->chunks, "l1", l1, "rho", rho, "seed", (json_int_t)seed);
    char *document = json_dumps(problem, 0);
    if (rc == 0)
        rc = document
                 ? write_file(peer, "problem.json", document, strlen(document), text)
                 : err_set(text, DUSK_E_NOMEM, "no memory for a problem");
    json_decref(problem);
    free(document);
    return rc;
}

static void remove_files(const struct peer *peer)
{
    char name[32], path[PATH_BYTES];
    for (int64_t i = 0; i < 2 * peer->chunks; i++) {
        snprintf(name, sizeof name, "%c-%lld", i % 2 ? 'y' : 'x', (long long)i / 2);
        path_of(peer, name, path);
        unlink(path);
    }
    path_of(peer, "problem.json", path);
    unlink(path);
    if (peer->directory[0])
        rmdir(peer->directory);
}

/* ---- the process ---- */

static int spawn(struct peer *peer, struct err_text *text)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return err_set(text, DUSK_E_IO, "no socket: %s", strerror(errno));
    const char *const argv[] = {PYTHON, "-c", bench_dask_script, peer->directory, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    int error = posix_spawn(&peer->pid, PYTHON, &actions, NULL,
                            (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    peer->fd = ends[0];
    peer->stream = fdopen(ends[0], "r");
    if (error) {
        peer->pid = 0;
        return err_set(text, DUSK_E_IO, "cannot run " PYTHON ": %s", strerror(error));
    }
    return peer->stream ? 0 : err_set(text, DUSK_E_NOMEM, "no memory for a peer");
}

/* The next line it answers with. */
static int read_answer(struct peer *peer, json_t **ret_answer, struct err_text *text)
{
    struct pollfd item = {peer->fd, POLLIN, 0};
    char *line = NULL;
    size_t capacity = 0;
    int rc = 0;
    while (rc == 0 && poll(&item, 1, (int)(WATCH_TURN_S * 1000)) <= 0)
        rc = watch_stopped(&peer->watch, text);
    if (rc == 0 && getline(&line, &capacity, peer->stream) < 0)
        rc = err_set(text, DUSK_E_IO,
                     "dask has ended (Debian's packages for it: apt-get install "
                     "python3-distributed python3-scipy)");
    if (rc == 0 && !(*ret_answer = json_loads(line, JSON_DECODE_ANY, NULL)))
        rc = err_set(text, DUSK_E_PROTOCOL, "dask answered '%.40s'", line);
    free(line);
    return rc;
}

int peer_start(const struct dataset *data, const struct watch *watch, double l1,
               double rho, uint64_t seed, struct peer **ret_peer, struct err_text *text)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (!peer)
        return err_set(text, DUSK_E_NOMEM, "no memory for a peer");
    peer->fd = -1;
    peer->watch = *watch;
    peer->columns = data->columns;
    peer->chunks = data->chunks;
    json_t *ready = NULL;
    int rc = write_problem(peer, data, l1, rho, seed, text);
    if (rc == 0)
        rc = spawn(peer, text);
    watch_progress(watch, "dask starts", 0, 0);
    if (rc == 0)
        rc = read_answer(peer, &ready, text);
    json_decref(ready);
    if (rc < 0)
        peer_stop(peer);
    else
        *ret_peer = peer;
    return rc;
}

/* It ends with its input. */
void peer_stop(struct peer *peer)
{
    if (!peer)
        return;
    if (peer->pid > 0 && peer->watch.stop && *peer->watch.stop)
        kill(peer->pid, SIGTERM);
    if (peer->stream)
        fclose(peer->stream);
    else if (peer->fd >= 0)
        close(peer->fd);
    if (peer->pid > 0)
        waitpid(peer->pid, NULL, 0);
    remove_files(peer);
    free(peer);
}

/* ---- runs ---- */

static int read_trace(const struct peer *peer, const json_t *answer,
                      struct peer_trace *trace)
{
    const json_t *seconds = json_object_get(answer, "seconds"),
                 *updates = json_object_get(answer, "updates"),
                 *z = json_object_get(answer, "z");
    size_t count = json_array_size(z), p = (size_t)peer->columns;
    if (json_array_size(seconds) != count || json_array_size(updates) != count)
        return DUSK_E_PROTOCOL;
    *trace = (struct peer_trace){(int64_t)count, calloc(count + 1, sizeof(double)),
                                 calloc(count + 1, sizeof(double)),
                                 calloc(count * p + 1, sizeof(double))};
    if (!trace->seconds || !trace->updates || !trace->z)
        return DUSK_E_NOMEM;
    for (size_t k = 0; k < count; k++) {
        trace->seconds[k] = json_number_value(json_array_get(seconds, k));
        trace->updates[k] = json_number_value(json_array_get(updates, k));
        const json_t *row = json_array_get(z, k);
        for (size_t j = 0; j < p; j++)
            trace->z[k * p + j] = json_number_value(json_array_get(row, j));
    }
    return 0;
}

int peer_run(struct peer *peer, enum admm_variant variant, int64_t updates,
             struct peer_trace *ret_trace, struct err_text *text)
{
    struct peer_trace trace = {0};
    json_t *answer = NULL;
    int rc = 0;
    if (dprintf(peer->fd, "{\"variant\": \"%s\", \"updates\": %lld}\n",
                run_variant_name(variant), (long long)updates) < 0)
        rc = err_set(text, DUSK_E_IO, "cannot write to dask: %s", strerror(errno));
    watch_progress(&peer->watch, "dask", 0, 0);
    if (rc == 0)
        rc = read_answer(peer, &answer, text);
    if (rc == 0 && (rc = read_trace(peer, answer, &trace)) < 0)
        err_set(text, rc, "cannot read what dask answered: %s", err_sentence(rc));
    json_decref(answer);
    if (rc < 0)
        peer_trace_fini(&trace);
    else
        *ret_trace = trace;
    return rc;
}

void peer_trace_fini(struct peer_trace *trace)
{
    free(trace->seconds);
    free(trace->updates);
    free(trace->z);
    *trace = (struct peer_trace){0};
}
