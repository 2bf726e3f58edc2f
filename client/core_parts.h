/* What the files of the client's core share with one another, and with nobody else. */
#ifndef CLIENT_CORE_PARTS_H
#define CLIENT_CORE_PARTS_H

#include "client/core.h"

#define CONNECT_NS (5 * UINT64_C(1000000000)) /* to a worker */

/* An address with its connection: a worker's data socket, or the scheduler.  Lives as
 * long as the core, so that futures may point to it. */
struct client_site {
    char *address;
    uint64_t hash;
    struct peer_id peer; /* 0 while there is no connection */
    bool connected;
    uint64_t opened_ns;
    uint64_t used_ns;
    struct list asked;             /* transfers that wait for its answer */
    struct client_action *closing; /* made with the connection: it cannot fail */
};

int client_site_get(struct client_core *core, struct str address,
                    struct client_site **ret_site);
int client_site_open(struct client_core *core, struct client_site *site,
                     uint64_t now_ns);
void client_site_close(struct client_core *core, struct client_site *site);
void client_sites_fini(struct client_core *core);

void client_note(struct client_core *core, enum dusk_log_level level,
                 const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- the connection to the scheduler: core_link.c ---- */

/* A core that is new: when to be heard, and a number to propose. */
void client_link_init(struct client_core *core);

/* Puts a message to the scheduler into the outbox; false when that must wait. */
bool client_tell(struct client_core *core, const struct message *message);

/* What comes over it; a negative code closes it. */
int client_link_welcome(struct client_core *core, const struct msg_welcome *welcome,
                        uint64_t now_ns);
int client_link_refused(struct client_core *core, const struct msg_refuse *refuse,
                        struct err_text *text);
int client_link_register_again(struct client_core *core, uint64_t now_ns);

void client_link_connected(struct client_core *core, uint64_t now_ns);
void client_link_close(struct client_core *core, uint64_t now_ns);
void client_link_tick(struct client_core *core, uint64_t now_ns);

/* ---- what the scheduler says of futures: core_answers.c ---- */

int client_answer_finished(struct client_core *core,
                           const struct msg_finished *finished, uint64_t now_ns);
int client_answer_failed(struct client_core *core, const struct msg_failed *failed);

/* ---- what the scheduler is told of futures: core_submit.c ---- */

void client_queue(struct dusk_future *future, enum future_queue queue);

/* After a welcome: everything that the scheduler may not know.  False when there is
 * no room: the connection is of no use then. */
bool client_submit_again(struct client_core *core, bool same_scheduler);
void client_submit_fill(struct client_core *core, uint64_t now_ns);

/* The future fails with the cause of one of its dependencies; false: none failed. */
bool client_fail_like_dependency(struct dusk_future *future);

/* At each heartbeat: what was released before one that was answered has arrived. */
void client_released_turn(struct client_core *core);

/* ---- the ways of results and scattered data: core_transfer.c ---- */

enum transfer_state {
    TRANSFER_WAITING, /* for its turn */
    TRANSFER_ASKED,   /* the worker */
    TRANSFER_LOOKING, /* for the place: the scheduler was asked */
    TRANSFER_RESTING, /* after a failure, before it looks again */
    TRANSFER_STORED,  /* brought; the scheduler has not confirmed it */
};

struct client_transfer {
    struct list link; /* in the core's list for its state; ASKED: in its site's */
    struct dusk_future *future;
    struct client_site *site;
    enum transfer_state state;
    bool brings; /* data to a worker */
    bool told;   /* LOOKING: in the outbox */
    unsigned failures;
    unsigned repeats; /* asked once more since no answer came */
    uint64_t attempt; /* of the place to bring it to */
    uint64_t request;
    uint64_t since_ns;
    uint64_t deadline_ns; /* ASKED: when the answer must have been lost */
};

int client_transfer_begin(struct dusk_future *future, bool brings,
                          struct client_site *site, uint64_t now_ns);
void client_transfer_end(struct dusk_future *future);

/* Leads it to this site.  When it is on its way there already, the answer may be
 * overdue: it is asked again then. */
void client_transfer_turn(struct client_transfer *transfer, struct client_site *site,
                          uint64_t now_ns);
void client_transfer_site_gone(struct client_core *core, struct client_site *site,
                               uint64_t now_ns);
void client_transfer_again(struct client_core *core);
void client_transfer_fill(struct client_core *core, uint64_t now_ns);
void client_transfer_tick(struct client_core *core, uint64_t now_ns);

/* place, located: from the scheduler; data, no_data, stored: from a worker. */
int client_transfer_message(struct client_core *core, const struct message *message,
                            uint64_t now_ns, struct err_text *text);

/* ---- questions: core_question.c ---- */

void client_question_fill(struct client_core *core);
int client_question_message(struct client_core *core, const struct message *message,
                            struct err_text *text);

/* ---- uploads: core_upload.c ---- */

/* False when one must wait: tasks that may need it must not overtake it. */
bool client_upload_fill(struct client_core *core);

/* False when the answer is not to an upload. */
bool client_upload_outcome(struct client_core *core, const struct msg_outcome *outcome);

#endif
