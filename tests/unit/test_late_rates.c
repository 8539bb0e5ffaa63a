/* SPDX-License-Identifier: Apache-2.0 */
/* What GETs that storage answers late are to the hit rates. */
#include "proto/lm.h"
#include "proto/protocol.h"
#include "server/index/rates.h"
#include "tests/lib/late_session.h"
#include "tests/lib/store_values.h"

static void
start(void)
{
    session_start(NULL);
}

TestSuite(late_rates, .init = start, .fini = session_end);

static struct rates_count
counted(void)
{
    struct rates *rates = here.server->rates;
    struct rates_window window;

    rates_read(rates, rates_labels(rates) - 1, RATES_START, clock_now_ns(),
               &window);
    return window.count;
}

/* Queries and hits so far. */
#define expect_counted(queries_are, hits_are)                                  \
    do {                                                                       \
        struct rates_count count_now = counted();                              \
                                                                               \
        cr_assert_eq(count_now.queries, queries_are, "%llu queries",           \
                     (unsigned long long)count_now.queries);                   \
        cr_assert_eq(rates_count_hits(&count_now), hits_are);                  \
    } while (0)

Test(late_rates, a_late_hit_counts_once_it_is_there)
{
    session_have("m@late", "one");
    session_say(&client, "GET m@late", NULL);
    expect_counted(0u, 0u);
    session_release("m@late");
    session_expect("$3\r\none\r\n");
    expect_counted(1u, 1u);
}

Test(late_rates, a_late_miss_is_a_query)
{
    session_have("m@late", "one");
    session_say(&client, "GET m@late", NULL);
    cr_assert(late_release("m@late", STATUS_MISS));
    session_expect("$-1\r\n");
    expect_counted(1u, 0u);
}

Test(late_rates, what_was_promised_is_no_second_query_however_it_ends)
{
    session_have("m@late", "one");
    session_say(&client, "EXISTS m@late", "GET m@late", NULL);
    session_release("m@late");
    session_expect(":1\r\n$3\r\none\r\n");
    expect_counted(1u, 1u);
    session_say(&client, "GET m@late", NULL);
    cr_assert(late_release("m@late", STATUS_MISS));
    session_expect("$-1\r\n");
    expect_counted(1u, 1u);
}

Test(late_rates, mget_counts_each_value_once)
{
    session_have("m@late-1", "one");
    session_have("m@late-2", "two");
    session_say(&client, "MGET m@late-1 m@none m@late-2", NULL);
    session_release("m@late-2");
    session_release("m@late-1");
    session_expect("*3\r\n$3\r\none\r\n$-1\r\n$3\r\ntwo\r\n");
    expect_counted(3u, 2u);
}

Test(late_rates, only_new_values_are_counted_as_put)
{
    session_have("m@1", "one");
    session_have("m@1", "one");
    session_have("m@1", "other");
    session_say(&client, "SET m@1 more NX", "SET m@2 more XX", NULL);
    session_expect("$-1\r\n$-1\r\n");
    cr_assert_eq(counted().puts, 2u);
    cr_assert_eq(counted().put_bytes, 8u);
}
