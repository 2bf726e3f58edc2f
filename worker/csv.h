/* Numbers from CSV files, plain or gzip.  csv_scan() looks once through a file
 * and says where each block of rows starts; csv_read_rows() reads such a block,
 * on any worker that reaches the file.  Fields are separated by commas,
 * semicolons or tabs (the first line tells), may be quoted, and never span
 * lines.  The first line is a header if a field of it is neither a number nor
 * empty.  Blank lines may follow the last row.
 *
 * libcsv splits the lines; memory is bounded by the longest line.  Every error
 * is one line such as
 *   houses.csv: line 7, column 3 (price): 'cheap' is not a number */
#ifndef WORKER_CSV_H
#define WORKER_CSV_H

#include "common/err.h"

#include <stdbool.h>

#define CSV_CHUNKS_MAX (1 << 20)

/* For chunk_rows: chunks as small as can be for at most CSV_FINE_CHUNKS_MAX of
 * them, so that the caller can put together any number of chunks.  They have the
 * same power of two of rows, but for the last. */
#define CSV_FINE 0
#define CSV_FINE_CHUNKS_MAX (1 << 16)

/* Where a block of rows is. */
struct csv_chunk {
    int64_t offset; /* of its first line, in uncompressed bytes */
    int64_t line;   /* number of that line, from 1 */
    int64_t rows;
};

/* What csv_scan found; owns its arrays. */
struct csv_table {
    int64_t rows;
    int64_t columns;  /* fields of a row, the response among them */
    int64_t response; /* index of the response, from 0 */
    bool has_header;
    char **names; /* of all columns; "1", "2", ... without a header */
    struct csv_chunk *chunks;
    int64_t chunk_count;
};

/* Scans the file.  `response` is a column's name or its number from 1; "" is the
 * last column.  All chunks have `chunk_rows` rows, but for the last; or see CSV_FINE.
 * Checks the header, the response and blank lines; the numbers are checked when they
 * are read.  `cancel` may be NULL.  DUSK_E_IO, DUSK_E_DATA, DUSK_E_INVALID (no such
 * column, chunk_rows < 0), DUSK_E_LIMIT, DUSK_E_CANCELLED, DUSK_E_NOMEM. */
int csv_scan(const char *path, const char *response, int64_t chunk_rows,
             const volatile int *cancel, struct csv_table *ret_table,
             struct err_text *error);
void csv_table_fini(struct csv_table *table);

/* Reads the rows of `chunk` from a file of `columns` columns: X (rows x
 * (columns - 1), row-major) takes all columns but number `response`, y (rows)
 * takes that one; the caller provides both.  Every number is finite on success;
 * after an error their content is undefined. */
int csv_read_rows(const char *path, const struct csv_chunk *chunk, int64_t columns,
                  int64_t response, const volatile int *cancel, double *X, double *y,
                  struct err_text *error);

#endif
