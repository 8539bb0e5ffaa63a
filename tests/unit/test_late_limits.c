/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to a connection while its request waits for storage: limits,
 * ends, buffers, and the flush that waits likewise. */
#include "tests/lib/late_session.h"

#include <poll.h>

static struct inline_client others[5];

static void
start(void)
{
    session_start(NULL);
}

TestSuite(late_limits, .init = start, .fini = session_end);
TestSuite(late_clocks, .fini = session_end);

Test(late_limits, a_client_that_closes_meanwhile_is_let_go_of_afterwards)
{
    session_have("late", "one");
    session_say(&client, "GET late", "GET late", NULL);
    inline_client_close(&client);
    worker_turn(here.worker);
    session_release("late");
    while (late_release("late", STATUS_OK) ||
           server_connections(here.server) != 0)
        worker_turn(here.worker);
    cr_assert(inline_client_open(&here, &client));
}

Test(late_limits, a_drain_waits_for_it)
{
    session_have("late", "one");
    session_say(&client, "GET late", "PING", NULL);
    atomic_store(&here.server->is_draining, true);
    worker_wake(here.worker);
    inline_client_settle(&client);
    cr_assert_not(client.is_over);
    cr_assert_eq(server_connections(here.server), 1u);
    session_release("late");
    session_expect("$3\r\none\r\n+PONG\r\n");
    cr_assert(client.is_over);
    atomic_store(&here.server->is_draining, false);
}

Test(late_limits, a_short_request_keeps_no_buffer)
{
    session_have("late", "one");
    session_say(&client, "MGET late soon late", "PING", NULL);
    cr_assert_eq(late_count, 2u);
    cr_assert_eq(atomic_load(&here.server->head_memory.used), 0u);
    session_scribble();
    session_release("late");
    inline_client_settle(&client);
    session_scribble();
    session_release("late");
    session_expect("*3\r\n$3\r\none\r\n$-1\r\n$3\r\none\r\n+PONG\r\n");
}

Test(late_limits, a_long_request_keeps_its_bytes)
{
    char line[1024] = "MGET late";

    session_have("late", "one");
    for (unsigned i = 0; i < 60; i++)
        snprintf(line + strlen(line), sizeof(line) - strlen(line), " none-%u",
                 i);
    strcat(line, " late");
    session_say(&client, line, NULL);
    cr_assert_gt(atomic_load(&here.server->head_memory.used), 0u);
    client.size = 0;
    session_release("late");
    while (late_release("late", STATUS_OK))
        inline_client_settle(&client);
    cr_assert_eq(client.size, 9 + 60 * 5 + 9u);
}

static void
turn_for(unsigned ms)
{
    uint64_t until_ns = clock_now_ns() + ms * NS_PER_MS;

    while (clock_now_ns() < until_ns) {
        worker_turn(here.worker);
        poll(NULL, 0, 1);
    }
}

/* The half of a head behind it counts from when its turn has come. */
Test(late_clocks, no_limit_in_time_ends_it)
{
    static const char *const settings[] = {
        "limits.header_timeout=300ms", "limits.body_timeout=300ms",
        "limits.slow_body=300ms",      "limits.output_timeout=300ms",
        "limits.pinned_timeout=300ms", NULL};

    session_start(settings);
    session_have("late", "one");
    session_say(&client, "GET late", NULL);
    inline_client_send(&client, "*1\r\n$4\r\nPI", 10);
    turn_for(700);
    cr_assert_eq(late_count, 1u);
    session_release("late");
    inline_client_send(&client, "NG\r\n", 4);
    session_expect("$3\r\none\r\n+PONG\r\n");
}

/* Clients whose requests wait, and keep a buffer each. */
static struct inline_client crowd[LATE_MAX];

static void
have_crowd(unsigned count)
{
    char line[400] = "MGET late ";

    memset(line + strlen(line), 'k', 300);
    for (unsigned i = 0; i < count; i++) {
        cr_assert(inline_client_open(&here, &crowd[i]));
        session_say(&crowd[i], line, NULL);
    }
}

static void
end_crowd(unsigned count)
{
    while (late_release("late", STATUS_OK))
        worker_turn(here.worker);
    for (unsigned i = 0; i < count; i++)
        inline_client_close(&crowd[i]);
}

/* What he keeps is room for many. */
Test(late_clocks, a_long_request_that_waits_turns_nobody_away)
{
    static const char *const settings[] = {"limits.head_memory=1536KiB",
                                           "limits.head=1MiB", NULL};
    const unsigned count = (512u << 10) / BUFFER_SIZE - 1;
    static char text[1u << 20];
    size_t size = (size_t)snprintf(text, sizeof(text),
                                   "*10002\r\n$4\r\nMGET\r\n$4\r\nlate\r\n");

    for (unsigned i = 0; i < 10000; i++)
        size += (size_t)snprintf(text + size, sizeof(text) - size,
                                 "$60\r\n%060u\r\n", i);
    session_start(settings);
    session_have("late", "one");
    inline_client_send(&client, text, size);
    have_crowd(count);
    cr_assert_eq(late_count, count + 1);
    cr_assert(inline_client_open(&here, &others[0]));
    session_say(&others[0], "PING", NULL);
    cr_assert(inline_client_got(&others[0], "+PONG\r\n"));
    inline_client_settle(&client);
    cr_assert(client.is_over);
    cr_assert_eq(late_count, count);
    cr_assert_eq(server_count(here.server, COUNTER_closed_limit), 1u);
    end_crowd(count);
    inline_client_close(&others[0]);
}

/* There is nothing to gain by who waits with no more than others need. */
Test(late_clocks, a_short_request_that_waits_goes_for_nobody)
{
    static const char *const settings[] = {"limits.head_memory=1MiB", NULL};
    const unsigned count = LATE_MAX - 1;

    session_start(settings);
    session_have("late", "one");
    have_crowd(count);
    cr_assert_eq(late_count, count);
    cr_assert(inline_client_open(&here, &others[0]));
    session_say(&others[0], "PING", NULL);
    cr_assert(others[0].is_over);
    cr_assert_eq(late_count, count);
    end_crowd(count);
    inline_client_close(&others[0]);
}

static bool
wait_for_gets(unsigned count)
{
    uint64_t until_ns = clock_now_ns() + 10 * NS_PER_SECOND;

    while (atomic_load(&late_count) != count)
        if (clock_now_ns() > until_ns)
            return false;
    return true;
}

Test(late_clocks, a_server_that_ends_cancels_it)
{
    static const char command[] = "*5\r\n$4\r\nMGET\r\n$4\r\nlate\r\n$4\r\nlate"
                                  "\r\n$4\r\nsoon\r\n$4\r\nlate\r\n";

    session_start(NULL);
    session_have("late", "one");
    cr_assert_eq(worker_start(here.worker), STATUS_OK);
    cr_assert_eq(send(client.fd, command, sizeof(command) - 1, MSG_NOSIGNAL),
                 (ssize_t)sizeof(command) - 1);
    cr_assert(wait_for_gets(3));
    worker_stop(here.worker);
    cr_assert_eq(late_cancelled, 3u);
    cr_assert_eq(server_connections(here.server), 0u);
}

Test(late_limits, a_flush_waits_for_the_device)
{
    session_have("soon", "one");
    late_flushes = true;
    session_say(&client, "FLUSHALL", "GET soon", NULL);
    session_expect("");
    cr_assert_neq(late_flush, NULL);
    cr_assert_eq(late_flush->space, STORE_ALL_SPACES);
    late_flush_end();
    session_expect("+OK\r\n$-1\r\n");
    session_say(&client, "SELECT 7", "FLUSHDB", NULL);
    cr_assert_eq(late_flush->space, 7u);
    late_flush_end();
    session_expect("+OK\r\n+OK\r\n");
}

Test(late_limits, a_flush_the_device_did_not_take_says_so)
{
    static const char error[] =
        "-ERR flushed from memory, but the nvme or spill tier did not take it: "
        "values there may return after a restart\r\n";

    session_have("soon", "one");
    late_flush_status = STATUS_IO;
    session_say(&client, "FLUSHALL", NULL);
    session_expect(error);
    session_say(&client, "EXISTS soon", NULL);
    session_expect(":0\r\n");
    late_flushes = true;
    session_say(&client, "FLUSHDB", NULL);
    late_flush_end();
    session_expect(error);
}

Test(late_clocks, a_server_that_ends_cancels_a_flush)
{
    static const char command[] = "*1\r\n$8\r\nFLUSHALL\r\n";

    session_start(NULL);
    late_flushes = true;
    inline_client_send(&client, command, sizeof(command) - 1);
    cr_assert_neq(late_flush, NULL);
    cr_assert_eq(worker_start(here.worker), STATUS_OK);
    worker_stop(here.worker);
    cr_assert_eq(late_flush, NULL);
}

/* Ticks of the worker's clock submit too, seldom. */
Test(late_limits, reads_are_submitted_once_behind_all_that_was_due)
{
    static const char command[] = "*2\r\n$3\r\nGET\r\n$4\r\nlate\r\n";
    const unsigned count = sizeof(others) / sizeof(*others);
    unsigned before;

    session_have("late", "one");
    for (unsigned i = 0; i < count; i++)
        cr_assert(inline_client_open(&here, &others[i]));
    before = late_submits;
    for (unsigned i = 0; i < count; i++)
        cr_assert_gt(send(others[i].fd, command, sizeof(command) - 1, 0), 0);
    worker_turn(here.worker);
    cr_assert_eq(late_count, count);
    cr_assert_eq(late_unsubmitted, 0u);
    cr_assert_leq(late_submits - before, 2u);
    while (late_release("late", STATUS_OK))
        continue;
    for (unsigned i = 0; i < count; i++) {
        cr_assert(inline_client_got(&others[i], "$3\r\none\r\n"));
        inline_client_close(&others[i]);
    }
}
