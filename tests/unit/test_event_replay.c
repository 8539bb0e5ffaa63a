/* SPDX-License-Identifier: Apache-2.0 */
/* What a reader is answered: what is kept, or a listing of all there is. */
#include "server/events/event_replay.h"

#include "tests/lib/store_values.h"

#include <criterion/criterion.h>
#include <msgpack.h>

#define FIRST    5000u
#define KEYS_MAX 2000u

static struct store_fixture here;
static struct event_journal journal;
static struct event_style style = {
    .pod = "pod", .model = "", .medium = "cpu", .block_tokens = 256};
static struct event_source source;
static struct event_replay replay;

/* What the reader got. */
static struct {
    uint64_t sequences[KEYS_MAX];
    unsigned count;
    bool has_end;
    unsigned cleared, stored; /* events */
    bool is_listed[KEYS_MAX]; /* by the number of their keys */
    enum status next;         /* of the next send */
    unsigned refused;
} reader;

static void
start(void)
{
    struct store_limits limits = store_small_limits();

    limits.index_memory = 4u << 20;
    cr_assert(store_fixture_open(&here, &limits));
    cr_assert_eq(event_journal_open(&journal, 1u << 20, FIRST), STATUS_OK);
    memset(&reader, 0, sizeof(reader));
    reader.next = STATUS_OK;
    source = (struct event_source){.store = here.store,
                                   .journal = &journal,
                                   .style = &style,
                                   .now_ns = 1,
                                   .unix_ms = 1};
}

static void
end(void)
{
    event_replay_close(&replay);
    event_journal_close(&journal);
    cr_assert(store_fixture_close(&here));
}

TestSuite(event_replay, .init = start, .fini = end);

static void
put(unsigned number)
{
    struct key_text text;
    struct key key = key_numbered(&text, KEY_PLAIN, number);
    struct store_terms terms = {.form = FORM_LM};

    cr_assert_eq(value_store(here.port, &key, 100, number, &terms), STATUS_OK);
}

/* Messages of one byte, which is no msgpack. */
static void
publish(unsigned count)
{
    const struct event_frames frames = {.topic = {(const uint8_t *)"topic", 5},
                                        .payload = {(const uint8_t *)"p", 1}};

    while (count-- > 0)
        event_journal_add(&journal, &frames);
}

static const msgpack_object *
field(const msgpack_object *map, const char *name)
{
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *pair = &map->via.map.ptr[i];

        if (pair->key.via.str.size == strlen(name) &&
            memcmp(pair->key.via.str.ptr, name, strlen(name)) == 0)
            return &pair->val;
    }
    return NULL;
}

static void
apply(const msgpack_object *event)
{
    const msgpack_object *type = field(event, "event_type");
    const msgpack_object *key = field(event, "object_key");
    char text[32] = "";
    unsigned number;

    if (type->via.str.size == 7) {
        cr_assert_arr_eq(type->via.str.ptr, "cleared", 7);
        reader.cleared++;
        return;
    }
    cr_assert_arr_eq(type->via.str.ptr, "stored", 6);
    memcpy(text, key->via.str.ptr, key->via.str.size);
    cr_assert_eq(sscanf(text, "key-%u", &number), 1);
    reader.is_listed[number] = true;
    reader.stored++;
}

static void
apply_all(const struct bytes *payload)
{
    msgpack_unpacked unpacked;
    size_t at = 0;

    msgpack_unpacked_init(&unpacked);
    cr_assert_eq(msgpack_unpack_next(&unpacked, (const char *)payload->at,
                                     payload->size, &at),
                 MSGPACK_UNPACK_SUCCESS);
    cr_assert_eq(at, payload->size);
    for (uint32_t i = 0; i < unpacked.data.via.array.ptr[1].via.array.size; i++)
        apply(&unpacked.data.via.array.ptr[1].via.array.ptr[i]);
    msgpack_unpacked_destroy(&unpacked);
}

static enum status
on_send(void *arg, const struct event_reply *reply)
{
    cr_assert_eq(arg, &reader);
    cr_assert_eq(reply->peer->size, 3);
    if (reader.next != STATUS_OK) {
        reader.refused++;
        return reader.next;
    }
    cr_assert_not(reader.has_end);
    if (reply->sequence == EVENT_END) {
        cr_assert_eq(reply->frames.payload.size, 0);
        reader.has_end = true;
        return STATUS_OK;
    }
    reader.sequences[reader.count++] = reply->sequence;
    if (reply->frames.payload.size > 1)
        apply_all(&reply->frames.payload);
    return STATUS_OK;
}

static void
ask(uint64_t from)
{
    const struct event_request request = {.peer = {"abc", 3}, .start = from};

    cr_assert_eq(event_replay_open(&replay, &request, &source), STATUS_OK);
}

static enum status
step(void)
{
    return event_replay_step(&replay, &source, on_send, &reader);
}

static void
finish(void)
{
    enum status status;

    do
        status = step();
    while (status == STATUS_OK);
    cr_assert_eq(status, STATUS_MISS);
    cr_assert(reader.has_end);
}

Test(event_replay, of_what_is_kept_begins_where_it_was_asked_to)
{
    publish(10);
    ask(FIRST + 7);
    finish();
    cr_assert_eq(reader.count, 3);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(reader.sequences[i], FIRST + 7 + i);
    cr_assert_eq(reader.cleared, 0);
}

Test(event_replay, of_what_has_not_been_published_yet_is_empty)
{
    publish(10);
    ask(FIRST + 10);
    finish();
    cr_assert_eq(reader.count, 0);
}

Test(event_replay, of_what_is_not_kept_is_a_listing)
{
    static const uint64_t starts[] = {0, FIRST - 1, FIRST + 11, UINT64_MAX};

    publish(10);
    put(1);
    for (unsigned i = 0; i < 4; i++) {
        reader.has_end = false;
        ask(starts[i]);
        finish();
        cr_assert_eq(reader.cleared, i + 1);
        cr_assert_eq(reader.stored, i + 1);
        cr_assert_eq(reader.sequences[i], FIRST + 9);
        event_replay_close(&replay);
    }
    ask(FIRST);
    cr_assert_not(replay.is_listing);
}

Test(event_replay, of_what_was_skipped_is_a_listing)
{
    publish(10);
    event_journal_skip(&journal);
    publish(1);
    ask(FIRST + 10);
    finish();
    cr_assert_eq(reader.cleared, 1);
    cr_assert_eq(reader.sequences[0], FIRST + 11);
}

Test(event_replay, lists_nothing_where_there_is_nothing)
{
    ask(0);
    finish();
    cr_assert_eq(reader.cleared, 1);
    cr_assert_eq(reader.stored, 0);
    cr_assert_eq(reader.count, 1);
    cr_assert_eq(reader.sequences[0], FIRST - 1);
}

Test(event_replay, lists_every_key_once_after_clearing)
{
    for (unsigned i = 0; i < KEYS_MAX; i++)
        put(i);
    ask(0);
    finish();
    cr_assert_eq(reader.cleared, 1);
    cr_assert_eq(reader.stored, KEYS_MAX);
    for (unsigned i = 0; i < KEYS_MAX; i++)
        cr_assert(reader.is_listed[i], "%u", i);
    cr_assert_geq(reader.count, KEYS_MAX / EVENT_MESSAGE_EVENTS);
    for (unsigned i = 0; i < reader.count; i++)
        cr_assert_eq(reader.sequences[i], FIRST - 1);
}

Test(event_replay, goes_on_behind_a_listing_with_what_came_meanwhile)
{
    publish(10);
    for (unsigned i = 0; i < KEYS_MAX; i++)
        put(i);
    ask(0);
    while (reader.count == 0)
        cr_assert_eq(step(), STATUS_OK);
    publish(3);
    finish();
    for (unsigned i = 0; i + 3 < reader.count; i++)
        cr_assert_eq(reader.sequences[i], FIRST + 9);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(reader.sequences[reader.count - 3 + i], FIRST + 10 + i);
    cr_assert_eq(reader.stored, KEYS_MAX);
}

Test(event_replay, ends_where_it_was_overtaken)
{
    publish(10);
    ask(FIRST + 1);
    cr_assert_eq(step(), STATUS_OK);
    event_journal_skip(&journal);
    publish(10);
    finish();
    cr_assert_eq(reader.count, 1);
}

Test(event_replay, waits_for_a_reader_that_has_no_room)
{
    publish(2);
    put(1);
    ask(0);
    reader.next = STATUS_BUSY;
    while (step() == STATUS_OK)
        continue;
    source.now_ns = 77;
    for (unsigned i = 0; i < 5; i++)
        cr_assert_eq(step(), STATUS_BUSY);
    cr_assert_eq(replay.moved_ns, 1);
    reader.next = STATUS_OK;
    finish();
    cr_assert_eq(replay.moved_ns, 77);
    cr_assert(reader.cleared == 1 && reader.stored == 1);
}

Test(event_replay, ends_with_its_reader)
{
    publish(2);
    ask(FIRST);
    reader.next = STATUS_GONE;
    cr_assert_eq(step(), STATUS_GONE);
    event_replay_close(&replay);
    ask(0);
    while (step() == STATUS_OK)
        continue;
    cr_assert_eq(step(), STATUS_GONE);
}

static enum status
read_request(unsigned count, const char *frames[], const size_t sizes[],
             struct event_request *out)
{
    struct bytes bytes[8];

    for (unsigned i = 0; i < count && i < 8; i++)
        bytes[i] = (struct bytes){(const uint8_t *)frames[i], sizes[i]};
    return event_request_read(bytes, count, out);
}

#define EIGHT "\x01\x02\x03\x04\x05\x06\x07\x08"

Test(event_request, is_a_reader_and_a_number)
{
    struct event_request request;

    cr_assert_eq(read_request(3, (const char *[]){"peer", "", EIGHT},
                              (const size_t[]){4, 0, 8}, &request),
                 STATUS_OK);
    cr_assert_eq(request.start, 0x0102030405060708);
    cr_assert_eq(request.peer.size, 4);
    cr_assert_arr_eq(request.peer.bytes, "peer", 4);
    cr_assert_eq(read_request(2, (const char *[]){"peer", EIGHT},
                              (const size_t[]){4, 8}, &request),
                 STATUS_OK);
    cr_assert_eq(request.start, 0x0102030405060708);
}

Test(event_request, of_other_frames_is_refused)
{
    struct event_request request;

    cr_assert_eq(read_request(1, (const char *[]){"peer"}, (const size_t[]){4},
                              &request),
                 STATUS_BAD_REQUEST);
    cr_assert_eq(read_request(2, (const char *[]){"peer", ""},
                              (const size_t[]){4, 0}, &request),
                 STATUS_BAD_REQUEST);
    cr_assert_eq(read_request(3, (const char *[]){"peer", "", EIGHT},
                              (const size_t[]){4, 0, 7}, &request),
                 STATUS_BAD_REQUEST);
    cr_assert_eq(read_request(3, (const char *[]){"peer", "x", EIGHT},
                              (const size_t[]){4, 1, 8}, &request),
                 STATUS_BAD_REQUEST);
    cr_assert_eq(read_request(4, (const char *[]){"peer", "", EIGHT, ""},
                              (const size_t[]){4, 0, 8, 0}, &request),
                 STATUS_BAD_REQUEST);
}
