#include "client/cluster.h"
#include "common/units.h"
#include "proto/keys.h"
#include "tests/test.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array) (int)(sizeof(array) / sizeof(array)[0])

static char folder[64], binaries[128], spare[128], program[PATH_MAX];

/* A folder with the stand-in under both daemons' names. */
static void setup(void)
{
    strcpy(folder, "/tmp/dusk-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 32);
    ck_assert_int_gt(length, 0);
    strcpy(strrchr(program, '/') + 1, "stand_in_daemon");
    snprintf(binaries, sizeof binaries, "%s/bin", folder);
    snprintf(spare, sizeof spare, "%s/tmp", folder);
    ck_assert_int_eq(mkdir(binaries, 0700), 0);
    ck_assert_int_eq(mkdir(spare, 0700), 0);
    char path[256];
    snprintf(path, sizeof path, "%s/dusk-scheduler", binaries);
    ck_assert_int_eq(symlink(program, path), 0);
    snprintf(path, sizeof path, "%s/worker", binaries);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/worker/dusk-worker", binaries);
    ck_assert_int_eq(symlink(program, path), 0);
    setenv("DUSK_BINDIR", binaries, 1);
    setenv("TMPDIR", "tmp", 1);
    ck_assert_int_eq(chdir(folder), 0);
}

static void teardown(void)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

/* Keys do not stay behind. */
static void check_empty(const char *directory)
{
    ck_assert_int_eq(rmdir(directory), 0);
    ck_assert_int_eq(mkdir(directory, 0700), 0);
}

static int watch(pid_t pid)
{
    int fd = pidfd_open(pid, 0);
    ck_assert_int_ge(fd, 0);
    return fd;
}

/* Waits for the end of a watched process. */
static void check_ends(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    ck_assert_int_eq(poll(&poll_fd, 1, 20000), 1);
    close(fd);
}

static bool has_ended(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 1;
}

static const struct cluster_options plain = {.workers = 2};

/* ---- what goes wrong at the start ---- */

static const struct {
    const char *scheduler, *worker; /* moods of the stand-ins */
    int code;
    const char *message; /* its end, after the name of a daemon */
} failures[] = {
    {"exit", "", DUSK_E_CLOSED,
     "dusk-scheduler ended with exit code 3: line 999 of many | msg=\"first "
     "line\" "
     "| msg=\"no  [1m luck\""},
    {"", "exit", DUSK_E_CLOSED,
     " ended with exit code 3: line 999 of many | msg=\"first line\" | "
     "msg=\"no  [1m luck\""},
    {"wordy", "", DUSK_E_CLOSED, " ended with exit code 3: line 2: 000"},
    {"", "crash", DUSK_E_CLOSED,
     " was killed by signal 6 (Aborted): a line of the start"},
    {"nonsense", "", DUSK_E_PROTOCOL,
     "dusk-scheduler: said 'hello' instead of 'ready ADDRESS'"},
};

START_TEST(a_daemon_that_does_not_come_up_is_named)
{
    setenv("STAND_IN_SCHEDULER", failures[_i].scheduler, 1);
    setenv("STAND_IN_WORKER", failures[_i].worker, 1);
    struct cluster *cluster = NULL;
    struct err_text error;
    ck_assert_int_eq(cluster_start(&plain, &cluster, &error), failures[_i].code);
    ck_assert_msg(strstr(error.line, failures[_i].message) != NULL, "%s", error.line);
    ck_assert_ptr_null(cluster);
    check_empty(spare);
}
END_TEST

static const struct {
    const char *variable, *name;
} mutes[] = {{"STAND_IN_SCHEDULER", "dusk-scheduler"},
             {"STAND_IN_WORKER", "dusk-worker 0"}};

/* A busy machine may need long until the mute one has written what its log has; then
 * more patience is tried. */
START_TEST(a_daemon_that_is_not_ready_in_time_is_named)
{
    setenv(mutes[_i].variable, "mute", 1);
    struct cluster_options options = plain;
    struct cluster *cluster = NULL;
    struct err_text error, expected;
    options.start_ns = INT64_C(250000000);
    do {
        options.start_ns *= 2;
        err_set(&expected, 0, "%s was not ready within %s: a line of the start",
                mutes[_i].name, units_duration(options.start_ns).text);
        ck_assert_int_eq(cluster_start(&options, &cluster, &error), DUSK_E_TIMEOUT);
    } while (strcmp(error.line, expected.line) != 0 &&
             options.start_ns < 16 * UNITS_NS_PER_S);
    ck_assert_str_eq(error.line, expected.line);
    ck_assert_ptr_null(cluster);
    check_empty(spare);
}
END_TEST

START_TEST(what_cannot_start_is_said)
{
    struct cluster *cluster = NULL;
    struct err_text error;
    struct cluster_options options = plain;
    options.workers = 0;
    ck_assert_int_eq(cluster_start(&options, &cluster, &error), DUSK_E_INVALID);
    ck_assert_str_eq(error.line, "0 workers: not from 1 to 256");
    setenv("DUSK_BINDIR", spare, 1);
    ck_assert_int_eq(cluster_start(&plain, &cluster, &error), DUSK_E_NOT_FOUND);
    char expected[256];
    snprintf(expected, sizeof expected, "dusk-scheduler: not found in DUSK_BINDIR=%s",
             spare);
    ck_assert_str_eq(error.line, expected);
    unsetenv("DUSK_BINDIR");
    setenv("PATH", spare, 1);
    ck_assert_int_eq(cluster_start(&plain, &cluster, &error), DUSK_E_NOT_FOUND);
    ck_assert_ptr_nonnull(
        strstr(error.line, "neither beside this program nor in PATH"));
}
END_TEST

static volatile sig_atomic_t stop;

static void on_alarm(int number)
{
    stop = number;
}

START_TEST(a_start_can_be_given_up)
{
    setenv("STAND_IN_WORKER", "mute", 1);
    struct cluster_options options = plain;
    options.start_ns = INT64_C(50000000000);
    options.stop = &stop;
    signal(SIGUSR1, on_alarm);
    pid_t self = getpid(), pid = fork();
    if (pid == 0) {
        /* Once its sibling, the keeper, has a worker, the start has begun, and the
         * worker never lets it end. */
        char command[256];
        snprintf(command, sizeof command,
                 "until pgrep -P $(pgrep -P %d dusk-keeper) dusk-worker; do sleep .01; "
                 "done >/dev/null 2>&1",
                 (int)self);
        _exit(system(command) != 0 || kill(self, SIGUSR1) < 0);
    }
    struct cluster *cluster = NULL;
    struct err_text error;
    ck_assert_int_eq(cluster_start(&options, &cluster, &error), DUSK_E_CANCELLED);
    ck_assert_str_eq(error.line, "stopped while the cluster started");
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

/* ---- life and end ---- */

/* The arguments of a process, each with a space behind it; chance has six letters of
 * the directory of the keys. */
static void check_command(pid_t pid, const char *expected)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    FILE *file = fopen(path, "r");
    size_t length = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    for (size_t i = 0; i < length; i++)
        line[i] = line[i] ? line[i] : ' ';
    line[length] = '\0';
    char *keys = strstr(line, "/dusk-");
    if (keys)
        memset(keys + strlen("/dusk-"), 'X', 6);
    ck_assert_str_eq(line, expected);
}

START_TEST(a_cluster_starts_and_stops)
{
    const char *const further[] = {"--preload", "x.so", NULL};
    struct cluster_options options = {
        .workers = 3, .threads = 2, .memory_limit = 1 << 30, .worker_args = further};
    struct cluster *cluster;
    struct err_text error = {""};
    int rc = cluster_start(&options, &cluster, &error);
    ck_assert_str_eq(error.line, "");
    ck_assert_int_eq(rc, 0);
    ck_assert_str_eq(cluster_address(cluster), "tcp://127.0.0.1:1111");
    ck_assert_int_eq(cluster_check(cluster, &error), 0);
    struct join join;
    ck_assert_int_eq(keys_read_join(cluster_keys(cluster), &join, &error), 0);
    ck_assert_int_eq(join.role, MEMBER_CLIENT);
    check_empty(spare);
    int watched[] = {watch(cluster_scheduler_pid(cluster)),
                     watch(cluster_worker_pid(cluster, 0)),
                     watch(cluster_worker_pid(cluster, 2))};
    /* Out of reach of what a terminal sends to the program's group. */
    pid_t keeper = cluster_keeper_pid(cluster), worker = cluster_worker_pid(cluster, 0);
    ck_assert_int_eq(getsid(keeper), keeper);
    ck_assert_int_eq(getpgid(worker), worker);
    check_command(cluster_scheduler_pid(cluster),
                  "dusk-scheduler --host=127.0.0.1 --port=0 --keys=tmp/dusk-XXXXXX "
                  "--ready-fd=3 ");
    check_command(cluster_worker_pid(cluster, 2),
                  "dusk-worker tcp://127.0.0.1:1111 --name=worker-2 "
                  "--keys=tmp/dusk-XXXXXX/worker.join --nthreads=2 "
                  "--memory-limit=1073741824 --preload x.so --ready-fd=3 ");
    ck_assert_int_eq(cluster_stop(cluster), 0);
    for (int i = 0; i < 3; i++)
        ck_assert(has_ended(watched[i]));
    ck_assert_int_eq(cluster_stop(NULL), 0);
}
END_TEST

START_TEST(a_cluster_can_do_without_keys)
{
    struct cluster_options options = {.workers = 1, .plain = true};
    struct cluster *cluster;
    struct err_text error = {""};
    ck_assert_int_eq(cluster_start(&options, &cluster, &error), 0);
    ck_assert_str_eq(cluster_keys(cluster), "");
    check_command(cluster_scheduler_pid(cluster),
                  "dusk-scheduler --host=127.0.0.1 --port=0 --ready-fd=3 ");
    check_command(cluster_worker_pid(cluster, 0),
                  "dusk-worker tcp://127.0.0.1:1111 --name=worker-0 --keys= "
                  "--ready-fd=3 ");
    ck_assert_int_eq(cluster_stop(cluster), 0);
    check_empty(spare);
}
END_TEST

START_TEST(daemons_are_found_in_the_search_path)
{
    unsetenv("DUSK_BINDIR");
    char path[PATH_MAX];
    snprintf(path, sizeof path, "::/nowhere:%s:%s/worker", binaries, binaries);
    setenv("PATH", path, 1);
    struct cluster *cluster;
    struct err_text error = {""};
    ck_assert_int_eq(cluster_start(&plain, &cluster, &error), 0);
    ck_assert_int_eq(cluster_stop(cluster), 0);
}
END_TEST

START_TEST(the_stopped_are_ended_too)
{
    setenv("STAND_IN_WORKER", "polite", 1);
    struct cluster *cluster;
    ck_assert_int_eq(cluster_start(&plain, &cluster, NULL), 0);
    int fd = watch(cluster_worker_pid(cluster, 0));
    ck_assert_int_eq(kill(cluster_worker_pid(cluster, 0), SIGSTOP), 0);
    ck_assert_int_eq(cluster_stop(cluster), 0);
    ck_assert(has_ended(fd));
}
END_TEST

/* A cluster whose worker has two children, watched: one in its process group, one
 * in a session of its own. */
static struct cluster *start_with_children(int fds[2])
{
    char children[256];
    snprintf(children, sizeof children, "%s/children", spare);
    setenv("STAND_IN_CHILDREN", children, 1);
    setenv("STAND_IN_WORKER", "multiply", 1);
    struct cluster_options options = plain;
    options.workers = 1;
    struct cluster *cluster;
    ck_assert_int_eq(cluster_start(&options, &cluster, NULL), 0);
    FILE *file = fopen(children, "r");
    int pids[2] = {0};
    ck_assert_int_eq(fscanf(file, "%d %d", &pids[0], &pids[1]), 2);
    fclose(file);
    fds[0] = watch(pids[0]);
    fds[1] = watch(pids[1]);
    return cluster;
}

START_TEST(what_a_daemon_leaves_in_its_group_ends_with_it)
{
    int fds[2];
    struct cluster *cluster = start_with_children(fds);
    kill(cluster_worker_pid(cluster, 0), SIGKILL);
    check_ends(fds[0]);
    ck_assert(!has_ended(fds[1]));
    cluster_stop(cluster);
    ck_assert(has_ended(fds[1]));
}
END_TEST

START_TEST(children_of_daemons_are_ended_too)
{
    int fds[2];
    struct cluster *cluster = start_with_children(fds);
    ck_assert_int_eq(cluster_stop(cluster), 0);
    ck_assert(has_ended(fds[0]));
    ck_assert(has_ended(fds[1]));
}
END_TEST

/* Kills a daemon and waits until the cluster has something to say about it. */
static int kill_and_check(struct cluster *cluster, pid_t pid, struct err_text *error)
{
    struct pollfd fd = {.fd = cluster_fd(cluster), .events = POLLIN};
    kill(pid, SIGKILL);
    ck_assert_int_eq(poll(&fd, 1, 20000), 1);
    return cluster_check(cluster, error);
}

/* Only those that live are counted, and none of them ends by itself. */
START_TEST(the_stubborn_are_killed)
{
    setenv("STAND_IN_SCHEDULER", "stubborn", 1);
    setenv("STAND_IN_WORKER", "stubborn", 1);
    struct cluster_options options = plain;
    options.stop_ns = INT64_C(100000000);
    struct cluster *cluster;
    struct err_text error;
    ck_assert_int_eq(cluster_start(&options, &cluster, NULL), 0);
    int fd = watch(cluster_worker_pid(cluster, 1));
    ck_assert_int_eq(kill_and_check(cluster, cluster_worker_pid(cluster, 0), &error),
                     CLUSTER_WORKER_ENDED);
    ck_assert_int_eq(cluster_stop(cluster), 2);
    ck_assert(has_ended(fd));
}
END_TEST

START_TEST(a_daemon_that_ends_is_reported)
{
    struct cluster *cluster;
    struct err_text error;
    ck_assert_int_eq(cluster_start(&plain, &cluster, NULL), 0);
    ck_assert_int_eq(kill_and_check(cluster, cluster_worker_pid(cluster, 1), &error),
                     CLUSTER_WORKER_ENDED);
    ck_assert_str_eq(error.line, "dusk-worker 1 was killed by signal 9 (Killed): "
                                 "a line of the start");
    ck_assert_int_eq(cluster_check(cluster, &error), 0);
    ck_assert_int_eq(kill_and_check(cluster, cluster_worker_pid(cluster, 0), &error),
                     DUSK_E_CLOSED);
    ck_assert_str_eq(error.line, "dusk-worker 0 was killed by signal 9 (Killed): "
                                 "a line of the start");
    ck_assert_int_eq(cluster_check(cluster, &error), DUSK_E_CLOSED);
    ck_assert_int_eq(cluster_stop(cluster), 0);
    ck_assert_int_eq(cluster_start(&plain, &cluster, NULL), 0);
    ck_assert_int_eq(kill_and_check(cluster, cluster_scheduler_pid(cluster), &error),
                     DUSK_E_CLOSED);
    ck_assert_ptr_nonnull(strstr(error.line, "dusk-scheduler was killed by signal 9"));
    ck_assert_int_eq(cluster_stop(cluster), 0);
}
END_TEST

START_TEST(without_its_keeper_the_cluster_ends)
{
    setenv("STAND_IN_WORKER", "stubborn", 1);
    struct cluster_options options = plain;
    options.stop_ns = INT64_C(200000000);
    struct cluster *cluster;
    struct err_text error;
    ck_assert_int_eq(cluster_start(&options, &cluster, NULL), 0);
    int scheduler = watch(cluster_scheduler_pid(cluster));
    int worker = watch(cluster_worker_pid(cluster, 1));
    ck_assert_int_eq(kill_and_check(cluster, cluster_keeper_pid(cluster), &error),
                     DUSK_E_CLOSED);
    ck_assert_str_eq(error.line,
                     "the cluster's keeper was killed, and the cluster with it");
    check_ends(scheduler);
    ck_assert(!has_ended(worker));
    ck_assert_int_eq(cluster_stop(cluster), 2);
    check_ends(worker);
}
END_TEST

/* The program in a process of its own, which tells its cluster and waits. */
static void run_program(int tell_fd)
{
    struct cluster *cluster;
    if (cluster_start(&plain, &cluster, NULL) < 0)
        _exit(1);
    pid_t pids[] = {cluster_scheduler_pid(cluster), cluster_worker_pid(cluster, 0),
                    cluster_worker_pid(cluster, 1), cluster_keeper_pid(cluster)};
    if (write(tell_fd, pids, sizeof pids) != sizeof pids)
        _exit(1);
    for (;;)
        pause();
}

static const int deadly[] = {SIGKILL, SIGTERM, SIGINT, SIGSEGV};

START_TEST(however_the_program_ends_nothing_is_left)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < COUNT(deadly); i++)
            signal(deadly[i], SIG_DFL); /* no handler of Check's or a sanitizer's */
        run_program(ends[1]);
    }
    pid_t pids[4];
    ck_assert_int_eq(read(ends[0], pids, sizeof pids), sizeof pids);
    int fds[4];
    for (int i = 0; i < 4; i++)
        fds[i] = watch(pids[i]);
    ck_assert(!has_ended(fds[3]));
    kill(pid, deadly[_i]);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    for (int i = 0; i < 4; i++)
        check_ends(fds[i]);
}
END_TEST

START_TEST(two_clusters_do_not_hold_each_other)
{
    struct cluster *first, *second;
    ck_assert_int_eq(cluster_start(&plain, &first, NULL), 0);
    ck_assert_int_eq(cluster_start(&plain, &second, NULL), 0);
    int fd = watch(cluster_worker_pid(second, 0));
    ck_assert_int_eq(cluster_stop(first), 0);
    ck_assert(!has_ended(fd));
    ck_assert_int_eq(cluster_stop(second), 0);
    ck_assert(has_ended(fd));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cluster");
    TCase *tcase = tcase_create("cluster");
    tcase_add_unchecked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_daemon_that_does_not_come_up_is_named, 0,
                        COUNT(failures));
    tcase_add_loop_test(tcase, a_daemon_that_is_not_ready_in_time_is_named, 0,
                        COUNT(mutes));
    tcase_add_test(tcase, what_cannot_start_is_said);
    tcase_add_test(tcase, a_start_can_be_given_up);
    tcase_add_test(tcase, a_cluster_starts_and_stops);
    tcase_add_test(tcase, a_cluster_can_do_without_keys);
    tcase_add_test(tcase, daemons_are_found_in_the_search_path);
    tcase_add_test(tcase, the_stubborn_are_killed);
    tcase_add_test(tcase, the_stopped_are_ended_too);
    tcase_add_test(tcase, what_a_daemon_leaves_in_its_group_ends_with_it);
    tcase_add_test(tcase, children_of_daemons_are_ended_too);
    tcase_add_test(tcase, a_daemon_that_ends_is_reported);
    tcase_add_test(tcase, without_its_keeper_the_cluster_ends);
    tcase_add_loop_test(tcase, however_the_program_ends_nothing_is_left, 0,
                        COUNT(deadly));
    tcase_add_test(tcase, two_clusters_do_not_hold_each_other);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
