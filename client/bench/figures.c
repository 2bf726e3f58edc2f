#include "client/bench/figures.h"

#include "client/commands.h"
#include "client/grid.h"

#include <assert.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

double bench_percentile(double *values, int count, double fraction)
{
    assert(count > 0);
    qsort(values, (size_t)count, sizeof *values, compare);
    double at = fraction * (count - 1);
    int below = (int)at;
    if (below >= count - 1)
        return values[count - 1];
    return values[below] + (at - below) * (values[below + 1] - values[below]);
}

void figures_add(struct figures *figures, const char *name, const char *unit,
                 double *rounds, int count)
{
    assert(figures->count < FIGURES_MAX);
    struct figure *figure = &figures->items[figures->count++];
    snprintf(figure->name, sizeof figure->name, "%s", name);
    figure->unit = unit;
    figure->rounds = count;
    figure->value = bench_median(rounds, count);
    figure->least = rounds[0];
    figure->most = rounds[count - 1];
}

void figures_add_one(struct figures *figures, const char *name, const char *unit,
                     double value)
{
    figures_add(figures, name, unit, &value, 1);
}

/* ---- for people ---- */

/* Three figures at least. */
static void add_number(struct grid *grid, double value)
{
    double size = fabs(value);
    int decimals = size >= 100 || value == floor(value) ? 0
                   : size >= 10                         ? 1
                   : size >= 1                          ? 2
                                                        : 4;
    grid_add(grid, "%.*f", decimals, value);
}

static void print_table(const struct figures *figures)
{
    static const char *const heads[] = {"figure", "median", "least", "most", "unit"};
    struct grid grid;
    grid_init(&grid, "lrrrl");
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        grid_add(&grid, "%s", heads[i]);
    for (int i = 0; i < figures->count; i++) {
        const struct figure *figure = &figures->items[i];
        grid_add(&grid, "%s", figure->name);
        add_number(&grid, figure->value);
        if (figure->rounds > 1) {
            add_number(&grid, figure->least);
            add_number(&grid, figure->most);
        } else {
            grid_add(&grid, "%s", "");
            grid_add(&grid, "%s", "");
        }
        grid_add(&grid, "%s", figure->unit);
    }
    grid_print(&grid, "", stdout);
    grid_fini(&grid);
}

/* ---- for programs ---- */

static json_t *json_of_figures(const struct figures *figures)
{
    json_t *document = json_object(), *spread = json_object();
    for (int i = 0; i < figures->count; i++) {
        const struct figure *figure = &figures->items[i];
        json_object_set_new(document, figure->name, json_real(figure->value));
        if (figure->rounds > 1)
            json_object_set_new(spread, figure->name,
                                json_pack("[ff]", figure->least, figure->most));
    }
    json_object_set_new(document, "spread", spread);
    return document;
}

static bool print_json(const struct figures *figures)
{
    json_t *document = json_of_figures(figures);
    bool good = document && json_dumpf(document, stdout,
                                       JSON_INDENT(2) | JSON_REAL_PRECISION(9)) == 0;
    putchar('\n');
    json_decref(document);
    return good;
}

int figures_print(const struct figures *figures, const char *name, bool json)
{
    bool good = true;
    if (json)
        good = print_json(figures);
    else
        print_table(figures);
    return good ? command_flush(name)
                : command_fail(name, "cannot write JSON to standard output");
}
