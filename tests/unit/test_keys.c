/* Key files: what is made can be read, and what is wrong is named with its line. */
#include "proto/keygen.h"
#include "tests/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(array) (int)(sizeof(array) / sizeof(array)[0])
#define KEY1 "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define KEY2 "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"

static char folder[64];

static void setup(void)
{
    strcpy(folder, "/tmp/dusk-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
}

static void teardown(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void write_file(const char *path, const char *text, size_t size, mode_t mode)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fwrite(text, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path, mode), 0);
}

/* ---- bad files ---- */

#define JOIN "role worker\nname w\nsecret " KEY1 "\nscheduler " KEY2 "\n"

static const struct {
    const char *text, *line;
} bad_joins[] = {
    {"", "x.join: there is no line 'role'"},
    {"role worker\nname w\nsecret " KEY1 "\n", "x.join: there is no line 'scheduler'"},
    {"# comment\n\nrole boss\n",
     "x.join:3: 'boss' is no role: worker, client or submitter"},
    {"role worker\nrole worker\n", "x.join:2: 'role' is there twice"},
    {"role\n", "x.join:1: 'role' takes one value"},
    {"role worker please\n", "x.join:1: 'role' takes one value"},
    {"role worker please now\n", "x.join:1: more than 3 words"},
    {"secret abc\n", "x.join:1: a key has 40 characters of Z85"},
    {"secret " KEY1 "a\n", "x.join:1: a key has 40 characters of Z85"},
    {"secret rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf,\n",
     "x.join:1: a key has 40 characters of Z85"},
    {"secret %%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%\n", NULL},
    {"name ../x\n", "x.join:1: '../x' is no member's name: "},
    {"colour red\n", "x.join:1: 'colour' is not known here"},
    {JOIN "colour red\n", "x.join:5: 'colour' is not known here"},
};

START_TEST(bad_join_files_are_named)
{
    struct join join = {.name = "before"};
    struct err_text text;
    const char *line = bad_joins[_i].line;
    write_file("x.join", bad_joins[_i].text, strlen(bad_joins[_i].text), 0600);
    ck_assert_int_eq(keys_read_join("x.join", &join, &text), DUSK_E_KEYS);
    if (line)
        ck_assert_msg(strncmp(text.line, line, strlen(line)) == 0, "%s", text.line);
    ck_assert_str_eq(join.name, "before");
}
END_TEST

START_TEST(a_join_file_may_have_blanks_and_comments)
{
    static const char text[] = "# c\r\n\n  role\tworker \r\nname w\nscheduler " KEY2
                               "\n  # more\nsecret " KEY1;
    struct join join;
    struct err_text error = {""};
    write_file("x.join", text, strlen(text), 0600);
    int rc = keys_read_join("x.join", &join, &error);
    ck_assert_str_eq(error.line, "");
    ck_assert_int_eq(rc, 0);
    ck_assert_int_eq(join.role, MEMBER_WORKER);
    ck_assert_str_eq(join.name, "w");
    ck_assert_str_eq(join.pair.secret_key, KEY1);
    ck_assert_int_eq(strlen(join.pair.public_key), 40);
    ck_assert_str_eq(join.scheduler_key, KEY2);
}
END_TEST

static const struct {
    const char *text, *line;
} bad_members[] = {
    {"worker w\n", "./members:1: a member is ROLE NAME PUBLIC-KEY"},
    {"worker w " KEY1 " x\n", "./members:1: more than 3 words"},
    {"boss w " KEY1 "\n",
     "./members:1: 'boss' is no role: worker, client or submitter"},
    {"worker -w " KEY1 "\n", "./members:1: '-w' is no member's name: "},
    {"worker w abc\n", "./members:1: a key has 40 characters of Z85"},
    {"worker w " KEY1 "\nclient w " KEY2 "\n",
     "./members:2: the name w is there twice"},
    {"worker w " KEY1 "\n\nclient c " KEY1 "\n",
     "./members:3: w and c have the same key"},
};

START_TEST(bad_lists_are_named)
{
    struct members members = {0};
    struct err_text text;
    write_file("members", bad_members[_i].text, strlen(bad_members[_i].text), 0600);
    ck_assert_int_eq(keys_read_members(".", &members, &text), DUSK_E_KEYS);
    ck_assert_msg(
        strncmp(text.line, bad_members[_i].line, strlen(bad_members[_i].line)) == 0,
        "%s", text.line);
    ck_assert_int_eq(members.count, 0);
}
END_TEST

static const struct {
    mode_t mode;
    const char *line;
} modes[] = {
    {0644, "x.join can be read by others (mode 0644): chmod 600 it"},
    {0620, "x.join can be read by others (mode 0620): chmod 600 it"},
    {0604, "x.join can be read by others (mode 0604): chmod 600 it"},
    {0400, NULL},
    {0600, NULL},
};

START_TEST(files_of_others_are_refused)
{
    struct join join;
    struct err_text text = {""};
    write_file("x.join", JOIN, strlen(JOIN), modes[_i].mode);
    int rc = keys_read_join("x.join", &join, &text);
    ck_assert_int_eq(rc, modes[_i].line ? DUSK_E_KEYS : 0);
    ck_assert_str_eq(text.line, modes[_i].line ? modes[_i].line : "");
}
END_TEST

START_TEST(what_is_no_text_file_is_refused)
{
    struct join join;
    struct err_text text;
    ck_assert_int_eq(keys_read_join("x.join", &join, &text), DUSK_E_KEYS);
    ck_assert_str_eq(text.line, "x.join: No such file or directory");
    ck_assert_int_eq(keys_read_join(".", &join, &text), DUSK_E_KEYS);
    ck_assert_str_eq(text.line, ". is no regular file");
    write_file("x.join", JOIN "\0", sizeof JOIN, 0600);
    ck_assert_int_eq(keys_read_join("x.join", &join, &text), DUSK_E_KEYS);
    ck_assert_str_eq(text.line, "x.join is no text file");
    ck_assert_int_eq(truncate("x.join", (4 << 20) + 1), 0);
    ck_assert_int_eq(keys_read_join("x.join", &join, &text), DUSK_E_KEYS);
    ck_assert_str_eq(text.line, "x.join is larger than 4194304 bytes");
}
END_TEST

/* ---- what is made ---- */

START_TEST(what_is_made_can_be_read)
{
    struct key_pair scheduler;
    struct members members;
    struct join join;
    ck_assert_int_eq(keygen_create("keys/", NULL), 0);
    ck_assert_int_eq(keys_read_scheduler("keys", &scheduler, NULL), 0);
    ck_assert_int_eq(keys_read_members("keys", &members, NULL), 0);
    ck_assert_int_eq(members.count, 3);
    for (size_t i = 0; i < members.count; i++) {
        char path[128];
        snprintf(path, sizeof path, "keys/%s.join", members.items[i].name);
        ck_assert_int_eq(keys_read_join(path, &join, NULL), 0);
        ck_assert_int_eq(join.role, members.items[i].role);
        ck_assert_str_eq(join.name, member_role_name(join.role));
        ck_assert_str_eq(join.pair.public_key, members.items[i].key);
        ck_assert_str_eq(join.scheduler_key, scheduler.public_key);
        ck_assert_ptr_eq(members_find(&members, join.pair.public_key),
                         &members.items[i]);
    }
    ck_assert_ptr_null(members_find(&members, scheduler.public_key));
    ck_assert_ptr_null(members_find(&members, ""));
    members_fini(&members);
    keygen_remove("keys");
    ck_assert_int_eq(access("keys", F_OK), -1);
}
END_TEST

START_TEST(members_are_added_and_revoked)
{
    struct members members;
    struct err_text text;
    ck_assert_int_eq(keygen_create("keys", NULL), 0);
    for (int i = 0; i < 40; i++) {
        char name[16];
        snprintf(name, sizeof name, "host%d", i);
        ck_assert_int_eq(keygen_add("keys", MEMBER_WORKER, name, NULL), 0);
    }
    ck_assert_int_eq(keygen_add("keys", MEMBER_CLIENT, "host7", &text), DUSK_E_KEYS);
    ck_assert_str_eq(text.line, "keys has a member named host7 already");
    ck_assert_int_eq(keygen_revoke("keys", "host7", NULL), 0);
    ck_assert_int_eq(keygen_revoke("keys", "host7", &text), DUSK_E_NOT_FOUND);
    ck_assert_int_eq(access("keys/host7.join", F_OK), -1);
    ck_assert_int_eq(keys_read_members("keys", &members, NULL), 0);
    ck_assert_int_eq(members.count, 42);
    for (size_t i = 0; i < members.count; i++)
        ck_assert_str_ne(members.items[i].name, "host7");
    ck_assert_str_eq(members.items[41].name, "host39");
    members_fini(&members);
    keygen_remove("keys");
    ck_assert_int_eq(access("keys", F_OK), -1);
}
END_TEST

START_TEST(nothing_is_overwritten)
{
    struct err_text text;
    ck_assert_int_eq(keygen_create("keys", NULL), 0);
    ck_assert_int_eq(keygen_create("keys", &text), DUSK_E_KEYS);
    ck_assert_str_eq(text.line,
                     "keys/scheduler.key is there already, and is not overwritten");
    write_file("keys/x.join", "mine", 4, 0600);
    ck_assert_int_eq(keygen_add("keys", MEMBER_WORKER, "x", &text), DUSK_E_KEYS);
    ck_assert_str_eq(text.line, "keys/x.join is there already, and is not overwritten");
    ck_assert_int_eq(chmod("keys", 0755), 0);
    ck_assert_int_eq(keygen_create("keys", &text), DUSK_E_KEYS);
    ck_assert_str_eq(text.line, "keys is open to others (mode 0755): chmod 700 it");
    ck_assert_int_eq(keygen_create("/proc/keys", &text), DUSK_E_IO);
}
END_TEST

/* ---- rights ---- */

static const struct {
    const char *word;
    enum member_role role;
    unsigned rights;
} roles[] = {
    {"worker", MEMBER_WORKER, RIGHT_WORK},
    {"client", MEMBER_CLIENT, RIGHT_SUBMIT | RIGHT_UPLOAD | RIGHT_SHUTDOWN},
    {"submitter", MEMBER_SUBMITTER, RIGHT_SUBMIT},
    {"boss", 0, 0},
    {"", 0, 0},
    {"Worker", 0, 0},
};

START_TEST(roles_have_rights)
{
    ck_assert_int_eq(member_role_parse(roles[_i].word), roles[_i].role);
    ck_assert_int_eq(member_role_rights(roles[_i].role), roles[_i].rights);
    ck_assert_int_eq(member_role_rights((enum member_role)7), 0);
    ck_assert_ptr_null(member_role_name((enum member_role)7));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("keys");
    TCase *tcase = tcase_create("keys");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, bad_join_files_are_named, 0, COUNT(bad_joins));
    tcase_add_test(tcase, a_join_file_may_have_blanks_and_comments);
    tcase_add_loop_test(tcase, bad_lists_are_named, 0, COUNT(bad_members));
    tcase_add_loop_test(tcase, files_of_others_are_refused, 0, COUNT(modes));
    tcase_add_test(tcase, what_is_no_text_file_is_refused);
    tcase_add_test(tcase, what_is_made_can_be_read);
    tcase_add_test(tcase, members_are_added_and_revoked);
    tcase_add_test(tcase, nothing_is_overwritten);
    tcase_add_loop_test(tcase, roles_have_rights, 0, COUNT(roles));
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
