/* Looks into the scheduler's and the workers' cores side by side, for invariants.c. */
#ifndef TESTS_SIM_VIEWS_H
#define TESTS_SIM_VIEWS_H

#include "tests/sim/cluster.h"

/* Whether the scheduler and the worker know each other and nothing is in flight or
 * waits to be sent between them. */
bool view_is_settled(struct process *scheduler, struct process *worker);

int view_who_has(struct process *scheduler, struct process *worker,
                 struct err_text *text);
int view_processing(struct process *scheduler, struct process *worker,
                    struct err_text *text);

/* The same between the scheduler and a client; 0 unless they are settled. */
int view_wants(struct process *scheduler, struct process *client,
               struct err_text *text);

/* Around each message that the scheduler receives: a result counts only when it is that
 * of the current attempt. */
void view_message_before(struct process *scheduler, struct peer_id peer,
                         const struct message *message);
void view_message_after(struct process *scheduler, const struct message *message);

size_t view_task_count(const struct process *scheduler);
void view_why(const struct process *scheduler, struct task_key key, char *line,
              size_t size);
void view_tell_left(struct world *world);

#endif
