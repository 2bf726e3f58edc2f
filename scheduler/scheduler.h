/* The scheduler without sockets: events in, messages and notes out.
 *
 * Every event carries the time; nothing here asks for the time, for randomness or
 * for the network, so the same events give the same messages, byte for byte.  A
 * scheduler belongs to one thread; any number of them may live in one process.
 *
 * After each event the owner takes what came out, in any order: batches from
 * scheduler_outbox, connections to close from scheduler_next_closed, and lines for
 * the log from scheduler_next_note. */
#ifndef SCHEDULER_SCHEDULER_H
#define SCHEDULER_SCHEDULER_H

#include "proto/keys.h"
#include "proto/outbox.h"

struct scheduler; /* opaque */

struct scheduler_config {
    uint64_t epoch;            /* this life of the scheduler; not 0 */
    uint64_t heartbeat_ns;     /* how often workers and clients shall be heard */
    uint64_t silent_ns;        /* unheard for that long: no new work */
    uint64_t lost_ns;          /* unheard for that long: its work goes elsewhere */
    uint64_t closed_ns;        /* the same after a closed connection */
    uint64_t client_closed_ns; /* a client's wants after a closed connection */
    unsigned wants_at_once;    /* that end in one event when a client leaves, and */
    uint64_t wants_rest_ns;    /* the time for others until the next such event */
    uint64_t recovery_ns;      /* how long others may come back after a restart */
    uint64_t stalled_ns;       /* whatever waits longer is noted */
    uint64_t retire_ns;        /* the longest that a retiring worker waits */
    uint64_t pipeline_ns;      /* work kept ready at each thread */
    uint64_t bunch_ns;         /* less work than that is not spread over workers */
    uint64_t latency_ns;       /* assumed of a transfer */
    double bandwidth;          /* assumed of a transfer, bytes a second */
    uint64_t clock_skew_ns;    /* that a peer's clock may differ from ours */
    unsigned deaths_allowed;   /* of workers before a task is KILLED */
    uint64_t rest_first_ns;    /* before a failed task runs again; doubled each time */
    uint64_t rest_most_ns;     /* but no longer than this */
    uint64_t argument_bytes;   /* of all tasks together */
    unsigned tasks_allowed;    /* that it holds */
    unsigned peers_allowed;    /* workers and clients together */
    bool allow_upload;         /* of plugins */
    bool journal;              /* records are written */
};

/* Dask's numbers where it has them. */
extern const struct scheduler_config scheduler_defaults;

/* Copies the configuration.  DUSK_E_NOMEM. */
int scheduler_create(const struct scheduler_config *config, uint64_t now_ns,
                     struct scheduler **ret_scheduler);
void scheduler_destroy(struct scheduler *scheduler);

/* What time it is for people, whenever that may have changed: peers whose clock says
 * something else are refused.  Until then it is taken for `now_ns`. */
void scheduler_set_clock(struct scheduler *scheduler, uint64_t unix_ns,
                         uint64_t now_ns);

/* What the process takes, to be told to whoever asks next for the status. */
void scheduler_set_usage(struct scheduler *scheduler, uint64_t rss, uint64_t cpu_ns);

/* From now on only these may connect, with the rights of their roles: takes the list.
 * Who is no longer on it is closed, and workers are told.  Without this call everybody
 * may do everything.  DUSK_E_NOMEM: all stays as it was. */
int scheduler_set_members(struct scheduler *scheduler, struct members *members,
                          uint64_t now_ns);

/* The list, borrowed; it changes with scheduler_set_members. */
const struct members *scheduler_members(const struct scheduler *scheduler);

/* Who is behind a connection: whoever has this public key.  To be called before its
 * first message; what no key was shown for has no rights.  DUSK_E_KEYS when no member
 * has it, DUSK_E_NOMEM. */
int scheduler_peer_is(struct scheduler *scheduler, struct peer_id peer,
                      const char *key);

/* A message has come from a peer, known or not.  Borrows the message.  Peers that
 * break the protocol are closed; the scheduler itself never fails. */
void scheduler_message(struct scheduler *scheduler, struct peer_id peer,
                       const struct message *message, uint64_t now_ns);

/* Whether a worker or a client is behind the connection. */
bool scheduler_knows(const struct scheduler *scheduler, struct peer_id peer);

/* A peer's connection is no more. */
void scheduler_peer_gone(struct scheduler *scheduler, struct peer_id peer,
                         uint64_t now_ns);

/* A peer sent bytes that are no messages: noted with the line, and closed. */
void scheduler_peer_broken(struct scheduler *scheduler, struct peer_id peer,
                           const char *line, uint64_t now_ns);

/* To be called when the deadline has passed; UINT64_MAX when there is none. */
void scheduler_tick(struct scheduler *scheduler, uint64_t now_ns);
uint64_t scheduler_next_deadline(const struct scheduler *scheduler);

/* Whether a client has shut the cluster down, and all have left. */
bool scheduler_has_ended(const struct scheduler *scheduler);

/* ---- the journal ----
 *
 * What must outlive the scheduler comes out as records, batches of messages, and goes
 * in at the next start.  With config.journal the owner takes all records after each
 * event, has them written to the disk as a whole, and says how that went, before the
 * next event. */

bool scheduler_has_records(const struct scheduler *scheduler);

/* The next batch to write, borrowed until the next call; NULL when there is none. */
const struct batch *scheduler_next_record(struct scheduler *scheduler);
void scheduler_recorded(struct scheduler *scheduler, int code, const char *line,
                        uint64_t now_ns);

/* Before any other event: one message of a record.  An error with a line when it is
 * not what a journal can hold. */
int scheduler_restore(struct scheduler *scheduler, const struct message *message,
                      struct err_text *text);

/* All were read; scheduler_record_all is part of this. */
int scheduler_restored(struct scheduler *scheduler, uint64_t now_ns);

/* What is still of use comes out as records, for a new journal in place of the old,
 * and scheduler_recorded is to follow.  DUSK_E_NOMEM, DUSK_E_LIMIT: the old one is
 * still good, nothing comes out. */
int scheduler_record_all(struct scheduler *scheduler);

/* Says goodbye to every peer; the outbox is the last thing to be taken. */
void scheduler_stop(struct scheduler *scheduler, const char *reason);

/* The outbox with everything that has been said so far. */
struct outbox *scheduler_outbox(struct scheduler *scheduler);

/* The next connection to close, after its lane was sent; false: none. */
bool scheduler_next_closed(struct scheduler *scheduler, struct peer_id *ret_peer);

/* One line for the log; the texts are valid until the next call. */
enum note_level { NOTE_DEBUG, NOTE_INFO, NOTE_WARNING, NOTE_ERROR };
#define NOTE_FIELDS 5
struct note {
    enum note_level level;
    const char *event; /* lives for ever */
    unsigned field_count;
    struct {
        const char *key; /* lives for ever */
        char text[200];
    } fields[NOTE_FIELDS];
};
bool scheduler_next_note(struct scheduler *scheduler, struct note *ret_note);

/* Whether everything that must always hold holds: 0, or DUSK_E_INTERNAL with a line
 * that names what does not.  Walks through all tasks. */
int scheduler_check(const struct scheduler *scheduler, struct err_text *text);

/* What has been counted since the start. */
struct scheduler_counts {
    uint64_t submitted, assigned, repeated, completed, failed, stale, stolen;
    uint64_t tasks, workers, clients; /* now */
};
void scheduler_count(const struct scheduler *scheduler,
                     struct scheduler_counts *ret_counts);

#endif
