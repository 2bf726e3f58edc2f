/* How a task's function was called, for people: name(arguments), with the shapes of
 * arrays in place of their numbers. */
#ifndef WORKER_CALL_H
#define WORKER_CALL_H

#include "worker/store.h"

/* Room for a line; what is longer ends in dots. */
#define CALL_BYTES 256

/* "glm_gram(f64[50000x100], 3, "normal")".  A future is shown as what it resolved to
 * if that is in the store's memory, else by its key.  `arguments` may be NULL. */
void call_write(char text[CALL_BYTES], const char *function, struct payload *arguments,
                const struct store *store);

#endif
