/* Connections and who is behind them, and the texts that they bring. */
#include "scheduler/core.h"

#include "proto/limits.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* ---- texts from outside ---- */

bool text_is_clean(struct str text, size_t least)
{
    if (text.size < least || text.size > LIMIT_NAME_BYTES)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if ((unsigned char)text.text[i] < ' ' || text.text[i] == 0x7f)
            return false;
    return true;
}

bool text_is(struct str text, const char *word)
{
    return strlen(word) == text.size &&
           (!text.size || memcmp(word, text.text, text.size) == 0);
}

uint64_t text_hash(struct str text)
{
    return XXH3_64bits(text.text, text.size);
}

/* ---- peers ---- */

static void number_add(uint32_t **numbers, size_t *count, size_t *capacity,
                       uint32_t number)
{
    for (size_t i = 0; i < *count; i++)
        if ((*numbers)[i] == number)
            return;
    if (*count == *capacity) {
        size_t larger = *capacity ? 2 * *capacity : 16;
        void *more = realloc(*numbers, larger * sizeof **numbers);
        /* Without memory the peer is found out again at its next message. */
        if (!more)
            return;
        *numbers = more;
        *capacity = larger;
    }
    (*numbers)[(*count)++] = number;
}

void peer_doom(struct scheduler *scheduler, struct peer_id peer)
{
    number_add(&scheduler->doomed, &scheduler->doomed_count,
               &scheduler->doomed_capacity, peer.number);
}

void peer_send(struct scheduler *scheduler, struct peer_id peer,
               const struct message *message)
{
    if (outbox_send(&scheduler->outbox, peer, message) < 0)
        peer_doom(scheduler, peer);
}

bool peer_finds_room(struct scheduler *scheduler, struct peer_id peer)
{
    if (scheduler->worker_count + scheduler->client_count <
        scheduler->config.peers_allowed)
        return true;
    peer_refuse(scheduler, peer, DUSK_E_LIMIT,
                "the scheduler has %u workers and clients and takes no more",
                scheduler->config.peers_allowed);
    return false;
}

int peer_bind(struct scheduler *scheduler, struct peer_id peer, struct worker *worker,
              struct client *client)
{
    struct peer *bound = map_get(&scheduler->peers, peer.number);
    if (!bound) {
        if (!(bound = malloc(sizeof *bound)))
            return DUSK_E_NOMEM;
        if (map_put(&scheduler->peers, peer.number, bound) < 0) {
            free(bound);
            return DUSK_E_NOMEM;
        }
    }
    *bound = (struct peer){.worker = worker, .client = client};
    return 0;
}

void peer_unbind(struct scheduler *scheduler, struct peer_id peer)
{
    free(map_remove(&scheduler->peers, peer.number));
}

void peer_close(struct scheduler *scheduler, struct peer_id peer)
{
    peer_unbind(scheduler, peer);
    number_add(&scheduler->closing, &scheduler->closing_count,
               &scheduler->closing_capacity, peer.number);
}

void peer_part(struct scheduler *scheduler, struct peer_id peer)
{
    struct peer *bound = map_get(&scheduler->peers, peer.number);
    if (bound && bound->worker)
        worker_disconnected(scheduler, bound->worker);
    else if (bound)
        client_disconnected(scheduler, bound->client);
}

void peer_violated(struct scheduler *scheduler, struct peer_id peer, const char *format,
                   ...)
{
    char line[200];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    struct note *note = note_add(&scheduler->notes, NOTE_WARNING, "peer dropped");
    struct peer *bound = map_get(&scheduler->peers, peer.number);
    if (bound && bound->worker)
        note_field(note, "worker", "%s", bound->worker->name);
    if (bound && bound->client)
        note_field(note, "client", "%06" PRIx64, bound->client->number);
    note_field(note, "peer", "%" PRIu32, peer.number);
    note_field(note, "because", "%s", line);
    peer_part(scheduler, peer);
    peer_close(scheduler, peer);
}

void peer_refuse(struct scheduler *scheduler, struct peer_id peer, int code,
                 const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    struct note *note = note_add(&scheduler->notes, NOTE_WARNING, "peer refused");
    note_field(note, "peer", "%" PRIu32, peer.number);
    note_field(note, "because", "%s", line);
    peer_send(scheduler, peer, MESSAGE(refuse, .code = code, .reason = str_of(line)));
}
