/* Key files: which one it is, in a byte, then the file. */
#include "proto/keys.h"
#include "proto/limits.h"
#include "tests/fuzz/memory_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory in which both of a scheduler's files are the one in memory. */
static char directory[] = "/tmp/dusk-fuzz-XXXXXX";
static struct memory_file file;

static void directory_remove(void)
{
    char path[64];
    snprintf(path, sizeof path, "%s/members", directory);
    unlink(path);
    snprintf(path, sizeof path, "%s/scheduler.key", directory);
    unlink(path);
    rmdir(directory);
}

static void directory_make(void)
{
    char path[64];
    FUZZ_CHECK(fchmod(file.fd, 0600) == 0 && mkdtemp(directory));
    snprintf(path, sizeof path, "%s/members", directory);
    FUZZ_CHECK(symlink(file.path, path) == 0);
    snprintf(path, sizeof path, "%s/scheduler.key", directory);
    FUZZ_CHECK(symlink(file.path, path) == 0);
    atexit(directory_remove);
}

static void expect_line(int code, const struct err_text *text)
{
    FUZZ_CHECK(code == DUSK_E_KEYS);
    FUZZ_CHECK(strncmp(text->line, directory, strlen(directory)) == 0 ||
               strncmp(text->line, file.path, strlen(file.path)) == 0);
    FUZZ_CHECK(!strchr(text->line, '\n'));
}

static void read_scheduler(void)
{
    struct key_pair pair;
    struct err_text text;
    int rc = keys_read_scheduler(directory, &pair, &text);
    if (rc < 0)
        expect_line(rc, &text);
    else
        FUZZ_CHECK(strlen(pair.public_key) == KEY_TEXT_BYTES - 1);
}

static void read_members(void)
{
    struct members members;
    struct err_text text;
    int rc = keys_read_members(directory, &members, &text);
    if (rc < 0) {
        expect_line(rc, &text);
        return;
    }
    FUZZ_CHECK(members.count <= LIMIT_MEMBERS);
    for (size_t i = 0; i < members.count; i++) {
        const struct member *member = &members.items[i];
        FUZZ_CHECK(members_find(&members, member->key) == member);
        FUZZ_CHECK(keys_check_name(member->name, &text) == 0);
        FUZZ_CHECK(member_role_rights(member->role) != 0);
    }
    members_fini(&members);
}

static void read_join(void)
{
    struct join join;
    struct err_text text;
    int rc = keys_read_join(file.path, &join, &text);
    if (rc < 0) {
        expect_line(rc, &text);
        return;
    }
    FUZZ_CHECK(strlen(join.scheduler_key) == KEY_TEXT_BYTES - 1);
    FUZZ_CHECK(keys_check_name(join.name, &text) == 0);
    FUZZ_CHECK(member_role_rights(join.role) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed feed = {data, size, 0};
    unsigned kind = feed_below(&feed, 3);
    memory_file_write(&file, data + feed.at, size - feed.at, false);
    static bool made;
    if (!made)
        directory_make();
    made = true;
    if (kind == 0)
        read_scheduler();
    else if (kind == 1)
        read_members();
    else
        read_join();
    return 0;
}

void fuzz_seeds(fuzz_take_fn *take, void *context)
{
#define KEY_A "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define KEY_B "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
    static const char *const texts[] = {
        "\000secret " KEY_A "\n",
        "\000# the scheduler's\n\n  secret\t" KEY_B,
        "\001worker w1 " KEY_A "\nclient alice " KEY_B "\n",
        "\001submitter a.b-c_d " KEY_A "\r\n# nobody else\n",
        "\001worker a " KEY_A "\nworker a " KEY_B "\n",
        "\001worker a " KEY_A "\nworker b " KEY_A "\n",
        "\002role worker\nname w1\nsecret " KEY_A "\nscheduler " KEY_B "\n",
        "\002role client\nname w1\nname w1\n",
        "\002role king\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        take(context, texts[i], 1 + strlen(texts[i] + 1));
}
