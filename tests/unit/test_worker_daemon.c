#include "tests/test.h"
#include "tests/unit/daemon.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static struct daemon_play play;

static void setup(void)
{
    daemon_start(&play);
}

static void teardown(void)
{
    daemon_stop(&play);
}

static const char *const plain[] = {"--nthreads", "1", "--memory-limit", "256MB", NULL};
static const char *const alone[] = {"--nthreads", "1",          "--memory-limit",
                                    "256MB",      "--no-nanny", NULL};

static struct payload *arguments(int count, const struct dusk_value *values)
{
    struct payload_builder builder;
    struct payload *payload;
    payload_builder_init(&builder);
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(payload_builder_value(&builder, &values[i], NULL), 0);
    ck_assert_int_eq(payload_builder_finish(&builder, &payload), 0);
    return payload;
}

static struct payload *future_of(struct task_key key)
{
    struct payload_builder builder;
    struct payload *payload;
    payload_builder_init(&builder);
    ck_assert_int_eq(payload_builder_future(&builder, key, 0), 0);
    ck_assert_int_eq(payload_builder_finish(&builder, &payload), 0);
    return payload;
}

static void run(int peer, uint64_t count, const char *function, struct payload *args,
                const struct source *input)
{
    daemon_send(&play, peer,
                MESSAGE(run_task, .key = key_make(1, count), .attempt = 1,
                        .function = str_of(function), .inputs = {input, input ? 1 : 0},
                        .arguments = args));
    payload_unref(args);
}

START_TEST(an_unknown_function_is_named)
{
    daemon_worker(&play, plain);
    daemon_expect(&play, MSG_hello);
    run(0, 1, "nonsense", NULL, NULL);
    const struct message *erred = daemon_expect(&play, MSG_erred);
    ck_assert_int_eq(erred->erred.code, DUSK_E_NOT_FOUND);
    ck_assert(
        memmem(erred->erred.reason.text, erred->erred.reason.size, "nonsense", 8));
}
END_TEST

START_TEST(a_task_is_done)
{
    daemon_worker(&play, alone);
    daemon_expect(&play, MSG_hello);
    run(0, 1, "add",
        arguments(2, (struct dusk_value[]){{.kind = DUSK_INT, .integer = 40},
                                           {.kind = DUSK_INT, .integer = 2}}),
        NULL);
    const struct msg_done *done = &daemon_expect(&play, MSG_done)->done;
    ck_assert_uint_eq(done->key.bits, key_make(1, 1).bits);
    ck_assert_uint_gt(done->stop_ns, done->start_ns);
    struct values *values;
    ck_assert_ptr_nonnull(done->result);
    ck_assert_int_eq(values_create(done->result, NULL, &values), 0);
    ck_assert_int_eq(values->items[0].plain.integer, 42);
    values_destroy(values);
}
END_TEST

START_TEST(inputs_come_from_another_worker)
{
    daemon_worker(&play, plain);
    daemon_expect(&play, MSG_hello);
    daemon_worker(&play, plain);
    daemon_expect(&play, MSG_hello);
    run(0, 1, "fill",
        arguments(2, (struct dusk_value[]){{.kind = DUSK_INT, .integer = 1000000},
                                           {.kind = DUSK_FLOAT, .number = 0.5}}),
        NULL);
    const struct msg_done *done = &daemon_expect(&play, MSG_done)->done;
    ck_assert_ptr_null(done->result); /* too large to ride along */
    struct source source = {key_make(1, 1), done->nbytes,
                            str_of(play.peers[0].address)};
    run(1, 2, "total", future_of(source.key), &source);
    const struct message *have = daemon_expect(&play, MSG_have);
    ck_assert_uint_eq(have->have.holdings.items[0].key.bits, source.key.bits);
    done = &daemon_expect(&play, MSG_done)->done;
    ck_assert_int_eq(play.from, 1);
    struct values *values;
    ck_assert_int_eq(values_create(done->result, NULL, &values), 0);
    ck_assert_double_eq(values->items[0].plain.number, 500000);
    values_destroy(values);
}
END_TEST

START_TEST(an_input_that_nobody_has_is_missing)
{
    daemon_worker(&play, plain);
    daemon_expect(&play, MSG_hello);
    daemon_worker(&play, plain);
    daemon_expect(&play, MSG_hello);
    struct source nowhere = {key_make(1, 1), 8, str_of("tcp://127.0.0.1:1")};
    run(0, 2, "total", future_of(nowhere.key), &nowhere);
    const struct msg_missing *missing = &daemon_expect(&play, MSG_missing)->missing;
    ck_assert_uint_eq(missing->input.bits, nowhere.key.bits);
    ck_assert_int_eq(missing->address.size, (int)strlen("tcp://127.0.0.1:1"));
    struct source other = {key_make(1, 1), 8, str_of(play.peers[1].address)};
    run(0, 3, "total", future_of(other.key), &other);
    missing = &daemon_expect(&play, MSG_missing)->missing;
    ck_assert_uint_eq(missing->key.bits, key_make(1, 3).bits);
}
END_TEST

START_TEST(a_source_that_dies_before_it_answers_makes_the_input_missing)
{
    void *source_socket;
    char address[128];
    struct err_text text;
    struct delivery delivery;
    link_socket(play.context, ZMQ_ROUTER, &source_socket, &text);
    link_bind(source_socket, "127.0.0.1", 0, address, sizeof address, &text);
    daemon_worker(&play, plain);
    daemon_expect(&play, MSG_hello);
    struct source silent = {key_make(1, 1), 40000000, str_of(address)};
    run(0, 2, "total", future_of(silent.key), &silent);
    ck_assert_int_eq(
        zmq_poll(&(zmq_pollitem_t){source_socket, 0, ZMQ_POLLIN, 0}, 1, 20000), 1);
    ck_assert_int_eq(link_receive(source_socket, &delivery), 0);
    delivery_fini(&delivery);
    zmq_close(source_socket);
    const struct msg_missing *missing = &daemon_expect(&play, MSG_missing)->missing;
    ck_assert_uint_eq(missing->input.bits, silent.key.bits);
}
END_TEST

START_TEST(a_new_scheduler_hears_what_is_here)
{
    daemon_worker(&play, plain);
    daemon_expect(&play, MSG_hello);
    uint64_t epoch = play.peers[0].epoch;
    run(0, 1, "noop", NULL, NULL);
    daemon_expect(&play, MSG_done);
    daemon_restart(&play);
    const struct msg_hello *hello = &daemon_expect(&play, MSG_hello)->hello;
    ck_assert_uint_eq(hello->epoch, epoch);
    ck_assert_uint_eq(hello->inventory.count, 1);
    ck_assert_uint_eq(hello->inventory.items[0].key.bits, key_make(1, 1).bits);
    run(0, 2, "noop", NULL, NULL);
    ck_assert_uint_eq(daemon_expect(&play, MSG_done)->done.key.bits,
                      key_make(1, 2).bits);
}
END_TEST

START_TEST(a_crash_is_told_by_the_next_life)
{
    daemon_worker(&play, plain);
    daemon_expect(&play, MSG_hello);
    uint64_t epoch = play.peers[0].epoch;
    run(0, 9, "crash", NULL, NULL);
    const struct msg_hello *hello = &daemon_expect(&play, MSG_hello)->hello;
    ck_assert_uint_eq(hello->previous_epoch, epoch);
    ck_assert(WIFSIGNALED((int)hello->previous_status));
    ck_assert_int_eq(WTERMSIG((int)hello->previous_status), SIGSEGV);
    ck_assert_uint_eq(hello->previous_running.count, 1);
    ck_assert_uint_eq(hello->previous_running.items[0].bits, key_make(1, 9).bits);
}
END_TEST

START_TEST(sigterm_retires)
{
    pid_t pid = daemon_worker(&play, plain);
    daemon_expect(&play, MSG_hello);
    daemon_expect(&play, MSG_heartbeat);
    kill(pid, SIGTERM);
    const struct message *retire = daemon_expect(&play, MSG_retire);
    ck_assert_uint_eq(retire->retire.deadline_ms, 10000);
    daemon_send(&play, 0, MESSAGE(retired, .moved = 0));
    daemon_expect(&play, MSG_bye);
    ck_assert_int_eq(daemon_wait(&play, pid), 0);
}
END_TEST

START_TEST(refused_workers_do_not_try_again)
{
    pid_t pid = daemon_worker(&play, plain);
    daemon_expect(&play, MSG_hello);
    daemon_send(
        &play, 0,
        MESSAGE(refuse, .code = DUSK_E_REFUSED, .reason = str_of("the name is taken")));
    int status = daemon_wait(&play, pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker_daemon");
    TCase *tcase = tcase_create("daemon");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_unknown_function_is_named);
    tcase_add_test(tcase, a_task_is_done);
    tcase_add_test(tcase, inputs_come_from_another_worker);
    tcase_add_test(tcase, an_input_that_nobody_has_is_missing);
    tcase_add_test(tcase, a_source_that_dies_before_it_answers_makes_the_input_missing);
    tcase_add_test(tcase, a_new_scheduler_hears_what_is_here);
    tcase_add_test(tcase, a_crash_is_told_by_the_next_life);
    tcase_add_test(tcase, sigterm_retires);
    tcase_add_test(tcase, refused_workers_do_not_try_again);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
