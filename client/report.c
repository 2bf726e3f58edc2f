#include "client/report.h"

#include "client/outfile.h"
#include "client/report/page.h"

#include <string.h>

/* Digits kept in the page: times to the microsecond over hours, coefficients and
 * objectives as well as a picture can show them.  The JSON file keeps all. */
#define PAGE_DIGITS 10

/* The page's data stands inside a script element, which ends at "</script" and
 * changes its meaning at "<!--" even within a JSON string; no "<" is left in it.
 * Everything that is not ASCII is escaped by the encoder. */
static int write_escaped(const char *bytes, size_t length, void *stream)
{
    while (length > 0) {
        const char *less = memchr(bytes, '<', length);
        size_t plain = less ? (size_t)(less - bytes) : length;
        if (fwrite(bytes, 1, plain, stream) != plain)
            return -1;
        if (less && fputs("\\u003c", stream) == EOF)
            return -1;
        plain += less ? 1 : 0;
        bytes += plain;
        length -= plain;
    }
    return 0;
}

/* A failed write stays set in the stream and is reported, with its reason, when
 * the file is committed; here is told only what jansson itself cannot encode. */
static int write_page(const json_t *report, FILE *stream)
{
    fwrite(report_page_head, 1, report_page_head_size, stream);
    int failed = json_dump_callback(report, write_escaped, stream,
                                    JSON_COMPACT | JSON_ENSURE_ASCII |
                                        JSON_REAL_PRECISION(PAGE_DIGITS));
    fwrite(report_page_tail, 1, report_page_tail_size, stream);
    return failed;
}

static int write_json(const json_t *report, FILE *stream)
{
    int failed = json_dumpf(report, stream, JSON_INDENT(1));
    fputc('\n', stream);
    return failed;
}

static int write_file(const json_t *report, const char *path, struct err_text *text,
                      int (*write)(const json_t *, FILE *))
{
    struct outfile file;
    int result = outfile_open(path, &file, text);
    if (result < 0)
        return result;
    if (write(report, file.stream) != 0 && !ferror(file.stream)) {
        outfile_abort(&file);
        return err_set(text, DUSK_E_NOMEM, "cannot write %s: out of memory", path);
    }
    return outfile_commit(&file, text);
}

int report_write(const json_t *report, const char *path, struct err_text *text)
{
    int result = report_check(report, text);
    return result < 0 ? result : write_file(report, path, text, write_page);
}

int report_write_json(const json_t *report, const char *path, struct err_text *text)
{
    return write_file(report, path, text, write_json);
}

int report_check_writable(const char *path, struct err_text *text)
{
    return outfile_check(path, text);
}
