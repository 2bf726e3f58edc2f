#include "client/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What a member may be; letters are combined in the tables below. */
enum kind {
    STRING = 1 << 0,
    INTEGER = 1 << 1,
    REAL = 1 << 2,
    BOOLEAN = 1 << 3,
    NOTHING = 1 << 4, /* null */
    OBJECT = 1 << 5,
    ARRAY = 1 << 6,
    ABSENT = 1 << 7, /* may be left out */
    NUMBER = INTEGER | REAL,
    MAYBE = NUMBER | NOTHING, /* a number, where there is one */
};

struct member {
    const char *name;
    unsigned kinds;
};

static const struct member report_members[] = {
    {"dusk", STRING}, {"created", STRING}, {"host", OBJECT}, {"problems", ARRAY}, {0}};

static const struct member host_members[] = {
    {"cores", INTEGER}, {"workers", INTEGER}, {"threads_per_worker", INTEGER}, {0}};

static const struct member entry_members[] = {
    {"problem", OBJECT}, {"runs", ARRAY}, {0}};

static const struct member problem_members[] = {{"name", STRING},
                                                {"family", STRING},
                                                {"rows", INTEGER},
                                                {"columns", INTEGER},
                                                {"chunks", INTEGER},
                                                {"chunk_rows", INTEGER},
                                                {"l1", NUMBER},
                                                {"intercept", BOOLEAN},
                                                {"local", STRING},
                                                {"seed", INTEGER | NOTHING | ABSENT},
                                                {"objective", MAYBE},
                                                {"nonzero", INTEGER | NOTHING},
                                                {"duality_gap", MAYBE},
                                                {"kkt", MAYBE},
                                                {"setup_seconds", NUMBER},
                                                {"setup_tasks", ARRAY},
                                                {"setup_threads", ARRAY | ABSENT},
                                                {"memory", OBJECT | ABSENT},
                                                {"image", OBJECT | ABSENT},
                                                {0}};

static const struct member memory_members[] = {
    {"peak_bytes", INTEGER}, {"limit_bytes", INTEGER | NOTHING}, {0}};

static const struct member image_members[] = {
    {"width", INTEGER}, {"height", INTEGER}, {"title", STRING}, {0}};

static const struct member run_members[] = {{"variant", STRING},
                                            {"form", STRING},
                                            {"local", STRING},
                                            {"pinned", BOOLEAN | ABSENT},
                                            {"status", STRING},
                                            {"updates", INTEGER},
                                            {"seconds", NUMBER},
                                            {"updates_per_second", MAYBE},
                                            {"objective", MAYBE},
                                            {"gap", MAYBE},
                                            {"kkt", MAYBE},
                                            {"duality_gap", MAYBE},
                                            {"certified", BOOLEAN},
                                            {"busy_fraction", MAYBE},
                                            {"seconds_to_gap", OBJECT},
                                            {"coefficients", ARRAY},
                                            {"threads", ARRAY},
                                            {"tasks", ARRAY},
                                            {"kinds", ARRAY},
                                            {"trace", ARRAY},
                                            {0}};

static const struct member gap_members[] = {
    {"1e-2", MAYBE}, {"1e-4", MAYBE}, {"1e-6", MAYBE}, {0}};

/* Rows of the arrays of arrays. */
static const struct member setup_task_row[] = {
    {"thread", INTEGER}, {"kind", STRING}, {"start", NUMBER}, {"stop", NUMBER}, {0}};

static const struct member task_row[] = {
    {"thread", INTEGER}, {"kind", INTEGER}, {"chunk", INTEGER | NOTHING},
    {"start", NUMBER},   {"stop", NUMBER},  {0}};

static const struct member trace_row[] = {
    {"seconds", NUMBER},        {"updates", INTEGER},     {"gap", MAYBE},
    {"primal residual", MAYBE}, {"dual residual", MAYBE}, {0}};

static unsigned kind_of(const json_t *value)
{
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_STRING:
        return STRING;
    case JSON_INTEGER:
        return INTEGER;
    case JSON_REAL:
        return REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return BOOLEAN;
    case JSON_OBJECT:
        return OBJECT;
    case JSON_ARRAY:
        return ARRAY;
    case JSON_NULL:
        break;
    }
    return value ? NOTHING : ABSENT;
}

static const char *kinds_text(unsigned kinds)
{
    return kinds & REAL      ? kinds & NOTHING ? "a number or null" : "a number"
           : kinds & INTEGER ? "a whole number"
           : kinds & STRING  ? "a string"
           : kinds & BOOLEAN ? "true or false"
           : kinds & ARRAY   ? "an array"
                             : "an object";
}

static int check_object(const char *where, const json_t *object,
                        const struct member *members, struct err_text *text)
{
    if (!json_is_object(object))
        return err_set(text, DUSK_E_INVALID, "%s must be an object", where);
    for (; members->name; members++) {
        const json_t *value = json_object_get(object, members->name);
        unsigned kind = kind_of(value);
        if (kind & members->kinds)
            continue;
        if (kind == ABSENT)
            return err_set(text, DUSK_E_INVALID, "%s has no member \"%s\"", where,
                           members->name);
        return err_set(text, DUSK_E_INVALID, "%s: \"%s\" must be %s", where,
                       members->name, kinds_text(members->kinds));
    }
    return 0;
}

static int check_rows(const char *where, const char *name, const json_t *rows,
                      const struct member *columns, struct err_text *text)
{
    size_t width = 0;
    while (columns[width].name)
        width++;
    size_t index;
    json_t *row;
    json_array_foreach(rows, index, row)
    {
        if (json_array_size(row) != width)
            return err_set(text, DUSK_E_INVALID,
                           "%s: %s[%zu] must be an array of %zu values", where, name,
                           index, width);
        for (size_t i = 0; i < width; i++)
            if (!(kind_of(json_array_get(row, i)) & columns[i].kinds))
                return err_set(text, DUSK_E_INVALID, "%s: the %s of %s[%zu] must be %s",
                               where, columns[i].name, name, index,
                               kinds_text(columns[i].kinds));
    }
    return 0;
}

static int check_elements(const char *where, const char *name, const json_t *array,
                          unsigned kinds, struct err_text *text)
{
    size_t index;
    json_t *value;
    json_array_foreach(
        array, index,
        value) if (!(kind_of(value) & kinds)) return err_set(text, DUSK_E_INVALID,
                                                             "%s: %s[%zu] must be %s",
                                                             where, name, index,
                                                             kinds_text(kinds));
    return 0;
}

/* Whether column `column` of every row is an index below `count`. */
static int check_indices(const char *where, const char *name, const json_t *rows,
                         size_t column, size_t count, struct err_text *text)
{
    size_t index;
    json_t *row;
    json_array_foreach(rows, index, row)
    {
        json_int_t value = json_integer_value(json_array_get(row, column));
        if (value < 0 || (size_t)value >= count)
            return err_set(text, DUSK_E_INVALID,
                           "%s: tasks[%zu] names %s %" JSON_INTEGER_FORMAT
                           ", but there are %zu",
                           where, index, name, value, count);
    }
    return 0;
}

static int check_run(const char *where, const json_t *run, size_t pixels,
                     struct err_text *text)
{
    int result = check_object(where, run, run_members, text);
    if (result < 0)
        return result;
    const json_t *threads = json_object_get(run, "threads");
    const json_t *kinds = json_object_get(run, "kinds");
    const json_t *tasks = json_object_get(run, "tasks");
    const json_t *coefficients = json_object_get(run, "coefficients");
    char gaps[160];
    snprintf(gaps, sizeof gaps, "%s.seconds_to_gap", where);
    if ((result = check_object(gaps, json_object_get(run, "seconds_to_gap"),
                               gap_members, text)) < 0 ||
        (result = check_elements(where, "coefficients", coefficients, MAYBE, text)) <
            0 ||
        (result = check_elements(where, "threads", threads, STRING, text)) < 0 ||
        (result = check_elements(where, "kinds", kinds, STRING, text)) < 0 ||
        (result = check_rows(where, "tasks", tasks, task_row, text)) < 0 ||
        (result = check_rows(where, "trace", json_object_get(run, "trace"), trace_row,
                             text)) < 0 ||
        (result = check_indices(where, "thread", tasks, 0, json_array_size(threads),
                                text)) < 0)
        return result;
    if (json_array_size(coefficients) < pixels)
        return err_set(text, DUSK_E_INVALID,
                       "%s: %zu coefficients do not fill a picture of %zu pixels",
                       where, json_array_size(coefficients), pixels);
    return check_indices(where, "kind", tasks, 1, json_array_size(kinds), text);
}

/* Pixels of the problem's picture, 0 when it has none. */
static int check_image(const char *where, const json_t *image, size_t *ret_pixels,
                       struct err_text *text)
{
    *ret_pixels = 0;
    if (!image)
        return 0;
    int result = check_object(where, image, image_members, text);
    if (result < 0)
        return result;
    json_int_t width = json_integer_value(json_object_get(image, "width"));
    json_int_t height = json_integer_value(json_object_get(image, "height"));
    if (width < 1 || height < 1 || width > 10000 || height > 10000)
        return err_set(text, DUSK_E_INVALID,
                       "%s: a picture of %" JSON_INTEGER_FORMAT
                       " x %" JSON_INTEGER_FORMAT " pixels cannot be drawn",
                       where, width, height);
    *ret_pixels = (size_t)(width * height);
    return 0;
}

static int check_entry(const char *where, const json_t *entry, struct err_text *text)
{
    char place[128];
    int result = check_object(where, entry, entry_members, text);
    if (result < 0)
        return result;
    const json_t *problem = json_object_get(entry, "problem");
    size_t pixels;
    snprintf(place, sizeof place, "%s.problem", where);
    if ((result = check_object(place, problem, problem_members, text)) < 0 ||
        (result =
             check_rows(place, "setup_tasks", json_object_get(problem, "setup_tasks"),
                        setup_task_row, text)) < 0)
        return result;
    const json_t *memory = json_object_get(problem, "memory");
    snprintf(place, sizeof place, "%s.problem.memory", where);
    if (memory && (result = check_object(place, memory, memory_members, text)) < 0)
        return result;
    snprintf(place, sizeof place, "%s.problem.image", where);
    result = check_image(place, json_object_get(problem, "image"), &pixels, text);
    size_t index;
    json_t *run;
    json_array_foreach(json_object_get(entry, "runs"), index, run)
    {
        if (result < 0)
            break;
        snprintf(place, sizeof place, "%s.runs[%zu]", where, index);
        result = check_run(place, run, pixels, text);
    }
    return result;
}

int report_check(const json_t *report, struct err_text *text)
{
    int result = check_object("report", report, report_members, text);
    if (result == 0)
        result = check_object("report.host", json_object_get(report, "host"),
                              host_members, text);
    size_t index;
    json_t *entry;
    json_array_foreach(json_object_get(report, "problems"), index, entry)
    {
        if (result < 0)
            break;
        char where[64];
        snprintf(where, sizeof where, "problems[%zu]", index);
        result = check_entry(where, entry, text);
    }
    return result;
}
