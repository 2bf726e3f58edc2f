#include "worker/csv.h"

#include "worker/csv_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Appends "a, b, c" until the line is nearly full. */
static void list_names(const struct csv_file *file, struct err_text *error)
{
    if (!error)
        return;
    for (int64_t i = 0; i < file->columns; i++) {
        char name[48];
        size_t length = strlen(error->line);
        csv_quote(file->names[i], strlen(file->names[i]), name, sizeof name);
        bool full = length + strlen(name) + 8 > sizeof error->line;
        snprintf(error->line + length, sizeof error->line - length, "%s%s",
                 i ? ", " : "", full ? "..." : name);
        if (full)
            return;
    }
}

static int no_such_column(const struct csv_file *file, const char *response,
                          struct err_text *error)
{
    char text[48];
    csv_quote(response, strlen(response), text, sizeof text);
    err_set(error, DUSK_E_INVALID,
            "%.200s: there is no column '%s'; there are %lld: ", file->lines.file.path,
            text, (long long)file->columns);
    list_names(file, error);
    return DUSK_E_INVALID;
}

/* By name first, so that a column named "3" is found. */
static int find_response(const struct csv_file *file, const char *response,
                         int64_t *ret_index, struct err_text *error)
{
    int64_t found = -1;
    for (int64_t i = 0; i < file->columns && *response; i++) {
        if (strcmp(file->names[i], response) != 0)
            continue;
        if (found >= 0)
            return err_set(error, DUSK_E_INVALID,
                           "%.200s: columns %lld and %lld are both named '%.100s'; "
                           "give the number",
                           file->lines.file.path, (long long)found + 1,
                           (long long)i + 1, response);
        found = i;
    }
    if (found < 0 && *response) {
        char *end;
        errno = 0;
        long long number = strtoll(response, &end, 10);
        if (errno || *end || number < 1 || number > file->columns)
            return no_such_column(file, response, error);
        found = number - 1;
    }
    *ret_index = *response ? found : file->columns - 1;
    return 0;
}

/* Halves the number of chunks; it is even. */
static void merge_pairs(struct csv_table *table)
{
    for (int64_t k = 0; k < table->chunk_count / 2; k++) {
        table->chunks[k] = table->chunks[2 * k];
        table->chunks[k].rows += table->chunks[2 * k + 1].rows;
    }
    table->chunk_count /= 2;
}

static int add_chunk(struct csv_table *table, const struct csv_file *file,
                     struct err_text *error)
{
    int64_t count = table->chunk_count;
    if ((count & (count - 1)) == 0) {
        size_t room = count ? 2 * (size_t)count : 1;
        struct csv_chunk *larger = realloc(table->chunks, room * sizeof *larger);
        if (!larger)
            return err_set(error, DUSK_E_NOMEM, "%s: out of memory",
                           file->lines.file.path);
        table->chunks = larger;
    }
    table->chunks[table->chunk_count++] =
        (struct csv_chunk){file->lines.start_position, file->lines.number, 0};
    return 0;
}

/* Counts one more row at the line read last. */
static int add_row(struct csv_table *table, const struct csv_file *file,
                   int64_t chunk_rows, struct err_text *error)
{
    bool fine = chunk_rows == CSV_FINE;
    if (fine && table->chunk_count == CSV_FINE_CHUNKS_MAX &&
        table->rows % table->chunks[0].rows == 0)
        merge_pairs(table);
    if (fine)
        chunk_rows = table->chunk_count ? table->chunks[0].rows : 1;
    if (table->rows % chunk_rows == 0) {
        if (table->chunk_count == CSV_CHUNKS_MAX)
            return err_set(error, DUSK_E_LIMIT,
                           "%s: more than %d chunks of %lld rows; take larger chunks",
                           file->lines.file.path, CSV_CHUNKS_MAX,
                           (long long)chunk_rows);
        int rc = add_chunk(table, file, error);
        if (rc < 0)
            return rc;
    }
    table->chunks[table->chunk_count - 1].rows++;
    table->rows++;
    return 0;
}

static int scan_rows(struct csv_file *file, int64_t chunk_rows, struct csv_table *table,
                     struct err_text *error)
{
    int64_t blank_line = 0;
    char *line;
    size_t length;
    int rc;
    while ((rc = lines_next(&file->lines, &line, &length, error)) > 0) {
        if (csv_line_is_blank(line, length)) {
            if (!blank_line)
                blank_line = file->lines.number;
            continue;
        }
        if (blank_line)
            return err_set(error, DUSK_E_DATA, "%s: line %lld: is blank",
                           file->lines.file.path, (long long)blank_line);
        rc = add_row(table, file, chunk_rows, error);
        if (rc < 0)
            return rc;
    }
    if (rc == 0 && table->rows == 0)
        return err_set(error, DUSK_E_DATA, "%s: a header and no rows",
                       file->lines.file.path);
    return rc;
}

static int scan(struct csv_file *file, const char *response, int64_t chunk_rows,
                struct csv_table *table, struct err_text *error)
{
    if (file->columns < 2)
        return err_set(error, DUSK_E_DATA,
                       "%s: line 1: has one field; two or more are needed, between "
                       "',', ';' or tabs",
                       file->lines.file.path);
    int rc = find_response(file, response, &table->response, error);
    if (rc < 0)
        return rc;
    rc = scan_rows(file, chunk_rows, table, error);
    if (rc < 0)
        return rc;
    table->has_header = file->has_header;
    table->columns = file->columns;
    table->names = file->names;
    file->names = NULL;
    file->columns = 0;
    return 0;
}

int csv_scan(const char *path, const char *response, int64_t chunk_rows,
             const volatile int *cancel, struct csv_table *ret_table,
             struct err_text *error)
{
    if (chunk_rows < 1 && chunk_rows != CSV_FINE)
        return err_set(error, DUSK_E_INVALID, "%s: chunks of %lld rows", path,
                       (long long)chunk_rows);
    struct csv_file file;
    int rc = csv_file_open(&file, path, cancel, error);
    if (rc < 0)
        return rc;
    struct csv_table table = {0};
    rc = scan(&file, response, chunk_rows, &table, error);
    csv_file_close(&file);
    if (rc < 0)
        csv_table_fini(&table);
    else
        *ret_table = table;
    return rc;
}

void csv_table_fini(struct csv_table *table)
{
    for (int64_t i = 0; i < table->columns; i++)
        free(table->names[i]);
    free(table->names);
    free(table->chunks);
    *table = (struct csv_table){0};
}

/* Where the fields of one row go. */
struct row {
    const struct csv_file *file;
    int64_t columns, response;
    double *x, *y;
};

static int refuse_number(const struct csv_file *file, int64_t column,
                         enum csv_number kind, const char *text, size_t length,
                         struct err_text *error)
{
    static const char *const complaints[] = {
        [CSV_NUMBER_MISSING] = "missing value%.0s",
        [CSV_NUMBER_NAN] = "'%s': NaN is not allowed",
        [CSV_NUMBER_INFINITE] = "'%s': infinity is not allowed",
        [CSV_NUMBER_TOO_LARGE] = "'%s' is too large for a double",
        [CSV_NUMBER_NOT] = "'%s' is not a number",
    };
    char shown[64], complaint[128];
    csv_quote(text, length, shown, sizeof shown);
    snprintf(complaint, sizeof complaint, complaints[kind], shown);
    return csv_file_refuse(file, column, DUSK_E_DATA, error, "%s", complaint);
}

static int take_number(void *context, int64_t column, const char *text, size_t length,
                       struct err_text *error)
{
    struct row *row = context;
    double value;
    if (column >= row->columns)
        return 0; /* the row is ragged: complained about when all are counted */
    enum csv_number kind = csv_parse_number(text, length, &value);
    if (kind != CSV_NUMBER)
        return refuse_number(row->file, column, kind, text, length, error);
    if (column == row->response)
        *row->y = value;
    else
        row->x[column - (column > row->response)] = value;
    return 0;
}

static int read_row(struct csv_file *file, struct row *row, struct err_text *error)
{
    char *line;
    size_t length;
    int rc = lines_next(&file->lines, &line, &length, error);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return err_set(error, DUSK_E_DATA,
                       "%s: ends after line %lld; has it changed since it was scanned?",
                       file->lines.file.path, (long long)file->lines.number);
    if (csv_line_is_blank(line, length))
        return csv_file_refuse_line(file, DUSK_E_DATA, error, "is blank");
    int64_t fields = csv_file_split(file, line, length, take_number, row, error);
    if (fields < 0)
        return (int)fields;
    if (fields != row->columns)
        return csv_file_refuse_line(file, DUSK_E_DATA, error,
                                    "has %lld fields instead of %lld",
                                    (long long)fields, (long long)row->columns);
    return 0;
}

int csv_read_rows(const char *path, const struct csv_chunk *chunk, int64_t columns,
                  int64_t response, const volatile int *cancel, double *X, double *y,
                  struct err_text *error)
{
    if (columns < 2 || response < 0 || response >= columns || chunk->rows < 0 ||
        chunk->offset < 0 || chunk->line < 1)
        return err_set(error, DUSK_E_INVALID,
                       "%s: no such block: %lld rows x %lld columns at line %lld", path,
                       (long long)chunk->rows, (long long)columns,
                       (long long)chunk->line);
    struct csv_file file;
    int rc = csv_file_open(&file, path, cancel, error);
    if (rc < 0)
        return rc;
    if (file.columns != columns)
        rc = err_set(error, DUSK_E_DATA, "%s: has %lld columns, not %lld", path,
                     (long long)file.columns, (long long)columns);
    if (rc == 0)
        rc = lines_seek(&file.lines, chunk->offset, chunk->line, error);
    for (int64_t i = 0; i < chunk->rows && rc == 0; i++) {
        struct row row = {&file, columns, response, X + i * (columns - 1), y + i};
        rc = read_row(&file, &row, error);
    }
    csv_file_close(&file);
    return rc;
}
