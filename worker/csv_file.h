/* A CSV file that is open: its delimiter, its header and its lines, split into
 * fields.  For csv.c alone. */
#ifndef WORKER_CSV_FILE_H
#define WORKER_CSV_FILE_H

#include "worker/lines.h"

#include <csv.h>

struct csv_file {
    struct lines lines;
    struct csv_parser parser; /* libcsv's */
    char **names;             /* owned; of the columns of the first line */
    int64_t columns;
    bool has_header;
};

/* Takes a field, which ends with NUL; negative stops the row. */
typedef int csv_field_fn(void *context, int64_t column, const char *text, size_t length,
                         struct err_text *error);

/* Opens the file and reads its first line; the next line is then the first row.
 * Borrows `path` and `cancel` until csv_file_close. */
int csv_file_open(struct csv_file *file, const char *path, const volatile int *cancel,
                  struct err_text *error);
void csv_file_close(struct csv_file *file);

/* Splits a line, which lies in the lines' buffer, and hands its fields to `take`.
 * Returns their number, or a negative error that names the line. */
int64_t csv_file_split(struct csv_file *file, const char *line, size_t length,
                       csv_field_fn *take, void *context, struct err_text *error);

/* "houses.csv: line 7, column 3 (price): " goes before a complaint about a field
 * of the line read last.  Returns `code`. */
int csv_file_refuse(const struct csv_file *file, int64_t column, int code,
                    struct err_text *error, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* The same with file and line alone. */
int csv_file_refuse_line(const struct csv_file *file, int code, struct err_text *error,
                         const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Whether a line holds nothing but spaces. */
bool csv_line_is_blank(const char *line, size_t length);

/* Reads a field: a finite decimal number, or what is wrong with it. */
enum csv_number {
    CSV_NUMBER,
    CSV_NUMBER_MISSING,
    CSV_NUMBER_NAN,
    CSV_NUMBER_INFINITE,
    CSV_NUMBER_TOO_LARGE,
    CSV_NUMBER_NOT,
};

enum csv_number csv_parse_number(const char *text, size_t length, double *ret_value);

/* Copies text for an error line: at most size - 1 bytes, unprintable ones as '?'. */
void csv_quote(const char *text, size_t length, char *out, size_t size);

#endif
