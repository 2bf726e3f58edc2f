/* Column sums, and the one look at all values that the rest relies on. */
#include "worker/glm.h"
#include "worker/glm_kernels.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

static double element(const struct glm_chunk *chunk, int64_t i, int64_t j)
{
    int64_t at = i * chunk->columns + j;
    return chunk->x_is_f32 ? (double)((const float *)chunk->x)[at]
                           : ((const double *)chunk->x)[at];
}

/* Some square sum is not finite: says which value it was. */
static int name_bad_value(const struct glm_chunk *chunk, int64_t number,
                          struct err_text *err)
{
    for (int64_t i = 0; i < chunk->rows; i++)
        for (int64_t j = 0; j < chunk->columns; j++) {
            double value = element(chunk, i, j);
            if (!isfinite(value * value))
                return err_set(err, DUSK_E_DATA,
                               "chunk %" PRId64 ", row %" PRId64 ", column %" PRId64
                               ": %g is not a %s number",
                               number, i, j, value,
                               isfinite(value) ? "reasonably small" : "finite");
        }
    return err_set(err, DUSK_E_DATA, "chunk %" PRId64 ": sums of squares overflow",
                   number);
}

static int check_response(const struct glm_chunk *chunk, int64_t number,
                          struct err_text *err)
{
    for (int64_t i = 0; i < chunk->rows; i++) {
        double y = chunk->y[i];
        if (chunk->family == GLM_LOGISTIC ? y == 0.0 || y == 1.0 : isfinite(y * y))
            continue;
        return err_set(err, DUSK_E_DATA,
                       "chunk %" PRId64 ", row %" PRId64 ": response %g is not %s",
                       number, i, y,
                       chunk->family == GLM_LOGISTIC ? "0 or 1 (family logistic)"
                       : isfinite(y)                 ? "a reasonably small number"
                                                     : "a finite number");
    }
    return 0;
}

int glm_check(const struct glm_chunk *chunk, int64_t chunk_number,
              const double *squares, struct err_text *err)
{
    int rc = check_response(chunk, chunk_number, err);
    for (int64_t j = 0; rc == 0 && j < chunk->columns; j++)
        if (!isfinite(squares[j]))
            rc = name_bad_value(chunk, chunk_number, err);
    return rc;
}

int glm_moments(const struct glm_chunk *chunk, int64_t chunk_number, double *ret_sum,
                double *ret_sum2, struct err_text *err)
{
    memset(ret_sum, 0, (size_t)chunk->columns * sizeof *ret_sum);
    memset(ret_sum2, 0, (size_t)chunk->columns * sizeof *ret_sum2);
    int64_t step = glm_block_rows(chunk);
    for (int64_t i = 0; i < chunk->rows; i += step) {
        int64_t rows = chunk->rows - i < step ? chunk->rows - i : step;
        rows_touch(chunk, i, rows);
        rows_moments(chunk, i, rows, ret_sum, ret_sum2);
    }
    return glm_check(chunk, chunk_number, ret_sum2, err);
}
