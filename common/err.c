#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err_text *text, int code, const char *format, ...)
{
    if (text) {
        va_list args;
        va_start(args, format);
        vsnprintf(text->line, sizeof text->line, format, args);
        va_end(args);
    }
    return code;
}

void err_prefix(struct err_text *text, const char *format, ...)
{
    if (!text)
        return;
    char tail[sizeof text->line];
    memcpy(tail, text->line, sizeof tail);
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text->line, sizeof text->line, format, args);
    va_end(args);
    if (length >= 0 && (size_t)length < sizeof text->line)
        snprintf(text->line + length, sizeof text->line - (size_t)length, ": %s", tail);
}

const char *err_sentence(int code)
{
    switch (code) {
    case DUSK_OK:
        return "success";
#define CASE(name, number, sentence)                                                   \
    case number:                                                                       \
        return sentence;
        DUSK_ERRORS(CASE)
#undef CASE
    }
    return "unknown error";
}

const char *err_name(int code)
{
    switch (code) {
    case DUSK_OK:
        return "OK";
#define CASE(name, number, sentence)                                                   \
    case number:                                                                       \
        return #name;
        DUSK_ERRORS(CASE)
#undef CASE
    }
    return "UNKNOWN";
}
