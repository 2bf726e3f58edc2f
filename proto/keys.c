#include "proto/keys.h"

#include "proto/limits.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#define FILE_BYTES (4 << 20)
#define WORDS 3
#define BLANKS " \t\r"

/* A file on its way through memory, line by line. */
struct reader {
    const char *path;
    char *text; /* owned; words are cut out of it */
    char *next; /* NULL at the end */
    int line;
    char *words[WORDS];
    int word_count;
    struct err_text *error;
};

static int complain(const struct reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int complain(const struct reader *reader, const char *format, ...)
{
    char what[256];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return err_set(reader->error, DUSK_E_KEYS, "%s:%d: %s", reader->path, reader->line,
                   what);
}

/* ---- files ---- */

static int check_file(const char *path, const struct stat *status,
                      struct err_text *text)
{
    unsigned mode = status->st_mode & 07777;
    if (!S_ISREG(status->st_mode))
        return err_set(text, DUSK_E_KEYS, "%s is no regular file", path);
    if (mode & 077)
        return err_set(text, DUSK_E_KEYS,
                       "%s can be read by others (mode %04o): chmod 600 it", path,
                       mode);
    if (status->st_size > FILE_BYTES)
        return err_set(text, DUSK_E_KEYS, "%s is larger than %d bytes", path,
                       FILE_BYTES);
    return 0;
}

static int read_all(int fd, const char *path, size_t size, char **ret_text,
                    struct err_text *text)
{
    char *all = malloc(size + 1);
    if (!all)
        return err_set(text, DUSK_E_NOMEM, "no memory for %s", path);
    size_t at = 0;
    ssize_t count = 1;
    while (at < size && (count = read(fd, all + at, size - at)) > 0)
        at += (size_t)count;
    all[at] = '\0';
    int rc = 0;
    if (count < 0)
        rc = err_set(text, DUSK_E_IO, "%s: %s", path, strerror(errno));
    else if (strlen(all) != at)
        rc = err_set(text, DUSK_E_KEYS, "%s is no text file", path);
    if (rc < 0)
        free(all);
    else
        *ret_text = all;
    return rc;
}

static int reader_open(struct reader *reader, const char *path, struct err_text *text)
{
    *reader = (struct reader){.path = path, .error = text};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return err_set(text, error == ENOENT ? DUSK_E_KEYS : DUSK_E_IO, "%s: %s", path,
                       strerror(error));
    }
    int rc = check_file(path, &status, text);
    if (rc == 0)
        rc = read_all(fd, path, (size_t)status.st_size, &reader->text, text);
    close(fd);
    reader->next = reader->text;
    return rc;
}

static void reader_close(struct reader *reader)
{
    if (reader->text)
        explicit_bzero(reader->text, strlen(reader->text));
    free(reader->text);
}

/* Cuts the next line that is no comment into words.  1, 0 at the end, DUSK_E_KEYS. */
static int reader_next(struct reader *reader)
{
    char *line;
    while (reader->next && (line = strsep(&reader->next, "\n"))) {
        reader->line++;
        line += strspn(line, BLANKS);
        if (!*line || *line == '#')
            continue;
        char *word, *rest = line;
        reader->word_count = 0;
        while ((word = strsep(&rest, BLANKS))) {
            if (!*word)
                continue;
            if (reader->word_count == WORDS)
                return complain(reader, "more than %d words", WORDS);
            reader->words[reader->word_count++] = word;
        }
        return 1;
    }
    return 0;
}

/* ---- words ---- */

int keys_check_name(const char *name, struct err_text *text)
{
    size_t size = strlen(name);
    bool good = size < MEMBER_NAME_BYTES && isalnum((unsigned char)name[0]);
    for (size_t i = 0; good && i < size; i++)
        good = isalnum((unsigned char)name[i]) || strchr("._-", name[i]);
    if (good)
        return 0;
    return err_set(text, DUSK_E_INVALID,
                   "'%.64s' is no member's name: letters, digits, '.', '_' and '-', at "
                   "most %d of them, beginning with a letter or a digit",
                   name, MEMBER_NAME_BYTES - 1);
}

static int word_key(const struct reader *reader, const char *word,
                    char ret_key[KEY_TEXT_BYTES])
{
    uint8_t bytes[32];
    if (strlen(word) != KEY_TEXT_BYTES - 1 || !zmq_z85_decode(bytes, word))
        return complain(reader, "a key has %d characters of Z85", KEY_TEXT_BYTES - 1);
    memcpy(ret_key, word, KEY_TEXT_BYTES);
    return 0;
}

static int word_role(const struct reader *reader, const char *word,
                     enum member_role *ret_role)
{
    *ret_role = member_role_parse(word);
    if (*ret_role)
        return 0;
    return complain(reader, "'%.64s' is no role: worker, client or submitter", word);
}

static int word_name(const struct reader *reader, const char *word,
                     char ret_name[MEMBER_NAME_BYTES])
{
    struct err_text why;
    if (keys_check_name(word, &why) < 0)
        return complain(reader, "%s", why.line);
    strcpy(ret_name, word);
    return 0;
}

/* ---- files of settings: a word and its value a line, each word once ---- */

enum setting_kind { SETTING_KEY, SETTING_NAME, SETTING_ROLE };

struct setting {
    const char *word;
    enum setting_kind kind;
    void *target;
    bool given;
};

static int setting_read(const struct reader *reader, struct setting *setting)
{
    const char *word = reader->words[1];
    if (reader->word_count != 2)
        return complain(reader, "'%s' takes one value", setting->word);
    if (setting->given)
        return complain(reader, "'%s' is there twice", setting->word);
    setting->given = true;
    switch (setting->kind) {
    case SETTING_KEY:
        return word_key(reader, word, setting->target);
    case SETTING_NAME:
        return word_name(reader, word, setting->target);
    case SETTING_ROLE:
        return word_role(reader, word, setting->target);
    }
    return 0;
}

static int settings_line(const struct reader *reader, struct setting *settings)
{
    for (; settings->word; settings++)
        if (strcmp(settings->word, reader->words[0]) == 0)
            return setting_read(reader, settings);
    return complain(reader, "'%.64s' is not known here", reader->words[0]);
}

static int settings_read(const char *path, struct setting *settings,
                         struct err_text *text)
{
    struct reader reader;
    int rc = reader_open(&reader, path, text);
    if (rc == 0)
        while ((rc = reader_next(&reader)) > 0 &&
               (rc = settings_line(&reader, settings)) == 0)
            continue;
    reader_close(&reader);
    for (; rc == 0 && settings->word; settings++)
        if (!settings->given)
            rc = err_set(text, DUSK_E_KEYS, "%s: there is no line '%s'", path,
                         settings->word);
    return rc;
}

static int pair_complete(const char *path, struct key_pair *pair, struct err_text *text)
{
    if (zmq_curve_public(pair->public_key, pair->secret_key) == 0)
        return 0;
    return err_set(text, DUSK_E_KEYS, "%s: this ZeroMQ has no CURVE", path);
}

int keys_path(const char *directory, const char *name, const char *suffix,
              char ret_path[KEYS_PATH_BYTES], struct err_text *text)
{
    size_t size = strlen(directory);
    const char *slash = size && directory[size - 1] == '/' ? "" : "/";
    if (snprintf(ret_path, KEYS_PATH_BYTES, "%s%s%s%s", directory, slash, name,
                 suffix) < KEYS_PATH_BYTES)
        return 0;
    return err_set(text, DUSK_E_LIMIT, "the path %.200s... is too long", directory);
}

int keys_read_scheduler(const char *directory, struct key_pair *ret_pair,
                        struct err_text *text)
{
    char path[KEYS_PATH_BYTES];
    struct key_pair pair;
    struct setting settings[] = {{"secret", SETTING_KEY, pair.secret_key}, {0}};
    int rc = keys_path(directory, "scheduler", ".key", path, text);
    if (rc == 0)
        rc = settings_read(path, settings, text);
    if (rc == 0)
        rc = pair_complete(path, &pair, text);
    if (rc == 0)
        *ret_pair = pair;
    return rc;
}

int keys_read_join(const char *path, struct join *ret_join, struct err_text *text)
{
    struct join join;
    struct setting settings[] = {
        {"role", SETTING_ROLE, &join.role},
        {"name", SETTING_NAME, join.name},
        {"secret", SETTING_KEY, join.pair.secret_key},
        {"scheduler", SETTING_KEY, join.scheduler_key},
        {0},
    };
    int rc = settings_read(path, settings, text);
    if (rc == 0)
        rc = pair_complete(path, &join.pair, text);
    if (rc == 0)
        *ret_join = join;
    return rc;
}

/* ---- the allow-list ---- */

static int member_read(const struct reader *reader, struct members *members)
{
    struct member *member = &members->items[members->count];
    if (reader->word_count != 3)
        return complain(reader, "a member is ROLE NAME PUBLIC-KEY");
    int rc = word_role(reader, reader->words[0], &member->role);
    if (rc == 0)
        rc = word_name(reader, reader->words[1], member->name);
    if (rc == 0)
        rc = word_key(reader, reader->words[2], member->key);
    for (size_t i = 0; rc == 0 && i < members->count; i++) {
        if (strcmp(members->items[i].name, member->name) == 0)
            rc = complain(reader, "the name %s is there twice", member->name);
        else if (strcmp(members->items[i].key, member->key) == 0)
            rc = complain(reader, "%s and %s have the same key", members->items[i].name,
                          member->name);
    }
    if (rc == 0)
        members->count++;
    return rc;
}

static int members_room(const struct reader *reader, struct members *members)
{
    if (members->count == LIMIT_MEMBERS)
        return complain(reader, "more than %u members", LIMIT_MEMBERS);
    if (members->count % 16)
        return 0;
    void *items =
        realloc(members->items, (members->count + 16) * sizeof(struct member));
    if (!items)
        return err_set(reader->error, DUSK_E_NOMEM, "no memory for %s", reader->path);
    members->items = items;
    return 0;
}

int keys_read_members(const char *directory, struct members *ret_members,
                      struct err_text *text)
{
    char path[KEYS_PATH_BYTES];
    struct reader reader = {0};
    struct members members = {0};
    int rc = keys_path(directory, "members", "", path, text);
    if (rc == 0)
        rc = reader_open(&reader, path, text);
    if (rc == 0)
        while ((rc = reader_next(&reader)) > 0 &&
               (rc = members_room(&reader, &members)) == 0 &&
               (rc = member_read(&reader, &members)) == 0)
            continue;
    reader_close(&reader);
    if (rc < 0)
        members_fini(&members);
    else
        *ret_members = members;
    return rc;
}

void members_fini(struct members *members)
{
    free(members->items);
    *members = (struct members){0};
}

static bool row_text(struct str str, char *ret_text, size_t size)
{
    bool fits = str.size > 0 && str.size < size;
    snprintf(ret_text, size, STR_FORMAT, fits ? (int)str.size : 0, str.text);
    return fits;
}

int members_of_rows(field_member_rows rows, struct members *ret_members)
{
    struct members members = {calloc(rows.count + 1, sizeof(struct member)), 0};
    if (!members.items)
        return DUSK_E_NOMEM;
    for (size_t i = 0; i < rows.count; i++) {
        struct member *member = &members.items[members.count];
        member->role = (enum member_role)rows.items[i].role;
        if (row_text(rows.items[i].name, member->name, sizeof member->name) &&
            row_text(rows.items[i].key, member->key, sizeof member->key))
            members.count++;
    }
    *ret_members = members;
    return 0;
}

const struct member *members_find(const struct members *members, const char *key)
{
    for (size_t i = 0; i < members->count; i++)
        if (strcmp(members->items[i].key, key) == 0)
            return &members->items[i];
    return NULL;
}
