/* CSV files: how they are read, in two bytes, then the file. */
#include "tests/fuzz/memory_file.h"
#include "worker/csv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A refusal is one line that begins with the path. */
static void expect_line(const struct err_text *error, const char *path)
{
    FUZZ_CHECK(strncmp(error->line, path, strlen(path)) == 0);
    FUZZ_CHECK(!strchr(error->line, '\n'));
}

static int read_chunk(const char *path, const struct csv_table *table,
                      const struct csv_chunk *chunk, double *X, double *y)
{
    struct err_text error;
    int64_t columns = table->columns - 1;
    int rc =
        csv_read_rows(path, chunk, table->columns, table->response, NULL, X, y, &error);
    if (rc < 0) {
        expect_line(&error, path);
        return rc;
    }
    for (int64_t i = 0; i < chunk->rows * columns; i++)
        FUZZ_CHECK(isfinite(X[i]));
    for (int64_t i = 0; i < chunk->rows; i++)
        FUZZ_CHECK(isfinite(y[i]));
    return 0;
}

/* The chunks follow one another, and each can be read or is refused. */
static int read_all(const char *path, const struct csv_table *table, double *X,
                    double *y)
{
    int64_t rows = 0;
    int worst = 0;
    for (int64_t i = 0; i < table->chunk_count; i++) {
        const struct csv_chunk *chunk = &table->chunks[i];
        FUZZ_CHECK(chunk->rows > 0 && rows + chunk->rows <= table->rows);
        FUZZ_CHECK(i == 0 || (chunk->offset > chunk[-1].offset &&
                              chunk->line == chunk[-1].line + chunk[-1].rows));
        int rc =
            read_chunk(path, table, chunk, X + rows * (table->columns - 1), y + rows);
        worst = rc < worst ? rc : worst;
        rows += chunk->rows;
    }
    FUZZ_CHECK(rows == table->rows);
    return worst;
}

/* Reads the whole file; the same numbers come whatever the chunks are. */
static int read_file(const char *path, const char *response, int64_t chunk_rows,
                     double **ret_numbers, int64_t *ret_count)
{
    struct csv_table table;
    struct err_text error;
    int rc = csv_scan(path, response, chunk_rows, NULL, &table, &error);
    if (rc < 0) {
        expect_line(&error, path);
        return rc;
    }
    FUZZ_CHECK(table.rows > 0 && table.columns > 1 && table.response >= 0 &&
               table.response < table.columns);
    *ret_count = table.rows * table.columns;
    *ret_numbers = malloc((size_t)*ret_count * sizeof(double));
    FUZZ_CHECK(*ret_numbers);
    double *y = *ret_numbers + table.rows * (table.columns - 1);
    rc = read_all(path, &table, *ret_numbers, y);
    if (rc < 0)
        free(*ret_numbers);
    csv_table_fini(&table);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct memory_file file;
    static const char *const responses[] = {"", "1", "2", "y", "a", "0", "-1", "\"a\""};
    static const int64_t chunk_rows[] = {CSV_FINE, 2, 3, -1};
    struct feed feed = {data, size, 0};
    const char *response =
        responses[feed_below(&feed, sizeof responses / sizeof *responses)];
    unsigned how = feed_byte(&feed);
    size_t left;
    const uint8_t *text = feed_bytes(&feed, SIZE_MAX, &left);
    memory_file_write(&file, text, left, how & 1);
    double *all, *parts;
    int64_t count, part_count;
    int rc =
        read_file(file.path, response, chunk_rows[how / 2 % 4], &parts, &part_count);
    int again = read_file(file.path, response, CSV_FINE, &all, &count);
    FUZZ_CHECK((rc == 0) == (again == 0) || rc == DUSK_E_INVALID || rc == DUSK_E_LIMIT);
    if (rc == 0)
        FUZZ_CHECK(count == part_count &&
                   memcmp(all, parts, (size_t)count * sizeof *all) == 0);
    if (rc == 0)
        free(parts);
    if (again == 0)
        free(all);
    return 0;
}

void fuzz_seeds(fuzz_take_fn *take, void *context)
{
    static const char *const files[] = {
        "a,b,y\n1,2,3\n4,5,6\n7,8,9\n",
        "1;2.5;-3e4\r\n.5;+6;7\r\n",
        "\xef\xbb\xbf\"a\"\t\"b \"\"c\"\"\"\n1\t2\n\n\n",
        "a,y\n1e308,1e-320\n0x1p3,2\n",
        "a,y\n1,nan\n",
        "a,y\n1,2\n3,inf",
        "a,y\n1\n",
        "a,y\n1,,2\n",
        "1,2\n\n3,4\n",
    };
    for (size_t i = 0; i < 8 * (sizeof files / sizeof *files); i++) {
        char input[256] = {(char)(i % 8), (char)i};
        const char *text = files[i / 8];
        memcpy(input + 2, text, strlen(text));
        take(context, input, 2 + strlen(text));
    }
    /* One that is compressed already, so that its bytes can be changed. */
    static struct memory_file packed;
    char input[256] = {0};
    memory_file_write(&packed, files[0], strlen(files[0]), true);
    ssize_t size = pread(packed.fd, input + 2, sizeof input - 2, 0);
    take(context, input, 2 + (size_t)size);
}
