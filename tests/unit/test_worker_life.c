/* How workers begin and end: options, plugins, the nanny, signals, memory. */
#include "common/clock.h"
#include "tests/test.h"
#include "tests/unit/daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct daemon_play play;
static char directory[64];

static void setup(void)
{
    strcpy(directory, "/tmp/dusk-life-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    daemon_start(&play);
}

static void teardown(void)
{
    daemon_stop(&play);
    ck_assert_int_eq(rmdir(directory), 0); /* so no worker left anything there */
}

static struct payload *one_value(struct dusk_value value)
{
    struct payload_builder builder;
    struct payload *payload;
    payload_builder_init(&builder);
    ck_assert_int_eq(payload_builder_value(&builder, &value, NULL), 0);
    ck_assert_int_eq(payload_builder_finish(&builder, &payload), 0);
    return payload;
}

static struct payload *integer(int64_t number)
{
    return one_value((struct dusk_value){.kind = DUSK_INT, .integer = number});
}

static struct payload *fill(int64_t count)
{
    struct payload_builder builder;
    struct payload *payload;
    payload_builder_init(&builder);
    payload_builder_value(
        &builder, &(struct dusk_value){.kind = DUSK_INT, .integer = count}, NULL);
    payload_builder_value(
        &builder, &(struct dusk_value){.kind = DUSK_FLOAT, .number = 0.5}, NULL);
    ck_assert_int_eq(payload_builder_finish(&builder, &payload), 0);
    return payload;
}

static void run(uint64_t count, const char *function, struct payload *arguments,
                const struct source *input)
{
    daemon_send(&play, 0,
                MESSAGE(run_task, .key = key_make(1, count), .attempt = 1,
                        .function = str_of(function), .inputs = {input, input ? 1 : 0},
                        .arguments = arguments));
    payload_unref(arguments);
}

/* ---- what ends a worker before it begins ---- */

/* Runs dusk-worker to its end; returns the exit status and what it printed. */
static int fails(const char *const *arguments, char *ret_text, size_t size)
{
    int pipes[2];
    ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
    const char *argv[16] = {getenv("DUSK_WORKER")};
    for (int i = 0; arguments[i]; i++)
        argv[i + 1] = arguments[i];
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipes[1], STDERR_FILENO);
        execv(argv[0], (char **)argv);
        _exit(127);
    }
    close(pipes[1]);
    size_t at = 0;
    ssize_t got;
    while (at < size - 1 && (got = read(pipes[0], ret_text + at, size - 1 - at)) > 0)
        at += (size_t)got;
    ret_text[at] = '\0';
    close(pipes[0]);
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static const struct {
    const char *arguments[8];
    int status;
    const char *says;
} bad[] = {
    {{NULL}, 2, "no scheduler"},
    {{"tcp://127.0.0.1:1", "--nonsense", NULL}, 2, "nonsense"},
    {{"tcp://127.0.0.1:1", "--nthreads", "0", NULL}, 2, "--nthreads"},
    {{"tcp://127.0.0.1:1", "--nworkers", "2", "--no-nanny", NULL}, 2, "--no-nanny"},
    {{"localhost", NULL}, 2, "'localhost' is not an address"},
    {{"tcp://127.0.0.1:99999", NULL}, 2, "'tcp://127.0.0.1:99999'"},
    {{"tcp://127.0.0.1:1", "--memory-limit", "4 parsecs", NULL}, 2, "4 parsecs"},
    {{"tcp://127.0.0.1:1", "--memory-limit", "1MB", NULL}, 2, "--memory-limit"},
    {{"tcp://127.0.0.1:1", "--memory-limit", "1.5", NULL}, 2, "--memory-limit"},
    {{"tcp://127.0.0.1:1", "--host", "0.0.0.0", NULL}, 2, "--insecure"},
    {{"tcp://127.0.0.1:1", "--host", "127.example.org", NULL}, 2, "--insecure"},
    {{"tcp://127.0.0.1:1", "--host", "192.0.2.1", "--insecure", NULL}, 1, "192.0.2.1"},
    {{"tcp://127.0.0.1:1", "--local-directory", "/nonexistent", NULL},
     1,
     "/nonexistent: No such file"},
    {{"tcp://127.0.0.1:1", "--connect-timeout", "200ms", NULL},
     1,
     "no scheduler answers at tcp://127.0.0.1:1"},
    {{"tcp://no-such-host.invalid:1", "--connect-timeout", "200ms", NULL},
     1,
     "no-such-host.invalid"},
    {{"tcp://no-such-host.invalid:1", "--connect-timeout", "200ms", "--resources",
      "GPU=x", NULL},
     2,
     "--resources: "},
    {{"tcp://127.0.0.1:1", "--on-scheduler-lost", "x", NULL}, 2, "keep"},
    {{"tcp://127.0.0.1:1", "--preload", "/nonexistent.so", NULL},
     1,
     "plugin /nonexistent.so cannot be read: No such file"},
    {{"tcp://127.0.0.1:1", "--preload", "/etc/passwd", NULL},
     1,
     "plugin /etc/passwd cannot be loaded"},
    {{"tcp://127.0.0.1:1", "--preload", PLUGIN_EMPTY, NULL},
     1,
     "does not export the table dusk_functions"},
    {{"tcp://127.0.0.1:1", "--preload", PLUGIN_CLASH, NULL},
     1,
     "function 'noop' is there already (built in)"},
};

START_TEST(bad_input_gets_one_clear_line)
{
    char text[8192];
    unsetenv("DUSK_SCHEDULER_ADDRESS");
    int status = fails(bad[_i].arguments, text, sizeof text);
    ck_assert_msg(strstr(text, bad[_i].says), "says: %s", text);
    ck_assert_int_eq(status, bad[_i].status);
    if (status == 1)
        ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}
END_TEST

/* ---- plugins ---- */

static const char *const with_plugin[] = {
    "--nthreads", "1", "--memory-limit", "128MB", "--preload", PLUGIN_GOOD, NULL};

START_TEST(a_plugins_functions_run)
{
    daemon_worker(&play, with_plugin);
    daemon_expect(&play, MSG_hello);
    run(1, "twice", integer(21), NULL);
    const struct msg_done *done = &daemon_expect(&play, MSG_done)->done;
    struct values *values;
    ck_assert_int_eq(values_create(done->result, NULL, &values), 0);
    ck_assert_double_eq(values->items[0].plain.number, 42);
    values_destroy(values);
}
END_TEST

/* ---- the nanny ---- */

static pid_t only_child(pid_t parent)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    FILE *file = fopen(path, "re");
    int child = 0;
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%d", &child), 1);
    fclose(file);
    return child;
}

/* Its parent is not ours to wait for: asks until it is gone. */
static void expect_gone(pid_t pid)
{
    uint64_t until = clock_monotonic_ns() + 20 * NS_PER_S;
    while (kill(pid, 0) == 0 || errno != ESRCH) {
        ck_assert_msg(clock_monotonic_ns() < until, "process %d stays", (int)pid);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

static const char *const spilling[] = {
    "--nthreads", "1", "--memory-limit", "64MB", "--local-directory", directory, NULL};

START_TEST(a_killed_worker_is_started_again)
{
    pid_t nanny = daemon_worker(&play, spilling);
    daemon_expect(&play, MSG_hello);
    pid_t worker = only_child(nanny);
    kill(worker, SIGKILL);
    const struct msg_hello *hello = &daemon_expect(&play, MSG_hello)->hello;
    ck_assert_int_eq((int)hello->previous_status, SIGKILL);
    ck_assert_uint_eq(hello->previous_running.count, 0);
    ck_assert_int_ne(only_child(nanny), worker);
}
END_TEST

/* Reads until a line holds `text`; the end of all lines fails the test. */
static void expect_line(FILE *lines, const char *text)
{
    char line[1024];
    do
        ck_assert_msg(fgets(line, sizeof line, lines), "nobody said '%s'", text);
    while (!strstr(line, text));
}

START_TEST(who_is_started_again_waits_for_the_scheduler_like_the_others)
{
    static const char *const waiting[] = {"--connect-timeout", "1.8s", "--log-level",
                                          "warning", NULL};
    int ends[2], error_fd = dup(STDERR_FILENO);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    dup2(ends[1], STDERR_FILENO);
    pid_t nanny = daemon_worker(&play, waiting);
    dup2(error_fd, STDERR_FILENO);
    close(error_fd);
    close(ends[1]);
    daemon_expect(&play, MSG_hello);
    daemon_leave(&play);
    kill(only_child(nanny), SIGKILL);
    FILE *lines = fdopen(ends[0], "r");
    expect_line(lines, "worker died");
    expect_line(lines, "waiting for a scheduler"); /* 2 s after it was started */
    daemon_return(&play);
    const struct msg_hello *hello = &daemon_expect(&play, MSG_hello)->hello;
    ck_assert_int_eq((int)hello->previous_status, SIGKILL);
    fclose(lines);
}
END_TEST

START_TEST(a_killed_nanny_takes_its_worker_along)
{
    pid_t nanny = daemon_worker(&play, spilling);
    daemon_expect(&play, MSG_heartbeat);
    pid_t worker = only_child(nanny);
    kill(nanny, SIGKILL);
    daemon_wait(&play, nanny);
    daemon_expect(&play, MSG_retire);
    daemon_send(&play, 0, MESSAGE(retired, .moved = 0));
    expect_gone(worker);
}
END_TEST

START_TEST(an_exit_in_a_task_counts_as_a_death)
{
    static const int statuses[] = {0, 3};
    daemon_worker(&play, with_plugin);
    daemon_expect(&play, MSG_hello);
    run(1, "leave", integer(statuses[_i]), NULL);
    const struct msg_hello *hello = &daemon_expect(&play, MSG_hello)->hello;
    ck_assert(WIFEXITED((int)hello->previous_status));
    ck_assert_int_eq(WEXITSTATUS((int)hello->previous_status), statuses[_i]);
    ck_assert_uint_eq(hello->previous_running.count, 1);
}
END_TEST

START_TEST(too_much_memory_is_the_end)
{
    daemon_worker(&play, with_plugin);
    daemon_expect(&play, MSG_hello);
    run(1, "hog", integer(256 << 20), NULL);
    const struct msg_hello *hello = &daemon_expect(&play, MSG_hello)->hello;
    ck_assert_int_eq((int)hello->previous_status, SIGKILL);
    ck_assert_uint_eq(hello->previous_running.items[0].bits, key_make(1, 1).bits);
}
END_TEST

START_TEST(sigint_ends_even_a_task_that_does_not_listen)
{
    pid_t nanny = daemon_worker(&play, with_plugin);
    daemon_expect(&play, MSG_hello);
    run(1, "deaf", NULL, NULL);
    while (daemon_expect(&play, MSG_heartbeat)->heartbeat.running.count == 0) {
    }
    pid_t worker = only_child(nanny);
    kill(nanny, SIGINT);
    ck_assert_int_eq(daemon_wait(&play, nanny), 0);
    expect_gone(worker);
}
END_TEST

START_TEST(cancelling_stops_a_sleeper)
{
    daemon_worker(&play, spilling);
    daemon_expect(&play, MSG_hello);
    run(1, "sleep", integer(3600), NULL);
    while (daemon_expect(&play, MSG_heartbeat)->heartbeat.running.count == 0) {
    }
    daemon_send(&play, 0, MESSAGE(stop_task, .key = key_make(1, 1), .attempt = 1));
    ck_assert_int_eq(daemon_expect(&play, MSG_erred)->erred.code, DUSK_E_CANCELLED);
}
END_TEST

static const char *const several[] = {"--nthreads", "1", "--nworkers",     "3",
                                      "--name",     "w", "--memory-limit", "64MB",
                                      NULL};

START_TEST(one_nanny_looks_after_several)
{
    char names[3] = {0};
    pid_t nanny = daemon_worker(&play, several);
    for (int i = 0; i < 3; i++) {
        struct str name = daemon_expect(&play, MSG_hello)->hello.name;
        ck_assert_uint_eq(name.size, 3);
        ck_assert(memcmp(name.text, "w-", 2) == 0);
        names[name.text[2] - '0']++;
    }
    ck_assert(names[0] == 1 && names[1] == 1 && names[2] == 1);
    for (int beats[3] = {0}; !beats[0] || !beats[1] || !beats[2]; beats[play.from]++)
        daemon_expect(&play, MSG_heartbeat); /* all know that they are registered */
    kill(nanny, SIGTERM);
    for (int i = 0; i < 3; i++) {
        daemon_expect(&play, MSG_retire);
        daemon_send(&play, play.from, MESSAGE(retired, .moved = 0));
    }
    ck_assert_int_eq(daemon_wait(&play, nanny), 0);
}
END_TEST

START_TEST(ready_is_told_with_the_data_address)
{
    int pipes[2];
    char number[16], line[256];
    ck_assert_int_eq(pipe(pipes), 0);
    snprintf(number, sizeof number, "%d", pipes[1]);
    const char *const arguments[] = {"--ready-fd", number, "--memory-limit", "64MB",
                                     NULL};
    daemon_worker(&play, arguments);
    close(pipes[1]);
    daemon_expect(&play, MSG_heartbeat);
    FILE *file = fdopen(pipes[0], "r");
    ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
    ck_assert_int_eq(strncmp(line, "ready ", 6), 0);
    line[strlen(line) - 1] = '\0';
    ck_assert_str_eq(line + 6, play.peers[0].address);
    ck_assert_ptr_null(fgets(line, sizeof line, file)); /* and it is closed */
    fclose(file);
}
END_TEST

/* ---- memory ---- */

/* Sanitizers multiply what a process takes: its nanny would kill it. */
#if defined __SANITIZE_THREAD__ || defined __SANITIZE_ADDRESS__
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static const char *const small[] = {"--nthreads",
                                    "1",
                                    "--memory-limit",
                                    "64MB",
                                    SANITIZED ? "--no-nanny" : "--nanny",
                                    "--local-directory",
                                    directory,
                                    NULL};

START_TEST(more_than_memory_holds_is_spilled_and_comes_back)
{
    daemon_worker(&play, small);
    daemon_expect(&play, MSG_hello);
    const int64_t doubles = 1 << 19; /* 4 MiB */
    for (uint64_t i = 1; i <= 30; i++)
        run(i, "fill", fill(doubles), NULL);
    for (uint64_t i = 1; i <= 30; i++)
        daemon_expect(&play, MSG_done);
    const struct msg_heartbeat *beat = &daemon_expect(&play, MSG_heartbeat)->heartbeat;
    ck_assert_uint_gt(beat->spilled, 60u << 20);
    ck_assert_uint_le(beat->memory, 64000000);
    ck_assert(SANITIZED || beat->rss <= 64000000);
    for (uint64_t i = 1; i <= 30; i++) {
        struct source here = {key_make(1, i), 4 << 20, str_of(play.peers[0].address)};
        struct payload_builder builder;
        struct payload *future;
        payload_builder_init(&builder);
        payload_builder_future(&builder, here.key, 0);
        payload_builder_finish(&builder, &future);
        run(100 + i, "total", future, &here);
        struct values *values;
        const struct msg_done *done = &daemon_expect(&play, MSG_done)->done;
        ck_assert_int_eq(values_create(done->result, NULL, &values), 0);
        ck_assert_double_eq(values->items[0].plain.number, (double)doubles / 2);
        values_destroy(values);
    }
}
END_TEST

START_TEST(what_can_never_fit_is_an_error)
{
    daemon_worker(&play, small);
    daemon_expect(&play, MSG_hello);
    run(1, "fill", fill(10 << 20), NULL);
    const struct msg_erred *erred = &daemon_expect(&play, MSG_erred)->erred;
    ck_assert_int_eq(erred->code, DUSK_E_MEMORY_LIMIT);
    ck_assert(
        memmem(erred->reason.text, erred->reason.size, "the worker's limit is", 21));
    run(2, "fill", fill(1 << 10), NULL); /* and the worker goes on */
    daemon_expect(&play, MSG_done);
}
END_TEST

START_TEST(a_disk_that_takes_nothing_is_an_error)
{
    struct rlimit limit, before;
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = 1 << 20;
    setrlimit(RLIMIT_FSIZE, &limit);
    daemon_worker(&play, small);
    setrlimit(RLIMIT_FSIZE, &before);
    daemon_expect(&play, MSG_hello);
    for (uint64_t i = 1; i <= 30; i++)
        run(i, "fill", fill(1 << 19), NULL);
    const struct msg_erred *erred = &daemon_expect(&play, MSG_erred)->erred;
    ck_assert_int_eq(erred->code, DUSK_E_IO);
    ck_assert_msg(
        memmem(erred->reason.text, erred->reason.size, directory, strlen(directory)),
        STR_FORMAT, STR_ARGS(erred->reason));
}
END_TEST

/* ---- strangers ---- */

/* The stranger loses its connection, and the next one is served. */
START_TEST(garbage_on_the_data_socket_harms_nobody)
{
    daemon_worker(&play, spilling);
    daemon_expect(&play, MSG_hello);
    void *stranger, *monitor, *visitor;
    ck_assert_int_eq(link_socket(play.context, ZMQ_DEALER, &stranger, NULL), 0);
    ck_assert_int_eq(link_monitor(play.context, stranger, &monitor, NULL), 0);
    ck_assert_int_eq(link_connect(stranger, play.peers[0].address, NULL), 0);
    zmq_send(stranger, "\xff garbage", 9, ZMQ_SNDMORE);
    zmq_send(stranger, "more", 4, 0);
    struct link_event event = {0};
    while (event.event != ZMQ_EVENT_DISCONNECTED) {
        zmq_pollitem_t news = {.socket = monitor, .events = ZMQ_POLLIN};
        ck_assert_int_eq(zmq_poll(&news, 1, 20000), 1);
        link_next_event(monitor, &event);
    }
    zmq_socket_monitor(stranger, NULL, 0);
    zmq_close(monitor);
    zmq_close(stranger);

    ck_assert_int_eq(link_socket(play.context, ZMQ_DEALER, &visitor, NULL), 0);
    ck_assert_int_eq(link_connect(visitor, play.peers[0].address, NULL), 0);
    batch_add(&play.out, MESSAGE(get_data, .request = 1, .key = key_make(1, 1)));
    zmq_pollitem_t item = {.socket = visitor, .events = ZMQ_POLLOUT};
    ck_assert_int_eq(zmq_poll(&item, 1, 20000), 1);
    ck_assert_int_eq(link_send(visitor, NULL, &play.out), 0);
    item.events = ZMQ_POLLIN;
    ck_assert_int_eq(zmq_poll(&item, 1, 20000), 1);
    zmq_close(visitor);
    run(1, "fill", fill(10), NULL);
    daemon_expect(&play, MSG_done);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker_life");
    TCase *tcase = tcase_create("life");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, bad_input_gets_one_clear_line, 0,
                        (int)(sizeof bad / sizeof bad[0]));
    tcase_add_test(tcase, a_plugins_functions_run);
    tcase_add_test(tcase, a_killed_worker_is_started_again);
    tcase_add_test(tcase, who_is_started_again_waits_for_the_scheduler_like_the_others);
    tcase_add_test(tcase, a_killed_nanny_takes_its_worker_along);
    tcase_add_loop_test(tcase, an_exit_in_a_task_counts_as_a_death, 0, 2);
    tcase_add_test(tcase, too_much_memory_is_the_end);
    tcase_add_test(tcase, sigint_ends_even_a_task_that_does_not_listen);
    tcase_add_test(tcase, cancelling_stops_a_sleeper);
    tcase_add_test(tcase, one_nanny_looks_after_several);
    tcase_add_test(tcase, ready_is_told_with_the_data_address);
    tcase_add_test(tcase, more_than_memory_holds_is_spilled_and_comes_back);
    tcase_add_test(tcase, what_can_never_fit_is_an_error);
    tcase_add_test(tcase, a_disk_that_takes_nothing_is_an_error);
    tcase_add_test(tcase, garbage_on_the_data_socket_harms_nobody);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
