/* SPDX-License-Identifier: Apache-2.0 */
/* Composing one writev of text, pages and tail, and keeping what did not go. */
#include "server/net/outbox.h"

#include "base/clock.h"
#include "server/net/buffers.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define VECTORS    66u /* text, 64 of body, tail */
#define SHORT_BODY 4096u

static const char crlf[2] = {'\r', '\n'};

bool
outbox_is_empty(const struct outbox *outbox)
{
    return outbox->begin == outbox->end && outbox->body == NULL;
}

enum status
outbox_reserve(struct outbox *outbox, struct buffers *buffers, size_t n,
               struct cursor *out)
{
    size_t size = outbox->end - outbox->begin;
    size_t capacity = BUFFER_SIZE;
    uint8_t *text;

    assert(outbox->body == NULL);
    if (size == 0)
        outbox->begin = outbox->end = 0;
    if (outbox->text == NULL || outbox->capacity - outbox->end < n) {
        while (capacity < size + n)
            capacity *= 2;
        text = buffer_new(buffers, capacity);
        if (text == NULL)
            return STATUS_NO_SPACE;
        if (outbox->text != NULL) {
            memcpy(text, outbox->text + outbox->begin, size);
            buffer_free(buffers, outbox->text, outbox->capacity);
        }
        outbox->text = text;
        outbox->capacity = (uint32_t)capacity;
        outbox->begin = 0;
        outbox->end = (uint32_t)size;
    }
    out->at = outbox->text + outbox->end;
    out->end = outbox->text + outbox->capacity;
    out->short_by = 0;
    return STATUS_OK;
}

void
outbox_commit(struct outbox *outbox, const struct cursor *cursor)
{
    assert(cursor->at >= outbox->text + outbox->end &&
           cursor->at <= cursor->end);
    if (outbox_is_empty(outbox))
        outbox->moved_ns = clock_now_ns();
    outbox->end = (uint32_t)(cursor->at - outbox->text);
}

void
outbox_time(struct outbox *outbox, uint64_t asked_ns, enum tier_kind tier,
            uint32_t size)
{
    outbox->asked_ns = asked_ns;
    outbox->timed_tier = tier;
    outbox->timed_size = size;
}

/* The body is the kernel's. */
static void
note_time(struct outbox *outbox, uint64_t now_ns)
{
    if (outbox->asked_ns != 0)
        speed_note(outbox->speed, outbox->timed_tier, outbox->timed_size,
                   now_ns - outbox->asked_ns);
    outbox->asked_ns = 0;
}

/* Copies a short body behind the text if there is room for it. */
static bool
copy_short(struct outbox *outbox, const struct chunk *chunk, uint32_t offset,
           uint32_t size, bool has_tail)
{
    if (size > SHORT_BODY || outbox->text == NULL ||
        outbox->capacity - outbox->end < size + sizeof(crlf))
        return false;
    chunk_copy_out(chunk, offset, outbox->text + outbox->end, size);
    outbox->end += size;
    if (has_tail) {
        memcpy(outbox->text + outbox->end, crlf, sizeof(crlf));
        outbox->end += (uint32_t)sizeof(crlf);
    }
    return true;
}

void
outbox_body(struct outbox *outbox, struct chunk *chunk, uint32_t offset,
            uint32_t size, bool has_tail)
{
    assert(outbox->body == NULL);
    if (copy_short(outbox, chunk, offset, size, has_tail)) {
        chunk_drop(&chunk);
        note_time(outbox, clock_now_ns());
        return;
    }
    if (outbox_is_empty(outbox))
        outbox->moved_ns = clock_now_ns();
    outbox->body = chunk;
    outbox->cursor = chunk_cursor_at(chunk, offset);
    outbox->body_left = size;
    outbox->tail_left = has_tail ? sizeof(crlf) : 0;
}

static unsigned
gather(const struct outbox *outbox, uint32_t most, struct iovec *vectors,
       size_t *size_out)
{
    unsigned count = 0;
    size_t body = 0;

    *size_out = outbox->end - outbox->begin;
    if (*size_out != 0) {
        vectors[count].iov_base = outbox->text + outbox->begin;
        vectors[count++].iov_len = *size_out;
    }
    if (outbox->body == NULL)
        return count;
    if (most > outbox->body_left)
        most = outbox->body_left;
    for (unsigned i = chunk_cursor_vectors(&outbox->cursor, vectors + count,
                                           VECTORS - 2, most);
         i > 0; i--)
        body += vectors[count++].iov_len;
    if (body == outbox->body_left && outbox->tail_left != 0) {
        vectors[count].iov_base =
            (char *)(uintptr_t)(crlf + sizeof(crlf) - outbox->tail_left);
        vectors[count++].iov_len = outbox->tail_left;
        *size_out += outbox->tail_left;
    }
    *size_out += body;
    return count;
}

/* n bytes have gone: text first, then body, then tail. */
static void
take_off(struct outbox *outbox, size_t n, uint32_t *turn_left)
{
    size_t text = outbox->end - outbox->begin;
    uint32_t body;

    text = n < text ? n : text;
    outbox->begin += (uint32_t)text;
    n -= text;
    body = n < outbox->body_left ? (uint32_t)n : outbox->body_left;
    if (body != 0)
        chunk_cursor_advance(&outbox->cursor, body);
    outbox->body_left -= body;
    *turn_left -= body < *turn_left ? body : *turn_left;
    outbox->tail_left -= (uint8_t)(n - body);
    if (outbox->body_left != 0 || outbox->tail_left != 0)
        return;
    if (outbox->body != NULL)
        note_time(outbox, outbox->moved_ns);
    chunk_drop(&outbox->body);
}

enum sent
outbox_send(struct outbox *outbox, int fd, uint32_t *turn_left)
{
    while (!outbox_is_empty(outbox)) {
        struct iovec vectors[VECTORS];
        struct msghdr message = {.msg_iov = vectors};
        size_t size;
        ssize_t n;

        if (outbox->body_left != 0 && *turn_left == 0)
            return SENT_SLICE;
        message.msg_iovlen = gather(outbox, *turn_left, vectors, &size);
        n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? SENT_BLOCKED : SENT_GONE;
        if (n != 0)
            outbox->moved_ns = clock_now_ns();
        take_off(outbox, (size_t)n, turn_left);
        if ((size_t)n < size)
            return SENT_BLOCKED;
    }
    return SENT_ALL;
}

void
outbox_settle(struct outbox *outbox, struct buffers *buffers)
{
    if (outbox->text == NULL || outbox->begin != outbox->end)
        return;
    buffer_free(buffers, outbox->text, outbox->capacity);
    outbox->text = NULL;
    outbox->capacity = outbox->begin = outbox->end = 0;
}

void
outbox_drop(struct outbox *outbox, struct buffers *buffers)
{
    chunk_drop(&outbox->body);
    outbox->begin = outbox->end;
    outbox_settle(outbox, buffers);
}
