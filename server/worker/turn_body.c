/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies: received straight into the pages of their chunk, in slices, or
 * received and forgotten where nobody keeps them.
 */
#include "server/worker/turn.h"

#include "base/clock.h"
#include "server/net/group.h"
#include "server/request/request.h"
#include "server/server.h"

#include <sys/socket.h>
#include <sys/uio.h>

#define VECTORS 64u
/* After a body of at least this, the next head is read by itself. */
#define LARGE_BODY (64u << 10)
#define HEAD_ALONE 512u

static enum step
drain(struct connection *connection, enum status why)
{
    connection->request.refusal = why;
    connection->request.refused_size = connection->request.head.body_size;
    connection->phase = PHASE_DRAIN;
    return STEP_ON;
}

void
turn_body_abandon(struct connection *connection, enum status why,
                  enum counter_id counter)
{
    struct request *request = &connection->request;

    struct key key = store_put_key(&request->put);

    request_lose(connection, &key, why);
    store_put_cancel(connection->port, &request->put);
    request->has_put = false;
    count(connection->counters, counter, 1);
    (void)drain(connection, why);
}

/* What came with the head goes into the chunk by a copy; the rest will not. */
static enum step
take_early_bytes(struct connection *connection)
{
    struct input *input = &connection->input;
    struct cursor cursor = input_cursor(input);
    uint32_t n = input_size(input);

    if (n > connection->body_left)
        n = (uint32_t)connection->body_left;
    connection->phase = PHASE_BODY;
    if (store_put_copy(connection->port, &connection->request.put, cursor.at,
                       n) != STATUS_OK) {
        turn_body_abandon(connection, STATUS_NO_SPACE, COUNTER_puts_no_space);
        return STEP_ON;
    }
    input_skip(input, n);
    connection->body_left -= n;
    return STEP_ON;
}

/* The PUT may begin, or may not. */
static enum step
put_started(struct connection *connection, const struct key *key)
{
    struct request *request = &connection->request;

    /* One that waited has been under way; it may end here all the same. */
    request->has_put = request->put.status == STATUS_OK;
    switch (request->put.status) {
    case STATUS_OK:
        return take_early_bytes(connection);
    case STATUS_TOO_BIG:
        count(connection->counters, COUNTER_puts_too_big, 1);
        break;
    case STATUS_BUSY:
        count(connection->counters, COUNTER_puts_busy, 1);
        break;
    default:
        count(connection->counters, COUNTER_puts_no_space, 1);
        break;
    }
    request_lose(connection, key, request->put.status);
    return drain(connection, request->put.status);
}

static void
on_put(struct store_put *put)
{
    struct connection *connection =
        (struct connection *)((char *)put -
                              offsetof(struct connection, request.put));

    struct key key = store_put_key(put);

    (void)put_started(connection, &key);
    if (put->status != STATUS_OK)
        store_put_cancel(connection->port, put);
    turn_resume(connection);
}

enum step
turn_body_start(struct connection *connection)
{
    struct request *request = &connection->request;
    uint64_t size = request->head.body_size;
    struct key key;
    enum status status;

    connection->body_left = size;
    connection->body_moved_ns = connection->slow_since_ns = clock_now_ns();
    connection->slow_bytes = 0;
    connection->head_expected = 0;
    if (size >= LARGE_BODY)
        connection->head_expected = connection->wire->head_size(connection);
    status = request_body_key(connection, &key);
    if (status != STATUS_OK)
        return drain(connection, status);
    request->put.done = on_put;
    if (store_put_start(connection->port, &request->put, &key, size) ==
        PENDING) {
        request->has_put = true;
        connection->phase = PHASE_WAITING;
        return STEP_HELD;
    }
    return put_started(connection, &key);
}

/* Cuts the vectors to at most `most` bytes in all; returns their sum. */
static size_t
cut(struct iovec *vectors, unsigned *count, size_t most)
{
    size_t sum = 0;

    for (unsigned i = 0; i < *count; i++) {
        if (vectors[i].iov_len >= most - sum) {
            vectors[i].iov_len = most - sum;
            *count = i + 1;
            return most;
        }
        sum += vectors[i].iov_len;
    }
    return sum;
}

/* Where all that is missing of the body has room, what follows it may be
 * received by the same call. */
static size_t
add_input(struct connection *connection, struct iovec *vectors, unsigned *count,
          size_t body)
{
    struct input *input = &connection->input;
    size_t room;

    if (body != connection->body_left || !connection->wire->may_read_more ||
        input_make_room(input, &connection->group->buffers, UINT32_MAX) !=
            STATUS_OK)
        return 0;
    room = input->capacity - input->end;
    if (room > HEAD_ALONE)
        room = HEAD_ALONE;
    vectors[*count].iov_base = input->buffer + input->end;
    vectors[*count].iov_len = room;
    (*count)++;
    return room;
}

static void
gained(struct connection *connection, size_t n)
{
    connection->body_left -= n;
    connection->turn_left -=
        n < connection->turn_left ? (uint32_t)n : connection->turn_left;
    connection->slow_bytes += n;
    connection->body_moved_ns = clock_now_ns();
}

static enum step
fill(struct connection *connection)
{
    struct store_put *put = &connection->request.put;
    struct iovec vectors[VECTORS + 1];
    unsigned number = store_put_space(connection->port, put, vectors, VECTORS);
    size_t body, after;
    ssize_t n;

    if (number == 0) {
        turn_body_abandon(connection, STATUS_NO_SPACE, COUNTER_puts_no_space);
        return STEP_ON;
    }
    body = cut(vectors, &number, connection->turn_left);
    after = add_input(connection, vectors, &number, body);
    n = readv(connection->fd, vectors, (int)number);
    if (n > 0) {
        size_t here = (size_t)n < body ? (size_t)n : body;

        chunk_fill(put->chunk, (uint32_t)here);
        gained(connection, here);
        if ((size_t)n > body)
            input_added(&connection->input, (uint32_t)((size_t)n - body));
    }
    return turn_received(connection, n, body + after);
}

static enum step
forget(struct connection *connection)
{
    struct input *input = &connection->input;
    size_t room = GROUP_SCRATCH;
    uint32_t early = input_size(input);
    ssize_t n;

    if (early != 0) {
        if (early > connection->body_left)
            early = (uint32_t)connection->body_left;
        input_skip(input, early);
        connection->body_left -= early;
        count(connection->counters, COUNTER_drained_bytes, early);
        return STEP_ON;
    }
    if (room > connection->body_left)
        room = (size_t)connection->body_left;
    n = recv(connection->fd, connection->group->scratch, room, MSG_DONTWAIT);
    if (n > 0) {
        gained(connection, (size_t)n);
        count(connection->counters, COUNTER_drained_bytes, (uint64_t)n);
    }
    return turn_received(connection, n, room);
}

enum step
turn_body(struct connection *connection)
{
    if (connection->body_left == 0) {
        connection->phase = PHASE_MORE;
        return STEP_ON;
    }
    if (connection->phase == PHASE_DRAIN && input_size(&connection->input) != 0)
        return forget(connection);
    if (!connection->may_read)
        return STEP_STARVED;
    if (connection->turn_left == 0)
        return STEP_HELD;
    return connection->phase == PHASE_BODY ? fill(connection)
                                           : forget(connection);
}
