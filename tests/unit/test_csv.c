#include "tests/test.h"
#include "worker/csv.h"
#include "worker/lines.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static char folder[64], path[128];

static void setup(void)
{
    strcpy(folder, "/tmp/dusk-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/t.csv", folder);
}

static void teardown(void)
{
    unlink(path);
    rmdir(folder);
}

static void write_file(const char *text, size_t length, bool compressed)
{
    gzFile file = gzopen(path, compressed ? "wb" : "wbT");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzwrite(file, text, (unsigned)length), (int)length);
    ck_assert_int_eq(gzclose(file), Z_OK);
}

/* Scans, then reads every chunk; NULL data where only the code matters. */
static int read_all(const char *response, int64_t chunk_rows, struct csv_table *table,
                    double *X, double *y, struct err_text *error)
{
    int rc = csv_scan(path, response, chunk_rows, NULL, table, error);
    if (rc < 0)
        return rc;
    int64_t done = 0;
    for (int64_t i = 0; i < table->chunk_count && rc == 0; i++) {
        rc = csv_read_rows(path, &table->chunks[i], table->columns, table->response,
                           NULL, X + done * (table->columns - 1), y + done, error);
        done += table->chunks[i].rows;
    }
    if (rc < 0)
        csv_table_fini(table);
    return rc;
}

static const struct {
    const char *text, *response, *message; /* after "PATH: " */
    int code;
} bad[] = {
    {"", "", "the file is empty", DUSK_E_DATA},
    {"\xef\xbb\xbf", "", "the file is empty", DUSK_E_DATA},
    {"\n\n", "", "line 1: is blank", DUSK_E_DATA},
    {"a,b,c\n", "", "a header and no rows", DUSK_E_DATA},
    {"a,b,c", "", "a header and no rows", DUSK_E_DATA},
    {"a,b,c\n\n\n", "", "a header and no rows", DUSK_E_DATA},
    {"1\n2\n", "",
     "line 1: has one field; two or more are needed, between ',', ';' or tabs",
     DUSK_E_DATA},
    {"a,b,c\n1,2,3\n1,x,3\n", "", "line 3, column 2 (b): 'x' is not a number",
     DUSK_E_DATA},
    {"1,2,3\n1,2,3x\n", "", "line 2, column 3: '3x' is not a number", DUSK_E_DATA},
    {"a,b\n1,0x10\n", "", "line 2, column 2 (b): '0x10' is not a number", DUSK_E_DATA},
    {"a,b\n1,1e\n", "", "line 2, column 2 (b): '1e' is not a number", DUSK_E_DATA},
    {"a,b\n1,-\n", "", "line 2, column 2 (b): '-' is not a number", DUSK_E_DATA},
    {"a,b\n1,1 2\n", "", "line 2, column 2 (b): '1 2' is not a number", DUSK_E_DATA},
    {"a,b\n1,\x1b\a\n", "",
     "line 2, column 2 (b): '?"
     "?' is not a number",
     DUSK_E_DATA},
    {"a;b\n1;2,5\n", "", "line 2, column 2 (b): '2,5' is not a number", DUSK_E_DATA},
    {"a,b,c\n1,,3\n", "", "line 2, column 2 (b): missing value", DUSK_E_DATA},
    {"a,b,c\n1,2,\n", "", "line 2, column 3 (c): missing value", DUSK_E_DATA},
    {"a,b,c\n1,\"\",3\n", "", "line 2, column 2 (b): missing value", DUSK_E_DATA},
    {"a,b,c\n1,NA,3\n", "", "line 2, column 2 (b): missing value", DUSK_E_DATA},
    {"1,,3\n", "", "line 1, column 2: missing value", DUSK_E_DATA},
    {"a,b\n1,NaN\n", "", "line 2, column 2 (b): 'NaN': NaN is not allowed",
     DUSK_E_DATA},
    {"1,nan\n", "", "line 1, column 2: 'nan': NaN is not allowed", DUSK_E_DATA},
    {"a,b\n-inf,2\n", "", "line 2, column 1 (a): '-inf': infinity is not allowed",
     DUSK_E_DATA},
    {"a,b\n1,Infinity\n", "",
     "line 2, column 2 (b): 'Infinity': infinity is not allowed", DUSK_E_DATA},
    {"a,b\n1e999,2\n", "", "line 2, column 1 (a): '1e999' is too large for a double",
     DUSK_E_DATA},
    {"a,b,c\n1,2,3\n1,2\n", "", "line 3: has 2 fields instead of 3", DUSK_E_DATA},
    {"a,b,c\n1,2,3\n1,2,3,4\n", "", "line 3: has 4 fields instead of 3", DUSK_E_DATA},
    {"a,b,c\n1,2,3,x\n", "", "line 2: has 4 fields instead of 3", DUSK_E_DATA},
    {"a,b\n1,2\n\n3,4\n", "", "line 3: is blank", DUSK_E_DATA},
    {"a,b\n\n3,4\n", "", "line 2: is blank", DUSK_E_DATA},
    {"a,b\n1,\"2\n", "", "line 2, column 2 (b): misplaced or unclosed quote",
     DUSK_E_DATA},
    {"a,b\n1,2\"3\n", "", "line 2, column 2 (b): misplaced or unclosed quote",
     DUSK_E_DATA},
    {"a,b\n1,2\r3,4\n", "", "line 2: a carriage return inside the line", DUSK_E_DATA},
    {"\xff\xfe"
     "a",
     "", "is UTF-16; UTF-8 is needed", DUSK_E_DATA},
    {"a,b,c\n1,2,3\n", "d", "there is no column 'd'; there are 3: a, b, c",
     DUSK_E_INVALID},
    {"a,b,c\n1,2,3\n", "4", "there is no column '4'; there are 3: a, b, c",
     DUSK_E_INVALID},
    {"a,b,c\n1,2,3\n", "0", "there is no column '0'; there are 3: a, b, c",
     DUSK_E_INVALID},
    {"1,2\n", "-1", "there is no column '-1'; there are 2: 1, 2", DUSK_E_INVALID},
    {"a,b,a\n1,2,3\n", "a", "columns 1 and 3 are both named 'a'; give the number",
     DUSK_E_INVALID},
};

START_TEST(bad_files_get_one_line)
{
    for (int compressed = 0; compressed < 2; compressed++) {
        write_file(bad[_i].text, strlen(bad[_i].text), compressed);
        struct csv_table table;
        struct err_text error;
        double X[16], y[16];
        int rc = read_all(bad[_i].response, 10, &table, X, y, &error);
        char expected[512];
        snprintf(expected, sizeof expected, "%s: %s", path, bad[_i].message);
        ck_assert_str_eq(error.line, expected);
        ck_assert_int_eq(rc, bad[_i].code);
    }
}
END_TEST

START_TEST(what_is_no_file_is_named)
{
    struct csv_table table;
    struct err_text error;
    char expected[256];
    unlink(path);
    ck_assert_int_eq(csv_scan(path, "", 10, NULL, &table, &error), DUSK_E_IO);
    snprintf(expected, sizeof expected, "%s: No such file or directory", path);
    ck_assert_str_eq(error.line, expected);
    ck_assert_int_eq(csv_scan(folder, "", 10, NULL, &table, &error), DUSK_E_IO);
    ck_assert_ptr_nonnull(strstr(error.line, "is a directory"));
    ck_assert_int_eq(csv_scan("/dev/null", "", 10, NULL, &table, &error), DUSK_E_IO);
    ck_assert_str_eq(error.line, "/dev/null: is not a regular file");
    write_file("1,2\n", 4, false);
    ck_assert_int_eq(csv_scan(path, "", -1, NULL, &table, &error), DUSK_E_INVALID);
    volatile int cancel = 1;
    ck_assert_int_eq(csv_scan(path, "", 1, &cancel, &table, &error), DUSK_E_CANCELLED);
}
END_TEST

/* 4000 rows of random digits, which do not compress well. */
static size_t many_rows(char *text)
{
    size_t length = 0;
    uint32_t state = 1;
    for (int i = 0; i < 4000; i++) {
        state = state * 1664525 + 1013904223;
        length += (size_t)snprintf(text + length, 64, "%u,%d\n", state, i);
    }
    return length;
}

START_TEST(a_truncated_or_damaged_gz_is_refused)
{
    static char text[100000], bytes[100000];
    write_file(text, many_rows(text), true);
    FILE *file = fopen(path, "rb");
    size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    ck_assert_uint_gt(length, 10000);
    /* Cut in the data, in the checksum, in the header. */
    const size_t cuts[] = {length / 2, length - 3, 5};
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(truncate(path, (off_t)cuts[i]), 0);
        struct csv_table table;
        struct err_text error;
        ck_assert_int_eq(csv_scan(path, "", 10, NULL, &table, &error), DUSK_E_DATA);
        ck_assert_ptr_nonnull(strstr(error.line, "the gzip data end too early"));
        write_file(text, many_rows(text), true);
    }
    bytes[length / 2] ^= 0x55;
    write_file(bytes, length, false);
    struct csv_table table;
    struct err_text error;
    ck_assert_int_eq(csv_scan(path, "", 10, NULL, &table, &error), DUSK_E_DATA);
    ck_assert_ptr_nonnull(strstr(error.line, "the gzip data are damaged"));
}
END_TEST

START_TEST(a_line_has_a_greatest_length)
{
    const size_t length = (size_t)17 << 20;
    char *text = malloc(length);
    memset(text, '1', length);
    memcpy(text, "1,2\n1,", 6);
    write_file(text, length, true);
    free(text);
    struct csv_table table;
    struct err_text error;
    ck_assert_int_eq(csv_scan(path, "", 10, NULL, &table, &error), DUSK_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(error.line, "line 2 is longer than 16777216 bytes"));
}
END_TEST

START_TEST(a_file_that_changed_since_the_scan_is_noticed)
{
    write_file("a,b\n1,2\n3,4\n5,6\n", 16, false);
    struct csv_table table;
    struct err_text error;
    double X[8], y[8];
    ck_assert_int_eq(csv_scan(path, "", 10, NULL, &table, &error), 0);
    write_file("a,b\n1,2\n3,4\n", 12, false);
    ck_assert_int_eq(csv_read_rows(path, table.chunks, 2, 1, NULL, X, y, &error),
                     DUSK_E_DATA);
    ck_assert_ptr_nonnull(strstr(error.line, "ends after line 3; has it changed"));
    ck_assert_int_eq(csv_read_rows(path, table.chunks, 3, 1, NULL, X, y, &error),
                     DUSK_E_DATA);
    ck_assert_ptr_nonnull(strstr(error.line, "has 2 columns, not 3"));
    ck_assert_int_eq(csv_read_rows(path, table.chunks, 2, 2, NULL, X, y, &error),
                     DUSK_E_INVALID);
    csv_table_fini(&table);
}
END_TEST

static const struct {
    const char *text;
    bool has_header;
} good[] = {
    {"a,b,c\n1,2,3\n4,5.5,-6e1\n", true},
    {"1,2,3\n4,5.5,-6e1\n", false},
    {"1,2,3\n4,5.5,-6e1", false},
    {"1,2,3\r\n4,5.5,-6e1\r\n\r\n\n  \n", false},
    {"a,b,c\r\n1,2,3\r\n4,5.5,-6e1", true},
    {"\xef\xbb\xbf"
     "a,b,c\n1,2,3\n4,5.5,-6e1\n",
     true},
    {"\xef\xbb\xbf"
     "1,2,3\n4,5.5,-6e1\n",
     false},
    {"a;b;c\n1;2;3\n4;5.5;-6e1\n", true},
    {"a\tb\tc\n1\t2\t3\n4\t5.5\t-6e1\n", true},
    {"\"a\",\"b\",\"c\"\n\"1\",\"2\",\" 3 \"\n 4 , +5.5,-60 \n", true},
    {"a,\"b, c\",\"d\"\"e\"\n1,\"2\",3\n4, 5.5 ,-60.\n", true},
    {"\"a;b;c;d\",\"b\",c\n1,2,3\n4,5.5,-6e1\n", true},
    {",x,\n1,2,3\n4,5.5,-6e+01\n", true},
};

START_TEST(good_files_are_read)
{
    const double expected_X[] = {1, 3, 4, -60}, expected_y[] = {2, 5.5};
    for (int compressed = 0; compressed < 2; compressed++)
        for (int chunk_rows = 1; chunk_rows < 4; chunk_rows++) {
            write_file(good[_i].text, strlen(good[_i].text), compressed);
            struct csv_table table;
            struct err_text error = {""};
            double X[4], y[2];
            int rc = read_all("2", chunk_rows, &table, X, y, &error);
            ck_assert_str_eq(error.line, "");
            ck_assert_int_eq(rc, 0);
            ck_assert_int_eq(table.rows, 2);
            ck_assert_int_eq(table.columns, 3);
            ck_assert_int_eq(table.response, 1);
            ck_assert_int_eq(table.chunk_count, chunk_rows == 1 ? 2 : 1);
            ck_assert_int_eq(table.has_header, good[_i].has_header);
            ck_assert_mem_eq(X, expected_X, sizeof X);
            ck_assert_mem_eq(y, expected_y, sizeof y);
            csv_table_fini(&table);
        }
}
END_TEST

START_TEST(columns_have_names)
{
    static const char text[] = "a,\"b, c\",\"d\"\"e\",\n1,2,3,4\n";
    write_file(text, sizeof text - 1, false);
    struct csv_table table;
    ck_assert_int_eq(csv_scan(path, "b, c", 10, NULL, &table, NULL), 0);
    ck_assert_int_eq(table.response, 1);
    ck_assert_str_eq(table.names[1], "b, c");
    ck_assert_str_eq(table.names[2], "d\"e");
    ck_assert_str_eq(table.names[3], "4");
    ck_assert_int_eq(table.chunks[0].offset, 17);
    ck_assert_int_eq(table.chunks[0].line, 2);
    csv_table_fini(&table);
    write_file("3,2\n1,2\n", 8, false);
    ck_assert_int_eq(csv_scan(path, "", 10, NULL, &table, NULL), 0);
    ck_assert_int_eq(table.response, 1);
    ck_assert_str_eq(table.names[0], "1");
    csv_table_fini(&table);
    write_file("3,2\nb,2\n", 8, false);
    ck_assert_int_eq(csv_scan(path, "2", 10, NULL, &table, NULL), 0);
    ck_assert_int_eq(table.response, 1);
    csv_table_fini(&table);
    write_file("2,b\n1,2\n", 8, false);
    ck_assert_int_eq(csv_scan(path, "2", 10, NULL, &table, NULL), 0);
    ck_assert_int_eq(table.response, 0);
    csv_table_fini(&table);
}
END_TEST

/* 4000 lines, which is more than the buffer holds, from the middle on, to the end,
 * and from near the start again. */
START_TEST(lines_go_to_a_position)
{
    static char text[1 << 20];
    size_t length = 0;
    for (int i = 1; i <= 4000; i++)
        length += (size_t)snprintf(text + length, 128, "%099d\n", i);
    write_file(text, length, _i);
    struct lines lines;
    struct err_text error;
    ck_assert_int_eq(lines_open(&lines, path, NULL, &error), 0);
    static const int starts[] = {3900, 7, 3900};
    for (int i = 0; i < 3; i++) {
        char *line;
        size_t size;
        int number = starts[i];
        ck_assert_int_eq(lines_seek(&lines, 100 * (number - 1), number, &error), 0);
        for (; lines_next(&lines, &line, &size, &error) == 1; number++) {
            ck_assert_uint_eq(size, 99);
            ck_assert_int_eq(atoi(line), number);
            ck_assert_int_eq(lines.number, number);
            ck_assert_int_eq(lines.start_position, 100 * (number - 1));
        }
        ck_assert_int_eq(number, 4001);
    }
    lines_close(&lines);
}
END_TEST

/* Rows of four bytes each. */
static void write_rows(size_t rows)
{
    char *text = malloc(4 * rows);
    for (size_t i = 0; i < rows; i++)
        memcpy(text + 4 * i, "1,2\n", 4);
    write_file(text, 4 * rows, false);
    free(text);
}

static const struct {
    int rows, chunks, chunk_rows, last_rows;
} fine[] = {
    {1, 1, 1, 1},
    {CSV_FINE_CHUNKS_MAX, CSV_FINE_CHUNKS_MAX, 1, 1},
    {CSV_FINE_CHUNKS_MAX + 1, CSV_FINE_CHUNKS_MAX / 2 + 1, 2, 1},
    {4 * CSV_FINE_CHUNKS_MAX, CSV_FINE_CHUNKS_MAX, 4, 4},
    {5 * CSV_FINE_CHUNKS_MAX + 3, 5 * CSV_FINE_CHUNKS_MAX / 8 + 1, 8, 3},
};

START_TEST(fine_chunks_grow_with_the_file)
{
    write_rows((size_t)fine[_i].rows);
    struct csv_table table;
    ck_assert_int_eq(csv_scan(path, "", CSV_FINE, NULL, &table, NULL), 0);
    ck_assert_int_eq(table.rows, fine[_i].rows);
    ck_assert_int_eq(table.chunk_count, fine[_i].chunks);
    for (int64_t k = 0; k < table.chunk_count; k++) {
        bool last = k == table.chunk_count - 1;
        ck_assert_int_eq(table.chunks[k].rows,
                         last ? fine[_i].last_rows : fine[_i].chunk_rows);
        ck_assert_int_eq(table.chunks[k].line, k * fine[_i].chunk_rows + 1);
        ck_assert_int_eq(table.chunks[k].offset, 4 * (table.chunks[k].line - 1));
    }
    csv_table_fini(&table);
}
END_TEST

START_TEST(too_many_chunks_are_refused)
{
    write_rows((size_t)CSV_CHUNKS_MAX + 1);
    struct csv_table table;
    struct err_text error;
    ck_assert_int_eq(csv_scan(path, "", 1, NULL, &table, &error), DUSK_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(error.line, "more than 1048576 chunks of 1 rows"));
}
END_TEST

/* Random files against the numbers they were written from. */
START_TEST(chunks_come_together_to_the_file)
{
    static char text[1 << 20];
    static double numbers[20000], X[20000], y[4000];
    srand48(1000 + _i);
    int rows = 1 + (int)(drand48() * 2000), columns = 2 + (int)(drand48() * 6);
    int response = (int)(drand48() * columns), chunk_rows = 1 + (int)(drand48() * rows);
    char separator = ",;\t"[_i % 3];
    size_t length = 0;
    for (int i = 0; i < rows * columns; i++) {
        double scale = pow(10, (int)(drand48() * 40) - 20);
        numbers[i] = (drand48() - 0.5) * scale;
        bool last = i % columns == columns - 1;
        length += (size_t)sprintf(text + length,
                                  drand48() < 0.1 ? "\"%.17g\"" : "%.17g", numbers[i]);
        text[length++] = last ? '\n' : separator;
    }
    write_file(text, length, drand48() < 0.3);
    char name[16];
    snprintf(name, sizeof name, "%d", response + 1);
    struct csv_table table;
    struct err_text error = {""};
    int rc = read_all(name, chunk_rows, &table, X, y, &error);
    ck_assert_msg(rc == 0, "seed %d: %s", 1000 + _i, error.line);
    ck_assert_int_eq(table.rows, rows);
    ck_assert_int_eq(table.chunk_count, (rows + chunk_rows - 1) / chunk_rows);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            double got =
                j == response ? y[i] : X[i * (columns - 1) + j - (j > response)];
            ck_assert_msg(got == numbers[i * columns + j], "seed %d: row %d", 1000 + _i,
                          i);
        }
    csv_table_fini(&table);
}
END_TEST

/* Bytes that mean something, thrown into a good file: whatever comes of it, it is
 * finite numbers or one line that begins with the path. */
START_TEST(noise_is_read_or_refused)
{
    static const char noise[] =
        ",;\t\"\"\n\n\r\r \0x-+.eEnaif0123456789\xef\xbb\xbf\xff";
    srand48(5000 + _i);
    for (int round = 0; round < 40; round++) {
        char text[512];
        size_t length = 0;
        for (int i = 0; i < 12; i++)
            length +=
                (size_t)snprintf(text + length, 64, "%d,%.3g,%d\n", i, drand48(), -i);
        for (int changes = (int)(drand48() * 12); changes > 0; changes--)
            text[(size_t)(drand48() * (double)length)] =
                noise[(size_t)(drand48() * (double)(sizeof noise - 1))];
        length -= (size_t)(drand48() * 3);
        write_file(text, length, drand48() < 0.2);
        struct csv_table table;
        struct err_text error = {""};
        double X[256], y[256];
        int rc = read_all("", 1 + (int)(drand48() * 13), &table, X, y, &error);
        ck_assert_int_eq(rc < 0, error.line[0] != '\0');
        if (rc < 0) {
            ck_assert_int_eq(strncmp(error.line, path, strlen(path)), 0);
            ck_assert_ptr_null(strchr(error.line, '\n'));
            continue;
        }
        for (int64_t i = 0; i < table.rows * (table.columns - 1); i++)
            ck_assert(isfinite(X[i]));
        for (int64_t i = 0; i < table.rows; i++)
            ck_assert(isfinite(y[i]));
        csv_table_fini(&table);
    }
}
END_TEST

#define COUNT(array) (int)(sizeof(array) / sizeof(array)[0])

int main(void)
{
    Suite *suite = suite_create("csv");
    TCase *tcase = tcase_create("csv");
    tcase_add_unchecked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, bad_files_get_one_line, 0, COUNT(bad));
    tcase_add_test(tcase, what_is_no_file_is_named);
    tcase_add_test(tcase, a_truncated_or_damaged_gz_is_refused);
    tcase_add_test(tcase, a_line_has_a_greatest_length);
    tcase_add_test(tcase, a_file_that_changed_since_the_scan_is_noticed);
    tcase_add_test(tcase, too_many_chunks_are_refused);
    tcase_add_loop_test(tcase, fine_chunks_grow_with_the_file, 0, COUNT(fine));
    tcase_add_loop_test(tcase, good_files_are_read, 0, COUNT(good));
    tcase_add_test(tcase, columns_have_names);
    tcase_add_loop_test(tcase, lines_go_to_a_position, 0, 2);
    tcase_add_loop_test(tcase, chunks_come_together_to_the_file, 0, 12);
    tcase_add_loop_test(tcase, noise_is_read_or_refused, 0, 10);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
