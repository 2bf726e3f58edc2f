/* Spilled payloads: files that are written and read by a thread of their own, so that
 * the main thread never waits for a disk.  A file has no name, or loses it at once:
 * whatever ends the process, nothing stays behind. */
#ifndef WORKER_FILES_H
#define WORKER_FILES_H

#include "common/err.h"
#include "proto/payload.h"

#include <stdbool.h>

struct files;

struct files_event {
    bool read; /* a file was read, or else written */
    uint64_t file;
    int code;                /* 0, or an error */
    struct payload *payload; /* owned reference: what was read */
    struct err_text text;
};

/* `directory` is copied.  DUSK_E_IO with a line when files cannot be made there. */
int files_create(const char *directory, struct files **ret_files,
                 struct err_text *text);

/* Waits for the operation that is running; drops the others. */
void files_destroy(struct files *files);

/* Becomes readable when there are events. */
int files_fd(const struct files *files);

/* Each is done in the order of the calls; writing and reading lead to one event each,
 * also when there is no memory to note the wish.  A reference to the payload is
 * taken, and is gone before the event is there. */
void files_write(struct files *files, uint64_t file, struct payload *payload);
void files_read(struct files *files, uint64_t file);
void files_forget(struct files *files, uint64_t file);

/* The next event; false when there is none.  To be called until it says so. */
bool files_next(struct files *files, struct files_event *ret_event);

#endif
