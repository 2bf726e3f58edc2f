/* Uploaded plugins, and the cluster's end. */
#include "proto/limits.h"
#include "tests/test.h"
#include "tests/unit/scheduler_script.h"

#include <stdlib.h>
#include <string.h>

static struct script s;
static struct payload *plugin, *other_plugin;

static struct payload *plugin_of(size_t bytes, char fill)
{
    static const uint8_t no_values = 0x90;
    struct frame frame = {.data = malloc(bytes), .size = bytes, .release = free};
    struct payload *payload;
    frame.hint = frame.data;
    memset(frame.data, fill, bytes);
    ck_assert_int_eq(payload_create(&no_values, 1, &frame, 1, &payload), 0);
    return payload;
}

static void start(bool allow_upload)
{
    struct scheduler_config config = scheduler_defaults;
    config.allow_upload = allow_upload;
    script_init_with(&s, &config);
    plugin = plugin_of(100, 'a');
    other_plugin = plugin_of(100, 'b');
}

static void setup(void)
{
    start(true);
}

static void setup_closed(void)
{
    start(false);
}

static void teardown(void)
{
    script_fini(&s);
    payload_unref(plugin);
    payload_unref(other_plugin);
}

static const char *upload(enum script_peer peer, uint64_t request,
                          struct payload *payload)
{
    return script_message(&s, peer,
                          MESSAGE(upload, .request = request, .name = str_of("p.so"),
                                  .checksum = payload_checksum(payload),
                                  .plugin = payload));
}

static const char *answer(enum script_peer peer, int code, const char *reason)
{
    return script_message(&s, peer,
                          MESSAGE(plugin_loaded, .checksum = payload_checksum(plugin),
                                  .code = code, .reason = str_of(reason)));
}

static const char *loaded(enum script_peer peer)
{
    return answer(peer, 0, "");
}

/* ---- uploads ---- */

START_TEST(off_by_default)
{
    ck_assert(!scheduler_defaults.allow_upload);
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    expect("c1:outcome 5 FORBIDDEN: the scheduler takes no uploads: it was started "
           "without --allow-upload",
           upload(C1, 5, plugin));
    expect("w2:welcome 2", script_worker(&s, W2, 1, 1));
}
END_TEST

START_TEST(goes_to_all_workers)
{
    script_worker(&s, W1, 1, 1);
    script_worker(&s, W2, 1, 1);
    script_client(&s, C1);
    expect("w1:load_plugin p.so 101B; w2:load_plugin p.so 101B", upload(C1, 5, plugin));
    expect("", loaded(W1));
    expect("", loaded(W1));
    expect("c1:outcome 5 OK: ", loaded(W2));
    ck_assert_ptr_nonnull(strstr(s.notes, "plugin loaded plugin=p.so client=000001"));
    /* Those that come later are told ahead of tasks. */
    script_message(&s, C1, SUBMIT(1, "f", .worker = str_of("w3")));
    expect("w3:welcome 3; w3:load_plugin p.so 101B; w3:run_task 1#1 f",
           script_worker(&s, W3, 1, 1));
    /* So are those that come back, which may not have heard it. */
    expect("w1:welcome 1; w1:load_plugin p.so 101B", script_worker(&s, W1, 1, 1));
    expect("", loaded(W3));
    ck_assert_str_eq(s.notes, "");
    expect("", answer(W1, DUSK_E_FORBIDDEN, "it takes no uploads"));
    ck_assert_str_eq(s.notes,
                     "worker without a plugin worker=w1 because=it takes no uploads\n");
}
END_TEST

START_TEST(without_workers_it_waits_for_them)
{
    script_client(&s, C1);
    expect("c1:outcome 5 OK: ", upload(C1, 5, plugin));
    expect("w1:welcome 1; w1:load_plugin p.so 101B", script_worker(&s, W1, 1, 1));
}
END_TEST

START_TEST(the_first_error_is_told_and_the_plugin_forgotten)
{
    script_worker(&s, W1, 1, 1);
    script_worker(&s, W2, 1, 1);
    script_worker(&s, W3, 1, 1);
    script_client(&s, C1);
    upload(C1, 5, plugin);
    expect("", loaded(W1));
    expect("", answer(W3, DUSK_E_PLUGIN, "not an ELF"));
    /* Nobody knows yet what becomes of it. */
    expect("w4:welcome 4; w4:load_plugin p.so 101B", script_worker(&s, W4, 1, 1));
    expect("c1:outcome 5 PLUGIN: worker w3: not an ELF",
           answer(W2, DUSK_E_FORBIDDEN, "no"));
    expect("w1:welcome 1", script_worker(&s, W1, 1, 1));
}
END_TEST

START_TEST(a_worker_that_dies_of_it_fails_it)
{
    script_worker(&s, W1, 1, 1);
    script_worker(&s, W2, 1, 1);
    script_client(&s, C1);
    upload(C1, 5, plugin);
    loaded(W1);
    script_gone(&s, W2);
    expect(
        "c1:outcome 5 PLUGIN: worker w2: it was lost before it had loaded the plugin",
        script_wait(&s, 1500));
    expect("w3:welcome 3", script_worker(&s, W3, 1, 1));
}
END_TEST

START_TEST(a_worker_that_leaves_is_not_waited_for)
{
    script_worker(&s, W1, 1, 1);
    script_worker(&s, W2, 1, 1);
    script_client(&s, C1);
    upload(C1, 5, plugin);
    loaded(W1);
    expect("c1:outcome 5 OK: ",
           script_message(&s, W2, MESSAGE(bye, .reason = str_of(""))));
}
END_TEST

START_TEST(said_again_it_is_answered_again)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    upload(C1, 5, plugin);
    expect("", upload(C1, 5, plugin));
    loaded(W1);
    expect("c1:outcome 5 OK: ", upload(C1, 5, plugin));
    /* By another request all workers are asked, and it is kept once. */
    expect("w1:load_plugin p.so 101B", upload(C1, 6, plugin));
    expect("c1:outcome 6 OK: ", loaded(W1));
    expect("w1:load_plugin p.so 101B", upload(C1, 7, other_plugin));
    script_message(&s, W1,
                   MESSAGE(plugin_loaded, .checksum = payload_checksum(other_plugin)));
    expect("w2:welcome 2; w2:load_plugin p.so 101B; w2:load_plugin p.so 101B",
           script_worker(&s, W2, 1, 1));
}
END_TEST

START_TEST(two_clients_upload_the_same)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    script_client(&s, C2);
    upload(C1, 5, plugin);
    upload(C2, 8, plugin);
    expect("c1:outcome 5 OK: ; c2:outcome 8 OK: ", loaded(W1));
    expect("w2:welcome 2; w2:load_plugin p.so 101B", script_worker(&s, W2, 1, 1));
}
END_TEST

START_TEST(a_client_that_is_gone_is_not_told)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    upload(C1, 5, plugin);
    script_message(&s, C1, MESSAGE(bye, .reason = str_of("")));
    expect("", loaded(W1));
    expect("w2:welcome 2; w2:load_plugin p.so 101B", script_worker(&s, W2, 1, 1));
}
END_TEST

START_TEST(bad_uploads_are_refused)
{
    script_client(&s, C1);
    struct payload *large = plugin_of(LIMIT_PLUGIN_BYTES, 'c');
    expect("c1:outcome 1 LIMIT: a plugin may take 16777216 bytes, and this one takes "
           "16777217",
           upload(C1, 1, large));
    payload_unref(large);
    expect(
        "c1:outcome 2 INVALID: a plugin must come in one frame",
        script_message(&s, C1, MESSAGE(upload, .request = 2, .name = str_of("p.so"))));
    expect("c1:outcome 3 DATA: it arrived with a wrong checksum",
           script_message(&s, C1,
                          MESSAGE(upload, .request = 3, .name = str_of("p.so"),
                                  .checksum = 1, .plugin = plugin)));
    expect("c1:outcome 4 INVALID: a plugin's name must be printable text of 1 to 255 "
           "bytes",
           script_message(&s, C1,
                          MESSAGE(upload, .request = 4, .name = str_of("a\nb"),
                                  .checksum = payload_checksum(plugin),
                                  .plugin = plugin)));
}
END_TEST

START_TEST(what_is_held_is_bounded)
{
    script_client(&s, C1);
    size_t bytes = LIMIT_PLUGIN_BYTES - 1;
    unsigned count = LIMIT_PLUGINS_BYTES / LIMIT_PLUGIN_BYTES;
    for (unsigned i = 0; i <= count; i++) {
        struct payload *large = plugin_of(bytes, (char)i);
        expect(i < count ? "c1:outcome 9 OK: "
                         : "c1:outcome 9 LIMIT: the scheduler holds 4 plugins already, "
                           "which take 64.0 MiB",
               upload(C1, 9, large));
        payload_unref(large);
    }
}
END_TEST

START_TEST(their_number_is_bounded)
{
    script_client(&s, C1);
    for (unsigned i = 0; i <= LIMIT_PLUGINS; i++) {
        struct payload *small = plugin_of(10, (char)i);
        ck_assert_int_eq(strncmp(upload(C1, 9, small), "c1:outcome 9 OK", 15) == 0,
                         i < LIMIT_PLUGINS);
        payload_unref(small);
    }
}
END_TEST

/* ---- rights ---- */

static const char *const keys[] = {"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7",
                                   "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"};

/* C1 shows the key of a submitter, C2 that of a client. */
static void set_keys(void)
{
    struct member_row rows[] = {{MEMBER_SUBMITTER, str_of("ana"), str_of(keys[0])},
                                {MEMBER_CLIENT, str_of("bo"), str_of(keys[1])}};
    struct members members;
    ck_assert_int_eq(members_of_rows((field_member_rows){rows, 2}, &members), 0);
    ck_assert_int_eq(scheduler_set_members(s.scheduler, &members, s.now_ns), 0);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(
            scheduler_peer_is(s.scheduler, (struct peer_id){C1 + i}, keys[i]), 0);
}

START_TEST(it_takes_a_clients_key)
{
    set_keys();
    script_client(&s, C1);
    script_client(&s, C2);
    expect("c1:outcome 5 FORBIDDEN: the key of this client does not allow uploads",
           upload(C1, 5, plugin));
    expect("c1:outcome 3 FORBIDDEN: the key of this client does not allow to end the "
           "cluster",
           script_message(&s, C1, MESSAGE(shutdown, .request = 3)));
    expect("c2:outcome 5 OK: ", upload(C2, 5, plugin));
    expect("c2:outcome 3 OK: ",
           script_message(&s, C2, MESSAGE(shutdown, .request = 3)));
}
END_TEST

/* ---- the end ---- */

static const char *shut_down(enum script_peer peer)
{
    return script_message(&s, peer, MESSAGE(shutdown, .request = 3));
}

static const char *bye(enum script_peer peer)
{
    return script_message(&s, peer, MESSAGE(bye, .reason = str_of("")));
}

START_TEST(ends_when_all_have_left)
{
    script_worker(&s, W1, 1, 1);
    script_worker(&s, W2, 1, 1);
    script_client(&s, C1);
    expect("w1:shutdown; w2:shutdown", shut_down(C1));
    expect("", bye(W1));
    /* One that comes meanwhile is told too. */
    expect("w3:welcome 3; w3:shutdown", script_worker(&s, W3, 1, 1));
    expect("", bye(W2));
    expect("c1:outcome 3 OK: ", bye(W3));
    ck_assert(!scheduler_has_ended(s.scheduler));
    expect("", bye(C1));
    ck_assert(scheduler_has_ended(s.scheduler));
}
END_TEST

START_TEST(does_not_wait_for_a_client_that_stays)
{
    script_client(&s, C1);
    expect("c1:outcome 3 OK: ", shut_down(C1));
    script_wait(&s, 900);
    ck_assert(!scheduler_has_ended(s.scheduler));
    script_wait(&s, 200);
    ck_assert(scheduler_has_ended(s.scheduler));
}
END_TEST

START_TEST(does_not_wait_for_a_worker_that_stays)
{
    script_worker(&s, W1, 1, 1);
    script_worker(&s, W2, 1, 1);
    script_client(&s, C1);
    shut_down(C1);
    bye(W1);
    expect("", script_wait(&s, 4900));
    expect("c1:outcome 3 TIMEOUT: the scheduler ends, and 1 workers have not left "
           "within 5 s, such as w2",
           script_wait(&s, 200));
    script_gone(&s, C1);
    ck_assert(scheduler_has_ended(s.scheduler));
}
END_TEST

START_TEST(who_asks_last_is_told)
{
    script_worker(&s, W1, 1, 1);
    script_client(&s, C1);
    script_client(&s, C2);
    shut_down(C1);
    expect("", shut_down(C2));
    expect("c2:outcome 3 OK: ", bye(W1));
    expect("", bye(C1));
    ck_assert(!scheduler_has_ended(s.scheduler));
    expect("c1:welcome 1", script_client(&s, C1));
    expect("c1:outcome 3 OK: ", shut_down(C1));
    expect("", bye(C1));
    ck_assert(scheduler_has_ended(s.scheduler));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scheduler plugins");
    TCase *open = tcase_create("open");
    TCase *closed = tcase_create("closed");
    tcase_add_checked_fixture(open, setup, teardown);
    tcase_add_checked_fixture(closed, setup_closed, teardown);
    tcase_add_test(closed, off_by_default);
    tcase_add_test(open, goes_to_all_workers);
    tcase_add_test(open, without_workers_it_waits_for_them);
    tcase_add_test(open, the_first_error_is_told_and_the_plugin_forgotten);
    tcase_add_test(open, a_worker_that_dies_of_it_fails_it);
    tcase_add_test(open, a_worker_that_leaves_is_not_waited_for);
    tcase_add_test(open, said_again_it_is_answered_again);
    tcase_add_test(open, two_clients_upload_the_same);
    tcase_add_test(open, a_client_that_is_gone_is_not_told);
    tcase_add_test(open, bad_uploads_are_refused);
    tcase_add_test(open, what_is_held_is_bounded);
    tcase_add_test(open, their_number_is_bounded);
    tcase_add_test(open, it_takes_a_clients_key);
    tcase_add_test(open, ends_when_all_have_left);
    tcase_add_test(open, does_not_wait_for_a_client_that_stays);
    tcase_add_test(open, does_not_wait_for_a_worker_that_stays);
    tcase_add_test(open, who_asks_last_is_told);
    suite_add_tcase(suite, open);
    suite_add_tcase(suite, closed);
    return test_main(suite);
}
