/* What the built-in task functions share: checks of what they were given, and room
 * for what they return.  Everything fails the task with a line that names the
 * argument, and returns the error to be passed on. */
#ifndef WORKER_FUNCTIONS_ARGS_H
#define WORKER_FUNCTIONS_ARGS_H

#include "worker/dusk_task.h"
#include "worker/glm.h"

/* The numbers of a vector of `length`, or of any length when that is negative. */
int args_vector(struct dusk_task *task, const char *name,
                const struct dusk_array *array, int64_t length,
                const double **ret_data);

/* The same for a matrix; a negative number of rows or columns stands for any. */
int args_matrix(struct dusk_task *task, const char *name,
                const struct dusk_array *array, int64_t rows, int64_t columns,
                const double **ret_data);

/* The rows X of a chunk, of doubles or floats: x, rows and columns are set. */
int args_rows(struct dusk_task *task, const struct dusk_array *x,
              struct glm_chunk *chunk);

/* The type called "f64" or "f32". */
int args_dtype(struct dusk_task *task, const char *name, enum dusk_dtype *ret_dtype);

/* A chunk from X, y, and mu unless that is NULL. */
int args_chunk(struct dusk_task *task, const struct dusk_array *x,
               const struct dusk_array *y, const struct dusk_array *mu,
               const char *family, int64_t intercept, struct glm_chunk *ret_chunk);

/* Room in the result for a vector, or for a matrix where columns >= 0. */
int args_result(struct dusk_task *task, int64_t rows, int64_t columns,
                struct dusk_array *ret_array);

static inline double *numbers(const struct dusk_array *array)
{
    return array->data;
}

#endif
