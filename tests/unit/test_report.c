#include "client/report.h"
#include "tests/test.h"

#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* A document with one of everything. */
static const char document[] =
    "{'dusk': '0.1.0', 'created': '2026-01-31T12:00:00Z',"
    " 'host': {'cores': 2, 'workers': 2, 'threads_per_worker': 1},"
    " 'problems': [{'problem': {'name': 'small', 'family': 'normal', 'rows': 4,"
    "   'columns': 2, 'chunks': 2, 'chunk_rows': 2, 'l1': 0.5, 'intercept': false,"
    "   'local': 'gram', 'seed': 1, 'objective': 1.25, 'nonzero': 1,"
    "   'setup_seconds': 0.1, 'duality_gap': null, 'kkt': 1e-9,"
    "   'memory': {'peak_bytes': 5, 'limit_bytes': null},"
    "   'image': {'width': 2, 'height': 1, 'title': 'two'},"
    "   'setup_tasks': [[0, 'make', 0.0, 0.1]]},"
    "  'runs': [{'variant': 'async', 'form': 'robust', 'local': 'gram',"
    "   'pinned': false, 'status': 'certified', 'updates': 3, 'seconds': 0.5,"
    "   'updates_per_second': 6.0, 'objective': 1.25, 'gap': 0, 'kkt': 1e-9,"
    "   'duality_gap': null, 'certified': true, 'busy_fraction': 0.9,"
    "   'seconds_to_gap': {'1e-2': 0.1, '1e-4': 0.2, '1e-6': null},"
    "   'coefficients': [0.0, 1.0], 'threads': ['w0/0'], 'kinds': ['prox'],"
    "   'tasks': [[0, 0, 1, 0.0, 0.5]],"
    "   'trace': [[0.1, 1, 0.5, 0.1, null]]}]}]}";

static json_t *report;
static char folder[64];
static char path[128];
static struct err_text text;

static void setup(void)
{
    char json[sizeof document];
    strcpy(json, document);
    for (char *c = json; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json_error_t error;
    report = json_loads(json, 0, &error);
    ck_assert_msg(report != NULL, "%s", error.text);
    strcpy(folder, "/tmp/dusk-test-report-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/report.html", folder);
    text.line[0] = '\0';
}

static int files_in_folder(void)
{
    int files = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; (entry = readdir(dir));)
        files += entry->d_name[0] != '.';
    closedir(dir);
    return files;
}

static void teardown(void)
{
    json_decref(report);
    DIR *dir = opendir(folder);
    for (struct dirent *entry; (entry = readdir(dir));)
        unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    rmdir(folder);
}

static char *read_file(const char *name)
{
    FILE *file = fopen(name, "r");
    ck_assert_ptr_nonnull(file);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *content = calloc(size + 1, 1);
    ck_assert_uint_eq(fread(content, 1, size, file), size);
    fclose(file);
    return content;
}

static json_t *member(json_t *from, const char *name)
{
    return json_object_get(from, name);
}

static json_t *first_entry(void)
{
    return json_array_get(member(report, "problems"), 0);
}

static json_t *first_run(void)
{
    return json_array_get(member(first_entry(), "runs"), 0);
}

/* The objects whose members are all required, but for what `optional` names. */
static json_t *object_number(int number)
{
    json_t *problem = member(first_entry(), "problem");
    json_t *objects[] = {report,
                         member(report, "host"),
                         first_entry(),
                         problem,
                         member(problem, "image"),
                         member(problem, "memory"),
                         first_run(),
                         member(first_run(), "seconds_to_gap")};
    return number < 8 ? objects[number] : NULL;
}

static bool optional(const char *name)
{
    static const char *const names[] = {"seed", "image", "memory", "pinned"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

START_TEST(a_missing_member_is_named)
{
    json_t *whole = json_deep_copy(report);
    int checked = 0;
    for (int number = 0; object_number(number); number++) {
        json_t *names = json_deep_copy(object_number(number));
        const char *name;
        json_t *value;
        json_object_foreach(names, name, value)
        {
            json_object_del(object_number(number), name);
            int result = report_write(report, path, &text);
            if (optional(name)) {
                ck_assert_int_eq(result, 0);
                unlink(path);
            } else {
                char quoted[64];
                snprintf(quoted, sizeof quoted, "has no member \"%s\"", name);
                ck_assert_int_eq(result, DUSK_E_INVALID);
                ck_assert_msg(strstr(text.line, quoted), "%s: %s", name, text.line);
                checked++;
            }
            json_decref(report);
            report = json_deep_copy(whole);
        }
        json_decref(names);
    }
    json_decref(whole);
    ck_assert_int_eq(checked, 4 + 3 + 2 + 15 + 3 + 2 + 19 + 3);
    ck_assert_int_eq(files_in_folder(), 0);
}
END_TEST

static const struct {
    const char *object; /* "run", "problem" or "image" */
    const char *name;
    const char *value;
    const char *line; /* a part of the error */
} wrong_values[] = {
    {"run", "updates", "\"many\"", "\"updates\" must be a whole number"},
    {"run", "updates", "1.5", "\"updates\" must be a whole number"},
    {"run", "seconds", "null", "\"seconds\" must be a number"},
    {"run", "gap", "true", "\"gap\" must be a number or null"},
    {"run", "certified", "1", "\"certified\" must be true or false"},
    {"run", "seconds_to_gap", "[]", "\"seconds_to_gap\" must be an object"},
    {"run", "trace", "{}", "\"trace\" must be an array"},
    {"run", "coefficients", "[1, \"x\"]", "coefficients[1] must be"},
    {"run", "coefficients", "[1]", "1 coefficients do not fill a picture of 2 pixels"},
    {"run", "threads", "[7]", "threads[0] must be a string"},
    {"run", "threads", "[]", "tasks[0] names thread 0, but there are 0"},
    {"run", "tasks", "[[0, 0, 1, 0.0]]", "tasks[0] must be an array of 5 values"},
    {"run", "tasks", "[[0, 1, 1, 0, 1]]", "tasks[0] names kind 1, but there are 1"},
    {"run", "tasks", "[[0, -1, 1, 0, 1]]", "tasks[0] names kind -1, but there are 1"},
    {"run", "tasks", "[[0, 0, 1, 0, null]]", "the stop of tasks[0] must be a number"},
    {"run", "trace", "[[0, 1, 2, 3]]", "trace[0] must be an array of 5 values"},
    {"run", "trace", "[0]", "trace[0] must be an array of 5 values"},
    {"problem", "setup_tasks", "[[0, 0, 0, 1]]", "the kind of setup_tasks[0] must be"},
    {"problem", "name", "null", "problems[0].problem: \"name\" must be a string"},
    {"image", "width", "0", "a picture of 0 x 1 pixels cannot be drawn"},
    {"image", "height", "99999999999", "a picture of 2 x 99999999999 pixels"},
};

START_TEST(a_wrong_value_is_named)
{
    json_t *problem = member(first_entry(), "problem");
    const char *where = wrong_values[_i].object;
    json_t *object = strcmp(where, "run") == 0     ? first_run()
                     : strcmp(where, "image") == 0 ? member(problem, "image")
                                                   : problem;
    json_t *value = json_loads(wrong_values[_i].value, JSON_DECODE_ANY, NULL);
    ck_assert_ptr_nonnull(value);
    json_object_set_new(object, wrong_values[_i].name, value);
    ck_assert_int_eq(report_write(report, path, &text), DUSK_E_INVALID);
    ck_assert_msg(strstr(text.line, wrong_values[_i].line), "%s", text.line);
    ck_assert_int_eq(files_in_folder(), 0);
}
END_TEST

START_TEST(what_is_no_object_is_refused)
{
    json_t *array = json_array();
    ck_assert_int_eq(report_write(array, path, &text), DUSK_E_INVALID);
    ck_assert_str_eq(text.line, "report must be an object");
    ck_assert_int_eq(report_write(NULL, path, &text), DUSK_E_INVALID);
    json_decref(array);
}
END_TEST

static const struct {
    const char *path;
    int code;
} bad_paths[] = {
    {"", DUSK_E_INVALID},
    {"/tmp", DUSK_E_INVALID},
    {"/tmp/", DUSK_E_INVALID},
    {"/nonexistent/folder/report.html", DUSK_E_NOT_FOUND},
    {"/dev/null/report.html", DUSK_E_NOT_FOUND},
    {"/proc/report.html", DUSK_E_NOT_FOUND},
};

START_TEST(a_bad_path_is_known_beforehand)
{
    const char *bad = bad_paths[_i].path;
    ck_assert_int_eq(report_check_writable(bad, &text), bad_paths[_i].code);
    ck_assert_ptr_nonnull(strstr(text.line, "cannot write"));
    ck_assert_ptr_nonnull(strstr(text.line, bad));
    char line[sizeof text.line];
    strcpy(line, text.line);
    ck_assert_int_eq(report_write(report, bad, &text), bad_paths[_i].code);
    ck_assert_str_eq(text.line, line);
}
END_TEST

START_TEST(a_full_device_is_reported)
{
    ck_assert_int_eq(report_check_writable("/dev/full", &text), 0);
    ck_assert_int_eq(report_write(report, "/dev/full", &text), DUSK_E_DISK_FULL);
    ck_assert_str_eq(text.line, "cannot write /dev/full: No space left on device");
}
END_TEST

START_TEST(a_full_disk_leaves_the_old_file_and_nothing_else)
{
    FILE *old = fopen(path, "w");
    fputs("old", old);
    fclose(old);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {.rlim_cur = 50000, .rlim_max = RLIM_INFINITY};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    int result = report_write(report, path, &text);
    limit.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &limit);
    ck_assert_int_eq(result, DUSK_E_DISK_FULL);
    ck_assert_ptr_nonnull(strstr(text.line, path));
    ck_assert_int_eq(files_in_folder(), 1);
    char *content = read_file(path);
    ck_assert_str_eq(content, "old");
    free(content);
}
END_TEST

START_TEST(checking_leaves_no_trace)
{
    ck_assert_int_eq(report_check_writable(path, &text), 0);
    ck_assert_int_eq(files_in_folder(), 0);
    FILE *old = fopen(path, "w");
    fputs("old", old);
    fclose(old);
    ck_assert_int_eq(report_check_writable(path, &text), 0);
    ck_assert_int_eq(files_in_folder(), 1);
    char *content = read_file(path);
    ck_assert_str_eq(content, "old");
    free(content);
}
END_TEST

START_TEST(a_link_is_followed_and_permissions_stay)
{
    char target[160];
    snprintf(target, sizeof target, "%s/target.html", folder);
    FILE *old = fopen(target, "w");
    fclose(old);
    ck_assert_int_eq(chmod(target, 0640), 0);
    ck_assert_int_eq(symlink(target, path), 0);
    ck_assert_int_eq(report_write(report, path, &text), 0);
    struct stat status;
    ck_assert_int_eq(lstat(path, &status), 0);
    ck_assert(S_ISLNK(status.st_mode));
    ck_assert_int_eq(stat(target, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0640);
    ck_assert_int_gt(status.st_size, 100000);
    ck_assert_int_eq(files_in_folder(), 2);
}
END_TEST

START_TEST(a_new_file_has_ordinary_permissions)
{
    umask(027);
    ck_assert_int_eq(report_write(report, path, &text), 0);
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0640);
    ck_assert_int_eq(files_in_folder(), 1);
}
END_TEST

/* The data as a browser reads it: up to the first end tag of the element. */
static json_t *data_of_page(char *page)
{
    char *data = strstr(page, "id=\"report-data\">");
    ck_assert_ptr_nonnull(data);
    data = strchr(data, '>') + 1;
    char *end = strcasestr(data, "</script");
    ck_assert_ptr_nonnull(end);
    *end = '\0';
    ck_assert_ptr_null(strchr(data, '<'));
    for (char *c = data; *c; c++)
        ck_assert_msg((unsigned char)*c < 0x80, "byte %02x in the data",
                      (unsigned char)*c);
    return json_loads(data, 0, NULL);
}

START_TEST(hostile_names_stay_data)
{
    static const char name[] =
        "</script><!--<ScRiPt>alert(1)</SCRIPT>\xE2\x80\xA8\xE2\x80\xA9 \" \\ \xC3\xA9";
    json_object_set_new(member(first_entry(), "problem"), "name", json_string(name));
    ck_assert_int_eq(report_write(report, path, &text), 0);
    char *page = read_file(path);
    json_t *data = data_of_page(page);
    ck_assert(json_equal(data, report));
    json_decref(data);
    free(page);
}
END_TEST

START_TEST(the_page_is_whole)
{
    ck_assert_int_eq(report_write(report, path, &text), 0);
    char *page = read_file(path);
    ck_assert_int_eq(strncmp(page, "<!DOCTYPE html>", 15), 0);
    ck_assert_ptr_nonnull(strstr(page, "Mike Bostock"));
    ck_assert_ptr_nonnull(strstr(page, "Redistributions in binary form"));
    ck_assert_ptr_null(strstr(page, "{{"));
    ck_assert_str_eq(page + strlen(page) - 8, "</html>\n");
    free(page);
}
END_TEST

START_TEST(the_json_file_keeps_every_digit)
{
    json_object_set_new(first_run(), "objective", json_real(1.0 / 3));
    ck_assert_int_eq(report_write_json(report, path, &text), 0);
    json_t *back = json_load_file(path, 0, NULL);
    ck_assert(json_equal(back, report));
    json_decref(back);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("report");
    TCase *tests = tcase_create("report");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_missing_member_is_named);
    tcase_add_loop_test(tests, a_wrong_value_is_named, 0,
                        sizeof wrong_values / sizeof wrong_values[0]);
    tcase_add_test(tests, what_is_no_object_is_refused);
    tcase_add_loop_test(tests, a_bad_path_is_known_beforehand, 0,
                        sizeof bad_paths / sizeof bad_paths[0]);
    tcase_add_test(tests, a_full_device_is_reported);
    tcase_add_test(tests, a_full_disk_leaves_the_old_file_and_nothing_else);
    tcase_add_test(tests, checking_leaves_no_trace);
    tcase_add_test(tests, a_link_is_followed_and_permissions_stay);
    tcase_add_test(tests, a_new_file_has_ordinary_permissions);
    tcase_add_test(tests, hostile_names_stay_data);
    tcase_add_test(tests, the_page_is_whole);
    tcase_add_test(tests, the_json_file_keeps_every_digit);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
