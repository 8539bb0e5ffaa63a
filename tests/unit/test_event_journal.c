/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that are kept: the newest, whole, without a gap. */
#include "server/events/event_journal.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define ROOM  20000u
#define FIRST 1000u

static struct event_journal journal;

static void
start(void)
{
    cr_assert_eq(event_journal_open(&journal, ROOM, FIRST), STATUS_OK);
}

static void
end(void)
{
    event_journal_close(&journal);
}

TestSuite(event_journal, .init = start, .fini = end);

/* A message whose bytes follow from its number. */
static void
add(uint64_t number, size_t size)
{
    static uint8_t bytes[2 * ROOM];
    char topic[32];
    struct event_frames frames = {.topic = {(uint8_t *)topic, 0},
                                  .payload = {bytes, size}};

    frames.topic.size =
        (size_t)snprintf(topic, sizeof(topic), "topic-%u", (unsigned)number);
    memset(bytes, (int)(number % 251), size);
    event_journal_add(&journal, &frames);
}

static bool
has(uint64_t number, size_t size)
{
    struct event_frames frames;
    char topic[32];
    int length = snprintf(topic, sizeof(topic), "topic-%u", (unsigned)number);

    if (!event_journal_find(&journal, number, &frames) ||
        frames.topic.size != (size_t)length || frames.payload.size != size ||
        memcmp(frames.topic.at, topic, (size_t)length) != 0)
        return false;
    for (size_t i = 0; i < size; i++)
        if (frames.payload.at[i] != number % 251)
            return false;
    return true;
}

Test(event_journal, is_empty_at_first)
{
    struct event_frames frames;

    cr_assert_eq(event_journal_used(&journal), 0);
    cr_assert_not(event_journal_find(&journal, FIRST, &frames));
    cr_assert_not(event_journal_find(&journal, 0, &frames));
}

Test(event_journal, gives_back_what_it_was_given)
{
    struct event_frames frames;

    add(FIRST, 100);
    add(FIRST + 1, 1);
    add(FIRST + 2, 3000);
    cr_assert(has(FIRST, 100) && has(FIRST + 1, 1) && has(FIRST + 2, 3000));
    cr_assert_not(event_journal_find(&journal, FIRST + 3, &frames));
    cr_assert_not(event_journal_find(&journal, FIRST - 1, &frames));
    cr_assert_gt(event_journal_used(&journal), 3100);
}

Test(event_journal, keeps_the_newest_without_a_gap)
{
    size_t sizes[3000];
    uint64_t random = 1;

    for (unsigned i = 0; i < 3000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        sizes[i] = (size_t)(random >> 33) % (i % 500 < 250 ? 3000 : 60);
        add(FIRST + i, sizes[i]);
        cr_assert_eq(journal.next, FIRST + i + 1);
        cr_assert_leq(event_journal_used(&journal), ROOM);
        for (uint64_t n = journal.oldest; n < journal.next; n++)
            cr_assert(has(n, sizes[n - FIRST]), "%u after %u",
                      (unsigned)(n - FIRST), i);
        /* All of the places, or half of the room, is of use. */
        if (journal.oldest != FIRST)
            cr_assert(journal.next - journal.oldest + 1 >=
                          journal.place_count ||
                      event_journal_used(&journal) > ROOM / 2);
    }
    cr_assert_gt(journal.oldest, FIRST);
}

Test(event_journal, skips_a_number_and_forgets_what_was_before)
{
    struct event_frames frames;

    add(FIRST, 10);
    event_journal_skip(&journal);
    cr_assert_not(event_journal_find(&journal, FIRST, &frames));
    cr_assert_not(event_journal_find(&journal, FIRST + 1, &frames));
    add(FIRST + 2, 10);
    cr_assert(has(FIRST + 2, 10));
    cr_assert(journal.oldest == FIRST + 2 && journal.next == FIRST + 3);
}

Test(event_journal, is_empty_after_one_that_is_too_large)
{
    struct event_frames frames;

    add(FIRST, 10);
    add(FIRST + 1, ROOM);
    cr_assert_not(event_journal_find(&journal, FIRST, &frames));
    cr_assert_not(event_journal_find(&journal, FIRST + 1, &frames));
    add(FIRST + 2, 10);
    cr_assert(has(FIRST + 2, 10));
}
