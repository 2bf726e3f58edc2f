/* From where ADMM stopped to an answer with a certificate: polish and certificate,
 * carried out over the cluster. */
#ifndef CLIENT_FINISH_H
#define CLIENT_FINISH_H

#include "client/model.h"

struct answer {
    double *b; /* (q) of the centred model, owned */
    double objective;
    double kkt;
    bool has_gap;
    double relative_gap; /* duality gap over |F| */
    bool certified; /* the gap, or the KKT residual without one, within tolerance */
};

/* Moves b (q) to the minimiser, as near as doubles can tell. */
int finish_polish(struct model *model, double *b, struct err_text *text);

/* Measures b (q, copied).  `tolerance` is relative to |F|. */
int finish_certify(struct model *model, const double *b, double tolerance,
                   struct answer *ret_answer, struct err_text *text);

void answer_fini(struct answer *answer);

#endif
