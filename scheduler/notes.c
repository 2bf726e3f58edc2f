#include "scheduler/notes.h"

#include <stdarg.h>
#include <stdio.h>

struct note *note_add(struct notes *notes, enum note_level level, const char *event)
{
    if (notes->count == NOTES_MAX) {
        notes->lost++;
        notes->count--;
    }
    struct note *note = &notes->items[(notes->first + notes->count++) % NOTES_MAX];
    note->level = level;
    note->event = event;
    note->field_count = 0;
    return note;
}

void note_field(struct note *note, const char *key, const char *format, ...)
{
    if (note->field_count == NOTE_FIELDS)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(note->fields[note->field_count].text,
              sizeof note->fields[note->field_count].text, format, args);
    va_end(args);
    note->fields[note->field_count++].key = key;
}

bool notes_take(struct notes *notes, struct note *ret_note)
{
    if (notes->count == 0)
        return false;
    *ret_note = notes->items[notes->first];
    notes->first = (notes->first + 1) % NOTES_MAX;
    notes->count--;
    return true;
}
