/* The runs of a problem as a table for a terminal: aligned, UTF-8, at most
 * TABLE_WIDTH columns wide. */
#ifndef CLIENT_TABLE_H
#define CLIENT_TABLE_H

#include "common/err.h"

#include <jansson.h>
#include <stdio.h>

#define TABLE_WIDTH 100

/* Writes the table of `runs` (borrowed; an array as in a report's document) to
 * `out`, one line a run under one line of heads.  A number that is missing or
 * null is a dash; text too long for its column is cut with an ellipsis.  INVALID
 * when a run has no "variant", "form" or "status"; IO when `out` fails. */
int table_print_runs(FILE *out, const json_t *runs, struct err_text *text);

#endif
