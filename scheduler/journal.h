/* A file of records that outlives the scheduler.  Each is a batch of messages with its
 * length and checksums; it is appended, never changed.
 *
 *     file:    "duskjrn1", records
 *     record:  length of the body u64, checksum of the length u64 (XXH3 of these 8
 *              bytes), checksum of the body u64 (XXH3), body
 *     body:    size of the header u32, number of frames u32, size of each frame u64,
 *              header, frames
 *
 * All numbers are little-endian.  Reading is a pure function over the bytes. */
#ifndef SCHEDULER_JOURNAL_H
#define SCHEDULER_JOURNAL_H

#include "common/err.h"
#include "proto/batch.h"

/* ---- the bytes ---- */

#define JOURNAL_MAGIC "duskjrn1"
#define JOURNAL_MAGIC_BYTES 8

/* A batch as a record, owned by the caller.  DUSK_E_NOMEM. */
int journal_encode(const struct batch *batch, uint8_t **ret_bytes, size_t *ret_size);

/* One record inside the bytes that were read, borrowed from them. */
struct journal_record {
    const uint8_t *header, *sizes, *frames;
    size_t header_size, frame_count;
};

enum journal_outcome {
    JOURNAL_RECORD = 0,
    JOURNAL_END = 1,
    JOURNAL_TORN = 2, /* what follows the offset was not written to its end */
};

/* Reads the record at *offset and moves the offset behind it; 0 is the beginning of
 * the file.  DUSK_E_DATA with a line that names the offset when bytes before the last
 * record are damaged, or when this is no journal. */
int journal_read(const uint8_t *bytes, size_t size, size_t *offset,
                 struct journal_record *ret_record, struct err_text *text);

/* Opens the record's batch; the frames are copied.  The array of frames is the
 * caller's, to be freed after batch_reader_fini.  DUSK_E_NOMEM. */
int journal_open_batch(const struct journal_record *record,
                       struct batch_reader *ret_reader, struct frame **ret_frames);

/* ---- the file ---- */

struct journal; /* one thread */

/* Opens the file, or makes it, and reads all of it.  Another scheduler that has it
 * open: DUSK_E_BUSY.  Errors with a line that names the file. */
int journal_open(const char *path, struct err_text *text, struct journal **ret_journal);
void journal_close(struct journal *journal); /* NULL is allowed */

/* The next record that was read, as journal_read; the bytes go after the last one. */
int journal_next(struct journal *journal, struct journal_record *ret_record,
                 struct err_text *text);

/* The bytes that are good; 0 for a file that was new. */
size_t journal_size(const struct journal *journal);

/* Whether most of the file may be of no use any more, so that it should be renewed; not
 * soon again after that was tried. */
bool journal_is_bloated(const struct journal *journal);

/* Begins a new file in place of the old one: records go there from now on, and
 * journal_commit puts it in its place. */
int journal_renew(struct journal *journal, struct err_text *text);

/* Appends; takes effect with journal_commit, which waits for the disk.  After an error
 * of either, with its line, the file is what it was after the last commit: DUSK_E_IO,
 * DUSK_E_DISK_FULL. */
int journal_append(struct journal *journal, const struct batch *batch,
                   struct err_text *text);
int journal_commit(struct journal *journal, struct err_text *text);
void journal_rollback(struct journal *journal);

#endif
