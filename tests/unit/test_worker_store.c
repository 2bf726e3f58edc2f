#include "tests/test.h"
#include "worker/store.h"

#define KB 1024u

static struct store store;

static void setup(void)
{
    store_init(&store, 1000 * KB);
}

static void teardown(void)
{
    struct err_text text;
    ck_assert_msg(store_check(&store, &text) == 0, "%s", text.line);
    store_fini(&store);
}

/* A payload of exactly so many bytes, all in the head. */
static struct payload *payload_of(size_t bytes)
{
    struct payload *payload;
    uint8_t *head = calloc(1, bytes);
    ck_assert_int_eq(payload_create(head, bytes, NULL, 0, &payload), 0);
    free(head);
    return payload;
}

static struct task_key key_of(unsigned number)
{
    return key_make(1, number);
}

static struct store_entry *add(unsigned number, size_t bytes, bool copy)
{
    struct payload *payload = payload_of(bytes);
    struct store_entry *entry;
    ck_assert_int_eq(store_add(&store, key_of(number), payload, copy, &entry), 0);
    payload_unref(payload);
    return entry;
}

START_TEST(what_does_not_fit_is_refused)
{
    struct store_entry *entry = NULL;
    struct payload *payload = payload_of(1000 * KB + 1);
    ck_assert_int_eq(store_add(&store, key_of(1), payload, false, &entry),
                     DUSK_E_MEMORY_LIMIT);
    payload_unref(payload);
    ck_assert_ptr_null(store_get(&store, key_of(1)));
    ck_assert_int_eq(store_reserve(&store, 1000 * KB + 1), DUSK_E_MEMORY_LIMIT);
    ck_assert_uint_eq(store.used, 0);
}
END_TEST

START_TEST(bytes_are_counted_exactly)
{
    add(1, 1000 * KB - 1, false);
    ck_assert_uint_eq(store.used, 1000 * KB - 1);
    ck_assert_int_eq(store_reserve(&store, 1), 0);
    ck_assert(!store_fits(&store, 1));
    store_unreserve(&store, 1);
    ck_assert_uint_eq(store_remove(&store, store_get(&store, key_of(1))), 0);
    ck_assert_uint_eq(store.used, 0);
}
END_TEST

START_TEST(a_reservation_larger_than_all_numbers_does_not_fit)
{
    add(1, 10, false);
    ck_assert(!store_fits(&store, SIZE_MAX));
    ck_assert(!store_fits(&store, SIZE_MAX - 5));
}
END_TEST

START_TEST(copies_go_first_and_the_least_recently_used_of_them)
{
    add(1, 100 * KB, false);
    add(2, 100 * KB, true);
    add(3, 100 * KB, true);
    store_touch(&store, store_get(&store, key_of(2)));
    ck_assert_uint_eq(store_victim(&store)->key.bits, key_of(3).bits);
    store_remove(&store, store_victim(&store));
    ck_assert_uint_eq(store_victim(&store)->key.bits, key_of(2).bits);
    store_remove(&store, store_victim(&store));
    ck_assert_uint_eq(store_victim(&store)->key.bits, key_of(1).bits);
}
END_TEST

START_TEST(what_is_pinned_or_small_is_no_victim)
{
    struct store_entry *pinned = add(1, 100 * KB, false);
    add(2, STORE_SPILL_BYTES - 1, false);
    store_pin(&store, pinned);
    ck_assert_ptr_null(store_victim(&store));
    ck_assert_uint_eq(store_unpin(&store, pinned), 0);
    ck_assert_ptr_eq(store_victim(&store), pinned);
    store_allow_spilling(&store, false);
    ck_assert_ptr_null(store_victim(&store));
}
END_TEST

START_TEST(a_copy_that_a_task_needs_is_spilled_not_dropped)
{
    struct list user;
    struct store_entry *copy = add(1, 100 * KB, true);
    list_append(&copy->users, &user);
    store_touch(&store, copy);
    ck_assert(list_is_empty(&store.copies));
    ck_assert_ptr_eq(store_victim(&store), copy);
    list_remove(&user);
    store_touch(&store, copy);
    ck_assert(!list_is_empty(&store.copies));
}
END_TEST

START_TEST(spilling_frees_memory_when_the_file_is_written)
{
    struct store_entry *entry = add(1, 100 * KB, false);
    ck_assert_int_eq(store_spill(&store, entry), 1);
    ck_assert_uint_eq(store.used, 100 * KB);
    ck_assert_uint_eq(store.leaving, 100 * KB);
    ck_assert_ptr_eq(store_spilled(&store, entry->file, true), entry);
    ck_assert_int_eq(entry->state, STORE_DISK);
    ck_assert_uint_eq(store.used, 0);
    ck_assert_uint_eq(store.spilled, 100 * KB);
    ck_assert_ptr_null(entry->payload);
}
END_TEST

START_TEST(a_failed_write_leaves_the_data_in_memory)
{
    struct store_entry *entry = add(1, 100 * KB, false);
    store_spill(&store, entry);
    ck_assert_ptr_eq(store_spilled(&store, entry->file, false), entry);
    ck_assert_int_eq(entry->state, STORE_MEMORY);
    ck_assert_uint_eq(store.used, 100 * KB);
    ck_assert_ptr_eq(store_victim(&store), entry);
}
END_TEST

START_TEST(what_came_back_is_evicted_again_at_no_cost)
{
    struct store_entry *entry = add(1, 100 * KB, false);
    struct payload *payload = payload_ref(entry->payload);
    store_spill(&store, entry);
    store_spilled(&store, entry->file, true);
    ck_assert_int_eq(store_load(&store, entry), 0);
    ck_assert_uint_eq(store.used, 100 * KB);
    ck_assert_ptr_eq(store_loaded(&store, entry->file, payload), entry);
    ck_assert_int_eq(entry->state, STORE_MEMORY);
    ck_assert_int_eq(store_spill(&store, entry), 0);
    ck_assert_int_eq(entry->state, STORE_DISK);
    ck_assert_uint_eq(store.used, 0);
}
END_TEST

START_TEST(loading_needs_room)
{
    struct store_entry *entry = add(1, 600 * KB, false);
    store_spill(&store, entry);
    store_spilled(&store, entry->file, true);
    add(2, 600 * KB, false);
    ck_assert_int_eq(store_load(&store, entry), DUSK_E_MEMORY_LIMIT);
    ck_assert_int_eq(entry->state, STORE_DISK);
}
END_TEST

START_TEST(a_pin_during_spilling_keeps_the_data_here)
{
    struct store_entry *entry = add(1, 100 * KB, false);
    store_spill(&store, entry);
    store_pin(&store, entry);
    store_spilled(&store, entry->file, true);
    ck_assert_int_eq(entry->state, STORE_MEMORY);
    ck_assert_ptr_nonnull(entry->payload);
    store_unpin(&store, entry);
}
END_TEST

START_TEST(removed_entries_stay_counted_while_they_are_needed)
{
    struct store_entry *pinned = add(1, 100 * KB, false);
    struct store_entry *spilling = add(2, 100 * KB, false);
    store_pin(&store, pinned);
    store_spill(&store, spilling);
    uint64_t file = spilling->file;
    ck_assert_uint_eq(store_remove(&store, pinned), 0);
    ck_assert_uint_eq(store_remove(&store, spilling), 0);
    ck_assert_ptr_null(store_get(&store, key_of(1)));
    ck_assert_uint_eq(store.used, 200 * KB);
    add(1, 50 * KB, false); /* the key can be used again */
    store_unpin(&store, pinned);
    ck_assert_uint_eq(store.used, 150 * KB);
    ck_assert_ptr_null(store_spilled(&store, file, true));
    ck_assert_uint_eq(store.used, 50 * KB);
    ck_assert_uint_eq(store.spilled, 0);
}
END_TEST

START_TEST(removing_what_is_on_disk_names_the_file)
{
    struct store_entry *entry = add(1, 100 * KB, false);
    store_spill(&store, entry);
    uint64_t file = entry->file;
    store_spilled(&store, file, true);
    ck_assert_uint_eq(store_remove(&store, entry), file);
    ck_assert_uint_eq(store.spilled, 0);
}
END_TEST

START_TEST(late_events_of_unknown_files_change_nothing)
{
    ck_assert_ptr_null(store_spilled(&store, 77, true));
    ck_assert_ptr_null(store_loaded(&store, 77, payload_of(10)));
    ck_assert_uint_eq(store.used, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker_store");
    TCase *tcase = tcase_create("store");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, what_does_not_fit_is_refused);
    tcase_add_test(tcase, bytes_are_counted_exactly);
    tcase_add_test(tcase, a_reservation_larger_than_all_numbers_does_not_fit);
    tcase_add_test(tcase, copies_go_first_and_the_least_recently_used_of_them);
    tcase_add_test(tcase, what_is_pinned_or_small_is_no_victim);
    tcase_add_test(tcase, a_copy_that_a_task_needs_is_spilled_not_dropped);
    tcase_add_test(tcase, spilling_frees_memory_when_the_file_is_written);
    tcase_add_test(tcase, a_failed_write_leaves_the_data_in_memory);
    tcase_add_test(tcase, what_came_back_is_evicted_again_at_no_cost);
    tcase_add_test(tcase, loading_needs_room);
    tcase_add_test(tcase, a_pin_during_spilling_keeps_the_data_here);
    tcase_add_test(tcase, removed_entries_stay_counted_while_they_are_needed);
    tcase_add_test(tcase, removing_what_is_on_disk_names_the_file);
    tcase_add_test(tcase, late_events_of_unknown_files_change_nothing);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
