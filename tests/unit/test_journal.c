/* The journal: bytes that were written are read, whatever happened to their end. */
#include "scheduler/journal.h"
#include "scheduler/persist.h"
#include "tests/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/dusk-journal-XXXXXX";
static char path[64];

static void setup(void)
{
    strcpy(directory, "/tmp/dusk-journal-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/journal", directory);
}

static void teardown(void)
{
    unlink(path);
    ck_assert_int_eq(rmdir(directory), 0);
}

/* ---- batches of one submit with an array ---- */

static void batch_make(struct batch *batch, uint64_t number)
{
    double data[3] = {(double)number, 2, 3};
    struct dusk_value value = {.kind = DUSK_ARRAY,
                               .array = {DUSK_F64, 1, {3, 0, 0, 0}, data}};
    struct payload_builder builder;
    struct payload *payload;
    payload_builder_init(&builder);
    ck_assert_int_eq(payload_builder_value(&builder, &value, NULL), 0);
    ck_assert_int_eq(payload_builder_finish(&builder, &payload), 0);
    payload_builder_fini(&builder);
    batch_init(batch);
    ck_assert_int_eq(
        batch_add(batch, MESSAGE(submit, .key = key_make(1, number),
                                 .function = str_of("f"), .arguments = payload)),
        0);
    ck_assert_int_eq(batch_add(batch, MESSAGE(alive, .epoch = number)), 0);
    payload_unref(payload);
}

static void record_check(const struct journal_record *record, uint64_t number)
{
    struct batch_reader reader;
    struct frame *frames;
    struct message message;
    struct err_text text;
    struct values *values;
    ck_assert_int_eq(journal_open_batch(record, &reader, &frames), 0);
    ck_assert_int_eq(batch_reader_next(&reader, &message, &text), 0);
    ck_assert_int_eq(message.type, MSG_submit);
    ck_assert_uint_eq(message.submit.key.bits, key_make(1, number).bits);
    ck_assert_int_eq(values_create(message.submit.arguments, &text, &values), 0);
    const double *data = values->items[0].plain.array.data;
    ck_assert_double_eq(data[0], (double)number);
    ck_assert_double_eq(data[2], 3);
    values_destroy(values);
    ck_assert_int_eq(batch_reader_next(&reader, &message, &text), 0);
    ck_assert_uint_eq(message.alive.epoch, number);
    ck_assert_int_eq(batch_reader_next(&reader, &message, &text), 1);
    batch_reader_fini(&reader);
    free(frames);
}

/* A journal of `count` records in memory; ret_last is where the last one begins. */
static size_t bytes_make(uint8_t *bytes, unsigned count, size_t *ret_last)
{
    size_t size = 8;
    memcpy(bytes, JOURNAL_MAGIC, JOURNAL_MAGIC_BYTES);
    for (unsigned i = 1; i <= count; i++) {
        struct batch batch;
        uint8_t *record;
        size_t record_size;
        batch_make(&batch, i);
        ck_assert_int_eq(journal_encode(&batch, &record, &record_size), 0);
        memcpy(bytes + size, record, record_size);
        *ret_last = size;
        size += record_size;
        free(record);
        batch_fini(&batch);
    }
    return size;
}

/* Reads all; the number of records before the outcome that is returned. */
static int bytes_read(const uint8_t *bytes, size_t size, unsigned *ret_count,
                      struct err_text *text)
{
    struct journal_record record;
    size_t offset = 0;
    int rc;
    *ret_count = 0;
    while ((rc = journal_read(bytes, size, &offset, &record, text)) == JOURNAL_RECORD) {
        ck_assert_uint_le(offset, size);
        record_check(&record, ++*ret_count);
    }
    return rc;
}

/* ---- bytes ---- */

START_TEST(what_was_cut_off_is_left_out)
{
    uint8_t bytes[4096];
    size_t last;
    unsigned count;
    struct err_text text;
    size_t size = bytes_make(bytes, 3, &last);
    ck_assert_int_eq(bytes_read(bytes, size, &count, &text), JOURNAL_END);
    ck_assert_uint_eq(count, 3);
    for (size_t cut = 0; cut < size; cut++) {
        int rc = bytes_read(bytes, cut, &count, &text);
        ck_assert_msg(rc == JOURNAL_TORN || rc == JOURNAL_END, "cut at %zu: %d", cut,
                      rc);
        ck_assert_uint_eq(count, cut < last ? (cut < (last + 8) / 2 ? 0 : 1) : 2);
        /* A file system may have made the file longer, and written nothing. */
        uint8_t zeros[4096] = {0};
        memcpy(zeros, bytes, cut < last + 24 ? (cut < last ? 0 : last) : cut);
        rc = bytes_read(zeros, size, &count, &text);
        ck_assert_msg(rc == JOURNAL_TORN, "zeros from %zu: %d", cut, rc);
    }
}
END_TEST

START_TEST(damage_before_the_last_record_is_an_error)
{
    uint8_t bytes[4096];
    size_t last;
    unsigned count;
    struct err_text text;
    char expected[80];
    size_t size = bytes_make(bytes, 3, &last);
    size_t second = 8 + (last - 8) / 2;
    for (size_t at = 0; at < size; at++) {
        bytes[at] ^= 0x10;
        int rc = bytes_read(bytes, size, &count, &text);
        bytes[at] ^= 0x10;
        if (at >= last + 24) {
            ck_assert_int_eq(rc, JOURNAL_TORN);
            continue;
        }
        ck_assert_msg(rc == DUSK_E_DATA || at >= last, "byte %zu: %d", at, rc);
        if (rc != DUSK_E_DATA)
            continue;
        snprintf(expected, sizeof expected,
                 at < 8 ? "it is no journal of dusk"
                        : "the record at byte %zu is damaged",
                 at < second ? 8
                 : at < last ? second
                             : last);
        ck_assert_str_eq(text.line, expected);
    }
}
END_TEST

START_TEST(random_bytes_harm_nobody)
{
    uint8_t bytes[256], good[4096];
    size_t last, offset;
    struct journal_record record;
    struct err_text text;
    unsigned seed = 1;
    size_t size = bytes_make(good, 1, &last);
    for (int i = 0; i < 20000; i++) {
        for (size_t j = 0; j < sizeof bytes; j++)
            bytes[j] = (uint8_t)rand_r(&seed);
        if (i % 2)
            memcpy(bytes, good, size < 200 ? 8 + i % (size - 8) : 8);
        offset = 0;
        while (journal_read(bytes, sizeof bytes, &offset, &record, &text) == 0)
            ck_assert_uint_le(offset, sizeof bytes);
    }
}
END_TEST

/* ---- files ---- */

static struct journal *open_journal(unsigned expected, int outcome)
{
    struct journal *journal;
    struct journal_record record;
    struct err_text text;
    unsigned count = 0;
    int rc;
    ck_assert_msg(journal_open(path, &text, &journal) == 0, "%s", text.line);
    while ((rc = journal_next(journal, &record, &text)) == JOURNAL_RECORD)
        record_check(&record, ++count);
    ck_assert_int_eq(rc, outcome);
    ck_assert_uint_eq(count, expected);
    return journal;
}

static void append(struct journal *journal, uint64_t number)
{
    struct batch batch;
    struct err_text text;
    batch_make(&batch, number);
    ck_assert_msg(journal_append(journal, &batch, &text) == 0, "%s", text.line);
    batch_fini(&batch);
}

START_TEST(records_come_back_from_the_file)
{
    struct err_text text;
    struct journal *other, *journal = open_journal(0, JOURNAL_END);
    ck_assert_int_eq(journal_open(path, &text, &other), DUSK_E_BUSY);
    ck_assert_int_eq(journal_renew(journal, &text), 0);
    append(journal, 1);
    ck_assert_int_eq(journal_commit(journal, &text), 0);
    ck_assert_int_eq(journal_open(path, &text, &other), DUSK_E_BUSY);
    append(journal, 2);
    ck_assert_int_eq(journal_commit(journal, &text), 0);
    append(journal, 7);
    journal_rollback(journal);
    append(journal, 3);
    ck_assert_int_eq(journal_commit(journal, &text), 0);
    journal_close(journal);
    /* A new file takes the place of the old one only as a whole. */
    journal = open_journal(3, JOURNAL_END);
    ck_assert_int_eq(journal_renew(journal, &text), 0);
    append(journal, 9);
    journal_rollback(journal);
    append(journal, 4);
    ck_assert_int_eq(journal_commit(journal, &text), 0);
    journal_close(journal);
    journal_close(open_journal(4, JOURNAL_END));
}
END_TEST

START_TEST(a_torn_record_is_written_over)
{
    struct err_text text;
    struct stat stat_of;
    struct journal *journal = open_journal(0, JOURNAL_END);
    ck_assert_int_eq(journal_renew(journal, &text), 0);
    append(journal, 1);
    append(journal, 2);
    ck_assert_int_eq(journal_commit(journal, &text), 0);
    journal_close(journal);
    ck_assert_int_eq(stat(path, &stat_of), 0);
    ck_assert_int_eq(truncate(path, stat_of.st_size - 5), 0);
    journal = open_journal(1, JOURNAL_TORN);
    journal_rollback(journal);
    append(journal, 2);
    ck_assert_int_eq(journal_commit(journal, &text), 0);
    journal_close(journal);
    journal_close(open_journal(2, JOURNAL_END));
}
END_TEST

/* ---- with a scheduler ---- */

static void give(struct scheduler *scheduler, struct journal *journal, struct log *log,
                 const struct message *message)
{
    scheduler_message(scheduler, (struct peer_id){1}, message, 1);
    persist_records(journal, scheduler, log);
}

START_TEST(what_is_of_no_use_leaves_the_file)
{
    struct scheduler_config config = scheduler_defaults;
    struct scheduler *scheduler;
    struct journal *journal;
    struct err_text text;
    struct stat stat_of;
    struct log log;
    struct task_key keys[20000];
    log_init(&log, open("/dev/null", O_WRONLY), LOG_ERROR, "test");
    config.journal = true;
    ck_assert_int_eq(scheduler_create(&config, 1, &scheduler), 0);
    ck_assert_int_eq(persist_open(path, scheduler, &log, &text, &journal), 0);
    give(scheduler, journal, &log,
         MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                 .role = ROLE_CLIENT, .epoch = 1, .client = 1));
    give(scheduler, journal, &log,
         MESSAGE(submit, .key = key_make(1, 1), .function = str_of("f")));
    for (size_t i = 0; i < 20000; i++)
        keys[i] = key_make(1, 1);
    for (uint64_t i = 1; i <= 40; i++) {
        give(scheduler, journal, &log,
             MESSAGE(publish, .name = str_of("set"), .request = i,
                     .keys = {keys, 20000}));
        ck_assert_int_eq(stat(path, &stat_of), 0);
        ck_assert_int_lt(stat_of.st_size, 2 << 20);
        if (i < 40)
            give(scheduler, journal, &log,
                 MESSAGE(unpublish, .name = str_of("set"), .request = i));
    }
    journal_close(journal);
    scheduler_destroy(scheduler);
    /* What is left is whole. */
    ck_assert_int_eq(scheduler_create(&config, 1, &scheduler), 0);
    ck_assert_int_eq(persist_open(path, scheduler, &log, &text, &journal), 0);
    struct scheduler_counts counts;
    scheduler_count(scheduler, &counts);
    ck_assert_uint_eq(counts.tasks, 1);
    journal_close(journal);
    scheduler_destroy(scheduler);
}
END_TEST

START_TEST(files_that_cannot_be_used_are_named)
{
    struct err_text text;
    struct journal *journal;
    ck_assert_int_eq(journal_open("/nowhere/journal", &text, &journal), DUSK_E_IO);
    ck_assert_str_eq(text.line,
                     "journal /nowhere/journal: cannot open it: No such file "
                     "or directory");
    ck_assert_int_eq(journal_open("/dev/null", &text, &journal), DUSK_E_IO);
    ck_assert_str_eq(text.line, "journal /dev/null: it is no regular file");
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_eq(write(fd, "something else", 14), 14);
    close(fd);
    struct journal_record record;
    ck_assert_int_eq(journal_open(path, &text, &journal), 0);
    ck_assert_int_eq(journal_next(journal, &record, &text), DUSK_E_DATA);
    ck_assert_ptr_nonnull(strstr(text.line, path));
    journal_close(journal);
    /* It was not ours, and is as it was. */
    struct stat stat_of;
    ck_assert_int_eq(stat(path, &stat_of), 0);
    ck_assert_int_eq(stat_of.st_size, 14);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("journal");
    TCase *tests = tcase_create("journal");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, what_was_cut_off_is_left_out);
    tcase_add_test(tests, damage_before_the_last_record_is_an_error);
    tcase_add_test(tests, random_bytes_harm_nobody);
    tcase_add_test(tests, records_come_back_from_the_file);
    tcase_add_test(tests, a_torn_record_is_written_over);
    tcase_add_test(tests, what_is_of_no_use_leaves_the_file);
    tcase_add_test(tests, files_that_cannot_be_used_are_named);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
