/* How much of a terminal's line UTF-8 text takes.  Every character counts as one
 * column, which holds for all that dusk prints itself. */
#ifndef CLIENT_UTF8_H
#define CLIENT_UTF8_H

#include <string.h>

static inline int utf8_is_start(char byte)
{
    return ((unsigned char)byte & 0xC0) != 0x80;
}

static inline int utf8_width(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += utf8_is_start(*text);
    return width;
}

/* Where the character after the first `width` begins, or the end of the text. */
static inline char *utf8_at(char *text, int width)
{
    while (*text && (!utf8_is_start(*text) || width-- > 0))
        text++;
    return text;
}

/* Shortens `text` to `width` >= 1 columns, the last an ellipsis, in place; a text
 * must have room for three bytes more than the columns that are kept. */
static inline void utf8_cut(char *text, int width)
{
    if (utf8_width(text) > width)
        strcpy(utf8_at(text, width - 1), "…");
}

#endif
