/* SPDX-License-Identifier: Apache-2.0 */
/* Events on their way to the publisher: in order, and without a hole in what was
 * taken. */
#include "server/events/event_queue.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define ROOM 2000u

static struct event_queue queue;

static void
start(void)
{
    cr_assert_eq(event_queue_open(&queue, ROOM), STATUS_OK);
}

static void
end(void)
{
    event_queue_close(&queue);
}

TestSuite(event_queue, .init = start, .fini = end);

static void
put(enum store_event_kind kind, const char *name)
{
    const struct store_event event = {.kind = kind,
                                      .key = {.bytes = (const uint8_t *)name,
                                              .size = (uint16_t)strlen(name),
                                              .space = 7,
                                              .kind = KEY_OBJECT}};

    event_queue_put(&queue, &event);
}

static void
put_number(unsigned number)
{
    char name[32];

    snprintf(name, sizeof(name), "key-%04u", number);
    put(STORE_STORED, name);
}

/* The numbers that were taken are `from` and on; how many. */
static unsigned
taken_from(unsigned from, uint64_t *lost_out)
{
    const struct event_list *list = event_queue_take(&queue, lost_out);
    struct store_event event;
    unsigned count = 0;
    size_t at = 0;

    while (event_list_next(list, &at, &event)) {
        char name[32];

        snprintf(name, sizeof(name), "key-%04u", from + count++);
        cr_assert_eq(event.key.size, strlen(name));
        cr_assert_arr_eq(event.key.bytes, name, event.key.size);
    }
    return count;
}

Test(event_queue, gives_events_as_they_were_put)
{
    struct store_event event;
    const struct event_list *list;
    uint64_t lost;
    size_t at = 0;

    event_queue_begin(&queue);
    put(STORE_STORED, "a");
    put(STORE_REMOVED, "bcd");
    put(STORE_CLEARED, "");
    cr_assert_gt(event_queue_waiting(&queue), 4);
    list = event_queue_take(&queue, &lost);
    cr_assert_eq(lost, 0);
    cr_assert(event_list_next(list, &at, &event));
    cr_assert(event.kind == STORE_STORED && event.key.size == 1);
    cr_assert(event.key.space == 7 && event.key.kind == KEY_OBJECT);
    cr_assert_eq(event.key.bytes[0], 'a');
    cr_assert(event_list_next(list, &at, &event));
    cr_assert(event.kind == STORE_REMOVED && event.key.size == 3);
    cr_assert_arr_eq(event.key.bytes, "bcd", 3);
    cr_assert(event_list_next(list, &at, &event));
    cr_assert(event.kind == STORE_CLEARED && event.key.size == 0);
    cr_assert_not(event_list_next(list, &at, &event));
    cr_assert_eq(event_queue_waiting(&queue), 0);
}

Test(event_queue, forgets_what_came_before_it_began)
{
    uint64_t lost;

    for (unsigned i = 0; i < 1000; i++)
        put_number(i);
    event_queue_begin(&queue);
    cr_assert_eq(taken_from(0, &lost), 0);
    cr_assert_eq(lost, 0);
    put_number(5);
    cr_assert_eq(taken_from(5, &lost), 1);
}

Test(event_queue, is_filled_while_the_last_take_is_read)
{
    struct store_event event;
    const struct event_list *list;
    uint64_t lost;
    size_t at = 0;

    event_queue_begin(&queue);
    put_number(1);
    list = event_queue_take(&queue, &lost);
    put_number(2);
    cr_assert(event_list_next(list, &at, &event));
    cr_assert_arr_eq(event.key.bytes, "key-0001", 8);
    cr_assert_not(event_list_next(list, &at, &event));
    cr_assert_eq(taken_from(2, &lost), 1);
}

Test(event_queue, loses_all_behind_what_has_no_room)
{
    char large[KEY_SIZE_MAX];
    uint64_t lost;
    unsigned count;

    event_queue_begin(&queue);
    put_number(0);
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    put(STORE_STORED, large);
    /* There would be room for these. */
    put_number(1);
    put_number(2);
    cr_assert_eq(taken_from(0, &lost), 1);
    cr_assert_eq(lost, 3);
    for (unsigned i = 0; i < 1000; i++)
        put_number(i);
    count = taken_from(0, &lost);
    cr_assert_gt(count, ROOM / 2 / 20);
    cr_assert_eq(lost, 1000 - count);
    put_number(9);
    cr_assert_eq(taken_from(9, &lost), 1);
    cr_assert_eq(lost, 0);
}

Test(event_list, grows_from_nothing)
{
    struct event_list list = {0};
    struct store_event event = {.kind = STORE_STORED};
    char key[KEY_SIZE_MAX];
    unsigned count = 0;
    size_t at = 0;

    memset(key, 'k', sizeof(key));
    event.key.bytes = (const uint8_t *)key;
    for (unsigned i = 0; i < 300; i++) {
        event.key.size = (uint16_t)(i * 13 + 1);
        cr_assert_eq(event_list_grow(&list), STATUS_OK);
        cr_assert(event_list_add(&list, &event));
    }
    while (event_list_next(&list, &at, &event))
        cr_assert_eq(event.key.size, count++ * 13 + 1);
    cr_assert_eq(count, 300);
    event_list_close(&list);
}
