#include "proto/keygen.h"

#include "proto/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

static int make_pair(struct key_pair *pair, struct err_text *text)
{
    if (zmq_curve_keypair(pair->public_key, pair->secret_key) == 0)
        return 0;
    return err_set(text, DUSK_E_KEYS, "no keys can be made: %s", zmq_strerror(errno));
}

/* ---- files ---- */

/* A file of the directory that was not there, for its owner alone. */
static int file_create(const char *directory, const char *name, const char *suffix,
                       char path[KEYS_PATH_BYTES], FILE **ret_file,
                       struct err_text *text)
{
    int rc = keys_path(directory, name, suffix, path, text);
    if (rc < 0)
        return rc;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST
                   ? err_set(text, DUSK_E_KEYS,
                             "%s is there already, and is not overwritten", path)
                   : err_set(text, DUSK_E_IO, "cannot write %s: %s", path,
                             strerror(errno));
    *ret_file = fdopen(fd, "w");
    if (*ret_file)
        return 0;
    close(fd);
    unlink(path);
    return err_set(text, DUSK_E_NOMEM, "no memory to write %s", path);
}

/* Closes a file that was written to; one that could not be is removed. */
static int file_close(const char *path, FILE *file, struct err_text *text)
{
    int failed = ferror(file) || fflush(file) != 0 || fsync(fileno(file)) < 0;
    int error = errno;
    failed |= fclose(file) != 0;
    if (!failed)
        return 0;
    unlink(path);
    return err_set(text, DUSK_E_IO, "cannot write %s: %s", path, strerror(error));
}

static int write_scheduler(const char *directory, const struct key_pair *pair,
                           struct err_text *text)
{
    char path[KEYS_PATH_BYTES];
    FILE *file;
    int rc = file_create(directory, "scheduler", ".key", path, &file, text);
    if (rc < 0)
        return rc;
    fprintf(file,
            "# The secret key of a dusk scheduler.  It stays on the scheduler's host.\n"
            "secret %s\n",
            pair->secret_key);
    return file_close(path, file, text);
}

static int write_join(const char *directory, const struct join *join,
                      struct err_text *text)
{
    char path[KEYS_PATH_BYTES];
    FILE *file;
    int rc = file_create(directory, join->name, ".join", path, &file, text);
    if (rc < 0)
        return rc;
    fprintf(file,
            "# What lets a %s join a dusk cluster: secret, for --keys or DUSK_KEYS.\n"
            "role %s\nname %s\nsecret %s\nscheduler %s\n",
            member_role_name(join->role), member_role_name(join->role), join->name,
            join->pair.secret_key, join->scheduler_key);
    return file_close(path, file, text);
}

/* The new list takes the old one's place at once and whole, and keeps its owner. */
static int write_members(const char *directory, const struct members *members,
                         struct err_text *text)
{
    char path[KEYS_PATH_BYTES], fresh[KEYS_PATH_BYTES];
    FILE *file;
    struct stat before;
    int rc = keys_path(directory, "members", "", path, text);
    if (rc == 0)
        rc = file_create(directory, "members", ".new", fresh, &file, text);
    if (rc < 0)
        return rc;
    if (stat(path, &before) == 0 &&
        fchown(fileno(file), before.st_uid, before.st_gid) < 0 && geteuid() == 0)
        rc = err_set(text, DUSK_E_IO, "cannot give %s its owner: %s", fresh,
                     strerror(errno));
    fputs("# Who may connect to this dusk cluster: role, name, public key.  The\n"
          "# scheduler reads this file when it starts and on SIGHUP.\n",
          file);
    for (size_t i = 0; i < members->count; i++)
        fprintf(file, "%s %s %s\n", member_role_name(members->items[i].role),
                members->items[i].name, members->items[i].key);
    int closed = file_close(fresh, file, rc == 0 ? text : NULL);
    rc = rc ? rc : closed;
    if (rc == 0 && rename(fresh, path) < 0)
        rc = err_set(text, DUSK_E_IO, "cannot replace %s: %s", path, strerror(errno));
    if (rc < 0)
        unlink(fresh);
    return rc;
}

/* ---- members ---- */

static struct member *member_by_name(struct members *members, const char *name)
{
    for (size_t i = 0; i < members->count; i++)
        if (strcmp(members->items[i].name, name) == 0)
            return &members->items[i];
    return NULL;
}

static int members_append(struct members *members, const struct join *join,
                          struct err_text *text)
{
    size_t count = members->count + 1;
    if (count > LIMIT_MEMBERS)
        return err_set(text, DUSK_E_LIMIT, "a cluster has at most %u members",
                       LIMIT_MEMBERS);
    struct member *items = realloc(members->items, count * sizeof *items);
    if (!items)
        return err_set(text, DUSK_E_NOMEM, "no memory for a member");
    struct member *member = &items[count - 1];
    member->role = join->role;
    strcpy(member->name, join->name);
    strcpy(member->key, join->pair.public_key);
    *members = (struct members){items, count};
    return 0;
}

/* A member's keys: its join file is written, and it is added to the list. */
static int member_make(const char *directory, enum member_role role, const char *name,
                       const struct key_pair *scheduler, struct members *members,
                       struct err_text *text)
{
    struct join join = {.role = role};
    strcpy(join.name, name);
    strcpy(join.scheduler_key, scheduler->public_key);
    int rc = make_pair(&join.pair, text);
    if (rc == 0)
        rc = members_append(members, &join, text);
    if (rc == 0)
        rc = write_join(directory, &join, text);
    return rc;
}

/* ---- what is asked for ---- */

static int make_directory(const char *directory, struct err_text *text)
{
    struct stat status;
    if (mkdir(directory, 0700) == 0)
        return 0;
    if (errno != EEXIST || stat(directory, &status) < 0)
        return err_set(text, DUSK_E_IO, "cannot make %s: %s", directory,
                       strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return err_set(text, DUSK_E_IO, "%s is no directory", directory);
    if (status.st_mode & 077)
        return err_set(text, DUSK_E_KEYS,
                       "%s is open to others (mode %04o): chmod 700 it", directory,
                       status.st_mode & 07777u);
    return 0;
}

/* The list comes last: keys without one are of no use to anybody. */
int keygen_create(const char *directory, struct err_text *text)
{
    static const enum member_role roles[] = {MEMBER_WORKER, MEMBER_CLIENT,
                                             MEMBER_SUBMITTER};
    struct key_pair scheduler;
    struct members members = {0};
    int rc = make_directory(directory, text);
    if (rc == 0)
        rc = make_pair(&scheduler, text);
    if (rc == 0)
        rc = write_scheduler(directory, &scheduler, text);
    for (size_t i = 0; rc == 0 && i < sizeof roles / sizeof roles[0]; i++)
        rc = member_make(directory, roles[i], member_role_name(roles[i]), &scheduler,
                         &members, text);
    if (rc == 0)
        rc = write_members(directory, &members, text);
    members_fini(&members);
    return rc;
}

int keygen_add(const char *directory, enum member_role role, const char *name,
               struct err_text *text)
{
    struct key_pair scheduler;
    struct members members = {0};
    int rc = keys_check_name(name, text);
    if (rc == 0)
        rc = keys_read_scheduler(directory, &scheduler, text);
    if (rc == 0)
        rc = keys_read_members(directory, &members, text);
    if (rc == 0 && member_by_name(&members, name))
        rc = err_set(text, DUSK_E_KEYS, "%s has a member named %s already", directory,
                     name);
    if (rc == 0)
        rc = member_make(directory, role, name, &scheduler, &members, text);
    if (rc == 0)
        rc = write_members(directory, &members, text);
    members_fini(&members);
    return rc;
}

int keygen_revoke(const char *directory, const char *name, struct err_text *text)
{
    char path[KEYS_PATH_BYTES];
    struct members members = {0};
    int rc = keys_read_members(directory, &members, text);
    struct member *member = rc == 0 ? member_by_name(&members, name) : NULL;
    if (rc == 0 && !member)
        rc = err_set(text, DUSK_E_NOT_FOUND, "%s has no member named '%.64s'",
                     directory, name);
    if (rc == 0) {
        size_t after = (size_t)(members.items + members.count - (member + 1));
        memmove(member, member + 1, after * sizeof *member);
        members.count--;
        rc = write_members(directory, &members, text);
    }
    if (rc == 0)
        rc = keys_path(directory, name, ".join", path, text);
    if (rc == 0)
        unlink(path); /* it may have been moved to its host */
    members_fini(&members);
    return rc;
}

void keygen_remove(const char *directory)
{
    char path[KEYS_PATH_BYTES];
    struct members members = {0};
    if (keys_read_members(directory, &members, NULL) == 0)
        for (size_t i = 0; i < members.count; i++)
            if (keys_path(directory, members.items[i].name, ".join", path, NULL) == 0)
                unlink(path);
    members_fini(&members);
    if (keys_path(directory, "members", "", path, NULL) == 0)
        unlink(path);
    if (keys_path(directory, "scheduler", ".key", path, NULL) == 0)
        unlink(path);
    rmdir(directory);
}
