#include "client/table.h"

#include "client/utf8.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CELL 64
#define OBJECTIVE_WIDTH 10

static void format_dash(char *cell)
{
    strcpy(cell, "–");
}

static void format_count(double value, char *cell)
{
    snprintf(cell, CELL, value < 1e7 ? "%.0f" : "%.1e", value);
}

/* Three figures in at most five columns of the terminal. */
static void format_short(double value, char *cell)
{
    double size = fabs(value);
    if (size != 0 && (size < 0.0995 || size >= 99999.5))
        snprintf(cell, CELL, size >= 0.001 && size < 1 ? "%.3f" : "%.0e", value);
    else
        snprintf(cell, CELL, "%.*f", size < 9.995 ? 2 : size < 99.95 ? 1 : 0, value);
}

/* As many figures as go into OBJECTIVE_WIDTH columns. */
static void format_objective(double value, char *cell)
{
    for (int figures = 8; figures > 0; figures--)
        if (snprintf(cell, CELL, "%.*g", figures, value) <= OBJECTIVE_WIDTH)
            return;
}

static void format_residual(double value, char *cell)
{
    snprintf(cell, CELL, "%.0e", value);
}

static void format_percent(double value, char *cell)
{
    snprintf(cell, CELL, "%.0f%%", 100 * value);
}

struct column {
    const char *head;
    const char *member; /* of the run; "1e-2" is in seconds_to_gap */
    void (*format)(double, char cell[CELL]); /* NULL for text */
    int most;                                /* columns of the terminal */
    bool group;                              /* whether it begins a group of columns */
};

/* The widths and one space between each two are TABLE_WIDTH together. */
static const struct column columns[] = {
    {"form", "form", NULL, 7},
    {"variant", "variant", NULL, 7},
    {"outcome", "status", NULL, 13},
    {"updates", "updates", format_count, 7, true},
    {"per s", "updates_per_second", format_short, 5},
    {"1e-2 s", "1e-2", format_short, 6, true},
    {"1e-4", "1e-4", format_short, 5},
    {"1e-6", "1e-6", format_short, 5},
    {"objective", "objective", format_objective, OBJECTIVE_WIDTH, true},
    {"gap", "gap", format_residual, 6, true},
    {"KKT", "kkt", format_residual, 6},
    {"duality", "duality_gap", format_residual, 7},
    {"busy", "busy_fraction", format_percent, 4, true},
};

#define COLUMNS (sizeof columns / sizeof columns[0])

static int fill_cell(const struct column *column, const json_t *run, size_t index,
                     char cell[CELL], struct err_text *text)
{
    const json_t *value = json_object_get(run, column->member);
    if (!value)
        value = json_object_get(json_object_get(run, "seconds_to_gap"), column->member);
    if (column->format && json_is_number(value)) {
        column->format(json_number_value(value), cell);
    } else if (column->format) {
        format_dash(cell);
    } else if (json_is_string(value)) {
        bool marked = strcmp(column->member, "variant") == 0 &&
                      json_is_true(json_object_get(run, "pinned"));
        snprintf(cell, CELL, "%s%s", json_string_value(value), marked ? "*" : "");
    } else {
        return err_set(text, DUSK_E_INVALID, "runs[%zu] has no member \"%s\"", index,
                       column->member);
    }
    utf8_cut(cell, column->most);
    return 0;
}

static void pad(FILE *out, int spaces)
{
    if (spaces > 0)
        fprintf(out, "%*s", spaces, "");
}

/* Two spaces between columns where there is room, else where a new group begins,
 * else one.  Returns the length of a line. */
static int choose_spaces(const int *widths, int *spaces)
{
    int groups = 0, length = (int)COLUMNS - 1;
    for (size_t i = 0; i < COLUMNS; i++) {
        length += widths[i];
        groups += columns[i].group;
    }
    int all = (int)COLUMNS - 1;
    bool wide = length + all <= TABLE_WIDTH;
    bool grouped = length + groups <= TABLE_WIDTH;
    for (size_t i = 0; i < COLUMNS; i++)
        spaces[i] = i == 0 ? 0 : 1 + (wide || (grouped && columns[i].group));
    return length + (wide ? all : grouped ? groups : 0);
}

/* Text to the left, numbers to the right. */
static void print_line(FILE *out, char cells[][CELL], const int *widths,
                       const int *spaces)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        int missing = widths[i] - utf8_width(cells[i]);
        pad(out, spaces[i] + (columns[i].format ? missing : 0));
        fputs(cells[i], out);
        pad(out, columns[i].format ? 0 : missing);
    }
    fputc('\n', out);
}

static void print_rule(FILE *out, int length)
{
    for (int i = 0; i < length; i++)
        fputs("─", out);
    fputc('\n', out);
}

static int fill_cells(char (*cells)[COLUMNS][CELL], const json_t *runs, int *widths,
                      struct err_text *text)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        strcpy(cells[0][i], columns[i].head);
        widths[i] = utf8_width(columns[i].head);
    }
    size_t index;
    json_t *run;
    json_array_foreach(runs, index, run)
    {
        for (size_t i = 0; i < COLUMNS; i++) {
            char *cell = cells[index + 1][i];
            int result = fill_cell(&columns[i], run, index, cell, text);
            if (result < 0)
                return result;
            if (utf8_width(cell) > widths[i])
                widths[i] = utf8_width(cell);
        }
    }
    return 0;
}

int table_print_runs(FILE *out, const json_t *runs, struct err_text *text)
{
    int widths[COLUMNS];
    size_t lines = json_array_size(runs) + 1;
    char(*cells)[COLUMNS][CELL] = calloc(lines, sizeof *cells);
    if (!cells)
        return err_set(text, DUSK_E_NOMEM, "no memory for a table of %zu lines", lines);
    int result = fill_cells(cells, runs, widths, text);
    if (result == 0) {
        int spaces[COLUMNS];
        int length = choose_spaces(widths, spaces);
        for (size_t line = 0; line < lines; line++) {
            print_line(out, cells[line], widths, spaces);
            if (line == 0)
                print_rule(out, length);
        }
        if (fflush(out) != 0 || ferror(out))
            result = err_set(text, DUSK_E_IO, "the table of runs cannot be written");
    }
    free(cells);
    return result;
}
