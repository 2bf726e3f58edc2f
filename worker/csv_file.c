#include "worker/csv_file.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool csv_line_is_blank(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (line[i] != ' ')
            return false;
    return true;
}

/* What strtod knows beyond decimal numbers. */
static enum csv_number parse_word(const char *text)
{
    const char *word = text + (*text == '+' || *text == '-');
    if (strcasecmp(word, "nan") == 0)
        return CSV_NUMBER_NAN;
    if (strcasecmp(word, "inf") == 0 || strcasecmp(word, "infinity") == 0)
        return CSV_NUMBER_INFINITE;
    if (strcmp(text, "NA") == 0)
        return CSV_NUMBER_MISSING;
    return CSV_NUMBER_NOT;
}

enum csv_number csv_parse_number(const char *text, size_t length, double *ret_value)
{
    const char *start = text + strspn(text, " ");
    if (start == text + length)
        return CSV_NUMBER_MISSING;
    const char *digits = start + (*start == '+' || *start == '-');
    bool decimal = isdigit((unsigned char)digits[0]) || digits[0] == '.';
    bool hexadecimal = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
    if (!decimal || hexadecimal)
        return parse_word(start);
    char *end;
    double value = strtod(start, &end);
    if (end == start || end + strspn(end, " ") != text + length)
        return CSV_NUMBER_NOT;
    if (!isfinite(value))
        return CSV_NUMBER_TOO_LARGE;
    *ret_value = value;
    return CSV_NUMBER;
}

void csv_quote(const char *text, size_t length, char *out, size_t size)
{
    size_t i = 0;
    for (; i < length && i < size - 1; i++)
        out[i] = iscntrl((unsigned char)text[i]) ? '?' : text[i];
    out[i] = '\0';
    if (i < length && size > 4)
        memcpy(out + i - 3, "...", 3);
}

/* The shared end of the two refusals: `place` and the complaint. */
static int refuse(int code, struct err_text *error, const char *place,
                  const char *format, va_list args)
{
    char complaint[256];
    vsnprintf(complaint, sizeof complaint, format, args);
    return err_set(error, code, "%s: %s", place, complaint);
}

int csv_file_refuse_line(const struct csv_file *file, int code, struct err_text *error,
                         const char *format, ...)
{
    char place[256];
    snprintf(place, sizeof place, "%s: line %lld", file->lines.file.path,
             (long long)file->lines.number);
    va_list args;
    va_start(args, format);
    refuse(code, error, place, format, args);
    va_end(args);
    return code;
}

int csv_file_refuse(const struct csv_file *file, int64_t column, int code,
                    struct err_text *error, const char *format, ...)
{
    char place[320], name[48] = "";
    if (file->has_header && column < file->columns)
        csv_quote(file->names[column], strlen(file->names[column]), name, sizeof name);
    snprintf(place, sizeof place, "%.200s: line %lld, column %lld%s%s%s",
             file->lines.file.path, (long long)file->lines.number,
             (long long)column + 1, *name ? " (" : "", name, *name ? ")" : "");
    va_list args;
    va_start(args, format);
    refuse(code, error, place, format, args);
    va_end(args);
    return code;
}

/* libcsv's callbacks return nothing, so the first error waits here. */
struct split {
    csv_field_fn *take;
    void *context;
    int64_t fields;
    int64_t rows;
    int rc;
    struct err_text *error;
};

static void on_field(void *text, size_t length, void *context)
{
    struct split *split = context;
    if (split->rc == 0)
        split->rc =
            split->take(split->context, split->fields, text, length, split->error);
    split->fields++;
}

static void on_row(int terminator, void *context)
{
    struct split *split = context;
    split->rows++;
}

int64_t csv_file_split(struct csv_file *file, const char *line, size_t length,
                       csv_field_fn *take, void *context, struct err_text *error)
{
    struct split split = {.take = take, .context = context, .error = error};
    struct csv_parser *parser = &file->parser;
    size_t taken = csv_parse(parser, line, length, on_field, on_row, &split);
    bool early = split.rows > 0; /* a carriage return in the middle ended a row */
    int failed = taken != length || csv_fini(parser, on_field, on_row, &split) != 0;
    if (split.rc < 0)
        return split.rc;
    if (early)
        return csv_file_refuse_line(file, DUSK_E_DATA, error,
                                    "a carriage return inside the line");
    if (failed && csv_error(parser) == CSV_ENOMEM)
        return csv_file_refuse_line(file, DUSK_E_NOMEM, error, "out of memory");
    if (failed)
        return csv_file_refuse(file, split.fields, DUSK_E_DATA, error,
                               "misplaced or unclosed quote");
    return split.fields;
}

/* The separator that stands most often outside quotes. */
static char find_delimiter(const char *line, size_t length)
{
    static const char candidates[] = ",;\t";
    size_t counts[3] = {0};
    bool quoted = false;
    for (size_t i = 0; i < length; i++) {
        const char *candidate = memchr(candidates, line[i], 3);
        quoted ^= line[i] == '"';
        if (candidate && !quoted)
            counts[candidate - candidates]++;
    }
    int best = 0;
    for (int i = 1; i < 3; i++)
        if (counts[i] > counts[best])
            best = i;
    return candidates[best];
}

static int take_name(void *context, int64_t column, const char *text, size_t length,
                     struct err_text *error)
{
    struct csv_file *file = context;
    /* Room grows at powers of two. */
    if ((column & (column - 1)) == 0) {
        size_t room = column ? 2 * (size_t)column : 1;
        char **larger = realloc(file->names, room * sizeof *larger);
        if (!larger)
            return err_set(error, DUSK_E_NOMEM, "%s: out of memory",
                           file->lines.file.path);
        file->names = larger;
    }
    char *name = strndup(text, length);
    if (!name)
        return err_set(error, DUSK_E_NOMEM, "%s: out of memory", file->lines.file.path);
    file->names[file->columns++] = name;
    double number;
    if (csv_parse_number(text, length, &number) == CSV_NUMBER_NOT)
        file->has_header = true;
    return 0;
}

/* Names for columns that have none, which are all if there is no header. */
static int fill_names(struct csv_file *file, struct err_text *error)
{
    for (int64_t i = 0; i < file->columns; i++) {
        if (file->has_header && file->names[i][0])
            continue;
        free(file->names[i]);
        if (asprintf(&file->names[i], "%lld", (long long)i + 1) < 0) {
            file->names[i] = NULL;
            return err_set(error, DUSK_E_NOMEM, "%s: out of memory",
                           file->lines.file.path);
        }
    }
    return 0;
}

static int read_first_line(struct csv_file *file, struct err_text *error)
{
    const char *path = file->lines.file.path;
    char *line;
    size_t length;
    int rc = lines_next(&file->lines, &line, &length, error);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return err_set(error, DUSK_E_DATA, "%s: the file is empty", path);
    if (csv_line_is_blank(line, length))
        return csv_file_refuse_line(file, DUSK_E_DATA, error, "is blank");
    if (length >= 2 &&
        (memcmp(line, "\xff\xfe", 2) == 0 || memcmp(line, "\xfe\xff", 2) == 0))
        return err_set(error, DUSK_E_DATA, "%s: is UTF-16; UTF-8 is needed", path);
    csv_set_delim(&file->parser, (unsigned char)find_delimiter(line, length));
    int64_t columns = csv_file_split(file, line, length, take_name, file, error);
    if (columns < 0)
        return (int)columns;
    rc = fill_names(file, error);
    if (rc == 0 && !file->has_header)
        rc = lines_seek(&file->lines, file->lines.start_position, 1, error);
    return rc;
}

int csv_file_open(struct csv_file *file, const char *path, const volatile int *cancel,
                  struct err_text *error)
{
    memset(file, 0, sizeof *file);
    int rc = lines_open(&file->lines, path, cancel, error);
    if (rc < 0)
        return rc;
    csv_init(&file->parser, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL);
    rc = read_first_line(file, error);
    if (rc < 0)
        csv_file_close(file);
    return rc;
}

void csv_file_close(struct csv_file *file)
{
    lines_close(&file->lines);
    csv_free(&file->parser);
    for (int64_t i = 0; i < file->columns; i++)
        free(file->names[i]);
    free(file->names);
    file->names = NULL;
    file->columns = 0;
}
