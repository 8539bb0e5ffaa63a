/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames go out by sendmsg() from where their bytes are: the ask's own memory
 * for head and keys, the caller's for a body.
 */
#include "client/link.h"

#include "client/engine.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define PIECES_MAX 48
/* So much is lined up beyond recall; what waits can still be overtaken. */
#define UNSENT_MAX (256u << 10)
/* Reads go first, but not for ever. */
#define SLOTS_OF_WRITES 8u
/* Of one turn, so that other links have theirs. */
#define TURN_BYTES (1u << 20)

/* Up to so many slots in use. */
static void
line_up(struct link *link, struct ask_queue *queue, unsigned most)
{
    struct ask *ask;

    while (link->used_count < most && link->unsent < UNSENT_MAX &&
           (ask = TAILQ_FIRST(queue)) != NULL) {
        uint32_t slot = 0;

        if (link->state != LINK_UP && ask->head.verb != NATIVE_HELLO)
            return;
        while (link->slots[slot] != NULL)
            slot++;
        TAILQ_REMOVE(queue, ask, queue);
        link->slots[slot] = ask;
        link->used_count++;
        ask->slot = slot;
        ask->state = ASK_SENDING;
        ask->sent_ns = link->engine->now_ns;
        ask_write(ask, (uint64_t)link->uses[slot] << 32 | slot,
                  link->engine->now_ns);
        link->unsent += ask_size(ask);
        TAILQ_INSERT_TAIL(&link->sending, ask, queue);
    }
}

struct pieces {
    struct iovec at[PIECES_MAX];
    int count;
    uint64_t skip; /* bytes that were sent before */
    uint64_t size;
};

static void
add(struct pieces *pieces, const void *from, uint64_t size)
{
    uint64_t skip = pieces->skip < size ? pieces->skip : size;
    const uint8_t *at = from;

    pieces->skip -= skip;
    size -= skip;
    if (size == 0)
        return;
    if (size > TURN_BYTES)
        size = TURN_BYTES;
    /* sendmsg() only reads what iov_base names. */
    pieces->at[pieces->count].iov_base = (void *)(uintptr_t)(at + skip);
    pieces->at[pieces->count++].iov_len = size;
    pieces->size += size;
}

static void
gather(const struct link *link, struct pieces *pieces)
{
    const struct ask *ask = TAILQ_FIRST(&link->sending);

    pieces->count = 0;
    pieces->size = 0;
    pieces->skip = link->sent;
    while (ask != NULL && pieces->count + 3 <= PIECES_MAX &&
           pieces->size < TURN_BYTES) {
        add(pieces, ask->frame, ask->frame_size);
        add(pieces, ask->list, ask->list_size);
        add(pieces, ask->body, ask->head.body_size);
        ask = TAILQ_NEXT(ask, queue);
    }
}

static void
advance(struct link *link, uint64_t sent)
{
    struct ask *ask;

    link->unsent -= sent;
    link->sent += sent;
    while ((ask = TAILQ_FIRST(&link->sending)) != NULL &&
           link->sent >= ask_size(ask)) {
        link->sent -= ask_size(ask);
        link_ask_sent(link, ask);
    }
}

/* To be told, or not, when the socket takes more. */
static bool
watch_room(struct link *link, bool is_watched)
{
    struct epoll_event event = {
        .events = is_watched ? EPOLLIN | EPOLLOUT : EPOLLIN,
        .data.u64 = (uint64_t)link->life << 32 | link->number};

    if (link->is_room_watched == is_watched)
        return true;
    link->is_room_watched = is_watched;
    return epoll_ctl(link->engine->epoll_fd, EPOLL_CTL_MOD, link->fd, &event) ==
           0;
}

bool
link_send(struct link *link)
{
    uint64_t turn = 0;
    struct pieces pieces;

    while (turn < TURN_BYTES) {
        struct msghdr message = {.msg_iov = pieces.at};
        ssize_t sent;

        line_up(link, &link->reads,
                TAILQ_EMPTY(&link->writes) ? LINK_WINDOW
                                           : LINK_WINDOW - SLOTS_OF_WRITES);
        line_up(link, &link->writes, LINK_WINDOW);
        gather(link, &pieces);
        if (pieces.count == 0)
            return watch_room(link, false);
        message.msg_iovlen = (size_t)pieces.count;
        sent = sendmsg(link->fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return false;
        if (sent > 0) {
            turn += (uint64_t)sent;
            atomic_fetch_add_explicit(&link->counts.bytes_out, (uint64_t)sent,
                                      memory_order_relaxed);
            advance(link, (uint64_t)sent);
        }
        if (sent < 0 || (uint64_t)sent < pieces.size) {
            link->is_full = true;
            return watch_room(link, true);
        }
    }
    engine_due(link->engine, link);
    return true;
}
