/* Names from outside in JSON. */
#ifndef CLIENT_JSON_TEXT_H
#define CLIENT_JSON_TEXT_H

#include <jansson.h>

/* A new string.  Names need not be UTF-8, JSON strings must be: then '?' stands for
 * each byte that is no ASCII.  NULL when there is no memory. */
json_t *json_text(const char *text);

#endif
