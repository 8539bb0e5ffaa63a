/* SPDX-License-Identifier: Apache-2.0 */
/* GETs of values that storage has to read first: who waits for them, and in
 * what order they are answered. */
#include "proto/lm.h"
#include "proto/protocol.h"
#include "tests/lib/late_session.h"
#include "tests/lib/store_values.h"

static struct inline_client other;

static void
start(void)
{
    session_start(NULL);
}

TestSuite(late_gets, .init = start, .fini = session_end);

Test(late_gets, what_stands_behind_a_waiting_get_keeps_its_order)
{
    session_have("late", "one");
    session_have("soon", "two");
    session_say(&client, "GET late", "GET soon", "PING", "GET late",
                "ECHO last", NULL);
    session_expect("");
    session_release("late");
    session_expect("$3\r\none\r\n$3\r\ntwo\r\n+PONG\r\n");
    session_release("late");
    session_expect("$3\r\none\r\n$4\r\nlast\r\n");
}

Test(late_gets, what_comes_while_a_get_waits_is_answered_behind_it)
{
    session_have("late", "one");
    session_say(&client, "GET late", NULL);
    session_say(&client, "PING", NULL);
    session_say(&client, "EXISTS late", NULL);
    session_expect("");
    session_release("late");
    session_expect("$3\r\none\r\n+PONG\r\n:1\r\n");
}

Test(late_gets, nobody_else_waits)
{
    session_have("late", "one");
    session_say(&client, "GET late", NULL);
    cr_assert(inline_client_open(&here, &other));
    session_say(&other, "PING", "GET soon", NULL);
    cr_assert(inline_client_got(&other, "+PONG\r\n$-1\r\n"));
    session_expect("");
    session_release("late");
    session_expect("$3\r\none\r\n");
    inline_client_close(&other);
}

Test(late_gets, a_late_miss_is_a_miss)
{
    session_have("late", "one");
    session_say(&client, "GET late", "GETRANGE late 0 1", "PING", NULL);
    cr_assert(late_release("late", STATUS_MISS));
    session_expect("$-1\r\n");
    cr_assert(late_release("late", STATUS_MISS));
    session_expect("$0\r\n\r\n+PONG\r\n");
    session_say(&client, "MGET late none late", NULL);
    while (late_release("late", STATUS_MISS))
        inline_client_settle(&client);
    session_expect("*3\r\n$-1\r\n$-1\r\n$-1\r\n");
}

Test(late_gets, a_range_of_a_late_value_is_cut_out)
{
    session_have("late", "0123456789");
    session_say(&client, "GETRANGE late 2 -3", "STRLEN late", NULL);
    session_release("late");
    session_expect("$6\r\n234567\r\n:10\r\n");
}

Test(late_gets, set_answers_with_the_late_value_it_replaces)
{
    session_have("late", "old");
    session_say(&client, "SET late new PX 100000 GET", "PTTL none", NULL);
    session_expect("");
    session_release("late");
    session_expect("$3\r\nold\r\n:-2\r\n");
    session_say(&client, "GET late", NULL);
    session_release("late");
    session_expect("$3\r\nnew\r\n");
}

Test(late_gets, mget_answers_in_order_however_its_values_come)
{
    session_have("late-1", "one");
    session_have("soon", "two");
    session_have("late-2", "three");
    session_have("late-3", "four");
    session_say(&client, "MGET late-1 soon late-2 none late-3 late-1", "PING",
                NULL);
    session_expect("*6\r\n");
    session_release("late-3");
    session_release("late-2");
    session_expect("");
    session_release("late-1");
    session_expect("$3\r\none\r\n$3\r\ntwo\r\n$5\r\nthree\r\n$-1\r\n"
                   "$4\r\nfour\r\n");
    session_release("late-1");
    session_expect("$3\r\none\r\n+PONG\r\n");
}

Test(late_gets, mget_reads_a_few_values_ahead)
{
    char key[16];

    for (unsigned i = 0; i < 9; i++) {
        snprintf(key, sizeof(key), "late-%u", i);
        session_have(key, "v");
    }
    session_say(&client,
                "MGET late-0 late-1 late-2 late-3 late-4 late-5 late-6 late-7 "
                "late-8",
                NULL);
    session_expect("*9\r\n");
    for (unsigned i = 0; i < 9; i++) {
        session_scribble();
        cr_assert_eq(late_count, i <= 5 ? 4u : 9 - i);
        snprintf(key, sizeof(key), "late-%u", i);
        cr_assert(late_release(key, i % 2 == 0 ? STATUS_OK : STATUS_MISS));
        session_expect(i % 2 == 0 ? "$1\r\nv\r\n" : "$-1\r\n");
    }
    cr_assert_eq(late_started, 9u);
}

/* Three values of 600 KiB; the pool's share is a MiB. */
Test(late_gets, mget_reads_ahead_only_what_the_pool_can_spare)
{
    static char text[600u << 10];
    char head[64];

    memset(text, 'v', sizeof(text));
    for (unsigned i = 0; i < 3; i++) {
        int n = snprintf(head, sizeof(head),
                         "*3\r\n$3\r\nSET\r\n$6\r\nlate-%u\r\n$%zu\r\n", i,
                         sizeof(text));

        inline_client_send(&client, head, (size_t)n);
        inline_client_send(&client, text, sizeof(text));
        inline_client_send(&client, "\r\n", 2);
        session_expect("+OK\r\n");
    }
    session_say(&client, "MGET late-0 late-1 late-2", NULL);
    cr_assert_eq(late_count, 2u);
    session_release("late-0");
    inline_client_settle(&client);
    session_release("late-1");
    inline_client_settle(&client);
    session_release("late-2");
    inline_client_settle(&client);
    cr_assert_eq(client.size, 4 + 3 * (9 + sizeof(text) + 2));
}

static void
say_lm(struct inline_client *to, enum verb verb, const char *name,
       const char *body)
{
    uint8_t text[LM_REQUEST_MAX];
    struct cursor out = {text, text + sizeof(text), 0};
    struct request_head head = {.verb = verb,
                                .dialect = LM_V1,
                                .name = {(const uint8_t *)name, strlen(name)},
                                .meta = {.size = CHUNK_META_LM},
                                .body_size = strlen(body)};

    head.meta.bytes[0] = (uint8_t)strlen(body);
    cr_assert(protocol_lm.write_request(&out, &head));
    inline_client_send(to, text, (size_t)(out.at - text));
    inline_client_send(to, body, strlen(body));
}

Test(late_gets, lm_waits_too)
{
    size_t head = lm_reply_size(LM_V1);

    cr_assert(inline_client_open(&here, &other));
    say_lm(&other, VERB_PUT, "late", "chunk");
    say_lm(&other, VERB_GET, "late", "");
    say_lm(&other, VERB_EXISTS, "late", "");
    cr_assert_eq(other.size, 0u);
    session_scribble();
    session_release("late");
    inline_client_settle(&other);
    cr_assert_eq(other.size, head + 5 + head);
    cr_assert_arr_eq(other.reply + head, "chunk", 5);
    say_lm(&other, VERB_GET, "late", "");
    cr_assert(late_release("late", STATUS_MISS));
    inline_client_settle(&other);
    cr_assert_eq(other.size, 3 * head + 5);
    inline_client_close(&other);
}

/* The bytes of one object, and another object of lm:// by that very name. */
Test(late_gets, each_meaning_of_a_name_is_asked_for_once)
{
    session_have("latekv_bytes", "first");
    cr_assert(inline_client_open(&here, &other));
    say_lm(&other, VERB_PUT, "latekv_bytes", "second");
    inline_client_close(&other);
    session_say(&client, "GET latekv_bytes", NULL);
    cr_assert(late_release("late", STATUS_MISS));
    session_expect("");
    session_release("latekv_bytes");
    session_expect("$6\r\nsecond\r\n");
    cr_assert_eq(late_started, 2u);
}

#define SESSIONS 300u
#define COMMANDS 40u

static const char *
any_key(uint64_t *random)
{
    static const char *const keys[] = {"late-1", "soon-1", "late-2",
                                       "soon-2", "late-3", "latekv_bytes"};

    return keys[random_below(random, sizeof(keys) / sizeof(*keys))];
}

static size_t
write_command(char *line, size_t room, uint64_t *random)
{
    const char *key = any_key(random);
    size_t size;

    switch (random_below(random, 8)) {
    case 0:
        return (size_t)snprintf(line, room, "GET %s", key);
    case 1:
        return (size_t)snprintf(line, room, "GETRANGE %s 1 -2", key);
    case 2:
        return (size_t)snprintf(line, room, "EXISTS %s", key);
    case 3:
        return (size_t)snprintf(line, room, "%s %s",
                                random_below(random, 8) == 0 ? "DEL" : "ECHO",
                                key);
    case 4:
    case 5:
        size = (size_t)snprintf(line, room, "SET %s %0*u", key,
                                (int)random_below(random, 6000) + 1,
                                random_below(random, 1000));
        return size +
               (size_t)snprintf(line + size, room - size, "%s",
                                random_below(random, 3) == 0 ? " GET" : "");
    default:
        size = (size_t)snprintf(line, room, "MGET %s", key);
        for (unsigned left = random_below(random, 12); left > 0; left--)
            size += (size_t)snprintf(line + size, room - size, " %s",
                                     any_key(random));
        return size;
    }
}

/* What one session of this seed is answered with; its values come late or at
 * once. */
static void
converse(uint64_t seed, bool is_late)
{
    static char text[COMMANDS * 8192], line[8192];
    uint64_t random = seed, order = ~seed;
    size_t size = 0;

    late_is_off = true;
    session_say(&client, "FLUSHALL", NULL);
    session_expect("+OK\r\n");
    late_is_off = !is_late;
    for (unsigned i = 0; i < COMMANDS; i++) {
        (void)write_command(line, sizeof(line), &random);
        size += session_encode(text + size, sizeof(text) - size, line);
    }
    inline_client_send(&client, text, size);
    if (is_late)
        session_scribble();
    while (late_release_any(random_below(&order, LATE_MAX)))
        if (random_below(&order, 2) == 0)
            inline_client_settle(&client);
    inline_client_settle(&client);
    while (late_release_any(random_below(&order, LATE_MAX)))
        inline_client_settle(&client);
}

Test(late_gets, any_session_is_answered_as_if_nothing_were_late)
{
    static char reply[INLINE_REPLY_MAX];

    for (unsigned seed = 1; seed <= SESSIONS; seed++) {
        size_t size;

        converse(seed, false);
        size = client.size;
        memcpy(reply, client.reply, size);
        client.size = 0;
        converse(seed, true);
        cr_assert(client.size == size && memcmp(client.reply, reply, size) == 0,
                  "session %u", seed);
        client.size = 0;
    }
    cr_assert_gt(late_started, SESSIONS);
}
