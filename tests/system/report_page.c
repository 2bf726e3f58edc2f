/* Turns a report document into its page, for the tests of the page:
 * report_page INPUT.json OUTPUT.html */
#include "client/report.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: report_page INPUT.json OUTPUT.html\n");
        return 2;
    }
    json_error_t error;
    json_t *report = json_load_file(argv[1], 0, &error);
    if (!report) {
        fprintf(stderr, "%s:%d: %s\n", argv[1], error.line, error.text);
        return EXIT_FAILURE;
    }
    struct err_text text;
    int result = report_write(report, argv[2], &text);
    json_decref(report);
    if (result < 0)
        fprintf(stderr, "%s\n", text.line);
    return result < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
