/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes come in: heads into the input buffer, bodies by readv straight to where
 * they belong, with the next head behind them in the same call.  What a head
 * means is left to link_answer.c.
 */
#include "client/link.h"

#include "client/clock.h"
#include "client/engine.h"
#include "client/shard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

/* Of one turn, so that other links have theirs. */
#define TURN_BYTES (1u << 20)
/* Read with or behind a head that comes after a large body: a head is as long,
 * and what is read beyond it has to be copied. */
#define HEAD_AHEAD 256u
/* So much that comes says that the peer lives. */
#define NOTICED_BYTES (64u << 10)
#define FRAME_MAX     (NATIVE_PREFIX_SIZE + NATIVE_HEAD_MAX + NATIVE_LIST_MAX)

/* Takes what is in the input buffer for the body that is due. */
static void
copy_body(struct link *link)
{
    size_t size = link->input_end - link->input_begin;

    if (size > link->body_left)
        size = (size_t)link->body_left;
    if (link->body_at != NULL) {
        memcpy(link->body_at, link->input + link->input_begin, size);
        link->body_at += size;
    }
    link->input_begin += size;
    link->body_left -= size;
}

/* Room for so many bytes behind what is there, or as many as a frame may still
 * have. */
static bool
make_room(struct link *link, size_t more)
{
    size_t size = link->input_end - link->input_begin, room = link->input_room;
    uint8_t *input;

    memmove(link->input, link->input + link->input_begin, size);
    link->input_begin = 0;
    link->input_end = size;
    if (size == 0 && room > LINK_INPUT_SIZE)
        room = LINK_INPUT_SIZE;
    if (size >= FRAME_MAX)
        return false;
    if (more > FRAME_MAX - size)
        more = FRAME_MAX - size;
    if (size + more > room)
        room = size + more;
    if (room == link->input_room)
        return true;
    input = realloc(link->input, room);
    if (input == NULL)
        return size + more <= link->input_room;
    link->input = input;
    link->input_room = room;
    return true;
}

/* A reply has come, whole, or much of one.  Less is no sign of life: who sends a
 * byte now and then would be waited for by every call. */
static void
notice(struct link *link)
{
    link->progress_ns = link->engine->now_ns;
    link->late_count = 0;
    link->unnoticed = 0;
    shard_progress(link->shard, link->progress_ns);
}

static void
end_reply(struct link *link)
{
    notice(link);
    link_body_done(link);
}

/* All that is in the input buffer; *missing_out: bytes at least until it goes
 * on. */
static bool
parse(struct link *link, size_t *missing_out)
{
    *missing_out = 0;
    for (;;) {
        struct native_reply reply;
        struct cursor in;
        const char *why;

        if (link->body_left > 0) {
            copy_body(link);
            if (link->body_left > 0)
                return true;
            end_reply(link);
        }
        in = (struct cursor){.at = link->input + link->input_begin,
                             .end = link->input + link->input_end};
        if (in.at == in.end)
            return true;
        switch (native_read_reply(&in, &reply, &why)) {
        case PARSE_MORE:
            *missing_out = in.short_by;
            return true;
        case PARSE_BROKEN:
            return false;
        case PARSE_DONE:
            link->input_begin = (size_t)(in.at - link->input);
            link->body_left = reply.body_size;
            link->is_bulky = reply.body_size >= LINK_INPUT_SIZE;
            if (!link_answer(link, &reply))
                return false;
            if (link->body_left == 0)
                end_reply(link);
        }
    }
}

/* Where the next bytes go: the rest of the body, then the input buffer. */
static int
aim(struct link *link, struct iovec pieces[2], size_t ahead)
{
    int count = 0;

    if (link->body_left > 0) {
        bool is_skipped = link->body_at == NULL;
        size_t most = is_skipped ? ENGINE_SCRATCH_SIZE : TURN_BYTES;

        pieces[count].iov_base =
            is_skipped ? link->engine->scratch : link->body_at;
        pieces[count].iov_len =
            link->body_left < most ? (size_t)link->body_left : most;
        if (pieces[count++].iov_len < link->body_left)
            return count;
    }
    pieces[count].iov_base = link->input + link->input_end;
    pieces[count].iov_len = link->input_room - link->input_end;
    if (pieces[count].iov_len > ahead)
        pieces[count].iov_len = ahead;
    return count + 1;
}

static void
land(struct link *link, size_t size)
{
    size_t of_body = size < link->body_left ? size : (size_t)link->body_left;

    if (link->body_at != NULL)
        link->body_at += of_body;
    link->body_left -= of_body;
    link->input_end += size - of_body;
    link->unnoticed += size;
    if (link->unnoticed >= NOTICED_BYTES)
        notice(link);
    atomic_fetch_add_explicit(&link->counts.bytes_in, size,
                              memory_order_relaxed);
}

bool
link_receive(struct link *link)
{
    size_t turn = 0, missing = 0;

    while (turn < TURN_BYTES) {
        size_t ahead = link->is_bulky ? HEAD_AHEAD : LINK_INPUT_SIZE, asked;
        bool had_body = link->body_left > 0;
        struct iovec pieces[2];
        int count;
        ssize_t got;

        if (ahead < missing)
            ahead = missing;
        if (!make_room(link, ahead))
            return false;
        count = aim(link, pieces, ahead);
        asked = pieces[0].iov_len + (count > 1 ? pieces[1].iov_len : 0);
        got = readv(link->fd, pieces, count);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
        turn += (size_t)got;
        land(link, (size_t)got);
        if (had_body && link->body_left == 0)
            end_reply(link);
        if (!parse(link, &missing))
            return false;
        if ((size_t)got < asked)
            return true;
    }
    return true;
}
