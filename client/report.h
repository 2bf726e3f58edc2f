/* The report of a run for people: one HTML file that holds its own data, styles
 * and charting library, and opens from disk with no network.
 *
 * The report document is {"dusk": version, "created": time, "host": {"cores",
 * "workers", "threads_per_worker"}, "problems": [{"problem": {...}, "runs":
 * [...]}]}; report_check.c holds the list of all members, tests/system/
 * fake_report.py makes one of every kind.  Times are seconds, gaps relative. */
#ifndef CLIENT_REPORT_H
#define CLIENT_REPORT_H

#include "common/err.h"

#include <jansson.h>

/* Writes `report` (borrowed) as a page to `path`, whole or not at all.  INVALID
 * names the first member that is missing or of the wrong kind; NOT_FOUND, IO and
 * DISK_FULL name the path. */
int report_write(const json_t *report, const char *path, struct err_text *text);

/* The same document as indented JSON, for programs. */
int report_write_json(const json_t *report, const char *path, struct err_text *text);

/* Whether a report could be written to `path` now; leaves nothing behind.  Asked
 * before a long computation, not after it. */
int report_check_writable(const char *path, struct err_text *text);

/* What report_write checks before it opens the file: every member that the page
 * draws is there, of the right kind and consistent (indices of threads and kinds
 * exist, the picture has no more pixels than there are coefficients). */
int report_check(const json_t *report, struct err_text *text);

#endif
