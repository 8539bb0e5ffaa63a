/* SPDX-License-Identifier: Apache-2.0 */
/* Events as bytes on the wire, of both forms. */
#include "server/events/event_message.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define UNIX_MS 1700000000500ull

static struct event_style style;
static struct event_message message;

static void
start_as(enum event_form form, const char *model)
{
    style = (struct event_style){.form = form,
                                 .pod = "10.0.0.1:7654",
                                 .model = model,
                                 .medium = "cpu",
                                 .block_tokens = 256};
    cr_assert_eq(event_message_open(&message, &style), STATUS_OK);
}

static void
end(void)
{
    event_message_close(&message);
}

TestSuite(event_message, .fini = end);

static struct store_event
event_of(enum store_event_kind kind, const char *name)
{
    return (struct store_event){.kind = kind,
                                .key = {.bytes = (const uint8_t *)name,
                                        .size = (uint16_t)strlen(name),
                                        .kind = KEY_PLAIN}};
}

static enum event_added
add(enum store_event_kind kind, const char *name)
{
    const struct store_event event = event_of(kind, name);

    return event_message_add(&message, &event);
}

static void
is_wire(const char *topic, const char *payload, size_t size)
{
    struct event_frames frames = event_message_end(&message, UNIX_MS);

    cr_assert_eq(frames.topic.size, strlen(topic));
    cr_assert_arr_eq(frames.topic.at, topic, frames.topic.size);
    cr_assert_eq(frames.payload.size, size, "%zu, not %zu bytes",
                 frames.payload.size, size);
    for (size_t i = 0; i < size; i++)
        cr_assert_eq(frames.payload.at[i], (uint8_t)payload[i],
                     "byte %zu is %02x, not %02x", i, frames.payload.at[i],
                     (uint8_t)payload[i]);
    event_message_begin(&message);
}

#define IS_WIRE(topic, payload) is_wire(topic, payload, sizeof(payload) - 1)

/* [1700000000500, of so many events */
#define OBJECT_HEAD "\x93\xcf\x00\x00\x01\x8b\xcf\xe5\x69\xf4"
#define OBJECT_TAIL "\x00"
#define TYPE                                                                   \
    "\xaa"                                                                     \
    "event_type"
#define KEY                                                                    \
    "\xaa"                                                                     \
    "object_key"
#define TENANT                                                                 \
    "\xa9"                                                                     \
    "tenant_id"
#define GROUP                                                                  \
    "\xa8"                                                                     \
    "group_id"                                                                 \
    "\xc0"
#define MEDIUM                                                                 \
    "\xa6"                                                                     \
    "medium"                                                                   \
    "\xa3"                                                                     \
    "cpu"
#define KIND                                                                   \
    "\xa4"                                                                     \
    "kind"

Test(event_message, of_objects_is_what_mooncake_sends)
{
    start_as(EVENT_OBJECT, "");
    cr_assert_eq(add(STORE_STORED, "k"), EVENT_ADDED);
    IS_WIRE("", OBJECT_HEAD "\x91"
                            "\x86" TYPE "\xa6"
                            "stored" KEY "\xa1"
                            "k" TENANT "\xa7"
                            "default" GROUP MEDIUM KIND "\xa5"
                            "value" OBJECT_TAIL);
    cr_assert_eq(add(STORE_REMOVED, "k"), EVENT_ADDED);
    IS_WIRE("", OBJECT_HEAD "\x91"
                            "\x86" TYPE "\xa7"
                            "removed" KEY "\xa1"
                            "k" TENANT "\xa7"
                            "default" GROUP MEDIUM KIND "\xa5"
                            "value" OBJECT_TAIL);
}

Test(event_message, of_nothing_has_no_events)
{
    start_as(EVENT_OBJECT, "");
    IS_WIRE("", OBJECT_HEAD "\x90" OBJECT_TAIL);
}

Test(event_message, names_the_namespace_and_the_kind)
{
    struct store_event event = event_of(STORE_STORED, "k");

    start_as(EVENT_OBJECT, "");
    event.key.space = 12;
    event.key.kind = KEY_OBJECT;
    cr_assert_eq(event_message_add(&message, &event), EVENT_ADDED);
    IS_WIRE("", OBJECT_HEAD "\x91"
                            "\x86" TYPE "\xa6"
                            "stored" KEY "\xa1"
                            "k" TENANT "\xa2"
                            "12" GROUP MEDIUM KIND "\xa6"
                            "object" OBJECT_TAIL);
}

Test(event_message, clears_one_namespace_or_all)
{
    struct store_event event = {.kind = STORE_CLEARED, .key.space = 3};

    start_as(EVENT_OBJECT, "");
    cr_assert_eq(event_message_add(&message, &event), EVENT_ADDED);
    event.key.space = STORE_ALL_SPACES;
    cr_assert_eq(event_message_add(&message, &event), EVENT_ADDED);
    IS_WIRE("", OBJECT_HEAD "\x92"
                            "\x85" TYPE "\xa7"
                            "cleared" KEY "\xc0" TENANT "\xa1"
                            "3" GROUP MEDIUM "\x85" TYPE "\xa7"
                            "cleared" KEY "\xc0" TENANT
                            "\xa0" GROUP MEDIUM OBJECT_TAIL);
}

Test(event_message, leaves_out_a_key_that_is_no_text)
{
    static const char *const texts[] = {
        "a",    "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
        "\x7f", "a\xc2\x80"};
    static const char *const others[] = {"\xff",
                                         "\xc3",
                                         "\xc3(",
                                         "\xe2\x82",
                                         "\xc0\x80",
                                         "\xc1\xbf",
                                         "\xe0\x80\x80",
                                         "\xed\xa0\x80",
                                         "\xf0\x80\x80\x80",
                                         "\xf4\x90\x80\x80",
                                         "\xf5\x80\x80\x80",
                                         "a\x80"};

    start_as(EVENT_OBJECT, "");
    for (unsigned i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        cr_assert_eq(add(STORE_STORED, texts[i]), EVENT_ADDED, "%u", i);
    for (unsigned i = 0; i < sizeof(others) / sizeof(*others); i++)
        cr_assert_eq(add(STORE_STORED, others[i]), EVENT_UNNAMED, "%u", i);
    cr_assert_eq(message.count, sizeof(texts) / sizeof(*texts));
}

/* [1700000000.5, of so many events */
#define VLLM_HEAD "\x93\xcb\x41\xd9\x54\xfc\x40\x20\x00\x00"
#define VLLM_TAIL "\xc0"
#define STORED                                                                 \
    "\x98\xab"                                                                 \
    "BlockStored"                                                              \
    "\x91\xcf"
#define UNTOLD                                                                 \
    "\xc0\x90\xcd\x01\x00\xc0\xa3"                                             \
    "cpu"                                                                      \
    "\xc0"
#define REMOVED                                                                \
    "\x93\xac"                                                                 \
    "BlockRemoved"                                                             \
    "\x91\xcf"

Test(event_message, of_blocks_is_what_vllm_sends)
{
    start_as(EVENT_VLLM, "");
    cr_assert_eq(add(STORE_STORED, "llama@8@0@1@half"), EVENT_ADDED);
    cr_assert_eq(add(STORE_REMOVED, "llama@8@0@-2@half"), EVENT_ADDED);
    IS_WIRE("kv@10.0.0.1:7654@llama", VLLM_HEAD
            "\x92" STORED "\x00\x00\x00\x00\x00\x00\x00\x01" UNTOLD REMOVED
            "\xff\xff\xff\xff\xff\xff\xff\xfe"
            "\xa3"
            "cpu" VLLM_TAIL);
}

Test(event_message, of_blocks_is_of_one_model)
{
    start_as(EVENT_VLLM, "");
    cr_assert_eq(add(STORE_REMOVED, "one@8@0@7@half"), EVENT_ADDED);
    cr_assert_eq(add(STORE_REMOVED, "two@8@0@7@half"), EVENT_FULL);
    cr_assert_eq(add(STORE_REMOVED, "ne@8@0@7@half"), EVENT_FULL);
    cr_assert_eq(add(STORE_REMOVED, "one@8@0@8@half"), EVENT_ADDED);
    IS_WIRE("kv@10.0.0.1:7654@one",
            VLLM_HEAD "\x92" REMOVED "\x00\x00\x00\x00\x00\x00\x00\x07"
                      "\xa3"
                      "cpu" REMOVED "\x00\x00\x00\x00\x00\x00\x00\x08"
                      "\xa3"
                      "cpu" VLLM_TAIL);
    cr_assert_eq(add(STORE_REMOVED, "two@8@0@7@half"), EVENT_ADDED);
    IS_WIRE("kv@10.0.0.1:7654@two",
            VLLM_HEAD "\x91" REMOVED "\x00\x00\x00\x00\x00\x00\x00\x07"
                      "\xa3"
                      "cpu" VLLM_TAIL);
    IS_WIRE("kv@10.0.0.1:7654@", VLLM_HEAD "\x90" VLLM_TAIL);
}

Test(event_message, of_blocks_is_of_the_model_that_was_configured)
{
    start_as(EVENT_VLLM, "mine");
    cr_assert_eq(add(STORE_REMOVED, "one@8@0@7@half"), EVENT_ADDED);
    cr_assert_eq(add(STORE_REMOVED, "two@8@0@7@half"), EVENT_ADDED);
    IS_WIRE("kv@10.0.0.1:7654@mine",
            VLLM_HEAD "\x92" REMOVED "\x00\x00\x00\x00\x00\x00\x00\x07"
                      "\xa3"
                      "cpu" REMOVED "\x00\x00\x00\x00\x00\x00\x00\x07"
                      "\xa3"
                      "cpu" VLLM_TAIL);
}

Test(event_message, of_blocks_clears_all_or_nothing)
{
    struct store_event event = {.kind = STORE_CLEARED, .key.space = 3};

    start_as(EVENT_VLLM, "m");
    cr_assert_eq(event_message_add(&message, &event), EVENT_UNNAMED);
    event.key.space = STORE_ALL_SPACES;
    cr_assert_eq(event_message_add(&message, &event), EVENT_ADDED);
    IS_WIRE("kv@10.0.0.1:7654@m", VLLM_HEAD "\x91\x91\xb0"
                                            "AllBlocksCleared" VLLM_TAIL);
}

Test(event_message, of_blocks_leaves_out_what_names_none_or_is_not_the_first)
{
    start_as(EVENT_VLLM, "");
    cr_assert_eq(add(STORE_STORED, "k"), EVENT_UNNAMED);
    cr_assert_eq(add(STORE_STORED, "llama@8@1@ff@half"), EVENT_UNNAMED);
    IS_WIRE("kv@10.0.0.1:7654@", VLLM_HEAD "\x90" VLLM_TAIL);
}

static void
fill(const char *key)
{
    unsigned count = 0;

    while (add(STORE_STORED, key) == EVENT_ADDED)
        count++;
    cr_assert_leq(count, EVENT_MESSAGE_EVENTS);
    cr_assert_eq(count, message.count);
}

Test(event_message, names_no_medium_where_there_is_none)
{
    start_as(EVENT_VLLM, "m");
    style.medium = "";
    cr_assert_eq(add(STORE_REMOVED, "m@8@0@7@half"), EVENT_ADDED);
    IS_WIRE("kv@10.0.0.1:7654@m", VLLM_HEAD
            "\x91" REMOVED "\x00\x00\x00\x00\x00\x00\x00\x07\xc0" VLLM_TAIL);
}

Test(event_message, is_full_at_so_many_events_or_bytes)
{
    char key[KEY_SIZE_MAX];
    struct event_frames frames;

    start_as(EVENT_OBJECT, "");
    fill("k");
    cr_assert_eq(message.count, EVENT_MESSAGE_EVENTS);
    frames = event_message_end(&message, UNIX_MS);
    /* An array of more than 15 has its count in two bytes. */
    cr_assert_arr_eq(frames.payload.at, OBJECT_HEAD "\xdc\x01\x00", 13);
    event_message_begin(&message);
    memset(key, 'k', sizeof(key));
    key[sizeof(key) - 1] = '\0';
    fill(key);
    cr_assert_lt(message.count, 10);
    frames = event_message_end(&message, UNIX_MS);
    cr_assert_gt(frames.payload.size, EVENT_MESSAGE_BYTES);
    cr_assert_lt(frames.payload.size, EVENT_MESSAGE_BYTES + 5000);
}

Test(event_message, has_room_for_the_longest_names)
{
    char model[256], key[KEY_SIZE_MAX + 1];

    memset(model, 'm', sizeof(model) - 1);
    model[sizeof(model) - 1] = '\0';
    start_as(EVENT_VLLM, model);
    style.pod = style.medium = model;
    event_message_begin(&message);
    fill("llama@8@0@1@half");
    style.model = "";
    event_message_begin(&message);
    memset(key, 'k', sizeof(key));
    memcpy(key + KEY_SIZE_MAX - 11, "@8@0@1@half", 12);
    fill(key);
    cr_assert_eq(event_message_end(&message, UNIX_MS).topic.size,
                 3 + 255 + 1 + KEY_SIZE_MAX - 11);
}
