/* Random data, and sums over the results of other tasks. */
#include "worker/dense.h"
#include "worker/functions.h"
#include "worker/functions_args.h"
#include "worker/glm_kernels.h"
#include "worker/random.h"
#include <inttypes.h>
#include <string.h>

/* Numbers made between two looks at the cancel flag. */
#define PIECE (RANDOM_BLOCK * 4096)

static int fill_normal(struct dusk_task *task, const struct random_stream *stream,
                       int64_t count, const struct dusk_array *x)
{
    const volatile int *cancel = dusk_task_cancel_flag(task);
    for (int64_t first = 0; first < count; first += PIECE) {
        int64_t left = count - first, piece = left < PIECE ? left : PIECE;
        if (dusk_flag(cancel))
            return DUSK_E_CANCELLED;
        if (x->dtype == DUSK_F32)
            random_normal_f32(stream, first, piece, (float *)x->data + first);
        else
            random_normal(stream, first, piece, numbers(x) + first);
    }
    return 0;
}

static int run_random_normal(struct dusk_task *task)
{
    int64_t seed, number, chunk, rows, columns;
    const char *type = "f64";
    struct dusk_array x = {.ndim = 2};
    int rc = dusk_task_args(task, dusk_task_count(task) > 5 ? "llllls" : "lllll", &seed,
                            &number, &chunk, &rows, &columns, &type);
    if (rc == 0)
        rc = args_dtype(task, type, &x.dtype);
    if (rc < 0)
        return rc;
    if (rows < 0 || columns < 1 || rows > INT64_MAX / 16 / columns)
        return dusk_task_fail(task, DUSK_E_INVALID,
                              "%" PRId64 " rows x %" PRId64 " columns", rows, columns);
    x.shape[0] = rows;
    x.shape[1] = columns;
    rc = dusk_task_array(task, &x);
    if (rc < 0)
        return rc;
    struct random_stream stream = random_stream(seed, number, chunk);
    rc = fill_normal(task, &stream, rows * columns, &x);
    return rc < 0 ? rc : dusk_task_return(task, "a", &x);
}

/* y holds eta of a chunk's rows from `first` on and becomes the response. */
static void draw_responses(enum glm_family family, const struct random_stream *stream,
                           double noise, int64_t first, int64_t rows, double *y)
{
    double drawn[RANDOM_BLOCK];
    for (; rows > 0; first += RANDOM_BLOCK, rows -= RANDOM_BLOCK, y += RANDOM_BLOCK) {
        int64_t count = rows < RANDOM_BLOCK ? rows : RANDOM_BLOCK;
        if (family == GLM_NORMAL) {
            random_normal(stream, first, count, drawn);
            dense_add(y, noise, drawn, count, y);
        } else {
            random_uniform(stream, first, count, drawn);
            rows_sigmoid(y, count, y);
            for (int64_t i = 0; i < count; i++)
                y[i] = drawn[i] < y[i];
        }
    }
}

/* eta = X beta: the same bits wherever the chunk is made. */
static void multiply(const struct glm_chunk *chunk, const double *beta, double *room,
                     double *ret_eta)
{
    for (int64_t i = 0; i < chunk->rows; i++)
        ret_eta[i] = dense_dot(rows_doubles(chunk, i, 1, room), beta, chunk->columns);
}

static int run_linear_response(struct dusk_task *task)
{
    struct dusk_array x, beta, y;
    struct glm_chunk rows;
    const double *beta_data;
    const char *name;
    double noise;
    int64_t seed, number, chunk;
    struct err_text err;
    int rc = dusk_task_args(task, "aadslll", &x, &beta, &noise, &name, &seed, &number,
                            &chunk);
    if (rc < 0)
        return rc;
    int family = glm_family_parse(name, &err);
    if (family < 0)
        return dusk_task_fail(task, family, "%s", err.line);
    rc = args_rows(task, &x, &rows);
    if (rc == 0)
        rc = args_vector(task, "beta", &beta, rows.columns, &beta_data);
    if (rc == 0)
        rc = args_result(task, rows.rows, -1, &y);
    if (rc < 0)
        return rc;
    double *room = dusk_task_scratch(task, sizeof *room * (size_t)rows.columns);
    if (!room)
        return DUSK_E_NOMEM;
    struct random_stream stream = random_stream(seed, number, chunk);
    multiply(&rows, beta_data, room, numbers(&y));
    draw_responses((enum glm_family)family, &stream, noise, 0, rows.rows, numbers(&y));
    return dusk_task_return(task, "a", &y);
}

/* Rows that are made, used and forgotten together: they stay in cache meanwhile.  A
 * multiple of RANDOM_BLOCK, so that every piece begins with a whole block; clients
 * rely on the number for bounds on the rounding. */
#define GRAM_PIECE_ROWS 512

struct random_rows {
    struct random_stream x, noise;
    double noise_sd;
    const double *beta;        /* p */
    double *x_piece, *y_piece; /* room for GRAM_PIECE_ROWS rows */
};

/* The rows from `first` on, at most GRAM_PIECE_ROWS of them. */
static struct glm_chunk make_piece(const struct random_rows *rows, int64_t first,
                                   int64_t count, int64_t columns)
{
    struct glm_chunk piece = {.rows = count,
                              .columns = columns,
                              .x = rows->x_piece,
                              .y = rows->y_piece,
                              .family = GLM_NORMAL};
    random_normal(&rows->x, first * columns, count * columns, rows->x_piece);
    multiply(&piece, rows->beta, NULL, rows->y_piece);
    draw_responses(GLM_NORMAL, &rows->noise, rows->noise_sd, first, count,
                   rows->y_piece);
    return piece;
}

/* Adds what glm_gram would give on all rows, which are never there at once. */
static int gram_in_pieces(struct dusk_task *task, struct random_rows *rows, int64_t n,
                          int64_t p, double *g, double *c, struct glm_gram *totals)
{
    const volatile int *cancel = dusk_task_cancel_flag(task);
    struct glm_gram share;
    rows->x_piece = dusk_task_scratch(
        task, sizeof(double) * (size_t)((GRAM_PIECE_ROWS + p + 1) * p));
    rows->y_piece = dusk_task_scratch(task, sizeof(double) * GRAM_PIECE_ROWS);
    if (!rows->x_piece || !rows->y_piece)
        return DUSK_E_NOMEM;
    double *g_share = rows->x_piece + GRAM_PIECE_ROWS * p, *c_share = g_share + p * p;
    for (int64_t first = 0; first < n; first += GRAM_PIECE_ROWS) {
        int64_t left = n - first,
                count = left < GRAM_PIECE_ROWS ? left : GRAM_PIECE_ROWS;
        if (dusk_flag(cancel))
            return DUSK_E_CANCELLED;
        struct glm_chunk piece = make_piece(rows, first, count, p);
        int rc = glm_gram(&piece, g_share, c_share, &share);
        if (rc < 0)
            return rc;
        dense_add(g, 1.0, g_share, p * p, g);
        dense_add(c, 1.0, c_share, p, c);
        totals->y_y += share.y_y;
        totals->sum_y += share.sum_y;
    }
    return 0;
}

static int run_random_gram(struct dusk_task *task)
{
    struct dusk_array beta, g, c, diagonal;
    struct random_rows rows;
    struct glm_gram totals = {0};
    int64_t seed, stream, noise_stream, chunk, n;
    int rc = dusk_task_args(task, "lllllad", &seed, &stream, &noise_stream, &chunk, &n,
                            &beta, &rows.noise_sd);
    if (rc == 0)
        rc = args_vector(task, "beta", &beta, -1, &rows.beta);
    if (rc < 0)
        return rc;
    int64_t p = beta.shape[0];
    if (n < 0 || p < 1 || n > INT64_MAX / 16 / p)
        return dusk_task_fail(task, DUSK_E_INVALID,
                              "%" PRId64 " rows x %" PRId64 " columns", n, p);
    rows.x = random_stream(seed, stream, chunk);
    rows.noise = random_stream(seed, noise_stream, chunk);
    rc = args_result(task, p, p, &g);
    if (rc == 0)
        rc = args_result(task, p, -1, &c);
    if (rc == 0)
        rc = args_result(task, p, -1, &diagonal);
    if (rc == 0)
        rc = gram_in_pieces(task, &rows, n, p, numbers(&g), numbers(&c), &totals);
    if (rc < 0)
        return rc;
    for (int64_t j = 0; j < p; j++)
        numbers(&diagonal)[j] = numbers(&g)[j * p + j];
    return dusk_task_return(task, "aaaddl", &g, &c, &diagonal, totals.y_y, totals.sum_y,
                            n);
}

#define SUM_MAX 64

static bool same_shape(const struct dusk_array *a, const struct dusk_array *b)
{
    bool same = a->dtype == b->dtype && a->ndim == b->ndim;
    for (int k = 0; same && k < a->ndim; k++)
        same = a->shape[k] == b->shape[k];
    return same;
}

static int64_t elements(const struct dusk_array *array)
{
    int64_t count = 1;
    for (int k = 0; k < array->ndim; k++)
        count *= array->shape[k];
    return count;
}

/* Turns `total`, the item of the first argument, into one that may be added to. */
static int sum_start(struct dusk_task *task, int item, struct dusk_value *total)
{
    const struct dusk_array from = total->array;
    if (total->kind == DUSK_INT || total->kind == DUSK_FLOAT)
        return 0;
    if (total->kind != DUSK_ARRAY || from.dtype != DUSK_F64)
        return dusk_task_fail(task, DUSK_E_TYPE,
                              "item %d of argument 1 cannot be added: it is neither a "
                              "number nor an array of doubles",
                              item + 1);
    int rc = dusk_task_array(task, &total->array);
    if (rc == 0)
        memcpy(total->array.data, from.data, (size_t)elements(&from) * sizeof(double));
    return rc;
}

static int sum_add(struct dusk_task *task, int argument, int item,
                   struct dusk_value *total)
{
    struct dusk_value value;
    int rc = dusk_task_item(task, argument, item, &value);
    if (rc < 0)
        return rc;
    if (value.kind == DUSK_INT && total->kind == DUSK_FLOAT) {
        total->number += (double)value.integer;
    } else if (value.kind == DUSK_FLOAT && total->kind == DUSK_INT) {
        *total = (struct dusk_value){.kind = DUSK_FLOAT,
                                     .number = (double)total->integer + value.number};
    } else if (value.kind != total->kind ||
               (value.kind == DUSK_ARRAY && !same_shape(&value.array, &total->array))) {
        return dusk_task_fail(task, DUSK_E_TYPE,
                              "item %d of argument %d is not like that of argument 1",
                              item + 1, argument + 1);
    } else if (value.kind == DUSK_INT) {
        if (__builtin_add_overflow(total->integer, value.integer, &total->integer))
            return dusk_task_fail(task, DUSK_E_LIMIT, "item %d: the sum overflows",
                                  item + 1);
    } else if (value.kind == DUSK_FLOAT) {
        total->number += value.number;
    } else {
        dense_add(numbers(&total->array), 1.0, value.array.data, elements(&value.array),
                  numbers(&total->array));
    }
    return 0;
}

static int run_sum(struct dusk_task *task)
{
    struct dusk_value totals[SUM_MAX];
    int arguments = dusk_task_count(task), items = dusk_task_item_count(task, 0);
    if (arguments < 2 || arguments > SUM_MAX || items > SUM_MAX)
        return dusk_task_fail(task, DUSK_E_INVALID,
                              "sum of %d arguments with %d items: must be 2 to %d with "
                              "at most %d",
                              arguments, items, SUM_MAX, SUM_MAX);
    for (int k = 1; k < arguments; k++)
        if (dusk_task_item_count(task, k) != items)
            return dusk_task_fail(task, DUSK_E_TYPE,
                                  "argument %d has %d items, argument 1 has %d", k + 1,
                                  dusk_task_item_count(task, k), items);
    for (int item = 0; item < items; item++) {
        int rc = dusk_task_item(task, 0, item, &totals[item]);
        if (rc == 0)
            rc = sum_start(task, item, &totals[item]);
        for (int k = 1; rc == 0 && k < arguments; k++)
            rc = sum_add(task, k, item, &totals[item]);
        if (rc < 0)
            return rc;
    }
    return dusk_task_return_values(task, items, totals);
}

const struct dusk_function array_functions[] = {
    {"random_normal", run_random_normal},
    {"linear_response", run_linear_response},
    {"random_gram", run_random_gram},
    {"sum", run_sum},
    {0},
};
