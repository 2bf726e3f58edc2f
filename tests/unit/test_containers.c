#include "common/buf.h"
#include "common/dusk_types.h"
#include "common/heap.h"
#include "common/list.h"
#include "common/map.h"
#include "tests/test.h"

#include <string.h>

/* A small seeded generator; the tests below only need variety. */
static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

START_TEST(buf_stops_at_its_maximum)
{
    struct buf buf;
    buf_init(&buf, 10);
    ck_assert_int_eq(buf_append(&buf, "12345", 5), 0);
    ck_assert_int_eq(buf_append(&buf, "678901", 6), DUSK_E_LIMIT);
    ck_assert_int_eq(buf_append(&buf, "67890", 5), 0);
    ck_assert_mem_eq(buf.data, "1234567890", 10);
    ck_assert_int_eq(buf_reserve(&buf, SIZE_MAX), DUSK_E_LIMIT);
    ck_assert_uint_eq(buf.size, 10);
    buf_fini(&buf);
}
END_TEST

/* Random puts and removes against a plain array that is searched linearly. */
START_TEST(map_agrees_with_an_array)
{
    enum { KEYS = 300, ROUNDS = 20000 };
    static char present[KEYS];
    struct map map;
    map_init(&map);
    uint64_t random = 1;
    size_t count = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t key = next_random(&random) % KEYS;
        if (next_random(&random) % 2) {
            ck_assert_int_eq(map_put(&map, key, &present[key]), 0);
            count += !present[key];
            present[key] = 1;
        } else {
            void *removed = map_remove(&map, key);
            ck_assert_ptr_eq(removed, present[key] ? &present[key] : NULL);
            count -= present[key] != 0;
            present[key] = 0;
        }
        ck_assert_uint_eq(map.count, count);
    }
    for (uint64_t key = 0; key < KEYS; key++)
        ck_assert_ptr_eq(map_get(&map, key), present[key] ? &present[key] : NULL);
    size_t position = 0, walked = 0;
    while (map_next(&map, &position))
        walked++;
    ck_assert_uint_eq(walked, count);
    map_fini(&map);
}
END_TEST

START_TEST(heap_yields_in_order_with_removals)
{
    enum { LINKS = 500 };
    static struct heap_link links[LINKS];
    struct heap heap;
    heap_init(&heap);
    uint64_t random = 2;
    for (uint64_t i = 0; i < LINKS; i++) {
        links[i].priority = (int64_t)(next_random(&random) % 50) - 25;
        links[i].order = i;
        ck_assert_int_eq(heap_push(&heap, &links[i]), 0);
    }
    for (size_t i = 0; i < LINKS; i += 3)
        heap_remove(&heap, &links[i]);
    struct heap_link before = {.priority = INT64_MIN};
    size_t taken = 0;
    for (struct heap_link *link; (link = heap_first(&heap)); taken++) {
        ck_assert(link->priority > before.priority ||
                  (link->priority == before.priority && link->order > before.order));
        ck_assert(heap_holds(link));
        before = *link;
        heap_remove(&heap, link);
        ck_assert(!heap_holds(link));
    }
    ck_assert_uint_eq(taken, LINKS - (LINKS + 2) / 3);
    heap_fini(&heap);
}
END_TEST

START_TEST(heap_has_the_room_that_was_reserved)
{
    static const size_t counts[] = {0, 1, 16, 17, 1000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct heap heap;
        heap_init(&heap);
        ck_assert_int_eq(heap_reserve(&heap, counts[i]), 0);
        ck_assert_uint_ge(heap.capacity, counts[i]);
        ck_assert_uint_eq(heap.count, 0);
        size_t capacity = heap.capacity;
        ck_assert_int_eq(heap_reserve(&heap, counts[i] / 2), 0);
        ck_assert_uint_eq(heap.capacity, capacity);
        heap_fini(&heap);
    }
}
END_TEST

START_TEST(list_keeps_order_and_survives_removal_while_walking)
{
    struct element {
        int value;
        struct list link;
    } elements[5];
    struct list list;
    list_init(&list);
    for (int i = 0; i < 5; i++) {
        elements[i].value = i;
        list_append(&list, &elements[i].link);
    }
    LIST_FOREACH (link, &list) {
        if (CONTAINER_OF(link, struct element, link)->value % 2)
            list_remove(link);
    }
    int expected = 0;
    LIST_FOREACH (link, &list) {
        ck_assert_int_eq(CONTAINER_OF(link, struct element, link)->value, expected);
        expected += 2;
    }
    ck_assert_int_eq(expected, 6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("containers");
    TCase *tcase = tcase_create("containers");
    tcase_add_test(tcase, buf_stops_at_its_maximum);
    tcase_add_test(tcase, map_agrees_with_an_array);
    tcase_add_test(tcase, heap_has_the_room_that_was_reserved);
    tcase_add_test(tcase, heap_yields_in_order_with_removals);
    tcase_add_test(tcase, list_keeps_order_and_survives_removal_while_walking);
    suite_add_tcase(suite, tcase);
    return test_main(suite);
}
