/* The local updates of a run: the task that computes one of them, and what it solves
 * with. */
#ifndef CLIENT_UPDATES_H
#define CLIENT_UPDATES_H

#include "client/admm.h"
#include "client/model.h"
#include "client/run.h"

struct updates {
    struct model *model; /* borrowed, like the options */
    const struct run_options *options;
    const char *kind;            /* the task function */
    struct dusk_future **factor; /* (N) of the model, or made for these updates */
};

/* The classic form on Gram matrices needs factors for its scalar rho, and waits for
 * them.  After an error, too, updates_fini is to follow. */
int updates_init(struct updates *updates, struct model *model,
                 const struct run_options *options, struct err_text *text);
void updates_fini(struct updates *updates);

/* Submits one; what libdusk returns. */
int updates_submit(const struct updates *updates, const struct admm_update *update,
                   struct dusk_future **ret_future);

#endif
