/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packs events by msgpack-c.  How many there are stands before them, and is
 * known only at the end: so they begin behind room for that.
 */
#include "server/events/event_message.h"

#include "server/events/event_block.h"

#include <assert.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What goes before events and behind them. */
#define HEAD_MAX 32u
#define TAIL_MAX 8u
/* Of one event, its key and its medium apart. */
#define EVENT_MAX 256u
#define ROOM                                                                   \
    (HEAD_MAX + EVENT_MESSAGE_BYTES + EVENT_MAX + EVENT_TEXT_MAX +             \
     KEY_SIZE_MAX + TAIL_MAX)
#define TOPIC_ROOM (8u + 2 * EVENT_TEXT_MAX + KEY_SIZE_MAX)

enum status
event_message_open(struct event_message *message,
                   const struct event_style *style)
{
    *message = (struct event_message){
        .style = style, .bytes = malloc(ROOM), .topic = malloc(TOPIC_ROOM)};
    if (message->bytes == NULL || message->topic == NULL) {
        event_message_close(message);
        return STATUS_NO_SPACE;
    }
    event_message_begin(message);
    return STATUS_OK;
}

void
event_message_close(struct event_message *message)
{
    free(message->bytes);
    free(message->topic);
    *message = (struct event_message){0};
}

/* Of a model that no key has named: where there is nothing to be said of one. */
static void
set_topic(struct event_message *message, const struct bytes *model)
{
    const struct event_style *style = message->style;
    int size = 0;

    if (style->form == EVENT_VLLM)
        size = snprintf(message->topic, TOPIC_ROOM, "kv@%.255s@%.*s",
                        style->pod, (int)model->size, (const char *)model->at);
    assert(size >= 0 && (size_t)size < TOPIC_ROOM);
    message->topic_size = (size_t)size;
}

void
event_message_begin(struct event_message *message)
{
    const char *model = message->style->model;
    const struct bytes own = {(const uint8_t *)model, strlen(model)};

    message->count = 0;
    message->size = 0;
    message->has_topic = false;
    set_topic(message, &own);
}

/* For msgpack: there is room, or it would not have been asked to pack. */
static int
append(void *arg, const char *bytes, size_t size)
{
    struct event_message *message = arg;

    assert(HEAD_MAX + message->size + size <= ROOM);
    memcpy(message->bytes + HEAD_MAX + message->size, bytes, size);
    message->size += size;
    return 0;
}

static void
pack_text(msgpack_packer *packer, const char *text)
{
    size_t size = strlen(text);

    msgpack_pack_str(packer, size);
    msgpack_pack_str_body(packer, text, size);
}

static void
pack_medium(msgpack_packer *packer, const struct event_style *style)
{
    if (style->medium[0] != '\0')
        pack_text(packer, style->medium);
    else
        msgpack_pack_nil(packer);
}

/* --- The object form. --- */

static void
pack_pair(msgpack_packer *packer, const char *name, const char *text)
{
    pack_text(packer, name);
    pack_text(packer, text);
}

/* How many bytes the character at `at` has; 0: it is none of UTF-8. */
static size_t
character_size(const uint8_t *at, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    uint32_t code = at[0];

    if (size == 1)
        return 1;
    if (at[0] < 0xc2 || at[0] > 0xf4 || size > left)
        return 0;
    code &= 0x7fu >> size;
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3fu);
    }
    if (code < least[size] || code > 0x10ffff ||
        (code >= 0xd800 && code < 0xe000))
        return 0;
    return size;
}

/* A reader in a language with strings of text drops the whole message else. */
static bool
is_text(const struct key *key)
{
    size_t at = 0;

    while (at < key->size) {
        size_t size = character_size(key->bytes + at, key->size - at);

        if (size == 0)
            return false;
        at += size;
    }
    return true;
}

static void
pack_tenant(msgpack_packer *packer, uint16_t space)
{
    char text[8] = "default";

    if (space == STORE_ALL_SPACES)
        text[0] = '\0';
    else if (space != 0)
        snprintf(text, sizeof(text), "%u", space);
    pack_pair(packer, "tenant_id", text);
}

static enum event_added
add_object(struct event_message *message, const struct store_event *event)
{
    static const char *const types[] = {[STORE_STORED] = "stored",
                                        [STORE_REMOVED] = "removed",
                                        [STORE_CLEARED] = "cleared"};
    const struct key *key = &event->key;
    bool has_key = event->kind != STORE_CLEARED;
    msgpack_packer packer;

    if (has_key && !is_text(key))
        return EVENT_UNNAMED;
    msgpack_packer_init(&packer, message, append);
    msgpack_pack_map(&packer, has_key ? 6 : 5);
    pack_pair(&packer, "event_type", types[event->kind]);
    pack_text(&packer, "object_key");
    if (has_key) {
        msgpack_pack_str(&packer, key->size);
        msgpack_pack_str_body(&packer, key->bytes, key->size);
    } else {
        msgpack_pack_nil(&packer);
    }
    pack_tenant(&packer, key->space);
    pack_text(&packer, "group_id");
    msgpack_pack_nil(&packer);
    pack_text(&packer, "medium");
    pack_medium(&packer, message->style);
    if (has_key)
        pack_pair(&packer, "kind", key->kind == KEY_PLAIN ? "value" : "object");
    return EVENT_ADDED;
}

/* --- The vLLM form. --- */

static void
pack_hash(msgpack_packer *packer, uint64_t hash)
{
    msgpack_pack_array(packer, 1);
    msgpack_pack_fix_uint64(packer, hash);
}

static void
pack_stored(msgpack_packer *packer, const struct event_style *style,
            uint64_t hash)
{
    msgpack_pack_array(packer, 8);
    pack_text(packer, "BlockStored");
    pack_hash(packer, hash);
    msgpack_pack_nil(packer);      /* parent */
    msgpack_pack_array(packer, 0); /* token ids */
    msgpack_pack_uint64(packer, style->block_tokens);
    msgpack_pack_nil(packer); /* lora id */
    pack_medium(packer, style);
    msgpack_pack_nil(packer); /* lora name */
}

static void
pack_removed(msgpack_packer *packer, const struct event_style *style,
             uint64_t hash)
{
    msgpack_pack_array(packer, 3);
    pack_text(packer, "BlockRemoved");
    pack_hash(packer, hash);
    pack_medium(packer, style);
}

static bool
is_topic(const struct event_message *message, const struct bytes *model)
{
    size_t before = message->topic_size - model->size;

    return message->topic_size > model->size &&
           message->topic[before - 1] == '@' &&
           memcmp(message->topic + before, model->at, model->size) == 0;
}

/* A message is of one model.  False: of another. */
static bool
take_topic(struct event_message *message, const struct bytes *model)
{
    if (message->style->model[0] != '\0' || is_topic(message, model))
        return true;
    if (message->has_topic)
        return false;
    set_topic(message, model);
    return true;
}

static enum event_added
add_block(struct event_message *message, const struct store_event *event)
{
    struct event_block block;
    msgpack_packer packer;

    if (!event_block_parse(&event->key, &block) || !block.is_first)
        return EVENT_UNNAMED;
    if (!take_topic(message, &block.model))
        return EVENT_FULL;
    message->has_topic = true;
    msgpack_packer_init(&packer, message, append);
    if (event->kind == STORE_STORED)
        pack_stored(&packer, message->style, block.hash);
    else
        pack_removed(&packer, message->style, block.hash);
    return EVENT_ADDED;
}

/* One namespace is not all blocks. */
static enum event_added
add_cleared(struct event_message *message, const struct store_event *event)
{
    msgpack_packer packer;

    if (event->key.space != STORE_ALL_SPACES)
        return EVENT_UNNAMED;
    msgpack_packer_init(&packer, message, append);
    msgpack_pack_array(&packer, 1);
    pack_text(&packer, "AllBlocksCleared");
    return EVENT_ADDED;
}

enum event_added
event_message_add(struct event_message *message,
                  const struct store_event *event)
{
    enum event_added added;

    if (message->count == EVENT_MESSAGE_EVENTS ||
        message->size >= EVENT_MESSAGE_BYTES)
        return EVENT_FULL;
    if (message->style->form == EVENT_OBJECT)
        added = add_object(message, event);
    else if (event->kind == STORE_CLEARED)
        added = add_cleared(message, event);
    else
        added = add_block(message, event);
    message->count += added == EVENT_ADDED;
    return added;
}

/* What goes before the events. */
struct head {
    uint8_t bytes[HEAD_MAX];
    size_t size;
};

static int
append_head(void *arg, const char *bytes, size_t size)
{
    struct head *head = arg;

    assert(head->size + size <= HEAD_MAX);
    memcpy(head->bytes + head->size, bytes, size);
    head->size += size;
    return 0;
}

struct event_frames
event_message_end(struct event_message *message, uint64_t unix_ms)
{
    bool is_object = message->style->form == EVENT_OBJECT;
    struct head head = {.size = 0};
    msgpack_packer packer;
    uint8_t *start;

    msgpack_packer_init(&packer, &head, append_head);
    msgpack_pack_array(&packer, 3);
    if (is_object)
        msgpack_pack_uint64(&packer, unix_ms);
    else
        msgpack_pack_double(&packer, (double)unix_ms / 1000);
    msgpack_pack_array(&packer, message->count);
    msgpack_packer_init(&packer, message, append);
    /* Whose events: those of rank 0, which is all there is, or of no rank. */
    if (is_object)
        msgpack_pack_uint8(&packer, 0);
    else
        msgpack_pack_nil(&packer);
    start = message->bytes + HEAD_MAX - head.size;
    memcpy(start, head.bytes, head.size);
    return (struct event_frames){
        .topic = {(const uint8_t *)message->topic, message->topic_size},
        .payload = {start, head.size + message->size}};
}
