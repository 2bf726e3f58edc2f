#include "scheduler/persist.h"

#include "common/clock.h"

#include <stdlib.h>

/* ---- reading ---- */

static int restore_record(const struct journal_record *record,
                          struct scheduler *scheduler, struct err_text *text)
{
    struct batch_reader reader;
    struct frame *frames;
    struct message message;
    int rc = journal_open_batch(record, &reader, &frames);
    if (rc < 0)
        return err_set(text, rc, "no memory for a record");
    while ((rc = batch_reader_next(&reader, &message, text)) == 0)
        if ((rc = scheduler_restore(scheduler, &message, text)) < 0)
            break;
    batch_reader_fini(&reader);
    free(frames);
    return rc < 0 ? rc : 0;
}

static int restore_all(struct journal *journal, struct scheduler *scheduler,
                       const char *path, struct log *log, struct err_text *text)
{
    struct journal_record record;
    size_t offset = 0;
    int64_t records = 0;
    int rc;
    while ((rc = journal_next(journal, &record, text)) == JOURNAL_RECORD) {
        rc = restore_record(&record, scheduler, text);
        if (rc < 0) {
            err_prefix(text, "journal %s: the record at byte %zu", path, offset);
            return rc;
        }
        offset = journal_size(journal);
        records++;
    }
    if (rc == JOURNAL_TORN)
        log_warning(log, "the journal's last record is torn and left out",
                    log_text("journal", path),
                    log_integer("at_byte", (int64_t)journal_size(journal)));
    if (rc >= 0)
        log_info(log, "journal read", log_text("journal", path),
                 log_integer("records", records));
    return rc < 0 ? rc : 0;
}

/* ---- writing ---- */

static int write_records(struct journal *journal, struct scheduler *scheduler,
                         struct err_text *text)
{
    const struct batch *batch;
    int rc = 0;
    while (rc == 0 && (batch = scheduler_next_record(scheduler)))
        rc = journal_append(journal, batch, text);
    return rc < 0 ? rc : journal_commit(journal, text);
}

/* Writes what is still of use into a new file.  Whatever goes wrong here leaves the old
 * one as it was, which then goes on, unless there is none. */
static int renew(struct journal *journal, struct scheduler *scheduler, int recorded,
                 struct log *log, struct err_text *text)
{
    int rc = recorded;
    if (rc < 0)
        err_set(text, rc, "no memory for a new journal");
    else if ((rc = journal_renew(journal, text)) == 0)
        rc = write_records(journal, scheduler, text);
    scheduler_recorded(scheduler, rc, rc < 0 ? text->line : "", clock_monotonic_ns());
    if (rc < 0 && journal_size(journal) > 0) {
        log_warning(log, "the journal is not rewritten",
                    log_text("because", text->line));
        journal_rollback(journal);
        rc = 0;
    }
    return rc;
}

int persist_open(const char *path, struct scheduler *scheduler, struct log *log,
                 struct err_text *text, struct journal **ret_journal)
{
    struct journal *journal;
    int rc = journal_open(path, text, &journal);
    if (rc < 0)
        return rc;
    rc = restore_all(journal, scheduler, path, log, text);
    if (rc == 0)
        rc = renew(journal, scheduler,
                   scheduler_restored(scheduler, clock_monotonic_ns()), log, text);
    if (rc < 0)
        journal_close(journal);
    else
        *ret_journal = journal;
    return rc;
}

void persist_records(struct journal *journal, struct scheduler *scheduler,
                     struct log *log)
{
    struct err_text text = {.line = ""};
    if (!scheduler_has_records(scheduler))
        return;
    int rc = write_records(journal, scheduler, &text);
    if (rc < 0)
        log_warning(log, "the journal cannot be written",
                    log_text("because", text.line));
    scheduler_recorded(scheduler, rc, text.line, clock_monotonic_ns());
    if (journal_is_bloated(journal))
        renew(journal, scheduler, scheduler_record_all(scheduler), log, &text);
}
