/* Every allocation fails once: whatever the scheduler cannot do then, it says so or
 * parts with a peer; its own books stay right. */
#include "tests/failing_allocator.h"
#include "tests/test.h"
#include "tests/unit/scheduler_script.h"

#include <stdio.h>
#include <string.h>

/* ---- the allocator: the linker sends every call here ---- */

/* Calls by the core that succeed, and how many fail after them. */
static long countdown, burst;

static bool allocation_fails(void)
{
    if (!script_in_core || countdown < -burst)
        return false;
    return countdown-- <= 0;
}

/* ---- a life of a scheduler in which everything happens ---- */

static void clients_ask(struct script *s)
{
    script_client(s, C1);
    script_client(s, C2);
    script_message(s, C1, SUBMIT(1, "load"));
    script_message(s, C1, SUBMIT(2, "load", .worker = str_of("w2")));
    script_message(s, C1, SUBMIT(3, "sum", ON(KEY(1), KEY(2))));
    script_message(s, C2, SUBMIT(3, "sum"));
    script_message(s, C2, MESSAGE(locate, .key = KEY(1)));
    script_message(s, C1, MESSAGE(scatter, .key = KEY(4), .nbytes = 9));
    script_message(s, C1, SUBMIT(5, "sum", ON(KEY(4))));
    for (uint64_t i = 10; i < 50; i++)
        script_message(s, C1, SUBMIT(i, "many"));
}

static void workers_work(struct script *s)
{
    script_worker(s, W1, 1, 4);
    script_worker(s, W2, 2, 1);
    script_message(s, W1, DONE(1, 1, 8));
    script_message(s, W1, DONE(1, 2, 8));
    for (uint64_t attempt = 1; attempt < 10; attempt++)
        script_message(s, attempt % 2 ? W1 : W2, DONE(9 + attempt, attempt, 8));
    struct run runs[] = {{KEY(11), 3, 1, 5, 5}, {KEY(77), 77, 1, 5, 5}};
    script_message(s, W1, MESSAGE(heartbeat, .memory = 5, .running = {runs, 2}));
    script_message(s, W2, MESSAGE(have, .holdings = HOLDS({KEY(1), 8}, {KEY(4), 9})));
    script_message(s, W2,
                   MESSAGE(erred, .key = KEY(12), .attempt = 5, .code = DUSK_E_TASK,
                           .reason = str_of("no")));
    script_message(s, W2,
                   MESSAGE(missing, .key = KEY(3), .attempt = 9, .input = KEY(1),
                           .address = str_of("w1")));
}

/* One worker answers, the other is lost before it does. */
static void client_uploads(struct script *s, struct payload *plugin)
{
    uint64_t checksum = payload_checksum(plugin);
    for (uint64_t request = 1; request < 3; request++)
        script_message(s, C1,
                       MESSAGE(upload, .request = request, .name = str_of("p.so"),
                               .checksum = checksum, .plugin = plugin));
    script_message(s, W1, MESSAGE(plugin_loaded, .checksum = checksum));
}

static void things_go_wrong(struct script *s)
{
    script_message(s, C1, MESSAGE(status_request, .request = 1));
    script_message(s, C1, MESSAGE(why, .key = KEY(3)));
    script_gone(s, W1);
    script_wait(s, 1500);
    struct task_key killed[] = {KEY(13), KEY(14)};
    struct run runs[] = {{KEY(14), 3, 1, 5, 5}, {KEY(15), 77, 1, 5, 5}};
    script_message(s, W3,
                   MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                           .role = ROLE_WORKER, .name = str_of("w1"),
                           .address = str_of("w1"), .epoch = 555, .nthreads = 2,
                           .credits = 2, .previous_epoch = 101, .previous_status = 9,
                           .previous_running = {killed, 2}, .running = {runs, 2},
                           .inventory = HOLDS({KEY(1), 8}, {KEY(88), 9})));
    script_message(s, W2, MESSAGE(retire, .deadline_ms = 1000));
    script_message(s, W3, MESSAGE(have, .holdings = HOLDS({KEY(4), 9})));
    script_message(s, W9, MESSAGE(alive));
    script_message(s, C2, DONE(1, 1, 1));
    script_message(s, C1, MESSAGE(cancel, .keys = KEYS(KEY(1), KEY(20))));
    script_message(s, C1, MESSAGE(release, .keys = KEYS(KEY(21), KEY(22), KEY(4))));
    script_wait(s, 3000);
    script_message(s, W2, MESSAGE(bye));
    script_message(s, C1, MESSAGE(shutdown, .request = 3));
    script_wait(s, 20000);
}

/* Takes the records of the last event as a shell would. */
static void records_end(struct script *s, int code)
{
    script_in_core = true;
    while (scheduler_next_record(s->scheduler)) {
    }
    scheduler_recorded(s->scheduler, code, "", s->now_ns);
    script_in_core = false;
}

static void things_are_kept(struct script *s)
{
    script_client(s, C1);
    script_client(s, C2);
    script_worker(s, W1, 1, 1);
    script_message(s, C1, SUBMIT(1, "load"));
    script_message(s, C1, SUBMIT(2, "scale", ON(KEY(1))));
    script_message(s, C1, MESSAGE(scatter, .key = KEY(4), .nbytes = 9));
    script_message(s, C1,
                   MESSAGE(replicate, .keys = KEYS(KEY(2), KEY(4)), .copies = 2));
    script_message(
        s, C1,
        MESSAGE(publish, .name = str_of("set"), .keys = KEYS(KEY(2), KEY(4), KEY(9))));
    records_end(s, 0);
    script_message(
        s, C1, MESSAGE(publish, .name = str_of("set"), .keys = KEYS(KEY(2), KEY(4))));
    records_end(s, 0);
    script_message(s, C2, MESSAGE(get_published, .name = str_of("set")));
    script_message(s, C1, MESSAGE(publish, .name = str_of("x"), .keys = KEYS(KEY(2))));
    records_end(s, DUSK_E_IO);
    script_message(s, W1, MESSAGE(have, .holdings = HOLDS({KEY(4), 9})));
    script_worker(s, W2, 1, 1);
    script_message(s, W2, MESSAGE(have, .holdings = HOLDS({KEY(4), 9})));
    script_message(
        s, W2,
        MESSAGE(missing, .key = KEY(4), .input = KEY(4), .address = str_of("w1")));
    script_message(s, C2, MESSAGE(status_request, .request = 1));
    script_message(s, W1, MESSAGE(bye));
    script_message(s, C2, MESSAGE(want, .keys = KEYS(KEY(2), KEY(99))));
    script_message(s, C1, MESSAGE(bye));
    script_message(s, C2, MESSAGE(unpublish, .name = str_of("set")));
    records_end(s, 0);
    script_wait(s, 20000);
}

static void others_come_back(struct script *s)
{
    struct run runs[] = {{KEY(11), 3, 1, 5, 5}, {KEY(12), 77, 1, 5, 5}};
    for (enum script_peer peer = W1; peer <= W2; peer++)
        script_message(s, peer,
                       MESSAGE(hello, .magic = PROTOCOL_MAGIC, .major = PROTOCOL_MAJOR,
                               .role = ROLE_WORKER,
                               .name = str_of(peer == W1 ? "a" : "b"),
                               .address = str_of(peer == W1 ? "a" : "b"), .epoch = 555,
                               .nthreads = 2, .credits = 2, .scheduler_epoch = 7,
                               .running = {runs, peer == W1 ? 2 : 0},
                               .inventory = HOLDS({KEY(1), 8}, {KEY(4), 9})));
    script_client(s, C1);
    script_message(s, C1, SUBMIT(1, "load"));
    script_message(s, C1, SUBMIT(11, "load"));
    script_message(s, W1, DONE(12, 77, 9));
    script_message(s, W1, DONE(11, 3, 9));
    script_message(s, W2, MESSAGE(bye));
    script_message(s, C1, MESSAGE(scatter, .key = KEY(4), .nbytes = 9));
    script_wait(s, 20000);
}

static bool keep(long fail_at, long count)
{
    struct script s;
    struct scheduler_config config = scheduler_defaults;
    config.journal = true;
    bool reached = false;
    void (*const lives[])(struct script *) = {things_are_kept, others_come_back};
    for (size_t i = 0; i < sizeof lives / sizeof *lives; i++) {
        script_init_with(&s, &config);
        countdown = fail_at;
        burst = count - 1;
        lives[i](&s);
        reached |= countdown < 0;
        script_fini(&s);
    }
    return reached;
}

/* With one frame, as uploads have it. */
static struct payload *plugin_create(void)
{
    static uint8_t code[16];
    struct frame frame = {.data = code, .size = sizeof code};
    struct payload *plugin;
    ck_assert_int_eq(payload_create(code, 1, &frame, 1, &plugin), 0);
    return plugin;
}

/* Returns whether the failing allocation was reached. */
static bool live(long fail_at, long count)
{
    struct script s;
    struct payload *plugin = plugin_create();
    struct scheduler_config config = scheduler_defaults;
    config.allow_upload = true;
    script_init_with(&s, &config);
    countdown = fail_at;
    burst = count - 1;
    clients_ask(&s);
    workers_work(&s);
    client_uploads(&s, plugin);
    things_go_wrong(&s);
    bool reached = countdown < 0;
    script_fini(&s);
    payload_unref(plugin);
    return reached;
}

/* One fails, or a number in a row. */
static const long bursts[] = {1, 2, 7, 50};

START_TEST(books_stay_right_whatever_allocation_fails)
{
    long fail_at = 0;
    while (live(fail_at, bursts[_i]))
        fail_at++;
    /* Were it few, the wrapping would not work. */
    ck_assert_int_gt(fail_at, 100);
}
END_TEST

START_TEST(nothing_is_kept_wrongly_whatever_allocation_fails)
{
    long fail_at = 0;
    while (keep(fail_at, bursts[_i]))
        fail_at++;
    ck_assert_int_gt(fail_at, 100);
}
END_TEST

/* Who asks gets an answer, or is parted with and asks again. */
START_TEST(no_question_is_forgotten)
{
    const struct message *questions[] = {
        MESSAGE(status_request, .request = 1),
        MESSAGE(why, .request = 1, .key = KEY(1)),
        MESSAGE(locate, .key = KEY(1)),
    };
    bool reached = true;
    for (long fail_at = 0; reached; fail_at++) {
        struct script s;
        script_init(&s);
        countdown = -100;
        burst = 0;
        script_client(&s, C1);
        script_worker(&s, W1, 1, 1);
        script_message(&s, C1, SUBMIT(1, "load"));
        script_message(&s, W1, DONE(1, 1, 8));
        countdown = fail_at;
        ck_assert_str_ne(script_message(&s, C1, questions[_i]), "");
        reached = countdown < 0;
        script_fini(&s);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scheduler torture");
    TCase *tests = tcase_create("torture");
    tcase_set_timeout(tests, 100);
    tcase_add_loop_test(tests, books_stay_right_whatever_allocation_fails, 0,
                        sizeof bursts / sizeof *bursts);
    tcase_add_loop_test(tests, nothing_is_kept_wrongly_whatever_allocation_fails, 0,
                        sizeof bursts / sizeof *bursts);
    tcase_add_loop_test(tests, no_question_is_forgotten, 0, 3);
    suite_add_tcase(suite, tests);
    return test_main(suite);
}
