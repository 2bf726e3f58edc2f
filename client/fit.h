/* A data set fitted in several ways, one after the other, and what came of it. */
#ifndef CLIENT_FIT_H
#define CLIENT_FIT_H

#include "client/results.h"
#include "client/session.h"

struct fit_plan {
    double l1;
    bool intercept;
    const struct run_options *runs;
    int run_count;
    uint64_t seed;           /* of the data, for the report */
    const char *image_title; /* or NULL */
    void (*warn)(const char *line);
};

/* Fits; returns one problem of the report (owned), and whether every robust run is
 * certified, or every run where none is robust: the classic form beside a robust one
 * is there to be compared with. */
int fit_execute(struct session *session, struct dataset *data,
                const struct fit_plan *plan, json_t **ret_problem,
                bool *ret_all_certified, struct err_text *text);

/* Writes headline and table of a problem to standard output, or a document as one
 * line of JSON.  DUSK_E_IO. */
int fit_print(const json_t *problem, struct err_text *text);
int fit_print_json(const json_t *document, struct err_text *text);

/* A report around problems (taken), with what is known of the host. */
json_t *fit_report(const struct session *session, json_t *problems);

#endif
