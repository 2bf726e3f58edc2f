/* Rows of text cells that are printed as aligned columns. */
#ifndef CLIENT_GRID_H
#define CLIENT_GRID_H

#include <stdio.h>

#define GRID_COLUMNS 10

struct grid {
    const char *align; /* one letter a column, l or r; borrowed */
    char **cells;      /* owned; a row after the other */
    size_t count;
    size_t capacity;
    int failed; /* out of memory: nothing is printed */
};

void grid_init(struct grid *grid, const char *align);
void grid_fini(struct grid *grid);

/* The next cell, from left to right and then down. */
void grid_add(struct grid *grid, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Each line starts with `indent`. */
void grid_print(const struct grid *grid, const char *indent, FILE *out);

#endif
