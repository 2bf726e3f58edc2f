/* The page around a report's data, assembled at build time by bundle.py from the
 * template, the style sheet, the scripts and the charting library. */
#ifndef CLIENT_REPORT_PAGE_H
#define CLIENT_REPORT_PAGE_H

#include <stddef.h>

extern const char report_page_head[]; /* everything before the JSON */
extern const size_t report_page_head_size;
extern const char report_page_tail[]; /* everything after it */
extern const size_t report_page_tail_size;

#endif
