/* SPDX-License-Identifier: Apache-2.0 */
/* GETs of the native wire whose values storage has to read first: what overtakes
 * them, and what becomes of them. */
#include "server/net/order.h"
#include "tests/lib/frames.h"
#include "tests/lib/store_values.h"

static void
start(void)
{
    frames_last_id = 0;
    frames_taken = 0;
    session_start(NULL);
}

static void
end(void)
{
    client.size = 0;
    session_end();
}

TestSuite(native_gets, .init = start, .fini = end);

/* Values of keys late-0, late-1 and so on. */
static void
have_many(unsigned number, const char *value)
{
    char key[16];

    for (unsigned i = 0; i < number; i++) {
        snprintf(key, sizeof(key), "late-%u", i);
        frames_have(key, value);
    }
}

static uint64_t
get_number(unsigned number)
{
    char key[16];

    snprintf(key, sizeof(key), "late-%u", number);
    return frames_get(key);
}

static uint64_t
counted(enum counter_id counter)
{
    return server_count(here.server, counter);
}

Test(native_gets, what_is_in_memory_overtakes_what_is_not)
{
    uint64_t late, soon, hello;

    frames_have("late", "one");
    frames_have("soon", "two");
    late = frames_get("late");
    soon = frames_get("soon none");
    hello =
        frames_ask((struct native_request){.verb = NATIVE_EXISTS}, "", NULL, 0);
    frames_expect(soon, 0, NATIVE_OK, "two");
    frames_expect(soon, 1, NATIVE_MISS, "");
    frames_expect(hello, 0, NATIVE_OK, "");
    frames_expect_nothing();
    session_release("late");
    frames_expect(late, 0, NATIVE_OK, "one");
    cr_assert_eq(counted(COUNTER_get_hits), 2u);
    cr_assert_eq(counted(COUNTER_get_misses), 1u);
}

Test(native_gets, each_key_is_answered_when_it_is_there)
{
    uint64_t id;

    frames_have("late-1", "one");
    frames_have("soon", "two");
    frames_have("late-2", "three");
    id = frames_get("late-1 soon late-2 late-1");
    frames_expect(id, 1, NATIVE_OK, "two");
    session_release("late-2");
    frames_expect(id, 2, NATIVE_OK, "three");
    session_release("late-1");
    session_release("late-1");
    frames_expect(id, 0, NATIVE_OK, "one");
    frames_expect(id, 3, NATIVE_OK, "one");
}

Test(native_gets, a_get_has_the_value_of_when_it_was_asked)
{
    uint64_t old, new, drop;

    frames_have("late", "old");
    old = frames_get("late");
    frames_have("late", "new");
    new = frames_get("late");
    drop = frames_ask((struct native_request){.verb = NATIVE_DROP}, "late",
                      NULL, 0);
    frames_expect(drop, 0, NATIVE_OK, "");
    frames_expect(frames_get("late"), 0, NATIVE_MISS, "");
    session_release("late");
    session_release("late");
    frames_expect(old, 0, NATIVE_OK, "old");
    frames_expect(new, 0, NATIVE_OK, "new");
}

Test(native_gets, a_late_miss_is_a_miss)
{
    uint64_t id;

    frames_have("late", "one");
    id = frames_get("late");
    cr_assert(late_release("late", STATUS_MISS));
    frames_expect(id, 0, NATIVE_MISS, "");
    cr_assert_eq(counted(COUNTER_get_misses), 1u);
}

Test(native_gets, so_many_wait_and_the_rest_stand_in_line)
{
    uint64_t first, id = 0, soon;

    have_many(40, "v");
    frames_have("soon", "two");
    first = get_number(0);
    for (unsigned i = 1; i < ORDERS_MAX; i++)
        id = get_number(i);
    cr_assert_eq(late_count, ORDERS_MAX);
    soon = frames_get("soon");
    frames_expect(soon, 0, NATIVE_OK, "two");
    (void)frames_get("late-32 soon late-33");
    (void)frames_get("soon");
    session_scribble();
    cr_assert_eq(late_count, ORDERS_MAX);
    frames_expect_nothing();
    session_release("late-31");
    frames_expect(id, 0, NATIVE_OK, "v");
    frames_expect(soon + 1, 1, NATIVE_OK, "two");
    frames_expect_nothing();
    cr_assert_eq(late_count, ORDERS_MAX);
    session_release("late-0");
    frames_expect(first, 0, NATIVE_OK, "v");
    frames_expect(soon + 2, 0, NATIVE_OK, "two");
    cr_assert_eq(late_count, ORDERS_MAX);
    session_release("late-33");
    frames_expect(soon + 1, 2, NATIVE_OK, "v");
    while (late_release_any(0))
        inline_client_settle(&client);
}

/* Values of 400 KiB; the pool's share is a MiB. */
Test(native_gets, only_what_the_pool_can_spare_is_read_at_one_time)
{
    static char value[(400u << 10) + 1];

    memset(value, 'v', sizeof(value) - 1);
    have_many(4, value);
    for (unsigned i = 0; i < 4; i++)
        (void)get_number(i);
    cr_assert_eq(late_count, 2u);
    session_release("late-1");
    frames_expect(6, 0, NATIVE_OK, value);
    cr_assert_eq(late_count, 2u);
    session_release("late-0");
    frames_expect(5, 0, NATIVE_OK, value);
    session_release("late-3");
    frames_expect(8, 0, NATIVE_OK, value);
    session_release("late-2");
    frames_expect(7, 0, NATIVE_OK, value);
}

static void
pass_ms(unsigned ms)
{
    uint64_t until_ns = clock_now_ns() + ms * NS_PER_MS;

    while (clock_now_ns() <= until_ns)
        inline_client_settle(&client);
}

Test(native_gets, what_comes_after_its_deadline_is_late)
{
    struct native_request request = {.verb = NATIVE_GET, .deadline_ms = 20};
    uint64_t id, other;

    frames_have("late-1", "one");
    frames_have("late-2", "two");
    frames_have("soon", "three");
    id = frames_ask(request, "soon late-1", NULL, 0);
    frames_expect(id, 0, NATIVE_OK, "three");
    request.deadline_ms = 3600000;
    other = frames_ask(request, "late-2", NULL, 0);
    pass_ms(21);
    session_release("late-1");
    session_release("late-2");
    frames_expect(id, 1, NATIVE_LATE, "");
    frames_expect(other, 0, NATIVE_OK, "two");
    cr_assert_eq(counted(COUNTER_gets_late), 1u);
    cr_assert_eq(counted(COUNTER_get_hits), 2u);
    cr_assert_eq(counted(COUNTER_get_misses), 0u);
}

/* The worker looks at deadlines some times a second. */
Test(native_gets, what_is_late_is_answered_before_it_is_there)
{
    struct native_request request = {.verb = NATIVE_GET, .deadline_ms = 1};
    unsigned before = late_cancelled;
    uint64_t id, until_ns;

    frames_have("late", "one");
    id = frames_ask(request, "late", NULL, 0);
    until_ns = clock_now_ns() + 10 * NS_PER_SECOND;
    while (frames_taken == client.size && clock_now_ns() < until_ns)
        inline_client_settle(&client);
    frames_expect(id, 0, NATIVE_LATE, "");
    cr_assert_eq(late_cancelled, before + 1);
    cr_assert_eq(late_count, 0u);
}

Test(native_gets, a_checksum_comes_with_a_late_value_too)
{
    struct native_request request = {.verb = NATIVE_GET,
                                     .wants_checksum = true};
    struct native_reply reply;
    struct bytes body;

    frames_have("late", "one");
    (void)frames_ask(request, "late", NULL, 0);
    session_release("late");
    inline_client_settle(&client);
    cr_assert(frames_take(&reply, &body));
    cr_assert(reply.has_checksum);
    cr_assert_eq(reply.checksum, checksum_of("one", 3));
    cr_assert_eq(reply.kind, NATIVE_PLAIN);
}

Test(native_gets, an_object_is_found_behind_its_plain_name)
{
    struct native_request put = {.verb = NATIVE_PUT,
                                 .kind = NATIVE_OBJECT,
                                 .meta = {.size = 3, .bytes = "abc"},
                                 .form = 1};
    struct native_reply reply;
    struct bytes body;
    uint64_t id = frames_ask(put, "late", "one", 3);

    frames_expect(id, 0, NATIVE_OK, "");
    (void)frames_get("late");
    session_release("late");
    inline_client_settle(&client);
    cr_assert(frames_take(&reply, &body));
    cr_assert_eq(reply.kind, NATIVE_OBJECT);
    cr_assert_eq(reply.form, 1u);
    cr_assert_eq(reply.meta.size, 3u);
    cr_assert_arr_eq(reply.meta.bytes, "abc", 3);
}

Test(native_gets, it_is_answered_in_the_middle_of_a_put)
{
    static uint8_t text[NATIVE_FRAME_MAX];
    struct cursor out = {text, text + sizeof(text), 0};
    static char value[300001];
    uint64_t late, id;

    memset(value, 'v', sizeof(value) - 1);
    frames_have("late", "one");
    late = frames_get("late");
    id = frames_spell(&out, (struct native_request){.verb = NATIVE_PUT},
                      "large", sizeof(value) - 1);
    inline_client_send(&client, text, (size_t)(out.at - text));
    inline_client_send(&client, value, 100000);
    session_release("late");
    frames_expect(late, 0, NATIVE_OK, "one");
    inline_client_send(&client, value, sizeof(value) - 1 - 100000);
    frames_expect(id, 0, NATIVE_OK, "");
    id = frames_get("large");
    frames_expect(id, 0, NATIVE_OK, value);
}

Test(native_gets, who_says_no_more_is_answered_and_closed)
{
    uint64_t id;

    frames_have("late", "one");
    id = frames_get("late");
    cr_assert_eq(shutdown(client.fd, SHUT_WR), 0);
    frames_expect_nothing();
    cr_assert_not(client.is_over);
    session_release("late");
    frames_expect(id, 0, NATIVE_OK, "one");
    cr_assert(client.is_over);
}

Test(native_gets, a_drain_waits_for_them)
{
    uint64_t id;

    frames_have("late", "one");
    id = frames_get("late");
    atomic_store(&here.server->is_draining, true);
    worker_wake(here.worker);
    frames_expect_nothing();
    cr_assert_not(client.is_over);
    session_release("late");
    frames_expect(id, 0, NATIVE_OK, "one");
    cr_assert(client.is_over);
    atomic_store(&here.server->is_draining, false);
}

Test(native_gets, who_goes_leaves_nothing)
{
    unsigned before = late_cancelled;

    have_many(2, "v");
    (void)frames_get("late-0 late-1 late-0");
    late_gets[0].get->done(late_gets[0].get); /* that is answered */
    late_gets[0].get = NULL;
    late_count--;
    chunk_drop(&late_gets[0].chunk);
    cr_assert_eq(late_count, 2u);
    inline_client_close(&client);
    while (server_connections(here.server) != 0)
        worker_turn(here.worker);
    cr_assert_eq(late_cancelled, before + 2);
    cr_assert(inline_client_open(&here, &client));
}

Test(native_gets, a_broken_frame_ends_them)
{
    unsigned before = late_cancelled;
    struct native_reply reply;
    struct bytes body;

    frames_have("late", "one");
    (void)frames_get("late");
    inline_client_send(&client, "*1\r\n$4\r\nPING\r\n  ", 16);
    inline_client_settle(&client);
    cr_assert(frames_take(&reply, &body));
    cr_assert_eq(reply.id, 0u);
    cr_assert_eq(reply.code, NATIVE_BAD_REQUEST);
    cr_assert(client.is_over);
    cr_assert_eq(late_cancelled, before + 1);
}

#define SESSIONS 200u
#define REQUESTS 60u

static const char *
any_key(uint64_t *random)
{
    static const char *const keys[] = {"late-1", "soon-1", "late-2",
                                       "soon-2", "late-3", "none"};

    return keys[random_below(random, sizeof(keys) / sizeof(*keys))];
}

static void
spell_any(struct cursor *out, uint64_t *random)
{
    struct native_request request = {.verb = NATIVE_GET};
    char keys[512];
    size_t size = 0, body = 0;
    unsigned count = 1;

    switch (random_below(random, 6)) {
    case 0:
    case 1:
        request.verb = NATIVE_PUT;
        request.kind =
            random_below(random, 3) == 0 ? NATIVE_OBJECT : NATIVE_PLAIN;
        body = random_below(random, 9000);
        break;
    case 2:
        request.verb =
            random_below(random, 3) == 0 ? NATIVE_DROP : NATIVE_EXISTS;
        break;
    default:
        count = 1 + random_below(random, 12);
        break;
    }
    for (unsigned i = 0; i < count; i++)
        size += (size_t)snprintf(keys + size, sizeof(keys) - size, "%s%s",
                                 i == 0 ? "" : " ", any_key(random));
    (void)frames_spell(out, request, keys, body);
    memset(out->at, 'a' + (int)random_below(random, 26), body);
    out->at += body;
}

/* What one session of this seed is answered with: a number for each reply, by
 * request and key.  Its values come late or at once. */
static void
converse(uint64_t seed, bool is_late, uint64_t answers[REQUESTS + 1][16])
{
    static uint8_t text[REQUESTS * 12000];
    struct cursor out = {text, text + sizeof(text), 0};
    uint64_t random = seed, order = ~seed, first = frames_last_id;
    struct native_reply reply;
    struct bytes body;

    memset(answers, 0, (REQUESTS + 1) * sizeof(answers[0]));
    late_is_off = !is_late;
    for (unsigned i = 0; i < REQUESTS; i++)
        spell_any(&out, &random);
    inline_client_send(&client, text, (size_t)(out.at - text));
    if (is_late)
        session_scribble();
    while (late_release_any(random_below(&order, LATE_MAX)))
        if (random_below(&order, 2) == 0)
            inline_client_settle(&client);
    inline_client_settle(&client);
    while (late_release_any(random_below(&order, LATE_MAX)))
        inline_client_settle(&client);
    while (frames_take(&reply, &body)) {
        uint64_t *answer = &answers[reply.id - first][reply.index];

        cr_assert_eq(*answer, 0u, "answered twice");
        *answer = 1 +
                  (checksum_of(body.at, body.size) ^
                   checksum_of(reply.list.at, reply.list.size)) +
                  reply.code;
    }
    cr_assert_eq(frames_taken, client.size);
    frames_taken = client.size = 0;
}

static void
clear(void)
{
    static const char keys[] = "late-1 soon-1 late-2 soon-2 late-3 none";

    (void)frames_ask((struct native_request){.verb = NATIVE_DROP}, keys, NULL,
                     0);
    frames_taken = client.size = 0;
}

Test(native_gets, any_session_is_answered_as_if_nothing_were_late)
{
    static uint64_t soon[REQUESTS + 1][16], late[REQUESTS + 1][16];

    for (unsigned seed = 1; seed <= SESSIONS; seed++) {
        clear();
        converse(seed, false, soon);
        clear();
        converse(seed, true, late);
        cr_assert_arr_eq(soon, late, sizeof(soon), "session %u", seed);
    }
    cr_assert_gt(late_started, SESSIONS);
}
