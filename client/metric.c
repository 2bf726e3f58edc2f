#include "client/metric.h"

#include <stdlib.h>
#include <string.h>

/* The part of the whole column's curvature that every chunk is given: it bounds
 * how far a chunk that knows nothing of a column may throw it. */
#define SHARED_PART 1e-3

int metric_init(struct metric *metric, int64_t chunks, int64_t columns)
{
    *metric = (struct metric){.chunks = chunks, .columns = columns};
    metric->R = calloc((size_t)(chunks * columns), sizeof *metric->R);
    metric->total = calloc((size_t)columns, sizeof *metric->total);
    metric->rows = calloc((size_t)chunks, sizeof *metric->rows);
    if (metric->R && metric->total && metric->rows)
        return 0;
    metric_fini(metric);
    return DUSK_E_NOMEM;
}

void metric_fini(struct metric *metric)
{
    free(metric->R);
    free(metric->total);
    free(metric->rows);
    *metric = (struct metric){0};
}

void metric_set(struct metric *metric, int64_t chunk, int64_t rows, const double *diag)
{
    size_t bytes = (size_t)metric->columns * sizeof *diag;
    memcpy(metric->R + chunk * metric->columns, diag, bytes);
    metric->rows[chunk] = rows;
}

/* Summed in chunk order, so that the metric does not depend on who answered
 * first. */
static void sum_columns(struct metric *metric)
{
    memset(metric->total, 0, (size_t)metric->columns * sizeof *metric->total);
    for (int64_t i = 0; i < metric->chunks; i++) {
        const double *diag = metric_row(metric, i);
        for (int64_t j = 0; j < metric->columns; j++)
            metric->total[j] += diag[j];
    }
}

void metric_finish(struct metric *metric, double curvature, double c)
{
    int64_t n = 0;
    for (int64_t i = 0; i < metric->chunks; i++)
        n += metric->rows[i];
    sum_columns(metric);
    for (int64_t i = 0; i < metric->chunks; i++) {
        double rows = metric->rows[i] > 0 ? (double)metric->rows[i] : 1;
        double share = rows / (n > 0 ? (double)n : 1);
        double *row = metric->R + i * metric->columns;
        for (int64_t j = 0; j < metric->columns; j++) {
            double total = metric->total[j] > 0 ? metric->total[j] : 1;
            row[j] = c * curvature * (row[j] + SHARED_PART * share * total);
        }
    }
}
