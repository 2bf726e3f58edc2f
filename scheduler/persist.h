/* The scheduler's core and its journal, brought together for the shell. */
#ifndef SCHEDULER_PERSIST_H
#define SCHEDULER_PERSIST_H

#include "common/log.h"
#include "scheduler/journal.h"
#include "scheduler/scheduler.h"

/* Opens the journal, tells a new core what is in it, and writes what is still of use
 * into a new file in its place.  A torn last record is left out, with a line in the
 * log; DUSK_E_DATA when other bytes are damaged. */
int persist_open(const char *path, struct scheduler *scheduler, struct log *log,
                 struct err_text *text, struct journal **ret_journal);

/* Writes the records that an event has made, and tells the core how that went.  Begins
 * a new file in place of one that has grown by far more than is of use. */
void persist_records(struct journal *journal, struct scheduler *scheduler,
                     struct log *log);

#endif
