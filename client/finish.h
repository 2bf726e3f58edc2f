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

/* Measures b (q, copied), after moving the copy to the minimiser, as near as doubles
 * can tell, if it is to be polished.  `tolerance` is relative to |F|.  For the normal
 * family all of that is done here first, on the Gram matrix of all rows, with a bound
 * of its rounding in the gap; the rows are asked when this is not enough. */
int finish(struct model *model, const double *b, bool polish, double tolerance,
           struct answer *ret_answer, struct err_text *text);

void answer_fini(struct answer *answer);

#endif
