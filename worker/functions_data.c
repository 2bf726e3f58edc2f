#include "worker/csv.h"
#include "worker/functions.h"
#include "worker/idx.h"

#include <ctype.h>
#include <string.h>

static int fail(struct dusk_task *task, int code, const struct err_text *error)
{
    return dusk_task_fail(task, code, "%s", error->line);
}

/* Room for X (rows x columns) and y (rows) of a result. */
static int make_arrays(struct dusk_task *task, int64_t rows, int64_t columns,
                       struct dusk_array *X, struct dusk_array *y)
{
    int64_t bytes;
    if (rows < 0 || columns < 1 || __builtin_mul_overflow(rows, columns, &bytes) ||
        __builtin_mul_overflow(bytes, (int64_t)sizeof(double), &bytes))
        return dusk_task_fail(task, DUSK_E_INVALID,
                              "a chunk of %lld rows x %lld columns", (long long)rows,
                              (long long)columns);
    *X = (struct dusk_array){.dtype = DUSK_F64, .ndim = 2, .shape = {rows, columns}};
    *y = (struct dusk_array){.dtype = DUSK_F64, .ndim = 1, .shape = {rows}};
    int rc = dusk_task_array(task, X);
    return rc < 0 ? rc : dusk_task_array(task, y);
}

/* Copies a name to `end` and returns the new end; control characters, tabs among
 * them, become spaces. */
static char *put_name(char *end, const char *name)
{
    for (; *name; name++)
        *end++ = iscntrl((unsigned char)*name) ? ' ' : *name;
    return end;
}

/* The names of all columns but the response, joined by tabs, and the response's;
 * both live until the function returns. */
static int join_names(struct dusk_task *task, const struct csv_table *table,
                      const char **ret_names, const char **ret_response)
{
    size_t length = 2;
    for (int64_t j = 0; j < table->columns; j++)
        length += strlen(table->names[j]) + 1;
    char *joined = dusk_task_scratch(task, length), *end = joined;
    if (!joined) {
        dusk_task_fail(task, DUSK_E_NOMEM, "no memory for %lld names",
                       (long long)table->columns);
        return DUSK_E_NOMEM;
    }
    for (int64_t j = 0; j < table->columns; j++) {
        if (j == table->response)
            continue;
        if (end != joined)
            *end++ = '\t';
        end = put_name(end, table->names[j]);
    }
    *end++ = '\0';
    *ret_names = joined;
    *ret_response = end;
    end = put_name(end, table->names[table->response]);
    *end = '\0';
    return 0;
}

static int return_table(struct dusk_task *task, const struct csv_table *table)
{
    const char *names, *response;
    struct dusk_array arrays[3];
    int64_t count = table->chunk_count;
    int rc = join_names(task, table, &names, &response);
    for (int i = 0; i < 3 && rc == 0; i++) {
        arrays[i] = (struct dusk_array){.dtype = DUSK_F64, .ndim = 1, .shape = {count}};
        rc = dusk_task_array(task, &arrays[i]);
    }
    if (rc < 0)
        return rc;
    for (int64_t k = 0; k < count; k++) {
        const struct csv_chunk *chunk = &table->chunks[k];
        ((double *)arrays[0].data)[k] = (double)chunk->offset;
        ((double *)arrays[1].data)[k] = (double)chunk->line;
        ((double *)arrays[2].data)[k] = (double)chunk->rows;
    }
    return dusk_task_return(task, "sslllaaa", names, response, table->rows,
                            table->columns, table->response, &arrays[0], &arrays[1],
                            &arrays[2]);
}

static int run_csv_scan(struct dusk_task *task)
{
    const char *path, *response;
    int64_t chunk_rows;
    int rc = dusk_task_args(task, "ssl", &path, &response, &chunk_rows);
    if (rc < 0)
        return rc;
    struct csv_table table;
    struct err_text error;
    rc = csv_scan(path, response, chunk_rows, dusk_task_cancel_flag(task), &table,
                  &error);
    if (rc < 0)
        return fail(task, rc, &error);
    rc = return_table(task, &table);
    csv_table_fini(&table);
    return rc;
}

static int run_csv_chunk(struct dusk_task *task)
{
    const char *path;
    int64_t fields, response;
    struct csv_chunk chunk;
    struct dusk_array X, y;
    struct err_text error;
    int rc = dusk_task_args(task, "slllll", &path, &chunk.offset, &chunk.line,
                            &chunk.rows, &fields, &response);
    if (rc == 0)
        rc = make_arrays(task, chunk.rows, fields - 1, &X, &y);
    if (rc < 0)
        return rc;
    rc = csv_read_rows(path, &chunk, fields, response, dusk_task_cancel_flag(task),
                       X.data, y.data, &error);
    if (rc < 0)
        return fail(task, rc, &error);
    return dusk_task_return(task, "aa", &X, &y);
}

static int run_idx_chunk(struct dusk_task *task)
{
    struct idx_chunk chunk;
    const char *order;
    int64_t rows, pixels;
    struct dusk_array X, y;
    struct err_text error;
    int rc = dusk_task_args(task, "sslsll", &chunk.images, &chunk.labels,
                            &chunk.positive, &order, &chunk.number, &chunk.chunks);
    if (rc < 0)
        return rc;
    rc = idx_order_parse(order, &chunk.order, &error);
    if (rc == 0)
        rc = idx_chunk_shape(&chunk, &rows, &pixels, &error);
    if (rc < 0)
        return fail(task, rc, &error);
    rc = make_arrays(task, rows, pixels, &X, &y);
    if (rc < 0)
        return rc;
    rc = idx_chunk_read(&chunk, dusk_task_cancel_flag(task), X.data, y.data, &error);
    if (rc < 0)
        return fail(task, rc, &error);
    return dusk_task_return(task, "aa", &X, &y);
}

const struct dusk_function data_functions[] = {
    {"csv_scan", run_csv_scan},
    {"csv_chunk", run_csv_chunk},
    {"idx_chunk", run_idx_chunk},
    {0},
};
