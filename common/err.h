/* Errors inside dusk: a code from the table in dusk_types.h, and one line of
 * text that names the thing and the value.  Outputs are written on success
 * only; libraries never log, they fill the caller's err_text. */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#include "common/dusk_types.h"

struct err_text {
    char line[512];
};

/* Writes the formatted line into `text` (NULL is allowed) and returns `code`,
 * so that a failure reads `return err_set(text, DUSK_E_IO, "...", ...)`. */
int err_set(struct err_text *text, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts `prefix` and ": " before the line that is already there. */
void err_prefix(struct err_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The table's sentence for a code, borrowed for ever; "unknown error" for a
 * number that is not in the table. */
const char *err_sentence(int code);

/* The table's name for a code ("NOMEM"), borrowed for ever. */
const char *err_name(int code);

#endif
