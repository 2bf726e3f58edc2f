#include "worker/functions_args.h"
#include <inttypes.h>
#include <string.h>

static int check_f64(struct dusk_task *task, const char *name,
                     const struct dusk_array *array)
{
    if (array->dtype == DUSK_F64)
        return 0;
    return dusk_task_fail(task, DUSK_E_TYPE, "%s must be an array of doubles", name);
}

int args_vector(struct dusk_task *task, const char *name,
                const struct dusk_array *array, int64_t length, const double **ret_data)
{
    int rc = check_f64(task, name, array);
    if (rc < 0)
        return rc;
    if (array->ndim != 1)
        return dusk_task_fail(task, DUSK_E_TYPE, "%s has %d dimensions, must have 1",
                              name, array->ndim);
    if (length >= 0 && array->shape[0] != length)
        return dusk_task_fail(task, DUSK_E_INVALID,
                              "%s has %" PRId64 " elements, must have %" PRId64, name,
                              array->shape[0], length);
    *ret_data = array->data;
    return 0;
}

static int check_matrix(struct dusk_task *task, const char *name,
                        const struct dusk_array *array, int64_t rows, int64_t columns)
{
    if (array->ndim != 2)
        return dusk_task_fail(task, DUSK_E_TYPE, "%s has %d dimensions, must have 2",
                              name, array->ndim);
    if (rows >= 0 && array->shape[0] != rows)
        return dusk_task_fail(task, DUSK_E_INVALID,
                              "%s has %" PRId64 " rows, must have %" PRId64, name,
                              array->shape[0], rows);
    if (columns >= 0 && array->shape[1] != columns)
        return dusk_task_fail(task, DUSK_E_INVALID,
                              "%s has %" PRId64 " columns, must have %" PRId64, name,
                              array->shape[1], columns);
    return 0;
}

int args_matrix(struct dusk_task *task, const char *name,
                const struct dusk_array *array, int64_t rows, int64_t columns,
                const double **ret_data)
{
    int rc = check_f64(task, name, array);
    if (rc == 0)
        rc = check_matrix(task, name, array, rows, columns);
    if (rc < 0)
        return rc;
    *ret_data = array->data;
    return 0;
}

int args_rows(struct dusk_task *task, const struct dusk_array *x,
              struct glm_chunk *chunk)
{
    int rc = check_matrix(task, "X", x, -1, -1);
    if (rc < 0)
        return rc;
    chunk->x = x->data;
    chunk->x_is_f32 = x->dtype == DUSK_F32;
    chunk->rows = x->shape[0];
    chunk->columns = x->shape[1];
    return 0;
}

int args_chunk(struct dusk_task *task, const struct dusk_array *x,
               const struct dusk_array *y, const struct dusk_array *mu,
               const char *family, int64_t intercept, struct glm_chunk *ret_chunk)
{
    struct glm_chunk chunk = {.intercept = intercept != 0};
    struct err_text err;
    int rc = glm_family_parse(family, &err);
    if (rc < 0)
        return dusk_task_fail(task, rc, "%s", err.line);
    chunk.family = rc;
    rc = args_rows(task, x, &chunk);
    if (rc < 0)
        return rc;
    if (chunk.columns < 1)
        return dusk_task_fail(task, DUSK_E_INVALID, "X has no columns");
    rc = args_vector(task, "y", y, chunk.rows, &chunk.y);
    if (rc == 0 && mu)
        rc = args_vector(task, "mu", mu, chunk.columns, &chunk.mu);
    if (rc < 0)
        return rc;
    *ret_chunk = chunk;
    return 0;
}

int args_dtype(struct dusk_task *task, const char *name, enum dusk_dtype *ret_dtype)
{
    if (strcmp(name, "f64") == 0)
        *ret_dtype = DUSK_F64;
    else if (strcmp(name, "f32") == 0)
        *ret_dtype = DUSK_F32;
    else
        return dusk_task_fail(task, DUSK_E_INVALID, "type '%.40s': must be f64 or f32",
                              name);
    return 0;
}

int args_result(struct dusk_task *task, int64_t rows, int64_t columns,
                struct dusk_array *ret_array)
{
    *ret_array = (struct dusk_array){
        .dtype = DUSK_F64,
        .ndim = columns < 0 ? 1 : 2,
        .shape = {rows, columns < 0 ? 0 : columns},
    };
    return dusk_task_array(task, ret_array);
}
