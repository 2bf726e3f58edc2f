/* Writes a case with a known answer as CSV and prints what is known of it as JSON:
 * case_csv NUMBER FILE */
#include "tests/numeric/cases.h"

#include <stdio.h>
#include <stdlib.h>

static void write_rows(const struct glm_case *c, FILE *file)
{
    int64_t columns = c->figures->columns;
    for (int64_t j = 0; j < columns; j++)
        fprintf(file, "x%lld,", (long long)j);
    fprintf(file, "y\n");
    for (int64_t i = 0; i < c->figures->rows; i++) {
        for (int64_t j = 0; j < columns; j++)
            fprintf(file, "%.17g,", c->x[i * columns + j]);
        fprintf(file, "%.17g\n", c->y[i]);
    }
}

static void print_figures(const struct glm_case *c)
{
    const struct case_figures *f = c->figures;
    printf(
        "{\"family\": \"%s\", \"l1\": %.17g, \"objective\": %.17g, \"intercept\": %s, "
        "\"chunk_rows\": %lld, \"minimiser\": [",
        f->family, f->l1, f->objective, f->intercept ? "true" : "false",
        (long long)f->chunk_rows[0]);
    for (int64_t j = 0; j < c->unknowns; j++)
        printf("%s%.17g", j ? ", " : "", f->minimiser[j]);
    printf("]}\n");
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return EXIT_FAILURE;
    struct glm_case c = case_create(argv[1]);
    FILE *file = fopen(argv[2], "w");
    if (!file) {
        perror(argv[2]);
        return EXIT_FAILURE;
    }
    write_rows(&c, file);
    int failed = fclose(file);
    print_figures(&c);
    case_destroy(&c);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
