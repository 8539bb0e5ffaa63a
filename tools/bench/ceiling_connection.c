/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes between a socket and the pool, with as little else as can be. */
#include "tools/bench/ceiling_connection.h"

#include "proto/lm.h"
#include "tools/bench/load_value.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define SLICE (1u << 20)

/* Where the numbers of a v1 request and reply stand (WIRES 1). */
#define REQUEST_KEY 36u

struct ceiling_connection {
    int fd, queue;
    enum { HEAD, REPLY, BODY } state;
    bool waits_for_room; /* registered for output, not for input */
    size_t done;         /* bytes of the present state */
    size_t body_size;    /* of a GET's reply or a PUT's body */
    uint8_t *body;
    const struct ceiling_pool *pool;
    uint8_t request[LM_REQUEST_MAX];
    uint8_t reply[LM_REPLY_MAX];
};

enum status
ceiling_connection_new(int queue, int fd, const struct ceiling_pool *pool,
                       struct ceiling_connection **out)
{
    struct ceiling_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return STATUS_NO_SPACE;
    connection->fd = fd;
    connection->queue = queue;
    connection->pool = pool;
    *out = connection;
    return STATUS_OK;
}

enum status
ceiling_connection_start(struct ceiling_connection *connection)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    return epoll_ctl(connection->queue, EPOLL_CTL_ADD, connection->fd,
                     &event) == 0
               ? STATUS_OK
               : STATUS_IO;
}

static void
end(struct ceiling_connection *connection)
{
    close(connection->fd);
    free(connection);
}

static void
watch_for(struct ceiling_connection *connection, bool room)
{
    if (connection->waits_for_room == room)
        return;
    struct epoll_event event = {.events = room ? EPOLLOUT : EPOLLIN,
                                .data.ptr = connection};
    epoll_ctl(connection->queue, EPOLL_CTL_MOD, connection->fd, &event);
    connection->waits_for_room = room;
}

static int32_t
number_at(const uint8_t *bytes)
{
    int32_t number; /* little-endian, as every machine this runs on */
    memcpy(&number, bytes, sizeof number);
    return number;
}

static void
write_reply_head(struct ceiling_connection *connection, int32_t length)
{
    int32_t head[9] = {LM_CODE_OK, length, 0, 1, 0, 0, 0, 0, 0};
    memcpy(connection->reply, head, sizeof head);
}

/* False where this is no request that load.c makes. */
static bool
begin_request(struct ceiling_connection *connection)
{
    const struct ceiling_pool *pool = connection->pool;
    const uint8_t *request = connection->request;
    uint64_t slot = load_name_number(request + REQUEST_KEY) % pool->slots;
    connection->body = pool->bytes + slot * pool->size;
    connection->done = 0;
    connection->state = REPLY;
    switch (number_at(request)) {
    case LM_GET:
        connection->body_size = pool->size;
        write_reply_head(connection, (int32_t)pool->size);
        return true;
    case LM_PUT:
        connection->state = BODY;
        connection->body_size = (size_t)number_at(request + 4);
        return connection->body_size == pool->size;
    case LM_EXIST:
    case LM_HEALTH:
        connection->body_size = 0;
        write_reply_head(connection, 0);
        return true;
    default:
        return false;
    }
}

static ssize_t
receive(struct ceiling_connection *connection, uint8_t *into, size_t size)
{
    size_t left = size - connection->done;
    ssize_t got = recv(connection->fd, into + connection->done,
                       left < SLICE ? left : SLICE, 0);
    if (got > 0)
        connection->done += (size_t)got;
    return got;
}

static ssize_t
send_reply(struct ceiling_connection *connection)
{
    size_t head_left =
        connection->done < LM_REPLY_MAX ? LM_REPLY_MAX - connection->done : 0;
    size_t body_at = connection->done + head_left - LM_REPLY_MAX;
    size_t body_left = connection->body_size - body_at;
    struct iovec parts[2] = {
        {connection->reply + LM_REPLY_MAX - head_left, head_left},
        {connection->body + body_at, body_left < SLICE ? body_left : SLICE}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t sent = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
    if (sent > 0)
        connection->done += (size_t)sent;
    return sent;
}

/* Takes or gives what the socket will; false when the peer has gone. */
static bool
move_bytes(struct ceiling_connection *connection)
{
    ssize_t moved = 0;
    if (connection->state == HEAD) {
        moved = receive(connection, connection->request, LM_REQUEST_MAX);
        if (connection->done == LM_REQUEST_MAX && !begin_request(connection))
            return false;
        if (moved <= 0 || connection->state == HEAD)
            return moved > 0 || (moved < 0 && errno == EAGAIN);
    }
    if (connection->state == BODY) {
        moved = receive(connection, connection->body, connection->body_size);
        if (connection->done == connection->body_size) {
            connection->state = HEAD;
            connection->done = 0;
        }
    } else {
        moved = send_reply(connection);
        bool is_sent = connection->done == LM_REPLY_MAX + connection->body_size;
        if (is_sent) {
            connection->state = HEAD;
            connection->done = 0;
        }
        watch_for(connection, !is_sent);
    }
    return moved > 0 || (moved < 0 && errno == EAGAIN);
}

void
ceiling_connection_on_ready(struct ceiling_connection *connection)
{
    if (!move_bytes(connection))
        end(connection);
}
