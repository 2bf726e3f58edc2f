/* The client library over real sockets, against a scheduler that a thread of this
 * program plays. */
#include "client/dusk.h"
#include "common/clock.h"
#include "fake_scheduler.h"
#include "tests/test.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOON 10.0 /* seconds that no test needs */

static struct dusk_client *connected(const struct fake_scheduler *fake)
{
    struct dusk_client *client;
    if (dusk_connect(fake_address(fake), SOON, &client) < 0)
        ck_abort_msg("%s", dusk_last_error());
    return client;
}

#define OK(call)                                                                       \
    do {                                                                               \
        int rc_ = (call);                                                              \
        if (rc_ != 0)                                                                  \
            ck_abort_msg("%s: %d, %s", #call, rc_, dusk_last_error());                 \
    } while (0)

#define FAILS(code, words, call)                                                       \
    do {                                                                               \
        ck_assert_int_eq((call), (code));                                              \
        if (!strstr(dusk_last_error(), (words)))                                       \
            ck_abort_msg("%s: '%s' without '%s'", #call, dusk_last_error(), (words));  \
    } while (0)

/* ---- connecting ---- */

START_TEST(what_is_no_address_is_named)
{
    static const char *const addresses[] = {"8786", "tcp://host", "tcp://:1",
                                            "http://host:80", "tcp://host:99999"};
    struct dusk_client *client;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++)
        FAILS(DUSK_E_INVALID, addresses[i], dusk_connect(addresses[i], 1, &client));
}
END_TEST

START_TEST(nobody_there_is_told_in_time)
{
    struct dusk_client *client;
    uint64_t start_ns = clock_monotonic_ns();
    FAILS(DUSK_E_UNREACHABLE, "tcp://127.0.0.1:1 cannot be reached within 0.3 s",
          dusk_connect("tcp://127.0.0.1:1", 0.3, &client));
    FAILS(DUSK_E_UNREACHABLE, "cannot be reached",
          dusk_connect("tcp://no-such-host.invalid:1", 0.2, &client));
    ck_assert_uint_lt(clock_monotonic_ns() - start_ns, 20 * NS_PER_S);
}
END_TEST

/* Whom nobody can talk to; on a busy machine it may take long to get as far as that. */
static void check_mismatch(const char *address, const char *words)
{
    struct dusk_client *client;
    double patience_s = 0.15;
    do
        ck_assert_int_eq(dusk_connect(address, patience_s *= 2, &client),
                         DUSK_E_UNREACHABLE);
    while (!strstr(dusk_last_error(), words) && patience_s < 9);
    ck_assert_msg(strstr(dusk_last_error(), words), "%s", dusk_last_error());
}

START_TEST(who_speaks_no_zeromq_is_told)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    char text[64];
    snprintf(text, sizeof text, "tcp://127.0.0.1:%d", ntohs(address.sin_port));
    check_mismatch(text, "does not speak ZeroMQ");
    close(fd);
}
END_TEST

START_TEST(who_speaks_no_dusk_is_told)
{
    struct fake_scheduler *fake = fake_start(0, FAKE_SILENT);
    check_mismatch(fake_address(fake), "does not answer like a scheduler of dusk");
    fake_stop(fake);
}
END_TEST

START_TEST(a_refusal_has_its_sentence)
{
    struct fake_scheduler *fake = fake_start(0, FAKE_REFUSING);
    struct dusk_client *client;
    FAILS(DUSK_E_REFUSED, "not on Sundays",
          dusk_connect(fake_address(fake), SOON, &client));
    fake_stop(fake);
}
END_TEST

START_TEST(after_a_refusal_nothing_is_submitted)
{
    struct fake_scheduler *fake = fake_start(0, FAKE_POLITE);
    unsigned port = fake_port(fake);
    struct dusk_client *client = connected(fake);
    struct dusk_future *before, *after;
    OK(dusk_submit(client, &before, "mute", ""));
    fake_stop(fake);
    fake = fake_start(port, FAKE_REFUSING);
    FAILS(DUSK_E_REFUSED, "not on Sundays", dusk_result(before, SOON, ""));
    FAILS(DUSK_E_REFUSED, "not on Sundays", dusk_submit(client, &after, "echo", ""));
    FAILS(DUSK_E_REFUSED, "not on Sundays",
          dusk_scatter(client, &after, "l", INT64_C(1)));
    FAILS(DUSK_E_REFUSED, "not on Sundays", dusk_map(client, &after, 1, "echo", ""));
    dusk_release(&before, 1);
    dusk_close(client);
    fake_stop(fake);
}
END_TEST

START_TEST(a_scheduler_that_starts_late_is_found)
{
    struct fake_scheduler *fake = fake_start(0, FAKE_POLITE);
    unsigned port = fake_port(fake);
    fake_stop(fake);
    char text[64];
    snprintf(text, sizeof text, "tcp://127.0.0.1:%u", port);
    setenv("DUSK_SCHEDULER_ADDRESS", text, 1);
    struct dusk_client *client;
    FAILS(DUSK_E_UNREACHABLE, text, dusk_connect(NULL, 0.2, &client));
    fake = fake_start(port, FAKE_POLITE);
    OK(dusk_connect(NULL, SOON, &client));
    ck_assert_str_eq(dusk_address(client), text);
    dusk_close(client);
    fake_stop(fake);
}
END_TEST

/* ---- mistakes ---- */

START_TEST(mistakes_in_arguments_are_named)
{
    struct fake_scheduler *fake = fake_start(0, FAKE_POLITE);
    struct dusk_client *client = connected(fake), *other = connected(fake);
    struct dusk_future *future, *foreign;
    struct dusk_array shapeless = {.dtype = DUSK_F64, .ndim = 9};
    OK(dusk_submit(other, &foreign, "echo", ""));
    FAILS(DUSK_E_INVALID, "name of a function", dusk_submit(client, &future, "", "l"));
    FAILS(DUSK_E_INVALID, "'x' is no letter",
          dusk_submit(client, &future, "echo", "lx", (int64_t)1, 2));
    FAILS(DUSK_E_INVALID, "NULL for a string",
          dusk_submit(client, &future, "echo", "s", NULL));
    FAILS(DUSK_E_INVALID, "no type or shape",
          dusk_submit(client, &future, "echo", "a", &shapeless));
    FAILS(DUSK_E_INVALID, "future for 'f' is NULL",
          dusk_submit(client, &future, "echo", "f", NULL));
    FAILS(DUSK_E_INVALID, "another client's",
          dusk_submit(client, &future, "echo", "f", foreign));
    FAILS(DUSK_E_INVALID, "cannot hold a future",
          dusk_scatter(other, &future, "f", foreign));
    FAILS(DUSK_E_INVALID, "'=' is no letter",
          dusk_map(client, &future, 1, "echo", "="));
    double none = 0;
    struct dusk_array huge = {DUSK_F64, 1, {(256 << 17) + 1}, &none};
    FAILS(DUSK_E_LIMIT, "an array of 268435464 bytes; more than 268435456 must be",
          dusk_submit(client, &future, "echo", "a", &huge));
    char *text = malloc(12 << 20);
    memset(text, 'x', 12 << 20);
    text[(12 << 20) - 1] = '\0';
    FAILS(DUSK_E_LIMIT, "bytes of arguments that are no arrays",
          dusk_submit(client, &future, "echo", "s", text));
    free(text);
    FAILS(DUSK_E_INVALID, "is not a key",
          dusk_why(client, "hello", 1, (char[10]){0}, 10));
    OK(dusk_wait(&foreign, 1, DUSK_ALL, SOON));
    ck_assert_int_eq(atomic_load(&fake_counts(fake)->submits), 1);
    dusk_release(&foreign, 1);
    dusk_close(other);
    dusk_close(client);
    fake_stop(fake);
}
END_TEST

START_TEST(mistakes_about_results_are_named)
{
    struct fake_scheduler *fake = fake_start(0, FAKE_POLITE);
    struct dusk_client *client = connected(fake);
    struct dusk_future *future, *failing, *mute;
    int64_t number;
    OK(dusk_submit(client, &future, "echo", "ds", 1.5, "text"));
    OK(dusk_submit(client, &failing, "fail", ""));
    OK(dusk_submit(client, &mute, "mute", ""));
    FAILS(DUSK_E_TYPE, "item 0 of echo", dusk_result(future, SOON, "l*", &number));
    FAILS(DUSK_E_TYPE, "has 2 items, and 'l' reads 1",
          dusk_result(future, SOON, "l", &number));
    FAILS(DUSK_E_INVALID, "'q' is no letter", dusk_result(future, SOON, "q*", &number));
    FAILS(DUSK_E_TASK, "meant to fail", dusk_result(failing, SOON, ""));
    const char *line;
    ck_assert_int_eq(dusk_future_error(failing, &line), DUSK_E_TASK);
    ck_assert_str_eq(line, "it was meant to fail");
    ck_assert_int_eq(dusk_future_status(failing), DUSK_ERROR);
    char words[80];
    snprintf(words, sizeof words, "mute (%s) is not done within 0.05 s",
             dusk_future_key(mute));
    FAILS(DUSK_E_TIMEOUT, words, dusk_result(mute, 0.05, ""));
    struct dusk_future *all[] = {future, failing, mute};
    FAILS(DUSK_E_TIMEOUT, "mute", dusk_wait(all, 3, DUSK_ALL, 0.01));
    FAILS(DUSK_E_TASK, "meant to fail", dusk_persist(all, 2, SOON));
    FAILS(DUSK_E_TASK, "meant to fail", dusk_gather(all, 2, SOON));
    OK(dusk_wait(all, 3, DUSK_FIRST, SOON));
    dusk_release(all, 3);
    dusk_close(client);
    fake_stop(fake);
}
END_TEST

START_TEST(copies_are_asked_for_of_one_client)
{
    struct fake_scheduler *fake = fake_start(0, FAKE_POLITE);
    struct dusk_client *client = connected(fake), *other = connected(fake);
    struct dusk_future *futures[3] = {NULL};
    OK(dusk_submit(client, &futures[0], "echo", ""));
    OK(dusk_submit(other, &futures[2], "echo", ""));
    FAILS(DUSK_E_INVALID, "0 copies", dusk_replicate(futures, 2, 0));
    FAILS(DUSK_E_INVALID, "different clients", dusk_replicate(futures, 3, 2));
    OK(dusk_replicate(futures, 2, 2));
    dusk_close(client);
    FAILS(DUSK_E_CLOSED, "was closed", dusk_replicate(futures, 2, 2));
    dusk_close(other);
    dusk_release(futures, 3);
    fake_stop(fake);
}
END_TEST

/* ---- submitting and results ---- */

START_TEST(arguments_come_back_as_they_were)
{
    struct fake_scheduler *fake = fake_start(0, FAKE_POLITE);
    struct dusk_client *client = connected(fake);
    double numbers[] = {1, 2, 3, 4, 5, 6};
    struct dusk_array matrix = dusk_matrix(numbers, 2, 3), back;
    struct dusk_future *future;
    static const char *const functions[] = {"echo", "away"};
    for (int i = 0; i < 2; i++) {
        OK(dusk_submit(client, &future, functions[i], "l d b s a", INT64_MIN, 0.25, 1,
                       "snow", &matrix));
        int64_t integer;
        double number;
        int truth;
        const char *text;
        OK(dusk_result(future, SOON, "ldbsa", &integer, &number, &truth, &text, &back));
        ck_assert_int_eq(integer, INT64_MIN);
        ck_assert(number == 0.25 && truth == 1);
        ck_assert_str_eq(text, "snow");
        ck_assert(back.ndim == 2 && back.shape[0] == 2 && back.shape[1] == 3);
        ck_assert_mem_eq(back.data, numbers, sizeof numbers);
        const struct dusk_value *values;
        int count;
        OK(dusk_result_values(future, 0, &values, &count));
        ck_assert_int_eq(count, 5);
        ck_assert_int_eq(values[4].kind, DUSK_ARRAY);
        struct dusk_timing timing;
        OK(dusk_future_timing(future, &timing));
        ck_assert(timing.worker == 2 && timing.thread == 1 && timing.stop_ns == 2000);
        dusk_release(&future, 1);
    }
    dusk_close(client);
    fake_stop(fake);
}
END_TEST

START_TEST(maps_take_element_after_element)
{
    struct fake_scheduler *fake = fake_start(0, FAKE_POLITE);
    struct dusk_client *client = connected(fake);
    enum { N = 1000 };
    static int64_t numbers[N];
    static struct dusk_future *futures[N];
    for (int i = 0; i < N; i++)
        numbers[i] = i * i;
    OK(dusk_map(client, futures, N, "away", "l =s", numbers, "shared"));
    OK(dusk_gather(futures, N, SOON));
    for (int i = 0; i < N; i++) {
        int64_t number;
        const char *text;
        OK(dusk_result(futures[i], 0, "ls", &number, &text));
        ck_assert_int_eq(number, numbers[i]);
        ck_assert_str_eq(text, "shared");
    }
    dusk_release(futures, N);
    dusk_close(client);
    fake_stop(fake);
}
END_TEST

START_TEST(submits_travel_together)
{
    struct fake_scheduler *fake = fake_start(0, FAKE_POLITE);
    struct dusk_client *client = connected(fake);
    enum { N = 1000 };
    static struct dusk_future *futures[N];
    int before = atomic_load(&fake_counts(fake)->batches);
    for (int i = 0; i < N; i++)
        OK(dusk_submit(client, &futures[i], "echo", "l", (int64_t)i));
    OK(dusk_wait(futures, N, DUSK_ALL, SOON));
    ck_assert_int_eq(atomic_load(&fake_counts(fake)->submits), N);
    ck_assert_int_lt(atomic_load(&fake_counts(fake)->batches) - before, N / 10);
    dusk_release(futures, N);
    dusk_close(client);
    fake_stop(fake);
}
END_TEST

static bool comes_to(atomic_int *count, int wanted)
{
    uint64_t until_ns = clock_monotonic_ns() + 10 * NS_PER_S;
    while (atomic_load(count) < wanted)
        if (clock_monotonic_ns() > until_ns)
            return false;
    return true;
}

START_TEST(submits_leave_while_the_program_computes)
{
    struct fake_scheduler *fake = fake_start(0, FAKE_POLITE);
    struct dusk_client *client = connected(fake);
    struct dusk_future *future;
    OK(dusk_submit(client, &future, "echo", "l", (int64_t)1));
    ck_assert(comes_to(&fake_counts(fake)->submits, 1));
    dusk_release(&future, 1);
    ck_assert(comes_to(&fake_counts(fake)->releases, 1));
    ck_assert(comes_to(&fake_counts(fake)->heartbeats, 3));
    dusk_close(client);
    ck_assert(comes_to(&fake_counts(fake)->byes, 1));
    fake_stop(fake);
}
END_TEST

START_TEST(scattered_data_can_be_read_and_used)
{
    struct fake_scheduler *fake = fake_start(0, FAKE_POLITE);
    struct dusk_client *client = connected(fake);
    enum { N = 100000 };
    static double numbers[N];
    for (int i = 0; i < N; i++)
        numbers[i] = i;
    struct dusk_array vector = dusk_vector(numbers, N), back;
    struct dusk_future *futures[2];
    OK(dusk_scatter(client, &futures[0], "a", &vector));
    OK(dusk_submit(client, &futures[1], "echo", "l", (int64_t)3));
    OK(dusk_persist(futures, 2, SOON));
    OK(dusk_result(futures[0], SOON, "a", &back));
    ck_assert_int_eq(back.shape[0], N);
    ck_assert_mem_eq(back.data, numbers, sizeof numbers);
    dusk_release(futures, 2);
    dusk_close(client);
    fake_stop(fake);
}
END_TEST

/* ---- as they come ---- */

START_TEST(futures_come_in_the_order_of_their_ends)
{
    struct fake_scheduler *fake = fake_start(0, FAKE_POLITE);
    struct dusk_client *client = connected(fake);
    struct dusk_future *futures[4], *future;
    struct dusk_as_completed *completed;
    for (int64_t i = 0; i < 3; i++)
        OK(dusk_submit(client, &futures[i], "hold", "l", i));
    OK(dusk_as_completed_create(client, futures, 3, &completed));
    FAILS(DUSK_E_TIMEOUT, "none of 3 futures is done within 0.02 s",
          dusk_as_completed_next(completed, 0.02, &future));
    OK(dusk_submit(client, &futures[3], "open", "l", (int64_t)3));
    OK(dusk_as_completed_add(completed, futures[3]));
    for (int64_t wanted = 3; wanted >= 0; wanted--) {
        int64_t number;
        OK(dusk_as_completed_next(completed, SOON, &future));
        OK(dusk_result(future, 0, "l", &number));
        ck_assert_int_eq(number, wanted);
        ck_assert_int_eq(dusk_as_completed_count(completed), (int)wanted);
    }
    ck_assert(dusk_as_completed_is_empty(completed));
    ck_assert_int_eq(dusk_as_completed_next(completed, SOON, &future), DUSK_END);
    OK(dusk_as_completed_add(completed, futures[0]));
    dusk_release(futures, 4);
    OK(dusk_as_completed_next(completed, 0, &future));
    ck_assert_ptr_null(dusk_future_tag(future));
    dusk_as_completed_destroy(completed);
    dusk_close(client);
    fake_stop(fake);
}
END_TEST

START_TEST(batches_hold_all_that_came)
{
    struct fake_scheduler *fake = fake_start(0, FAKE_POLITE);
    struct dusk_client *client = connected(fake);
    struct dusk_future *futures[5];
    struct dusk_future *const *batch;
    struct dusk_as_completed *completed;
    int count;
    for (int64_t i = 0; i < 4; i++)
        OK(dusk_submit(client, &futures[i], "hold", "l", i));
    OK(dusk_submit(client, &futures[4], "mute", ""));
    OK(dusk_as_completed_create(client, futures, 5, &completed));
    FAILS(DUSK_E_TIMEOUT, "none of 5",
          dusk_as_completed_next_batch(completed, 0, &batch, &count));
    struct dusk_future *open;
    OK(dusk_submit(client, &open, "open", ""));
    OK(dusk_result(open, SOON, ""));
    OK(dusk_as_completed_next_batch(completed, SOON, &batch, &count));
    ck_assert_int_eq(count, 4);
    ck_assert_ptr_eq(batch[0], futures[3]);
    ck_assert_ptr_eq(batch[3], futures[0]);
    OK(dusk_cancel(futures, 5));
    OK(dusk_as_completed_next_batch(completed, SOON, &batch, &count));
    ck_assert_int_eq(count, 1);
    ck_assert_int_eq(dusk_future_status(batch[0]), DUSK_CANCELLED);
    ck_assert_int_eq(dusk_as_completed_next_batch(completed, 0, &batch, &count),
                     DUSK_END);
    ck_assert(comes_to(&fake_counts(fake)->cancels, 1));
    dusk_as_completed_destroy(completed);
    dusk_release(futures, 5);
    dusk_release(&open, 1);
    dusk_close(client);
    fake_stop(fake);
}
END_TEST

/* ---- losses and ends ---- */

static void remember(void *arg, enum dusk_log_level level, const char *line)
{
    strncat(arg, line, 1000);
}

START_TEST(a_new_scheduler_is_given_the_graph)
{
    struct fake_scheduler *fake = fake_start(0, FAKE_POLITE);
    struct dusk_client *client = connected(fake);
    static char log[100000];
    dusk_set_log(client, remember, log);
    struct dusk_future *futures[3];
    OK(dusk_submit(client, &futures[0], "echo", "l", (int64_t)7));
    OK(dusk_result(futures[0], SOON, "*"));
    OK(dusk_submit(client, &futures[1], "hold", "f", futures[0]));
    FAILS(DUSK_E_TIMEOUT, "hold", dusk_wait(&futures[1], 1, DUSK_ALL, 0.02));
    unsigned port = fake_port(fake);
    fake_stop(fake);
    OK(dusk_submit(client, &futures[2], "open", ""));
    do
        ck_assert_int_eq(dusk_wait(&futures[1], 1, DUSK_ALL, 0.1), DUSK_E_TIMEOUT);
    while (!strstr(dusk_last_error(), "is gone for"));
    fake = fake_start(port, FAKE_POLITE);
    OK(dusk_wait(futures, 3, DUSK_ALL, SOON));
    ck_assert_int_eq(atomic_load(&fake_counts(fake)->submits), 3);
    ck_assert_ptr_nonnull(strstr(log, "is back after"));
    dusk_release(futures, 3);
    dusk_close(client);
    fake_stop(fake);
}
END_TEST

START_TEST(closing_ends_what_is_left)
{
    struct fake_scheduler *fake = fake_start(0, FAKE_POLITE);
    struct dusk_client *client = connected(fake);
    struct dusk_future *futures[2], *future;
    int64_t number;
    OK(dusk_submit(client, &futures[0], "echo", "l", (int64_t)7));
    OK(dusk_submit(client, &futures[1], "mute", ""));
    OK(dusk_result(futures[0], SOON, "l", &number));
    dusk_close(client);
    FAILS(DUSK_E_CLOSED, "was closed", dusk_submit(client, &future, "echo", ""));
    OK(dusk_result(futures[0], SOON, "l", &number));
    ck_assert_int_eq(number, 7);
    FAILS(DUSK_E_CANCELLED, "closed", dusk_result(futures[1], SOON, ""));
    dusk_release(futures, 2);
    fake_stop(fake);
}
END_TEST

START_TEST(a_child_of_fork_cannot_use_the_handle)
{
    struct fake_scheduler *fake = fake_start(0, FAKE_POLITE);
    struct dusk_client *client = connected(fake);
    struct dusk_future *future, *other;
    OK(dusk_submit(client, &future, "hold", ""));
    pid_t child = fork();
    if (child == 0) {
        bool closed = dusk_submit(client, &other, "echo", "") == DUSK_E_CLOSED &&
                      dusk_result(future, 0, "") == DUSK_E_CLOSED;
        dusk_release(&future, 1);
        dusk_close(client);
        _exit(closed ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    OK(dusk_submit(client, &other, "open", ""));
    OK(dusk_wait(&future, 1, DUSK_ALL, SOON));
    dusk_release(&future, 1);
    dusk_release(&other, 1);
    dusk_close(client);
    fake_stop(fake);
}
END_TEST

/* ---- the cluster ---- */

START_TEST(the_cluster_tells_about_itself)
{
    struct fake_scheduler *fake = fake_start(0, FAKE_POLITE);
    struct dusk_client *client = connected(fake);
    struct dusk_cluster *cluster;
    OK(dusk_workers(client, SOON, &cluster));
    ck_assert_int_eq(cluster->worker_count, 1);
    ck_assert_str_eq(cluster->workers[0].name, "fake");
    ck_assert_str_eq(cluster->workers[0].state, "running");
    ck_assert_str_eq(cluster->states[0].state, "memory");
    ck_assert_int_eq(cluster->states[0].tasks, 7);
    ck_assert_int_eq(cluster->clients[0].wanted, 3);
    ck_assert(fabs(cluster->uptime_s - 5) < 1e-9);
    ck_assert(cluster->rss_bytes == 4096 && fabs(cluster->cpu_s - 2.5) < 1e-9);
    dusk_cluster_free(cluster);
    char line[100];
    OK(dusk_why(client, "c0ffee-17", SOON, line, sizeof line));
    ck_assert_str_eq(line, "it is a test");
    OK(dusk_wait_for_workers(client, 1, SOON));
    FAILS(DUSK_E_TIMEOUT, "1 workers instead of 2",
          dusk_wait_for_workers(client, 2, 0.05));
    dusk_close(client);
    fake_stop(fake);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client");
    TCase *bad = tcase_create("bad");
    tcase_set_timeout(bad, 30);
    tcase_add_test(bad, what_is_no_address_is_named);
    tcase_add_test(bad, nobody_there_is_told_in_time);
    tcase_add_test(bad, who_speaks_no_zeromq_is_told);
    tcase_add_test(bad, who_speaks_no_dusk_is_told);
    tcase_add_test(bad, a_refusal_has_its_sentence);
    tcase_add_test(bad, after_a_refusal_nothing_is_submitted);
    tcase_add_test(bad, mistakes_in_arguments_are_named);
    tcase_add_test(bad, mistakes_about_results_are_named);
    tcase_add_test(bad, copies_are_asked_for_of_one_client);
    suite_add_tcase(suite, bad);
    TCase *good = tcase_create("good");
    tcase_set_timeout(good, 30);
    tcase_add_test(good, a_scheduler_that_starts_late_is_found);
    tcase_add_test(good, arguments_come_back_as_they_were);
    tcase_add_test(good, maps_take_element_after_element);
    tcase_add_test(good, submits_travel_together);
    tcase_add_test(good, submits_leave_while_the_program_computes);
    tcase_add_test(good, scattered_data_can_be_read_and_used);
    tcase_add_test(good, futures_come_in_the_order_of_their_ends);
    tcase_add_test(good, batches_hold_all_that_came);
    tcase_add_test(good, a_new_scheduler_is_given_the_graph);
    tcase_add_test(good, closing_ends_what_is_left);
    tcase_add_test(good, a_child_of_fork_cannot_use_the_handle);
    tcase_add_test(good, the_cluster_tells_about_itself);
    suite_add_tcase(suite, good);
    return test_main(suite);
}
