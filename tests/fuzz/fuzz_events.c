/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the key of an event, and as the frames of a reader's request:
 * what names a block lies in the key, what is written can be read again and
 * means the same, and a request is taken or refused.
 */
#include "server/events/event_block.h"
#include "server/events/event_replay.h"
#include "tests/lib/event_wire.h"

#include <assert.h>
#include <stdlib.h>

#define FRAMES_MAX 6u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct store_event
event_of(const uint8_t *data, size_t size)
{
    return (struct store_event){
        .kind = STORE_STORED,
        .key = {.bytes = data, .size = (uint16_t)size, .kind = KEY_OBJECT}};
}

static void
check_block(const struct key *key)
{
    struct event_block block;

    if (!event_block_parse(key, &block))
        return;
    assert(block.model.at >= key->bytes);
    assert(block.model.at + block.model.size <= key->bytes + key->size);
    assert(memchr(block.model.at, '@', block.model.size) == NULL);
}

struct seen {
    const struct key *key;
    unsigned count;
};

static void
on_event(void *arg, const struct event_wire *event)
{
    struct seen *seen = arg;

    assert(event->type == WIRE_STORED && event->is_object);
    assert(event->key.size == seen->key->size);
    assert(memcmp(event->key.at, seen->key->bytes, event->key.size) == 0);
    seen->count++;
}

static void
check_object(const struct store_event *event)
{
    const struct event_style style = {
        .form = EVENT_OBJECT, .pod = "", .model = "", .medium = "cpu"};
    struct seen seen = {&event->key, 0};
    struct event_message message;
    struct event_frames frames;
    unsigned count = 0;

    if (event_message_open(&message, &style) != STATUS_OK)
        return;
    while (event_message_add(&message, event) == EVENT_ADDED)
        count++;
    frames = event_message_end(&message, 1);
    assert(frames.topic.size == 0);
    assert(event_wire_read(&frames.payload, on_event, &seen));
    assert(seen.count == count);
    event_message_close(&message);
}

/* [number, [events], nil] */
static void
check_payload(const struct bytes *payload, unsigned count)
{
    msgpack_unpacked unpacked;
    size_t at = 0;

    msgpack_unpacked_init(&unpacked);
    assert(msgpack_unpack_next(&unpacked, (const char *)payload->at,
                               payload->size, &at) == MSGPACK_UNPACK_SUCCESS);
    assert(at == payload->size);
    assert(unpacked.data.type == MSGPACK_OBJECT_ARRAY);
    assert(unpacked.data.via.array.size == 3);
    assert(unpacked.data.via.array.ptr[1].type == MSGPACK_OBJECT_ARRAY);
    assert(unpacked.data.via.array.ptr[1].via.array.size == count);
    msgpack_unpacked_destroy(&unpacked);
}

static void
check_vllm(const struct store_event *event)
{
    const struct event_style style = {.form = EVENT_VLLM,
                                      .pod = "pod",
                                      .model = "",
                                      .medium = "cpu",
                                      .block_tokens = 256};
    struct event_message message;
    struct event_frames frames;
    unsigned count = 0;

    if (event_message_open(&message, &style) != STATUS_OK)
        return;
    while (event_message_add(&message, event) == EVENT_ADDED)
        count++;
    frames = event_message_end(&message, 1);
    assert(frames.topic.size >= strlen("kv@pod@"));
    assert(memcmp(frames.topic.at, "kv@pod@", strlen("kv@pod@")) == 0);
    check_payload(&frames.payload, count);
    event_message_close(&message);
}

/* The first byte says how many frames; each has its size before it. */
static void
check_request(const uint8_t *data, size_t size)
{
    struct bytes frames[FRAMES_MAX];
    struct event_request request;
    unsigned count = size == 0 ? 0 : 1 + data[0] % FRAMES_MAX;
    size_t at = 1;

    for (unsigned i = 0; i < count; i++) {
        size_t wanted = at < size ? data[at++] : 0;

        frames[i].at = at < size ? data + at : data;
        frames[i].size = at < size && size - at < wanted ? size - at : wanted;
        if (at >= size)
            frames[i].size = 0;
        at += frames[i].size;
    }
    if (count == 0 || event_request_read(frames, count, &request) != STATUS_OK)
        return;
    assert(count == 2 || count == 3);
    assert(frames[count - 1].size == 8);
    assert(request.peer.size == frames[0].size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store_event event;

    check_request(data, size);
    if (size == 0 || size > KEY_SIZE_MAX)
        return 0;
    event = event_of(data, size);
    check_block(&event.key);
    check_object(&event);
    check_vllm(&event);
    return 0;
}
