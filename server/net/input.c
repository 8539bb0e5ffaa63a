/* SPDX-License-Identifier: Apache-2.0 */
/* Input buffers: borrowed while needed, grown while a head needs it. */
#include "server/net/input.h"

#include "server/net/buffers.h"

#include <assert.h>

static uint8_t *
base(struct input *input)
{
    return input->buffer != NULL ? input->buffer : input->stash;
}

struct cursor
input_cursor(struct input *input)
{
    struct cursor cursor = {base(input) + input->begin,
                            base(input) + input->end, 0};

    return cursor;
}

void
input_consume(struct input *input, const struct cursor *cursor)
{
    input->begin = (uint32_t)(cursor->at - base(input));
    assert(input->begin <= input->end);
}

void
input_skip(struct input *input, uint32_t n)
{
    assert(n <= input_size(input));
    input->begin += n;
}

uint32_t
input_size(const struct input *input)
{
    return input->end - input->begin;
}

static void
free_buffer(struct input *input, struct buffers *buffers)
{
    if (input->buffer != NULL)
        buffer_free(buffers, input->buffer, input->capacity);
    input->buffer = NULL;
    input->capacity = 0;
}

/* Moves the rest into a buffer of this size. */
static enum status
move_into(struct input *input, struct buffers *buffers, uint32_t capacity)
{
    uint8_t *buffer = buffer_new(buffers, capacity);
    uint32_t size = input_size(input);

    if (buffer == NULL)
        return STATUS_NO_SPACE;
    memcpy(buffer, base(input) + input->begin, size);
    free_buffer(input, buffers);
    input->buffer = buffer;
    input->capacity = capacity;
    input->begin = 0;
    input->end = size;
    return STATUS_OK;
}

enum status
input_make_room(struct input *input, struct buffers *buffers, uint32_t most)
{
    uint32_t capacity;

    if (input->buffer == NULL)
        return move_into(input, buffers, BUFFER_SIZE);
    if (input->begin == input->end)
        input->begin = input->end = 0;
    if (input->end < input->capacity)
        return STATUS_OK;
    if (input->begin != 0) {
        memmove(input->buffer, input->buffer + input->begin, input_size(input));
        input->end -= input->begin;
        input->begin = 0;
        return STATUS_OK;
    }
    if (input->capacity >= most)
        return STATUS_TOO_BIG;
    capacity = input->capacity * 2 < most ? input->capacity * 2 : most;
    return move_into(input, buffers, capacity);
}

void
input_added(struct input *input, uint32_t n)
{
    input->end += n;
    assert(input->end <= input->capacity);
}

void
input_settle(struct input *input, struct buffers *buffers)
{
    uint32_t size = input_size(input);

    if (input->buffer == NULL || size > INPUT_STASH)
        return;
    memcpy(input->stash, input->buffer + input->begin, size);
    free_buffer(input, buffers);
    input->begin = 0;
    input->end = size;
}

const uint8_t *
input_settle_head(struct input *input, struct buffers *buffers,
                  const uint8_t *head)
{
    uint32_t at;

    if (input->buffer == NULL)
        return head;
    assert(head >= input->buffer && head <= input->buffer + input->begin);
    at = (uint32_t)(head - input->buffer);
    if (input->end - at > INPUT_STASH)
        return head;
    memcpy(input->stash, head, input->end - at);
    free_buffer(input, buffers);
    input->begin -= at;
    input->end -= at;
    return input->stash;
}

void
input_drop(struct input *input, struct buffers *buffers)
{
    free_buffer(input, buffers);
    input->begin = input->end = 0;
}
