#include "client/grid.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void grid_init(struct grid *grid, const char *align)
{
    *grid = (struct grid){.align = align};
}

void grid_fini(struct grid *grid)
{
    for (size_t i = 0; i < grid->count; i++)
        free(grid->cells[i]);
    free(grid->cells);
}

static int grid_reserve(struct grid *grid)
{
    if (grid->count < grid->capacity)
        return 1;
    size_t capacity = grid->capacity ? 2 * grid->capacity : 64;
    char **cells = realloc(grid->cells, capacity * sizeof *cells);
    if (!cells)
        return 0;
    grid->cells = cells;
    grid->capacity = capacity;
    return 1;
}

void grid_add(struct grid *grid, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!grid_reserve(grid) || vasprintf(&grid->cells[grid->count], format, args) < 0)
        grid->failed = 1;
    else
        grid->count++;
    va_end(args);
}

void grid_print(const struct grid *grid, const char *indent, FILE *out)
{
    size_t columns = strlen(grid->align);
    int widths[GRID_COLUMNS] = {0};
    if (grid->failed || columns > GRID_COLUMNS)
        return;
    for (size_t i = 0; i < grid->count; i++) {
        int width = (int)strlen(grid->cells[i]);
        if (width > widths[i % columns])
            widths[i % columns] = width;
    }
    for (size_t i = 0; i < grid->count; i++) {
        size_t column = i % columns;
        int right = grid->align[column] == 'r';
        int last = column == columns - 1;
        int width = right ? widths[column] : last ? 0 : -widths[column];
        fprintf(out, "%s%*s%s", column ? "  " : indent, width, grid->cells[i],
                last ? "\n" : "");
    }
}
